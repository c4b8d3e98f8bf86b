// Tensors: every constructor of onnxruntime-common, what is refused, and half precision. In: the package. Out: verdicts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { fromHalf, toHalf } from '../../pkg/half.js';
import { NearsideError, Tensor } from '../../pkg/index.node.js';
import { toWireTensor } from '../../pkg/tensor.js';

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};
const refuses = (code, make) => assert.throws(make, (error) => error instanceof NearsideError && error instanceof Error && error.code === code);

test('tensor: (type, typed array, dims) and (typed array, dims) hold the array itself', () => {
  for (const [type, Data] of Object.entries(ARRAYS)) {
    const data = new Data(6);
    for (const tensor of [new Tensor(type, data, [2, 3]), new Tensor(data, [2, 3])]) {
      assert.equal(tensor.type, type);
      assert.equal(tensor.data, data);
      assert.deepEqual([...tensor.dims], [2, 3]);
      assert.equal(tensor.size, 6);
      assert.equal(tensor.location, 'cpu');
    }
    assert.deepEqual([...new Tensor(type, data).dims], [6]);
  }
});

test('tensor: arrays of numbers, bigints, booleans and strings', () => {
  assert.deepEqual(new Tensor('float32', [1, 2.5]).data, Float32Array.of(1, 2.5));
  assert.deepEqual(new Tensor('int64', [1, 2n]).data, BigInt64Array.of(1n, 2n));
  assert.deepEqual(new Tensor('uint64', [2n ** 64n - 1n]).data, BigUint64Array.of(2n ** 64n - 1n));
  assert.deepEqual(new Tensor('bool', [true, false]).data, Uint8Array.of(1, 0));
  assert.deepEqual(new Tensor('bool', Uint8Array.of(1, 0)).data, Uint8Array.of(1, 0));
  assert.deepEqual(new Tensor('string', ['a', 'b'], [2, 1]).data, ['a', 'b']);
  const inferred = [[[true], 'bool'], [['x'], 'string'], [[1.5], 'float32'], [[1n], 'int64']];
  for (const [data, type] of inferred) assert.equal(new Tensor(data).type, type);
  assert.equal(new Tensor(Uint8ClampedArray.of(1)).type, 'uint8');
  assert.deepEqual(new Tensor('uint8', Uint8ClampedArray.of(7)).data, Uint8Array.of(7));
});

test('tensor: scalars, empty tensors, reshape, dispose, pinned buffers', async () => {
  assert.equal(new Tensor('float32', [1], []).size, 1);
  assert.equal(new Tensor('float32', [], [0, 3]).size, 0);
  const tensor = new Tensor('int32', [1, 2, 3, 4], [4]);
  const square = tensor.reshape([2, 2]);
  assert.equal(square.data, tensor.data);
  assert.deepEqual([...square.dims], [2, 2]);
  assert.equal(await tensor.getData(), tensor.data);
  tensor.dispose();
  assert.equal(tensor.location, 'none');
  refuses('INVALID_INPUT', () => tensor.data);
  await assert.rejects(tensor.getData(), { code: 'INVALID_INPUT' });
  assert.equal(Tensor.fromPinnedBuffer('float32', new Float32Array(2)).size, 2);
  assert.equal(new Tensor({ location: 'cpu-pinned', type: 'float32', data: new Float32Array(2), dims: [2] }).size, 2);
});

/** What a host without a GPU has of a buffer: its face. */
const gpuBuffer = () => ({ mapAsync() {} });

test('tensor: one in a GPU buffer is fetched once, and gives its memory back', async () => {
  const buffer = gpuBuffer();
  let disposed = 0;
  const download = async () => Float32Array.of(1, 2);
  const tensor = Tensor.fromGpuBuffer(buffer, { dims: [2], download, dispose: () => { disposed += 1; } });
  assert.deepEqual([tensor.type, tensor.size, tensor.location], ['float32', 2, 'gpu-buffer']);
  assert.equal(tensor.gpuBuffer, buffer);
  refuses('INVALID_INPUT', () => tensor.data);
  refuses('INVALID_INPUT', () => tensor.reshape([1, 2]));
  assert.deepEqual([...await tensor.getData()], [1, 2]);
  assert.deepEqual([tensor.location, tensor.data.length, disposed], ['cpu', 2, 0]);
  tensor.dispose();
  assert.deepEqual([tensor.location, disposed], ['none', 1]);
  refuses('INVALID_INPUT', () => tensor.gpuBuffer);
  const half = Tensor.fromGpuBuffer(buffer, { dataType: 'float16', dims: [2], download: async () => Uint16Array.of(0x3c00, 0xc000) });
  assert.deepEqual(Array.from(new Uint16Array((await half.getData()).buffer)), [0x3c00, 0xc000]);
  await assert.rejects(Tensor.fromGpuBuffer(buffer, { dims: [2] }).getData(), { code: 'INVALID_INPUT' });
  await assert.rejects(Tensor.fromGpuBuffer(buffer, { dims: [3], download }).getData(), { code: 'SHAPE_MISMATCH' });
});

