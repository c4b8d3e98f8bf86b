// The server's side of the Open Inference Protocol v2 for tests, written apart from pkg/protocol.js so that a
// mistake there is not made twice. In: a request's body. Out: tensors; and the way back.
// The one decision: Node's Buffer does the bytes, element by element.

const TYPES = {
  FP32: ['float32', 4, 'readFloatLE', 'writeFloatLE', Float32Array],
  FP64: ['float64', 8, 'readDoubleLE', 'writeDoubleLE', Float64Array],
  FP16: ['float16', 2, 'readUInt16LE', 'writeUInt16LE', Uint16Array],
  INT8: ['int8', 1, 'readInt8', 'writeInt8', Int8Array],
  INT16: ['int16', 2, 'readInt16LE', 'writeInt16LE', Int16Array],
  INT32: ['int32', 4, 'readInt32LE', 'writeInt32LE', Int32Array],
  INT64: ['int64', 8, 'readBigInt64LE', 'writeBigInt64LE', BigInt64Array],
  UINT8: ['uint8', 1, 'readUInt8', 'writeUInt8', Uint8Array],
  UINT16: ['uint16', 2, 'readUInt16LE', 'writeUInt16LE', Uint16Array],
  UINT32: ['uint32', 4, 'readUInt32LE', 'writeUInt32LE', Uint32Array],
  UINT64: ['uint64', 8, 'readBigUInt64LE', 'writeBigUInt64LE', BigUint64Array],
  BOOL: ['bool', 1, 'readUInt8', 'writeUInt8', Uint8Array],
};
export const OIP_TYPE = { ...Object.fromEntries(Object.entries(TYPES).map(([oip, [type]]) => [type, oip])), string: 'BYTES' };

function readBytes(bytes) {
  const strings = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes.readUInt32LE(at);
    strings.push(bytes.toString('utf8', at + 4, at + 4 + size));
    at += 4 + size;
  }
  return strings;
}

function readData(datatype, bytes) {
  if (datatype === 'BYTES') return readBytes(bytes);
  const [, size, read, , Data] = TYPES[datatype];
  return Data.from({ length: bytes.length / size }, (_, i) => bytes[read](i * size));
}

function writeData(datatype, data) {
  if (datatype === 'BYTES') {
    return Buffer.concat([...data].flatMap((text) => {
      const body = Buffer.from(text);
      const head = Buffer.alloc(4);
      head.writeUInt32LE(body.length);
      return [head, body];
    }));
  }
  const [, size, , write] = TYPES[datatype];
  const bytes = Buffer.alloc(data.length * size);
  data.forEach((value, i) => bytes[write](value, i * size));
  return bytes;
}

/** @returns {{ inputs: { name, type, dims, data }[], outputs: { name, binary }[] }} */
export function readRequest({ headers, body }) {
  const length = headers['inference-header-content-length'];
  const head = JSON.parse(body.subarray(0, length === undefined ? body.length : Number(length)).toString());
  let at = Number(length);
  const inputs = head.inputs.map(({ name, shape, datatype, data, parameters }) => {
    const type = datatype === 'BYTES' ? 'string' : TYPES[datatype][0];
    if (data !== undefined) return { name, type, dims: shape, data };
    const bytes = body.subarray(at, at + parameters.binary_data_size);
    at += parameters.binary_data_size;
    return { name, type, dims: shape, data: readData(datatype, bytes) };
  });
  if (length !== undefined && at !== body.length) throw new Error(`${body.length - at} bytes too many`);
  return { inputs, outputs: head.outputs.map(({ name, parameters }) => ({ name, binary: parameters?.binary_data ?? false })) };
}

/** Sends outputs, binary where asked for. */
export function sendResponse(response, outputs, { lengthHeader = true, nest = (data) => data } = {}) {
  const parts = [];
  const described = outputs.map(({ name, type, dims, data, binary }) => {
    const datatype = OIP_TYPE[type];
    const head = { name, datatype, shape: dims };
    if (!binary) return JSON.stringify({ ...head, data: null }).replace('"data":null', `"data":${JSON.stringify(nest([...data]), (key, value) => (typeof value === 'bigint' ? `#${value}#` : value)).replace(/"#(-?\d+)#"/g, '$1')}`);
    const bytes = writeData(datatype, data);
    parts.push(bytes);
    return JSON.stringify({ ...head, parameters: { binary_data_size: bytes.length } });
  });
  const head = Buffer.from(`{"model_name":"m","model_version":"1","outputs":[${described.join(',')}]}`);
  const binary = parts.length > 0;
  response.writeHead(200, {
    'Content-Type': binary ? 'application/octet-stream' : 'application/json',
    ...(binary && lengthHeader ? { 'Inference-Header-Content-Length': head.length } : {}),
  });
  response.end(Buffer.concat([head, ...parts]));
}

export const sendError = (response, status, error) =>
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error }));
