/**
 * Pool: the threads that are lent to the engine's inner loops, seen from the engine's own thread.
 *
 * In: the engine's instance over a shared memory, how to start a thread. Out: `lend`, which has a job done. One
 * decision: nobody waits for a thread to start. A job is what its turns are taken from by whoever is there, and this
 * thread always is; so a first run is never later for having threads, and a thread that fails to start costs nothing.
 * But a browser starts it by way of this thread's event loop, which a caller who awaits one run after the other never
 * returns to: so while threads are on their way, the loop turns now and then before a run.
 * @module
 */
import { share, take, wordsFor } from './turns.js';
import { awake, CLOSED, WORD } from './words.js';

/** Of a lent thread. Parts are loops without recursion, whose largest arrays have some kilobytes. */
const STACK = 256 << 10;
/** Between two turns of the event loop that wait for threads, at first. */
const TURN_MS = 5;
/** Later ones are this part of the time so far apart: how long a thread may take to start hangs on the machine, and one that never comes costs ever less. */
const TURN_PART = 1 / 100;

/**
 * @typedef {{ terminate: () => void }} Thread
 * @typedef {(lane: import('./lane.js').Lane) => Thread} Spawn starts a thread that calls `serve`
 */

export class Pool {
  /** @type {Int32Array} */
  #words;
  #threads = [];
  #part;
  /** Whether the engine has them work. */
  sharing = true;
  #started = performance.now();
  #turned = -Infinity;

  /**
   * @param {WebAssembly.Module} module
   * @param {WebAssembly.Memory} memory
   * @param {Record<string, any>} exports of this thread's instance
   * @param {{ threads: number, spawn: Spawn }} options `threads`: with this one
   */
  constructor(module, memory, exports, { threads, spawn }) {
    this.#part = exports.nearside_part;
    this.#words = wordsFor(threads);
    for (let lane = 1; lane < threads; lane += 1) {
      const stack = exports.nearside_stack(STACK);
      try {
        this.#threads.push(spawn({ module, memory, words: this.#words, lane, stack }));
      } catch {
        // Fewer will do.
        return;
      }
    }
  }

  /** Threads that work at present, this one among them. */
  get lanes() {
    return 1 + Atomics.load(this.#words, WORD.lanes);
  }

  /** Threads that are to work, this one among them. */
  get threads() {
    return 1 + this.#threads.length;
  }

  /** Whether all have come. */
  get complete() {
    return this.#threads.length > 0 && this.lanes === this.threads;
  }

  /** Turns the event loop where threads are still to come. @returns {Promise<void> | undefined} */
  arrivals() {
    if (Atomics.load(this.#words, WORD.lanes) === this.#threads.length) return undefined;
    const now = performance.now();
    if (now - this.#turned < Math.max(TURN_MS, (now - this.#started) * TURN_PART)) return undefined;
    this.#turned = now;
    return turn();
  }

  /** Has `parts` turns of a job taken, each once; called by the engine. */
  lend = (call, data, parts) => {
    const words = this.#words;
    [words[WORD.call], words[WORD.data], words[WORD.parts]] = [call, data, parts];
    share(words, parts);
    // Odd, and never CLOSED.
    const job = (Atomics.load(words, WORD.job) + 1) & 0x7fffffff;
    Atomics.store(words, WORD.job, job);
    if (Atomics.load(words, WORD.asleep) > 0) Atomics.notify(words, WORD.job);
    try {
      take(words, parts, 0, (turn) => this.#part(call, data, turn, 0));
    } finally {
      Atomics.store(words, WORD.job, (job + 1) & 0x7fffffff);
      this.#settle();
    }
    if (Atomics.load(words, WORD.failed)) throw new WebAssembly.RuntimeError('a thread of the engine trapped');
  };

  /** Waits until no other thread is in the job. */
  #settle() {
    const words = this.#words;
    if (awake(() => Atomics.load(words, WORD.active) === 0)) return;
    Atomics.store(words, WORD.settling, 1);
    for (let active = Atomics.load(words, WORD.active); active !== 0; active = Atomics.load(words, WORD.active)) {
      Atomics.wait(words, WORD.active, active);
    }
    Atomics.store(words, WORD.settling, 0);
  }

  close() {
    Atomics.store(this.#words, WORD.job, CLOSED);
    Atomics.notify(this.#words, WORD.job);
    for (const thread of this.#threads) thread.terminate();
  }
}

/** One turn of the event loop. A message to itself would not do: a browser may deliver it before what starts a thread. @returns {Promise<void>} */
const turn = () => new Promise((resolve) => { setTimeout(resolve, 0); });
