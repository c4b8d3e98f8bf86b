// The WebGPU engine in a page of Chromium, on its software adapter: the shared models, and the node tests of onnx 1.17
// that the GPU must run without any operator on the CPU. In: tests/lib/conformance.mjs, tests/lib/model-cases.mjs and
// tests/cases/gpu.json. Out: one test a case of a model, one for the node tests.
// The one decision: a case that the GPU refuses is no failure, a wrong answer is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { compareTensor } from '../lib/compare.mjs';
import { knownFailures, readCases, sets } from '../lib/conformance.mjs';
import { gpuPages } from '../lib/gpu-page.mjs';
import { defineModelTests } from '../lib/model-cases.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const cases = JSON.parse(readFileSync(new URL('../cases/gpu.json', import.meta.url), 'utf8'));
/** Every run is the GPU's: what the first runs show is for gpu-session.test.mjs. */
const GPU = { choose: 'always', check: false };
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

/** Runs in the page: cases one after the other; for each its outputs or its error. */
async function casesInPage({ list, gpu }) {
  const { InferenceSession, Tensor } = await import('/pkg/index.browser.js');
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const options = { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', strict: true, gpu } };
  const tensor = (value) => (Array.isArray(value) ? value.map(tensor) : value && new Tensor(value.type, value.data, value.dims));
  // The engine's worker lives as long as some session does.
  const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const kept = await InferenceSession.create(fromBase64(list[0].model), { nearside: { mode: 'only_on_device' } });
  const done = [];
  for (const { model, inputs } of list) {
    try {
      const session = await InferenceSession.create(fromBase64(model), options);
      const feeds = Object.values(read(inputs)).map((value, at) => [session.inputNames[at], tensor(value)]);
      const results = await session.run(Object.fromEntries(feeds));
      done.push({ outputs: write(Object.fromEntries(session.outputNames.map((name, at) => [at, results[name]]))) });
      await session.release();
    } catch (error) {
      done.push({ failure: `${error.code}: ${error.message}` });
    }
  }
  await kept.release();
  return done;
}

const list = (tensors) => toWire(Object.fromEntries(tensors.map((tensor, at) => [at, tensor])));

test('chromium webgpu: node tests of onnx 1.17', { skip: !sets[0].present && 'the archive is not there' }, async (t) => {
  const known = knownFailures(sets[0]);
  const chosen = readCases(sets[0]).filter(({ name, sets: runs }) => !known.has(name)
    && runs.every(({ inputs, outputs }) => [...inputs, ...outputs].every((value) => value && !value.error && !Array.isArray(value))));
  const wrong = [];
  let whole = 0;
  for (let from = 0; from < chosen.length; from += 100) {
    const batch = chosen.slice(from, from + 100);
    const sent = batch.map(({ model, sets: [{ inputs }] }) => ({ model: model.toString('base64'), inputs: list(inputs) }));
    const ended = await page.evaluate(casesInPage, { list: sent, gpu: GPU });
    ended.forEach(({ failure, outputs }, at) => {
      const { name, sets: [{ outputs: wanted }] } = batch[at];
      if (failure?.includes('gpu.')) return;
      const got = failure ? [] : Object.values(fromWire(outputs));
      const off = failure ?? wanted.map((want, each) =>
        compareTensor(`output ${each}`, got[each], want, { rtol: 1e-3, atol: want.type === 'float16' ? 1e-3 : 1e-7 }))
        .find(({ same }) => !same)?.text;
      if (off) wrong.push(`${name}: ${off}`);
      else whole += 1;
    });
  }
  t.diagnostic(`${whole} cases run wholly on the GPU`);
  assert.deepEqual(wrong.filter((line) => !Object.hasOwn(cases.browser, line.split(':')[0])), []);
  assert.ok(whole >= cases.whole, `only ${whole} cases run wholly on the GPU, not ${cases.whole}`);
});
