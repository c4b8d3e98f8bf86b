// Pages of a Chromium whose GPU is a software adapter. In: nothing. Out: `gpuPages()` gives { open(), url, close() };
// `open()` gives a playwright page of the package's origin, in a profile that all of them share, with `wire.mjs` beside it;
// and what tests in such pages have in common: `useGpuPages()`, and shared models by address, inputs and presence.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sharedModels } from '../../scripts/lib/paths.mjs';
import { start } from '../../scripts/lib/stack.mjs';
import { bounded, launch } from './chromium.mjs';
import { servableModels } from './model-cases.mjs';
import { readNpz } from './npz.mjs';

const FLAGS = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const wire = fileURLToPath(new URL('./wire.mjs', import.meta.url));

export async function gpuPages() {
  const models = servableModels();
  const stack = await start({ models: models.folder, cloud: false, edge: false });
  const chromium = await launch({ args: FLAGS });
  const first = await chromium.page();
  return {
    url: stack.url,
    async open() {
      const page = bounded(await first.context.newPage());
      page.setDefaultTimeout(10 * 60_000);
      await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
      await page.route('**/tests/lib/wire.mjs', (route) => route.fulfill({ path: wire, contentType: 'text/javascript' }));
      // Any page of the origin will do: what matters is the policy that it came with.
      await page.goto(`${stack.url}/pkg/package.json`);
      return page;
    },
    async close() {
      await chromium.close();
      await stack.stop();
      models.remove();
    },
  };
}

export const address = (model) => `/models/${model}/1/model.onnx`;
export const npz = (model, name) => readNpz(join(sharedModels, model, `${name}.npz`));
/** Options of a test that needs these models. */
export const withModels = (...models) => {
  const absent = models.find((model) => !existsSync(join(sharedModels, model, 'model.onnx')));
  return { skip: absent && `${absent} is not in the folder of models` };
};

/** For a file of tests: pages as long as they run; gives `inPage(work)`, a page of its own, closed whatever happens. */
export function useGpuPages() {
  let pages;
  before(async () => { pages = await gpuPages(); });
  after(() => pages?.close());
  return async (work) => {
    const page = await pages.open();
    try {
      return await work(page);
    } finally {
      await page.close();
    }
  };
}
