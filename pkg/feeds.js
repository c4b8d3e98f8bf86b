/**
 * Feeds: what the caller passes to `run`, checked against the model's signature.
 *
 * In: feeds and fetches as `onnxruntime-common` defines them. Out: tensors as the engine takes them, names of
 * outputs, preallocated tensors. One decision: everything that can be known before the run is said before the run,
 * with the input's name in the message.
 * @module
 */
import { NearsideError } from './errors.js';
import { tableOf } from './maps.js';
import { Tensor, toWireTensor } from './tensor.js';
import { TYPES, sizeOf } from './types.js';

const fail = (code, message, details) => { throw new NearsideError(code, message, details); };
const names = (infos) => infos.map(({ name }) => `'${name}'`).join(', ') || 'none';
const isTensor = (value) => value !== null && typeof value === 'object' && 'type' in value && 'dims' in value && (value instanceof Tensor || 'data' in value);

/**
 * @param {Record<string, any>} feeds
 * @param {{ name: string, type: string, shape: (number | string)[], kind?: string }[]} inputs of the signature
 */
export function readFeeds(feeds, inputs) {
  if (typeof feeds !== 'object' || feeds === null || Array.isArray(feeds) || isTensor(feeds)) {
    fail('INVALID_INPUT', "'feeds' must be an object that has the input names as keys and tensors as values.");
  }
  const missing = inputs.filter(({ name, kind }) => feeds[name] === undefined || (feeds[name] === null && kind !== 'optional'));
  if (missing.length) fail('INVALID_INPUT', `missing in 'feeds': ${names(missing)}; the model takes ${names(inputs)}`, { missing: missing.map(({ name }) => name) });
  const unknown = Object.keys(feeds).filter((name) => !inputs.some((input) => input.name === name));
  if (unknown.length) fail('INVALID_INPUT', `unknown in 'feeds': ${unknown.map((name) => `'${name}'`).join(', ')}; the model takes ${names(inputs)}`, { unknown });
  return inputs.map((input) => readValue(feeds[input.name], input));
}

/** A tensor, or what holds tensors: a sequence is an array of them, an empty optional is null. */
function readValue(value, info) {
  const { name, kind = 'tensor' } = info;
  if (kind === 'optional' && value === null) return { name, absent: true };
  if (kind !== 'tensor' && Array.isArray(value)) return { name, sequence: value.map((element) => readFeed(element, info)) };
  if (kind === 'sequence') fail('TYPE_MISMATCH', `input '${name}' is a sequence: an array of Tensors`, { name });
  return readFeed(value, info);
}

function readFeed(given, info) {
  const { name, type, shape, labels } = info;
  const value = labels && typeof given === 'object' && !isTensor(given) ? tableOf(given, info) : given;
  if (!isTensor(value)) fail('INVALID_INPUT', `input '${name}' is not a Tensor`);
  // Tensors of another library, so that code can migrate file by file: their data may be anything.
  const tensor = value instanceof Tensor ? value : new Tensor(value.type, value.data, value.dims);
  if (tensor.type !== type) fail('TYPE_MISMATCH', `input '${name}' is ${tensor.type}, the model takes ${type}`, { name });
  const { dims } = tensor;
  // An empty shape means a scalar or an unknown rank; the engine knows which.
  const fits = shape.length === 0 || (dims.length === shape.length && shape.every((dim, i) => typeof dim === 'string' || dim === dims[i]));
  if (!fits) {
    const wanted = shape.map((dim) => dim || '?').join(', ');
    fail('SHAPE_MISMATCH', `input '${name}' has dims [${dims.join(', ')}], the model takes [${wanted}]`, { name });
  }
  if (tensor.location === 'cpu' && tensor.data.length !== tensor.size) fail('INVALID_INPUT', `the data of input '${name}' is gone: its buffer was transferred away`, { name });
  return toWireTensor(name, tensor);
}

/**
 * The overloads (feeds, options), (feeds, names, options), (feeds, { name: null | tensor }, options).
 * @returns {{ fetches: string[], preallocated: Record<string, any>, options: object | undefined }}
 */
export function readFetches(second, third, outputs) {
  const all = outputs.map(({ name }) => name);
  if (second === undefined) return { fetches: all, preallocated: {}, options: third };
  if (typeof second !== 'object' || second === null) fail('INVALID_INPUT', "the second argument of run must be 'fetches' or 'options'.");
  if (isTensor(second)) fail('INVALID_INPUT', "'fetches' cannot be a Tensor.");
  if (Array.isArray(second)) {
    if (second.length === 0) fail('INVALID_INPUT', "'fetches' cannot be an empty array.");
    const unknown = second.filter((name) => !all.includes(name));
    if (unknown.length) fail('INVALID_INPUT', `'fetches' has unknown outputs: ${unknown.join(', ')}; the model gives ${names(outputs)}`, { unknown });
    return { fetches: [...new Set(second)], preallocated: {}, options: third };
  }
  const fetches = all.filter((name) => Object.hasOwn(second, name) && (second[name] === null || isTensor(second[name])));
  if (fetches.length === 0) return { fetches: all, preallocated: {}, options: second };
  const preallocated = Object.fromEntries(fetches.filter((name) => second[name] !== null).map((name) => [name, second[name]]));
  return { fetches, preallocated, options: third };
}

/** Writes an output into the tensor that the caller made for it. */
export function fill(target, { name, type, dims, data }) {
  if (target.location && target.location !== 'cpu') fail('INVALID_INPUT', `the tensor for output '${name}' is on the GPU: let it be made there by preferredOutputLocation`, { name });
  if (!dims) fail('TYPE_MISMATCH', `output '${name}' is no tensor`, { name });
  if (target.type !== type) fail('TYPE_MISMATCH', `the tensor for output '${name}' is ${target.type}, the model gives ${type}`, { name });
  if (target.dims.length !== dims.length || target.dims.some((dim, i) => dim !== dims[i])) {
    fail('SHAPE_MISMATCH', `the tensor for output '${name}' has dims [${target.dims.join(', ')}], the model gives [${dims.join(', ')}]`, { name });
  }
  if (type === 'string') target.data.splice(0, sizeOf(dims), ...data);
  else new TYPES[type].array(target.data.buffer, target.data.byteOffset, target.data.length).set(data);
  return target;
}
