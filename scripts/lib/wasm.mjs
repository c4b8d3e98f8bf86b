// From cargo's .wasm to a folder that can be shipped. In: the .wasm that cargo linked and a way to run
// wasm-bindgen on it. Out: the folder with the optimised module, swapped in as a whole.
// The one decision: work is keyed by content. The same input gives the same output, so wasm-bindgen is skipped
// when the stamp in the folder matches and wasm-opt when its result is in the cache.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { cache, root } from './paths.mjs';
import { run } from './run.mjs';
import { UNCALLED, dropUncalled } from './uncalled.mjs';

// By name: `--all-features` writes an import encoding that no engine reads.
const FEATURES = ['simd', 'bulk-memory', 'nontrapping-float-to-int', 'sign-ext', 'mutable-globals', 'reference-types', 'multivalue', 'relaxed-simd'];
const flags = (more, level) => [level, ...[...FEATURES, ...more].map((name) => `--enable-${name}`)];
const require = createRequire(join(root, 'package.json'));

const STAMP = '.stamp.json';

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

/** Optimises `file` in place; `features` are those that this module has beside the usual ones, `level` how. */
export async function wasmOpt(file, label, features = [], level = '-Os') {
  const chosen = flags(features, level);
  // Debian's wasm-opt is too old for the tables that wasm-bindgen writes; npm's is pinned by package-lock.json.
  const manifest = require.resolve('binaryen/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  const kept = join(cache, 'wasm-opt', `${sha256(readFileSync(file), version, ...chosen)}.wasm`);
  if (!existsSync(kept)) {
    mkdirSync(dirname(kept), { recursive: true });
    const part = `${kept}.${process.pid}`;
    await run(process.execPath, [join(dirname(manifest), 'bin', 'wasm-opt'), file, '-o', part, ...chosen], { label: `wasm-opt ${label}` });
    renameSync(part, kept);
  }
  copyFileSync(kept, file);
}

export function measure(file) {
  const bytes = readFileSync(file);
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }).length,
  };
}

/**
 * Makes `folder` from `input` unless it was made from the same input in the same way.
 * `bindgen(temporary)` fills a temporary folder, `module` is the wasm in it, `recipe` is what else decides the result;
 * `bound()` is called when cargo is no longer needed; `derive(temporary)` makes more of what is there.
 */
export async function publish({ input, folder, module, recipe, optimise, label, bindgen, bound, derive, features }) {
  const stampFile = join(folder, STAMP);
  const key = sha256(readFileSync(input), JSON.stringify(recipe), String(optimise), String(UNCALLED));
  const stamp = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
  if (stamp.key === key && isWhole(folder, stamp)) return { did: 'unchanged', size: stamp.size };

  const temporary = join(dirname(folder), `.${label}-${process.pid}`);
  const clear = () => rmSync(temporary, { recursive: true, force: true });
  clear();
  mkdirSync(temporary, { recursive: true });
  // Whoever is interrupted leaves by `process.exit`.
  process.once('exit', clear);
  try {
    await bindgen(temporary);
    bound();
    dropUncalled(join(temporary, module));
    if (optimise) await wasmOpt(join(temporary, module), label, features);
    await derive?.(temporary);
    const size = measure(join(temporary, module));
    writeFileSync(join(temporary, STAMP), JSON.stringify({ key, size, files: filesIn(temporary) }));
    rmSync(folder, { recursive: true, force: true });
    // In one step: what is cut off has either the old folder, or none, or the new one.
    renameSync(temporary, folder);
    return { did: 'built', size };
  } finally {
    clear();
    process.off('exit', clear);
  }
}

/** Each file below a folder with its size. */
function filesIn(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name !== STAMP).map((name) => [name, statSync(join(folder, name))]);
  return Object.fromEntries(files.filter(([, file]) => file.isFile()).map(([name, { size }]) => [name, size]));
}

/** Whether all that was made is there still, and whole. */
function isWhole(folder, { files }) {
  return files !== undefined && Object.entries(files).every(([name, size]) => statSync(join(folder, name), { throwIfNoEntry: false })?.size === size);
}
