/** The global settings. @packageDocumentation */
import type { WebGpuFlags } from './gpu.js';

/** A compiled module, where the consumer's libraries declare one. */
type CompiledWasm = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } } ? Module : object;

export declare namespace Env {
  interface WebAssemblyFlags {
    /**
     * Where the wasm is: a prefix to which the name of a file of the package's `wasm/` is added, or the addresses of
     * the files themselves. Under a prefix `nearside_relaxed_bg.wasm` is asked for first where the host has relaxed
     * SIMD, and `nearside_bg.wasm` where it is not there. `whole` is fetched only when a model needs what the trimmed
     * one lacks. Default: next to the package's scripts.
     */
    wasmPaths?: string | { wasm?: string | URL; whole?: string | URL; mjs?: string | URL };
    /** The wasm itself, as bytes or compiled. Goes before `wasmPaths`, but not for the whole engine. */
    wasmBinary?: ArrayBufferLike | Uint8Array | CompiledWasm;
    /** `false`: the engine runs in this thread, not in a worker. */
    proxy?: boolean;
    /**
     * Threads, where there can be more than one: in Node, and in cross-origin isolated pages with the engine in its
     * worker. 0 or nothing: half the cores, up to 4. Results do not depend on it.
     */
    numThreads?: number;
    /**
     * `'fixed'`: the reference engine, whose results are the same bits everywhere. Anything else: the one with relaxed
     * SIMD where the host has it, which is faster and rounds as the machine does.
     */
    simd?: boolean | 'fixed' | 'relaxed';
    /** No effect. */
    initTimeout?: number;
    /** No effect. */
    trace?: boolean;
  }
}

/** The global settings. They count when the first session is created. */
export interface Env {
  readonly wasm: Env.WebAssemblyFlags;
  /** No effect. */
  readonly webgl: Record<string, unknown>;
  readonly webgpu: WebGpuFlags;
  /** From `error` on, unknown options are not named on the console. */
  logLevel?: 'verbose' | 'info' | 'warning' | 'error' | 'fatal';
  /** No effect. */
  debug?: boolean;
  /** No effect. */
  trace?: boolean;
  /** `common`: the version of the API that is followed. */
  readonly versions: { readonly common: string; readonly nearside: string };
  [name: string]: unknown;
}

export declare const env: Env;
