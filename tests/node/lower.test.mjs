// The reference engine is made from the one with relaxed SIMD: each relaxed instruction's strict form. In: modules of one
// instruction, made here. Out: verdicts: what it computes, without the host having relaxed SIMD.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { named, join, sized, unsigned } from '../../pkg/engine/module.js';
import { lower } from '../../scripts/lib/lower.mjs';
import { assemble } from '../lib/assemble.mjs';

const load = (at) => [0x41, ...unsigned(at), 0xfd, 0, 4, 0];
const RESULT = 48;

/** `run()` puts what the instruction makes of the operands at 0, 16 and 32 to 48; it has a parameter and a local. */
function moduleOf(code, operands) {
  const loads = Array.from({ length: operands }, (_, index) => load(16 * index)).flat();
  // A block around it, so that there is more to read than vectors; 48 in the local.
  const body = [1, 1, 0x7f, 0x41, RESULT, 0x21, 1, 0x02, 0x40, 0x20, 1, ...loads, 0xfd, ...unsigned(code), 0xfd, 11, 4, 0, 0x0b, 0x0b];
  return assemble({
    1: [[0x60, 1, 0x7f, 0]], 3: [[0]], 5: [[0, 1]], 7: [join([named('memory'), [2, 0]]), join([named('run'), [0, 0]])], 10: [sized(body)],
  });
}

function run(code, operands) {
  const { bytes, functions } = lower(moduleOf(code, operands.length));
  assert.equal(functions, 1);
  const { memory, run: call } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  operands.forEach((operand, index) => new Uint8Array(memory.buffer, 16 * index, 16).set(new Uint8Array(operand.buffer)));
  call(7);
  return memory.buffer.slice(RESULT, RESULT + 16);
}

const f32 = (...values) => Float32Array.from(values);
const f64 = (...values) => Float64Array.from(values);
const i32 = (...values) => Int32Array.from(values);
const u32 = (...values) => Uint32Array.from(values);
const i16 = (...values) => Int16Array.from(values);
const i8 = (...values) => Int8Array.from(values);
const eight = (f) => Array.from({ length: 8 }, (_, index) => f(index));
const sixteen = (f) => Array.from({ length: 16 }, (_, index) => f(index));

// 1 + 2^-12 squared is 1 + 2^-11 + 2^-24, whose last bit a sum of two roundings loses.
const near = 1 + 2 ** -12;
const bytes = i8(...sixteen((index) => (index % 2 ? -128 + index : 127 - index)));
const seven = i8(...sixteen((index) => 127 - 5 * index));
const product = (from, count) => Array.from({ length: count }, (_, index) => bytes[from + index] * seven[from + index]).reduce((a, b) => a + b);

const rows = [
  ['i8x16.relaxed_swizzle', 0x100, [i8(...sixteen((i) => i)), i8(...sixteen((i) => 15 - i))], i8(...sixteen((i) => 15 - i))],
  ['i32x4.relaxed_trunc_f32x4_s', 0x101, [f32(1.9, -1.9, 3e9, NaN)], i32(1, -1, 2 ** 31 - 1, 0)],
  ['i32x4.relaxed_trunc_f32x4_u', 0x102, [f32(1.9, -1.9, 3e9, NaN)], u32(1, 0, 3e9, 0)],
  ['i32x4.relaxed_trunc_f64x2_s_zero', 0x103, [f64(-7.5, 1e10)], i32(-7, 2 ** 31 - 1, 0, 0)],
  ['i32x4.relaxed_trunc_f64x2_u_zero', 0x104, [f64(-7.5, 4e9)], u32(0, 4e9, 0, 0)],
  ['f32x4.relaxed_madd', 0x105, [f32(near, 2, -3, 0), f32(near, 5, 7, 1), f32(-1, 1, 0.5, 4)], f32(2 ** -11, 11, -20.5, 4)],
  ['f32x4.relaxed_nmadd', 0x106, [f32(near, 2, -3, 0), f32(near, 5, 7, 1), f32(1, 1, 0.5, 4)], f32(-(2 ** -11), -9, 21.5, 4)],
  ['f64x2.relaxed_madd', 0x107, [f64(2, -3), f64(5, 7), f64(1, 0.5)], f64(11, -20.5)],
  ['f64x2.relaxed_nmadd', 0x108, [f64(2, -3), f64(5, 7), f64(1, 0.5)], f64(-9, 21.5)],
  ['i8x16.relaxed_laneselect', 0x109, [i8(...sixteen((i) => i)), i8(...sixteen((i) => -i)), i8(...sixteen((i) => -(i % 2)))], i8(...sixteen((i) => (i % 2 ? i : -i)))],
  ['i16x8.relaxed_laneselect', 0x10a, [i16(...eight((i) => i)), i16(...eight((i) => -i)), i16(...eight((i) => -(i % 2)))], i16(...eight((i) => (i % 2 ? i : -i)))],
  ['i32x4.relaxed_laneselect', 0x10b, [i32(1, 2, 3, 4), i32(5, 6, 7, 8), i32(-1, 0, -1, 0)], i32(1, 6, 3, 8)],
  ['i64x2.relaxed_laneselect', 0x10c, [f64(1, 2), f64(3, 4), i32(-1, -1, 0, 0)], f64(1, 4)],
  ['f32x4.relaxed_min', 0x10d, [f32(1, 5, -2, 0), f32(2, 3, -1, 0)], f32(1, 3, -2, 0)],
  ['f32x4.relaxed_max', 0x10e, [f32(1, 5, -2, 0), f32(2, 3, -1, 0)], f32(2, 5, -1, 0)],
  ['f64x2.relaxed_min', 0x10f, [f64(1, 5), f64(2, 3)], f64(1, 3)],
  ['f64x2.relaxed_max', 0x110, [f64(1, 5), f64(2, 3)], f64(2, 5)],
  ['i16x8.relaxed_q15mulr_s', 0x111, [i16(...eight((i) => 1000 * i)), i16(...eight(() => 16384))], i16(...eight((i) => 500 * i))],
  ['i16x8.relaxed_dot_i8x16_i7x16_s', 0x112, [bytes, seven], i16(...eight((i) => product(2 * i, 2)))],
  ['i32x4.relaxed_dot_i8x16_i7x16_add_s', 0x113, [bytes, seven, i32(1, -2, 3, 1e9)], i32(...[1, -2, 3, 1e9].map((sum, i) => sum + product(4 * i, 4)))],
];

for (const [name, code, operands, expected] of rows) {
  test(`lower: ${name}`, () => assert.deepEqual(new expected.constructor(run(code, operands)), expected));
}

test('lower: a module without relaxed instructions stays what it is', () => {
  const plain = moduleOf(0xe4, 2);
  assert.deepEqual(lower(plain), { bytes: plain, functions: 0 });
});

test('lower: what is not known is an error, and so is a module that is cut off', () => {
  assert.throws(() => lower(moduleOf(0x120, 2)), /the instruction 120 is not known/);
  const whole = moduleOf(0x105, 3);
  assert.throws(() => lower(whole.subarray(0, whole.length - 9)), RangeError);
});
