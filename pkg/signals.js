/**
 * Signals: waiting that can be given up.
 *
 * In: an AbortSignal of the caller, a time limit. Out: the same promise, or ABORTED / TIMEOUT.
 * One decision: written with plain events, since `AbortSignal.any` is missing in hosts that run wasm SIMD.
 * @module
 */
import { NearsideError, abortError } from './errors.js';

export function throwIfAborted(signal) {
  if (signal?.aborted) throw abortError(signal);
}

/** `promise`, or a rejection with ABORTED as soon as the signal fires; the work itself goes on. */
export function abortable(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError(signal));
    if (signal.aborted) {
      promise.catch(() => {});
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Waits, unless the signal fires. */
export async function sleep(ms, signal) {
  let timer;
  try {
    await abortable(new Promise((resolve) => { timer = setTimeout(resolve, ms); }), signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs `work` with a signal that fires on the caller's signal or after `ms` milliseconds.
 * @template T
 * @param {{ signal?: AbortSignal, ms?: number, what: string }} limits
 * @param {(signal: AbortSignal) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function limited({ signal, ms, what }, work) {
  throwIfAborted(signal);
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal?.addEventListener('abort', abort, { once: true });
  let late = false;
  const timer = ms ? setTimeout(() => { late = true; controller.abort(); }, ms) : undefined;
  try {
    return await work(controller.signal);
  } catch (error) {
    if (signal?.aborted) throw abortError(signal);
    if (late) throw new NearsideError('TIMEOUT', `${what}: no answer within ${ms} ms`, undefined, error);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
