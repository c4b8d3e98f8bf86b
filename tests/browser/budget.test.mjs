// One page, three places: the same images answered by the device (wasm in Chromium), the edge (the Worker in workerd)
// and the cloud (`nearside serve`), by changing nothing but the two budgets. In: tests/cases/digits.json.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';

const { cases, divideBy } = JSON.parse(readFileSync(new URL('../cases/digits.json', import.meta.url), 'utf8'));
const MODEL = '/models/digits/1/model.onnx';
const PLACES = [
  { source: 'on_device', device: 1e9, edge: 1e9, attempts: [] },
  { source: 'in_edge', device: 1e3, edge: 1e9, attempts: ['on_device:OVER_BUDGET'] },
  { source: 'in_cloud', device: 1e3, edge: 1e3, attempts: ['on_device:OVER_BUDGET', 'in_edge:OVER_BUDGET'] },
];
let stack;
let chromium;

before(async () => {
  stack = await start();
  chromium = await launch();
});

after(async () => {
  await chromium?.close();
  await stack?.stop();
});

/** Runs in the page. */
async function classify({ model, budgets, images }) {
  const { env, InferenceSession, Tensor, reportOf } = await import('/pkg/dist/nearside.js');
  // The edge's engine; another one rounds in its own way.
  env.wasm.simd = 'fixed';
  const session = await InferenceSession.create(model, {
    nearside: { maxModelBytes: budgets.device, edge: { url: '/edge', maxModelBytes: budgets.edge }, cloud: '/cloud' },
  });
  const answers = [];
  for (const image of images) {
    const results = await session.run({ image: new Tensor('float32', image, [1, 1, 8, 8]) });
    const probabilities = [...results.probabilities.data];
    const { source, attempts } = reportOf(results);
    answers.push({ source, attempts: attempts.map(({ place, code }) => `${place}:${code}`), digit: probabilities.indexOf(Math.max(...probabilities)), probabilities });
  }
  await session.release();
  return answers;
}

test('only the budgets decide who answers, and all give the same class', async () => {
  const tab = await chromium.page();
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.goto(`${stack.url}/pkg/package.json`);
  const images = cases.map(({ image }) => image.map((value) => value / divideBy));
  const byPlace = [];
  for (const { source, device, edge, attempts } of PLACES) {
    const answers = await tab.page.evaluate(classify, { model: MODEL, budgets: { device, edge }, images });
    for (const answer of answers) assert.deepEqual([answer.source, answer.attempts], [source, attempts]);
    byPlace.push(answers);
  }
  for (const [index, { label, probabilities }] of cases.entries()) {
    const expected = probabilities.indexOf(Math.max(...probabilities));
    for (const answers of byPlace) assert.equal(answers[index].digit, expected, `image ${index}, a ${label}`);
    const [onDevice, inEdge] = byPlace.map((answers) => answers[index].probabilities);
    assert.deepEqual(inEdge, onDevice, 'the device and the edge give the same bits');
  }
  tab.check(stack.url);
});
