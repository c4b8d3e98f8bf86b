// The tests' own tools: a comparison that lets too much through would make every other verdict worthless.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from '../lib/compare.mjs';
import { parseNpy } from '../lib/npz.mjs';

const float32 = (data, dims = [data.length]) => ({ type: 'float32', dims, data: Float32Array.from(data) });
const same = (actual, expected, tolerance) => compare({ y: actual }, { y: expected }, tolerance).same;

const verdicts = [
  ['equal', float32([1, 2]), float32([1, 2]), true],
  ['within rtol', float32([1000.5]), float32([1000]), true],
  ['beyond rtol', float32([1002]), float32([1000]), false],
  ['NaN equals NaN', float32([NaN]), float32([NaN]), true],
  ['NaN for a number', float32([NaN]), float32([1]), false],
  ['a number for NaN', float32([1]), float32([NaN]), false],
  ['infinities of one sign', float32([-Infinity]), float32([-Infinity]), true],
  ['infinities of two signs', float32([Infinity]), float32([-Infinity]), false],
  ['a number for an infinity', float32([1]), float32([Infinity]), false],
  ['an infinity for a number', float32([Infinity]), float32([1]), false],
  ['another shape', float32([1, 2], [2, 1]), float32([1, 2], [1, 2]), false],
  ['another type', { type: 'float64', dims: [1], data: Float64Array.of(1) }, float32([1]), false],
  ['too few elements', float32([], [1]), float32([1]), false],
  ['missing', undefined, float32([1]), false],
  ['strings', { type: 'string', dims: [1], data: ['a'] }, { type: 'string', dims: [1], data: ['b'] }, false],
  ['64-bit integers', { type: 'int64', dims: [1], data: BigInt64Array.of(5n) }, { type: 'int64', dims: [1], data: BigInt64Array.of(7n) }, false],
  ['float16 bits', { type: 'float16', dims: [2], data: Uint16Array.of(0x3c00, 0xc000) }, { type: 'float16', dims: [2], data: Uint16Array.of(0x3c00, 0x4000) }, false],
];
for (const [name, actual, expected, verdict] of verdicts) {
  test(`compare: ${name}`, () => assert.equal(same(actual, expected), verdict));
}

function npy(descr, shape, body, fortran = 'False') {
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`.padEnd(117) + '\n';
  const bytes = new Uint8Array(10 + header.length + body.byteLength);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(body.buffer), 10 + header.length);
  return bytes;
}

test('npy: types, scalars, column-major, strings, damage', () => {
  assert.deepEqual(parseNpy(npy('<i8', '()', BigInt64Array.of(16000n))), { type: 'int64', dims: [], data: BigInt64Array.of(16000n) });
  assert.deepEqual(parseNpy(npy('<f4', '(2, 2)', Float32Array.of(1, 3, 2, 4), 'True')).data, Float32Array.of(1, 2, 3, 4));
  assert.deepEqual(parseNpy(npy('|b1', '(2,)', Uint8Array.of(1, 0))), { type: 'bool', dims: [2], data: Uint8Array.of(1, 0) });
  assert.deepEqual(parseNpy(npy('<U2', '(2,)', Uint32Array.of(97, 0, 0x1f600, 98))).data, ['a', '\u{1f600}b']);
  assert.throws(() => parseNpy(npy('<f4', '(3,)', Float32Array.of(1, 2))), /ends early/);
  assert.throws(() => parseNpy(npy('>f4', '(1,)', Float32Array.of(1))), /big-endian/);
  assert.throws(() => parseNpy(new Uint8Array(20)), /not a .npy/);
});
