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

/** For each body the numbers of its runs, and for each run that is shared the bodies that have it. */
function shared(bodies) {
  const numbers = new Map();
  const owners = [];
  const highest = Array.from({ length: RUN }).reduce((power) => Math.imul(power, PRIME), 1);
  const runs = bodies.map((body, which) => {
    const own = new Set();
    let hash = 0;
    body.forEach((byte, at) => {
      hash = (Math.imul(hash, PRIME) + byte + 1) | 0;
      if (at >= RUN) hash = (hash - Math.imul(highest, body[at - RUN] + 1)) | 0;
      if (at >= RUN - 1) own.add(hash);
    });
    return Uint32Array.from(own, (run) => {
      let number = numbers.get(run);
      if (number === undefined) numbers.set(run, number = owners.push([]) - 1);
      owners[number].push(which);
      return number;
    });
  });
  const useful = ({ length }) => length > 1 && length <= COMMON;
  return { owners, runs: runs.map((own) => own.filter((run) => useful(owners[run]))) };
}

/** @param {Uint8Array[]} bodies @param {number} fixed so many stay in front @returns {number[]} */
export function likeBesideLike(bodies, fixed = 0) {
  const { owners, runs } = shared(bodies);
  const scores = new Int32Array(bodies.length);
  const near = new Uint16Array(owners.length);
  const cost = Float64Array.from(bodies, ({ length }) => (length + OVERHEAD) ** POWER);
  const left = new Set(bodies.keys());
  const order = [];
  let [bytes, oldest] = [0, 0];
  const count = (run, by) => owners[run].forEach((which) => { scores[which] += by; });
  const best = () => {
    let [found, most] = [-1, -1];
    for (const which of left) {
      const score = scores[which] / cost[which];
      if (score > most) [found, most] = [which, score];
    }
    return found;
  };
  while (left.size > 0) {
    const next = order.length < fixed ? order.length : best();
    left.delete(next);
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
