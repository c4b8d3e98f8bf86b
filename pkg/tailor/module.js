/**
 * Module: a wasm module as sections, for two edits: counting which functions run, and dropping those that did not.
 *
 * In: the bytes of a module. Out: the bytes of another. One decision: no function is removed, only its body is
 * replaced by a trap. So every index stays what it was, a few lines suffice where a linker would be needed, and
 * a call of what was dropped is a trap that the host answers by starting the whole engine.
 * The format: https://webassembly.github.io/spec/core/binary/modules.html
 * @module
 */
import { TRIMMED } from '../engine/trimmed.js';


/** What the exports of the counters begin with. */
export const COUNTER = 'nearside.ran.';

const HEADER = 8;
const SECTION = { custom: 0, import: 2, global: 6, export: 7, code: 10 };
const KIND = { function: 0, table: 1, memory: 2, global: 3, tag: 4 };
const [I32, MUTABLE, I32_CONST, GLOBAL_SET, UNREACHABLE, END] = [0x7f, 0x01, 0x41, 0x24, 0x00, 0x0b];
/** No locals, a trap, the end; the length comes first. */
const DROPPED = Uint8Array.of(3, 0, UNREACHABLE, END);

/** A position in bytes; every read moves it. */
class Reader {
  at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
  }

  get done() {
    return this.at >= this.bytes.length;
  }

  byte() {
    if (this.done) throw new RangeError('the wasm module is cut off');
    this.at += 1;
    return this.bytes[this.at - 1];
  }

  /** LEB128. */
  unsigned() {
    let [value, shift, byte] = [0, 0, 0];
    do {
      byte = this.byte();
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    return value >>> 0;
  }

  take(length) {
    if (this.at + length > this.bytes.length) throw new RangeError('the wasm module is cut off');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  rest() {
    return this.bytes.subarray(this.at);
  }
}

function unsigned(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value);
  return bytes;
}

/** @param {(Uint8Array | number[])[]} parts */
function join(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const sized = (bytes) => join([unsigned(bytes.length), bytes]);
const named = (name) => sized(new TextEncoder().encode(name));

/** @returns {{ id: number, content: Uint8Array }[]} */
function readSections(bytes) {
  const reader = new Reader(bytes);
  const header = reader.take(HEADER);
  if (String.fromCharCode(...header.subarray(0, 4)) !== '\0asm') throw new TypeError('not a wasm module');
  const sections = [];
  while (!reader.done) sections.push({ id: reader.byte(), content: reader.take(reader.unsigned()) });
  return sections;
}

function writeSections(bytes, sections) {
  return join([bytes.subarray(0, HEADER), ...sections.flatMap(({ id, content }) => [[id], sized(content)])]);
}

/** The content of a section, through `change`. */
function edit(sections, id, change) {
  const section = sections.find((one) => one.id === id);
  if (!section) throw new TypeError(`the wasm module has no section ${id}`);
  section.content = change(section.content);
}

/** Appends entries to a section that is a vector. */
function append(sections, id, entries) {
  edit(sections, id, (content) => {
    const reader = new Reader(content);
    const count = reader.unsigned();
    return join([unsigned(count + entries.length), reader.rest(), ...entries]);
  });
}

/** How many globals there are, imported ones too. */
function countGlobals(sections) {
  let count = 0;
  const imports = sections.find(({ id }) => id === SECTION.import);
  if (imports) {
    const reader = new Reader(imports.content);
    for (let left = reader.unsigned(); left > 0; left -= 1) {
      reader.take(reader.unsigned());
      reader.take(reader.unsigned());
      const kind = reader.byte();
      if (kind === KIND.table) reader.byte();
      if (kind === KIND.function) reader.unsigned();
      else if (kind === KIND.table || kind === KIND.memory) skipLimits(reader);
      else if (kind === KIND.global) reader.take(2);
      else if (kind === KIND.tag) reader.byte(), reader.unsigned();
      else throw new TypeError(`an import of kind ${kind}`);
      if (kind === KIND.global) count += 1;
    }
  }
  const globals = sections.find(({ id }) => id === SECTION.global);
  return count + (globals ? new Reader(globals.content).unsigned() : 0);
}

function skipLimits(reader) {
  const flags = reader.byte();
  reader.unsigned();
  if (flags & 1) reader.unsigned();
}

/** @returns {Uint8Array[]} the bodies of the module's own functions, without their lengths */
function readBodies(content) {
  const reader = new Reader(content);
  return Array.from({ length: reader.unsigned() }, () => reader.take(reader.unsigned()));
}

/** Where a body's instructions begin. */
function afterLocals(body) {
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
 * The same module with only the functions that are in `kept`; a call of another one traps.
 * @param {Uint8Array} bytes
 * @param {Set<number>} kept numbers as `instrument` gives them
 */
export function drop(bytes, kept) {
  const sections = readSections(bytes);
  edit(sections, SECTION.code, (content) => {
    const bodies = readBodies(content);
    return join([unsigned(bodies.length), ...bodies.map((body, number) => (kept.has(number) ? sized(body) : DROPPED))]);
  });
  return writeSections(bytes, sections);
}

/** The same module, marked as one that lacks functions. */
export function mark(bytes, kept) {
  const sections = readSections(bytes);
  sections.push({ id: SECTION.custom, content: join([named(TRIMMED), new TextEncoder().encode(String(kept))]) });
  return writeSections(bytes, sections);
}
