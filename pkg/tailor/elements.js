/**
 * Elements: the functions that a wasm module's tables hold.
 *
 * In: the content of a section of elements. Out: another. One decision: what is not known is an error, so that no table
 * holds a function that is meant for another place.
 * The format: https://webassembly.github.io/spec/core/binary/modules.html
 * @module
 */
import { join, Reader, unsigned } from '../engine/module.js';

/** The only instructions of a constant that are known: numbers, globals, null; none of them names a function. */
const CONSTANT = { 0x23: 'unsigned', 0x41: 'signed', 0xd0: 'signed' };
const END = 0x0b;

const skipLeb = (reader) => { while (reader.byte() & 0x80); };

/** Passes over the constant with which an element or a global begins. @param {Reader} reader */
export function skipConstant(reader) {
  for (let code = reader.byte(); code !== END; code = reader.byte()) {
    if (code === 0x42) skipLeb(reader);
    else if (code === 0x43 || code === 0x44) reader.take(code === 0x43 ? 4 : 8);
    else if (CONSTANT[code]) reader[CONSTANT[code]]();
    else throw new TypeError(`the constant's instruction ${code.toString(16)} is not known`);
  }
}

/**
 * The content of a section of elements with other functions in the places of its own.
 * @param {Uint8Array} content
 * @param {(number: number) => number} now the function that comes in a function's place; imported ones are counted first
 */
export function mapElements(content, now) {
  const reader = new Reader(content);
  const parts = [];
  let from = 0;
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    const flags = reader.unsigned();
    if (flags > 3) throw new TypeError(`elements of kind ${flags} are not known`);
    if (flags === 2) reader.unsigned();
    if ((flags & 1) === 0) skipConstant(reader);
    if (flags > 0 && reader.byte() !== 0) throw new TypeError('elements that are no functions');
    const count = reader.unsigned();
    parts.push(content.subarray(from, reader.at));
    for (let one = 0; one < count; one += 1) parts.push(unsigned(now(reader.unsigned())));
    from = reader.at;
  }
  return join([...parts, content.subarray(from)]);
}
