// The engine's wasm with a limit on its memory, so that running out of it is real and cheap. In: the module's bytes,
// the limit in bytes. Out: the module's bytes with that maximum in its memory section.
import { edit, join, Reader, readLimits, readSections, SECTION, unsigned, writeSections } from '../../pkg/engine/module.js';

const PAGE = 65536;

export function withMemoryLimit(wasm, limit) {
  const sections = readSections(wasm);
  edit(sections, SECTION.memory, (content) => {
    const reader = new Reader(content);
    reader.unsigned();
    const { least } = readLimits(reader);
    return join([[1, 1], unsigned(least), unsigned(Math.max(least, Math.ceil(limit / PAGE)))]);
  });
  return Buffer.from(writeSections(wasm, sections));
}
