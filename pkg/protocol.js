/**
 * Protocol: tensors to and from the bodies of the Open Inference Protocol v2, REST.
 *
 * In: tensors as the engine takes them, or an answer of a server. Out: a body with its headers, or tensors.
 * With the binary-tensor extension the body is a JSON header followed by the raw tensors in their order.
 * One decision: what is read is liberal (JSON or binary or both mixed, nested or flat arrays, a missing length
 * header), what is written is strict.
 * @module
 */
import { NearsideError } from './errors.js';
import { fromHalf, toHalf } from './half.js';
import { TYPES, sizeOf, typeOfOip } from './types.js';

/** The header that tells how many bytes of a body are JSON. */
export const LENGTH_HEADER = 'Inference-Header-Content-Length';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const malformed = (message) => { throw new NearsideError('MALFORMED_REQUEST', message); };

/**
 * A request for inference.
 * @param {{ name: string, type: string, dims: number[], data: any }[]} tensors
 * @param {string[]} outputs names of the wanted outputs
 * @param {boolean} binary whether the server speaks the binary extension
 * @returns {{ body: Uint8Array, headers: Record<string, string> }}
 */
export function encodeRequest(tensors, outputs, binary) {
  const parts = [];
  const inputs = tensors.map((tensor) => {
    const head = { name: tensor.name, shape: tensor.dims, datatype: TYPES[tensor.type].oip };
    if (!binary) return withData(head, jsonData(tensor));
    const bytes = tensorBytes(tensor);
    parts.push(bytes);
    return JSON.stringify({ ...head, parameters: { binary_data_size: bytes.byteLength } });
  });
  const wanted = JSON.stringify(outputs.map((name) => ({ name, parameters: { binary_data: binary } })));
  const json = `{"inputs":[${inputs.join(',')}],"outputs":${wanted}}`;
  const head = encoder.encode(json);
  if (!binary) return { body: head, headers: { 'Content-Type': 'application/json' } };
  return {
    body: concat([head, ...parts]),
    headers: { 'Content-Type': 'application/octet-stream', [LENGTH_HEADER]: String(head.byteLength) },
  };
}

/**
 * The outputs in a server's answer.
 * @param {ArrayBuffer} body
 * @param {string | null} headLength value of the length header
 * @param {string | null} contentType
 */
export function decodeResponse(body, headLength, contentType) {
  const bytes = new Uint8Array(body);
  const length = headLength !== null ? Number(headLength)
    : contentType?.includes('octet-stream') ? jsonLength(bytes) : bytes.byteLength;
  if (!Number.isInteger(length) || length < 0 || length > bytes.byteLength) malformed(`${LENGTH_HEADER} is ${headLength}`);
  const head = parseJson(decoder.decode(bytes.subarray(0, length)));
  if (!Array.isArray(head?.outputs)) malformed('the answer has no outputs');
  let at = length;
  const outputs = head.outputs.map((output) => {
    const type = typeOfOip(output.datatype) ?? malformed(`output '${output.name}' has the unknown type ${output.datatype}`);
    const dims = Array.isArray(output.shape) ? output.shape.map(Number) : malformed(`output '${output.name}' has no shape`);
    const size = output.parameters?.binary_data_size;
    let data;
    if (size === undefined) {
      data = fromJson(type, output.data ?? malformed(`output '${output.name}' has no data`));
    } else {
      if (!Number.isInteger(size) || size < 0 || at + size > bytes.byteLength) malformed(`output '${output.name}' is truncated`);
      data = fromBytes(type, body.slice(at, at + size), output.name);
      at += size;
    }
    if (data.length !== sizeOf(dims)) malformed(`output '${output.name}' has ${data.length} elements, its shape says ${sizeOf(dims)}`);
    return { name: output.name, type, dims, data };
  });
  return { outputs };
}

/** A value of the metadata as the signature of a session. */
export function valueInfo({ name, datatype, shape }) {
  const dims = (shape ?? []).map((dim) => (Number(dim) < 0 ? '' : Number(dim)));
  return { name, type: typeOfOip(datatype) ?? String(datatype), shape: dims };
}

/** Raw little-endian bytes; strings each after their length as u32. */
export function tensorBytes({ type, data }) {
  if (type !== 'string') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const strings = data.map((text) => encoder.encode(text));
  const bytes = new Uint8Array(strings.reduce((sum, text) => sum + 4 + text.byteLength, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const text of strings) {
    view.setUint32(at, text.byteLength, true);
    bytes.set(text, at + 4);
    at += 4 + text.byteLength;
  }
  return bytes;
}

/** The other end of `tensorBytes`; `buffer` becomes the tensor's own. */
export function fromBytes(type, buffer, name = '') {
  const { array, bytes } = TYPES[type];
  if (bytes) return buffer.byteLength % bytes === 0 ? new array(buffer) : malformed(`output '${name}' is truncated`);
  const view = new DataView(buffer);
  const strings = [];
  for (let at = 0; at < buffer.byteLength;) {
    if (at + 4 > buffer.byteLength) malformed(`output '${name}' is truncated`);
    const length = view.getUint32(at, true);
    if (at + 4 + length > buffer.byteLength) malformed(`output '${name}' is truncated`);
    strings.push(decoder.decode(new Uint8Array(buffer, at + 4, length)));
    at += 4 + length;
  }
  return strings;
}

/** The JSON of a tensor's data; written by hand because JSON.stringify knows no bigint. */
function jsonData({ name, type, data }) {
  if (type === 'string') return JSON.stringify(data);
  if (type === 'bool') return JSON.stringify(Array.from(data, Boolean));
  const numbers = type === 'float16' ? Array.from(data, fromHalf) : data;
  for (let i = 0; type.startsWith('float') && i < numbers.length; i += 1) {
    if (!Number.isFinite(numbers[i])) {
      throw new NearsideError('INVALID_INPUT', `input '${name}': ${numbers[i]} cannot be written as JSON, and the server takes no binary tensors`);
    }
  }
  return `[${numbers.join(',')}]`;
}

const withData = (head, data) => `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;

function fromJson(type, nested) {
  const flat = nested.flat(Infinity);
  const { array } = TYPES[type];
  if (type === 'string') return flat.map(String);
  if (type === 'float16') return Uint16Array.from(flat, toHalf);
  if (array === BigInt64Array || array === BigUint64Array) return array.from(flat, BigInt);
  return array.from(flat, Number);
}

/** Integers that a number may not hold exactly become strings, which BigInt reads; strings are left alone. */
const LONG_INTEGER = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

function parseJson(text) {
  const wide = /"U?INT64"/.test(text);
  try {
    return JSON.parse(wide ? text.replace(LONG_INTEGER, (found) => (found[0] === '"' ? found : `"${found}"`)) : text);
  } catch {
    return malformed('the answer is not JSON');
  }
}

/** Where the JSON at the start of a body ends: for servers whose length header a browser may not read. */
function jsonLength(bytes) {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < bytes.byteLength; i += 1) {
    const byte = bytes[i];
    if (quoted) {
      if (byte === 0x5c) i += 1;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) {
      quoted = true;
    } else if (byte === 0x7b) {
      depth += 1;
    } else if (byte === 0x7d) {
      depth -= 1;
      if (depth === 0) return i + 1;
    }
  }
  return bytes.byteLength;
}

function concat(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
