// The WebGPU engine in a page of Chromium, on its software adapter: the shared models, the node tests of onnx 1.17 and
// those that ONNX Runtime runs on its own engine, all of which the GPU must run without any operator on the CPU, but for the
// models that gpu.json names.
// In: tests/lib/conformance.mjs, tests/lib/listed.mjs, tests/lib/model-cases.mjs and tests/cases/gpu.json.
// Out: one test a case of a model, one for each set of node tests.
// The one decision: a case that the GPU refuses is no failure, a wrong answer is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { knownFailures, randomCases, readCases, sets } from '../lib/conformance.mjs';
import { failuresInPage } from '../lib/conformance-page.mjs';
import { gpuPages } from '../lib/gpu-page.mjs';
import { listPresent, listedCases } from '../lib/listed.mjs';
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
async function openInPage({ url, gpu, strict }) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  try {
    const nearside = { mode: 'only_on_device', maxModelBytes: 1e9, strict, gpu };
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
  const opened = await page.evaluate(openInPage, { url: `/models/${row.model}/1/model.onnx`, gpu: GPU, strict: !Object.hasOwn(cases.cpu, row.model) });
  if (opened.code) throw Object.assign(new Error(opened.message), { code: opened.code });
  return {
    run: async (feeds) => fromWire(await page.evaluate(runInPage, toWire(feeds))),
    close: () => page.evaluate(() => window.session.release()),
  };
});

/** What is wrong with cases that the GPU must run without the CPU. */
async function failuresOf(chosen) {
  const options = { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', strict: true, gpu: GPU } };
  const failures = new Map();
  for (let from = 0; from < chosen.length; from += BATCH) {
    for (const failure of await failuresInPage(async () => page, chosen.slice(from, from + BATCH), options)) failures.set(...failure);
  }
  return failures;
}

test('chromium webgpu: node tests of onnx 1.17', { skip: !sets[0].present && 'the archive is not there' }, async (t) => {
  const [known, random] = [knownFailures(sets[0]), randomCases(sets[0])];
  const chosen = readCases(sets[0]).filter(({ name }) => !known.has(name) && !random.has(name));
  const failures = await failuresOf(chosen);
  const wrong = [...failures].filter(([, failure]) => !failure.includes('gpu.')).map(([name, failure]) => `${name}: ${failure}`);
  const whole = chosen.length - failures.size;
  t.diagnostic(`${whole} cases run wholly on the GPU`);
  assert.deepEqual(wrong.filter((line) => ![cases.browser, cases.rounded].some((rows) => Object.hasOwn(rows, line.split(':')[0]))), []);
  assert.ok(whole >= cases.whole, `only ${whole} cases run wholly on the GPU, not ${cases.whole}`);
});

test('chromium webgpu: node tests that ONNX Runtime runs on its own', { skip: !listPresent && 'the list or an archive is not there' }, async (t) => {
  const listed = listedCases();
  const failures = await failuresOf([...listed.values()].flat());
  const wrong = [];
  for (const [name, forms] of listed) {
    const failed = forms.map((form) => failures.get(form.name)).filter(Boolean);
    if (forms.length === 0 || failed.length > 0) wrong.push(`${name}: ${failed[0] ?? 'there is no such case'}`);
  }
  const right = listed.size - wrong.length;
  t.diagnostic(`${right} of ${listed.size} cases run wholly on the GPU`);
  for (const line of wrong) t.diagnostic(line);
  assert.ok(right >= cases.listed, `only ${right} cases run wholly on the GPU, not ${cases.listed}`);
});
