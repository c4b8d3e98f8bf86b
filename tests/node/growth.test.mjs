// Wasm memory over many runs. In: the real engine, a model of the repository and the shared ones that are there. Out:
// verdicts: after the second run the memory grows no more, whatever a run asks of the allocator.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
// Before any engine.
import { wasmBytes } from '../bench/page/memory.mjs';
import { sharedModels } from '../../scripts/lib/paths.mjs';
import { InferenceSession, Tensor } from '../../pkg/index.node.js';
import { readNpz } from '../lib/npz.mjs';
import { onnx } from '../lib/onnx.mjs';

const RUNS = 20;
/** Of one kind each: convolutions, of images of many sizes, recurrent layers, attention, integers, trees. */
const SHARED = [
  'ppocr-cls', 'ppocr-det-mobile', 'squeezenet-fp16', 'ultraface-320-int8-qdq', 'yolox-nano-fp16', 'style-candy', 'superres-x3', 'yolox-nano', 'byte-sb-bilstm', 'minilm-l6-v2-int8', 'resnet56-int8-qoperator', 'tinyllama-260k-q4',
  'sklearn-rf-digits',
];

async function steady(model, feeds, names) {
  const session = await InferenceSession.create(model);
  try {
    for (let run = 0; run < 2; run += 1) await session.run(feeds, names);
    const before = wasmBytes();
    assert.ok(before > 0, 'the memory was seen');
    for (let run = 0; run < RUNS; run += 1) await session.run(feeds, names);
    assert.equal(wasmBytes(), before);
  } finally {
    await session.release();
  }
}

test('growth: none after the second run of layers of many sizes', async () => {
  const nodes = [];
  let wire = 'x';
  const add = (op, more, attributes) => {
    const to = `${op}${nodes.length}`;
    nodes.push({ op, inputs: [wire, ...more], outputs: [to], attributes });
    wire = to;
  };
  const sizes = [[24, 8, 3, 3], [40, 24, 1, 1], [40, 1, 5, 5], [56, 40, 3, 3]];
  for (const [at, size] of sizes.entries()) {
    add('Conv', [`w${at}`], { pads: Array(4).fill((size[2] - 1) / 2), group: size[1] === 1 ? size[0] : 1 });
    add('PRelu', [`s${at}`]);
    add('MaxPool', [], { kernel_shape: [2, 2], strides: [2, 2] });
  }
  const fill = (dims) => Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, at) => ((at * 37) % 101) / 1010 - 0.05);
  const model = onnx({
    nodes,
    inputs: [{ name: 'x', type: 'float32', shape: [1, 8, 96, 96] }],
    outputs: [{ name: wire, type: 'float32' }],
    constants: sizes.flatMap((dims, at) => [
      { name: `w${at}`, type: 'float32', dims, data: fill(dims) },
      { name: `s${at}`, type: 'float32', dims: [dims[0], 1, 1], data: fill([dims[0]]) },
    ]),
  });
  await steady(model, { x: new Tensor('float32', fill([1, 8, 96, 96]), [1, 8, 96, 96]) });
});

for (const name of SHARED) {
  const folder = join(sharedModels, name);
  test(`growth: none after the second run of ${name}`, { skip: !existsSync(join(folder, 'inputs.npz')) && 'not in the folder of models' }, async () => {
    const feeds = Object.entries(readNpz(join(folder, 'inputs.npz'))).map(([key, { type, data, dims }]) => [key, new Tensor(type, data, dims)]);
    const outputs = Object.keys(readNpz(join(folder, 'outputs.npz')));
    await steady(readFileSync(join(folder, 'model.onnx')), Object.fromEntries(feeds), outputs);
  });
}
