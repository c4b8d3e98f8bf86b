// Sessions in Chromium: in a page with the engine in its worker, inline, in a worker of the page's own and in a service
// worker, all under the strict policy. In: the package as it is served, unbundled. Out: verdicts.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { serveSite, STRICT } from '../lib/site.mjs';
import { withMemoryLimit } from '../lib/small-memory.mjs';
import { stranger, tailoredToDigits } from '../lib/tailored.mjs';

const MODEL = '/models/digits/1/model.onnx';
const example = digits.cases[0];
const input = { data: [...pixels(example)], dims: digits.shape };

let chromium, wasm;
before(async () => {
  chromium = await launch();
  wasm = await readFile(new URL('../../pkg/wasm/nearside_bg.wasm', import.meta.url));
});
after(() => chromium?.close());

/** A page on a site of its own; `work` gets what it needs, and afterwards nothing but the site was asked for. */
async function onPage(options, work) {
  const site = await serveSite(options);
  const tab = await chromium.page();
  try {
    await tab.page.goto(`${site.url}/`);
    await work(tab, site);
    tab.check(site.url, { allow: options.allow });
  } finally {
    await tab.close();
    await site.close();
  }
}

const digit = ({ data, dims }) => checkDigit({ type: 'float32', dims, data: Float32Array.from(data) }, example);
const paths = (site) => site.requests.map(({ method, url }) => `${method} ${url}`);

/** Runs in a page or a worker: one session, one run. */
async function once({ source, options, input: { data, dims }, env: settings }) {
  const { env, InferenceSession, reportOf, Tensor } = await import('/pkg/dist/nearside.js');
  if (settings) Object.assign(env.wasm, settings);
  try {
    const session = await InferenceSession.create(source, options);
    const image = new Tensor('float32', Float32Array.from(data), dims);
    const results = await session.run({ image });
    const { probabilities } = results;
    const answer = {
      data: [...probabilities.data], dims: [...probabilities.dims], report: reportOf(results), created: session.report,
      inputs: session.inputMetadata, inputIsIntact: image.data.length === data.length && image.data[3] === Math.fround(data[3]),
    };
    await session.release();
    return answer;
  } catch (error) {
    return { code: error.code, message: error.message, details: error.details };
  }
}
const runOnce = (tab, source, more = {}) => tab.page.evaluate(once, { source, input, ...more });

test('page: the engine is in a worker, and the answer is the reference\'s', () => onPage({}, async (tab, site) => {
  const answer = await runOnce(tab, MODEL);
  digit(answer);
  assert.deepEqual(answer.created.engine, { thread: 'worker', trimmed: true, simd: 'relaxed-simd', threads: 1 });
  assert.deepEqual([answer.report.source, answer.report.backend], ['on_device', 'wasm-relaxed-simd']);
  assert.equal(answer.created.bytesFetched, (await readFile(digitsPath)).length);
  assert.ok(answer.inputIsIntact, 'the caller\'s array was not transferred');
  assert.deepEqual(answer.inputs, [{ name: 'image', isTensor: true, type: 'float32', shape: ['batch', 1, 8, 8] }]);
  const asked = paths(site);
  for (const path of ['/pkg/dist/worker.js', '/pkg/wasm/nearside_relaxed_bg.wasm', MODEL]) assert.equal(asked.filter((one) => one === `GET ${path}`).length, 1, path);
}));

test('page: it answers while the engine compiles, loads and runs', () => onPage({}, async (tab) => {
  const longest = await tab.page.evaluate(async ({ url, dims }) => {
    const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
    let last = performance.now();
    let gap = 0;
    const timer = setInterval(() => { const now = performance.now(); gap = Math.max(gap, now - last); last = now; }, 4);
    const started = performance.now();
    const session = await InferenceSession.create(url);
    await session.run({ image: new Tensor(new Float32Array(20_000 * 64), [20_000, ...dims.slice(1)]) });
    const took = performance.now() - started;
    clearInterval(timer);
    await session.release();
    return { gap, took };
  }, { url: MODEL, dims: digits.shape });
  // One frame too many would already be a fault on an idle machine; this leaves room for a busy one.
  assert.ok(longest.gap < longest.took / 3, `blocked for ${longest.gap} of ${longest.took} ms`);
}));

