/**
 * Deno: the engine inline; wasm and models by `fetch`, which reads files too.
 *
 * In: `env`; an address, a path, or bytes. Out: the engine, the model by address.
 * @module
 */
import { wasmSource } from '../env.js';
import { EngineHost } from '../engine/host.js';
import { startInline } from '../engine/inline.js';
import { compileFrom } from '../engine/wasm.js';

export { missing } from '../engine/support.js';

const absolute = (url) => new URL(url, `file://${globalThis.Deno.cwd()}/`).href;

export const host = new EngineHost((wanted) => startInline({ compile: (options) => compileFrom(wasmSource(absolute, wanted, 1), options), whole: wanted.whole }));

/** @type {import('../device.js').Platform['locate']} */
export function locate(source) {
  return source.url === undefined ? source : { url: absolute(source.url) };
}
