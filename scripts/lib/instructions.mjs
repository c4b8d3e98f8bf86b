// The instructions of a wasm function, one after the other. In: a function's body. Out: where each begins and ends, and
// what it is. The one decision: only lengths are decoded; an instruction that is not in the table is an error, so that
// nothing is ever skipped over wrongly.
// The format: https://webassembly.github.io/spec/core/binary/instructions.html
import { Reader } from '../../pkg/engine/module.js';

const leb = (reader) => { while (reader.byte() & 0x80); };
const bytes = (count) => (reader) => { reader.take(count); };
const none = () => {};
const two = (reader) => { leb(reader); leb(reader); };
const list = (reader) => { for (let left = reader.unsigned(); left > 0; left -= 1) leb(reader); };
/** The alignment says whether the number of a memory follows. */
const memory = (reader) => {
  if (reader.unsigned() & 0x40) leb(reader);
  leb(reader);
};
const catches = (reader) => {
  for (let left = reader.unsigned(); left > 0; left -= 1) (reader.byte() < 2 ? two : leb)(reader);
};

/** First and last code, and how what follows the code is read. */
const PLAIN = [
  [0x00, 0x01, none], [0x02, 0x04, leb], [0x05, 0x05, none], [0x06, 0x09, leb], [0x0a, 0x0b, none], [0x0c, 0x0d, leb],
  [0x0e, 0x0e, (reader) => { list(reader); leb(reader); }], [0x0f, 0x0f, none], [0x10, 0x10, leb], [0x11, 0x11, two], [0x12, 0x12, leb],
  [0x13, 0x13, two], [0x18, 0x18, leb], [0x19, 0x1b, none], [0x1c, 0x1c, list], [0x1f, 0x1f, (reader) => { leb(reader); catches(reader); }],
  [0x20, 0x26, leb], [0x28, 0x3e, memory], [0x3f, 0x42, leb], [0x43, 0x43, bytes(4)], [0x44, 0x44, bytes(8)], [0x45, 0xc4, none],
  [0xd0, 0xd0, leb], [0xd1, 0xd1, none], [0xd2, 0xd2, leb],
];
/** After 0xfc. */
const MORE = [[0, 7, none], [8, 8, two], [9, 9, leb], [10, 10, two], [11, 11, leb], [12, 12, two], [13, 13, leb], [14, 14, two], [15, 17, leb]];
/** After 0xfd: vectors. */
const VECTOR = [
  [0, 11, memory], [12, 13, bytes(16)], [14, 20, none], [21, 34, bytes(1)], [35, 83, none],
  [84, 91, (reader) => { memory(reader); reader.byte(); }], [92, 93, memory], [94, 255, none], [256, 275, none],
];
const PREFIX = { 0xfc: MORE, 0xfd: VECTOR };

function operands(table, code) {
  const row = table.find(([first, last]) => code >= first && code <= last);
  if (!row) throw new TypeError(`the instruction ${code.toString(16)} is not known`);
  return row[2];
}
const plain = Array.from({ length: 256 }, (_, code) => PLAIN.find(([first, last]) => code >= first && code <= last)?.[2]);

/**
 * Calls `visit(code, begin, end)` for each instruction of a body from `start` on; a vector instruction's code is
 * `0xfd00` plus its own.
 */
export function eachInstruction(body, start, visit) {
  const reader = new Reader(body);
  reader.at = start;
  while (!reader.done) {
    const begin = reader.at;
    let code = reader.byte();
    const table = PREFIX[code];
    if (table) {
      const own = reader.unsigned();
      operands(table, own)(reader);
      code = code * 0x100 + own;
    } else {
      (plain[code] ?? operands(PLAIN, code))(reader);
    }
    visit(code, begin, reader.at);
  }
}
