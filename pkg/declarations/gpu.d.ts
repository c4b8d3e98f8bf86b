/** The GPU: what a session asks of it, and what it says of it. @packageDocumentation */
import type { Tensor } from './tensor.js';

/** A `GPUBuffer`, where the consumer's libraries declare one. */
export type GpuBuffer = typeof globalThis extends { GPUBuffer: { prototype: infer Buffer } } ? Buffer : object;
/** A `GPUDevice`, where the consumer's libraries declare one. */
export type GpuDevice = typeof globalThis extends { GPUDevice: { prototype: infer Device } } ? Device : object;

/** Inputs with the outputs that are known to be right. */
export interface GoldenOptions {
  readonly inputs: { readonly [name: string]: Tensor };
  readonly outputs: { readonly [name: string]: Tensor };
  /** How far the GPU's outputs may be away, as a part of an output's range. Default 0.005. */
  readonly tolerance?: number;
}

/** With the execution provider `webgpu`: how far the GPU is trusted. */
export interface GpuOptions {
  /**
   * `fastest` (default): the CPU runs what it was measured to be faster at in the first runs on this device;
   * `always`: the GPU runs what it can. A session whose outputs stay on the GPU stays there in any case.
   */
  readonly choose?: 'fastest' | 'always';
  /**
   * Whether the first run of a model on a GPU is compared with the CPU's, and the GPU refused where it is wrong. The
   * verdict is kept for later visits. Default true; models of more than 20 billion multiply-adds or 256 MiB are not compared.
   */
  readonly check?: boolean;
  /** Instead of the first run's inputs: run once on this GPU before the session is ready. */
  readonly golden?: GoldenOptions;
}

/** What is known of a graph on this GPU. */
export interface Verdict {
  /** Whether the GPU is right; also where it was not compared. */
  readonly agrees: boolean;
  /** How far its outputs are away at most, as a part of their range. */
  readonly apart: number | null;
  /** Milliseconds of the CPU's run. */
  readonly cpuMs: number | null;
  /** Milliseconds of the GPU's best run. */
  readonly gpuMs: number | null;
  /** Of how many runs that is the best. */
  readonly gpuRuns: number;
  /** Whether the GPU rounds to float16 on the way. Where that is too little, it computes in float32 instead. */
  readonly half: boolean;
}

/** Where the nodes of a graph ran. */
export interface Placement {
  /** Adapter and driver. */
  readonly adapter: string;
  /** What optional features of the adapter the kernels use. */
  readonly features: readonly ('f16' | 'subgroups')[];
  readonly dispatches: number;
  /** Bytes of constants in the memory of the GPU; those of few bits stay so. */
  readonly weights: number;
  /** Bytes of what lies between the kernels there. */
  readonly values: number;
  readonly segments: readonly {
    readonly device: 'gpu' | 'cpu';
    /**
     * `reason`: why the node is not on the GPU. `f16`: what of it is float16 there, its result alone (`memory`), or also
     * what its kernel multiplies and adds (`arithmetic`).
     */
    readonly nodes: readonly { readonly name: string; readonly operator: string; readonly f16?: 'memory' | 'arithmetic'; readonly reason?: string }[];
  }[];
}

/** `env.webgpu` */
export interface WebGpuFlags {
  /**
   * The device that the engine and the page share. Set it, or read it (a promise), before the first session: the engine
   * then runs in this thread, so that buffers can go to and fro. Later it gives the engine's present device, which is
   * another one after a loss.
   */
  get device(): Promise<GpuDevice>;
  set device(device: GpuDevice);
  /** No effect. */
  [name: string]: unknown;
}
