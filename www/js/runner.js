/**
 * Runner: one model under changing settings.
 *
 * In: a model (address or bytes), settings from the panel (budget, which places may answer), feeds. Out: outputs
 * with the report of the run. One decision: a change of settings is a new session; the old one is released only
 * after its last run, so a slider may move while a model works.
 */
import { InferenceSession, reportOf } from './engine.js';

const EDGE = new URL('../edge', import.meta.url).href;
const CLOUD = new URL('../cloud', import.meta.url).href;

/** How many times the device's budget the edge may have: one slider then reaches all three places. */
export const EDGE_SHARE = 10;

/** What the panel's settings mean to the package. */
export function placement({ budget, edge, cloud }, more = {}) {
  return {
    mode: 'prefer_on_device',
    maxModelBytes: budget,
    edge: edge ? { url: EDGE, maxModelBytes: budget && budget * EDGE_SHARE } : undefined,
    cloud: cloud ? CLOUD : undefined,
    ...more,
  };
}

/** One place alone, for a comparison of all three. */
export const ALONE = {
  on_device: { mode: 'only_on_device', edge: undefined, cloud: undefined, maxModelBytes: undefined },
  in_edge: { mode: 'only_in_cloud', edge: EDGE, cloud: undefined },
  in_cloud: { mode: 'only_in_cloud', edge: undefined, cloud: CLOUD },
};

export class Runner {
  #source;
  #more;
  #settings;
  #opening;
  /** Called with the download's progress events. */
  onProgress;

  /** @param source an address or bytes; `more`: options of nearside such as the model's name */
  constructor(source, more = {}) {
    this.#source = source;
    this.#more = more;
  }

  /** Takes effect with the next run. */
  configure(settings, more = this.#more) {
    this.#settings = settings;
    this.#more = more;
    this.#drop();
  }

  #drop() {
    const old = this.#opening;
    this.#opening = undefined;
    old?.then((session) => session.release(), () => {});
  }

  /** The session under the latest settings. */
  session() {
    if (!this.#opening) {
      const opening = InferenceSession.create(this.#source, {
        nearside: placement(this.#settings, { ...this.#more, onProgress: (event) => this.onProgress?.(event) }),
      });
      this.#opening = opening;
      // A failure is not kept: the network may be back at the next run.
      opening.catch(() => { if (this.#opening === opening) this.#opening = undefined; });
    }
    return this.#opening;
  }

  /** @returns {Promise<{ outputs: object, report: object, opened: object }>} */
  async run(feeds, options) {
    for (;;) {
      const session = await this.session();
      try {
        const outputs = await session.run(feeds, options ?? {});
        return { outputs, report: reportOf(outputs), opened: session.report };
      } catch (error) {
        // The settings changed between the two lines above: the run belongs to the new session.
        if (error.code !== 'SESSION_RELEASED') throw error;
      }
    }
  }

  release() {
    this.#drop();
  }
}

/** Runs the same feeds at one place alone. @returns what it answered, or the error, and how long each part took */
export async function runAlone(source, place, feeds, more = {}) {
  let session;
  const started = performance.now();
  try {
    session = await InferenceSession.create(source, { nearside: { ...more, ...ALONE[place] } });
    const opened = performance.now();
    await session.run(feeds);
    const first = performance.now();
    const outputs = await session.run(feeds);
    return { place, outputs, report: reportOf(outputs), openMs: opened - started, firstMs: first - opened, runMs: performance.now() - first };
  } catch (error) {
    return { place, error };
  } finally {
    session?.release();
  }
}
