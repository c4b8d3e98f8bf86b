// The reference engine, made from the one with relaxed SIMD. In: a module. Out: the same module with each relaxed
// instruction replaced by what computes one of the results that it may have, the same on every machine: a fused
// multiplication and addition by the two.
// The one decision: both engines come from one build. Another set of compiler flags is another build of everything,
// some ten minutes, and functions keep their numbers, so that what is known of one engine holds for the other.
// The instructions: https://github.com/WebAssembly/relaxed-simd/blob/main/proposals/relaxed-simd/Overview.md
import { edit, join, Reader, readBodies, readSections, SECTION, sized, unsigned, writeSections } from '../../pkg/engine/module.js';
import { signatures } from '../../pkg/tailor/module.js';
import { eachInstruction } from './instructions.mjs';

const VECTOR = 0xfd;
const V128 = 0x7b;
const [LOCAL_GET, LOCAL_SET, LOCAL_TEE] = [0x20, 0x21, 0x22];
const op = (code) => [VECTOR, ...unsigned(code)];
const shuffle = (...words) => [...op(13), ...words.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte))];
const get = (local) => [LOCAL_GET, ...unsigned(local)];
const set = (local) => [LOCAL_SET, ...unsigned(local)];
const tee = (local) => [LOCAL_TEE, ...unsigned(local)];

/** `a * b + c`, the product negated where there is a `negate`. */
const product = (multiply, add, negate = []) => ({ locals: 1, code: ([c]) => [...set(c), ...op(multiply), ...negate, ...get(c), ...op(add)] });
const same = (code) => ({ locals: 0, code: () => op(code) });

/** Sums of two neighbouring products of bytes: of the lower half, of the upper. */
const pairs = (a, b) => [
  [...get(a), ...get(b), ...op(0x9c), ...op(0x7e)],
  [...get(a), ...get(b), ...op(0x9d), ...op(0x7e)],
];

/** By the number after the prefix: how many locals, and what stands in its place. */
export const STRICT = {
  // swizzle; conversions to integers
  0x100: same(0x0e), 0x101: same(0xf8), 0x102: same(0xf9), 0x103: same(0xfc), 0x104: same(0xfd),
  // float32 and float64: madd, nmadd
  0x105: product(0xe6, 0xe4), 0x106: product(0xe6, 0xe4, op(0xe1)), 0x107: product(0xf2, 0xf0), 0x108: product(0xf2, 0xf0, op(0xed)),
  // select by lanes; min and max
  0x109: same(0x52), 0x10a: same(0x52), 0x10b: same(0x52), 0x10c: same(0x52),
  0x10d: same(0xe8), 0x10e: same(0xe9), 0x10f: same(0xf4), 0x110: same(0xf5),
  0x111: same(0x82),
  // products of bytes, two added, and narrowed
  0x112: { locals: 2, code: ([a, b]) => [...set(b), ...set(a), ...pairs(a, b).flat(), ...op(0x85)] },
  // products of bytes, four added, and a sum
  0x113: {
    locals: 3,
    code([a, b, c]) {
      const [low, high] = pairs(a, b);
      return [...set(c), ...set(b), ...set(a), ...low, ...high, ...set(b), ...tee(a), ...get(b), ...shuffle(0, 2, 4, 6),
        ...get(a), ...get(b), ...shuffle(1, 3, 5, 7), ...op(0xae), ...get(c), ...op(0xae)];
    },
  },
};
const FIRST_RELAXED = 0xfd00 + 0x100;
/**
 * What no engine keeps: products of bytes, whose second operand the instruction takes for seven bits. tract's kernel
 * gives it eight, and then machines answer differently, and wrongly.
 */
export const INEXACT = [0x112, 0x113];

/** Groups of locals, how many they are, and where the instructions begin. */
function readLocals(body) {
  const reader = new Reader(body);
  const groups = reader.unsigned();
  const first = reader.at;
  let count = 0;
  for (let left = groups; left > 0; left -= 1) {
    count += reader.unsigned();
    reader.byte();
  }
  return { groups, count, declared: body.subarray(first, reader.at), start: reader.at };
}

/** A body without relaxed instructions; the same one where it has none. */
function lowerBody(body, parameterCount, only) {
  const { groups, count, declared, start } = readLocals(body);
  const spare = [0, 1, 2].map((number) => parameterCount + count + number);
  const parts = [];
  let [from, used] = [start, 0];
  eachInstruction(body, start, (code, begin, end) => {
    if (code < FIRST_RELAXED || (only && !only.includes(code - 0xfd00))) return;
    const strict = STRICT[code - 0xfd00];
    if (!strict) throw new TypeError(`the relaxed instruction ${(code - 0xfd00).toString(16)} has no strict form`);
    parts.push(body.subarray(from, begin), strict.code(spare));
    [from, used] = [end, Math.max(used, strict.locals)];
  });
  if (parts.length === 0) return body;
  const locals = used === 0 ? [unsigned(groups), declared] : [unsigned(groups + 1), declared, unsigned(used), [V128]];
  return join([...locals, ...parts, body.subarray(from)]);
}

/**
 * @param {Uint8Array} bytes a module
 * @param {number[]} [only] these instructions and no others
 * @returns {{ bytes: Uint8Array, functions: number }} one that needs no relaxed SIMD, and how many functions changed
 */
export function lower(bytes, only) {
  const sections = readSections(bytes);
  const types = signatures(sections);
  let functions = 0;
  edit(sections, SECTION.code, (content) => {
    const bodies = readBodies(content);
    return join([unsigned(bodies.length), ...bodies.map((body, number) => {
      const strict = lowerBody(body, types[number].parameters.length, only);
      if (strict !== body) functions += 1;
      return sized(strict);
    })]);
  });
  return { bytes: writeSections(bytes, sections), functions };
}
