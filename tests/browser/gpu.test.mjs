// The WebGPU engine in a page of Chromium, on its software adapter: the shared models, and the node tests of onnx 1.17
// that the GPU must run without any operator on the CPU. In: tests/lib/conformance.mjs, tests/lib/model-cases.mjs and
// tests/cases/gpu.json. Out: one test a case of a model, one for the node tests.
// The one decision: a case that the GPU refuses is no failure, a wrong answer is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { knownFailures, randomCases, readCases, sets } from '../lib/conformance.mjs';
import { failuresInPage } from '../lib/conformance-page.mjs';
import { gpuPages } from '../lib/gpu-page.mjs';
import { defineModelTests } from '../lib/model-cases.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const cases = JSON.parse(readFileSync(new URL('../cases/gpu.json', import.meta.url), 'utf8'));
/** Every run is the GPU's: what the first runs show is for gpu-session.test.mjs. */
const GPU = { choose: 'always', check: false };
const BATCH = 100;
let pages;
let page;

before(async () => {
  pages = await gpuPages();
  page = await pages.open();
});

after(() => pages?.close());

/** Runs in the page. */
async function openInPage({ url, gpu }) {
  const { InferenceSession, Tensor } = await import('/pkg/index.browser.js');
  try {
    const nearside = { mode: 'only_on_device', maxModelBytes: 1e9, gpu };
    window.session = await InferenceSession.create(url, { executionProviders: ['webgpu'], nearside });
    window.Tensor = Tensor;
    return { report: window.session.report };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

/** Runs in the page: tensors come and go as base64, which is all that the debugging protocol can carry. */
async function runInPage(feeds) {
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const tensors = Object.entries(read(feeds)).map(([name, { type, data, dims }]) => [name, new window.Tensor(type, data, dims)]);
  const results = await window.session.run(Object.fromEntries(tensors));
  const { gpuError } = results.report;
  if (gpuError) throw new Error(`the CPU ran it: ${gpuError}`);
  return write(results);
}

defineModelTests('chromium webgpu', async (row) => {
  const opened = await page.evaluate(openInPage, { url: `/models/${row.model}/1/model.onnx`, gpu: GPU });
  if (opened.code) throw Object.assign(new Error(opened.message), { code: opened.code });
  return {
    run: async (feeds) => fromWire(await page.evaluate(runInPage, toWire(feeds))),
    close: () => page.evaluate(() => window.session.release()),
  };
});

test('chromium webgpu: node tests of onnx 1.17', { skip: !sets[0].present && 'the archive is not there' }, async (t) => {
  const [known, random] = [knownFailures(sets[0]), randomCases(sets[0])];
  const chosen = readCases(sets[0]).filter(({ name }) => !known.has(name) && !random.has(name));
  const options = { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', strict: true, gpu: GPU } };
  const wrong = [];
  let whole = 0;
  for (let from = 0; from < chosen.length; from += BATCH) {
    const batch = chosen.slice(from, from + BATCH);
    const failures = await failuresInPage(async () => page, batch, options);
    for (const { name } of batch) {
      const failure = failures.get(name);
      if (!failure) whole += 1;
      else if (!failure.includes('gpu.')) wrong.push(`${name}: ${failure}`);
    }
  }
  t.diagnostic(`${whole} cases run wholly on the GPU`);
  assert.deepEqual(wrong.filter((line) => !Object.hasOwn(cases.browser, line.split(':')[0])), []);
  assert.ok(whole >= cases.whole, `only ${whole} cases run wholly on the GPU, not ${cases.whole}`);
});
