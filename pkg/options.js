/**
 * Options: the arguments of `InferenceSession.create` as one checked policy.
 *
 * In: the overloads and options of `onnxruntime-common`, and nearside's own under the key `nearside`.
 * Out: `{ source, policy }`. One decision: an option that would change a result and is not supported is an
 * error; one that only tunes another engine is accepted; one that nobody knows is named once on the console.
 * @module
 */
import { NearsideError } from './errors.js';
import { warnOnce, warnUnknown } from './env.js';
import { readExternalData } from './external.js';
import { readGpu, readLocations, wantsGpu } from './gpu/options.js';
import { modelOfUrl } from './remote.js';
import { MODES } from './place.js';

const bad = (message) => { throw new NearsideError('INVALID_INPUT', message); };

/** Options of ONNX Runtime that tune its engine and change no result. */
const SESSION_OPTIONS = [
  'executionProviders', 'intraOpNumThreads', 'interOpNumThreads', 'freeDimensionOverrides', 'graphOptimizationLevel',
  'enableCpuMemArena', 'enableMemPattern', 'executionMode', 'optimizedModelFilePath', 'enableProfiling',
  'profileFilePrefix', 'logId', 'logSeverityLevel', 'logVerbosityLevel', 'preferredOutputLocation',
  'enableGraphCapture', 'externalData', 'extra', 'nearside',
];
const NEARSIDE_OPTIONS = [
  'mode', 'edge', 'cloud', 'model', 'maxModelBytes', 'maxMemory', 'headers', 'timeout', 'onProgress', 'signal', 'profile', 'strict', 'gpu',
];
const RUN_OPTIONS = ['logSeverityLevel', 'logVerbosityLevel', 'terminate', 'tag', 'extra', 'signal'];

/** How long an answer of the edge or the cloud may take, and the question for a model's size. */
const DEFAULT_TIMEOUT = 30_000;

/**
 * The arguments of `create`, `inspect` and `check`.
 * @returns {{ source: { url?: string, bytes?: Uint8Array }, options: any }}
 */
export function readArguments(args) {
  const [first, ...rest] = args;
  if (typeof first === 'string' || first instanceof URL) {
    return { source: { url: String(first) }, options: readObject(rest[0]) };
  }
  if (ArrayBuffer.isView(first)) {
    const bytes = new Uint8Array(first.buffer, first.byteOffset, first.byteLength);
    return { source: { bytes }, options: readObject(rest[0]) };
  }
  if (first instanceof ArrayBuffer || Object.prototype.toString.call(first) === '[object SharedArrayBuffer]') {
    if (typeof rest[0] !== 'number') return { source: { bytes: new Uint8Array(first) }, options: readObject(rest[0]) };
    const [offset, length = first.byteLength - offset, options] = typeof rest[1] === 'object' ? [rest[0], undefined, rest[1]] : rest;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= first.byteLength) {
      bad(`'byteOffset' is out of range [0, ${first.byteLength}).`);
    }
    if (!Number.isSafeInteger(length) || length <= 0 || offset + length > first.byteLength) {
      bad(`'byteLength' is out of range (0, ${first.byteLength - offset}].`);
    }
    return { source: { bytes: new Uint8Array(first, offset, length) }, options: readObject(options) };
  }
  return bad("The model must be an address, an ArrayBuffer or a Uint8Array.");
}

function readObject(value) {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null) bad("'options' must be an object.");
  return value;
}

/** Session options as the policy that the rest of the package reads. */
export function readPolicy(source, options) {
  warnUnknown('options', options, SESSION_OPTIONS);
  for (const provider of options.executionProviders ?? []) {
    const name = typeof provider === 'string' ? provider : provider?.name;
    if (!['wasm', 'cpu', 'webgpu'].includes(name)) warnOnce(`execution provider '${name}' is not available, the model runs on wasm`);
  }

  const own = options.nearside ?? {};
  if (typeof own !== 'object') bad("'options.nearside' must be an object.");
  warnUnknown('options.nearside', own, NEARSIDE_OPTIONS);
  const mode = own.mode ?? 'prefer_on_device';
  if (!Object.hasOwn(MODES, mode)) bad(`Unknown mode '${String(mode)}'; the modes are ${Object.keys(MODES).join(', ')}.`);
  for (const limit of ['maxModelBytes', 'maxMemory', 'timeout']) checkLimit(limit, own[limit]);
  if (own.onProgress !== undefined && typeof own.onProgress !== 'function') bad("'onProgress' must be a function.");
  return {
    mode,
    edge: readEdge(own.edge, own.headers),
    cloud: readRemote('cloud', own.cloud, own.headers),
    model: readModel(own.model, source),
    maxModelBytes: own.maxModelBytes,
    maxMemory: own.maxMemory,
    headers: plainHeaders(own.headers),
    timeout: own.timeout ?? DEFAULT_TIMEOUT,
    onProgress: own.onProgress && guarded(own.onProgress),
    profile: own.profile === true,
    gpu: wantsGpu(options.executionProviders) ? readGpu(own) : undefined,
    keeps: readLocations(options),
    signal: readSignal(own.signal),
    externalData: readExternalData(options.externalData),
    freeDimensions: options.freeDimensionOverrides ?? {},
  };
}

/** A fault of the caller's listener is no fault of the download. */
function guarded(listener) {
  return (event) => {
    try {
      listener(event);
    } catch (error) {
      console.error(error);
    }
  };
}

/** Run options; `signal` is nearside's, the others are ONNX Runtime's and tune only its engine. */
export function readRunOptions(options) {
  const known = readObject(options);
  warnUnknown('run options', known, RUN_OPTIONS);
  return { signal: readSignal(known.signal) };
}

function readSignal(signal) {
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') bad("'signal' must be an AbortSignal.");
  return signal;
}

function checkLimit(name, value) {
  if (value !== undefined && !(typeof value === 'number' && value >= 0)) bad(`'${name}' must be a number of at least 0, got ${String(value)}.`);
}

/** The edge has a budget of its own: it is a small machine too. */
function readEdge(value, headers) {
  const remote = readRemote('edge', value, headers);
  checkLimit('edge.maxModelBytes', value?.maxModelBytes);
  return remote && { ...remote, maxModelBytes: value.maxModelBytes };
}

/** @returns {{ url: string, headers: Record<string, string> } | undefined} */
function readRemote(place, value, headers) {
  if (value === undefined || value === null) return undefined;
  const { url, headers: own } = typeof value === 'string' || value instanceof URL ? { url: String(value) } : value;
  if (typeof url !== 'string' || !url) bad(`'${place}' must be the address before /v2, or { url, headers }.`);
  return { url: url.replace(/\/+$/, ''), headers: { ...plainHeaders(headers), ...plainHeaders(own) } };
}

function plainHeaders(headers) {
  return headers ? Object.fromEntries(new Headers(headers)) : {};
}

/** The name under which the edge and the cloud know the model. */
function readModel(model, source) {
  if (typeof model === 'string') return { name: model };
  if (model && typeof model.name === 'string') {
    return { name: model.name, version: model.version === undefined ? undefined : String(model.version) };
  }
  if (model !== undefined) bad("'model' must be a name or { name, version }.");
  return source.url ? modelOfUrl(source.url) : undefined;
}
