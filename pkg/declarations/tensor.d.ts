/** Tensors, as `onnxruntime-common` has them. @packageDocumentation */
import type { GpuBuffer } from './gpu.js';

export declare namespace Tensor {
  /** The array that holds the data of each element type. */
  interface DataTypeMap {
    float32: Float32Array;
    /** Bit patterns. Where `Float16Array` exists, the tensor holds one of these, as in ONNX Runtime. */
    float16: Uint16Array;
    float64: Float64Array;
    int8: Int8Array;
    int16: Int16Array;
    int32: Int32Array;
    int64: BigInt64Array;
    uint8: Uint8Array;
    uint16: Uint16Array;
    uint32: Uint32Array;
    uint64: BigUint64Array;
    /** 0 or 1. */
    bool: Uint8Array;
    string: string[];
  }

  /** One element of each type, as JavaScript has it. */
  interface ElementTypeMap {
    float32: number;
    float16: number;
    float64: number;
    int8: number;
    int16: number;
    int32: number;
    int64: bigint;
    uint8: number;
    uint16: number;
    uint32: number;
    uint64: bigint;
    bool: boolean;
    string: string;
  }

  /** The element types. */
  type Type = keyof DataTypeMap;
  type DataType = DataTypeMap[Type];
  type ElementType = ElementTypeMap[Type];
  /** Where the data is: on the CPU, on the GPU, in an image that a run will read, or nowhere after `dispose`. */
  type DataLocation = 'none' | 'cpu' | 'gpu-buffer' | 'texture';
  /** How a model wants an image; the options of onnxruntime-web's `Tensor.fromImage`. */
  interface ImageOptions {
    /** Default: the image's own size. */
    readonly resizedWidth?: number;
    readonly resizedHeight?: number;
    /** Default `RGB`. */
    readonly tensorFormat?: 'RGB' | 'BGR' | 'RGBA' | 'R';
    /** Default `NCHW`. */
    readonly tensorLayout?: 'NCHW' | 'NHWC';
    /** `value = (pixel + bias) / mean` of pixels from 0 to 255; for all channels or one each. Default 255 and 0. */
    readonly norm?: { readonly mean?: number | readonly number[]; readonly bias?: number | readonly number[] };
  }
  /** Where outputs can be placed. */
  type OutputLocation = 'cpu' | 'cpu-pinned' | 'gpu-buffer';
  /** The types whose GPU buffers can be shared, `float16` where the device has `shader-f16`: elsewhere the engine's elements take other room. */
  type GpuBufferDataTypes = 'float16' | 'float32' | 'int32' | 'uint32';
}

/** A tensor of a known element type. */
export interface TypedTensor<T extends Tensor.Type> {
  /** The element type. */
  readonly type: T;
  /** The dimensions. */
  readonly dims: readonly number[];
  /** The number of elements. */
  readonly size: number;
  /** The elements in row-major order. @throws {NearsideError} INVALID_INPUT after `dispose`, and where they are on the GPU */
  readonly data: Tensor.DataTypeMap[T];
  /** Where the data is. */
  readonly location: Tensor.DataLocation;
  /**
   * The `GPUBuffer` that holds the data. Of a result only where the engine shares this thread (`env.webgpu.device`,
   * `env.wasm.proxy = false`), and of the types `Tensor.GpuBufferDataTypes`. @throws {NearsideError} INVALID_INPUT, TYPE_MISMATCH
   */
  readonly gpuBuffer: GpuBuffer;
  /**
   * The elements, fetched where they are on the GPU; the tensor is on the CPU then. `releaseData` gives the GPU's memory back.
   * @throws {NearsideError} GPU_LOST when the device was lost, and the data with it
   */
  getData(releaseData?: boolean): Promise<Tensor.DataTypeMap[T]>;
  /** Lets go of the data, and of the GPU's memory. */
  dispose(): void;
  /** The same data under other dimensions of the same size; not of a tensor on the GPU. */
  reshape(dims: readonly number[]): TypedTensor<T>;
}

/** A tensor. */
export interface Tensor extends TypedTensor<Tensor.Type> {
  reshape(dims: readonly number[]): Tensor;
}

