/**
 * Words: what the threads of an engine agree by.
 *
 * In: nothing. Out: the places of the words in an array that they share. All are written before a job opens and read
 * after: `job` counts up, odd while one is open; `call`, `data`, `parts` are the job's; `next` is the next turn;
 * `active` are the threads that are in it, which the end of a job waits for, since the job lies on the stack of the
 * engine's own thread; `asleep` wait to be woken; `failed` is 1 once a part trapped; `lanes` counts those that work.
 * @module
 */
export const WORD = Object.freeze({ job: 0, call: 1, data: 2, parts: 3, next: 4, active: 5, asleep: 6, failed: 7, lanes: 8 });
export const WORDS = 16;
/** Instead of a job: the end. */
export const CLOSED = -1;
/** Looks at a word before a thread goes to sleep: some ten microseconds, as long as it takes to be woken. */
export const SPINS = 4000;
