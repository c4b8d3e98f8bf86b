/** What a session and each run say of themselves. @packageDocumentation */
import type { InferenceSession } from '../index.js';
import type { ErrorCode } from './error.js';
import type { Placement, Verdict } from './gpu.js';
import type { Source } from './placement.js';
import type { Tensor } from './tensor.js';

/** A node of the engine's optimised graph, and how long it ran. */
export interface ProfileStep {
  readonly node: string;
  /** What it computes, in the engine's words. */
  readonly operator: string;
  /** How it computes it, in the engine's words. */
  readonly details: readonly string[];
  /** Shape and type of each input: `1x3x416x416 F32`. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Milliseconds; a page that is not `crossOriginIsolated` has a coarse clock. */
  readonly ms: number;
}

/** A place that was tried or ruled out before the one that answered. */
export interface Attempt {
  readonly place: Source;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Where something ran, why there, and how long it took. */
export interface Report {
  readonly source: Source;
  /**
   * On the device `wasm-simd128`, `wasm-relaxed-simd`, `wasm-threads` where more than one thread worked, or `webgpu`;
   * elsewhere the server's word for its engine.
   */
  readonly backend: string;
  /** `PREFERRED`, or the code of what kept the model from a place before. */
  readonly reason: { readonly code: ErrorCode | 'PREFERRED' | 'NOT_CONFIGURED'; readonly message: string };
  readonly attempts: readonly Attempt[];
  /** Bytes that came over the network: of the model, or of the answer. */
  readonly bytesFetched: number;
  /** Bytes that went to the edge or the cloud. */
  readonly bytesSent?: number;
  /**
   * On the device: in which thread the engine ran, and why not in a worker; `trimmed`: whether it was the one that
   * pages load first, without the functions that few models need, or the whole one; `simd`: with `simd128` results are
   * the same bits on every machine; `threads`: how many worked.
   */
  readonly engine?: {
    readonly thread: 'worker' | 'inline'; readonly trimmed: boolean; readonly simd: 'simd128' | 'relaxed-simd';
    readonly threads: number; readonly reason?: string;
  };
  /** Milliseconds by part: `engine download load metadata total` of a session, `queue plan check run request total` of a run. */
  readonly times: Readonly<Record<string, number>>;
  /** On the device, with the option `profile`: the nodes in the order in which they ran. */
  readonly profile?: readonly ProfileStep[];
  /** With the execution provider `webgpu`: for each graph of the model, what ran where, in order, and why. */
  readonly plan?: readonly Placement[];
  /** What is known of this GPU, for each graph: whether it is right, and how fast. */
  readonly verdicts?: readonly Verdict[];
  /** Why the CPU ran what the GPU could have. */
  readonly cpuChosen?: string;
  /** Why the CPU ran what the GPU should have. */
  readonly gpuError?: string;
}

/** The report of a session: bytes and times of its creation, the rest of its latest run. */
export interface SessionReport extends Report {
  readonly lastRun?: Report;
}

/** The report of the results of a run. */
export declare function reportOf(results: InferenceSession.ReturnType): Report | undefined;

/**
 * The rows of a table that stands for maps, as objects: what `ZipMap` gives. `labels` is the output's entry in
 * `outputMetadata`, or what it has under `labels`.
 */
export declare function mapsOf(table: Tensor, labels: readonly string[] | { readonly labels?: readonly string[] }): Record<string, number>[];

/** A map from words to numbers, for an input that has `labels`. */
export type LabelledMap = { readonly [label: string]: number } | ReadonlyMap<string | number, number>;
