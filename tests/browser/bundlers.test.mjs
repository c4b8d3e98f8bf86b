// The package in an application that a bundler made, without any setting of the bundler's. In: Vite, webpack, esbuild, and
// the example of pkg/README.md. Out: a verdict for each: the engine is in its worker, and the answer is the reference's.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from '../lib/chromium.mjs';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { serveSite } from '../lib/site.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const example = digits.cases[0];

/** `env`: what the application sets where the bundler leaves the files of the package to it. */
const app = (env = {}) => `
import { env, InferenceSession, reportOf, Tensor } from 'nearside';
Object.assign(env.wasm, ${JSON.stringify(env)});
globalThis.answer = (async () => {
  const session = await InferenceSession.create('/digits.onnx');
  const results = await session.run({ image: new Tensor('float32', Float32Array.from(${JSON.stringify([...pixels(example)])}), ${JSON.stringify(digits.shape)}) });
  const { data, dims } = results.probabilities;
  return { data: [...data], dims: [...dims], engine: session.report.engine, source: reportOf(results).source };
})().catch((error) => ({ failed: \`\${error.code}: \${error.message}\` }));
`;

const BUNDLERS = {
  async vite({ folder, out }) {
    const { build } = await import('vite');
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>app</title><script type="module" src="/app.js"></script>');
    await build({ root: folder, configFile: false, logLevel: 'error', build: { outDir: out } });
  },
  async webpack({ folder, entry, out }) {
    const { default: webpack } = await import('webpack');
    const config = { mode: 'production', context: folder, entry, output: { path: out, filename: 'app.js' }, performance: { hints: false } };
    await new Promise((resolve, reject) => webpack(config, (error, stats) => {
      const wrong = error ?? (stats.hasErrors() || stats.hasWarnings() ? new Error(stats.toString()) : undefined);
      return wrong ? reject(wrong) : resolve();
    }));
    page(out);
  },
  /** It leaves files that a module names alone: they are copied, as the README says. */
  async esbuild({ folder, entry, out }) {
    const { build } = await import('esbuild');
    writeFileSync(entry, app({ wasmPaths: '/wasm/' }));
    await build({ absWorkingDir: folder, entryPoints: [entry], bundle: true, format: 'esm', outfile: join(out, 'app.js'), logLevel: 'error' });
    for (const [from, to] of [['dist', '.'], ['wasm', 'wasm']]) {
      cpSync(join(folder, 'node_modules', 'nearside', from), join(out, to), { recursive: true });
    }
    page(out);
  },
};

const page = (out) => writeFileSync(join(out, 'index.html'), '<!doctype html><title>app</title><script type="module" src="/app.js"></script>');

/** Every file under a folder, by its path on the site. */
function filesOf(folder, at = folder) {
  return Object.assign({}, ...readdirSync(at).map((name) => {
    const path = join(at, name);
    return statSync(path).isDirectory() ? filesOf(folder, path) : { [`/${relative(folder, path).replaceAll('\\', '/')}`]: readFileSync(path) };
  }));
}

let chromium;
before(async () => { chromium = await launch(); });
after(() => chromium?.close());

for (const [name, bundle] of Object.entries(BUNDLERS)) {
  test(`bundlers: ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nearside-bundlers-'));
    const out = join(folder, 'out');
    const entry = join(folder, 'app.js');
    mkdirSync(out);
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
    writeFileSync(entry, app());
    await bundle({ folder, entry, out });
    const files = filesOf(out);
    const site = await serveSite({ files: { ...files, '/digits.onnx': readFileSync(digitsPath) } });
    const tab = await chromium.page();
    try {
      await tab.page.goto(`${site.url}/index.html`);
      await tab.page.waitForFunction(() => globalThis.answer);
      const answer = await tab.page.evaluate(() => globalThis.answer);
      assert.equal(answer.failed, undefined);
      checkDigit({ type: 'float32', dims: answer.dims, data: Float32Array.from(answer.data) }, example);
      assert.equal(answer.source, 'on_device');
      assert.deepEqual([answer.engine.thread, answer.engine.reason], ['worker', undefined]);
      tab.check(site.url);
    } finally {
      await tab.close();
      await site.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
