/**
 * Lane: what a lent thread does, in its own thread: parts of jobs, for as long as it lives.
 *
 * In: the compiled module, the shared memory, the words by which threads agree (words.js), the lane's number and its
 * stack. Out: parts done. One decision: it never returns to its event loop. It stays awake for a
 * while after each job, sleeps in `Atomics.wait` then, and ends with the thread.
 * @module
 */
import { withMemory } from './shared.js';
import { take } from './turns.js';
import { awake, CLOSED, WORD } from './words.js';

/**
 * @typedef {object} Lane
 * @property {WebAssembly.Module} module
 * @property {WebAssembly.Memory} memory
 * @property {Int32Array} words
 * @property {number} lane
 * @property {number} stack its upper end
 */

/** @param {Lane} given */
export function serve({ module, memory, words, lane, stack }) {
  const { exports } = new WebAssembly.Instance(module, withMemory(withoutHost(module), memory));
  const { __stack_pointer: pointer, nearside_part: part } = /** @type {any} */ (exports);
  pointer.value = stack;
  Atomics.add(words, WORD.lanes, 1);
  let seen = 0;
  for (;;) {
    seen = next(words, seen);
    if (seen === CLOSED) return;
    Atomics.add(words, WORD.active, 1);
    // Open still: the one who closes it waits from then on for whoever is active.
    if (Atomics.load(words, WORD.job) === seen) work(words, lane, part);
    if (Atomics.sub(words, WORD.active, 1) === 1 && Atomics.load(words, WORD.settling)) Atomics.notify(words, WORD.active);
  }
}

/**
 * Waits for a job that is open and not the one already seen. Jobs have odd numbers, what is between them even.
 * @param {Int32Array} words @param {number} seen
 */
function next(words, seen) {
  let job;
  const found = () => {
    job = Atomics.load(words, WORD.job);
    return job === CLOSED || (job % 2 !== 0 && job !== seen);
  };
  while (!awake(found)) {
    Atomics.add(words, WORD.asleep, 1);
    Atomics.wait(words, WORD.job, job);
    Atomics.sub(words, WORD.asleep, 1);
  }
  return job;
}

function work(words, lane, part) {
  const [call, data, parts] = [words[WORD.call], words[WORD.data], words[WORD.parts]];
  try {
    take(words, parts, lane, (turn) => part(call, data, turn, lane));
  } catch {
    Atomics.store(words, WORD.failed, 1);
  }
}

/** Imports of functions that a part never calls. */
function withoutHost(module) {
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind === 'function') (imports[from] ??= {})[name] = () => { throw new WebAssembly.RuntimeError(`a part called ${name}`); };
  }
  return imports;
}
