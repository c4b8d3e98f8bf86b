// Every shared model on the package in a page of Chromium, the engine in its module worker, under the strict policy.
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { defineModelTests, servableModels } from '../lib/model-cases.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const wire = fileURLToPath(new URL('../lib/wire.mjs', import.meta.url));
let stack;
let chromium;
let tab;
let models;

before(async () => {
  models = servableModels();
  stack = await start({ models: models.folder, cloud: false, edge: false });
  chromium = await launch();
  tab = await chromium.page();
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  // Any page of the origin will do: what matters is the policy that it came with.
  await tab.page.goto(`${stack.url}/pkg/package.json`);
  await tab.page.route('**/tests/lib/wire.mjs', (route) => route.fulfill({ path: wire, contentType: 'text/javascript' }));
});

after(async () => {
  await chromium?.close();
  await stack?.stop();
  models?.remove();
});

/** Runs in the page. */
async function openInPage(url) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  try {
    window.session = await InferenceSession.create(url, { nearside: { mode: 'only_on_device', maxModelBytes: 1e9 } });
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
  return write(await window.session.run(Object.fromEntries(tensors)));
}

defineModelTests('chromium', async (row) => {
  const opened = await tab.page.evaluate(openInPage, `/models/${row.model}/1/model.onnx`);
  if (opened.code) throw Object.assign(new Error(opened.message), { code: opened.code });
  return {
    run: async (feeds) => fromWire(await tab.page.evaluate(runInPage, toWire(feeds))),
    async close() {
      await tab.page.evaluate(() => window.session.release());
      tab.check(stack.url);
    },
  };
});
