/**
 * Gpu: the engine's GPU, where its wasm lives.
 *
 * In: models that were loaded for it, feeds of which some lie on the GPU. Out: results; what the first runs showed is
 * kept for the next visit. One decision: there is one device for all models, opened for the first; a device that is
 * lost is replaced by the engine itself.
 * @module
 */
import { NearsideError } from '../errors.js';
import { opened, withChosen } from '../gpu/device.js';
import { ingest } from '../gpu/ingest.js';
import { Picture } from '../gpu/picture.js';
import { recall, remember } from '../gpu/verdicts.js';

/**
 * @typedef {object} GpuOptions what a model asks of the GPU
 * @property {boolean} strict nothing may fall back to the CPU
 * @property {boolean} check its first run is compared with the CPU's
 * @property {boolean} fastest what the CPU is faster at it does
 * @property {{ feeds: object[], outputs: object[], tolerance?: number }} [golden] inputs with their right outputs
 */

export class EngineGpu {
  #binding;
  #awaited;
  /** @type {Promise<any> | undefined} */
  #handle;
  /** How far what is known was kept. */
  #kept = 0;

  /**
   * @param {Awaited<ReturnType<typeof import('./wasm.js').instantiate>>} binding
   * @param {<T>(doing: string, work: () => Promise<T>) => Promise<T>} awaited calls into the wasm, and notes a crash
   */
  constructor(binding, awaited) {
    this.#binding = binding;
    this.#awaited = awaited;
  }

  /** @returns {Promise<{ handle?: any, error?: string }>} why there is none, unless it must be there */
  async open(strict) {
    try {
      const { GpuHandle } = this.#binding;
      if (!GpuHandle) throw new NearsideError('GPU_UNAVAILABLE', 'this build of the engine has no GPU part');
      this.#handle ??= this.#start(GpuHandle);
      return { handle: await this.#handle };
    } catch (error) {
      this.#handle = undefined;
      if (strict || error.details?.fatal) throw error;
      return { error: `${error.code}: ${error.message}` };
    }
  }

  async #start(GpuHandle) {
    const [handle, text] = await Promise.all([this.#awaited('opening the GPU', () => withChosen((ask) => GpuHandle.open(ask))), recall()]);
    if (text) handle.learn(text);
    opened(() => handle.device());
    return handle;
  }

  /** Holds the GPU's answer to golden inputs against the right one; the model's later runs know the verdict. */
  async prove(model, { feeds, outputs, tolerance }) {
    await this.#awaited('running golden inputs', () => model.prove(feeds, outputs, tolerance));
    await this.#keep();
  }

  async run(model, { feeds, fetches, profile, keep }) {
    const taken = [];
    try {
      // All of them, also where one fails: what comes after that is to be given back, too.
      const ends = await Promise.allSettled(feeds.map(async (feed) => {
        const resident = await this.#taken(feed);
        if (resident === undefined) return feed;
        taken.push(resident);
        return { name: feed.name, resident };
      }));
      const tensors = ends.map((end) => {
        if (end.status === 'rejected') throw end.reason;
        return end.value;
      });
      const result = await this.#awaited('running the model', () => model.runAsync(tensors, fetches, keep, profile === true));
      const { gpuError } = result;
      await this.#keep();
      return gpuError ? { ...result, gpuError: `${gpuError.code}: ${gpuError.message}` } : result;
    } finally {
      for (const id of taken) this.#binding.resident.dispose(id);
    }
  }

  /** What is on the GPU or can be drawn there, as a tensor of the engine's; nothing for what is on the host. */
  async #taken({ gpuBuffer, picture, type, dims }) {
    if (!gpuBuffer && !picture) return undefined;
    const handle = await this.#handle;
    if (gpuBuffer) return this.#awaited('taking a GPU buffer', () => handle.importBuffer(gpuBuffer, type, dims));
    const resident = await this.#awaited('making room for an image', () => handle.residentRoom(type, dims));
    try {
      await ingest(await handle.device(), picture.source, picture.form, this.#binding.resident.buffer(resident));
    } catch (error) {
      this.#binding.resident.dispose(resident);
      throw new NearsideError('INVALID_INPUT', `the image cannot be read: ${error.message}`, undefined, error);
    }
    return resident;
  }

  /** @returns the elements of a tensor on the GPU */
  data(id) {
    return this.#awaited('reading a tensor', () => this.#binding.resident.data(id));
  }

  /** Feeds for the CPU. */
  async fetched(feeds) {
    return Promise.all(feeds.map(async ({ resident, picture, ...feed }) => {
      if (resident !== undefined) return { ...feed, data: await this.data(resident) };
      return picture ? { ...feed, data: await new Picture(picture.source, picture.form).data() } : feed;
    }));
  }

  /** Keeps what is known of the GPU where something was added. */
  async #keep() {
    const handle = await this.#handle;
    if (handle.changes === this.#kept) return;
    this.#kept = handle.changes;
    await remember(handle.verdicts());
  }
}
