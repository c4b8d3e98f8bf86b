/**
 * Inputs: tensors for any model. In: type, dims and how to fill them: a pattern, JSON, a .npy file, an image.
 * Out: Tensor. One decision: numbers are made by a seeded generator, so that two places get the same random input.
 */
import { Tensor } from './engine.js';
import { readNpy } from './npy.js';

const ARRAYS = {
  float32: Float32Array, float64: Float64Array, int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, bool: Uint8Array,
};
const MOST = 2 ** 27;

/** The ways to fill an input of this type. */
export function waysFor(type) {
  if (type === 'string') return { json: 'JSON' };
  const image = ['float32', 'float16', 'uint8'].includes(type) ? { image: 'an image' } : {};
  return { random: type.startsWith('float') ? 'random, -1 to 1' : 'random', zeros: 'zeros', ones: 'ones', count: '0, 1, 2, …', ...image, json: 'JSON', npy: 'a .npy file' };
}

/** How an image's values are scaled: names for the form, and the function for a channel's value 0..255. */
export const SCALES = {
  unit: ['0 to 1', (v) => v / 255],
  byte: ['0 to 255', (v) => v],
  signed: ['-1 to 1', (v) => v / 127.5 - 1],
  imagenet: ['ImageNet mean and spread', (v, c) => (v / 255 - [0.485, 0.456, 0.406][c % 3]) / [0.229, 0.224, 0.225][c % 3]],
};

/** "1, 3, 224" as dims; an empty text is a scalar. */
export function readDims(text) {
  const dims = text.split(/[\s,x×[\]]+/).filter(Boolean).map(Number);
  if (dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) throw new Error('Each dimension must be a whole number.');
  if (dims.reduce((product, dim) => product * dim, 1) > MOST) throw new Error('That is more than 134 million values.');
  return dims;
}

export function filled(type, dims, way, seed = 1) {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const next = random(seed);
  const value = {
    zeros: () => 0, ones: () => 1, count: (i) => i,
    random: () => type.startsWith('float') ? next() * 2 - 1 : Math.floor(next() * (type === 'bool' ? 2 : 100)),
  }[way];
  return tensor(type, Array.from({ length: size }, (_, i) => value(i)), dims);
}

export function fromJson(type, dims, text) {
  const parsed = JSON.parse(text);
  const nested = [];
  for (let level = parsed; Array.isArray(level); level = level[0]) nested.push(level.length);
  const flat = [parsed].flat(Infinity);
  // A nested list says its own dims; a flat one takes those of the form.
  return tensor(type, flat, nested.length > 1 ? nested : dims);
}

export function fromNpy(type, buffer) {
  const { type: found, dims, data } = readNpy(buffer);
  return found === type ? new Tensor(type, data, dims) : tensor(type, Array.from(data), dims);
}

/** `file` scaled to the height and width that the dims name (NCHW or NHWC, by where 1, 3 or 4 stands). */
export async function fromImage(type, dims, file, scale) {
  const layout = layoutOf(dims);
  const { height, width, channels } = layout;
  const bitmap = await createImageBitmap(file);
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Array(height * width * channels);
  for (let p = 0; p < height * width; p++) {
    for (let c = 0; c < channels; c++) {
      const level = channels === 1 ? 0.299 * data[p * 4] + 0.587 * data[p * 4 + 1] + 0.114 * data[p * 4 + 2] : data[p * 4 + c];
      values[layout.first ? c * height * width + p : p * channels + c] = type === 'uint8' ? Math.round(level) : SCALES[scale][1](level, c);
    }
  }
  return tensor(type, values, dims);
}

function layoutOf(dims) {
  const few = (n) => n === 1 || n === 3 || n === 4;
  const inner = dims.length === 4 && dims[0] === 1 ? dims.slice(1) : dims;
  if (inner.length === 2) return { first: true, channels: 1, height: inner[0], width: inner[1] };
  if (inner.length === 3 && few(inner[0])) return { first: true, channels: inner[0], height: inner[1], width: inner[2] };
  if (inner.length === 3 && few(inner[2])) return { first: false, channels: inner[2], height: inner[0], width: inner[1] };
  throw new Error(`An image does not fit dims [${dims.join(', ')}]: they must be height and width with 1, 3 or 4 channels.`);
}

function tensor(type, values, dims) {
  if (type === 'string') return new Tensor('string', values.map(String), dims);
  if (type === 'float16') return new Tensor('float16', values, dims);
  const Type = ARRAYS[type];
  if (!Type) throw new Error(`Inputs of type ${type} cannot be made here.`);
  return new Tensor(type, type.endsWith('64') && type !== 'float64' ? Type.from(values, (v) => BigInt(Math.trunc(Number(v)))) : Type.from(values, Number), dims);
}

function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
