/**
 * Device: a model on this machine.
 *
 * In: where the model is, the caller's budget, tensors. Out: its signature, tensors. One decision: what is needed
 * to load the model again (its address, or the caller's own bytes) is kept, so that a session survives the loss of
 * its engine: the next run loads it into a new one.
 * @module
 */
import { NearsideError } from './errors.js';
import { askSize, fileOf } from './download.js';
import { besideUrl, blobFile, givenFor } from './external.js';
import { Resident } from './gpu/resident.js';
import { largestModel } from './place.js';
import { limited, throwIfAborted } from './signals.js';
import { fetched } from './tensor.js';

/** How much of the caller's bytes is copied at a time on its way to the engine. */
const CHUNK = 4 << 20;
/** How often a call is repeated that failed only because another one crashed the engine, or because a part was trimmed. */
const REPEATS = 3;

/**
 * @typedef {object} Platform what differs between hosts
 * @property {import('./engine/host.js').EngineHost} host
 * @property {() => string | undefined} missing why the engine cannot run here
 * @property {(source: { url?: string, bytes?: Uint8Array }) => Located} locate
 *
 * @typedef {object} Located one of the three
 * @property {string} [url] absolute
 * @property {Uint8Array} [bytes]
 * @property {{ url: string, size: () => Promise<number>, chunks: () => AsyncIterable<Uint8Array>,
 *              beside?: (location: string) => Promise<Located> }} [file]
 */

let nextKey = 0;

export class DeviceModel {
  #platform;
  #source;
  #policy;
  /** @type {{ engine: import('./engine/inline.js').Engine, key: number } | undefined} */
  #loaded;
  #entered = false;
  backend = 'wasm-simd128';
  /** What is asked of the GPU, see engine/gpu.js. */
  #gpu;
  #gpuError;
  /** What the latest run says of its engine. */
  #description;

  constructor(platform, source, policy) {
    const has = globalThis.navigator?.gpu !== undefined;
    this.#gpu = policy.gpu && (has || policy.gpu.strict) ? policy.gpu : undefined;
    this.#gpuError = policy.gpu && !this.#gpu ? 'GPU_UNAVAILABLE: this host has no WebGPU' : undefined;
    this.#platform = platform;
    this.#source = platform.locate(source);
    this.#policy = policy;
  }

