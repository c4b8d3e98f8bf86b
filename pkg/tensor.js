/**
 * Tensor: the only value that crosses a boundary of the package.
 *
 * In: what `onnxruntime-common` takes: (type, data, dims) or (data, dims), typed arrays, numbers, booleans,
 * bigints, strings; or a buffer of a GPU. Out: an object with `type`, `data`, `dims`, `size`, whose data lives on the CPU
 * or on the GPU.
 * One decision: typed arrays are held, not copied; what crosses into the engine is copied there, once.
 * @module
 */
import { NearsideError } from './errors.js';
import { Picture, readPicture } from './gpu/picture.js';
import { toHalf } from './half.js';
import { TYPES, sizeOf } from './types.js';

const fail = (code, message) => { throw new NearsideError(code, message); };
const nameOf = (value) => value === null ? 'null' : value?.constructor?.name ?? typeof value;

/** For the package alone: what holds a tensor's data on the GPU. */
export const GPU = Symbol('nearside.gpu');

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

/** @returns a frozen copy of dims that fit `length`, where that is known */
function dimsFor(dims, length) {
  if (dims === undefined && length !== undefined) return Object.freeze([length]);
  if (!Array.isArray(dims)) fail('SHAPE_MISMATCH', "A tensor's dims must be an array of numbers.");
  dims.forEach((dim, i) => {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      fail('SHAPE_MISMATCH', `dims[${i}] must be a non-negative integer, got: ${String(dim)}`);
    }
  });
  const size = sizeOf(dims);
  if (length !== undefined && size !== length) fail('SHAPE_MISMATCH', `Tensor's size(${size}) does not match data length(${length}).`);
  return Object.freeze([...dims]);
}

/** Of these types a GPU buffer is shared, of float16 by devices with `shader-f16`: elsewhere the engine's elements take other room than the type's. */
const SHARED = ['float16', 'float32', 'int32', 'uint32'];

/** What stands behind a tensor of a caller's GPU buffer; the counterpart of gpu/resident.js. */
function behind({ type, gpuBuffer, download, dispose }) {
  if (!SHARED.includes(type)) fail('UNSUPPORTED_TYPE', `A GPU buffer can hold ${SHARED.join(', ')}, not ${String(type)}.`);
  if (typeof gpuBuffer?.mapAsync !== 'function') fail('TYPE_MISMATCH', `'gpuBuffer' must be a GPUBuffer, got ${nameOf(gpuBuffer)}.`);
  const data = () => download?.() ?? fail('INVALID_INPUT', "The tensor's GPU buffer cannot be read here: let the engine share its device (`env.webgpu.device`), or make the tensor with 'download'.");
  return { buffer: gpuBuffer, data: async () => data(), dispose: () => dispose?.() };
}

/** A tensor of the API of `onnxruntime-common`. */
export class Tensor {
  #data;
  /** @type {'none' | 'cpu' | 'gpu-buffer' | 'texture'} */
  #location = 'cpu';
  /** What holds the data on the GPU: `{ data(), buffer, dispose(), idFor?(engine) }`. */
  #gpu;

