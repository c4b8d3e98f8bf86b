// The work by which the package's engine is trimmed: everything that the tests run, and what goes wrong.
// In: the folder of the generated glue, the engine. Out: a JSON file with the numbers of the functions that ran.
// The one decision: a process of its own, because its memory grows by every model that it loads.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bytesOf, exercise, Profile } from '../../pkg/tailor/profile.js';
import { architectures } from '../../tests/lib/architectures.mjs';
import { digits as digitCases, digitsPath } from '../../tests/lib/digits.mjs';
import { elements } from '../../tests/lib/elements.mjs';
import { lite } from '../../tests/lib/lite.mjs';
import { functions, lacking, outside, recursive, WEIGHTS } from '../../tests/lib/onnx.mjs';
import { withMemoryLimit } from '../../tests/lib/small-memory.mjs';
import { readCases, sets } from '../../tests/lib/conformance.mjs';
import { readNpz } from '../../tests/lib/npz.mjs';
import { modelFiles } from '../../www/precache.mjs';
import { madeUp } from '../../pkg/tailor/feeds.js';
import { root, sharedModels } from './paths.mjs';
import { isRare, isRareFile } from './rare.mjs';

/** Bytes of memory in which little fits. */
const MEMORY = 96 * 2 ** 20;

/** Whether a case is left to the whole engine; what is no model is not. */
function rare(profile, name, model) {
  let operators = [];
  profile.run((engine) => ({ operators } = engine.inspect(bytesOf(engine, model))));
  return isRare(name, operators);
}

/** Single operators: the cases of tests/cases/operators. */
function* operators(profile) {
  const folder = join(root, 'tests', 'cases', 'operators');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json') && !isRareFile(name)).sort()) {
    for (const { name: own, model: text, inputs } of JSON.parse(readFileSync(join(folder, file), 'utf8'))) {
      const model = Buffer.from(text, 'base64');
      if (rare(profile, own, model)) continue;
      yield { model, runs: [Object.entries(inputs).map(([name, value]) => ({ name, ...elements(value) }))] };
    }
  }
}

/** The node tests of ONNX, where they are at hand. */
function* conformance(profile) {
  for (const set of sets.filter(({ present }) => present)) {
    for (const { name, model, sets: data } of readCases(set)) if (!rare(profile, name, model)) yield { model, runs: data.map(({ inputs }) => inputs) };
  }
}

/** Runs of made-up inputs in several sizes, for what a model leaves open. */
function madeUpFor(profile, model, files) {
  let inputs = [];
  profile.run((engine) => ({ inputs } = engine.inspect(bytesOf(engine, model, 0, files))));
  return madeUp(inputs, new Map());
}

/** Real models, where they are at hand, on their recorded inputs and on others. */
function* models(profile) {
  if (!existsSync(sharedModels)) return;
  for (const name of readdirSync(sharedModels).sort()) {
    const folder = join(sharedModels, name);
    const model = join(folder, 'model.onnx');
    if (!existsSync(model)) continue;
    const inputs = readdirSync(folder).filter((file) => file.endsWith('inputs.npz')).sort();
    const runs = inputs.map((file) => Object.entries(readNpz(join(folder, file))).map(([input, value]) => ({ name: input, ...value })));
    const bytes = readFileSync(model);
    yield { model: bytes, runs: [...runs, ...madeUpFor(profile, bytes)] };
  }
}

/** Networks of common architectures: what models that nobody has shown us will need. */
function* networks(profile) {
  const { cases, model, feeds, WEIGHTS } = architectures();
  for (const one of cases) yield { model: model(one.name), runs: [feeds(one), ...madeUpFor(profile, model(one.name), WEIGHTS)], files: WEIGHTS };
}

/** The demo's models, on made-up inputs. */
function* demo(profile) {
  for (const { path } of modelFiles()) {
    const model = readFileSync(path);
    yield { model, runs: madeUpFor(profile, model) };
  }
}

/** What a file may hold beside a plain graph: functions, weights in other files, TensorFlow Lite. */
function* files(profile) {
  for (const model of [functions(), recursive(), lacking(), lite()]) yield { model, runs: madeUpFor(profile, model) };
  const checksums = [createHash('sha1').update(WEIGHTS).digest('hex'), '00'.repeat(20)];
  const externals = [outside(), ...checksums.map((checksum) => outside('weights.bin', { checksum })), outside('weights.bin', { offset: 20 }), outside('../up.bin'), outside('gone.bin')];
  const x = { name: 'x', type: 'float32', dims: [2], data: new Float32Array(2) };
  for (const model of externals) yield { model, runs: [[x]], files: { 'weights.bin': WEIGHTS } };
}

/** Running out of memory, in an engine that has little. */
function exhaust(profile) {
  const digits = readFileSync(digitsPath);
  const [, ...shape] = digitCases.shape;
  const many = { name: 'image', type: 'float32', dims: [60_000, ...shape], data: new Float32Array(60_000 * 64) };
  profile.run((one) => exercise(one, digits, [[many]]));
  profile.run((one) => bytesOf(one, new Uint8Array(MEMORY)));
  profile.run((one) => bytesOf(one, new Uint8Array(MEMORY), MEMORY));
}

/** What callers do wrong; each must end in a typed error without the whole engine. */
function mistakes(profile) {
  const digits = readFileSync(modelFiles()[0].path);
  const broken = [new Uint8Array(0), Buffer.from('not a model'), digits.subarray(0, digits.length >> 1), digits.subarray(7)];
  for (const model of broken) profile.run((engine) => exercise(engine, model, []));
  const image = { name: 'image', type: 'float32', dims: [1, 1, 8, 8], data: new Float32Array(64) };
  const wrong = [
    [], [{ ...image, name: 'nobody' }], [image, image], [{ ...image, dims: [1, 64] }], [{ ...image, dims: [1, 1, 8, 9] }],
    [{ ...image, type: 'int32', data: new Int32Array(64) }], [{ ...image, data: new Float32Array(63) }], [{ ...image, type: 'complex64' }],
  ];
  for (const feeds of wrong) profile.run((engine) => exercise(engine, digits, [feeds]));
  profile.run((engine) => engine.Model.load(bytesOf(engine, digits)).run([image], ['nobody']));
  profile.run((engine) => bytesOf(engine, digits, 2 ** 31));
  profile.run((engine) => engine.Model.load(bytesOf(engine, digits)).run([{ ...image, dims: [2 ** 20, 1, 8, 8] }]));
}

const [folder, engine, out] = process.argv.slice(2);
const glue = await import(pathToFileURL(join(folder, 'nearside.js')));
const profile = new Profile(glue, readFileSync(engine));
let count = 0;
for (const family of [operators, conformance, models, networks, demo, files]) {
  for (const { model, runs, files: beside } of family(profile)) {
    // One at a time: a run that fails must not keep the next from being tried.
    for (const run of runs) profile.run((one) => exercise(one, model, [run], beside));
    count += 1;
    if (count % 100 === 0) console.log(`${count} models`);
  }
}
mistakes(profile);
const limited = new Profile(await import(`${pathToFileURL(join(folder, 'nearside.js'))}?limited`), withMemoryLimit(readFileSync(engine), MEMORY));
exhaust(limited);
writeFileSync(out, JSON.stringify([...new Set([...profile.ran(), ...limited.ran()])]));
console.log(`${count} models`);
