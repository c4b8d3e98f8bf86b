// What npm would publish. In: `npm pack --dry-run`. Out: verdicts: all that a script of the package names is in it,
// nothing else is, and nothing in it reaches for what a strict page forbids.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const pkg = fileURLToPath(new URL('../../pkg', import.meta.url));
const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: pkg, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], shell: process.platform === 'win32' }));
const packed = files.map(({ path }) => path);
const scripts = packed.filter((path) => path.endsWith('.js'));
const text = (path) => readFileSync(`${pkg}/${path}`, 'utf8');

test('pack: the files of every entry are there', () => {
  for (const path of ['package.json', 'README.md', 'CHANGELOG.md', 'index.d.ts', 'declarations/tensor.d.ts', 'dist/nearside.js', 'dist/worker.js', 'dist/lane-worker.js', 'LICENSE-MIT', 'LICENSE-APACHE', 'wasm/nearside_bg.wasm', 'wasm/nearside_full_bg.wasm', 'wasm/nearside_relaxed_bg.wasm', 'wasm/nearside_relaxed_full_bg.wasm', 'tailor/cli.js']) assert.ok(packed.includes(path), path);
  for (const path of scripts) {
    const named = [...text(path).matchAll(/(?:from ?|import ?|import\(|new URL\()['"](\.[^'"]+)['"]/g)].map(([, target]) => posix.join(posix.dirname(path), target));
    for (const target of named) assert.ok(packed.includes(target), `${path} names ${target}`);
  }
});

test('pack: nothing but the package', () => {
  const foreign = packed.filter((path) => !/^((engine|gpu|platform|tailor)\/)?[\w.-]+\.js$|^dist\/[\w-]+\.js(\.map)?$|^declarations\/\w+\.d\.ts$|^wasm\/nearside(\.js|(_relaxed)?(_full)?_bg\.wasm)$|^(package\.json|index\.d\.ts|README\.md|CHANGELOG\.md|LICENSE-\w+)$/.test(path));
  assert.deepEqual(foreign, []);
});

test('pack: no dynamic import, no code from text, no blob, no top-level await, no other host', () => {
  // A tool for a terminal, which no entry imports.
  for (const path of scripts.filter((one) => !one.startsWith('tailor/'))) {
    const code = text(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    assert.deepEqual(code.match(/\bimport\(|\beval\(|\bnew Function\b|createObjectURL|^await |https?:\/\/.*/m), null, path);
  }
});

test('pack: every entry but the Worker\'s can be imported where there is no document and no Deno', async () => {
  for (const entry of ['index.browser', 'dist/nearside', 'index.node', 'index.deno']) {
    const names = Object.keys(await import(`../../pkg/${entry}.js`));
    assert.deepEqual(names.sort(), ['InferenceSession', 'NearsideError', 'Tensor', 'env', 'mapsOf', 'reportOf']);
  }
});
