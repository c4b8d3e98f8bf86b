/**
 * Device: the page's own `GPUDevice` and the engine's, where they are to be one.
 *
 * In: what the application assigns to `env.webgpu.device`, or that it reads it. Out: the device that the engine uses.
 * One decision: a page that wants to share a device gets the engine in its own thread, since neither devices nor
 * buffers can cross to a worker; whoever only wants results never comes here.
 * @module
 */
import { NearsideError } from '../errors.js';

/** @type {any} */
let chosen;
/** @type {Promise<any> | undefined} */
let current;
/** Asks the engine for the device that it has now. @type {(() => Promise<any>) | undefined} */
let ask;
let elsewhere = false;

/** What stands under `env.webgpu`. */
export const webgpu = {
  profiling: {},

  /** The device of the engine, as a promise; of the next one, where none has started yet. */
  get device() {
    if (elsewhere) {
      return Promise.reject(new NearsideError('INVALID_INPUT', 'the engine runs in a worker, which its device cannot leave: read or set `env.webgpu.device` before the first session'));
    }
    if (ask) return ask();
    if (!current) {
      const asked = request();
      current = asked;
      // Where there is none now there may be one later: after a fault of its own the browser starts its GPU anew.
      asked.catch(() => { if (current === asked) current = undefined; });
    }
    return current;
  },
  set device(/** @type {any} */ device) {
    if (typeof device?.createComputePipelineAsync !== 'function') throw new NearsideError('INVALID_INPUT', "'env.webgpu.device' must be a GPUDevice.");
    chosen = device;
    current = Promise.resolve(device);
  },
};

/** Whether the application shares a device with the engine. */
export const isShared = () => current !== undefined;

/** The engine runs in a worker from now on, or, with `false`, no longer. */
export function inWorker(worker) {
  elsewhere = worker;
}

/** An engine of this thread has its GPU open. */
export function opened(device) {
  ask = device;
}

async function request() {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new NearsideError('GPU_UNAVAILABLE', 'this host has no WebGPU adapter');
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  const requiredFeatures = /** @type {any} */ (['timestamp-query', 'shader-f16', 'subgroups'].filter((name) => adapter.features.has(name)));
  chosen = await adapter.requestDevice({ label: 'nearside', requiredFeatures, requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
  return chosen;
}

/** An adapter whose devices have subgroups, for which the engine's library cannot ask. @param {any} adapter */
function withSubgroups(adapter) {
  if (!adapter?.features.has('subgroups')) return adapter;
  const request = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = (/** @type {any} */ wanted) =>
    request({ ...wanted, requiredFeatures: [...(wanted?.requiredFeatures ?? []), 'subgroups'] });
  return adapter;
}

/**
 * Has `open` open the engine's GPU. The engine's library offers no other way in: it calls what `open` is given where it
 * would call `navigator.gpu.requestAdapter`, for the first device and for each one after a loss.
 * @template T
 * @param {(ask: (...wanted: any[]) => Promise<any>) => Promise<T>} open
 * @returns {Promise<T>}
 */
export async function withChosen(open) {
  if (current) await current;
  const gpu = /** @type {any} */ (globalThis.navigator?.gpu);
  const request = gpu?.requestAdapter.bind(gpu);
  return open(async (...wanted) => {
    if (!chosen) return withSubgroups(await request(...wanted));
    const device = chosen;
    // After a loss the engine opens one of its own.
    chosen = undefined;
    const { features, limits, adapterInfo } = device;
    const info = { description: adapterInfo?.description ?? '', isFallbackAdapter: false, subgroupMinSize: 0, subgroupMaxSize: 0 };
    return { features, limits, info, requestDevice: async () => device };
  });
}
