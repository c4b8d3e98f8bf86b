// What a model needs of memory. In: the real engine with so much memory and no more. Out: verdicts: models load and
// run within it. One decision: memory that may not grow is the measure, since wasm memory never shrinks.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { env, InferenceSession, Tensor } from '../../pkg/index.node.js';
import { onnx } from '../lib/onnx.mjs';
import { withMemoryLimit } from '../lib/small-memory.mjs';

const MiB = 2 ** 20;
/** The engine's own data, stack and code tables. */
const ENGINE = 4 * MiB;
const wasm = await readFile(new URL('../../pkg/wasm/nearside_bg.wasm', import.meta.url));
after(() => { env.wasm.wasmBinary = undefined; });

const field = (number, content) => {
  const length = [];
  for (let rest = content.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest % 128 | (rest > 127 ? 128 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content]);
};
/** A number of up to 14 bits. */
const int = (number, value) => Buffer.from([number << 3, (value % 128) | 128, Math.floor(value / 128)]);

/** A weight as a second graph of the file, which is merged into the first. */
const weight = (name, rows, columns, value) => field(7, field(5, Buffer.concat([
  int(1, rows), int(1, columns), Buffer.from([2 << 3, 1]), field(8, Buffer.from(name)),
  field(9, Buffer.from(new Float32Array(rows * columns).fill(value).buffer)),
])));

async function runs(model, feeds, memory) {
  env.wasm.wasmBinary = withMemoryLimit(wasm, memory);
  const session = await InferenceSession.create(model);
  const results = await session.run(feeds);
  await session.release();
  return results;
}

test('memory: a model of fixed shapes loads and runs in less than twice its weights', async () => {
  const [width, layers] = [1024, 12];
  const wires = Array.from({ length: layers + 1 }, (_, at) => (at === 0 ? 'x' : `h${at}`));
  const model = Buffer.concat([
    onnx({
      nodes: Array.from({ length: layers }, (_, at) => ({ op: 'MatMul', inputs: [wires[at], `w${at}`], outputs: [wires[at + 1]] })),
      inputs: [{ name: 'x', type: 'float32', shape: [1, width] }],
      outputs: [{ name: wires.at(-1), type: 'float32', shape: [1, width] }],
    }),
    // No two the same: equal constants would be one.
    ...Array.from({ length: layers }, (_, at) => weight(`w${at}`, width, width, (1 + at / 1000) / width)),
  ]);
  const weights = layers * width * width * 4;
  const results = await runs(model, { x: new Tensor(new Float32Array(width).fill(1), [1, width]) }, ENGINE + 1.8 * weights);
  const expected = Array.from({ length: layers }, (_, at) => 1 + at / 1000).reduce((product, factor) => product * factor, 1);
  assert.ok(Math.abs(results[wires.at(-1)].data[0] - expected) < 1e-3);
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
