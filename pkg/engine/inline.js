/**
 * Inline: the engine in the caller's own thread, for service workers, Node, Workers and pages that ask for it.
 *
 * In: how to get the wasm module. Out: an engine with the same calls as the worker's.
 * @module
 */
import { EngineCore } from './core.js';
import { discard, instantiate } from './wasm.js';

/**
 * @typedef {object} Engine
 * @property {'worker' | 'inline'} thread
 * @property {string} [reason] why this thread, where it is not the wanted one
 * @property {boolean} trimmed whether it lacks functions that few models need
 * @property {'simd128' | 'relaxed-simd'} simd
 * @property {number} threads that work on its inner loops at present
 * @property {boolean} alive false after a crash: get another one
 * @property {(op: string, args: object, options?: { signal?: AbortSignal, onEvent?: Function }) => Promise<any>} call
 * @property {(id: number) => any} [buffer] the GPUBuffer of a tensor of its GPU, where it is in this thread
 * @property {() => void} close
 */

/**
 * @param {Parameters<typeof instantiate>[0]} source
 * @param {string} [reason]
 * @returns {Promise<Engine>}
 */
export async function startInline(source, reason) {
  const binding = await instantiate(source);
  const core = new EngineCore(binding);
  return {
    thread: 'inline',
    reason,
    trimmed: binding.trimmed,
    simd: binding.simd,
    get threads() {
      return binding.threads;
    },
    get alive() {
      return !core.dead;
    },
    async call(op, args, options) {
      const alive = !core.dead;
      try {
        return await core[op](args, options);
      } finally {
        if (alive && core.dead) discard();
      }
    },
    buffer: (id) => core.buffer(id),
    close() {},
  };
}
