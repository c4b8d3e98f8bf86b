/**
 * Support: what of WebAssembly this host has.
 *
 * In: nothing. Out: verdicts. One decision: a few bytes are asked for by `WebAssembly.validate`, before anything is
 * fetched.
 * @module
 */

/** A module of one function that returns a v128: whether this host can run the engine at all. */
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);

/** The same of one that multiplies and adds at once: whether it can run the one with relaxed SIMD. */
const RELAXED = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11]);

export const hasRelaxed = () => typeof WebAssembly === 'object' && WebAssembly.validate(RELAXED);

/** @returns {string | undefined} why the engine cannot run in this host */
export function missing() {
  if (typeof WebAssembly !== 'object') return 'this host has no WebAssembly';
  return WebAssembly.validate(SIMD) ? undefined : 'the WebAssembly of this host has no SIMD';
}
