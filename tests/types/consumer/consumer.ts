// What a consumer writes, checked by tsc --strict. Nothing here runs: the expectations are the types.
import { env, InferenceSession, mapsOf, NearsideError, reportOf, Tensor } from 'nearside';
import type { Attempt, ErrorCode, GpuBuffer, Mode, ModelCheck, ModelInspection, NearsideOptions, Problem, ProgressEvent, Report, Source, TypedTensor } from 'nearside';
import * as ort from 'nearside';

/** Holds only if the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

// Tensors: the type of the data follows from the element type.
const image = new Tensor('float32', new Float32Array(64), [1, 1, 8, 8]);
same<typeof image, TypedTensor<'float32'>>(true);
same<typeof image.data, Float32Array>(true);
const ids = new Tensor('int64', [1, 2n], [2]);
same<typeof ids.data, BigInt64Array>(true);
const words: string[] = new Tensor(['a', 'b']).data;
const flags: Uint8Array = new Tensor('bool', [true, false]).data;
const half: Uint16Array = new Tensor('float16', [1, 2]).data;
const numbers: TypedTensor<'float32'> = new Tensor([1, 2, 3], [3]);
declare const buffer: GpuBuffer;
const halves: TypedTensor<'float16'> = Tensor.fromGpuBuffer(buffer, { dataType: 'float16', dims: [2] });
const shared: TypedTensor<'int32'> = Tensor.fromGpuBuffer(buffer, { dataType: 'int32', dims: [2], download: async () => new Int32Array(2) });
const picture: TypedTensor<'float32'> = Tensor.fromCanvas({ width: 2, height: 2 }, { resizedWidth: 1, norm: { mean: [1, 2, 3] } });
// @ts-expect-error: elements of this type take another room on the GPU
Tensor.fromGpuBuffer(buffer, { dataType: 'int64', dims: [2] });
const reshaped: TypedTensor<'float32'> = image.reshape([64]);
const location: 'cpu' | 'none' | 'gpu-buffer' | 'texture' = image.location;
const data: Promise<Float32Array> = image.getData();
// @ts-expect-error: there is no such element type
new Tensor('complex64', new Float32Array(2));
// @ts-expect-error: the array does not fit the element type
const misfit: TypedTensor<'float32'> = new Tensor('float32', new Float64Array(2));
// @ts-expect-error: dims are fixed
image.dims[0] = 2;

// Sessions: ONNX Runtime's options and nearside's own.
const onProgress = ({ status, file, loaded, total, progress }: ProgressEvent): string => `${status} ${file} ${loaded ?? 0}/${total ?? 0} ${progress ?? 0}`;
const nearside: NearsideOptions = {
  mode: 'prefer_on_device', edge: 'https://edge.example', cloud: { url: 'https://cloud.example', headers: { authorization: 'Bearer x' } },
  model: { name: 'digits', version: 1 }, maxModelBytes: 20e6, maxMemory: 256e6, headers: {}, timeout: 5000, onProgress, signal: AbortSignal.timeout(1000),
  strict: false, gpu: { choose: 'fastest', check: true, golden: { inputs: { image }, outputs: { probabilities: new Tensor([1]) }, tolerance: 0.01 } },
};
const options: InferenceSession.SessionOptions = { executionProviders: ['wasm'], graphOptimizationLevel: 'all', freeDimensionOverrides: { batch: 1 }, preferredOutputLocation: { probabilities: 'gpu-buffer' }, nearside };
// @ts-expect-error: there is no such mode
const mode: Mode = 'fast';

export async function use(buffer: ArrayBuffer): Promise<ReadonlyArray<number | string>> {
  const session: InferenceSession = await InferenceSession.create('/models/digits/1/model.onnx', options);
  await InferenceSession.create(buffer);
  await InferenceSession.create(buffer, 0, 100, options);
  await InferenceSession.create(new Uint8Array(buffer), options);
  await InferenceSession.create(new URL('https://a.example/m.onnx'));
  const results: InferenceSession.ReturnType = await session.run({ image });
  await session.run({ image }, ['probabilities'], { signal: AbortSignal.timeout(1) });
  await session.run({ image }, { probabilities: null });
  await session.run({ image }, { tag: 'a' });
  await session.run({ words: { good: 1 }, more: [new Map([[3, 0.5]])] });
  const classes: Record<string, number>[] = mapsOf(results.probabilities as Tensor, session.outputMetadata[0]?.isTensor ? session.outputMetadata[0] : ['a']);
  // @ts-expect-error: feeds are tensors
  await session.run({ image: new Float32Array(64) });
  const apart: number | null | undefined = session.report.verdicts?.[0]?.apart;
  const device: Promise<object> = env.webgpu.device;
  const report: Report | undefined = reportOf(results);
  const source: Source = session.report.source;
  const attempts: readonly Attempt[] = session.report.attempts;
  const thread: 'worker' | 'inline' | undefined = session.report.engine?.thread;
  const facts: ModelInspection = await InferenceSession.inspect(buffer);
  const missing = facts.operators.filter(({ supported }) => !supported).map(({ domain, type, reason }) => `${domain}.${type}: ${reason ?? ''}`);
  const { ok, problems }: ModelCheck = await InferenceSession.check('/m.onnx', { externalData: ['w.bin', { path: 'v.bin', data: new Blob() }] });
  const advice = problems.map(({ kind, operator, names, reason, advice }: Problem) => `${kind} ${operator} ${names.join()} ${reason} ${advice}`);
  session.startProfiling();
  await session.release();
  void [classes, report, source, attempts, thread, missing, ok, advice];
  const [input] = session.inputMetadata;
  return input?.isTensor ? input.shape : [];
}

export function handle(error: unknown): ErrorCode | undefined {
  if (!(error instanceof NearsideError)) return undefined;
  if (error.code === 'UNSUPPORTED_OPERATOR') console.log(error.details?.problems?.[0]?.operator);
  // @ts-expect-error: there is no such code
  if (error.code === 'NO_LUCK') return undefined;
  return error.code;
}

// Settings as users of onnxruntime-web make them, and the namespace that they import.
env.wasm.wasmPaths = '/wasm/';
env.wasm.wasmPaths = { wasm: new URL('https://a.example/n.wasm') };
env.wasm.wasmBinary = new Uint8Array(8);
env.wasm.numThreads = 4;
env.wasm.proxy = false;
env.logLevel = 'error';
const feeds: Record<string, ort.Tensor> = { image: new ort.Tensor('float32', [1], [1]) };
export async function migrated(session: ort.InferenceSession): Promise<ort.Tensor | undefined> {
  const output: ort.InferenceSession.OnnxValueMapType = await session.run(feeds);
  return output['probabilities'];
}
export { misfit, words, flags, half, numbers, reshaped, location, data, mode };
