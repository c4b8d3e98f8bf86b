/**
 * Workerd: Cloudflare Workers and other hosts that forbid compiling wasm from bytes.
 *
 * In: the wasm as a module of the deployment. Out: the engine, inline. One decision: instantiation is
 * synchronous, the module is compiled when the Worker is deployed. It is the whole engine: a deployment cannot load
 * another one later.
 * @module
 */
import wasm from '../wasm/nearside_full_bg.wasm';
import { env } from '../env.js';
import { EngineHost } from '../engine/host.js';
import { startInline } from '../engine/inline.js';

export { missing } from '../engine/support.js';

export const host = new EngineHost(() => startInline({ compile: async () => ({ module: env.wasm.wasmBinary ?? wasm }), sync: true }));

/** Addresses are absolute here: a Worker has no page that they could be relative to. */
export const locate = (source) => source;
