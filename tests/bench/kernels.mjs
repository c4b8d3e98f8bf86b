// Single kernels, as models made here. In: nothing. Out: subjects { name, model, flops, bytes }: what one run computes,
// and the least that it must move, each tensor once.
// The one decision: two of them are the roof: a copy, and a chain of products and sums that reads little and computes much.
import { onnx } from '../lib/onnx.mjs';

const FLOAT = 4;
const volume = (dims) => dims.reduce((product, n) => product * n, 1);
/** Without a generator's seed: the same numbers each time, none of them large. */
const floats = (dims) => Float32Array.from({ length: volume(dims) }, (_, at) => Math.sin(at * 12.9898) / 8);
const constant = (name, dims) => ({ name, type: 'float32', dims, data: floats(dims) });
const value = (name, shape) => ({ name, type: 'float32', shape });

/** A model of one operator, or of several; `weights` are constants. */
function subject(name, flops, { op, domain, attributes, nodes, inputs, weights = {}, constants = [], output, bytes }) {
  const all = [...Object.entries(weights).map(([key, dims]) => constant(key, dims)), ...constants];
  const model = onnx({
    nodes: nodes ?? [{ op, domain, inputs: [...Object.keys(inputs), ...all.map((one) => one.name)], outputs: ['y'], attributes }],
    inputs: Object.entries(inputs).map(([key, shape]) => value(key, shape)),
    outputs: [value('y', output)],
    constants: all,
    domains: domain ? [domain] : [],
  });
  const tensors = [...Object.values(inputs), ...Object.values(weights), output];
  return { name, model, flops, bytes: bytes ?? tensors.reduce((sum, dims) => sum + volume(dims) * FLOAT, 0) };
}

/** `x * a + b`, over and over, in one dispatch. */
function sums(name, dims, times) {
  const nodes = Array.from({ length: times }, (_, at) => [
    { op: 'Mul', inputs: [at === 0 ? 'x' : `s${at - 1}`, `a${at}`], outputs: [`p${at}`] },
    { op: 'Add', inputs: [`p${at}`, `b${at}`], outputs: [at === times - 1 ? 'y' : `s${at}`] },
  ]).flat();
  const scalar = (key, number) => ({ name: key, type: 'float32', dims: [], data: Float32Array.of(number) });
  const constants = Array.from({ length: times }, (_, at) => [scalar(`a${at}`, 0.99 - at / 1000), scalar(`b${at}`, 0.01 + at / 1000)]).flat();
  return subject(name, 2 * times * volume(dims), { nodes, constants, inputs: { x: dims }, output: dims });
}

const product = (name, [...batch], m, k, n) => subject(`matmul ${name}`, 2 * volume(batch) * m * k * n, {
  op: 'MatMul', inputs: { a: [...batch, m, k], b: [...batch, k, n] }, output: [...batch, m, n],
});

const linear = (name, m, k, n) => subject(`linear ${name}`, 2 * m * k * n, { op: 'MatMul', inputs: { a: [m, k] }, weights: { b: [k, n] }, output: [m, n] });

/** Weights of few bits, in blocks of 32 with a scale each. */
function packed(bits, m, k, n) {
  const [blocks, each] = [k / 32, (32 * bits) / 8];
  const codes = { name: 'codes', type: 'uint8', dims: [n, blocks, each], data: Uint8Array.from({ length: n * blocks * each }, (_, at) => (at * 2654435761) >>> 24) };
  const scales = constant('scales', [n * blocks]);
  return subject(`${m === 1 ? 'gemv' : 'gemm'} q${bits} ${m}x${k}x${n}`, 2 * m * k * n, {
    op: 'MatMulNBits', domain: 'com.microsoft', attributes: { K: k, N: n, bits, block_size: 32 }, inputs: { a: [1, m, k] }, constants: [codes, scales],
    output: [1, m, n], bytes: codes.data.length + (scales.data.length + m * k + m * n) * FLOAT,
  });
}

function convolution(name, [channels, out], size, kernel, { group = 1, stride = 1 } = {}) {
  const pad = (kernel - 1) / 2;
  const side = Math.ceil(size / stride);
  return subject(`conv ${name}`, (2 * out * side * side * channels * kernel * kernel) / group, {
    op: 'Conv', attributes: { pads: [pad, pad, pad, pad], strides: [stride, stride], group },
    inputs: { x: [1, channels, size, size] }, weights: { w: [out, channels / group, kernel, kernel], b: [out] }, output: [1, out, side, side],
  });
}

/** Of the roof: what is moved in the one, computed in the other. */
export const COPY = 'copy 64 MiB';
export const SUMS = 'products and sums';

export const kernels = () => [
  subject(COPY, 0, { op: 'Neg', inputs: { x: [4096, 4096] }, output: [4096, 4096] }),
  sums(SUMS, [1024, 1024], 128),
  product('256', [], 256, 256, 256),
  product('512', [], 512, 512, 512),
  product('1024', [], 1024, 1024, 1024),
  product('heads 12x128x64x128', [12], 128, 64, 128),
  linear('128x384x1536', 128, 384, 1536),
  linear('1x512x2048', 1, 512, 2048),
  packed(4, 1, 2048, 2048),
  packed(8, 1, 2048, 1024),
  packed(4, 64, 512, 512),
  convolution('3x3 64, 56x56', [64, 64], 56, 3),
  convolution('3x3 s2 32, 112x112', [32, 64], 112, 3, { stride: 2 }),
  convolution('1x1 128, 28x28', [128, 256], 28, 1),
  convolution('depthwise 3x3 128, 56x56', [128, 128], 56, 3, { group: 128 }),
  subject('softmax 2048x512', 5 * 2048 * 512, { op: 'Softmax', attributes: { axis: 1 }, inputs: { x: [2048, 512] }, output: [2048, 512] }),
  subject('layer norm 2048x768', 8 * 2048 * 768, { op: 'LayerNormalization', attributes: { axis: 1 }, inputs: { x: [2048, 768] }, weights: { s: [768], b: [768] }, output: [2048, 768] }),
  subject('add, tanh, mul 8 MiB', 3 * 2 ** 21, {
    nodes: [{ op: 'Add', inputs: ['x', 'z'], outputs: ['a'] }, { op: 'Tanh', inputs: ['a'], outputs: ['t'] }, { op: 'Mul', inputs: ['t', 'x'], outputs: ['y'] }],
    inputs: { x: [1024, 2048], z: [1024, 2048] }, output: [1024, 2048],
  }),
  subject('transpose 8 MiB', 0, { op: 'Transpose', attributes: { perm: [1, 0] }, inputs: { x: [1024, 2048] }, output: [2048, 1024] }),
  subject('sum of rows 16 MiB', 2 ** 22, { op: 'ReduceMean', attributes: { axes: [1], keepdims: 1 }, inputs: { x: [4096, 1024] }, output: [4096, 1] }),
];
