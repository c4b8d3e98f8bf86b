/**
 * Profile: which functions of the engine some work needs.
 *
 * In: the engine's bytes, then work that runs on it. Out: the numbers of the functions that ran. One decision: the
 * engine is really run, with a counter in every function, and nothing is derived from a call graph: through tables
 * of function pointers nearly everything is reachable, and little of it is ever called.
 * @module
 */
import { COUNTER, instrument } from './module.js';

const LANES = 2;

/** @typedef {typeof import('../wasm/nearside.js')} Glue what wasm-bindgen generated for the engine */

export class Profile {
  /** @type {Set<number>} */
  #ran = new Set();
  #counters;
  #functions;
  #glue;
  #part;

  /**
   * @param {Glue} glue not started yet
   * @param {Uint8Array} engine the bytes of the whole engine
   */
  constructor(glue, engine) {
    const { bytes, functions } = instrument(engine);
    this.#functions = functions;
    this.#glue = glue;
    const exports = glue.initSync({ module: new WebAssembly.Module(bytes) });
    // What a host with threads calls.
    exports.nearside_stack(1024);
    this.#watch(exports);
    // What every host calls, and what it needs to get rid of an instance.
    glue.instanceMemory();
    appended(glue, new Uint8Array(8), 0).free();
    this.#renew();
  }

  get functions() {
    return this.#functions;
  }

  /**
   * Does some work; what it throws is its own affair, also a trap, after which the next work has a fresh engine.
   * @param {(engine: Glue) => void} work
   * @returns {unknown} what it threw
   */
  run(work) {
    try {
      const { useThreads } = this.#glue;
      // An engine does the same with threads and without them, by other ways.
      work({ ...this.#glue, threads: (count) => useThreads(count, lanes(this.#part)) });
      return undefined;
    } catch (error) {
      if (!error?.code) this.#renew();
      return error;
    }
  }

  /** @returns {Set<number>} everything that ran so far */
  ran() {
    this.#note();
    return new Set(this.#ran);
  }

  #watch(exports) {
    this.#part = exports.nearside_part;
    this.#counters = Array.from({ length: this.#functions }, (_, number) => exports[`${COUNTER}${number}`]);
  }

  #note() {
    this.#counters.forEach((counter, number) => counter.value && this.#ran.add(number));
  }

  /** The glue makes the new instance itself and keeps it; its exports are caught on the way. */
  #renew() {
    const { Instance } = WebAssembly;
    let made;
    WebAssembly.Instance = /** @type {any} */ (function (...args) {
      made = new Instance(...args);
      return made;
    });
    try {
      this.#glue.reinit();
      this.#note();
      this.#glue.version();
    } finally {
      WebAssembly.Instance = Instance;
    }
    this.#watch(made.exports);
  }
}

/** What the engine does with threads, all in this one: every part of a job, in lanes by turns. */
function lanes(part) {
  return (call, data, parts) => {
    for (let turn = 0; turn < parts; turn += 1) part(call, data, turn, turn % LANES);
  };
}

/**
 * Loads a model, runs it for each of `runs`, and does everything else that a session does with one.
 * @param {Glue} engine
 * @param {Uint8Array} model
 * @param {import('./feeds.js').Feed[][]} runs
 * @param {Record<string, Uint8Array>} [files] those beside the model, by location
 * @returns the outputs of each run
 */
export function exercise(engine, model, runs, files) {
  engine.inspect(bytesOf(engine, model, 0, files));
  engine.check(bytesOf(engine, model, 0, files));
  const loaded = engine.Model.load(bytesOf(engine, model, model.length, files));
  try {
    const { inputs } = loaded.signature();
    loaded.inspect();
    return runs.map((feeds) => {
      const named = feeds.map((feed, at) => wire(inputs[at]?.name, feed));
      engine.threads(LANES);
      const { outputs } = loaded.run(named);
      engine.threads(1);
      loaded.run(named, outputs.slice(0, 1).map(({ name }) => name));
      return outputs;
    });
  } finally {
    engine.threads(1);
    loaded.free();
  }
}

/** A feed as the engine takes it: a sequence is an array of tensors, an empty optional is null. */
function wire(name, feed) {
  if (feed === null) return { name, absent: true };
  return Array.isArray(feed) ? { name, sequence: feed } : { name, ...feed };
}

/** A model file, whole, with those beside it that are at hand. */
export function bytesOf(engine, model, sizeHint = 0, files = {}) {
  const bytes = appended(engine, model, sizeHint);
  for (const location of bytes.external()) {
    if (!files[location]) continue;
    bytes.begin(location);
    bytes.append(files[location]);
  }
  return bytes;
}

/** In two parts, for a size that is known and for one that is not. */
function appended(engine, model, sizeHint) {
  const bytes = new engine.ModelBytes(sizeHint);
  const half = model.length >> 1;
  bytes.append(model.subarray(0, half));
  bytes.append(model.subarray(half));
  return bytes;
}
