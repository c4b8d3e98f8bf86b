/**
 * Resident: a tensor that an engine keeps on its GPU.
 *
 * In: the engine, the tensor's number there. Out: its elements, its buffer where the engine is in this thread, its end.
 * One decision: it counts as a user of its engine, so that the engine outlives the session as long as a tensor of it
 * is held; one that nobody holds any more is given back when the collector finds it.
 * @module
 */
import { NearsideError } from '../errors.js';

/** Gives back what was never disposed; some hosts never tell. */
const forgotten = globalThis.FinalizationRegistry && new FinalizationRegistry((end) => end());

export class Resident {
  #engine;
  #id;
  #end;

  /**
   * @param {import('../engine/inline.js').Engine} engine
   * @param {import('../engine/host.js').EngineHost} host
   * @param {number} id
   */
  constructor(engine, host, id) {
    this.#engine = engine;
    this.#id = id;
    host.enter();
    let ended = false;
    this.#end = () => {
      if (ended) return;
      ended = true;
      if (engine.alive) engine.call('disposeTensor', { id }).catch(() => {});
      host.leave();
    };
    forgotten?.register(this, this.#end, this);
  }

  /** Its number for a run of `engine`; undefined where it lies on another one. */
  idFor(engine) {
    return engine === this.#engine && engine.alive ? this.#id : undefined;
  }

  /** The elements. */
  async data() {
    if (!this.#engine.alive) throw new NearsideError('GPU_LOST', 'a tensor on the GPU is gone: its engine was lost; compute it again');
    return this.#engine.call('tensorData', { id: this.#id });
  }

  /** The `GPUBuffer`. */
  get buffer() {
    if (this.#engine.buffer) return this.#engine.buffer(this.#id);
    throw new NearsideError('INVALID_INPUT', 'the GPUBuffer is in the worker of the engine and cannot leave it: read `env.webgpu.device` or set '
      + '`env.wasm.proxy = false` before the first session, and the engine runs in this thread; or use getData()');
  }

  dispose() {
    forgotten?.unregister(this);
    this.#end();
  }
}
