// The Worker in real workerd, by miniflare. In: edge/build/, a models folder, the address of the cloud tier.
// Out: { url, stop, miniflare }.
// The one decision: the bindings are those of edge/wrangler.toml, and the models go into the bucket as
// `<name>/<version>/…`, as they would be uploaded.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { root } from './paths.mjs';

/** The entry first; the rest as wasm-bindgen left it, snippets included. */
function modulesIn(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => /\.(m?js|wasm)$/.test(name) && !name.endsWith('shim.mjs'));
  return ['shim.mjs', ...files.sort()].map((name) => ({
    type: name.endsWith('.wasm') ? 'CompiledWasm' : 'ESModule',
    path: join(folder, name),
  }));
}

export async function putModels(miniflare, models) {
  const bucket = await miniflare.getR2Bucket('MODELS');
  for (const name of readdirSync(models, { recursive: true })) {
    if (!statSync(join(models, name)).isFile()) continue;
    // A Node Buffer is refused; a plain Uint8Array is not.
    await bucket.put(name.split(sep).join('/'), new Uint8Array(readFileSync(join(models, name))));
  }
}

/** `bindings` adds to or replaces the Worker's variables; `models` may be undefined for an empty bucket. */
export async function startEdge({ models, cloudUrl, bindings = {}, folder = join(root, 'edge', 'build'), ...options } = {}) {
  if (!existsSync(join(folder, 'index_bg.wasm'))) throw new Error('the Worker is missing: npm run build -- edge');
  const { Miniflare } = await import('miniflare');
  const miniflare = new Miniflare({
    name: 'edge',
    cf: false,
    host: '127.0.0.1',
    port: 0,
    modulesRoot: folder,
    modules: modulesIn(folder),
    compatibilityDate: '2026-04-01',
    bindings: { ...(cloudUrl ? { CLOUD_URL: cloudUrl } : {}), ...bindings },
    r2Buckets: ['MODELS'],
    ...options,
  });
  try {
    const url = (await miniflare.ready).origin;
    if (models) await putModels(miniflare, models);
    return { url, miniflare, stop: () => miniflare.dispose() };
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}
