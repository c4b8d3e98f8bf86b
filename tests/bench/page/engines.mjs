// The two engines behind one face. In: a name and settings. Out: { name, create(model) -> session }, a session being
// { feeds(tensors), run(feeds, names), release(), backend }.
// The one decision: both run in the thread that calls them, so that a run is timed without messages between threads;
// only the cold start takes each package as it comes (`plain`).
const ADDRESS = { nearside: '/pkg/index.browser.js', ort: '/ort/ort.wasm.bundle.min.mjs' };

async function nearside({ threads, simd, profile, plain }) {
  const { InferenceSession, Tensor, env, reportOf } = await import(ADDRESS.nearside);
  if (!plain) env.wasm.proxy = false;
  Object.assign(env.wasm, { numThreads: threads, simd });
  return {
    Tensor,
    async create(model) {
      const session = await InferenceSession.create(model, { nearside: { mode: 'only_on_device', profile } });
      return { session, backend: session.report.backend, profileOf: (results) => reportOf(results).profile };
    },
  };
}

async function ort({ threads }) {
  const { InferenceSession, Tensor, env } = await import(ADDRESS.ort);
  env.wasm.numThreads = threads;
  env.wasm.wasmPaths = '/ort/';
  env.logLevel = 'error';
  return {
    Tensor,
    async create(model) {
      const session = await InferenceSession.create(model, { executionProviders: ['wasm'] });
      return { session, backend: `wasm, ${threads} thread${threads === 1 ? '' : 's'}` };
    },
  };
}

const STARTS = { nearside, ort };

export async function startEngine(name, settings) {
  const { Tensor, create } = await STARTS[name](settings);
  return {
    name,
    async create(model) {
      const { session, backend, profileOf } = await create(model);
      return {
        backend,
        profileOf,
        feeds: (tensors) => Object.fromEntries(Object.entries(tensors).map(([key, { type, data, dims }]) => [key, new Tensor(type, data, dims)])),
        run: (feeds, names) => session.run(feeds, names),
        release: () => session.release(),
      };
    },
  };
}

/** Results as plain tensors; float16 as bits whatever the engine holds it in. */
export const plainResults = (results) => Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) => [name, {
  type, dims, data: type === 'float16' && !(data instanceof Uint16Array) ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data,
}]));
