/**
 * Tensor: the only value that crosses a boundary of the package.
 *
 * In: what `onnxruntime-common` takes: (type, data, dims) or (data, dims), typed arrays, numbers, booleans,
 * bigints, strings. Out: an object with `type`, `data`, `dims`, `size`, whose data lives on the CPU.
 * One decision: typed arrays are held, not copied; what crosses into the engine is copied there, once.
 * @module
 */
import { NearsideError } from './errors.js';
import { toHalf } from './half.js';
import { TYPES, sizeOf } from './types.js';

const fail = (code, message) => { throw new NearsideError(code, message); };
const nameOf = (value) => value === null ? 'null' : value?.constructor?.name ?? typeof value;

/** Looked up at each use: a polyfill may come after this module. */
const float16Array = () => globalThis.Float16Array;

/** Which type an array means when none is named. */
const TYPE_OF_ARRAY = new Map(
  Object.entries(TYPES)
    .filter(([type]) => !['float16', 'bool', 'string'].includes(type))
    .map(([type, row]) => [row.array, type]),
);

/** `instanceof` is wrong for arrays of another realm (an iframe, a vm context); the tag is not. */
const isArrayOf = (array, data) =>
  data instanceof array || (ArrayBuffer.isView(data) && data[Symbol.toStringTag] === array.name);

/** @returns the array that a tensor of `type` holds for `data` */
function dataFor(type, data) {
  const row = TYPES[type];
  if (!row) fail('UNSUPPORTED_TYPE', `Unsupported tensor type: ${String(type)}.`);
  if (type === 'string') {
    if (!Array.isArray(data)) fail('TYPE_MISMATCH', "A string tensor's data must be an array of strings.");
    const odd = data.findIndex((item) => typeof item !== 'string');
    if (odd >= 0) fail('TYPE_MISMATCH', `A string tensor's data must be strings; element ${odd} is ${nameOf(data[odd])}.`);
    return data;
  }
  const Half = float16Array();
  if (type === 'float16') {
    if (Array.isArray(data)) return Half ? Half.from(data) : Uint16Array.from(data, toHalf);
    if (Half && isArrayOf(Half, data)) return data;
    if (isArrayOf(Uint16Array, data)) return Half ? new Half(data.buffer, data.byteOffset, data.length) : data;
  } else if (Array.isArray(data)) {
    if (row.array === BigInt64Array || row.array === BigUint64Array) return row.array.from(data, toBigInt);
    if (typeof data[0] === 'bigint') fail('TYPE_MISMATCH', `A ${type} tensor's data cannot be bigints.`);
    return row.array.from(data);
  } else if (isArrayOf(row.array, data)) {
    return data;
  } else if (type === 'uint8' && isArrayOf(Uint8ClampedArray, data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.length);
  }
  return fail('TYPE_MISMATCH', `A ${type} tensor's data must be a ${row.array.name}, got ${nameOf(data)}.`);
}

function toBigInt(value) {
  try {
    return BigInt(value);
  } catch {
    return fail('TYPE_MISMATCH', `${String(value)} is not a 64-bit integer.`);
  }
}

/** The type that (data, dims) means. */
function typeFor(data) {
  if (Array.isArray(data)) {
    if (data.length === 0) fail('TYPE_MISMATCH', 'Tensor type cannot be inferred from an empty array.');
    const word = { string: 'string', boolean: 'bool', number: 'float32', bigint: 'int64' }[typeof data[0]];
    return word ?? fail('TYPE_MISMATCH', `Tensor type cannot be inferred from an array of ${nameOf(data[0])}.`);
  }
  if (isArrayOf(Uint8ClampedArray, data)) return 'uint8';
  if (float16Array() && isArrayOf(float16Array(), data)) return 'float16';
  for (const [array, type] of TYPE_OF_ARRAY) if (isArrayOf(array, data)) return type;
  return fail('TYPE_MISMATCH', `Unsupported tensor data: ${nameOf(data)}.`);
}

/** @returns a frozen copy of dims that fit `length` */
function dimsFor(dims, length) {
  if (dims === undefined) return Object.freeze([length]);
  if (!Array.isArray(dims)) fail('SHAPE_MISMATCH', "A tensor's dims must be an array of numbers.");
  dims.forEach((dim, i) => {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      fail('SHAPE_MISMATCH', `dims[${i}] must be a non-negative integer, got: ${String(dim)}`);
    }
  });
  const size = sizeOf(dims);
  if (size !== length) fail('SHAPE_MISMATCH', `Tensor's size(${size}) does not match data length(${length}).`);
  return Object.freeze([...dims]);
}

/** A tensor on the CPU, of the API of `onnxruntime-common`. */
export class Tensor {
  #data;
  #location = 'cpu';

  constructor(arg0, arg1, arg2) {
    let type, data, dims;
    if (typeof arg0 === 'string') {
      [type, data, dims] = [arg0, arg1, arg2];
    } else if (arg0 && typeof arg0 === 'object' && 'location' in arg0) {
      if (arg0.location !== 'cpu-pinned') {
        fail('UNSUPPORTED_TYPE', `Tensors live on the CPU; location '${String(arg0.location)}' is not supported.`);
      }
      ({ type, data, dims } = arg0);
    } else {
      [data, dims] = [arg0, arg1];
      type = typeFor(data);
    }
    this.#data = dataFor(type, data);
    /** @readonly */ this.dims = dimsFor(dims, this.#data.length);
    /** @readonly */ this.type = type;
    /** @readonly */ this.size = this.#data.length;
  }

  static fromPinnedBuffer(type, buffer, dims) {
    return new Tensor(type, buffer, dims);
  }

  get data() {
    if (this.#location === 'none') fail('INVALID_INPUT', 'The tensor is disposed.');
    return this.#data;
  }

  get location() {
    return this.#location;
  }

  async getData() {
    return this.data;
  }

  dispose() {
    this.#data = undefined;
    this.#location = 'none';
  }

  reshape(dims) {
    return new Tensor(this.type, this.data, dims);
  }
}

/** A tensor as the engine and the protocol take it: half precision as bit patterns, dims as a plain array. */
export function toWireTensor(name, tensor) {
  const { type, dims, data } = tensor;
  const wire = type === 'float16' && !isArrayOf(Uint16Array, data)
    ? new Uint16Array(data.buffer, data.byteOffset, data.length)
    : data;
  return { name, type, dims: [...dims], data: wire };
}
