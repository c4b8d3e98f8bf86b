// Another order of a module's functions. In: a module without names, its own functions' numbers in the new order. Out: the
// module that does the same, each function under its new number wherever it is named.
// The one decision: what names functions in a way that is not known here is an error, so that no number stays an old one.
// The format: https://webassembly.github.io/spec/core/binary/modules.html
import { KIND, Reader, SECTION, countImports, edit, join, readBodies, readSections, sized, unsigned, writeSections } from '../../pkg/engine/module.js';
import { mapElements, skipConstant } from '../../pkg/tailor/elements.js';
import { afterLocals } from '../../pkg/tailor/module.js';
import { eachInstruction } from './instructions.mjs';

const [CALL, RETURN_CALL, REF_FUNC] = [0x10, 0x12, 0xd2];
const NAMING = new Set([CALL, RETURN_CALL, REF_FUNC]);
const START = 8;
/** Custom sections that name functions. */
const NAMES = /^(name|metadata\.code)/;
const text = new TextDecoder();

function rename(body, now) {
  const parts = [];
  let from = 0;
  eachInstruction(body, afterLocals(body), (code, begin, end) => {
    if (!NAMING.has(code)) return;
    const reader = new Reader(body);
    reader.at = begin + 1;
    parts.push(body.subarray(from, begin + 1), unsigned(now(reader.unsigned())));
    from = end;
  });
  return join([...parts, body.subarray(from)]);
}

function renameExports(content, now) {
  const reader = new Reader(content);
  const parts = [];
  let from = 0;
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    reader.take(reader.unsigned());
    const kind = reader.byte();
    const at = reader.at;
    const number = reader.unsigned();
    if (kind !== KIND.function) continue;
    parts.push(content.subarray(from, at), unsigned(now(number)));
    from = reader.at;
  }
  return join([...parts, content.subarray(from)]);
}

/** Globals may begin with what names a function; none here does, or this is an error. */
function checkGlobals(content) {
  const reader = new Reader(content);
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    reader.take(2);
    skipConstant(reader);
  }
}

/**
 * @param {Uint8Array} bytes a module
 * @param {number[]} order the numbers of its own functions, each once
 */
export function renumber(bytes, order) {
  const sections = readSections(bytes);
  const content = (id) => sections.find((one) => one.id === id)?.content;
  for (const { content: custom } of sections.filter(({ id }) => id === SECTION.custom)) {
    const reader = new Reader(custom);
    const name = text.decode(reader.take(reader.unsigned()));
    if (NAMES.test(name)) throw new TypeError(`the section ${name} names functions by their old numbers`);
  }
  const imports = countImports(sections).function;
  const numbers = new Uint32Array(order.length);
  order.forEach((old, number) => { numbers[old] = number; });
  const now = (number) => (number < imports ? number : imports + numbers[number - imports]);
  if (content(SECTION.global)) checkGlobals(content(SECTION.global));
  edit(sections, SECTION.function, (types) => {
    const reader = new Reader(types);
    const list = Array.from({ length: reader.unsigned() }, () => reader.unsigned());
    return join([unsigned(list.length), ...order.map((old) => unsigned(list[old]))]);
  });
  edit(sections, SECTION.code, (code) => {
    const bodies = readBodies(code);
    return join([unsigned(bodies.length), ...order.map((old) => sized(rename(bodies[old], now)))]);
  });
  edit(sections, SECTION.export, (exports) => renameExports(exports, now));
  if (content(SECTION.element)) edit(sections, SECTION.element, (elements) => mapElements(elements, now));
  if (content(START)) edit(sections, START, (start) => Uint8Array.from(unsigned(now(new Reader(start).unsigned()))));
  return writeSections(bytes, sections);
}