  constructor(arg0, arg1, arg2) {
    let type, data, dims;
    if (typeof arg0 === 'string') {
      [type, data, dims] = [arg0, arg1, arg2];
    } else if (arg0 && typeof arg0 === 'object' && 'location' in arg0) {
      ({ type, data, dims } = arg0);
      if (arg0.location === 'gpu-buffer' || arg0[GPU]) {
        this.#gpu = arg0[GPU] ?? behind(arg0);
        this.#location = arg0.location;
      } else if (arg0.location !== 'cpu-pinned') {
        fail('UNSUPPORTED_TYPE', `Location '${String(arg0.location)}' is not supported: tensors live on the CPU or in a GPU buffer.`);
      }
    } else {
      [data, dims] = [arg0, arg1];
      type = typeFor(data);
    }
    if (!this.#gpu) this.#data = dataFor(type, data);
    /** @readonly */ this.dims = dimsFor(dims, this.#gpu ? undefined : this.#data.length);
    /** @readonly */ this.type = type;
    /** @readonly */ this.size = sizeOf(this.dims);
  }

  static fromPinnedBuffer(type, buffer, dims) {
    return new Tensor(type, buffer, dims);
  }

  /** A tensor in a buffer of the device that the engine uses too: `env.webgpu.device`. */
  static fromGpuBuffer(gpuBuffer, { dataType: type = 'float32', dims, download, dispose }) {
    return new Tensor({ location: 'gpu-buffer', type, dims, gpuBuffer, download, dispose });
  }

  /** An image, resized and normalised where the model runs: on the GPU, if that is where. */
  static async fromImage(source, options) {
    return Tensor.#picture(source, options);
  }

  static fromImageBitmap(bitmap, options) {
    return Tensor.#picture(bitmap, options);
  }

  static fromVideoFrame(frame, options) {
    return Tensor.#picture(frame, options);
  }

  static fromCanvas(canvas, options) {
    return Tensor.#picture(canvas, options);
  }

  static #picture(source, options) {
    const form = readPicture(source, options);
    return new Tensor({ location: 'texture', type: 'float32', dims: form.dims, [GPU]: new Picture(source, form) });
  }

  get data() {
    this.#alive();
    if (this.#location !== 'cpu') fail('INVALID_INPUT', 'The data is not on the CPU. Use `getData()` to fetch it, or `gpuBuffer` to use it on the GPU.');
    return this.#data;
  }

  get location() {
    return this.#location;
  }

  /** The buffer that holds the data on the GPU. */
  get gpuBuffer() {
    this.#alive();
    return this.#gpu?.buffer ?? fail('INVALID_INPUT', 'The data is not stored in a GPU buffer.');
  }

  /** Fetches the data where it is on the GPU; the tensor is on the CPU then. */
  async getData(releaseData = false) {
    this.#alive();
    if (this.#location === 'cpu') return this.#data;
    const data = dataFor(this.type, await this.#gpu.data());
    if (data.length !== this.size) fail('SHAPE_MISMATCH', `What was fetched has ${data.length} elements, the tensor ${this.size}.`);
    this.#data = data;
    this.#location = 'cpu';
    if (releaseData) this.#release();
    return data;
  }

  dispose() {
    this.#release();
    this.#data = undefined;
    this.#location = 'none';
  }

  reshape(dims) {
    if (this.#gpu) fail('INVALID_INPUT', 'A tensor that holds memory of a GPU cannot be reshaped.');
    return new Tensor(this.type, this.data, dims);
  }

  /** How a run gets at the data where it is on the GPU. */
  get [GPU]() {
    return this.#location === 'cpu' ? undefined : this.#gpu;
  }

  #release() {
    this.#gpu?.dispose();
    this.#gpu = undefined;
  }

  #alive() {
    if (this.#location === 'none') fail('INVALID_INPUT', 'The tensor is disposed.');
  }
}

/**
 * A tensor as the engine and the protocol take it: half precision as bit patterns, dims as a plain array; of one on
 * the GPU what holds it, for whoever runs it (`fetched`, device.js).
 */
export function toWireTensor(name, tensor) {
  const { type, dims } = tensor;
  if (tensor[GPU]) return { name, type, dims: [...dims], gpu: tensor[GPU] };
  const { data } = tensor;
  const wire = type === 'float16' && !isArrayOf(Uint16Array, data)
    ? new Uint16Array(data.buffer, data.byteOffset, data.length)
    : data;
  return { name, type, dims: [...dims], data: wire };
}

/**
 * A feed for a place that is not where its data lies: fetched from the GPU.
 * @param {any} feed
 * @returns {Promise<any>}
 */
export const fetched = async ({ gpu, ...feed }) =>
  (gpu ? toWireTensor(feed.name, new Tensor(feed.type, await gpu.data(), feed.dims)) : feed);
