/**
 * Wasm: the one instance of the engine's module in this realm.
 *
 * In: how to get the compiled module. Out: the engine's exports, on a fresh instance where the last one was
 * discarded. One decision: the generated glue keeps its instance in the module, so a new one comes by way of the
 * engine's own `reinit`, not from importing the glue again: that also works in service workers and bundles.
 * @module
 */
import init, { check, initSync, inspect, instanceMemory, Model, ModelBytes, reinit, version } from '../wasm/nearside.js';
import * as glue from '../wasm/nearside.js';
import { NearsideError, asNearsideError } from '../errors.js';
import { isTrimmed } from './trimmed.js';

/** The module of the present instance, or of the next one.
 * @type {WebAssembly.Module | undefined} */
let current;
/** What the present instance is being made by; two callers share it.
 * @type {Promise<void> | undefined} */
let starting;
let discarded = false;

/**
 * @param {{ compile: () => Promise<WebAssembly.Module>, whole?: boolean, sync?: boolean }} source `whole`: a trimmed
 *   module will not do; `sync`: the host allows only synchronous instantiation
 */
export async function instantiate(source) {
  try {
    if (discarded) starting = undefined;
    discarded = false;
    starting ??= start(source);
    await starting;
    return { Model, ModelBytes, GpuHandle: glue.GpuHandle, check, inspect, version: version(), memory: instanceMemory(), trimmed: isTrimmed(current) };
  } catch (error) {
    starting = undefined;
    throw asNearsideError(error, 'ENGINE_FAILED', 'the engine could not be started');
  }
}

async function start({ compile, whole = false, sync = false }) {
  const usable = current && !(whole && isTrimmed(current));
  const module = usable ? current : await compile();
  if (current) {
    const imports = wantedImports();
    const instance = sync ? new WebAssembly.Instance(module, imports) : await WebAssembly.instantiate(module, imports);
    swapWith(() => instance);
  } else {
    await (sync ? initSync({ module }) : init({ module_or_path: module }));
  }
  current = module;
}

/**
 * The generated glue makes a new instance of its own module, and at once. On a page's own thread Chromium allows that
 * for small modules only, and the next module may be another one. So the glue is asked twice: first with what it would
 * instantiate, then to take the result.
 */
function wantedImports() {
  const noted = new Error('noted');
  let imports;
  try {
    swapWith((/** @type {any} */ _module, /** @type {any} */ given) => {
      imports = given;
      throw noted;
    });
  } catch (error) {
    if (error !== noted) throw error;
  }
  return imports;
}

/** The glue swaps its instance at the call after `reinit`. */
function swapWith(make) {
  const { Instance } = WebAssembly;
  WebAssembly.Instance = /** @type {any} */ (function (...args) {
    return make(...args);
  });
  try {
    reinit();
    version();
  } finally {
    WebAssembly.Instance = Instance;
  }
}

/** The instance trapped: the next `instantiate` makes a new one. */
export function discard() {
  discarded = true;
}

/** Where the package has its engine. The literals are what bundlers look for. */
export const packaged = (whole) =>
  (whole ? new URL('../wasm/nearside_full_bg.wasm', import.meta.url) : new URL('../wasm/nearside_bg.wasm', import.meta.url));

/**
 * Compiles the module from its file, while it arrives where the server names its type.
 * @param {{ url?: string, binary?: BufferSource | WebAssembly.Module, whole?: boolean }} source
 */
export async function compileFrom({ url, binary, whole = false }) {
  if (binary instanceof WebAssembly.Module) return binary;
  if (binary !== undefined) return WebAssembly.compile(binary);
  const address = url ?? packaged(whole).href;
  const response = await fetch(address).catch((error) => {
    throw new NearsideError('ENGINE_FAILED', `${address}: ${error.message}`, { url: address }, error);
  });
  if (!response.ok) {
    throw new NearsideError('ENGINE_FAILED', `${address}: HTTP ${response.status}`, { url: address, status: response.status });
  }
  const streams = WebAssembly.compileStreaming && response.headers.get('Content-Type')?.startsWith('application/wasm');
  return streams ? WebAssembly.compileStreaming(response) : WebAssembly.compile(await response.arrayBuffer());
}

/** A module of one function that returns a v128: whether this host can run the engine at all. */
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);

/** @returns {string | undefined} why the engine cannot run in this host */
export function missing() {
  if (typeof WebAssembly !== 'object') return 'this host has no WebAssembly';
  return WebAssembly.validate(SIMD) ? undefined : 'the WebAssembly of this host has no SIMD';
}