test('page: runs at the same time, bytes as the source, progress, release ends the worker', () => onPage({}, async (tab) => {
  const answers = await tab.page.evaluate(async ({ url, images, dims }) => {
    const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
    const bytes = await (await fetch(url)).arrayBuffer();
    const events = [];
    const byUrl = await InferenceSession.create(new URL(url, location.href), { nearside: { onProgress: (event) => events.push(event.status) } });
    const byBytes = await InferenceSession.create(bytes);
    const runs = images.flatMap((data) => [byUrl, byBytes].map((one) => one.run({ image: new Tensor(Float32Array.from(data), dims) })));
    const results = (await Promise.all(runs)).map(({ probabilities }) => [...probabilities.data]);
    await Promise.all([byUrl.release(), byBytes.release()]);
    return { results, events: [...new Set(events)], bytes: bytes.byteLength };
  }, { url: MODEL, images: digits.cases.map((one) => [...pixels(one)]), dims: digits.shape });
  answers.results.forEach((data, i) => checkDigit({ type: 'float32', dims: [1, 10], data: Float32Array.from(data) }, digits.cases[i >> 1]));
  assert.deepEqual(answers.events, ['initiate', 'download', 'progress', 'done', 'ready']);
  assert.ok(answers.bytes > 1000, 'the caller\'s bytes were not transferred');
  for (const late = performance.now() + 60_000; tab.page.workers().length > 0 && performance.now() < late;) await tab.page.waitForTimeout(20);
  assert.deepEqual(tab.page.workers().map((worker) => worker.url()), []);
}));

test('page: inline where the application asks for it', () => onPage({}, async (tab, site) => {
  const answer = await runOnce(tab, MODEL, { env: { proxy: false } });
  digit(answer);
  assert.deepEqual(answer.created.engine, { thread: 'inline', trimmed: true, simd: 'relaxed-simd', threads: 1, reason: 'env.wasm.proxy is false' });
  assert.ok(!paths(site).some((one) => one.startsWith('GET /pkg/dist/worker.js')));
}));

test('page: a policy that forbids workers, or a worker that is missing, means inline with the reason', async () => {
  const refused = [/Content Security Policy/, /worker/i];
  await onPage({ policy: STRICT.replace("worker-src 'self'", "worker-src 'none'"), allow: refused }, async (tab) => {
    const answer = await runOnce(tab, MODEL);
    digit(answer);
    assert.equal(answer.created.engine.thread, 'inline');
    assert.match(answer.created.engine.reason, /worker.*(Content-Security-Policy|Content Security Policy)/);
  });
  const missing = (request, response) => request.url === '/pkg/dist/worker.js' && Boolean(response.writeHead(404).end());
  await onPage({ intercept: missing, allow: [/404/] }, async (tab) => {
    const answer = await runOnce(tab, MODEL);
    digit(answer);
    assert.match(answer.created.engine.reason, /worker script could not be loaded/);
  });
});

test('page: over the budget neither the wasm nor the worker is fetched, nor the model', () => onPage({ allow: [/404/] }, async (tab, site) => {
  const only = await runOnce(tab, MODEL, { options: { nearside: { mode: 'only_on_device', maxModelBytes: 1000 } } });
  assert.equal(only.code, 'OVER_BUDGET');
  const answer = await runOnce(tab, MODEL, { options: { nearside: { maxModelBytes: 1000, edge: '/edge' } } });
  assert.equal(answer.code, 'NO_PLACE');
  assert.deepEqual(answer.details.attempts.map(({ place, code }) => `${place}:${code}`), ['on_device:OVER_BUDGET', 'in_edge:MODEL_NOT_FOUND']);
  const asked = paths(site).filter((one) => !/^GET \/(favicon.ico|pkg\/.*\.js)?$/.test(one));
  assert.deepEqual(asked, [`HEAD ${MODEL}`, `HEAD ${MODEL}`, 'GET /edge/v2', 'GET /edge/v2/models/digits/versions/1']);
  assert.ok(!paths(site).includes('GET /pkg/dist/worker.js'));
}));

test('page: what goes wrong on the way is named with its address', async () => {
  await onPage({ files: { '/app.onnx': '<!doctype html><p>The application</p>' }, allow: [/404/] }, async (tab, site) => {
    const page = await runOnce(tab, '/app.onnx');
    assert.equal(page.code, 'DOWNLOAD_FAILED');
    assert.match(page.message, /\/app\.onnx: HTTP 200, but the answer is an HTML page/);
    const gone = await runOnce(tab, 'gone.onnx');
    assert.deepEqual([gone.code, gone.details.status, gone.details.url], ['DOWNLOAD_FAILED', 404, `${site.url}/gone.onnx`]);
    const engine = await runOnce(tab, MODEL, { env: { wasmPaths: '/elsewhere/' } });
    assert.equal(engine.code, 'ENGINE_FAILED');
    assert.match(engine.message, /\/elsewhere\/nearside_bg\.wasm: HTTP 404/);
  });
  const plain = (request, response) => request.url.endsWith('.wasm') && Boolean(response.writeHead(200, { 'Content-Type': 'text/plain' }).end(wasm));
  await onPage({ intercept: plain }, async (tab) => digit(await runOnce(tab, MODEL)));
  // The reference alone is enough to host.
  await onPage({ files: { '/w/nearside_bg.wasm': wasm }, allow: [/404/] }, async (tab, site) => {
    const answer = await runOnce(tab, MODEL, { env: { wasmPaths: 'w/' } });
    digit(answer);
    assert.equal(answer.report.backend, 'wasm-simd128');
    assert.deepEqual(paths(site).filter((path) => path.includes('/w/')), ['GET /w/nearside_relaxed_bg.wasm', 'GET /w/nearside_bg.wasm']);
  });
});

