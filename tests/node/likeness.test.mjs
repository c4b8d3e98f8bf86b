// Functions in another order: the module does the same, and like stands beside like. In: modules made here. Out: verdicts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join, named, readBodies, readSections, SECTION, sized } from '../../pkg/engine/module.js';
import { drop } from '../../pkg/tailor/module.js';
import { likeBesideLike, sortFunctions } from '../../scripts/lib/likeness.mjs';
import { renumber } from '../../scripts/lib/renumber.mjs';
import { assemble } from '../lib/assemble.mjs';

const I32 = 0x7f;
const constant = (value) => sized([0, 0x41, ...value, 0x0b]);
/** What `run(which)` gives: a call, one through the table, one through a reference that was put there, what the start left. */
const sections = (more = {}) => ({
  1: [[0x60, 0, 1, I32], [0x60, 0, 0], [0x60, 1, I32, 1, I32]],
  2: [join([named('host'), named('seven'), [0, 0]])],
  3: [[0], [1], [2], [0], [0]],
  4: [[0x70, 0, 4]],
  6: [[I32, 1, 0x41, 0, 0x0b]],
  7: [join([named('run'), [0, 3]]), join([named('count'), [3, 0]])],
  8: undefined,
  9: [[0, 0x41, 0, 0x0b, 2, 1, 4], [3, 0, 1, 5]],
  10: [
    constant([11]),
    // The start: a reference to the last function into the table, a mark in the global.
    sized([0, 0x41, 2, 0xd2, 5, 0x26, 0, 0x41, 1, 0x24, 0, 0x0b]),
    // 0: the last function, called; 1, 2 and 3: by the table; 4: the host's.
    sized([0, 0x20, 0, 0x45, 0x04, I32, 0x10, 5, 0x05, 0x20, 0, 0x41, 4, 0x46, 0x04, I32, 0x10, 0, 0x05, 0x20, 0, 0x41, 1, 0x6b, 0x11, 0, 0, 0x0b, 0x0b, 0x0b]),
    constant([44]),
    constant([55]),
  ],
  ...more,
});

function moduleOf(more) {
  const { 8: _, ...rest } = sections(more);
  const before = assemble(Object.fromEntries(Object.entries(rest).filter(([id]) => Number(id) < 8)));
  const after = assemble(Object.fromEntries(Object.entries(rest).filter(([id]) => Number(id) > 8))).subarray(8);
  // The start is a number and no list.
  return join([before, [8], sized([2]), after]);
}

function results(bytes) {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { seven: () => 7 } });
  return [...[0, 1, 2, 3, 4].map((which) => exports.run(which)), exports.count.value];
}

const EXPECTED = [55, 11, 44, 55, 7, 1];

test('functions keep what they do in any order', () => {
  const module = moduleOf();
  assert.deepEqual(results(module), EXPECTED);
  for (const order of [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]]) {
    const moved = renumber(module, order);
    assert.deepEqual(results(moved), EXPECTED);
    const [old, now] = [module, moved].map((bytes) => readBodies(readSections(bytes).find(({ id }) => id === SECTION.code).content));
    assert.deepEqual(now[order.indexOf(3)], old[3]);
  }
  assert.deepEqual(results(sortFunctions(module)), EXPECTED);
});

test('what would keep an old number is an error', () => {
  const order = [4, 3, 2, 1, 0];
  const withNames = join([moduleOf(), [SECTION.custom], sized(named('name'))]);
  assert.throws(() => renumber(withNames, order), /the section name names functions/);
  assert.throws(() => renumber(moduleOf({ 6: [[0x70, 0, 0xd2, 5, 0x0b]] }), order), /the constant's instruction d2 is not known/);
  assert.throws(() => renumber(moduleOf({ 9: [[5, 0x70, 1, 0xd2, 5, 0x0b]] }), order), /elements of kind 5 are not known/);
});

test('what is dropped traps however it is called; a small function that answers stays', () => {
  const large = (value) => sized([0, ...new Array(70).fill(0x01), 0x41, value, 0x0b]);
  const [first, start, run] = sections()[10];
  const outcome = (bytes) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { seven: () => 7 } });
    return [0, 1, 2, 3, 4].map((which) => {
      try {
        return exports.run(which);
      } catch (error) {
        return error instanceof WebAssembly.RuntimeError ? 'trap' : error;
      }
    });
  };
  const kept = new Set([1, 2, 4]);
  assert.deepEqual(outcome(drop(moduleOf({ 10: [large(11), start, run, large(44), large(55)] }), kept)), [55, 'trap', 'trap', 55, 7]);
  assert.deepEqual(outcome(drop(moduleOf({ 10: [first, start, run, large(44), large(55)] }), kept)), [55, 11, 'trap', 55, 7]);
  const whole = moduleOf();
  assert.deepEqual(drop(whole, new Set([0, 1, 2, 3, 4])), whole);
  // The start is small, too, and answers nothing.
  assert.throws(() => outcome(drop(whole, new Set([4]))), WebAssembly.RuntimeError);
});

test('like stands beside like, and what is called most in front', () => {
  const word = (seed, length) => Uint8Array.from({ length }, (_, at) => (seed * (at + 3) ** 2 + 7 * at) & 0xff);
  const [a, b, c] = [word(3, 300), word(101, 300), word(57, 300)];
  const near = (bytes) => bytes.map((byte, at) => (at % 50 === 49 ? byte ^ 1 : byte));
  assert.deepEqual(likeBesideLike([a, b, c, near(c), near(a), near(b)], 1), [0, 4, 1, 5, 2, 3]);
  assert.deepEqual(likeBesideLike([a, b, near(a), near(b)], 3), [0, 1, 2, 3]);
  assert.deepEqual(likeBesideLike([]), []);
});
