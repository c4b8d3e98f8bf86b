/**
 * nearside runs an ONNX model on the nearest machine that can: the page, the edge, or the cloud.
 *
 * The surface is that of `onnxruntime-common`; nearside's own options are under the key `nearside`.
 *
 * @example
 * ```ts
 * import { InferenceSession, Tensor, reportOf } from 'nearside';
 *
 * const session = await InferenceSession.create('/models/digits/1/model.onnx', {
 *   nearside: { edge: 'https://edge.example', maxModelBytes: 20e6 },
 * });
 * const results = await session.run({ image: new Tensor('float32', pixels, [1, 1, 8, 8]) });
 * console.log(results.probabilities.data, reportOf(results)?.source);
 * ```
 * @packageDocumentation
 */

export * from './declarations/tensor.js';
export * from './declarations/gpu.js';
import type { GpuOptions, Placement, Verdict, WebGpuFlags } from './declarations/gpu.js';
import type { Tensor } from './declarations/tensor.js';

/** The value of an input or an output. */
export type OnnxValue = Tensor;
/**
 * What an input takes: where the model wants a sequence, an array of tensors; where it wants an optional, null too; where
 * it wants a map, which its `labels` say, one or several.
 */
export type InputValue = OnnxValue | readonly Tensor[] | LabelledMap | readonly LabelledMap[] | null;

// --------------------------------------------------------------------------------------------------- placement

/** Which machines may run the model, and in which order they are asked. */
export type Mode = 'prefer_on_device' | 'only_on_device' | 'prefer_in_cloud' | 'only_in_cloud';

/** The machine that ran the model. */
export type Source = 'on_device' | 'in_edge' | 'in_cloud';

/** A server of the Open Inference Protocol v2: the part of its address before `/v2`, and headers for it alone. */
export type RemoteConfig = string | URL | { readonly url: string; readonly headers?: Readonly<Record<string, string>> };

/** The edge, and the largest model file in bytes that it is asked to run. */
export type EdgeConfig = string | URL | { readonly url: string; readonly headers?: Readonly<Record<string, string>>; readonly maxModelBytes?: number };

/** What happens while a model is fetched; the shape of transformers.js' progress events. */
export interface ProgressEvent {
  readonly status: 'initiate' | 'download' | 'progress' | 'done' | 'ready';
  /** The last part of the address. */
  readonly file: string;
  readonly url: string;
  /** Bytes so far. */
  readonly loaded?: number;
  /** Bytes in all; the bytes so far where the server does not say. */
  readonly total?: number;
  /** Percent; 0 where the server does not say the total. */
  readonly progress?: number;
}

/** nearside's own options of a session. */
export interface NearsideOptions {
  /** Default: `prefer_on_device`. With `only_on_device` nothing but the model's own address is ever asked. */
  readonly mode?: Mode;
  /** The edge: nearside's Worker, say. It is asked only for models of at most `maxModelBytes`, where that is given. */
  readonly edge?: EdgeConfig;
  /** The cloud: `nearside serve`, Triton, KServe, OpenVINO Model Server. */
  readonly cloud?: RemoteConfig;
  /** The model's name there. Default, from the address: `…/<name>/<version>/model.onnx` or `…/<name>.onnx` (or `.tflite`). */
  readonly model?: string | { readonly name: string; readonly version?: string | number };
  /** The largest model file in bytes that the device takes. Its size is asked for before it is fetched. */
  readonly maxModelBytes?: number;
  /** The most memory in bytes that the device gives; compared with the estimate 32 MiB + 2 x the model file. */
  readonly maxMemory?: number;
  /** Headers of every request of this session: for the model file, to the edge and to the cloud. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds that one answer of the edge or the cloud may take, and the question for the size. Default 30000. */
  readonly timeout?: number;
  /** Hears how the model arrives. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Gives up while the model is fetched. */
  readonly signal?: AbortSignal;
  /** Measures each node of each run on the device: `reportOf(results).profile`. */
  readonly profile?: boolean;
  /** With the execution provider `webgpu`: fail rather than have the CPU run any operator. */
  readonly strict?: boolean;
  /** With the execution provider `webgpu`: how far it is trusted. */
  readonly gpu?: GpuOptions;
}

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

// --------------------------------------------------------------------------------------------------- sessions

export declare namespace InferenceSession {
  type OnnxValueMapType = { readonly [name: string]: OnnxValue };
  type NullableOnnxValueMapType = { readonly [name: string]: OnnxValue | null };
  /** Inputs by name. */
  type FeedsType = { readonly [name: string]: InputValue };
  /** Names of the wanted outputs; or an object of null, or of a tensor that takes the output. */
  type FetchesType = readonly string[] | NullableOnnxValueMapType;
  /**
   * Outputs by name. `reportOf` gives the report. An output that is a sequence (`outputMetadata` says so) is an
   * array of tensors, an empty optional is null; ONNX Runtime's own packages refuse such models.
   */
  type ReturnType = OnnxValueMapType;

