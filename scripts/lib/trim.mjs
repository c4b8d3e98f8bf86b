// The engine that a page loads first: the whole one without the functions that no test needs.
// In: the folder of the generated glue with the whole engine in it, the reference and the one with relaxed SIMD. Out:
// both trimmed; to the whole one the package turns when a model needs more (pkg/engine/core.js).
// The one decision: what to keep is measured anew for every engine, by running scripts/lib/corpus.mjs on it; a list
// kept from an earlier one would name functions that no longer exist.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drop, mark } from '../../pkg/tailor/module.js';
import { sets } from '../../tests/lib/conformance.mjs';
import { sortFile } from './likeness.mjs';
import { cache, root, sharedModels } from './paths.mjs';
import { run } from './run.mjs';
import { ENGINES, writeReference } from './variants.mjs';
import { wasmOpt } from './wasm.mjs';

/** Everything that decides what is run; large files by their size. */
export function corpusKey() {
  const hash = createHash('sha256');
  const folders = ['tests/cases/operators', 'tests/cases/architectures', 'pkg/tailor', 'tests/lib'].map((name) => join(root, name));
  const files = [
    ...['corpus.mjs', 'rare.mjs'].map((name) => join(root, 'scripts', 'lib', name)),
    ...folders.flatMap((folder) => readdirSync(folder).sort().map((name) => join(folder, name))),
  ];
  for (const file of files) hash.update(readFileSync(file));
  for (const { archive, present } of sets) if (present) hash.update(`${archive.split(/[\\/]/).at(-1)} ${statSync(archive).size}`);
  if (existsSync(sharedModels)) for (const name of readdirSync(sharedModels).sort()) hash.update(name);
  return hash.digest('hex');
}

/**
 * Trims the whole engine of `folder`. What runs is found with the reference, whose functions have the same numbers as
 * those of the engine with relaxed SIMD, which is the one that is trimmed.
 */
export async function trim(folder) {
  const engine = readFileSync(join(folder, ENGINES.relaxed.whole));
  const key = createHash('sha256').update(engine).update(corpusKey()).digest('hex');
  const kept = join(cache, 'wasm-opt', `${key}.trimmed.wasm`);
  if (!existsSync(kept)) {
    const scratch = mkdtempSync(join(tmpdir(), 'nearside-trim-'));
    try {
      const [ran, trimmed] = [join(scratch, 'ran.json'), join(scratch, 'trimmed.wasm')];
      const corpus = join(root, 'scripts', 'lib', 'corpus.mjs');
      await run(process.execPath, ['--max-old-space-size=8192', corpus, folder, join(folder, ENGINES.simd128.whole), ran], { label: 'trim' });
      const functions = new Set(JSON.parse(readFileSync(ran, 'utf8')));
      writeFileSync(trimmed, drop(engine, functions));
      await wasmOpt(trimmed, 'trimmed');
      sortFile(trimmed);
      mkdirSync(join(cache, 'wasm-opt'), { recursive: true });
      const part = `${kept}.${process.pid}`;
      writeFileSync(part, mark(readFileSync(trimmed), functions.size));
      renameSync(part, kept);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  copyFileSync(kept, join(folder, ENGINES.relaxed.trimmed));
  writeReference(folder, 'trimmed');
}
