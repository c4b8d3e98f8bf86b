/**
 * Turns: who does which parts of a job.
 *
 * In: the words by which threads agree, and how many turns a job has. Out: every turn taken once. One decision: each
 * thread has a share, the same place in every job, and takes from the others' only when its own is done. Layers follow
 * each other over the same places of an image, so what a thread reads it has mostly written itself; from another core's
 * cache it would come so slowly that a second thread would gain nothing.
 * @module
 */
import { LINE } from './words.js';

/** Words for `threads` and their shares. */
export const wordsFor = (threads) => new Int32Array(new SharedArrayBuffer((1 + threads) * LINE * Int32Array.BYTES_PER_ELEMENT));

const threadsOf = (words) => words.length / LINE - 1;
const placeOf = (share) => (1 + share) * LINE;
const startOf = (share, turns, threads) => Math.floor((turns * share) / threads);

/** Before a job opens. @param {Int32Array} words @param {number} turns */
export function share(words, turns) {
  const threads = threadsOf(words);
  for (let one = 0; one < threads; one += 1) Atomics.store(words, placeOf(one), startOf(one, turns, threads));
}

/**
 * Takes turns until none is left, from the share of `thread` on.
 * @param {Int32Array} words @param {number} turns @param {number} thread @param {(turn: number) => void} work
 */
export function take(words, turns, thread, work) {
  const threads = threadsOf(words);
  for (let count = 0; count < threads; count += 1) {
    const one = (thread + count) % threads;
    const end = startOf(one + 1, turns, threads);
    for (let turn = Atomics.add(words, placeOf(one), 1); turn < end; turn = Atomics.add(words, placeOf(one), 1)) work(turn);
  }
}
