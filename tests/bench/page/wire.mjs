// Tensors as JSON, between the page and Node. In: { name: { type, dims, data } } with typed arrays or arrays of
// strings. Out: the same with the bytes as base64, and back.
const ARRAYS = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, int8: Int8Array, int16: Int16Array, int32: Int32Array,
  int64: BigInt64Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, bool: Uint8Array,
};

const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
// Node 20 has Buffer, and browsers have what follows it.
const toBase64 = (bytes) => (typeof Buffer === 'function' ? Buffer.from(bytes).toString('base64') : bytes.toBase64());
const fromBase64 = (text) => (typeof Buffer === 'function' ? Uint8Array.from(Buffer.from(text, 'base64')) : Uint8Array.fromBase64(text));

const mapValues = (object, change) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

export const encode = (tensors) => mapValues(tensors, ({ type, dims, data }) =>
  ({ type, dims: [...dims], data: type === 'string' ? [...data] : toBase64(bytesOf(data)) }));

export const decode = (tensors) => mapValues(tensors, ({ type, dims, data }) =>
  ({ type, dims, data: type === 'string' ? data : new ARRAYS[type](fromBase64(data).buffer) }));
