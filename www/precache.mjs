/**
 * Precache: which files make up the site, and the list that the service worker stores.
 *
 * In: the repository (www, pkg with its built wasm, the installed voice model). Out: `siteFiles()`, each file's
 * address on the site and place on disk; `precacheList()`, the same with sizes and hashes, as precache.json.
 * One decision: the package's files are found by following its imports, so that the list holds what a page can
 * ask for and nothing else, and needs no care when the package changes. The whole engine is left out: the trimmed one
 * runs whatever our tests run, and a visitor who is offline should not have paid for both; and so is the one with
 * relaxed SIMD, because the demo shows the same bits in all three places.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const www = dirname(fileURLToPath(import.meta.url));
export const pkg = resolve(www, '../pkg');
const ENTRY = 'dist/nearside.js';
const OTHER_ENGINES = /nearside_(full|relaxed|relaxed_full)_bg\.wasm$/;

/** The policy under which the site runs; every answer of a server carries it. */
export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";

export const TYPES = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json', '.webmanifest': 'application/manifest+json', '.wasm': 'application/wasm',
  '.png': 'image/png', '.flac': 'audio/flac', '.onnx': 'application/octet-stream',
};

/** Models of the demo: address on the site, file on disk. */
export function modelFiles() {
  const voice = dirname(createRequire(import.meta.url).resolve('@ricky0123/vad-web/package.json'));
  return [
    { url: 'models/digits/1/model.onnx', path: join(www, 'models/digits/1/model.onnx') },
    { url: 'models/silero-vad/5/model.onnx', path: join(voice, 'dist/silero_vad_v5.onnx') },
  ];
}

/** Everything the page may ask for, but for the service worker itself and its list. */
export async function siteFiles() {
  const own = ['index.html', 'manifest.webmanifest', 'samples/speech.flac'];
  for (const folder of ['css', 'js', 'icons']) {
    for (const name of (await readdir(join(www, folder))).sort()) {
      if (TYPES[extname(name)]) own.push(`${folder}/${name}`);
    }
  }
  const files = own.map((url) => ({ url, path: join(www, url) }));
  const modules = await reachable(join(pkg, ENTRY));
  files.push(...modules.filter((path) => !OTHER_ENGINES.test(path)).map((path) => ({ url: `pkg/${relative(pkg, path).replaceAll('\\', '/')}`, path })));
  return [...files, ...modelFiles()];
}

/** A module and every file that it names: static and dynamic imports, workers and wasm by `new URL`. */
async function reachable(entry) {
  const found = new Set();
  const queue = [entry];
  for (let path = queue.pop(); path; path = queue.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    if (extname(path) !== '.js') continue;
    const text = (await readFile(path, 'utf8')).replace(/\/\*[\s\S]*?\*\//g, '');
    const named = [
      ...text.matchAll(/(?:^|;)\s*(?:import|export)\b[^'"`;]*?['"](\.[^'"]+)['"]/gm),
      ...text.matchAll(/\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/g),
      ...text.matchAll(/\bnew URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url\s*\)/g),
    ];
    for (const [, name] of named) queue.push(fileURLToPath(new URL(name, pathToFileURL(path))));
  }
  return [...found].sort();
}

/** @returns {Promise<{ version: string, bytes: number, files: { url: string, bytes: number, sha256: string, type: string }[] }>} */
export async function precacheList(files) {
  const rows = await Promise.all((files ?? await siteFiles()).map(async ({ url, path }) => {
    const body = await readFile(path);
    return { url, bytes: (await stat(path)).size, sha256: createHash('sha256').update(body).digest('base64'), type: TYPES[extname(path)] };
  }));
  // sw.js counts too: a change of it alone has to reach the visitor as a new version.
  const version = createHash('sha256').update(await readFile(join(www, 'sw.js')));
  for (const { url, sha256 } of rows) version.update(`${url} ${sha256}\n`);
  return { version: version.digest('hex').slice(0, 16), bytes: rows.reduce((sum, row) => sum + row.bytes, 0), files: rows };
}