  /** `'webgpu'`, `'wasm'`, `'cpu'`, in the order of preference; others are accepted and named once on the console. */
  type ExecutionProviderConfig = string | { readonly name: string; readonly [option: string]: unknown };

  /** A file beside the model that its constants lie in, as onnxruntime-web takes it. */
  interface ExternalDataFileDescription {
    /** As the model names it, relative to its own folder. */
    readonly path: string;
    /** Its address (in Node also a path), or its bytes. */
    readonly data: string | URL | Uint8Array | ArrayBufferLike | Blob;
  }
  /** A file beside the model; a plain address stands for the path that it ends with. */
  type ExternalDataFileType = ExternalDataFileDescription | string;

  /** Options of `create`. Those of ONNX Runtime that only tune its engine are accepted and have no effect. */
  interface SessionOptions {
    /** nearside's own options. */
    readonly nearside?: NearsideOptions;
    /** Fixes dimensions that the model leaves open, by their name. */
    readonly freeDimensionOverrides?: { readonly [dimensionName: string]: number };
    /** Files beside the model. Those that are not given are fetched relative to the model's own address. */
    readonly externalData?: readonly ExternalDataFileType[];
    readonly executionProviders?: readonly ExecutionProviderConfig[];
    readonly intraOpNumThreads?: number;
    readonly interOpNumThreads?: number;
    readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'layout' | 'all';
    readonly enableCpuMemArena?: boolean;
    readonly enableMemPattern?: boolean;
    readonly executionMode?: 'sequential' | 'parallel';
    readonly optimizedModelFilePath?: string;
    readonly enableProfiling?: boolean;
    readonly profileFilePrefix?: string;
    readonly logId?: string;
    readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
    readonly logVerbosityLevel?: number;
    /** With the execution provider `webgpu`: where outputs are placed, all of them or by name. Those on the GPU can be fed to later runs. */
    readonly preferredOutputLocation?: Tensor.OutputLocation | { readonly [outputName: string]: Tensor.OutputLocation };
    readonly enableGraphCapture?: boolean;
    readonly extra?: Record<string, unknown>;
  }

  /** Options of `run`. Those of ONNX Runtime are accepted and have no effect. */
  interface RunOptions {
    /** Gives up this run while it waits; a run that has begun is not waited for. */
    readonly signal?: AbortSignal;
    readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
    readonly logVerbosityLevel?: number;
    readonly terminate?: boolean;
    readonly tag?: string;
    readonly extra?: Record<string, unknown>;
  }

  /** An input or an output of the model. */
  interface TensorValueMetadata {
    readonly name: string;
    readonly isTensor: true;
    readonly type: Tensor.Type;
    /** A number, the name of an open dimension, or '' for one without a name. Empty: a scalar or an unknown rank. */
    readonly shape: ReadonlyArray<number | string>;
    /** What each column stands for, where the model has a map (`ZipMap`, `DictVectorizer`) and the engine a table. */
    readonly labels?: readonly string[];
  }
  interface NonTensorValueMetadata {
    readonly name: string;
    readonly isTensor: false;
    readonly kind: 'sequence' | 'optional';
    /** Of each tensor in it. */
    readonly type: Tensor.Type;
    readonly shape: ReadonlyArray<number | string>;
  }
  type ValueMetadata = TensorValueMetadata | NonTensorValueMetadata;
}

/** A model that answers runs. Runs of one session go one after another; it may be asked for several at once. */
export interface InferenceSession {
  /** Runs the model. */
  run(feeds: InferenceSession.FeedsType, options?: InferenceSession.RunOptions): Promise<InferenceSession.ReturnType>;
  run(feeds: InferenceSession.FeedsType, fetches: InferenceSession.FetchesType, options?: InferenceSession.RunOptions): Promise<InferenceSession.ReturnType>;
  /** Lets the runs that wait finish, then gives the memory back. Later runs fail with SESSION_RELEASED. */
  release(): Promise<void>;
  /** Nothing: every run is measured, see `reportOf`. */
  startProfiling(): void;
  /** Nothing: every run is measured, see `reportOf`. */
  endProfiling(): void;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly InferenceSession.ValueMetadata[];
  readonly outputMetadata: readonly InferenceSession.ValueMetadata[];
  /** Where the model runs and why. */
  readonly report: SessionReport;
}

