// Which engine a page gets. In: pages of an isolated and of a plain site, settings, the digit model and the shared ones.
// Out: verdicts: the report says which engine ran, and its answers are right.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { checkDigit, digits, pixels } from '../lib/digits.mjs';
import { defineModelTests, modelFile, models } from '../lib/model-cases.mjs';
import { serveSite } from '../lib/site.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const MODEL = '/models/digits/1/model.onnx';
const ISOLATED = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const example = digits.cases[0];

const isolate = (response) => void Object.entries(ISOLATED).forEach(([name, value]) => response.setHeader(name, value));

let chromium;
before(async () => { chromium = await launch(); });

async function onPage({ isolated, intercept = () => false, allow }, work) {
  const site = await serveSite({
    intercept(request, response) {
      if (isolated) isolate(response);
      return intercept(request, response);
    },
  });
  const tab = await chromium.page();
  try {
    await tab.page.goto(`${site.url}/`);
    await work(tab, site);
    tab.check(site.url, { allow });
  } finally {
    await tab.close();
    await site.close();
  }
}

/** Runs in the page: runs until as many threads work as are wanted, or none will. */
async function digitOf({ model, data, dims, settings, wanted }) {
  const { env, InferenceSession, reportOf, Tensor } = await import('/pkg/dist/nearside.js');
  Object.assign(env.wasm, settings);
  const session = await InferenceSession.create(model);
  for (let left = 500; ; left -= 1) {
    const results = await session.run({ image: new Tensor('float32', Float32Array.from(data), dims) });
    const report = reportOf(results);
    if (report.engine.threads === wanted || left === 0) return { data: [...results.probabilities.data], dims: [...results.probabilities.dims], report };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const missingLane = (request, response) => request.url === '/pkg/dist/lane-worker.js' && Boolean(response.writeHead(404).end());
/** What the page is and what it asks for; what the report says; which engine was fetched. */
const rows = [
  ['relaxed SIMD where the browser has it', {}, {}, 'wasm-relaxed-simd', 1, 'nearside_relaxed_bg.wasm'],
  ['the reference where the application wants the same bits everywhere', {}, { simd: 'fixed' }, 'wasm-simd128', 1, 'nearside_bg.wasm'],
  ['threads in an isolated page', { isolated: true }, { numThreads: 3 }, 'wasm-threads', 3, 'nearside_relaxed_bg.wasm'],
  ['threads of the reference', { isolated: true }, { numThreads: 2, simd: 'fixed' }, 'wasm-threads', 2, 'nearside_bg.wasm'],
  ['one thread where one is asked for', { isolated: true }, { numThreads: 1 }, 'wasm-relaxed-simd', 1, 'nearside_relaxed_bg.wasm'],
  ['one thread on the page\'s own', { isolated: true }, { numThreads: 3, proxy: false }, 'wasm-relaxed-simd', 1, 'nearside_relaxed_bg.wasm'],
  ['one thread in a page that is not isolated', {}, { numThreads: 3 }, 'wasm-relaxed-simd', 1, 'nearside_relaxed_bg.wasm'],
  ['one thread where the others cannot start', { isolated: true, intercept: missingLane, allow: [/404/] }, { numThreads: 3 }, 'wasm-relaxed-simd', 1, 'nearside_relaxed_bg.wasm'],
];

for (const [name, page, settings, backend, threads, file] of rows) {
  test(`engine: ${name}`, () => onPage(page, async (tab, site) => {
    const given = { model: MODEL, data: [...pixels(example)], dims: digits.shape, settings, wanted: threads };
    const { data, dims, report } = await tab.page.evaluate(digitOf, given);
    checkDigit({ type: 'float32', dims, data: Float32Array.from(data) }, example);
    assert.deepEqual([report.backend, report.engine.threads], [backend, threads]);
    assert.deepEqual(site.requests.filter(({ url }) => url.endsWith('.wasm')).map(({ url }) => url), [`/pkg/wasm/${file}`]);
  }));
}

/** Runs in the page. */
async function busyWorker(given) {
  const worker = new Worker('/tests/lib/busy-worker.mjs', { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(given);
  });
}

test('engine: threads start though the caller awaits one run after the other', () => onPage({ isolated: true }, async (tab) => {
  const given = { url: MODEL, data: [...pixels(example)], dims: digits.shape, threads: 2 };
  const { thread, threads } = await tab.page.evaluate(busyWorker, given);
  assert.deepEqual([thread, threads], ['inline', 2]);
}));

/** Runs in the page: a session whose threads work. */
async function openInPage({ url, threads }) {
  const { env, InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  env.wasm.numThreads = threads;
  try {
    window.session = await InferenceSession.create(url, { nearside: { mode: 'only_on_device', maxModelBytes: 1e9 } });
    window.Tensor = Tensor;
    return {};
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

/** Runs in the page. */
async function runInPage(feeds) {
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const tensors = Object.entries(read(feeds)).map(([name, { type, data, dims }]) => [name, new window.Tensor(type, data, dims)]);
  return write(await window.session.run(Object.fromEntries(tensors)));
}

/** One page for all models: each session goes before the next comes. */
let shared;
async function sharedPage() {
  const intercept = (request, response) => {
    const row = models.find(({ model }) => request.url === `/shared/${model}.onnx`);
    if (!row) return false;
    const bytes = readFileSync(modelFile(row));
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length });
    response.end(request.method === 'HEAD' ? undefined : bytes);
    return true;
  };
  const site = await serveSite({ intercept: (request, response) => isolate(response) || intercept(request, response) });
  const tab = await chromium.page();
  await tab.page.goto(`${site.url}/`);
  return { site, tab };
}
after(async () => {
  await shared?.tab.close();
  await shared?.site.close();
  await chromium?.close();
});

defineModelTests('chromium, threads', async (row) => {
  shared ??= await sharedPage();
  const { page } = shared.tab;
  const opened = await page.evaluate(openInPage, { url: `/shared/${row.model}.onnx`, threads: 3 });
  if (opened.code) throw Object.assign(new Error(opened.message), { code: opened.code });
  return {
    run: async (feeds) => fromWire(await page.evaluate(runInPage, toWire(feeds))),
    async close() {
      await page.evaluate(() => window.session.release());
      shared.tab.check(shared.site.url);
    },
  };
});
