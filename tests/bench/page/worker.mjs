// The bench's worker: both engines in one thread. In: messages { id, op, args }. Out: { id, value } or { id, error }.
// The one decision: what is asked first is the outputs, by `prepare`; Node checks them before it asks for times.
import { wasmBytes } from './memory.mjs';
import { startEngine, plainResults } from './engines.mjs';
import { clocked, interleave, timed } from './interleave.mjs';
import { decode, encode } from './wire.mjs';

const GRAIN_MS = 4;
/** Runs before the clock starts; of an engine that chooses where it runs as many as it takes to choose. */
const EARLIER = { chosen: 3 };
const state = {};

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return response;
}

const operations = {
  /** Starts the engines, loads the model into each (`form`: its published form into nearside), runs it once. @returns by engine: outputs or an error */
  async prepare({ engines, threads, simd, profile, gpu, model, form, feeds, outputs }) {
    const bytesOf = async (url) => new Uint8Array(await (await fetched(url)).arrayBuffer());
    const bytes = await bytesOf(model);
    state.bytes = { nearside: form ? await bytesOf(form) : bytes, ort: bytes, chosen: bytes };
    state.names = outputs;
    const tensors = decode(await (await fetched(feeds)).json());
    state.subjects = [];
    const answers = {};
    for (const name of engines) {
      try {
        const engine = await startEngine(name, { threads, simd, profile, gpu });
        const session = await engine.create(state.bytes[name]);
        const subject = { engine, session, feeds: session.feeds(tensors) };
        const results = await session.run(subject.feeds, state.names);
        answers[name] = { backend: session.backend, outputs: encode(plainResults(results)) };
        state.subjects.push(subject);
      } catch (error) {
        answers[name] = { error: describe(error) };
      }
    }
    return answers;
  },

  /** Milliseconds of runs. */
  async run({ budgetMs, least, most }) {
    const actions = {};
    for (const { engine, session, feeds } of state.subjects) {
      const call = () => session.run(feeds, state.names);
      for (let earlier = 0; earlier < (EARLIER[engine.name] ?? 1); earlier += 1) await call();
      actions[engine.name] = await timed(call, GRAIN_MS);
    }
    return interleave(actions, { budgetMs, least, most });
  },

  /** What ran the last run of each. */
  async backends() {
    return Object.fromEntries(state.subjects.map(({ engine, session }) => [engine.name, session.backend]));
  },

  /** Milliseconds of making a session, of its first run, and of both. */
  async create({ budgetMs, least, most }) {
    for (const { session } of state.subjects) await session.release();
    const parts = {};
    const actions = {};
    for (const { engine, feeds } of state.subjects) {
      const part = (parts[engine.name] = { create: [], first: [] });
      actions[engine.name] = async () => {
        let session;
        part.create.push(await clocked(async () => { session = await engine.create(state.bytes[engine.name]); }));
        part.first.push(await clocked(() => session.run(feeds, state.names)));
        await session.release();
        return part.create.at(-1) + part.first.at(-1);
      };
    }
    const both = await interleave(actions, { budgetMs, least, most });
    return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, { ...part, both: both[name] }]));
  },

  /** Bytes of wasm memory after loading by address and after runs; for one engine in a fresh worker. */
  async memory({ engine: name, threads, model, feeds, outputs, runs }) {
    const tensors = decode(await (await fetched(feeds)).json());
    const engine = await startEngine(name, { threads });
    const session = await engine.create(new URL(model, self.location).href);
    const load = wasmBytes();
    const own = session.feeds(tensors);
    for (let index = 0; index < runs; index += 1) await session.run(own, outputs);
    return { load, run: wasmBytes() };
  },

  /** The mean of each node over runs, in the plan's order. */
  async profile({ runs }) {
    const [{ session, feeds }] = state.subjects;
    let sum;
    for (let index = 0; index < runs; index += 1) {
      const steps = session.profileOf(await session.run(feeds, state.names));
      sum = sum ? sum.map((step, at) => ({ ...step, ms: step.ms + steps[at].ms })) : steps;
    }
    return sum.map((step) => ({ ...step, ms: step.ms / runs }));
  },
};

const describe = (error) => (error?.code ? `${error.code}: ${error.message}` : String(error?.message ?? error));

self.addEventListener('message', async ({ data: { id, op, args } }) => {
  try {
    self.postMessage({ id, value: await operations[op](args) });
  } catch (error) {
    self.postMessage({ id, error: describe(error) });
  }
});
