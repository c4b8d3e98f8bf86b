// An engine that is tailored to the digit model, and a model that it cannot run. In: the built package. Out: bytes.
import { readFileSync } from 'node:fs';
import { tailor } from '../../pkg/tailor/tailor.js';
import { digitsPath } from './digits.mjs';
import { elements } from './elements.mjs';

const read = (path) => readFileSync(new URL(path, import.meta.url));

let copies = 0;
export const tailoredToDigits = async () => (await tailor([{ name: 'digits', model: readFileSync(digitsPath), shapes: new Map() }], {
  whole: read('../../pkg/wasm/nearside_full_bg.wasm'),
  trimmed: read('../../pkg/wasm/nearside_bg.wasm'),
  glue: () => import(`../../pkg/wasm/nearside.js?tailored${(copies += 1)}`),
})).bytes;

/** A case of tests/cases/operators with one output. */
export function stranger() {
  const cases = JSON.parse(read('../cases/operators/quantized.json').toString());
  const { model, inputs, outputs } = cases.find((one) => one.outputs);
  const [[name, output]] = Object.entries(outputs);
  return {
    model: new Uint8Array(Buffer.from(model, 'base64')),
    feeds: Object.fromEntries(Object.entries(inputs).map(([input, value]) => [input, elements(value)])),
    output: { name, ...elements(output) },
  };
}
