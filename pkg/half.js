/**
 * Half precision: numbers to IEEE 754 binary16 bit patterns and back.
 *
 * In: a number, or a Uint16 bit pattern. Out: the other one.
 * One decision: rounding is to nearest even, as `Float16Array` and ONNX Runtime do, so that a host without
 * `Float16Array` builds the same tensors.
 * @module
 */

const scratch = new DataView(new ArrayBuffer(8));

/** @param {number} value @returns {number} bit pattern */
export function toHalf(value) {
  scratch.setFloat64(0, value);
  const sign = (scratch.getUint8(0) & 0x80) << 8;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | roundEven(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  // log2 may be off by one next to a power of two; a mantissa outside [1, 2) tells.
  const power = size / 2 ** exponent >= 2 ? exponent + 1 : size / 2 ** exponent < 1 ? exponent - 1 : exponent;
  return sign | (((power + 15) << 10) + roundEven((size / 2 ** power - 1) * 1024));
}

/** @param {number} bits @returns {number} */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function roundEven(x) {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
