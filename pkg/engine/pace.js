/**
 * Pace: whether a model is faster with threads or without.
 *
 * In: how long its runs took. Out: whether the next one is to have the threads. One decision: it is measured, now and then
 * anew. What a second thread gains depends on the machine and on what else it does, and of a small model it may gain
 * less than it costs; nobody is to be slower for having threads.
 * @module
 */

/** Runs with and runs without that are compared. */
const TRIALS = 4;
/** Runs from one comparison to the next: what they cost is lost among so many. */
const PERIOD = 250;
/** Threads stay unless they lose by more than this. */
const MARGIN = 0.97;

export class Pace {
  #run = 0;
  #alone = Infinity;
  #shared = Infinity;

  /** Whether the next run is to have the threads. */
  next() {
    if (this.#run < 2 * TRIALS) return this.#run % 2 === 0;
    return this.#alone >= this.#shared * MARGIN;
  }

  /** @param {number} ms that run took */
  done(ms) {
    if (this.#run < 2 * TRIALS) {
      if (this.#run % 2 === 0) this.#shared = Math.min(this.#shared, ms);
      else this.#alone = Math.min(this.#alone, ms);
    }
    this.#run += 1;
    if (this.#run === PERIOD) [this.#run, this.#alone, this.#shared] = [0, Infinity, Infinity];
  }
}
