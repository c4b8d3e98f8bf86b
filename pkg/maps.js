/**
 * Maps: what a model has as a map, and the engine as a table with a column for each key.
 *
 * In: an object, a `Map` or an array of them for an input; a table for an output. Out: the table; the objects, as
 * onnxruntime's Python API gives them. One decision: a key that the model does not know says nothing, and one that a
 * map lacks is 0, as `DictVectorizer` has it.
 * @module
 */
import { NearsideError } from './errors.js';
import { Tensor } from './tensor.js';

const fail = (code, message, details) => { throw new NearsideError(code, message, details); };

/**
 * The rows of a table from maps.
 * @param {object | Map<unknown, number> | (object | Map<unknown, number>)[]} maps
 * @param {{ name: string, type: string, labels: string[] }} info of the input
 */
export function tableOf(maps, { name, type, labels }) {
  const rows = Array.isArray(maps) ? maps : [maps];
  const values = rows.flatMap((row) => {
    if (typeof row !== 'object' || row === null) fail('INVALID_INPUT', `input '${name}' is a map: an object or a Map from words to numbers, or an array of them`, { name });
    const entries = new Map([...(row instanceof Map ? row : Object.entries(row))].map(([key, value]) => [String(key), value]));
    return labels.map((label) => {
      const value = entries.get(label) ?? 0;
      if (typeof value !== 'number') fail('TYPE_MISMATCH', `input '${name}' has no number under '${label}'`, { name });
      return value;
    });
  });
  return new Tensor(type, values, [rows.length, labels.length]);
}

/**
 * The rows of a table as objects from label to number: the sequence of maps that `ZipMap` gives.
 * @param {Tensor} table `[rows, labels]`
 * @param {{ labels?: readonly string[] } | readonly string[]} labels an entry of `outputMetadata`, or its labels
 * @returns {Record<string, number>[]}
 */
export function mapsOf(table, labels) {
  const names = Array.isArray(labels) ? labels : /** @type {{ labels?: readonly string[] }} */ (labels)?.labels;
  if (!names) fail('INVALID_INPUT', "mapsOf needs labels: those of the output's metadata, which only a table in a map's place has");
  const { data, dims } = table;
  const width = dims.at(-1);
  if (dims.length !== 2 || width !== names.length) fail('SHAPE_MISMATCH', `a table of dims [${dims.join(', ')}] has not ${names.length} columns`);
  return Array.from({ length: dims[0] }, (_, row) => Object.fromEntries(names.map((label, at) => [label, Number(data[row * width + at])])));
}
