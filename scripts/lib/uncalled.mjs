// What a library registers for whoever asks for it by name, and nobody here does. In: a module with its functions' names.
// Out: the same one, in which such functions are traps, so that wasm-opt takes away what only they lead to. The one decision:
// functions are found by the names of what they implement, as the symbols of Rust have them, mangled or not; a build that
// finds none fails, since a library that calls them otherwise would bring all of it back unseen.
import { readFileSync, writeFileSync } from 'node:fs';
import { Reader, SECTION, countImports, readSections } from '../../pkg/engine/module.js';
import { drop } from '../../pkg/tailor/module.js';

/**
 * Transforms of whole models that the engine's crates register: a reader of NNEF, with all operators that it can name,
 * hangs on one of them, and rewrites for accelerators on others.
 */
export const UNCALLED = /(tract_nnef|tract_transformers).*ModelTransform(>::|9)transform(?!_)/;

const FUNCTION_NAMES = 1;

/** @returns {Map<number, string>} the functions' names by number, imported ones first */
function functionNames(sections) {
  const names = new Map();
  const text = new TextDecoder();
  for (const { content } of sections.filter(({ id }) => id === SECTION.custom)) {
    const reader = new Reader(content);
    if (text.decode(reader.take(reader.unsigned())) !== 'name') continue;
    while (!reader.done) {
      const part = reader.byte();
      const entries = new Reader(reader.take(reader.unsigned()));
      if (part !== FUNCTION_NAMES) continue;
      for (let left = entries.unsigned(); left > 0; left -= 1) names.set(entries.unsigned(), text.decode(entries.take(entries.unsigned())));
    }
  }
  return names;
}

/** Makes traps of what nobody calls in `file`; gives how many there were. */
export function dropUncalled(file) {
  const bytes = new Uint8Array(readFileSync(file));
  const sections = readSections(bytes);
  const before = countImports(sections).function;
  const names = functionNames(sections);
  const uncalled = new Set([...names].filter(([, name]) => UNCALLED.test(name)).map(([number]) => number - before));
  if (!uncalled.size) throw new Error(`${file} has none of the functions that nobody calls: their names have changed (${UNCALLED})`);
  const kept = new Set([...names.keys()].map((number) => number - before).filter((number) => !uncalled.has(number)));
  writeFileSync(file, drop(bytes, kept));
  return uncalled.size;
}
