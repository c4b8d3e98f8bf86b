/**
 * Wasm: the one instance of the engine's module in this realm.
 *
 * In: how to get the compiled module. Out: the engine's exports, on a fresh instance where the last one was
 * discarded. One decision: the generated glue keeps its instance in the module, so a new one comes by way of the
 * engine's own `reinit`, not from importing the glue again: that also works in service workers and bundles.
 * @module
 */
import * as glue from '../wasm/nearside.js';
import { NearsideError, asNearsideError } from '../errors.js';
import { marksOf } from './marks.js';
import { Pool } from './pool.js';
import { sharedMemory, toShared, withMemory } from './shared.js';

/** Tensors on the GPU, by number. */
const resident = {
  data: (id) => glue.GpuHandle.residentData(id),
  buffer: (id) => glue.GpuHandle.residentBuffer(id),
  dispose: (id) => glue.GpuHandle.residentDispose(id),
};

/** What the present instance was made of, or the next one is.
 * @type {Compiled | undefined} */
let current;
/** The threads of the present instance.
 * @type {Pool | undefined} */
let pool;
/** What the present instance is being made by; two callers share it.
 * @type {Promise<void> | undefined} */
let starting;
let discarded = false;

/**
 * @typedef {{ module: WebAssembly.Module, shared?: import('./shared.js').Wanted }} Compiled `shared`: it wants a memory
 *   from the host; can be sent to a worker
 * @typedef {object} Source
 * @property {(options: { shared: boolean }) => Promise<Compiled>} compile
 * @property {boolean} [whole] a trimmed module will not do
 * @property {boolean} [sync] the host allows only synchronous instantiation
 * @property {number} [threads] how many may work, with this one
 * @property {import('./pool.js').Spawn} [spawn] starts one
 */

/** @param {Source} source */
export async function instantiate(source) {
  try {
    if (discarded) starting = undefined;
    discarded = false;
    starting ??= start(source);
    await starting;
    const { Model, ModelBytes, GpuHandle, check, inspect, version, instanceMemory } = glue;
    const { trimmed, relaxed } = marksOf(current.module);
    const threads = pool;
    return {
      Model, ModelBytes, GpuHandle, resident, check, inspect, version: version(), memory: instanceMemory(), trimmed,
      simd: /** @type {'simd128' | 'relaxed-simd'} */ (relaxed ? 'relaxed-simd' : 'simd128'), get threads() { return threads?.lanes ?? 1; }, arrivals: () => threads?.arrivals(), complete: () => threads?.complete === true, share, shared: threads !== undefined,
    };
  } catch (error) {
    starting = undefined;
    throw asNearsideError(error, 'ENGINE_FAILED', 'the engine could not be started');
  }
}

/** @param {Source} source */
async function start({ compile, whole = false, sync = false, threads = 1, spawn }) {
  const wantsShared = threads > 1 && spawn !== undefined;
  const usable = current && !(whole && marksOf(current.module).trimmed) && (!current.shared || wantsShared);
  let compiled = usable ? current : await compile({ shared: wantsShared });
  let memory = compiled.shared && room(compiled.shared);
  if (compiled.shared && !memory) compiled = await compile({ shared: false });
  const { module, shared } = compiled;
  const imports = memory ? withMemory(wantedImports(module), memory) : wantedImports(module);
  const instance = sync || memory ? new WebAssembly.Instance(module, imports) : await WebAssembly.instantiate(module, imports);
  if (memory) for (const { at, bytes } of shared.data) new Uint8Array(memory.buffer, at, bytes.length).set(bytes);
  swapWith(() => instance, module);
  current = compiled;
  pool = memory && new Pool(module, memory, instance.exports, { threads, spawn });
  if (pool) glue.useThreads(threads, pool.lend);
}

/** Has the threads work from now on, or not. @param {boolean} all */
function share(all) {
  if (!pool || pool.sharing === all) return;
  pool.sharing = all;
  glue.useThreads(all ? pool.threads : 1, pool.lend);
}

/** @returns {WebAssembly.Memory | undefined} undefined: the host has no room for one that may grow so far */
function room(shared) {
  try {
    return sharedMemory(shared);
  } catch {
    return undefined;
  }
}

