// The two engines behind one face. In: a name and settings. Out: { name, create(model) -> session }, a session being
// { feeds(tensors), run(feeds, names), release(), backend }.
// The one decision: both run in the thread that calls them, so that a run is timed without messages between threads;
// only the cold start and the warm-up take each package as it comes (`plain`). With `gpu` each has its WebGPU provider;
// `chosen` is nearside as users get it, which after its first runs takes the faster of GPU and CPU.
const ADDRESS = { nearside: '/pkg/dist/nearside.js', ort: '/ort/ort.wasm.bundle.min.mjs', ortGpu: '/ort/ort.webgpu.bundle.min.mjs' };

async function nearside({ threads, simd, profile, plain, gpu, choose = 'always' }) {
  const { InferenceSession, Tensor, env, reportOf } = await import(ADDRESS.nearside);
  if (!plain) env.wasm.proxy = false;
  Object.assign(env.wasm, { numThreads: threads, simd });
  return {
    Tensor,
    async create(model) {
      const own = { mode: 'only_on_device', profile };
      // Where the GPU's times are wanted, what is compared is compared by the bench.
      const ways = choose === 'always' ? { choose, check: false } : { choose };
      const options = gpu ? { executionProviders: ['webgpu'], nearside: { ...own, gpu: ways } } : { nearside: own };
      const session = await InferenceSession.create(model, options);
      return { session, get backend() { return session.report.backend; }, profileOf: (results) => reportOf(results).profile };
    },
  };
}

async function ort({ threads, gpu }) {
  const { InferenceSession, Tensor, env } = await import(gpu ? ADDRESS.ortGpu : ADDRESS.ort);
  env.wasm.numThreads = threads;
  env.wasm.wasmPaths = '/ort/';
  env.logLevel = 'error';
  return {
    Tensor,
    async create(model) {
      const session = await InferenceSession.create(model, { executionProviders: [gpu ? 'webgpu' : 'wasm'] });
      return { session, backend: gpu ? 'webgpu' : `wasm, ${threads} thread${threads === 1 ? '' : 's'}` };
    },
  };
}

const chosen = (settings) => nearside({ ...settings, choose: 'fastest' });

const STARTS = { nearside, ort, chosen };

export async function startEngine(name, settings) {
  const { Tensor, create } = await STARTS[name](settings);
  return {
    name,
    async create(model) {
      const made = await create(model);
      const { session, profileOf } = made;
      return {
        // After a run it says what ran it.
        get backend() { return made.backend; },
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
