/**
 * Environment: the global settings, with the fields of `onnxruntime-common`.
 *
 * In: what the application assigns to `env`. Out: where the engine's wasm comes from, where it runs, how much
 * is logged. One decision: settings of engines that nearside does not have (WebGL, WebGPU, threads) are
 * accepted and have no effect; a field that nobody knows is named once on the console.
 * @module
 */
import { NearsideError } from './errors.js';
import { API_VERSION, VERSION } from './version.js';

const LEVELS = ['verbose', 'info', 'warning', 'error', 'fatal'];
let level = 'warning';

export const env = {
  /** `wasmPaths`, `wasmBinary` and `proxy` have an effect; see index.d.ts. */
  wasm: {},
  webgl: {},
  webgpu: { profiling: {} },
  versions: Object.freeze({ common: API_VERSION, nearside: VERSION }),
  debug: false,
  trace: false,
  get logLevel() {
    return level;
  },
  set logLevel(value) {
    if (value === undefined) return;
    if (!LEVELS.includes(value)) throw new NearsideError('INVALID_INPUT', `Unsupported logging level: ${String(value)}`);
    level = value;
  },
};

const KNOWN = {
  env: ['wasm', 'webgl', 'webgpu', 'versions', 'debug', 'trace', 'logLevel', 'backends'],
  'env.wasm': ['numThreads', 'simd', 'wasmPaths', 'wasmBinary', 'proxy', 'initTimeout', 'trace'],
};

/** Names, once each, the settings that nobody knows. */
export function checkEnv() {
  warnUnknown('env', env, KNOWN.env);
  warnUnknown('env.wasm', env.wasm, KNOWN['env.wasm']);
}

const warned = new Set();

/** A warning that appears once in the life of the program. */
export function warnOnce(message) {
  if (warned.has(message) || LEVELS.indexOf(level) > LEVELS.indexOf('warning')) return;
  warned.add(message);
  console.warn(`nearside: ${message}`);
}

/** Warns once for each key of `object` that is not `known`. */
export function warnUnknown(where, object, known) {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) warnOnce(`unknown option ${where}.${key} is ignored`);
  }
}

/**
 * Where the engine's wasm comes from. A trimmed engine that meets what it lacks is replaced by the whole one, which
 * lies beside it in the package or under the same prefix, unless `wasmPaths.whole` says where.
 * @param {(url: string) => string} resolve makes an address absolute, as this place sees addresses
 * @param {boolean} whole
 * @returns {{ whole: boolean, binary?: BufferSource | WebAssembly.Module, url?: string }} no more: the file of the package
 */
export function wasmSource(resolve, whole) {
  const { wasmBinary, wasmPaths } = env.wasm;
  if (typeof wasmPaths === 'string' && (whole || wasmBinary === undefined)) return { whole, url: resolve(`${wasmPaths}${FILES[+whole]}`) };
  if (whole) return wasmPaths?.whole === undefined ? { whole } : { whole, url: resolve(String(wasmPaths.whole)) };
  if (wasmBinary !== undefined) return { whole, binary: wasmBinary };
  return wasmPaths?.wasm === undefined ? { whole } : { whole, url: resolve(String(wasmPaths.wasm)) };
}

/** The trimmed engine and the whole one. */
const FILES = ['nearside_bg.wasm', 'nearside_full_bg.wasm'];
