/**
 * NPY: NumPy's file format for one array, both ways.
 *
 * In: bytes of a .npy file, or a tensor. Out: `{ type, dims, data }`, or bytes. One decision: only little-endian
 * arrays of the types that a tensor has; anything else is an error that names what was found.
 */
const TYPES = {
  f4: ['float32', Float32Array], f8: ['float64', Float64Array], f2: ['float16', Uint16Array],
  i1: ['int8', Int8Array], i2: ['int16', Int16Array], i4: ['int32', Int32Array], i8: ['int64', BigInt64Array],
  u1: ['uint8', Uint8Array], u2: ['uint16', Uint16Array], u4: ['uint32', Uint32Array], u8: ['uint64', BigUint64Array],
  b1: ['bool', Uint8Array],
};
const MAGIC = '\u0093NUMPY';

export function readNpy(buffer) {
  const bytes = new Uint8Array(buffer);
  if (String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) throw new Error('This is not a .npy file.');
  const view = new DataView(buffer);
  const wide = bytes[6] >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const descr = /'descr':\s*'([<>|=]?)(\w+)'/.exec(header);
  const shape = /'shape':\s*\(([^)]*)\)/.exec(header);
  if (!descr || !shape || !TYPES[descr[2]] || descr[1] === '>') throw new Error(`This array type cannot be read: ${descr?.[0] ?? header.slice(0, 80)}`);
  const dims = shape[1].split(',').map((part) => part.trim()).filter(Boolean).map(Number);
  const [type, Type] = TYPES[descr[2]];
  const size = dims.reduce((product, dim) => product * dim, 1);
  const body = buffer.slice(start + length);
  if (body.byteLength < size * Type.BYTES_PER_ELEMENT) throw new Error('The .npy file is cut short.');
  const data = new Type(body, 0, size);
  return { type, dims, data: /'fortran_order':\s*True/.test(header) ? rowMajor(data, dims) : data };
}

function rowMajor(data, dims) {
  const out = new data.constructor(data.length);
  const at = dims.map(() => 0);
  const strides = dims.map((_, i) => dims.slice(0, i).reduce((product, dim) => product * dim, 1));
  for (let i = 0; i < out.length; i++) {
    out[i] = data[at.reduce((sum, index, axis) => sum + index * strides[axis], 0)];
    for (let axis = dims.length - 1; axis >= 0 && ++at[axis] === dims[axis]; axis--) at[axis] = 0;
  }
  return out;
}

export function writeNpy({ type, dims, data }) {
  const [code] = Object.entries(TYPES).find(([, [name]]) => name === type) ?? [];
  if (!code) throw new Error(`${type} has no form in a .npy file.`);
  const order = /1$/.test(code) ? '|' : '<';
  const tuple = dims.length === 1 ? `${dims[0]},` : dims.join(', ');
  let header = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${tuple}), }`;
  header += `${' '.repeat((64 - ((11 + header.length) % 64)) % 64)}\n`;
  const bytes = new Uint8Array(10 + header.length + data.byteLength);
  bytes.set(Uint8Array.from(`${MAGIC}\u0001\u0000`, (letter) => letter.charCodeAt(0)));
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return bytes;
}
