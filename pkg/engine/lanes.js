/**
 * Lanes: threads for the engine in a browser.
 *
 * In: nothing. Out: whether this realm may lend threads, and a way to start one. One decision: the threads are module
 * workers of the package's own, no blobs, so that they start under a strict policy.
 * @module
 */

/** Threads need memory in common, and an engine that may wait for them: both only in a worker of an isolated page. */
export function canLend() {
  const { crossOriginIsolated, DedicatedWorkerGlobalScope } = /** @type {any} */ (globalThis);
  const inWorker = typeof DedicatedWorkerGlobalScope === 'function' && globalThis instanceof DedicatedWorkerGlobalScope;
  return crossOriginIsolated === true && inWorker && typeof Worker === 'function';
}

/** @type {import('./pool.js').Spawn} */
export function spawnLane(lane) {
  // Written out in full: bundlers look for exactly this form.
  const worker = new Worker(new URL('./lane-worker.js', import.meta.url), { type: 'module' });
  // One that does not start is not missed.
  worker.onerror = (event) => event.preventDefault();
  worker.postMessage(lane);
  return worker;
}
