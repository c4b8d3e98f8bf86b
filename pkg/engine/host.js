/**
 * Host: one engine for all sessions of a realm.
 *
 * In: how to start an engine. Out: the living one; a new one after a crash, the whole one after a model needed more
 * than the trimmed one has. One decision: when the last user leaves, the engine is closed, because wasm memory never
 * shrinks and only the end of its thread returns it.
 * @module
 */
export class EngineHost {
  #start;
  /** @type {Promise<import('./inline.js').Engine> | undefined} */
  #current;
  #users = 0;
  #whole = false;
  #single = false;

  /** @param {(options: { whole: boolean, single: boolean }) => Promise<import('./inline.js').Engine>} start */
  constructor(start) {
    this.#start = start;
  }

  /** From now on nothing less than the whole engine. */
  needWhole() {
    this.#whole = true;
  }

  /** From now on one thread: what the GPU's interface takes must not lie in memory that is shared. */
  needSingle() {
    this.#single = true;
  }

  enter() {
    this.#users += 1;
  }

  leave() {
    this.#users -= 1;
    if (this.#users > 0) return;
    const closing = this.#current;
    this.#current = undefined;
    closing?.then((engine) => engine.close(), () => {});
  }

  /** @returns {Promise<import('./inline.js').Engine>} */
  async acquire() {
    for (;;) {
      const current = (this.#current ??= this.#start({ whole: this.#whole, single: this.#single }));
      const engine = await current.catch((error) => {
        this.#forget(current);
        throw error;
      });
      if (engine.alive) return engine;
      this.#forget(current);
    }
  }

  #forget(current) {
    if (this.#current === current) this.#current = undefined;
  }
}
