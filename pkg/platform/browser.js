/**
 * Browser: pages, workers and service workers.
 *
 * In: `env`. Out: an engine in a module worker, or inline where there is no Worker, where `env.wasm.proxy` is
 * false, where the page shares its GPU device, or where the worker cannot be started; models by address or bytes. One decision: a worker that cannot be
 * started is no failure, the engine then runs inline and the report says why.
 * @module
 */
import { checkThreads, env, wasmSource, warnOnce } from '../env.js';
import { EngineHost } from '../engine/host.js';
import { startInline } from '../engine/inline.js';
import { canLend, spawnLane } from '../engine/lanes.js';
import { startWorker, WorkerUnavailable } from '../engine/worker-client.js';
import { compileFrom, compileOr } from '../engine/wasm.js';
import { inWorker, isShared } from '../gpu/device.js';

export { missing } from '../engine/support.js';

/** Read at each use and never at import: there is no document in a worker. */
const base = () => globalThis.document?.baseURI ?? globalThis.location?.href;
const absolute = (url) => new URL(url, base()).href;

export const host = new EngineHost(async (wanted) => {
  const source = wasmSource(absolute, wanted, globalThis.navigator?.hardwareConcurrency);
  if (source.threads > 1) checkThreads(globalThis.crossOriginIsolated, 'the page is not cross-origin isolated');
  const inline = (reason, early) => startInline({
    compile: compileOr(early, source), whole: wanted.whole, threads: canLend() ? source.threads : 1, spawn: spawnLane,
  }, reason);
  inWorker(false);
  if (env.wasm.proxy === false) return inline('env.wasm.proxy is false');
  if (isShared()) return inline('env.webgpu.device is shared with the page');
  if (typeof Worker !== 'function') return inline('there is no Worker here');
  // On its way while the worker's scripts still are. A page whose policy leaves compiling to workers, and whatever else
  // fails here, fails there in the same way, or not at all.
  const early = compileFrom(source, { shared: source.threads > 1 && globalThis.crossOriginIsolated === true }).catch(() => undefined);
  try {
    const engine = await startWorker(source, early);
    inWorker(true);
    return engine;
  } catch (error) {
    if (!(error instanceof WorkerUnavailable)) throw error;
    warnOnce(`${error.message}; the model runs in this thread`);
    return inline(error.message, early);
  }
});

/** @type {import('../device.js').Platform['locate']} */
export function locate(source) {
  return source.url === undefined ? source : { url: absolute(source.url) };
}
