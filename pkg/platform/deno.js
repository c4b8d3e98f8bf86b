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

export { missing } from '../engine/wasm.js';

const absolute = (url) => new URL(url, `file://${globalThis.Deno.cwd()}/`).href;

export const host = new EngineHost(({ whole }) => startInline({ compile: () => compileFrom(wasmSource(absolute, whole)), whole }));

/** @type {import('../device.js').Platform['locate']} */
export function locate(source) {
  return source.url === undefined ? source : { url: absolute(source.url) };
}
