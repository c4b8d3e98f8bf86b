// The digit model and its reference results. In: tests/cases/digits.json, www/models/digits. Out: feeds, and a verdict on results.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compareTensor } from './compare.mjs';

export const digits = JSON.parse(readFileSync(new URL('../cases/digits.json', import.meta.url), 'utf8'));
export const digitsPath = fileURLToPath(new URL('../../www/models/digits/1/model.onnx', import.meta.url));

export const pixels = (example) => Float32Array.from(example.image, (value) => value / digits.divideBy);

/** The probabilities are the reference's. */
export function checkDigit(tensor, example) {
  const expected = { type: 'float32', dims: [1, 10], data: example.probabilities };
  const { same, text } = compareTensor('probabilities', tensor, expected, digits);
  assert.ok(same, text);
  assert.equal(tensor.data.indexOf(Math.max(...tensor.data)), example.label);
}
