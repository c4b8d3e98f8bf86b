// A TensorFlow Lite file for tests. In: tests/cases/operators/tflite.json. Out: one of its models, with what it must give.
import { readFileSync } from 'node:fs';

const cases = JSON.parse(readFileSync(new URL('../cases/operators/tflite.json', import.meta.url)));
/** Two quantised inputs and outputs. */
export const liteCase = cases.find(({ name }) => name === 'ADD_SOFTMAX_int8');
export const lite = () => new Uint8Array(Buffer.from(liteCase.model, 'base64'));
