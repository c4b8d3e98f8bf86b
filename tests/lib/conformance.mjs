// The ONNX node tests as data. In: the archives (NEARSIDE_CONFORMANCE, else ../shared/conformance) and the known
// failures (tests/cases/conformance-*.json). Out: `sets`, and for each its cases and which of them must fail.
// The one decision: the system's tar unpacks; the rows are those of the native engine, but for the few that differ.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kindsOf, readValueProto } from './tensor-proto.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const folder = resolve(process.env.NEARSIDE_CONFORMANCE ?? join(root, '..', 'shared', 'conformance'));

export const sets = [
  { name: '1.17', archive: join(folder, 'onnx-node-tests-1.17.tar.gz') },
  { name: '1.23', archive: join(folder, 'onnx-node-tests.tar.gz') },
].map((set) => ({ ...set, present: existsSync(set.archive) }));

/** The names of cases that end one way or the other. */
export function randomCases({ name }) {
  const { random = [] } = JSON.parse(readFileSync(join(root, 'tests', 'cases', `conformance-${name}.json`), 'utf8'));
  return new Set(random.flatMap(({ cases }) => cases));
}

/** name -> reason, for every case that must fail on wasm; `wasm` lists what is there the other way round than natively. */
export function knownFailures({ name }) {
  const { failures, wasm = [] } = JSON.parse(readFileSync(join(root, 'tests', 'cases', `conformance-${name}.json`), 'utf8'));
  const rows = (groups) => new Map(groups.flatMap(({ cases, reason }) => cases.map((each) => [each, reason])));
  const known = rows(failures);
  for (const [each, reason] of rows(wasm)) {
    if (!known.delete(each)) known.set(each, reason);
  }
  return known;
}

/** Reads every case; a value of a type that the engine lacks is { error }. */
export function readCases({ archive }) {
  const unpacked = mkdtempSync(join(tmpdir(), 'nearside-conformance-'));
  try {
    execFileSync('tar', ['-xzf', archive, '-C', unpacked]);
    const files = readdirSync(unpacked, { recursive: true }).map(String);
    const models = files.filter((file) => file.endsWith('model.onnx')).sort();
    return models.map((file) => readCase(join(unpacked, dirname(file))));
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

function readCase(path) {
  const model = readFileSync(join(path, 'model.onnx'));
  const kinds = kindsOf(model);
  const values = (set, kind) => {
    const names = readdirSync(join(path, set)).filter((name) => name.startsWith(`${kind}_`));
    const number = (name) => Number(name.slice(kind.length + 1, -'.pb'.length));
    return names.sort((a, b) => number(a) - number(b)).map((name) =>
      readValue(readFileSync(join(path, set, name)), kinds[`${kind}s`][number(name)]));
  };
  const folders = readdirSync(path).filter((name) => name.startsWith('test_data_set_')).sort();
  return {
    name: path.split(/[\\/]/).at(-1),
    model,
    sets: folders.map((set) => ({ inputs: values(set, 'input'), outputs: values(set, 'output') })),
  };
}

function readValue(bytes, kind) {
  try {
    return readValueProto(bytes, kind);
  } catch (error) {
    return { error: error.message };
  }
}