/**
 * The generated glue makes a new instance of its own module, and at once. On a page's own thread Chromium allows that
 * for small modules only, and the next module may be another one. So the glue is asked twice: first with what it would
 * instantiate, then to take the result.
 */
function wantedImports(module) {
  const noted = new Error('noted');
  let imports;
  try {
    swapWith((/** @type {any} */ _module, /** @type {any} */ given) => {
      imports = given;
      throw noted;
    }, module);
  } catch (error) {
    if (error !== noted) throw error;
  }
  return imports;
}

/** The glue makes its first instance when it is started, and swaps it at the call after `reinit`. */
function swapWith(make, module) {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = /** @type {any} */ (function (...args) {
    return make(...args);
  });
  try {
    if (current) {
      glue.reinit();
      glue.version();
    } else {
      glue.initSync({ module });
    }
  } finally {
    WebAssembly.Instance = Instance;
  }
}

/** The instance trapped: the next `instantiate` makes a new one. */
export function discard() {
  discarded = true;
  pool?.close();
  pool = undefined;
}

/**
 * Where the package has its engine: the fastest that this host can run first. The literals are what bundlers look for.
 * @param {{ whole: boolean, relaxed: boolean }} wanted
 */
export function packaged({ whole, relaxed }) {
  const plain = whole ? new URL('../wasm/nearside_full_bg.wasm', import.meta.url) : new URL('../wasm/nearside_bg.wasm', import.meta.url);
  if (!relaxed) return [plain.href];
  return [(whole ? new URL('../wasm/nearside_relaxed_full_bg.wasm', import.meta.url) : new URL('../wasm/nearside_relaxed_bg.wasm', import.meta.url)).href, plain.href];
}

/**
 * Compiles the module from its file, while it arrives where the server names its type and nothing is changed in it.
 * @param {import('../env.js').WasmSource} source
 * @param {{ shared: boolean }} options
 * @param {(address: string) => Promise<Response>} [ask] fetches a file
 * @returns {Promise<Compiled>}
 */
export async function compileFrom({ urls, binary, whole, relaxed }, { shared }, ask = fetched) {
  if (binary instanceof WebAssembly.Module) return { module: binary };
  if (binary !== undefined) return compileBytes(bytesOf(binary), shared);
  const addresses = urls ?? packaged({ whole, relaxed });
  for (const [index, address] of addresses.entries()) {
    try {
      const response = await ask(address);
      const streams = !shared && WebAssembly.compileStreaming && response.headers.get('Content-Type')?.startsWith('application/wasm');
      return streams ? { module: await WebAssembly.compileStreaming(response) } : await compileBytes(new Uint8Array(await response.arrayBuffer()), shared);
    } catch (error) {
      // An application may host the reference engine alone.
      if (index === addresses.length - 1) throw error;
    }
  }
  throw new NearsideError('ENGINE_FAILED', 'there is no address of the engine');
}

/**
 * What was compiled before, where it is what is wanted; else as `compileFrom`.
 * @param {Compiled | undefined | Promise<Compiled | undefined>} early
 * @param {import('../env.js').WasmSource} source
 * @returns {Source['compile']}
 */
export const compileOr = (early, source) => async (options) => {
  const compiled = await early;
  return compiled && (options.shared || !compiled.shared) ? compiled : compileFrom(source, options);
};

/** A file by its address, or the reason why not. */
export async function fetched(address) {
  const response = await fetch(address).catch((error) => {
    throw new NearsideError('ENGINE_FAILED', `${address}: ${error.message}`, { url: address }, error);
  });
  if (!response.ok) {
    const advice = response.status === 404 ? ': the engine is not there; env.wasm.wasmPaths says where it is' : '';
    throw new NearsideError('ENGINE_FAILED', `${address}: HTTP ${response.status}${advice}`, { url: address, status: response.status });
  }
  return response;
}

const bytesOf = (binary) => (ArrayBuffer.isView(binary) ? new Uint8Array(binary.buffer, binary.byteOffset, binary.byteLength) : new Uint8Array(binary));

/** @param {Uint8Array<any>} bytes @returns {Promise<Compiled>} */
async function compileBytes(bytes, shared) {
  const made = shared ? toShared(bytes) : undefined;
  if (!made) return { module: await WebAssembly.compile(bytes) };
  const { bytes: code, ...memory } = made;
  return { module: await WebAssembly.compile(code), shared: memory };
}
