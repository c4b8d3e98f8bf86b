/**
 * Words: what the threads of an engine agree by.
 *
 * In: nothing. Out: the places of the words in an array that they share. All are written before a job opens and read
 * after: `job` counts up, odd while one is open; `call`, `data`, `parts` are the job's; `active` are the threads that are in it, which the end of a job waits for, since the job lies on the stack of the
 * engine's own thread; `asleep` wait to be woken; `failed` is 1 once a part trapped; `lanes` counts those that work;
 * `settling` is 1 while the engine's own thread sleeps until none is active. What turns are left stands behind these, in
 * a line of the cache for each thread, see turns.js.
 * @module
 */
export const WORD = Object.freeze({ job: 0, call: 1, data: 2, parts: 3, active: 4, asleep: 5, failed: 6, lanes: 7, settling: 8 });
/** Words of a line of the cache. */
export const LINE = 16;
/** Instead of a job: the end. */
export const CLOSED = -1;
/**
 * How long a thread looks at a word before it goes to sleep. To be woken takes some fifty microseconds, as long as a
 * small layer's work; the layers of a run, and runs of a stream of inputs, follow each other within this time.
 */
const AWAKE_MS = 1;
/** Looks between two at the clock. */
const LOOKS = 256;

/** A lull for the core's other thread, where the host has it. */
const pause = /** @type {{ pause?: () => void }} */ (Atomics).pause ?? (() => {});

/**
 * Waits, awake for a while, for what `found` looks for. Whether it came.
 * @param {() => boolean} found
 */
export function awake(found) {
  const since = performance.now();
  do {
    for (let looks = 0; looks < LOOKS; looks += 1) {
      if (found()) return true;
      pause();
    }
  } while (performance.now() - since < AWAKE_MS);
  return false;
}
