/**
 * Worker client: the page's end of the engine in a worker.
 *
 * In: the engine's calls. Out: promises of their results; buffers move by transfer. One decision: the caller's
 * arrays stay usable, so inputs are copied once here and the copy is transferred.
 * @module
 */
import { NearsideError, abortError, fromWire } from '../errors.js';

const START_TIMEOUT_MS = 20_000;
/** A page that was busy, frozen or asleep for so long finds its time over, and what the worker said meanwhile still waits behind that. */
const LAST_CALL_MS = 1000;

/** The worker itself could not be had; the engine may still run inline. */
export class WorkerUnavailable extends Error {}

/**
 * @param {import('../env.js').WasmSource} wasm
 * @param {Promise<import('./wasm.js').Compiled | undefined>} early the same, which the page compiles while the worker's scripts arrive
 * @returns {Promise<import('./inline.js').Engine>}
 */
export async function startWorker(wasm, early) {
  const engine = new WorkerEngine(await spawn());
  try {
    const { trimmed, simd } = await engine.call('start', { ...wasm, compiled: await early });
    Object.assign(engine, { trimmed, simd });
  } catch (error) {
    engine.close();
    throw error;
  }
  return engine;
}

/** Resolves with a worker whose script runs. */
function spawn() {
  return new Promise((resolve, reject) => {
    let worker;
    try {
      // Written out in full: bundlers look for exactly this form.
      worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    } catch (error) {
      reject(new WorkerUnavailable(`the worker could not be made: ${error.message}`));
      return;
    }
    const settle = (act) => {
      clearTimeout(timer);
      worker.onmessage = worker.onerror = null;
      act();
    };
    const refuse = (why) => settle(() => {
      worker.terminate();
      reject(new WorkerUnavailable(why));
    });
    let timer = setTimeout(() => {
      timer = setTimeout(() => refuse('the worker did not start in time'), LAST_CALL_MS);
    }, START_TIMEOUT_MS);
    worker.onmessage = () => settle(() => resolve(worker));
    worker.onerror = (event) => {
      event.preventDefault?.();
      refuse(event.message
        ? `the worker failed: ${event.message}`
        : 'the worker script could not be loaded: it is missing, or a Content-Security-Policy forbids it');
    };
  });
}

class WorkerEngine {
  thread = /** @type {const} */ ('worker');
  alive = true;
  reason = undefined;
  trimmed = false;
  /** @type {'simd128' | 'relaxed-simd'} */
  simd = 'simd128';
  threads = 1;
  #worker;
  #calls = new Map();
  #next = 0;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = (event) => {
      event.preventDefault?.();
      this.#end(event.message ?? 'no message');
    };
    worker.onmessageerror = () => this.#end('a message could not be read');
  }

  /** @type {import('./inline.js').Engine['call']} */
  call(op, args, { signal, onEvent } = {}) {
    if (!this.alive) return Promise.reject(stopped());
    if (signal?.aborted) return Promise.reject(abortError(signal));
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      const abort = () => this.#worker.postMessage({ id, op: 'abort' });
      signal?.addEventListener('abort', abort, { once: true });
      const done = () => signal?.removeEventListener('abort', abort);
      this.#calls.set(id, { resolve, reject, onEvent, done });
      try {
        const [copied, transfer] = detached(op, args);
        this.#worker.postMessage({ id, op, args: copied }, transfer);
      } catch (error) {
        this.#calls.delete(id);
        done();
        reject(error);
      }
    });
  }

  close() {
    this.#end();
  }

  #receive({ id, value, error, event, threads }) {
    const call = this.#calls.get(id);
    if (!call) return;
    if (event) {
      call.onEvent?.(event);
      return;
    }
    this.#calls.delete(id);
    call.done();
    if (!error) {
      this.threads = threads;
      call.resolve(value);
      return;
    }
    const known = fromWire(error);
    call.reject(known);
    if (known.details?.fatal) this.#end();
  }

  /** The wasm in there is lost, or nobody needs it: its memory goes back to the system. */
  #end(text) {
    if (!this.alive) return;
    this.alive = false;
    this.#worker.terminate();
    const error = text === undefined ? stopped() : new NearsideError('ENGINE_CRASHED', `the engine's worker failed: ${text}`, { fatal: true });
    for (const call of this.#calls.values()) {
      call.done();
      call.reject(error);
    }
    this.#calls.clear();
  }
}

/** These calls were not the cause: their sessions call again. */
const stopped = () =>
  new NearsideError('ENGINE_CRASHED', 'the engine was stopped by another call', { fatal: true, collateral: true });

/** Arguments whose large arrays are copies of their own, and the buffers of these copies. */
function detached(op, args) {
  if (op === 'append') {
    const chunk = args.chunk.slice();
    return [{ ...args, chunk }, [chunk.buffer]];
  }
  if (op !== 'run') return [args, []];
  const feeds = args.feeds.map((feed) => ArrayBuffer.isView(feed.data) ? { ...feed, data: feed.data.slice() } : feed);
  return [{ ...args, feeds }, feeds.filter(({ data }) => ArrayBuffer.isView(data)).map(({ data }) => data.buffer)];
}
