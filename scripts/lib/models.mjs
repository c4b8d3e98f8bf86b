// The demo's models as a folder `<name>/<version>/model.onnx`, the layout that serve, the edge and the page share.
// In: the digit model of this repository and the voice model inside an npm package. Out: the folder's path.
// The one decision: it is assembled in the cache, so that nothing licensed elsewhere is committed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cache, root } from './paths.mjs';

/** A model of the repository is a folder of versions; one from elsewhere is a file with a version. */
const models = [
  { name: 'digits', versions: join(root, 'www', 'models', 'digits') },
  { name: 'silero-vad', version: '5', file: join(root, 'node_modules', '@ricky0123', 'vad-web', 'dist', 'silero_vad_v5.onnx') },
];

/** By content: a checkout of an older state gives files any time. In one step, because a server may be reading there. */
function copy(from, to) {
  const bytes = readFileSync(from);
  if (existsSync(to) && readFileSync(to).equals(bytes)) return;
  mkdirSync(dirname(to), { recursive: true });
  const part = `${to}.${process.pid}`;
  writeFileSync(part, bytes);
  renameSync(part, to);
}

/** Versions and models that are no more would still be served, and as the latest. */
function removeOthers(folder, names) {
  for (const name of readdirSync(folder)) if (!names.includes(name)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** Assembles and gives the folder; a checkout has its own. */
export function assembleModels() {
  const folder = join(cache, 'models', createHash('sha256').update(root).digest('hex').slice(0, 12));
  mkdirSync(folder, { recursive: true });
  for (const { name, versions, version, file } of models) {
    const sources = file ? [[version, file]] : versionsIn(versions);
    if (sources.length === 0 || !existsSync(sources[0][1])) throw new Error(`the model ${name} is missing: ${file ?? versions}`);
    for (const [number, from] of sources) copy(from, join(folder, name, number, 'model.onnx'));
    removeOthers(join(folder, name), sources.map(([number]) => number));
  }
  removeOthers(folder, models.map(({ name }) => name));
  return folder;
}

function versionsIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /^\d+$/.test(name)).map((name) => [name, join(folder, name, 'model.onnx')]);
}
