/**
 * Module: the sections of a wasm file, read and written.
 *
 * In: the bytes of a module. Out: its sections as bytes, entries of them, a module again. One decision: nothing is
 * decoded that is not asked for, so that a change of a few bytes in a large module costs a copy of it and no more.
 * The format: https://webassembly.github.io/spec/core/binary/modules.html
 * @module
 */

const HEADER = 8;
export const SECTION = Object.freeze({ custom: 0, type: 1, import: 2, function: 3, memory: 5, global: 6, export: 7, element: 9, code: 10, data: 11, dataCount: 12 });
export const KIND = Object.freeze({ function: 0, table: 1, memory: 2, global: 3, tag: 4 });

/** A position in bytes; every read moves it. */
export class Reader {
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

  /** LEB128 of 32 bits: its bits, how many there are, and the last of them, which is the sign's. */
  #leb128() {
    let [bits, count, byte] = [0, 0, 0];
    do {
      byte = this.byte();
      bits |= (byte & 0x7f) << count;
      count += 7;
    } while (byte & 0x80);
    return { bits, count, negative: (byte & 0x40) !== 0 };
  }

  unsigned() {
    return this.#leb128().bits >>> 0;
  }

  signed() {
    const { bits, count, negative } = this.#leb128();
    return count < 32 && negative ? bits | (-1 << count) : bits;
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

export function unsigned(value) {
  const bytes = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value);
  return bytes;
}

/** @param {(Uint8Array | number[])[]} parts */
export function join(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export const sized = (bytes) => join([unsigned(bytes.length), bytes]);
export const named = (name) => sized(new TextEncoder().encode(name));

/** @typedef {{ id: number, content: Uint8Array }} Section */

/** @param {Uint8Array} bytes @returns {Section[]} */
export function readSections(bytes) {
  const reader = new Reader(bytes);
  const header = reader.take(HEADER);
  if (String.fromCharCode(...header.subarray(0, 4)) !== '\0asm') throw new TypeError('not a wasm module');
  const sections = [];
  while (!reader.done) sections.push({ id: reader.byte(), content: reader.take(reader.unsigned()) });
  return sections;
}

/** @param {Uint8Array} bytes whose header it gets @param {Section[]} sections */
export function writeSections(bytes, sections) {
  return join([bytes.subarray(0, HEADER), ...sections.flatMap(({ id, content }) => [[id], unsigned(content.length), content])]);
}

/** The content of a section, through `change`. */
export function edit(sections, id, change) {
  const section = sections.find((one) => one.id === id);
  if (!section) throw new TypeError(`the wasm module has no section ${id}`);
  section.content = change(section.content);
}

/** Appends entries to a section that is a vector. */
export function append(sections, id, entries) {
  edit(sections, id, (content) => {
    const reader = new Reader(content);
    const count = reader.unsigned();
    return join([unsigned(count + entries.length), reader.rest(), ...entries]);
  });
}

/** Adds a section that says something about the module and changes nothing. */
export function label(bytes, name, text) {
  return join([bytes, [SECTION.custom], sized(join([named(name), new TextEncoder().encode(text)]))]);
}

/** The same module without that. */
export function withoutLabel(bytes, name) {
  const mark = named(name);
  return writeSections(bytes, readSections(bytes).filter(({ id, content }) => id !== SECTION.custom || mark.some((byte, at) => content[at] !== byte)));
}

/** Least and greatest size, with what else the first byte says. */
export function readLimits(reader) {
  const flags = reader.byte();
  const least = reader.unsigned();
  return { flags, least, most: flags & 1 ? reader.unsigned() : undefined };
}

/** How many imports there are of each kind. */
export function countImports(sections) {
  const counts = { function: 0, table: 0, memory: 0, global: 0, tag: 0 };
  const imports = sections.find(({ id }) => id === SECTION.import);
  if (!imports) return counts;
  const reader = new Reader(imports.content);
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    reader.take(reader.unsigned());
    reader.take(reader.unsigned());
    const kind = reader.byte();
    const name = Object.keys(KIND).find((key) => KIND[key] === kind);
    if (name === undefined) throw new TypeError(`an import of kind ${kind}`);
    counts[name] += 1;
    if (kind === KIND.table) reader.byte();
    if (kind === KIND.function) reader.unsigned();
    else if (kind === KIND.table || kind === KIND.memory) readLimits(reader);
    else if (kind === KIND.global) reader.take(2);
    else reader.byte(), reader.unsigned();
  }
  return counts;
}

/** How many globals there are, imported ones too. */
export function countGlobals(sections) {
  const globals = sections.find(({ id }) => id === SECTION.global);
  return countImports(sections).global + (globals ? new Reader(globals.content).unsigned() : 0);
}

/** @returns {Uint8Array[]} the bodies of the module's own functions, without their lengths */
export function readBodies(content) {
  const reader = new Reader(content);
  return Array.from({ length: reader.unsigned() }, () => reader.take(reader.unsigned()));
}
