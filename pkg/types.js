/**
 * Element types: THE table of what a tensor can hold.
 *
 * One row a type: the word of ONNX Runtime's API, the array that holds it, the word and the width of the
 * Open Inference Protocol. A new type is one row.
 * @module
 */

/** @typedef {{ array: any, oip: string, bytes: number }} TypeRow `bytes` 0: elements of varying size */

/** @type {Readonly<Record<string, TypeRow>>} */
export const TYPES = Object.freeze({
  float32: { array: Float32Array, oip: 'FP32', bytes: 4 },
  float16: { array: Uint16Array, oip: 'FP16', bytes: 2 },
  float64: { array: Float64Array, oip: 'FP64', bytes: 8 },
  int8: { array: Int8Array, oip: 'INT8', bytes: 1 },
  int16: { array: Int16Array, oip: 'INT16', bytes: 2 },
  int32: { array: Int32Array, oip: 'INT32', bytes: 4 },
  int64: { array: BigInt64Array, oip: 'INT64', bytes: 8 },
  uint8: { array: Uint8Array, oip: 'UINT8', bytes: 1 },
  uint16: { array: Uint16Array, oip: 'UINT16', bytes: 2 },
  uint32: { array: Uint32Array, oip: 'UINT32', bytes: 4 },
  uint64: { array: BigUint64Array, oip: 'UINT64', bytes: 8 },
  bool: { array: Uint8Array, oip: 'BOOL', bytes: 1 },
  string: { array: Array, oip: 'BYTES', bytes: 0 },
});

const BY_OIP = new Map(Object.entries(TYPES).map(([type, row]) => [row.oip, type]));

/** ONNX Runtime's word for a protocol word, or undefined. */
export const typeOfOip = (word) => BY_OIP.get(word);

/** The number of elements; of dims that were checked. */
export const sizeOf = (dims) => dims.reduce((product, dim) => product * dim, 1);