/** The constructors of `Tensor`. Typed arrays are held, not copied. Without `dims` a tensor has one dimension. */
export interface TensorConstructor {
  new (type: 'string', data: readonly string[], dims?: readonly number[]): TypedTensor<'string'>;
  new (type: 'bool', data: Uint8Array | readonly boolean[], dims?: readonly number[]): TypedTensor<'bool'>;
  new (type: 'uint8', data: Uint8ClampedArray, dims?: readonly number[]): TypedTensor<'uint8'>;
  new <T extends 'int64' | 'uint64'>(type: T, data: Tensor.DataTypeMap[T] | readonly (bigint | number)[], dims?: readonly number[]): TypedTensor<T>;
  /** `float16` also takes a `Float16Array`, or numbers, which are rounded to half precision. */
  new <T extends Exclude<Tensor.Type, 'string' | 'bool' | 'int64' | 'uint64'>>(type: T, data: Tensor.DataTypeMap[T] | readonly number[], dims?: readonly number[]): TypedTensor<T>;
  new (data: Float32Array, dims?: readonly number[]): TypedTensor<'float32'>;
  new (data: Float64Array, dims?: readonly number[]): TypedTensor<'float64'>;
  new (data: Int8Array, dims?: readonly number[]): TypedTensor<'int8'>;
  new (data: Int16Array, dims?: readonly number[]): TypedTensor<'int16'>;
  new (data: Int32Array, dims?: readonly number[]): TypedTensor<'int32'>;
  new (data: BigInt64Array, dims?: readonly number[]): TypedTensor<'int64'>;
  new (data: Uint8Array, dims?: readonly number[]): TypedTensor<'uint8'>;
  new (data: Uint8ClampedArray, dims?: readonly number[]): TypedTensor<'uint8'>;
  new (data: Uint16Array, dims?: readonly number[]): TypedTensor<'uint16'>;
  new (data: Uint32Array, dims?: readonly number[]): TypedTensor<'uint32'>;
  new (data: BigUint64Array, dims?: readonly number[]): TypedTensor<'uint64'>;
  new (data: readonly string[], dims?: readonly number[]): TypedTensor<'string'>;
  new (data: readonly boolean[], dims?: readonly number[]): TypedTensor<'bool'>;
  new (data: readonly number[], dims?: readonly number[]): TypedTensor<'float32'>;
  new (data: readonly bigint[], dims?: readonly number[]): TypedTensor<'int64'>;
  new (type: Tensor.Type, data: Tensor.DataType | readonly (number | bigint)[] | readonly string[] | readonly boolean[], dims?: readonly number[]): Tensor;
  new (data: Tensor.DataType, dims?: readonly number[]): Tensor;
  /** The same as the constructor: nearside has no pinned memory. */
  fromPinnedBuffer<T extends Exclude<Tensor.Type, 'string'>>(type: T, buffer: Tensor.DataTypeMap[T], dims?: readonly number[]): TypedTensor<T>;
  /**
   * A tensor in a buffer of the device that the engine uses too, `env.webgpu.device`: runs read it without any way over
   * the CPU. `download` fetches the elements for runs elsewhere, `dispose` is called by the tensor's own.
   */
  fromGpuBuffer<T extends Tensor.GpuBufferDataTypes = 'float32'>(gpuBuffer: GpuBuffer, options: {
    readonly dataType?: T;
    readonly dims: readonly number[];
    readonly download?: () => Promise<Tensor.DataTypeMap[T]>;
    readonly dispose?: () => void;
  }): TypedTensor<T>;
  /**
   * A float32 tensor `[1, channels, height, width]` of an image, which is resized and normalised where the model runs: by
   * the GPU for a model that is there, else by a canvas. The image is read when a run starts; it must be there until then.
   */
  fromImage(image: ImageSource, options?: Tensor.ImageOptions): Promise<TypedTensor<'float32'>>;
  fromImageBitmap(bitmap: ImageSource, options?: Tensor.ImageOptions): TypedTensor<'float32'>;
  fromVideoFrame(frame: ImageSource, options?: Tensor.ImageOptions): TypedTensor<'float32'>;
  fromCanvas(canvas: ImageSource, options?: Tensor.ImageOptions): TypedTensor<'float32'>;
}

/** An ImageBitmap, a VideoFrame, a canvas, ImageData, an image or a video element, where the consumer's libraries declare them. */
export type ImageSource = { readonly width: number; readonly height: number } | { readonly displayWidth: number; readonly displayHeight: number };

export declare const Tensor: TensorConstructor;