  /** The size of the model file and of what was given beside it, without loading anything; undefined where unknown. */
  async size(signal) {
    const given = this.#policy.externalData.map((entry) => this.#given(entry));
    const sizes = await Promise.all([this.#source, ...given].map((source) => this.#sizeOf(source, signal)));
    return sizes.some((size) => size === undefined) ? undefined : sum(sizes);
  }

  async #sizeOf({ bytes, file, url }, signal) {
    if (bytes) return bytes.byteLength;
    if (file) return file.size();
    const { headers, timeout } = this.#policy;
    return limited({ signal, ms: timeout, what: `HEAD ${url}` }, (inner) => askSize(url, { headers, signal: inner }));
  }

  /** Starts the engine where none runs, fetches the model into it and prepares it. */
  async open(signal) {
    return this.#repeating(async () => {
      const engineStarted = performance.now();
      const { engine, key } = await this.#enter();
      try {
        const downloadStarted = performance.now();
        const bytesFetched = await this.#collect(engine, key, signal);
        const loadStarted = performance.now();
        const { ms, ...signature } = await engine.call('load', { key, gpu: this.#gpu });
        this.#loaded = { engine, key };
        this.backend = backendOf(engine);
        this.#policy.onProgress?.({ status: 'ready', ...this.#names() });
        return {
          signature,
          bytesFetched,
          engine: this.#described(engine),
          times: { engine: downloadStarted - engineStarted, download: loadStarted - downloadStarted, load: ms },
        };
      } catch (error) {
        if (engine.alive) await engine.call('unload', { key }).catch(() => {});
        throw error;
      }
    });
  }

  /** One run; `times` and `bytesFetched` tell of a model that had to be loaded again for it. */
  async infer(feeds, fetches, signal, keep) {
    return this.#repeating(async () => {
      const reopened = this.#loaded?.engine.alive ? undefined : await this.open(signal);
      throwIfAborted(signal);
      const { engine, key } = this.#loaded;
      const tensors = feeds.some(({ gpu }) => gpu) ? await Promise.all(feeds.map((feed) => this.#feed(feed, engine))) : feeds;
      const result = await engine.call('run', { key, feeds: tensors, fetches, profile: this.#policy.profile, keep });
      const answer = {
        outputs: result.outputs.map((output) => (output.resident === undefined ? output : this.#held(output, engine))),
        backend: backendOf(engine),
        engine: this.#described(engine),
        bytesFetched: reopened?.bytesFetched ?? 0,
        times: { plan: result.planMs, run: result.runMs },
        profile: result.profile,
      };
      if (reopened || result.checkMs) answer.times = { ...reopened?.times, plan: result.planMs, ...(result.checkMs && { check: result.checkMs }), run: result.runMs };
      return this.#gpu || this.#gpuError ? { ...answer, ...onGpu(result, result.gpuError ?? this.#gpuError) } : answer;
    });
  }

  /** A feed as the engine takes it: what lies on its GPU stays there. */
  async #feed(feed, engine) {
    const { gpu, ...facts } = feed;
    if (!gpu) return feed;
    const resident = gpu.idFor?.(engine);
    if (resident !== undefined) return { ...facts, resident };
    if (gpu.sent && this.#gpu) return { ...facts, picture: await gpu.sent() };
    const shared = this.#gpu && !gpu.idFor && !gpu.sent && engine.thread === 'inline';
    return shared ? { ...facts, gpuBuffer: gpu.buffer } : fetched(feed);
  }

  /** An output that stayed on the GPU: what holds it. */
  #held({ resident, ...output }, engine) {
    return { ...output, gpu: new Resident(engine, this.#platform.host, resident) };
  }

  /** The same object for as long as there is nothing new to say. */
  #described(engine) {
    const last = this.#description;
    if (last?.engine === engine && last.facts.threads === engine.threads) return last.facts;
    const facts = describe(engine);
    this.#description = { engine, facts };
    return facts;
  }

  /** Facts about the model file, also of one that the engine cannot run. */
  async inspect(signal) {
    return this.#once('inspect', signal);
  }

  /** Everything in the model that the engine cannot run. */
  async check(signal) {
    return this.#once('check', signal);
  }

  async #once(op, signal) {
    try {
      return await this.#repeating(async () => {
        const { engine, key } = await this.#enter();
        try {
          await this.#collect(engine, key, signal);
          return await engine.call(op, { key });
        } catch (error) {
          if (engine.alive) await engine.call('unload', { key }).catch(() => {});
          throw error;
        }
      });
    } finally {
      await this.close();
    }
  }

  async close() {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    try {
      if (loaded?.engine.alive) await loaded.engine.call('unload', { key: loaded.key });
    } catch (error) {
      // An engine that ended meanwhile took the model with it.
      if (loaded.engine.alive) throw error;
    } finally {
      if (this.#entered) this.#platform.host.leave();
      this.#entered = false;
    }
  }

  async #enter() {
    if (!this.#entered) this.#platform.host.enter();
    // The trimmed engine has no GPU part.
    if (this.#gpu) {
      this.#platform.host.needWhole();
      this.#platform.host.needSingle();
    }
    this.#entered = true;
    const engine = await this.#platform.host.acquire();
    nextKey += 1;
    return { engine, key: nextKey };
  }

  /** Brings the model's files into the engine; @returns how many bytes came over the network */
  async #collect(engine, key, signal) {
    const main = await this.#bring(engine, { key }, this.#source, this.#names(), largestModel(this.#policy), signal);
    const locations = await engine.call('external', { key });
    const files = [];
    for (const location of locations) {
      const source = await this.#beside(location);
      // What is nowhere is named by the engine, when it loads the model.
      if (source) files.push({ location, source, size: await this.#sizeOf(source, signal) });
    }
    // Before any of them is fetched.
    const total = main.bytes + sum(files.map(({ size }) => size ?? 0));
    this.#checkBudget(total);
    let { bytes, bytesFetched } = main;
    for (const { location, source } of files) {
      const names = { file: fileOf(location), url: source.url ?? source.file?.url ?? location };
      const one = await this.#bring(engine, { key, location }, source, names, largestModel(this.#policy) - bytes, signal);
      bytes += one.bytes;
      bytesFetched += one.bytesFetched;
    }
    return bytesFetched;
  }

  /** Brings one file into the engine. */
  async #bring(engine, at, { bytes, file, url }, names, maxBytes, signal) {
    const { headers, onProgress } = this.#policy;
    if (url) return engine.call('fetch', { ...at, url, headers, maxBytes }, { signal, onEvent: onProgress });
    const total = bytes ? bytes.byteLength : await file.size();
    this.#checkBudget(total);
    const report = (status, loaded) => file && onProgress?.({ status, ...names, loaded, total, progress: (100 * loaded) / total });
    report('initiate', 0);
    await engine.call('open', { ...at, sizeHint: total });
    report('download', 0);
    let loaded = 0;
    for await (const chunk of bytes ? slices(bytes) : file.chunks()) {
      throwIfAborted(signal);
      await engine.call('append', { ...at, chunk });
      loaded += chunk.byteLength;
      report('progress', loaded);
    }
    report('done', loaded);
    return { bytes: loaded, bytesFetched: 0 };
  }

  #checkBudget(total) {
    const maxBytes = largestModel(this.#policy);
    if (total <= maxBytes) return;
    throw new NearsideError('OVER_BUDGET', `the model has ${total} bytes, the device's budget allows ${maxBytes}`, { bytes: total, maxBytes });
  }

  /** Where a file that the model names comes from; undefined: nowhere. */
  async #beside(location) {
    const given = givenFor(this.#policy.externalData, location);
    if (given) return this.#given(given);
    const { url, file } = this.#source;
    if (file) return file.beside?.(location);
    const address = url && besideUrl(url, location);
    return address && { url: address };
  }

  #given({ path, url, bytes, blob }) {
    if (blob) return { file: blobFile(blob, path) };
    return this.#platform.locate(bytes ? { bytes } : { url });
  }

  #names() {
    const url = this.#source.url ?? this.#source.file?.url ?? '';
    return { file: fileOf(url) || 'model.onnx', url };
  }

  async #repeating(work) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (attempt === REPEATS) throw error;
        if (error?.details?.incomplete) this.#platform.host.needWhole();
        else if (!error?.details?.collateral) throw error;
      }
    }
  }
}

/** What a run that wanted the GPU says of it. */
function onGpu({ plan, verdicts, cpuChosen }, gpuError) {
  const known = { ...(verdicts?.length && { verdicts }), ...(cpuChosen && { cpuChosen }) };
  if (gpuError) return { ...known, gpuError };
  if (!plan) return {};
  const there = plan.some(({ segments }) => segments.some(({ device }) => device === 'gpu'));
  return { ...known, ...(there && { backend: 'webgpu' }), plan };
}

/** @param {import('./engine/inline.js').Engine} engine */
const describe = ({ thread, reason, trimmed, simd, threads }) =>
  Object.freeze({ thread, trimmed, simd, threads, ...(reason !== undefined && { reason }) });

/** @param {import('./engine/inline.js').Engine} engine */
const backendOf = ({ simd, threads }) => (threads > 1 ? 'wasm-threads' : `wasm-${simd}`);

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function* slices(bytes) {
  for (let at = 0; at < bytes.byteLength; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}
