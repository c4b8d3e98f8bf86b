// Every shared model on `nearside serve`, asked by the package over the wire with binary tensors.
import { after, before } from 'node:test';
import { InferenceSession, Tensor } from 'nearside';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { defineModelTests, overSession, servableModels } from '../lib/model-cases.mjs';

let cloud;
let models;

before(async () => {
  models = servableModels();
  cloud = await startCloud({ models: models.folder });
});

after(async () => {
  await cloud?.stop();
  models?.remove();
});

defineModelTests('cloud', async ({ model }) => {
  const session = await InferenceSession.create(`${cloud.url}/models/${model}/1/model.onnx`, {
    nearside: { mode: 'only_in_cloud', cloud: cloud.url },
  });
  return overSession(session, Tensor);
});
