// The values of ONNX node tests. In: the bytes of a TensorProto, SequenceProto or OptionalProto file. Out: { type, dims,
// data }, an array of those or null, or an error that says what it is instead. The one decision: a reader of the few fields that such files have, not a protobuf library.

/** ONNX's codes of the element types that there are arrays for. */
const TYPES = {
  1: ['float32', Float32Array], 2: ['uint8', Uint8Array], 3: ['int8', Int8Array], 4: ['uint16', Uint16Array],
  5: ['int16', Int16Array], 6: ['int32', Int32Array], 7: ['int64', BigInt64Array], 8: ['string', Array],
  9: ['bool', Uint8Array], 10: ['float16', Uint16Array], 11: ['float64', Float64Array], 12: ['uint32', Uint32Array],
  13: ['uint64', BigUint64Array],
};

/**
 * Codes of the types that the engine takes and gives as wider ones: [bits, wider type, its array, value of a pattern].
 * Floats: mantissa bits, bias, and whether the largest patterns are infinite, one NaN ('nan'), or numbers ('no-zero': -0 is NaN).
 */
const NARROW = {
  16: [16, 'float32', Float32Array, float(16, 7, 127, 'infinite')],
  17: [8, 'float32', Float32Array, float(8, 3, 7, 'nan')],
  18: [8, 'float32', Float32Array, float(8, 3, 8, 'no-zero')],
  19: [8, 'float32', Float32Array, float(8, 2, 15, 'infinite')],
  20: [8, 'float32', Float32Array, float(8, 2, 16, 'no-zero')],
  21: [4, 'uint8', Uint8Array, (pattern) => pattern],
  22: [4, 'int8', Int8Array, (pattern) => (pattern << 28) >> 28],
  23: [4, 'float32', Float32Array, float(4, 1, 1, 'finite')],
  24: [8, 'float32', Float32Array, (pattern) => (pattern === 255 ? NaN : 2 ** (pattern - 127))],
  25: [2, 'uint8', Uint8Array, (pattern) => pattern],
  26: [2, 'int8', Int8Array, (pattern) => (pattern << 30) >> 30],
};

function float(bits, mantissa, bias, top) {
  return (pattern) => {
    const sign = pattern >> (bits - 1) ? -1 : 1;
    const last = 2 ** (bits - 1 - mantissa) - 1;
    const [exponent, rest] = [(pattern >> mantissa) & last, pattern & (2 ** mantissa - 1)];
    if (top === 'infinite' && exponent === last) return rest ? NaN : sign * Infinity;
    if (top === 'nan' && exponent === last && rest === 2 ** mantissa - 1) return NaN;
    if (top === 'no-zero' && pattern === 2 ** (bits - 1)) return NaN;
    const whole = exponent ? rest + 2 ** mantissa : rest;
    return sign * whole * 2 ** (Math.max(exponent, 1) - bias - mantissa);
  };
}

function widened(code, dims, bytes) {
  const [bits, type, Values, value] = NARROW[code];
  const count = dims.reduce((n, d) => n * d, 1);
  const patterns = Array.from({ length: count }, (_, at) => {
    if (bits === 16) return bytes[2 * at] | (bytes[2 * at + 1] << 8);
    return (bytes[(at * bits) >> 3] >> ((at * bits) % 8)) & (2 ** bits - 1);
  });
  return { type, dims, data: Values.from(patterns, value) };
}

const FIELD = { dims: 1, type: 2, float: 4, int32: 5, string: 6, int64: 7, raw: 9, double: 10, uint64: 11 };

/** Every field as [number, value]; a value is a BigInt, or a Buffer for what has a length or a fixed width. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let [value, shift, byte] = [0n, 0n, 0];
    do {
      byte = bytes[at];
      if (byte === undefined) throw new Error('the file is cut off');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
    } while (byte & 0x80);
    return value;
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wire = key & 7;
    if (wire === 0) {
      yield [key >> 3, varint()];
      continue;
    }
    const length = { 1: 8, 5: 4, 2: -1 }[wire];
    if (length === undefined) throw new Error(`wire type ${wire}`);
    const size = length < 0 ? Number(varint()) : length;
    yield [key >> 3, bytes.subarray(at, at + size)];
    at += size;
  }
}

/** Numbers of a packed or a single field. */
function* varints(value) {
  if (typeof value === 'bigint') {
    yield value;
    return;
  }
  let [number, shift] = [0n, 0n];
  for (const byte of value) {
    number |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte & 0x80) continue;
    yield number;
    [number, shift] = [0n, 0n];
  }
}

export function readTensorProto(bytes) {
  const found = new Map(Object.values(FIELD).map((number) => [number, []]));
  for (const [number, value] of fields(Buffer.from(bytes))) found.get(number)?.push(value);
  const numbers = (name) => found.get(FIELD[name]).flatMap((value) => [...varints(value)]);
  const code = Number(numbers('type')[0] ?? 0n);
  if (NARROW[code]) {
    const size = NARROW[code][0] === 16 ? 2 : 1;
    const listed = numbers('int32').flatMap((value) => Array.from({ length: size }, (_, at) => Number((value >> BigInt(8 * at)) & 255n)));
    const raw = Buffer.concat(found.get(FIELD.raw));
    return widened(code, numbers('dims').map(Number), raw.length > 0 ? raw : listed);
  }
  if (!TYPES[code]) throw new Error(`the element type ${code}`);
  const [type, Values] = TYPES[code];
  const dims = numbers('dims').map(Number);
  if (type === 'string') return { type, dims, data: found.get(FIELD.string).map((value) => value.toString('utf8')) };
  const raw = Buffer.concat([...found.get(FIELD.raw), ...found.get(FIELD.float), ...found.get(FIELD.double)]);
  if (raw.length > 0) return { type, dims, data: new Values(Uint8Array.from(raw).buffer) };
  const integers = [...numbers('int32'), ...numbers('int64'), ...numbers('uint64')];
  const big = Values === BigInt64Array || Values === BigUint64Array;
  return { type, dims, data: Values.from(integers, (value) => (big ? value : Number(BigInt.asIntN(64, value)))) };
}

/** A value of the kind that a session's metadata names; nothing for a tensor. */
export function readValueProto(bytes, kind) {
  const parts = [...fields(Buffer.from(bytes))];
  const sequence = (all) => all.filter(([number]) => number === 3).map(([, value]) => readTensorProto(value));
  if (kind === 'sequence') return sequence(parts);
  if (kind !== 'optional') return readTensorProto(bytes);
  const [number, value] = parts.find(([at]) => at === 3 || at === 5) ?? [];
  if (number === undefined) return null;
  return number === 3 ? readTensorProto(value) : sequence([...fields(value)]);
}

/** What the inputs and outputs of a model are: 'tensor', 'sequence' or 'optional'. */
export function kindsOf(model) {
  const inside = (bytes, field) => [...fields(bytes)].filter(([number]) => number === field).map(([, value]) => value);
  const [graph] = inside(model, 7);
  const kind = (value) => {
    const [type] = inside(value, 2);
    const [[number] = []] = type ? [...fields(type)] : [];
    return { 4: 'sequence', 9: 'optional' }[number] ?? 'tensor';
  };
  return { inputs: inside(graph, 11).map(kind), outputs: inside(graph, 12).map(kind) };
}
