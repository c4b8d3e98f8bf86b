// Tensors as JSON with base64 data, for carrying them into a page and back. In and out: { name: { type, dims, data } };
// a sequence is a list of those, an empty optional is null.
const ARRAYS = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, bool: Uint8Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};
const CHUNK = 0x8000;

function encode({ buffer, byteOffset, byteLength }) {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let text = '';
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

const decode = (type, text) => new ARRAYS[type](Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
const every = (value, convert) => (Array.isArray(value) ? value.map(convert) : value && convert(value));
const each = (values, convert) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, every(value, convert)]));

export const toWire = (tensors) => each(tensors, ({ type, dims, data }) =>
  ({ type, dims: [...dims], data: type === 'string' ? [...data] : encode(data) }));

export const fromWire = (tensors) => each(tensors, ({ type, dims, data }) =>
  ({ type, dims, data: type === 'string' ? data : decode(type, data) }));
