/**
 * Shared: the engine's module, so changed that several threads can run it over one memory.
 *
 * In: the bytes of the module. Out: bytes of one that takes its memory from the host and has no data of its own, and
 * that data. One decision: no engine of its own is built for threads. The threads that the engine gets do nothing but
 * parts of its inner loops, which need neither locks nor atomics; so the same code serves, and whichever engine an
 * application has, trimmed, whole or tailored, has threads.
 * @module
 */
import { edit, join, KIND, named, Reader, readLimits, readSections, SECTION, unsigned, writeSections } from './module.js';

/** Where the memory is among the imports. */
const FROM = 'nearside';
/** What a memory of 32 bits may grow to, in pages; a shared one has to say so. */
const MOST = 65536;
const [SHARED, HAS_MOST, I32_CONST] = [2, 1, 0x41];

/**
 * @typedef {{ pages: number, most: number, data: { at: number, bytes: Uint8Array }[] }} Wanted
 *   `pages`, `most`: of the memory; `data`: what the first thread lays into it
 * @typedef {Wanted & { bytes: Uint8Array<ArrayBuffer> }} Shared
 */

/**
 * @param {Uint8Array} bytes
 * @returns {Shared | undefined} undefined: the module is not made in the way that this needs
 */
export function toShared(bytes) {
  const sections = readSections(bytes);
  const content = (id) => sections.find((one) => one.id === id)?.content;
  const memory = content(SECTION.memory) && new Reader(content(SECTION.memory));
  if (!memory || memory.unsigned() !== 1 || !hasExport(content(SECTION.export), 'nearside_part')) return undefined;
  const { least, most = MOST } = readLimits(memory);
  const data = content(SECTION.data) ? readData(content(SECTION.data)) : [];
  if (!data) return undefined;
  const entry = join([named(FROM), named('memory'), [KIND.memory, SHARED | HAS_MOST], unsigned(least), unsigned(most)]);
  edit(sections, SECTION.import, (imports) => {
    const reader = new Reader(imports);
    return join([unsigned(reader.unsigned() + 1), reader.rest(), entry]);
  });
  /** @type {number[]} */
  const moved = [SECTION.memory, SECTION.data, SECTION.dataCount];
  return { bytes: writeSections(bytes, sections.filter(({ id }) => !moved.includes(id))), pages: least, most, data };
}

/** The memory and the imports of an instance of it. @param {Wanted} shared */
export function sharedMemory({ pages, most }) {
  return new WebAssembly.Memory({ initial: pages, maximum: most, shared: true });
}

export const withMemory = (imports, memory) => ({ ...imports, [FROM]: { memory } });

function hasExport(content, wanted) {
  const reader = new Reader(content ?? Uint8Array.of(0));
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    const name = new TextDecoder().decode(reader.take(reader.unsigned()));
    reader.byte();
    reader.unsigned();
    if (name === wanted) return true;
  }
  return false;
}

/** Segments at constant places of the one memory; anything else stays with whoever made it. */
function readData(content) {
  const reader = new Reader(content);
  const data = [];
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    if (reader.unsigned() !== 0 || reader.byte() !== I32_CONST) return undefined;
    const at = reader.signed() >>> 0;
    reader.byte();
    data.push({ at, bytes: reader.take(reader.unsigned()) });
  }
  return data;
}
