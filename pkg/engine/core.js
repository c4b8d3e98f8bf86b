/**
 * Core: the engine's operations, where its wasm lives: in the worker, or in the caller's own thread.
 *
 * In: an operation and its arguments, all cloneable. Out: its result, or a typed error. A model file is collected
 * under a key (`open`, `append`, or `fetch`), `external` names the files beside it, which are collected in the same
 * way with their location; then `load`, `inspect` or `check` uses them up, then `run` uses the model.
 * One decision: an error without a code of the table left the wasm in an unknown state; the core is then dead,
 * says so, and its host makes another one. In a trimmed engine such a trap means a function that was dropped: the
 * error says `incomplete`, and the caller asks for the whole engine.
 * @module
 */
import { asNearsideError, CODES, NearsideError } from '../errors.js';
import { download } from '../download.js';
import { EngineGpu } from './gpu.js';
import { Pace } from './pace.js';

/** Part of its present size by which the memory must still be able to grow for a trap not to be a lack of memory. */
const PROBE = 1 / 4;
const PAGE = 65536;
/** The first line of a panic: where it was, with the paths of the machine that built the engine. */
const PANIC = /^panicked at (?:.*[\\/])?(?<file>[^\\/\n]+):\d+:\d+:\n/;
/** How Rust, tract and the hosts say that there is no memory left. */
const NO_MEMORY = /out of memory|fail\w* to allocate|allocation (?:of .*)?failed/i;

export class EngineCore {
  #binding;
  #files = new Map();
  #models = new Map();
  /** @type {EngineGpu} */
  #gpu;
  #crash;

  /** @param {Awaited<ReturnType<typeof import('./wasm.js').instantiate>>} binding */
  constructor(binding) {
    this.#binding = binding;
    this.#gpu = new EngineGpu(binding, (doing, work) => this.#awaited(doing, work));
  }

  /** Set once the wasm trapped. */
  get dead() {
    return this.#crash !== undefined;
  }

