/**
 * Wasm: the one instance of the engine's module in this realm.
 *
 * In: how to get the compiled module. Out: the engine's exports, on a fresh instance where the last one was
 * discarded. One decision: the generated glue keeps its instance in the module, so a new one comes from the
 * engine's own `reinit`, not from importing the glue again: that also works in service workers and bundles.
 * @module
 */
import init, { initSync, inspect, instanceMemory, Model, ModelBytes, reinit, version } from '../wasm/nearside.js';
import { NearsideError, asNearsideError } from '../errors.js';

/** The start of the first instance.
 * @type {Promise<unknown> | undefined} */
let started;
let discarded = false;

/**
 * @param {{ compile: () => Promise<WebAssembly.Module>, sync?: boolean }} source
 *   `sync`: the host allows only synchronous instantiation
 */
export async function instantiate({ compile, sync = false }) {
  try {
    started ??= compile().then((module) => (sync ? initSync({ module }) : init({ module_or_path: module })));
    await started;
    if (discarded) {
      await renew();
      discarded = false;
    }
    return { Model, ModelBytes, inspect, version: version(), memory: instanceMemory() };
  } catch (error) {
    if (!discarded) started = undefined;
    throw asNearsideError(error, 'ENGINE_FAILED', 'the engine could not be started');
  }
}

/** The engine swaps its instance at the call after `reinit`. */
function swap() {
  reinit();
  version();
}

async function renew() {
  try {
    swap();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    await renewLarge();
  }
}

/**
 * On a page's own thread Chromium instantiates modules over 8 MiB only asynchronously, and the generated glue only
 * knows the other way. So the glue is asked twice: first what it would instantiate, then to take the result.
 */
async function renewLarge() {
  const { Instance } = WebAssembly;
  const swapWith = (/** @type {any} */ constructor) => {
    WebAssembly.Instance = constructor;
    try {
      swap();
    } finally {
      WebAssembly.Instance = Instance;
    }
  };
  /** @type {[WebAssembly.Module, WebAssembly.Imports] | undefined} */
  let wanted;
  const noted = new Error('noted');
  try {
    swapWith(function (module, imports) {
      wanted = [module, imports];
      throw noted;
    });
  } catch (error) {
    if (error !== noted) throw error;
  }
  const instance = await WebAssembly.instantiate(...wanted);
  swapWith(function () {
    return instance;
  });
}

/** The instance trapped: the next `instantiate` makes a new one. */
export function discard() {
  discarded = true;
}

/**
 * Compiles the module from its file, while it arrives where the server names its type.
 * @param {{ url?: string, binary?: BufferSource | WebAssembly.Module }} source
 */
export async function compileFrom({ url, binary }) {
  if (binary instanceof WebAssembly.Module) return binary;
  if (binary !== undefined) return WebAssembly.compile(binary);
  const address = url ?? new URL('../wasm/nearside_bg.wasm', import.meta.url).href;
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
