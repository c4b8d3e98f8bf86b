/**
 * Module: two edits of a wasm module: counting which functions run, and dropping those that did not.
 *
 * In: the bytes of a module. Out: the bytes of another. One decision: no function is removed, only its body is
 * replaced by a trap. So every index stays what it was, a few lines suffice where a linker would be needed, and
 * a call of what was dropped is a trap that the host answers by starting the whole engine.
 * @module
 */
import { append, countGlobals, countImports, edit, join, KIND, label, named, readBodies, Reader, readSections, SECTION, sized, unsigned, writeSections } from '../engine/module.js';
import { TRIMMED } from '../engine/marks.js';
import { mapElements } from './elements.js';

/** What the exports of the counters begin with. */
export const COUNTER = 'nearside.ran.';

const [FUNCTION, I32, MUTABLE, I32_CONST, GLOBAL_SET, UNREACHABLE, END] = [0x60, 0x7f, 0x01, 0x41, 0x24, 0x00, 0x0b];
/** No locals, a trap, the end; the length comes first. */
const DROPPED = Uint8Array.of(3, 0, UNREACHABLE, END);

/** Where a body's instructions begin. */
export function afterLocals(body) {
  const reader = new Reader(body);
  for (let groups = reader.unsigned(); groups > 0; groups -= 1) {
    reader.unsigned();
    reader.byte();
  }
  return reader.at;
}

/**
 * The same module, which notes for each of its functions whether it was called: the exported global
 * `nearside.ran.<number>` is then 1.
 * @param {Uint8Array} bytes
 * @returns {{ bytes: Uint8Array, functions: number }}
 */
export function instrument(bytes) {
  const sections = readSections(bytes);
  const first = countGlobals(sections);
  let functions = 0;
  edit(sections, SECTION.code, (content) => {
    const bodies = readBodies(content);
    functions = bodies.length;
    return join([unsigned(functions), ...bodies.map((body, number) => {
      const start = afterLocals(body);
      const note = [I32_CONST, 1, GLOBAL_SET, ...unsigned(first + number)];
      return sized(join([body.subarray(0, start), note, body.subarray(start)]));
    })]);
  });
  const numbers = Array.from({ length: functions }, (_, number) => number);
  append(sections, SECTION.global, numbers.map(() => [I32, MUTABLE, I32_CONST, 0, END]));
  append(sections, SECTION.export, numbers.map((number) => join([named(`${COUNTER}${number}`), [KIND.global], unsigned(first + number)])));
  return { bytes: writeSections(bytes, sections), functions };
}

/**
 * Functions that are no larger and answer with one i32 are never dropped: whether some of them are called is chance. Two
 * keys are compared where their hashes collide, and those hang on where in memory a table is.
 */
export const SMALL = 64;

/**
 * What each of the module's own functions takes and gives.
 * @param {import('../engine/module.js').Section[]} sections
 * @returns {{ parameters: Uint8Array, results: Uint8Array }[]}
 */
export function signatures(sections) {
  const entries = (id) => new Reader(sections.find((one) => one.id === id)?.content ?? Uint8Array.of(0));
  const types = entries(SECTION.type);
  const each = Array.from({ length: types.unsigned() }, () => {
    if (types.byte() !== FUNCTION) throw new TypeError('a type that is no function');
    return { parameters: types.take(types.unsigned()), results: types.take(types.unsigned()) };
  });
  const own = entries(SECTION.function);
  return Array.from({ length: own.unsigned() }, () => each[own.unsigned()]);
}

const compares = ({ results }) => results.length === 1 && results[0] === I32;

/**
 * The same module with only the functions that are in `kept`, and small ones that answer; a call of another one traps.
 * @param {Uint8Array} bytes
 * @param {Set<number>} kept numbers as `instrument` gives them
 */
export function drop(bytes, kept) {
  const sections = readSections(bytes);
  const types = signatures(sections);
  const bodies = readBodies(sections.find(({ id }) => id === SECTION.code)?.content ?? Uint8Array.of(0));
  const stays = bodies.map((body, number) => kept.has(number) || (body.length <= SMALL && compares(types[number])));
  edit(sections, SECTION.code, () => join([unsigned(bodies.length), ...bodies.map((body, number) => (stays[number] ? sized(body) : DROPPED))]));
  // A trap is a trap: one stands in every place of a table, which is packed better. Code that refers to a function by
  // ref.func, which wants it in a table or the like, is none that Rust's compiler writes; the result would not compile.
  const imports = countImports(sections).function;
  const trap = imports + stays.indexOf(false);
  if (trap >= imports && sections.some(({ id }) => id === SECTION.element)) {
    edit(sections, SECTION.element, (content) => mapElements(content, (number) => (number < imports || stays[number - imports] ? number : trap)));
  }
  return writeSections(bytes, sections);
}

/** The same module, marked as one that lacks functions. */
export const mark = (bytes, kept) => label(bytes, TRIMMED, String(kept));
