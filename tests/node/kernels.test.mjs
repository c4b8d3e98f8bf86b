// Which kernel a shape picks, on wasm. In: tests/cases/kernels.json: a model whose values do not matter, and for each node
// of its plan that must be there, in order, the operator and a part of what the profile tells of it; `MoveAxis` and the
// like lie between them. Out: one test a row.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InferenceSession, Tensor, reportOf } from 'nearside';
import { onnx } from '../lib/onnx.mjs';

const ARRAYS = { float32: Float32Array, uint8: Uint8Array, int64: BigInt64Array };
const rows = JSON.parse(readFileSync(new URL('../cases/kernels.json', import.meta.url)));

const known = (given) => (Array.isArray(given) ? { type: 'float32', dims: given } : given);

/** The values that are given, or such as differ, and stay small. */
function filled(given) {
  const { type, dims, values } = known(given);
  if (values) return { type, dims, data: ARRAYS[type].from(values, type === 'int64' ? BigInt : Number) };
  const data = ARRAYS[type].from({ length: dims.reduce((a, b) => a * b, 1) }, (_, at) => (type === 'float32' ? ((at * 37) % 101) / 101 - 0.5 : (at * 37) % 101));
  return { type, dims, data };
}

function modelOf({ nodes, domains, inputs, outputs = { y: 'float32' }, constants = {} }) {
  return onnx({
    nodes,
    domains,
    inputs: Object.entries(inputs).map(([name, given]) => ({ name, type: known(given).type, shape: known(given).dims })),
    outputs: Object.entries(outputs).map(([name, type]) => ({ name, type })),
    constants: Object.entries(constants).map(([name, given]) => ({ name, ...filled(given) })),
  });
}

for (const { name, model, runs } of rows) {
  test(name, async () => {
    const session = await InferenceSession.create(modelOf(model), { nearside: { profile: true } });
    try {
      const feeds = Object.entries(model.inputs).map(([key, given]) => [key, filled(given)]);
      const results = await session.run(Object.fromEntries(feeds.map(([key, { type, data, dims }]) => [key, new Tensor(type, data, dims)])));
      const steps = reportOf(results).profile;
      const told = steps.map(({ operator, details }) => `${operator}: ${details.join(' ')}`);
      let from = 0;
      for (const [operator, part = ''] of runs) {
        const at = steps.findIndex((step, index) => index >= from && step.operator === operator && step.details.join(' ').includes(part));
        assert.ok(at >= 0, `no ${operator} ${part} in:\n${told.join('\n')}`);
        from = at + 1;
      }
    } finally {
      await session.release();
    }
  });
}
