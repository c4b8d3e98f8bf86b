// The order of a module's functions by which it is packed best: like beside like. In: a module without names. Out: the same
// module in that order, a tenth smaller by gzip, which looks back over 32 KiB only.
// The one decision: one after the other, the function is taken of which the largest part was in those just before it, by
// the runs of bytes that they share; no order is looked for any further.
import { readFileSync, writeFileSync } from 'node:fs';
import { SECTION, countImports, readBodies, readSections } from '../../pkg/engine/module.js';
import { renumber } from './renumber.mjs';

/** Bytes of a run. Shorter ones tell little, longer ones are rarely shared. */
const RUN = 6;
/** A run that more functions have tells nothing. */
const COMMON = 300;
/** Bytes that are looked back over; gzip's own are few more, and what is new comes into them too. */
const WINDOW = 24_000;
/** By how much of its length a function's score is divided: between its shared bytes and their part of all. */
const POWER = 0.7;
/** What a function costs beside its bytes. */
const OVERHEAD = 30;
/** The numbers that take one byte belong to what is called most, and wasm-opt has put that first. */
const SHORT = 128;
const PRIME = 0x01000193;
const HIGHEST = Array.from({ length: RUN }).reduce((power) => Math.imul(power, PRIME), 1);

/** Runs are told apart by so many bits; that few are taken for others does no harm. */
const SLOTS = 1 << 24;

/** Calls `visit` with the slot of each run of a body, once. `seen` has for each slot the last body that had it. */
function eachRun(body, which, seen, visit) {
  let hash = 0;
  for (let at = 0; at < body.length; at += 1) {
    hash = (Math.imul(hash, PRIME) + body[at] + 1) | 0;
    if (at >= RUN) hash = (hash - Math.imul(HIGHEST, body[at - RUN] + 1)) | 0;
    if (at < RUN - 1) continue;
    const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    const slot = (mixed ^ (mixed >>> 13)) & (SLOTS - 1);
    if (seen[slot] === which) continue;
    seen[slot] = which;
    visit(slot);
  }
}

/** For each body its runs that others share, and for each of these the bodies that have it. */
function shared(bodies) {
  const counts = new Uint32Array(SLOTS);
  const seen = new Int32Array(SLOTS).fill(-1);
  bodies.forEach((body, which) => eachRun(body, which, seen, (slot) => { counts[slot] += 1; }));
  seen.fill(-1);
  const numbers = new Int32Array(SLOTS).fill(-1);
  const owners = [];
  const runs = bodies.map((body, which) => {
    const own = [];
    eachRun(body, which, seen, (slot) => {
      if (counts[slot] < 2 || counts[slot] > COMMON) return;
      if (numbers[slot] < 0) numbers[slot] = owners.push([]) - 1;
      owners[numbers[slot]].push(which);
      own.push(numbers[slot]);
    });
    return Uint32Array.from(own);
  });
  return { owners, runs };
}

/** @param {Uint8Array[]} bodies @param {number} fixed so many stay in front @returns {number[]} */
export function likeBesideLike(bodies, fixed = 0) {
  const { owners, runs } = shared(bodies);
  const scores = new Int32Array(bodies.length);
  const near = new Uint16Array(owners.length);
  const cost = Float64Array.from(bodies, ({ length }) => (length + OVERHEAD) ** POWER);
  const left = Uint32Array.from(bodies.keys());
  const order = [];
  let [bytes, oldest] = [0, 0];
  const count = (run, by) => { for (const which of owners[run]) scores[which] += by; };
  /** Takes the best one; the others stay in their order, by which even ones are decided. */
  const best = (remaining) => {
    let [found, most] = [0, -1];
    for (let at = 0; at < remaining; at += 1) {
      const score = scores[left[at]] / cost[left[at]];
      if (score > most) [found, most] = [at, score];
    }
    const which = left[found];
    left.copyWithin(found, found + 1, remaining);
    return which;
  };
  for (let remaining = bodies.length; remaining > 0; remaining -= 1) {
    if (order.length === fixed) left.copyWithin(0, fixed);
    const next = order.length < fixed ? order.length : best(remaining);
    order.push(next);
    bytes += bodies[next].length;
    for (const run of runs[next]) if ((near[run] += 1) === 1) count(run, 1);
    for (; bytes > WINDOW && oldest < order.length - 1; oldest += 1) {
      bytes -= bodies[order[oldest]].length;
      for (const run of runs[order[oldest]]) if ((near[run] -= 1) === 0) count(run, -1);
    }
  }
  return order;
}

/** @param {Uint8Array} bytes a module */
export function sortFunctions(bytes) {
  const sections = readSections(bytes);
  const bodies = readBodies(sections.find(({ id }) => id === SECTION.code).content);
  return renumber(bytes, likeBesideLike(bodies, Math.max(0, Math.min(bodies.length, SHORT - countImports(sections).function))));
}

/** The same of the module in `file`. */
export const sortFile = (file) => writeFileSync(file, sortFunctions(readFileSync(file)));
