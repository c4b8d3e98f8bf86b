// NumPy files for the tests. In: the bytes or the path of a .npz or .npy file. Out: { name: { type, dims, data } } with
// the engine's type words and the array that JavaScript holds for each: float16 as bits in a Uint16Array, 64-bit
// integers as BigInt, bool as Uint8Array, strings as an array.
// The one decision: zip is a library's business (fflate); the .npy header is ours, it is one line of text.
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';

/** NumPy's type code without the byte order -> our word, bytes per element, array. */
const TYPES = {
  f4: ['float32', 4, Float32Array],
  f8: ['float64', 8, Float64Array],
  f2: ['float16', 2, Uint16Array],
  i1: ['int8', 1, Int8Array],
  i2: ['int16', 2, Int16Array],
  i4: ['int32', 4, Int32Array],
  i8: ['int64', 8, BigInt64Array],
  u1: ['uint8', 1, Uint8Array],
  u2: ['uint16', 2, Uint16Array],
  u4: ['uint32', 4, Uint32Array],
  u8: ['uint64', 8, BigUint64Array],
  b1: ['bool', 1, Uint8Array],
};

function parseHeader(bytes) {
  const magic = String.fromCharCode(...bytes.subarray(1, 6));
  if (bytes[0] !== 0x93 || magic !== 'NUMPY') throw new Error('not a .npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6] >= 2;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = long ? 12 : 10;
  const text = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const [, descr] = text.match(/'descr':\s*'([^']+)'/) ?? [];
  const [, order] = text.match(/'fortran_order':\s*(True|False)/) ?? [];
  const [, shape] = text.match(/'shape':\s*\(([^)]*)\)/) ?? [];
  if (descr === undefined || shape === undefined) throw new Error(`unsupported .npy header: ${text.trim()}`);
  if (descr[0] === '>') throw new Error(`big-endian .npy is not supported: ${descr}`);
  return { descr, fortran: order === 'True', dims: shape.split(',').filter((part) => part.trim()).map(Number), body: start + length };
}

/** NumPy pads fixed-width strings (UTF-32 or bytes) with zeros. */
function strings(body, width, count, unicode) {
  const step = unicode ? width * 4 : width;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return Array.from({ length: count }, (_, index) => {
    const codes = Array.from({ length: width }, (_, at) => (unicode ? view.getUint32(index * step + at * 4, true) : body[index * step + at]));
    const end = codes.findLastIndex((code) => code !== 0) + 1;
    return unicode ? String.fromCodePoint(...codes.slice(0, end)) : new TextDecoder().decode(Uint8Array.from(codes.slice(0, end)));
  });
}

/** Column-major elements in row-major order. */
function rowMajor(data, dims) {
  const result = data.slice();
  const strides = dims.map((_, axis) => dims.slice(0, axis).reduce((product, size) => product * size, 1));
  for (let index = 0; index < data.length; index += 1) {
    let rest = index;
    let from = 0;
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      from += (rest % dims[axis]) * strides[axis];
      rest = Math.floor(rest / dims[axis]);
    }
    result[index] = data[from];
  }
  return result;
}

export function parseNpy(bytes) {
  const { descr, fortran, dims, body } = parseHeader(bytes);
  const count = dims.reduce((product, size) => product * size, 1);
  const raw = bytes.slice(body);
  const kind = descr.slice(1);
  if (kind[0] === 'U' || kind[0] === 'S') {
    return { type: 'string', dims, data: strings(raw, Number(kind.slice(1)), count, kind[0] === 'U') };
  }
  const [type, size, TypedArray] = TYPES[kind] ?? [];
  if (!type) throw new Error(`unsupported .npy type ${descr}`);
  if (raw.byteLength < count * size) throw new Error(`.npy ends early: ${raw.byteLength} of ${count * size} bytes`);
  const data = new TypedArray(raw.buffer, raw.byteOffset, count);
  return { type, dims, data: fortran && dims.length > 1 ? rowMajor(data, dims) : data };
}

export function parseNpz(bytes) {
  const entries = Object.entries(unzipSync(bytes));
  return Object.fromEntries(entries.map(([name, content]) => [name.replace(/\.npy$/, ''), parseNpy(content)]));
}

export const readNpy = (path) => parseNpy(new Uint8Array(readFileSync(path)));
export const readNpz = (path) => parseNpz(new Uint8Array(readFileSync(path)));
