// Small wasm modules. In: entries by the number of their section. Out: the bytes.
import { join, sized, unsigned } from '../../pkg/engine/module.js';

export const assemble = (sections) => join([
  [0, 97, 115, 109, 1, 0, 0, 0],
  ...Object.entries(sections).flatMap(([id, entries]) => [[Number(id)], sized(join([unsigned(entries.length), ...entries]))]),
]);
