/**
 * Worker: the engine in its own thread. The entry of a module worker; nothing imports it.
 *
 * In: messages `{ id, op, args }` of worker-client.js; the first one is `start`. Out: `{ id, value, threads }`,
 * `{ id, error }` or `{ id, event }`. One decision: outputs leave by transfer, so that a result is copied once,
 * out of wasm memory.
 * @module
 */
import { toWire } from '../errors.js';
import { EngineCore, OPERATIONS } from './core.js';
import { canLend, spawnLane } from './lanes.js';
import { compileOr, instantiate } from './wasm.js';

/** @type {Awaited<ReturnType<typeof instantiate>>} */
let binding;
/** @type {EngineCore} */
let core;
/** Running operations that can be aborted. */
const running = new Map();

self.addEventListener('message', async ({ data: { id, op, args } }) => {
  if (op === 'abort') {
    running.get(id)?.abort();
    return;
  }
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const value = await perform(op, args, {
      signal: controller.signal,
      onEvent: (event) => self.postMessage({ id, event }),
    });
    self.postMessage({ id, value, threads: binding.threads }, { transfer: buffersOf(value?.outputs) });
  } catch (error) {
    self.postMessage({ id, error: toWire(error) });
  } finally {
    running.delete(id);
    // Copies of the page's images hold memory that only `close` gives back at once.
    for (const { picture } of args?.feeds ?? []) picture?.source.close?.();
  }
});

async function perform(op, args, options) {
  if (op === 'start') {
    binding = await instantiate({
      compile: compileOr(args.compiled, args), whole: args.whole, threads: canLend() ? args.threads : 1, spawn: spawnLane,
    });
    core = new EngineCore(binding);
    const { version, trimmed, simd } = binding;
    return { version, trimmed, simd };
  }
  if (!OPERATIONS.includes(op)) throw new Error(`unknown operation ${op}`);
  return core[op](args, options);
}

function buffersOf(outputs = []) {
  return [...new Set(outputs.filter(({ data }) => ArrayBuffer.isView(data)).map(({ data }) => data.buffer))];
}

// The client waits for this: a script that could not be loaded says nothing.
self.postMessage({ hello: true });
