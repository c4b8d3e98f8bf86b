/** Where a model may run: what a session asks for. @packageDocumentation */
import type { GpuOptions } from './gpu.js';

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
