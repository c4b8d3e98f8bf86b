// Every shared model on the package in Node.
import { InferenceSession, Tensor } from 'nearside';
import { defineModelTests, modelFile, overSession } from '../lib/model-cases.mjs';

defineModelTests('node', async (row) => overSession(await InferenceSession.create(modelFile(row)), Tensor));
