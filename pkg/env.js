/**
 * Environment: the global settings, with the fields of `onnxruntime-common`.
 *
 * In: what the application assigns to `env`. Out: where the engine's wasm comes from, where it runs, how much
 * is logged. One decision: settings of engines that nearside does not have (WebGL) are
 * accepted and have no effect; a field that nobody knows is named once on the console.
 * @module
 */
import { hasRelaxed } from './engine/support.js';
import { NearsideError } from './errors.js';
import { webgpu } from './gpu/device.js';
import { API_VERSION, VERSION } from './version.js';

const LEVELS = ['verbose', 'info', 'warning', 'error', 'fatal'];
let level = 'warning';

export const env = {
  /** `wasmPaths`, `wasmBinary`, `proxy`, `numThreads` and `simd` have an effect; see index.d.ts. */
  wasm: {},
  webgl: {},
  /** `device`: the GPUDevice that the page and the engine share; see gpu/device.js. */
  webgpu,
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
 * @typedef {object} WasmSource where the engine's wasm comes from
 * @property {boolean} whole
 * @property {boolean} relaxed whether this host can run relaxed SIMD, and may
 * @property {number} threads how many may work
 * @property {BufferSource | WebAssembly.Module} [binary]
 * @property {string[]} [urls] the first that can be had; neither: the files of the package
 */

/**
 * Where the engine's wasm comes from. A trimmed engine that meets what it lacks is replaced by the whole one, which
 * lies beside it in the package or under the same prefix, unless `wasmPaths.whole` says where.
 * @param {(url: string) => string} resolve makes an address absolute, as this place sees addresses
 * @param {{ whole: boolean, single: boolean }} wanted
 * @param {number} cores of this machine
 * @returns {WasmSource}
 */
export function wasmSource(resolve, { whole, single }, cores) {
  const { wasmBinary, wasmPaths, simd } = env.wasm;
  const relaxed = simd !== 'fixed' && hasRelaxed();
  const source = { whole, relaxed, threads: single ? 1 : wantedThreads(cores) };
  const at = (url) => ({ ...source, urls: [resolve(String(url))] });
  if (typeof wasmPaths === 'string' && (whole || wasmBinary === undefined)) {
    return { ...source, urls: fileNames({ whole, relaxed }).map((name) => resolve(`${wasmPaths}${name}`)) };
  }
  if (whole) return wasmPaths?.whole === undefined ? source : at(wasmPaths.whole);
  if (wasmBinary !== undefined) return { ...source, binary: wasmBinary };
  return wasmPaths?.wasm === undefined ? source : at(wasmPaths.wasm);
}

/** The fastest first. */
function fileNames({ whole, relaxed }) {
  const plain = `nearside${whole ? '_full' : ''}_bg.wasm`;
  return relaxed ? [`nearside_relaxed${whole ? '_full' : ''}_bg.wasm`, plain] : [plain];
}

const MOST_BY_DEFAULT = 4;
const MOST = 32;

/** As onnxruntime-web decides it: what is asked for, else half the cores up to four. */
function wantedThreads(cores) {
  const { numThreads } = env.wasm;
  if (Number.isInteger(numThreads) && numThreads > 0) return Math.min(numThreads, MOST);
  return Math.min(MOST_BY_DEFAULT, Math.ceil((cores || 1) / 2));
}

/** Says once that more threads were asked for than there can be. @param {boolean} lent whether there are any @param {string} why not */
export function checkThreads(lent, why) {
  if (!lent && env.wasm.numThreads > 1) warnOnce(`env.wasm.numThreads is ${env.wasm.numThreads}, and ${why}; the engine has one thread`);
}
