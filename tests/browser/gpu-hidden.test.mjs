// A page that nobody looks at: runs on the GPU go on while it is hidden, also when its device goes, and end right when it
// was frozen in the middle of them, which stops workers, but not what waits for a GPU alone. In: a shared model, and a Chromium whose pages can be hidden. Out: a test for each place of the engine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../../scripts/lib/stack.mjs';
import { address, npz, withModels } from '../lib/gpu-page.mjs';
import { hideable } from '../lib/hidden.mjs';
import { servableModels } from '../lib/model-cases.mjs';
import { toWire } from '../lib/wire.mjs';

const MODEL = 'mnist-8';
const FLAGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
/** The module of wires as an expression: the page's server does not have it. */
const WIRE = `void (globalThis.fromWire = (() => { ${readFileSync(new URL('../lib/wire.mjs', import.meta.url), 'utf8').replaceAll('export ', '')}; return fromWire; })())`;
const PATIENCE = 60_000;

let [models, stack, chromium] = [];
before(async () => {
  models = servableModels();
  stack = await start({ models: models.folder, cloud: false, edge: false });
  chromium = await hideable(FLAGS);
});
after(async () => {
  await chromium?.close();
  await stack?.stop();
  models?.remove();
});

/** Runs in the page: a session that runs again and again until it is told to stop, and what came of it. */
async function begin({ model, feeds, inline }) {
  const { InferenceSession, Tensor, env } = await import('/pkg/dist/nearside.js');
  if (inline) env.wasm.proxy = false;
  const session = await InferenceSession.create(model, { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', gpu: { choose: 'always', check: false } } });
  const tensors = Object.entries(globalThis.fromWire(feeds)).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]);
  const once = async () => {
    const results = await session.run(Object.fromEntries(tensors));
    return { data: Object.values(results)[0].data, backend: results.report.backend };
  };
  const { data: wanted } = await once();
  const state = { ended: 0, farthest: 0, others: 0, seen: [], stop: false, env };
  document.addEventListener('freeze', () => state.seen.push('freeze'));
  document.addEventListener('resume', () => state.seen.push('resume'));
  globalThis.state = state;
  state.loop = (async () => {
    while (!state.stop) {
      const { data, backend } = await once();
      state.ended += 1;
      state.others += backend === 'webgpu' ? 0 : 1;
      state.farthest = data.reduce((most, value, at) => Math.max(most, Math.abs(value - wanted[at])), state.farthest);
    }
    await session.release();
  })();
}

/* Run in the page too. */
const told = () => ({ visible: document.visibilityState, ended: globalThis.state.ended, seen: globalThis.state.seen });
const destroy = async () => (await globalThis.state.env.webgpu.device).destroy();
async function end() {
  const { state } = globalThis;
  state.stop = true;
  await state.loop;
  return { farthest: state.farthest, others: state.others };
}

/** Waits for `count` more runs; gives what the page tells then. */
async function more(page, count) {
  const { ended } = await page.evaluate(told);
  for (const since = performance.now(); performance.now() - since < PATIENCE; await sleep(50)) {
    const now = await page.evaluate(told);
    if (now.ended >= ended + count) return now;
  }
  assert.fail(`no ${count} runs more in ${PATIENCE / 1000} s`);
}

for (const inline of [true, false]) {
  test(`chromium webgpu: a page is hidden and frozen in the middle of runs, the engine ${inline ? 'in the page' : 'in its worker'}`, withModels(MODEL), async (t) => {
    const page = await chromium.open(`${stack.url}/pkg/package.json`);
    await page.show();
    await page.evaluate(WIRE);
    await page.evaluate(begin, { model: address(MODEL), feeds: toWire(npz(MODEL, 'inputs')), inline });
    assert.equal((await more(page, 2)).visible, 'visible');
    await page.hide();
    const hidden = await more(page, 3);
    assert.equal(hidden.visible, 'hidden');
    if (inline) {
      await page.evaluate(destroy);
      assert.equal((await more(page, 3)).visible, 'hidden');
    }
    await page.freeze();
    const { ended } = await page.evaluate(told);
    await sleep(1000);
    const frozen = await page.evaluate(told);
    // The worker may end what it has begun.
    assert.ok(inline || frozen.ended <= ended + 1, `${frozen.ended - ended} runs ended in a frozen page`);
    assert.deepEqual(frozen.seen, ['freeze']);
    await page.thaw();
    assert.deepEqual((await more(page, 3)).seen, ['freeze', 'resume']);
    await page.show();
    const shown = await more(page, 3);
    assert.equal(shown.visible, 'visible');
    const { farthest, others } = await page.evaluate(end);
    t.diagnostic(`${shown.ended} runs, ${others} of them not on the GPU`);
    assert.ok(farthest < 1e-3, `an answer is ${farthest} away`);
    assert.equal(others, 0);
  });
}
