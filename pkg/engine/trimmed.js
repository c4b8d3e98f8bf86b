/**
 * Trimmed: how a module says that it lacks functions.
 *
 * In: a compiled module. Out: whether a trap in it may only mean that the whole engine is wanted. One decision: the
 * mark is in the module itself, so that it travels with the file, however the application gets hold of it.
 * @module
 */

/** The custom section that says so; its content is how many functions are left. */
export const TRIMMED = 'nearside.trimmed';

/** @param {WebAssembly.Module} module */
export const isTrimmed = (module) => WebAssembly.Module.customSections(module, TRIMMED).length > 0;
