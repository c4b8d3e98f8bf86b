// Every ONNX node test on the package in a page of Chromium, the engine in its module worker. In: tests/lib/conformance.mjs.
// Out: one node test for each hundred cases; it names every case that is not as the rows say, both ways.
// The one decision: a case that does not answer in time is a failure, and the page is loaded anew after it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { compareTensor } from '../lib/compare.mjs';
import { knownFailures, randomCases, readCases, sets } from '../lib/conformance.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const BATCH = 100;
const LIMIT = 20_000;
const wire = fileURLToPath(new URL('../lib/wire.mjs', import.meta.url));
let stack;
let chromium;
let tab;

before(async () => {
  stack = await start({ cloud: false, edge: false });
  chromium = await launch();
  tab = await chromium.page();
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.route('**/tests/lib/wire.mjs', (route) => route.fulfill({ path: wire, contentType: 'text/javascript' }));
});

after(async () => {
  await chromium?.close();
  await stack?.stop();
});

/** Runs in the page: cases until one does not answer in time; for each its outputs or its error. */
async function runInPage({ cases, limit }) {
  const { InferenceSession, Tensor } = await import('/pkg/index.browser.js');
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const one = async ({ model, sets: runs }) => {
    const bytes = Uint8Array.from(atob(model), (char) => char.charCodeAt(0));
    const session = await InferenceSession.create(bytes, { nearside: { mode: 'only_on_device' } });
    try {
      const answers = [];
      for (const inputs of runs) {
        const given = Object.values(read(inputs));
        const names = session.inputNames;
        if (given.length !== names.length) throw new Error(`${given.length} inputs for ${names.length}`);
        const tensor = ({ type, data, dims }) => new Tensor(type, data, dims);
        const feeds = given.map((value, at) => [names[at], Array.isArray(value) ? value.map(tensor) : value && tensor(value)]);
        const results = await session.run(Object.fromEntries(feeds));
        answers.push(write(Object.fromEntries(session.outputNames.map((name, at) => [at, results[name]]))));
      }
      return { answers };
    } finally {
      await session.release();
    }
  };
  // The engine's worker lives as long as some session does; without this one each case would start it anew.
  const kept = await InferenceSession.create('/models/digits/1/model.onnx', { nearside: { mode: 'only_on_device' } });
  const done = [];
  for (const each of cases) {
    const late = new Promise((resolve) => setTimeout(resolve, limit, { failure: 'timeout' }));
    const failed = ({ code, message }) => ({ failure: `${code}: ${message}` });
    const ended = await Promise.race([one(each).catch(failed), late]);
    done.push(ended);
    if (ended.failure === 'timeout') return done;
  }
  await kept.release();
  return done;
}

function judgeValue(name, got, wanted) {
  if (wanted?.error) return wanted.error;
  if (wanted === null) return got === null ? undefined : `${name} is not empty`;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(got) || got.length !== wanted.length) return `${name} is no sequence of ${wanted.length}`;
    return wanted.map((each, at) => judgeValue(`${name}[${at}]`, got[at], each)).find(Boolean);
  }
  const { same, text } = compareTensor(name, got, wanted, { rtol: 1e-3, atol: wanted.type === 'float16' ? 1e-3 : 1e-7 });
  return same ? undefined : text;
}

/** What is wrong with a case's answers; nothing when all is right. */
function judge({ sets: runs }, { failure, answers }) {
  if (failure) return failure;
  for (const [run, { outputs }] of runs.entries()) {
    const got = Object.values(fromWire(answers[run]));
    if (got.length !== outputs.length) return `${got.length} outputs instead of ${outputs.length}`;
    for (const [at, wanted] of outputs.entries()) {
      const failure = judgeValue(`output ${at}`, got[at], wanted);
      if (failure) return failure;
    }
  }
  return undefined;
}

const list = (tensors) => toWire(Object.fromEntries(tensors.map((tensor, at) => [at, tensor])));

async function runBatch(cases) {
  const failures = new Map();
  const runnable = [];
  for (const each of cases) {
    const odd = each.sets.flatMap(({ inputs }) => inputs).find((value) => value?.error);
    // No value of ours can hold such an input; the engine refuses the model for the same reason.
    if (odd) failures.set(each.name, odd.error);
    else runnable.push(each);
  }
  let rest = runnable;
  while (rest.length > 0) {
    const sent = rest.map(({ model, sets: runs }) => ({ model: model.toString('base64'), sets: runs.map(({ inputs }) => list(inputs)) }));
    await tab.page.goto(`${stack.url}/pkg/package.json`);
    const ended = await tab.page.evaluate(runInPage, { cases: sent, limit: LIMIT });
    ended.forEach((answer, at) => {
      const failure = judge(rest[at], answer);
      if (failure) failures.set(rest[at].name, failure);
    });
    rest = rest.slice(ended.length);
  }
  return failures;
}

for (const set of sets) {
  test(`chromium: node tests of onnx ${set.name}`, { skip: !set.present && 'the archive is not there' }, async (t) => {
    const known = knownFailures(set);
    const random = randomCases(set);
    const cases = readCases(set);
    const strangers = [...known.keys()].filter((name) => !cases.some((each) => each.name === name));
    assert.deepEqual(strangers, [], 'rows that name no case');
    for (let at = 0; at < cases.length; at += BATCH) {
      const batch = cases.slice(at, at + BATCH);
      await t.test(`${batch[0].name} … ${batch.at(-1).name}`, async () => {
        const failures = await runBatch(batch);
        const surprises = batch.flatMap(({ name }) => {
          if (random.has(name)) return [];
          const [failure, reason] = [failures.get(name), known.get(name)];
          if (failure && !reason) return [`${name} fails: ${failure}`];
          return !failure && reason ? [`${name} passes now: remove it from its row (${reason})`] : [];
        });
        assert.deepEqual(surprises, []);
      });
    }
  });
}