test('tensor: an image has the shape that the model wants, and is drawn by nobody yet', () => {
  const tensor = Tensor.fromImageBitmap({ width: 640, height: 480 }, { resizedWidth: 32, tensorFormat: 'BGR', tensorLayout: 'NHWC' });
  assert.deepEqual([tensor.location, tensor.type, [...tensor.dims]], ['texture', 'float32', [1, 480, 32, 3]]);
  refuses('INVALID_INPUT', () => tensor.data);
});

test('tensor: arrays of another realm are arrays', () => {
  const foreign = vm.runInNewContext('new Float32Array([1, 2])');
  assert.equal(foreign instanceof Float32Array, false);
  assert.equal(new Tensor('float32', foreign).size, 2);
});

test('tensor: what is refused, and with which code', () => {
  refuses('UNSUPPORTED_TYPE', () => new Tensor('complex64', [1]));
  refuses('UNSUPPORTED_TYPE', () => new Tensor('int4', new Int8Array(1)));
  refuses('UNSUPPORTED_TYPE', () => new Tensor({ location: 'ml-tensor', type: 'float32', dims: [1] }));
  refuses('TYPE_MISMATCH', () => new Tensor({ location: 'gpu-buffer', type: 'float32', dims: [1] }));
  refuses('TYPE_MISMATCH', () => Tensor.fromGpuBuffer(new ArrayBuffer(4), { dims: [1] }));
  refuses('UNSUPPORTED_TYPE', () => Tensor.fromGpuBuffer(gpuBuffer(), { dataType: 'int64', dims: [1] }));
  refuses('SHAPE_MISMATCH', () => Tensor.fromGpuBuffer(gpuBuffer(), { dims: [-1] }));
  refuses('INVALID_INPUT', () => Tensor.fromImageBitmap(undefined));
  refuses('INVALID_INPUT', () => Tensor.fromImageBitmap({ width: 2, height: 2 }, { tensorFormat: 'YUV' }));
  refuses('INVALID_INPUT', () => Tensor.fromImageBitmap({ width: 2, height: 2 }, { norm: { mean: [1, 2] } }));
  refuses('INVALID_INPUT', () => Tensor.fromImageBitmap({ width: 2, height: 2 }, { resizedWidth: 0 }));
  refuses('TYPE_MISMATCH', () => new Tensor('float32', new Float64Array(1)));
  refuses('TYPE_MISMATCH', () => new Tensor('string', [1]));
  refuses('TYPE_MISMATCH', () => new Tensor('string', 'abc'));
  refuses('TYPE_MISMATCH', () => new Tensor('int64', [1.5]));
  refuses('TYPE_MISMATCH', () => new Tensor('float32', [1n]));
  refuses('TYPE_MISMATCH', () => new Tensor([]));
  refuses('TYPE_MISMATCH', () => new Tensor([{}]));
  refuses('TYPE_MISMATCH', () => new Tensor(new DataView(new ArrayBuffer(1))));
  refuses('TYPE_MISMATCH', () => new Tensor(null));
  refuses('SHAPE_MISMATCH', () => new Tensor('float32', [1, 2], [3]));
  refuses('SHAPE_MISMATCH', () => new Tensor('float32', [1], [-1]));
  refuses('SHAPE_MISMATCH', () => new Tensor('float32', [1], [1.5]));
  refuses('SHAPE_MISMATCH', () => new Tensor('float32', [1], '1'));
  assert.throws(() => new Tensor('float32', [1, 2], [3]), /size\(3\) does not match data length\(2\)/);
});

test('half: every bit pattern survives, numbers round to nearest even', () => {
  for (let bits = 0; bits < 0x10000; bits += 1) {
    const value = fromHalf(bits);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(fromHalf(toHalf(value))));
    else assert.equal(toHalf(value), bits, `bits ${bits.toString(16)}`);
  }
  const rows = [[1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519, 0x7bff], [65520, 0x7c00], [1e9, 0x7c00], [2 ** -24, 1], [2 ** -25, 0],
    [2 ** -25 * 1.01, 1], [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [0.1, 0x2e66], [-0, 0x8000], [2047.9999999, 0x6800]];
  for (const [value, bits] of rows) assert.equal(toHalf(value), bits, String(value));
});

test('tensor: float16 as bits or numbers; the engine gets bits', () => {
  const bits = Uint16Array.of(0x3c00, 0xc000);
  for (const tensor of [new Tensor('float16', bits), new Tensor('float16', [1, -2])]) {
    assert.deepEqual(toWireTensor('x', tensor), { name: 'x', type: 'float16', dims: [2], data: bits });
  }
});