test('page: a broken download is resumed, and the model is whole', async () => {
  const model = await readFile(digitsPath);
  const asked = [];
  let cut;
  const flaky = (request, response) => {
    // The page has the first bytes. What else is on its way then, it may lose.
    if (request.url === '/cut') {
      response.writeHead(204).end();
      cut.destroy();
      return true;
    }
    if (request.url !== '/flaky.onnx') return false;
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    asked.push(from);
    const headers = { ETag: '"1"', 'Accept-Ranges': 'bytes', 'Content-Type': 'application/octet-stream', 'Content-Length': model.length - from };
    if (from) response.writeHead(206, { ...headers, 'Content-Range': `bytes ${from}-${model.length - 1}/${model.length}` }).end(model.subarray(from));
    else (cut = response.writeHead(200, headers)).write(model.subarray(0, 50_000));
    return true;
  };
  await onPage({ intercept: flaky, allow: [/ERR_CONTENT_LENGTH_MISMATCH|ERR_INCOMPLETE_CHUNKED/] }, async (tab) => {
    const answer = await tab.page.evaluate(async ({ data, dims }) => {
      const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
      let first = true;
      const onProgress = ({ status }) => {
        if (status === 'progress' && first) void fetch('/cut');
        first &&= status !== 'progress';
      };
      const session = await InferenceSession.create('/flaky.onnx', { nearside: { onProgress } });
      const { probabilities } = await session.run({ image: new Tensor('float32', Float32Array.from(data), dims) });
      const { bytesFetched } = session.report;
      await session.release();
      return { data: [...probabilities.data], dims: [...probabilities.dims], bytesFetched };
    }, input);
    digit(answer);
    const [start, from, ...more] = asked;
    assert.deepEqual([start, more], [0, []]);
    assert.ok(from > 0 && from <= 50_000, `asked again from ${from}`);
    assert.equal(answer.bytesFetched, model.length, 'nothing is fetched twice');
  });
});

test('page: an aborted download ends at once', async () => {
  const slow = (request, response) => {
    if (request.url !== '/slow.onnx') return false;
    response.writeHead(200, { 'Content-Length': 1e6, 'Content-Type': 'application/octet-stream' });
    response.write(Buffer.alloc(1000, 8));
    return true;
  };
  await onPage({ intercept: slow }, async (tab) => {
    const code = await tab.page.evaluate(async () => {
      const { InferenceSession } = await import('/pkg/dist/nearside.js');
      const controller = new AbortController();
      const nearside = { signal: controller.signal, onProgress: ({ status }) => status === 'progress' && controller.abort() };
      return InferenceSession.create('/slow.onnx', { nearside }).then(() => 'loaded', (error) => error.code);
    });
    assert.equal(code, 'ABORTED');
  });
});

