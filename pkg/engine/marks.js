/**
 * Marks: what a module says of itself.
 *
 * In: a compiled module. Out: whether it is trimmed, so that a trap in it may only mean that the whole engine is wanted,
 * and whether it has relaxed SIMD. One decision: the marks are in the module itself, so that they travel with the file,
 * however the application gets hold of it.
 * @module
 */

/** The custom section of a trimmed module; its content is how many functions are left. */
export const TRIMMED = 'nearside.trimmed';
/** That of one with relaxed SIMD. */
export const RELAXED = 'nearside.relaxed';

/** @param {WebAssembly.Module} module */
export function marksOf(module) {
  const has = (name) => WebAssembly.Module.customSections(module, name).length > 0;
  return { trimmed: has(TRIMMED), relaxed: has(RELAXED) };
}
