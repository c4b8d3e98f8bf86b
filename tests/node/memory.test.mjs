// What a model needs of memory. In: the real engine with so much memory and no more. Out: verdicts: models load and
// run within it. One decision: memory that may not grow is the measure, since wasm memory never shrinks.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { env, InferenceSession, Tensor } from '../../pkg/index.node.js';
import { chain, ENGINE } from '../lib/heavy.mjs';
import { onnx } from '../lib/onnx.mjs';
import { withMemoryLimit } from '../lib/small-memory.mjs';

const MiB = 2 ** 20;
const wasm = await readFile(new URL('../../pkg/wasm/nearside_bg.wasm', import.meta.url));
after(() => { env.wasm.wasmBinary = undefined; });

async function runs(model, feeds, memory) {
  env.wasm.wasmBinary = withMemoryLimit(wasm, memory);
  const session = await InferenceSession.create(model);
  const results = await session.run(feeds);
  await session.release();
  return results;
}

/** How a model may come, and how much more than its weights it may take, while it loads and in a first run. */
const HEAVY = [
  { name: 'a model of fixed shapes', make: () => chain(1), times: 1.4 },
];
for (const { name, make, times } of HEAVY) {
  test(`memory: ${name} loads and runs in ${times} times its weights`, async () => {
    const { model, weights, feeds, output, wanted } = make();
    const results = await runs(model, feeds(), ENGINE + times * weights);
    assert.ok(Math.abs(results[output].data[0] - wanted) < 1e-3);
  });
}

test('memory: a model of open shapes loads in 1.2 times its weights', async () => {
  const { model, weights } = chain('n');
  env.wasm.wasmBinary = withMemoryLimit(wasm, ENGINE + 1.2 * weights);
  const session = await InferenceSession.create(model);
  await session.release();
});

test('memory: convolutions of wide kernels between transpositions, on a batch, exhaust nothing', async () => {
  const [batch, height, width, channels] = [17, 76, 32, 64];
  const [nodes, parts] = [[], []];
  let wire = 'x';
  for (const [at, [high, wide, from]] of [[9, 9, 1], [51, 1, channels], [1, 31, channels]].entries()) {
    nodes.push(
      { op: 'Transpose', inputs: [wire], outputs: [`t${at}`], attributes: { perm: [0, 3, 1, 2] } },
      { op: 'Conv', inputs: [`t${at}`, `w${at}`], outputs: [`c${at}`], attributes: { auto_pad: 'SAME_UPPER' } },
      { op: 'Transpose', inputs: [`c${at}`], outputs: [`n${at}`], attributes: { perm: [0, 2, 3, 1] } },
      { op: 'Relu', inputs: [`n${at}`], outputs: [`r${at}`] },
    );
    wire = `r${at}`;
    parts.push([high, wide, from]);
  }
  const model = onnx({
    nodes,
    inputs: [{ name: 'x', type: 'float32', shape: [batch, height, width, 1] }],
    outputs: [{ name: wire, type: 'float32', shape: [batch, height, width, channels] }],
    constants: parts.map(([high, wide, from], at) => ({
      name: `w${at}`, type: 'float32', dims: [channels, from, high, wide], data: new Float32Array(channels * from * high * wide).fill(1 / (from * high * wide)),
    })),
  });
  const results = await runs(model, { x: new Tensor(new Float32Array(batch * height * width).fill(1), [batch, height, width, 1]) }, 96 * MiB);
  const { data } = results[wire];
  // In the middle every kernel lies within the image.
  assert.ok(Math.abs(data[((38 * width) + 16) * channels] - 1) < 0.6);
  assert.equal(data.length, batch * height * width * channels);
});

test('memory: large images, normalised plane by plane, need what two layers hold, run after run', async () => {
  const [side, deep] = [224, 64];
  const layers = [[3, deep], [deep, deep], [deep, 32], [32, 9]];
  const nodes = layers.flatMap((_, at) => [
    { op: 'Conv', inputs: [at ? `y${at - 1}` : 'x', `w${at}`], outputs: [`c${at}`], attributes: { pads: [1, 1, 1, 1] } },
    { op: 'InstanceNormalization', inputs: [`c${at}`, `s${at}`, `b${at}`], outputs: [`n${at}`] },
    { op: 'Relu', inputs: [`n${at}`], outputs: [`y${at}`] },
  ]);
  const values = (length, value) => Float32Array.from({ length }, (_, at) => value(at));
  const model = onnx({
    nodes: [...nodes, { op: 'DepthToSpace', inputs: ['y3'], outputs: ['y'], attributes: { blocksize: 3 } }],
    inputs: [{ name: 'x', type: 'float32', shape: [1, 3, side, side] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1, 1, 3 * side, 3 * side] }],
    constants: layers.flatMap(([from, to], at) => [
      { name: `w${at}`, type: 'float32', dims: [to, from, 3, 3], data: values(to * from * 9, (i) => ((i * 37) % 101) / 101 - 0.5) },
      { name: `s${at}`, type: 'float32', dims: [to], data: values(to, () => 1) },
      { name: `b${at}`, type: 'float32', dims: [to], data: values(to, () => 0.5) },
    ]),
  });
  env.wasm.wasmBinary = withMemoryLimit(wasm, 34 * MiB);
  const session = await InferenceSession.create(model);
  const x = values(3 * side * side, (i) => ((i * 7919) % 997) / 997 - 0.5);
  for (let run = 0; run < 4; run += 1) {
    const { y } = await session.run({ x: new Tensor('float32', x, [1, 3, side, side]) });
    const mean = y.data.reduce((sum, value) => sum + value) / y.data.length;
    // Of what is distributed evenly around 0.5 with a deviation of 1, the positive part.
    assert.ok(mean > 0.5 && mean < 0.9, `${mean}`);
  }
  await session.release();
});