for (const proxy of [undefined, false]) {
  const where = proxy === false ? 'inline' : 'worker';
  test(`page: a tailored engine (${where}) is enough for its model, and gives way to the whole one for another`, async () => {
    const { model, feeds, output } = stranger();
    await onPage({ files: { '/digits.wasm': await tailoredToDigits() } }, async (tab, site) => {
      const before = await runOnce(tab, MODEL, { env: { wasmPaths: { wasm: '/digits.wasm' }, proxy } });
      digit(before);
      assert.deepEqual(before.report.engine.trimmed, true);
      assert.ok(!paths(site).some((path) => path.endsWith('_full_bg.wasm')));
      const plain = Object.entries(feeds).map(([name, { type, dims, data }]) => ({ name, type, dims, data: [...data] }));
      const other = await tab.page.evaluate(async ({ bytes, inputs, name }) => {
        const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
        const session = await InferenceSession.create(Uint8Array.from(bytes));
        const results = await session.run(Object.fromEntries(inputs.map(({ name: input, type, dims, data }) => [input, new Tensor(type, data, dims)])));
        return { data: [...results[name].data], engine: session.report.engine };
      }, { bytes: [...model], inputs: plain, name: output.name });
      assert.deepEqual(other.data, [...output.data]);
      assert.equal(other.engine.trimmed, false);
      assert.equal(other.engine.thread, where);
      assert.equal(paths(site).filter((path) => path === 'GET /pkg/wasm/nearside_relaxed_full_bg.wasm').length, 1);
    });
  });

  test(`page: an engine that runs out of memory (${where}) is replaced, for every session`, async () => {
    const small = withMemoryLimit(wasm, 96 * 2 ** 20);
    await onPage({ files: { '/small/nearside_bg.wasm': small }, allow: [/404/] }, async (tab) => {
      const answer = await tab.page.evaluate(async ({ url, data, dims, flag }) => {
        const { env, InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
        Object.assign(env.wasm, { wasmPaths: '/small/', proxy: flag });
        const [session, other] = await Promise.all([InferenceSession.create(url), InferenceSession.create(url)]);
        const one = (on) => on.run({ image: new Tensor(Float32Array.from(data), dims) }).then(({ probabilities }) => [...probabilities.data]);
        const many = () => session.run({ image: new Tensor(new Float32Array(60_000 * 64), [60_000, 1, 8, 8]) }).then(() => 'fitted', (error) => error.code);
        const first = await Promise.all([one(session), many(), one(session), one(other)]);
        const second = [await many(), await one(other), await one(session)];
        return { thread: session.report.engine.thread, codes: [first[1], second[0]], results: [first[0], first[2], first[3], second[1], second[2]] };
      }, { url: MODEL, ...input, flag: proxy });
      assert.equal(answer.thread, where);
      assert.deepEqual(answer.codes, ['OUT_OF_MEMORY', 'OUT_OF_MEMORY']);
      for (const data of answer.results) digit({ data, dims: [1, 10] });
    });
  });
}

/** Asks a script that answers one message with `once`. */
const ASKED = `import { env, InferenceSession, reportOf, Tensor } from '/pkg/dist/nearside.js';
const answer = async ({ source, options, input: { data, dims } }) => {
  const session = await InferenceSession.create(source, options);
  const results = await session.run({ image: new Tensor('float32', Float32Array.from(data), dims) });
  const { probabilities } = results;
  return { data: [...probabilities.data], dims: [...probabilities.dims], report: reportOf(results), created: session.report };
};
self.addEventListener('message', async ({ data, ports }) => {
  ports[0].postMessage(await answer(data).catch((error) => ({ code: error.code, message: error.stack })));
});`;

test('worker of the page\'s own: the engine is in a worker below it', () => onPage({ files: { '/own.js': ASKED } }, async (tab) => {
  const answer = await tab.page.evaluate((message) => new Promise((resolve) => {
    const worker = new Worker('/own.js', { type: 'module' });
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => resolve(data);
    worker.postMessage(message, [port2]);
  }), { source: MODEL, input });
  assert.equal(answer.code, undefined, answer.message);
  digit(answer);
  assert.deepEqual(answer.created.engine, { thread: 'worker', trimmed: true, simd: 'relaxed-simd', threads: 1 });
}));

test('service worker: the engine is inline', () => onPage({ files: { '/sw.js': ASKED } }, async (tab) => {
  const answer = await tab.page.evaluate(async (message) => {
    const registration = await navigator.serviceWorker.register('/sw.js', { type: 'module' });
    const worker = registration.installing ?? registration.active;
    while (worker.state !== 'activated') await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => resolve(data);
      worker.postMessage(message, [port2]);
    });
  }, { source: MODEL, input });
  assert.equal(answer.code, undefined, answer.message);
  digit(answer);
  assert.deepEqual(answer.created.engine, { thread: 'inline', trimmed: true, simd: 'relaxed-simd', threads: 1, reason: 'there is no Worker here' });
}));

test('page: half precision is a Float16Array where there is one', () => onPage({}, async (tab) => {
  const half = await tab.page.evaluate(async () => {
    const { Tensor } = await import('/pkg/index.browser.js');
    const { toWireTensor } = await import('/pkg/tensor.js');
    const tensors = [new Tensor('float16', Uint16Array.of(0x3c00, 0xc000)), new Tensor('float16', [1, -2]), new Tensor(Float16Array.of(1, -2))];
    return tensors.map((tensor) => ({ type: tensor.type, array: tensor.data.constructor.name, values: [...tensor.data], bits: [...toWireTensor('x', tensor).data] }));
  });
  for (const tensor of half) assert.deepEqual(tensor, { type: 'float16', array: 'Float16Array', values: [1, -2], bits: [0x3c00, 0xc000] });
}));
