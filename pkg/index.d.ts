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
export * from './declarations/placement.js';
export * from './declarations/report.js';
export * from './declarations/inspection.js';
export * from './declarations/env.js';
export * from './declarations/error.js';
import type { ModelCheck, ModelInspection } from './declarations/inspection.js';
import type { NearsideOptions } from './declarations/placement.js';
import type { LabelledMap, SessionReport } from './declarations/report.js';
import type { Tensor } from './declarations/tensor.js';

/** The value of an input or an output. */
export type OnnxValue = Tensor;
/**
 * What an input takes: where the model wants a sequence, an array of tensors; where it wants an optional, null too; where
 * it wants a map, which its `labels` say, one or several.
 */
export type InputValue = OnnxValue | readonly Tensor[] | LabelledMap | readonly LabelledMap[] | null;

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
