// The package as a page takes it. In: pkg/ with its generated glue. Out: pkg/dist/: the public names in nearside.js,
// the engine's worker and its threads, and what they have in common, each module once.
// The one decision: what is written by hand stays in the package, for Node and for source maps; but some fifty small
// modules, found one level after the other, would cost a first visit more than all of their bytes.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/** What is loaded by name: a page's import, and workers by `new URL`, whose names must stay what they are. */
const ENTRIES = { nearside: 'index.browser.js', worker: 'engine/worker.js', 'lane-worker': 'engine/lane-worker.js' };

export async function bundle() {
  const { build } = await import('esbuild');
  const pkg = join(root, 'pkg');
  const folder = join(pkg, 'dist');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: pkg,
    entryPoints: ENTRIES,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    sourcemap: 'linked',
    sourcesContent: false,
    chunkNames: 'shared-[hash]',
    logLevel: 'warning',
  });
}
