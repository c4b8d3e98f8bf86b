// The native tests' operators and graphs on the package. In: tests/cases/operators/*.json (their form is told in
// tests/native/operators.rs; a part of the message under `wasm` where only this engine refuses). Out: one test a file of
// cases, one subtest a case.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InferenceSession, NearsideError, Tensor } from 'nearside';
import { toHalf } from '../../pkg/half.js';
import { compareTensor } from './compare.mjs';

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
  int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, bool: Uint8Array,
};
const folder = new URL('../cases/operators/', import.meta.url);

function element(type, value) {
  if (type.endsWith('64') && !type.startsWith('float')) return BigInt(value);
  const number = typeof value === 'string' ? Number(value.replace('inf', 'Infinity')) : Number(value);
  return type === 'float16' ? toHalf(number) : number;
}

const data = ({ type, values }) => (type === 'string' ? values : ARRAYS[type].from(values, (value) => element(type, value)));

async function answer({ model, inputs }) {
  const session = await InferenceSession.create(Uint8Array.from(Buffer.from(model, 'base64')));
  try {
    const feeds = Object.entries(inputs).map(([name, given]) => [name, new Tensor(given.type, data(given), given.dims)]);
    return await session.run(Object.fromEntries(feeds));
  } finally {
    await session.release();
  }
}

async function check(testCase) {
  if (testCase.error || testCase.wasm) {
    await assert.rejects(answer(testCase), (error) => error instanceof NearsideError && error.message.includes(testCase.wasm ?? ''));
    return;
  }
  const outputs = await answer(testCase);
  for (const [name, wanted] of Object.entries(testCase.outputs)) {
    const report = compareTensor(name, outputs[name], { type: wanted.type, dims: wanted.dims, data: data(wanted) }, testCase);
    assert.ok(report.beyond === 0, report.text);
  }
}

export function defineOperatorTests() {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    test(file, async (t) => {
      for (const testCase of JSON.parse(readFileSync(new URL(file, folder)))) await t.test(testCase.name, () => check(testCase));
    });
  }
}
