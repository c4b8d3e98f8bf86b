/**
 * Session: the public face of a model.
 *
 * In: a model and options, then feeds. Out: tensors by name, each result with its report. The order of the data:
 * options -> route (place -> device | remote) -> feeds -> queue -> route -> tensors. One decision: one run at a
 * time per session; the others wait in their order and may be aborted while they wait.
 * @module
 */
import { checkEnv } from './env.js';
import { NearsideError } from './errors.js';
import { DeviceModel } from './device.js';
import { fill, readFeeds, readFetches } from './feeds.js';
import { readArguments, readPolicy, readRunOptions } from './options.js';
import { RemoteModel } from './remote.js';
import { attach, reporter } from './report.js';
import { Route } from './route.js';
import { abortable, throwIfAborted } from './signals.js';
import { GPU, Tensor } from './tensor.js';

/** What `onnxruntime-common` calls the metadata of a value. */
const metadata = ({ name, kind, type, shape, labels }) => Object.freeze({
  name,
  isTensor: kind === undefined,
  ...(kind && { kind }),
  type,
  shape: Object.freeze([...shape]),
  ...(labels && { labels: Object.freeze([...labels]) }),
});

/** An output as the caller gets it: a tensor, an array of them for a sequence, or null for an empty optional. */
function valueOf({ type, dims, data, sequence, absent, gpu }) {
  if (absent) return null;
  if (gpu) return new Tensor({ location: 'gpu-buffer', type, dims, [GPU]: gpu });
  return sequence ? sequence.map(valueOf) : new Tensor(type, data, dims);
}

/**
 * The class for one platform.
 * @param {import('./device.js').Platform} platform
 */
export function sessionOn(platform) {
  const onDevice = async (args, work) => {
    checkEnv();
    const { source, options } = readArguments(args);
    const policy = readPolicy(source, options);
    throwIfAborted(policy.signal);
    const why = platform.missing();
    if (why) throw new NearsideError('ENGINE_FAILED', why);
    return abortable(work(new DeviceModel(platform, source, policy), policy.signal), policy.signal);
  };

  return class InferenceSession {
    #route;
    #signature;
    #created;
    /** Gives the report of the latest run. @type {(() => import('./report.js').Report) | undefined} */
    #lastRun;
    /** @type {Promise<unknown>} */
    #tail = Promise.resolve();
    #released = false;
    /** Which outputs stay on the GPU. @type {(name: string) => boolean} */
    #keeps;

    /** Sessions come from `InferenceSession.create`. */
    constructor(route, signature, created, keeps) {
      if (!(route instanceof Route)) throw new NearsideError('INVALID_INPUT', 'Use InferenceSession.create.');
      this.#route = route;
      this.#signature = signature;
      this.#created = created;
      this.#keeps = keeps;
    }

    static async create(...args) {
      const started = performance.now();
      checkEnv();
      const { source, options } = readArguments(args);
      const policy = readPolicy(source, options);
      throwIfAborted(policy.signal);
      const route = new Route(modelsFor(platform, source, policy), policy, {
        modelBytes: source.bytes && !policy.externalData.length ? source.bytes.byteLength : undefined,
        engineMissing: platform.missing(),
      });
      const opening = route.open(policy.signal);
      try {
        const answer = await abortable(opening, policy.signal);
        const { result } = answer;
        const report = reporter(answer, undefined, performance.now() - started)();
        const signature = withFreeDimensions(result.signature, policy.freeDimensions);
        return new this(route, signature, report, policy.keeps(signature.outputs.map(({ name }) => name)));
      } catch (error) {
        // Not waited for: who aborts does not want to wait until the engine has compiled.
        opening.catch(() => {}).then(() => route.close()).catch(() => {});
        throw error;
      }
    }

    /** What a model is made of, and what of it the engine lacks; runs nothing and asks no other place. */
    static async inspect(...args) {
      return onDevice(args, (model, signal) => model.inspect(signal));
    }

    /** Everything in a model that the engine cannot run, with what to do; makes no session and asks no other place. */
    static async check(...args) {
      return onDevice(args, (model, signal) => model.check(signal));
    }

    get inputNames() {
      return this.#signature.inputs.map(({ name }) => name);
    }

    get outputNames() {
      return this.#signature.outputs.map(({ name }) => name);
    }

    get inputMetadata() {
      return this.#signature.inputs.map(metadata);
    }

    get outputMetadata() {
      return this.#signature.outputs.map(metadata);
    }

    /** Where the model runs and why; `lastRun` is the report of the latest run. */
    get report() {
      const { bytesFetched, times } = this.#created;
      const lastRun = this.#lastRun?.();
      return Object.freeze({ ...(lastRun ?? this.#created), bytesFetched, times, lastRun });
    }

    async run(feeds, second, third) {
      this.#checkAlive();
      const { fetches, preallocated, options } = readFetches(second, third, this.#signature.outputs);
      const { signal } = readRunOptions(options);
      const tensors = readFeeds(feeds, this.#signature.inputs);
      const keep = fetches.filter((name) => this.#keeps(name) && !preallocated[name]);
      throwIfAborted(signal);
      const asked = performance.now();
      const turn = this.#tail.then(async () => {
        throwIfAborted(signal);
        const started = performance.now();
        const answer = await this.#route.run(tensors, fetches, signal, keep);
        return { outputs: answer.result.outputs, report: reporter(answer, started - asked, performance.now() - started) };
      });
      this.#tail = turn.catch(() => {});
      const { outputs, report } = await abortable(turn, signal);
      this.#lastRun = report;
      const results = {};
      for (const output of outputs) {
        results[output.name] = preallocated[output.name]
          ? fill(preallocated[output.name], output)
          : valueOf(output);
      }
      return attach(results, report);
    }

    /** Lets the runs that wait finish, then gives the memory back. Later runs are refused. */
    async release() {
      if (this.#released) return;
      this.#released = true;
      await this.#tail;
      await this.#route.close();
    }

    /** The engine measures every run anyway: see `reportOf`. */
    startProfiling() {}

    endProfiling() {}

    #checkAlive() {
      if (this.#released) throw new NearsideError('SESSION_RELEASED', 'The session was released.');
    }
  };
}

/** A model for each place that the policy may reach; none of them does anything yet. */
function modelsFor(platform, source, policy) {
  const models = { on_device: new DeviceModel(platform, source, policy) };
  if (policy.edge && policy.model) models.in_edge = new RemoteModel(policy.edge, policy.model, policy.timeout);
  if (policy.cloud && policy.model) models.in_cloud = new RemoteModel(policy.cloud, policy.model, policy.timeout);
  return models;
}

/** `freeDimensionOverrides`: a symbol of the model becomes the caller's number. */
function withFreeDimensions({ inputs, outputs }, overrides) {
  const bind = (info) => ({ ...info, shape: info.shape.map((dim) => (Object.hasOwn(overrides, dim) ? overrides[dim] : dim)) });
  return { inputs: inputs.map(bind), outputs: outputs.map(bind) };
}
