// What a library registers for whoever asks for it by name, and nobody here does. In: a module with its functions' names.
// Out: the same one, in which such functions are traps, so that wasm-opt takes away what only they lead to. It cannot find
// that out by itself: what a table of methods names counts as called. The one decision: functions are found by the names
// of what they are or implement, as Rust's symbols have them; a build that finds few of them fails, since a library that
// has them under other names would bring all of it back unseen.
import { readFileSync, writeFileSync } from 'node:fs';
import { Reader, SECTION, countImports, readBodies, readSections } from '../../pkg/engine/module.js';
import { SMALL, drop } from '../../pkg/tailor/module.js';

/**
 * A reader and writer of NNEF, with all operators that it can name, and transforms of whole models. What runs as the module
 * starts, which registers them, stays.
 */
export const UNCALLED = /^(?!.*__ctor)(<?tract_nnef(\[|::)|<tract_transformers.*ModelTransform>::transform$)/;
/** So many there are at least. */
const LEAST = 300;

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
  if (uncalled.size < LEAST) throw new Error(`${file} has ${uncalled.size} functions that nobody calls: their names have changed (${UNCALLED})`);
  // What runs at the start calls some of these, all of them small.
  const bodies = readBodies(sections.find(({ id }) => id === SECTION.code).content);
  const kept = new Set([...bodies.keys()].filter((number) => !uncalled.has(number) || bodies[number].length <= SMALL));
  writeFileSync(file, drop(bytes, kept));
  return uncalled.size;
}
