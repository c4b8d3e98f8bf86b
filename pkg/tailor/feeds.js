/**
 * Feeds: inputs for a model of which only the signature is known.
 *
 * In: a signature, shapes that the caller names. Out: lists of feeds to try. One decision: values do not matter for
 * which functions run, sizes do: a dimension without a number is tried with several.
 * @module
 */
import { NearsideError } from '../errors.js';
import { sizeOf, TYPES } from '../types.js';

/** @typedef {{ name?: string, type: string, dims: number[], data: any }} Feed */

/** What a dimension that the model leaves open is tried with. */
const SIZES = [1, 16, 64, 224];
/** Most elements of an input that is made up. */
const LARGEST = 1 << 26;

/**
 * `input=1x3x224x224`
 * @param {string[]} texts
 * @returns {Map<string, number[][]>} an input may be named several times
 */
export function readShapes(texts) {
  const shapes = new Map();
  for (const text of texts) {
    const [, name, dims] = text.match(/^(.+)=(\d+(?:x\d+)*)$/) ?? [];
    if (!name) throw new NearsideError('INVALID_INPUT', `--shape ${text}: it is written input=1x3x224x224`);
    shapes.set(name, [...(shapes.get(name) ?? []), dims.split('x').map(Number)]);
  }
  return shapes;
}

/**
 * Lists of feeds: one for each shape that the caller names; without any, one for each size of the open dimensions.
 * @param {{ name: string, type: string, shape: (number | string)[] }[]} inputs
 * @param {Map<string, number[][]>} shapes
 * @returns {Feed[][]}
 */
export function madeUp(inputs, shapes) {
  for (const name of shapes.keys()) {
    if (!inputs.some((input) => input.name === name)) {
      throw new NearsideError('INVALID_INPUT', `--shape ${name}: the inputs are ${inputs.map((input) => input.name).join(', ')}`);
    }
  }
  const open = inputs.some(({ name, shape }) => !shapes.has(name) && shape.some((dim) => typeof dim !== 'number'));
  const rounds = Math.max(1, ...[...shapes.values()].map((list) => list.length));
  const lists = [];
  for (let round = 0; round < rounds; round += 1) {
    for (const size of open ? SIZES : [1]) {
      lists.push(inputs.map((input) => {
        const named = shapes.get(input.name);
        const dims = named ? named[Math.min(round, named.length - 1)] : input.shape.map((dim, at) => (typeof dim === 'number' ? dim : at === 0 ? 1 : size));
        return fill(input.name, input.type, dims);
      }));
    }
  }
  return lists;
}

/** @returns {Feed} */
function fill(name, type, dims) {
  const count = sizeOf(dims);
  if (count > LARGEST) throw new NearsideError('INVALID_INPUT', `input ${name} of shape ${dims.join('x')} is too large to be made up`);
  if (type === 'string') return { name, type, dims, data: Array.from({ length: count }, () => 'a') };
  const Values = TYPES[type].array;
  const data = new Values(count);
  // Small whole numbers are valid indices, token numbers, lengths and pixels alike.
  const one = Values === BigInt64Array || Values === BigUint64Array ? 1n : 1;
  for (let at = 0; at < count; at += 3) data[at] = one;
  return { name, type, dims, data };
}