  open({ key, location, sizeHint }) {
    this.#guard('loading the model', () => {
      if (location !== undefined) return this.#file(key).begin(location);
      this.#files.get(key)?.free();
      this.#files.set(key, new this.#binding.ModelBytes(sizeHint));
    });
  }

  /** @returns {string[]} the locations of the files beside it, once the model file is whole */
  external({ key }) {
    return this.#guard('reading the model', () => this.#file(key).external());
  }

  append({ key, chunk }) {
    this.#guard('loading the model', () => this.#file(key).append(chunk));
  }

  /**
   * Fetches straight into wasm memory; no second copy of the model in JavaScript.
   * @param {{ key: number, location?: string, url: string, headers?: Record<string, string>, maxBytes?: number }} args
   * @param {{ signal?: AbortSignal, onEvent?: (event: import('../download.js').Progress) => void }} [options]
   */
  async fetch({ key, location, url, headers, maxBytes }, { signal, onEvent } = {}) {
    const sink = {
      start: (sizeHint) => this.open({ key, location, sizeHint }),
      append: (chunk) => this.append({ key, chunk }),
    };
    try {
      return await download(url, sink, { headers, signal, maxBytes, onProgress: onEvent });
    } catch (error) {
      if (!this.dead) this.unload({ key });
      throw error;
    }
  }

  /** `gpu`: on the GPU, see gpu.js; where there is none, a model that need not be strict is the CPU's. */
  async load({ key, gpu }) {
    const started = performance.now();
    if (gpu && this.#binding.shared) {
      // As with a part that was trimmed away: the caller starts an engine that has what is lacking.
      this.#crash ??= new NearsideError('ENGINE_CRASHED', 'an engine with threads has no GPU', { fatal: true, incomplete: true });
      throw this.#crash;
    }
    const opened = gpu && (await this.#gpu.open(gpu.strict));
    const model = this.#guard('loading the model', () => (opened?.handle
      ? this.#binding.Model.loadOnGpu(this.#take(key), opened.handle, gpu.strict, gpu.check, gpu.fastest)
      : this.#binding.Model.load(this.#take(key))));
    const signature = this.#guard('reading the signature', () => model.signature());
    const names = signature.outputs.map(({ name }) => name);
    this.#models.set(key, { model, gpu: opened, pace: new Pace(), names });
    if (opened?.handle && gpu.golden) await this.#gpu.prove(model, gpu.golden);
    return { ...signature, ms: performance.now() - started };
  }

  inspect({ key }) {
    return this.#guard('inspecting the model', () => this.#binding.inspect(this.#take(key)));
  }

  check({ key }) {
    return this.#guard('checking the model', () => this.#binding.check(this.#take(key)));
  }

  /** `keep`: outputs that stay on the GPU; they have `resident`, a number, instead of `data`. */
  async run({ key, feeds, fetches, profile, keep }) {
    const arrivals = this.#binding.arrivals();
    if (arrivals) await arrivals;
    const loaded = this.#models.get(key);
    if (!loaded) throw this.#crash ? this.#collateral() : new NearsideError('INTERNAL', `no model ${key}`);
    const { model, gpu, names } = loaded;
    if (gpu?.handle) return this.#gpu.run(model, { feeds, fetches, profile, keep });
    const elsewhere = feeds.some(({ resident, picture }) => resident !== undefined || picture);
    // Where it is all of them, their names need not cross.
    const wanted = fetches?.length === names.length && fetches.every((name, at) => name === names[at]) ? undefined : fetches;
    const tensors = elsewhere ? await this.#gpu.fetched(feeds) : feeds;
    const result = this.#guard('running the model', () => this.#paced(loaded, () => model.run(tensors, wanted, profile)));
    return gpu ? { ...result, gpuError: gpu.error } : result;
  }

  /** With threads or without, whichever is faster. */
  #paced({ pace }, work) {
    if (!this.#binding.complete()) return work();
    this.#binding.share(pace.next());
    const started = performance.now();
    const result = work();
    pace.done(performance.now() - started);
    return result;
  }

  /** The elements of a tensor on the GPU. */
  tensorData({ id }) {
    return this.#gpu.data(id);
  }

  disposeTensor({ id }) {
    this.#guard('disposing a tensor', () => this.#binding.resident.dispose(id));
  }

  /** The GPUBuffer of a tensor on the GPU; for callers in this thread. */
  buffer(id) {
    return this.#guard('sharing a tensor', () => this.#binding.resident.buffer(id));
  }

  /** Forgets whatever is under the key. */
  unload({ key }) {
    this.#guard('releasing the model', () => {
      this.#files.get(key)?.free();
      this.#models.get(key)?.model.free();
    });
    this.#files.delete(key);
    this.#models.delete(key);
  }

  #file(key) {
    const file = this.#files.get(key);
    if (!file) throw new NearsideError('INTERNAL', `no model file ${key}`);
    return file;
  }

  /** The engine consumes the bytes. */
  #take(key) {
    const file = this.#file(key);
    this.#files.delete(key);
    return file;
  }

  #guard(doing, work) {
    if (this.#crash) throw this.#collateral();
    try {
      return work();
    } catch (error) {
      if (error && Object.hasOwn(CODES, error.code)) throw asNearsideError(error, 'INTERNAL');
      this.#crash = this.#crashError(doing, error);
      throw this.#crash;
    }
  }

  async #awaited(doing, work) {
    if (this.#crash) throw this.#collateral();
    try {
      return await work();
    } catch (error) {
      if (error && Object.hasOwn(CODES, error.code)) throw error;
      this.#crash ??= this.#crashError(doing, error);
      throw this.#crash;
    }
  }

  #crashError(doing, error) {
    const text = (error instanceof Error ? error.message : String(error)).replace(PANIC, '$<file>: ');
    if (NO_MEMORY.test(text) || this.#exhausted()) {
      return new NearsideError('OUT_OF_MEMORY', `the engine ran out of memory while ${doing}: ${text}`, { fatal: true }, error);
    }
    if (this.#binding.trimmed && error instanceof WebAssembly.RuntimeError) {
      return new NearsideError('ENGINE_CRASHED', `the trimmed engine lacks a part for ${doing}`, { fatal: true, incomplete: true }, error);
    }
    return new NearsideError('ENGINE_CRASHED', `the engine stopped while ${doing}: ${text}`, { fatal: true }, error);
  }

  /** Whether the memory cannot grow any more. The instance is lost anyway, so asking by doing is harmless. */
  #exhausted() {
    const { memory } = this.#binding;
    try {
      memory?.grow(Math.ceil((memory.buffer.byteLength * PROBE) / PAGE));
      return false;
    } catch {
      return true;
    }
  }

  /** The call failed because another one crashed the engine: its session may simply call again. */
  #collateral() {
    return new NearsideError('ENGINE_CRASHED', 'the engine was stopped by another call', { fatal: true, collateral: true });
  }
}

/** The operations that a message may name. */
export const OPERATIONS = Object.freeze(['open', 'append', 'fetch', 'external', 'load', 'inspect', 'check', 'run', 'tensorData', 'disposeTensor', 'unload']);