/** One kind of operator in a model. */
export interface OperatorUse {
  readonly domain: string;
  readonly type: string;
  /** How many nodes. */
  readonly count: number;
  readonly supported: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** What a model file is made of. */
export interface ModelInspection {
  /**
   * `tflite`: read as the ONNX model that computes the same, whose facts these are; `nearside`: the published form of
   * one of both, as `nearside optimize` writes it.
   */
  readonly format: 'onnx' | 'tflite' | 'nearside';
  readonly irVersion: number;
  /** Versions of the operator sets by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly parameters: number;
  readonly nodes: number;
  readonly operators: readonly OperatorUse[];
  /** For a published form: the shapes of the inputs, in order, that it has plans for. */
  readonly plans?: readonly (readonly (readonly number[])[])[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

/** One reason why the engine cannot run a model, with everything that it concerns. */
export interface Problem {
  /** An operator that is lacking, a form or attribute of one, or the type of a value. */
  readonly kind: 'operator' | 'attribute' | 'type';
  /** `domain.Type`; empty for a type. */
  readonly operator: string;
  /** The nodes by name; for a type the values. */
  readonly names: readonly string[];
  /** Why it cannot run. */
  readonly reason: string;
  /** What to do. */
  readonly advice: string;
}

/** What stands in a model's way. */
export interface ModelCheck {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
}

/** An input or an output in an inspection. */
export interface ValueInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: ReadonlyArray<number | string>;
  /** What each column stands for, where the model has a map (`ZipMap`, `DictVectorizer`) and the engine a table. */
  readonly labels?: readonly string[];
}

/** The makers of sessions. */
export interface InferenceSessionFactory {
  /** Loads a model from an address; in Node also from a path. */
  create(uri: string | URL, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  /** Loads a model from bytes, which stay the caller's and are needed again if the engine is lost. */
  create(buffer: ArrayBufferLike, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  create(buffer: ArrayBufferLike, byteOffset: number, byteLength?: number, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  create(buffer: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  /** Reads what a model is made of, also of one whose operators the engine lacks. Always on the device. */
  inspect(uri: string | URL, options?: InferenceSession.SessionOptions): Promise<ModelInspection>;
  inspect(buffer: ArrayBufferLike, options?: InferenceSession.SessionOptions): Promise<ModelInspection>;
  inspect(buffer: ArrayBufferLike, byteOffset: number, byteLength?: number, options?: InferenceSession.SessionOptions): Promise<ModelInspection>;
  inspect(buffer: Uint8Array, options?: InferenceSession.SessionOptions): Promise<ModelInspection>;
  /** Lists everything in a model that the engine cannot run; `create` fails with the same list. Always on the device. */
  check(uri: string | URL, options?: InferenceSession.SessionOptions): Promise<ModelCheck>;
  check(buffer: ArrayBufferLike, options?: InferenceSession.SessionOptions): Promise<ModelCheck>;
  check(buffer: ArrayBufferLike, byteOffset: number, byteLength?: number, options?: InferenceSession.SessionOptions): Promise<ModelCheck>;
  check(buffer: Uint8Array, options?: InferenceSession.SessionOptions): Promise<ModelCheck>;
}

export declare const InferenceSession: InferenceSessionFactory;

// -------------------------------------------------------------------------------------------------- environment

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

// ------------------------------------------------------------------------------------------------------ errors

/** What went wrong; stable, for programs. */
export type ErrorCode =
  | 'INVALID_MODEL' | 'UNSUPPORTED_OPERATOR' | 'CANNOT_PLAN' | 'UNSUPPORTED_TYPE' | 'INVALID_INPUT' | 'SHAPE_MISMATCH' | 'TYPE_MISMATCH'
  | 'MALFORMED_REQUEST' | 'MODEL_NOT_FOUND' | 'NOT_FOUND' | 'METHOD_NOT_ALLOWED' | 'TOO_LARGE' | 'OUT_OF_MEMORY' | 'TIMEOUT'
  | 'UNAVAILABLE' | 'GPU_UNAVAILABLE' | 'GPU_LOST' | 'IO' | 'INTERNAL' | 'OVER_BUDGET' | 'DOWNLOAD_FAILED' | 'ENGINE_FAILED' | 'ENGINE_CRASHED' | 'ABORTED'
  | 'SESSION_RELEASED' | 'NO_PLACE' | 'REMOTE_ERROR';

/** The one error type of the package. */
export declare class NearsideError extends Error {
  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>, cause?: unknown);
  readonly name: 'NearsideError';
  readonly code: ErrorCode;
  /**
   * Facts by code: `problems` of UNSUPPORTED_OPERATOR and UNSUPPORTED_TYPE, `url` and `status` of DOWNLOAD_FAILED, `status` and `error` of
   * REMOTE_ERROR, `attempts` of NO_PLACE and of a failed creation.
   */
  readonly details?: {
    readonly problems?: readonly Problem[];
    readonly attempts?: readonly Attempt[];
    readonly url?: string;
    readonly status?: number;
    readonly [fact: string]: unknown;
  };
}
