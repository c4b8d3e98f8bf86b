// A page that is slow, and a server that is: what comes late or in drops is as right as what comes at once, nothing waits
// for what stalls but who asked for it, and it can be given up. In: the digit model on a site whose answers the test holds
// back, a page whose processor is throttled. Out: verdicts.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { serveSite } from '../lib/site.mjs';

const MODEL = '/models/digits/1/model.onnx';
const example = digits.cases[0];
const given = { url: MODEL, data: [...pixels(example)], dims: digits.shape };

let chromium;
before(async () => { chromium = await launch(); });
after(() => chromium?.close());

async function onPage(intercept, work, { throttle } = {}) {
  const site = await serveSite({ intercept });
  const tab = await chromium.page();
  try {
    await tab.page.goto(`${site.url}/`);
    if (throttle) await (await tab.context.newCDPSession(tab.page)).send('Emulation.setCPUThrottlingRate', { rate: throttle });
    await work(tab, site);
    tab.check(site.url);
  } finally {
    await tab.close();
    await site.close();
  }
}

/** In the page: a session, a run, and what they tell. */
async function once({ url, data, dims, options }) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  const events = [];
  const onProgress = ({ status, loaded }) => events.push({ status, loaded });
  const session = await InferenceSession.create(url, { nearside: { ...options, onProgress } });
  const results = await session.run({ image: new Tensor('float32', Float32Array.from(data), dims) });
  const answer = { data: [...results.probabilities.data], dims: [...results.probabilities.dims], created: session.report, events };
  await session.release();
  return answer;
}
const right = ({ data, dims }) => checkDigit({ type: 'float32', dims, data: Float32Array.from(data) }, example);

test('slow: a page of a twentieth of the speed', () => onPage(undefined, async ({ page }) => {
  const answer = await page.evaluate(once, given);
  right(answer);
  assert.deepEqual([answer.created.engine.thread, answer.created.engine.reason], ['worker', undefined]);
  assert.deepEqual([...new Set(answer.events.map(({ status }) => status))], ['initiate', 'download', 'progress', 'done', 'ready']);
}, { throttle: 20 }));

test('slow: a model that comes in drops, at first byte by byte', async () => {
  const model = await readFile(digitsPath);
  const drops = (request, response) => {
    if (request.url !== MODEL) return false;
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': model.length });
    const send = (at) => {
      if (response.destroyed) return;
      const size = at < 200 ? 1 : 4001;
      if (at + size >= model.length) response.end(model.subarray(at));
      else response.write(model.subarray(at, at + size), () => setImmediate(send, at + size));
    };
    send(0);
    return true;
  };
  await onPage(drops, async ({ page }) => {
    const answer = await page.evaluate(once, given);
    right(answer);
    assert.equal(answer.created.bytesFetched, model.length);
    const loaded = answer.events.filter(({ status }) => status === 'progress').map((event) => event.loaded);
    assert.deepEqual(loaded, loaded.toSorted((a, b) => a - b));
    assert.equal(loaded.at(-1), model.length);
  });
});

/** Holds back answers to `path` until `go` is called; `asked` when somebody asks. */
function holding(path) {
  const held = [];
  const state = { open: false, asked: undefined };
  const asked = new Promise((resolve) => { state.asked = resolve; });
  return {
    asked,
    go() {
      state.open = true;
      for (const one of held.splice(0)) one();
    },
    /** As an interceptor: what is not held is answered by the site itself. */
    intercept(request, response, answer) {
      if (!request.url.endsWith(path) || state.open) return false;
      state.asked();
      held.push(() => answer(request, response));
      return true;
    },
  };
}

const rooted = (path) => new URL(`../..${path}`, import.meta.url);
const answered = (type, file) => async (request, response) => response.writeHead(200, { 'Content-Type': type }).end(await readFile(rooted(file)));
const ANSWERS = {
  '/pkg/dist/worker.js': answered('text/javascript', '/pkg/dist/worker.js'),
  '/pkg/wasm/nearside_relaxed_bg.wasm': answered('application/wasm', '/pkg/wasm/nearside_relaxed_bg.wasm'),
  [MODEL]: answered('application/octet-stream', '/www/models/digits/1/model.onnx'),
};

for (const [path, answer] of Object.entries(ANSWERS)) {
  const name = path.split('/').at(-1);
  test(`slow: ${name} stalls before its first byte: it can be given up, and is there for the next session`, async () => {
    const { asked, go, intercept } = holding(path);
    await onPage((request, response) => intercept(request, response, answer), async ({ page }) => {
      const aborted = page.evaluate(async ({ url }) => {
        const { InferenceSession } = await import('/pkg/dist/nearside.js');
        window.controller = new AbortController();
        return InferenceSession.create(url, { nearside: { signal: window.controller.signal } }).then(() => 'made', ({ code }) => code);
      }, given);
      await asked;
      await page.evaluate(() => window.controller.abort());
      assert.equal(await aborted, 'ABORTED');
      const next = page.evaluate(once, given);
      go();
      const made = await next;
      right(made);
      assert.equal(made.created.engine.thread, 'worker');
    });
  });
}

test('slow: a session whose model stalls holds up no other one', async () => {
  const { asked, go, intercept } = holding('/stalled.onnx');
  await onPage((request, response) => intercept(request, response, ANSWERS[MODEL]), async ({ page }) => {
    const stalled = page.evaluate(once, { ...given, url: '/stalled.onnx' });
    await asked;
    right(await page.evaluate(once, given));
    go();
    right(await stalled);
  });
});

test('slow: runs and releases in any order, in a page of a twentieth of the speed', () => onPage(undefined, async ({ page }) => {
  const answers = await page.evaluate(async ({ url, data, dims }) => {
    const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
    const image = () => ({ image: new Tensor('float32', Float32Array.from(data), dims) });
    const told = (promise) => promise.then(({ probabilities }) => [...probabilities.data], ({ code }) => code);
    const ends = [];
    for (let round = 0; round < 6; round += 1) {
      const session = await InferenceSession.create(url);
      const controller = new AbortController();
      const runs = [told(session.run(image())), told(session.run(image(), { signal: controller.signal })), told(session.run(image()))];
      controller.abort();
      const released = session.release();
      runs.push(told(session.run(image())));
      // Not waited for: the next one starts beside its end.
      ends.push(Promise.all(runs), released.then(() => 'released'));
    }
    return Promise.all(ends);
  }, given);
  for (let at = 0; at < answers.length; at += 2) {
    const [first, second, third, fourth] = answers[at];
    for (const data of [first, third]) right({ data, dims: [1, 10] });
    assert.deepEqual([second, fourth, answers[at + 1]], ['ABORTED', 'SESSION_RELEASED', 'released']);
  }
}, { throttle: 20 }));
