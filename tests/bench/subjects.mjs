// What is measured. In: tests/cases/models.json with the folder of models, and www/models; or files. Out: subjects
// { name, file, bytes, feeds, expected, tolerance }, and the names of those that are absent.
// The one decision: a model without recorded inputs gets made-up ones, and then the engines are each other's reference.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { root } from '../../scripts/lib/paths.mjs';
import { InferenceSession } from '../../pkg/index.node.js';
import { digits, pixels } from '../lib/digits.mjs';
import { sharedModels } from '../../scripts/lib/paths.mjs';
import { modelFile } from '../lib/model-cases.mjs';
import { readNpz } from '../lib/npz.mjs';

const { models, tolerances } = JSON.parse(readFileSync(join(root, 'tests', 'cases', 'models.json'), 'utf8'));

/** Outputs that onnxruntime-web cannot hand to JavaScript: sequences of maps. Neither engine is asked for them. */
const MAPS = { 'logreg-mnist-zipmap': ['output_probability'] };

function shared(row) {
  const file = modelFile(row);
  if (!existsSync(file)) return { name: row.model, absent: true };
  const read = (what) => readNpz(join(sharedModels, row.model, `${what}.npz`));
  return { name: row.model, file, tolerance: tolerances[row.tolerance], load: () => ({ feeds: read('inputs'), expected: read('outputs') }) };
}

const OWN = join(root, 'www', 'models');

function own(name) {
  const versions = readdirSync(join(OWN, name)).filter((version) => /^\d+$/.test(version)).sort((a, b) => a - b);
  const file = join(OWN, name, versions.at(-1) ?? '', 'model.onnx');
  if (!existsSync(file)) return undefined;
  return { name, file, tolerance: tolerances.fp32, load: () => (name === 'digits' ? digit() : madeUp(file)) };
}

function digit() {
  const [example] = digits.cases;
  const tensor = (dims, data) => ({ type: 'float32', dims, data: Float32Array.from(data) });
  return {
    feeds: { [digits.input]: tensor(digits.shape, pixels(example)) },
    expected: { [digits.output]: tensor([1, example.probabilities.length], example.probabilities) },
  };
}

const MAKERS = {
  float32: (count) => Float32Array.from({ length: count }, (_, index) => Math.abs(Math.sin(index + 1))),
  int64: (count) => BigInt64Array.from({ length: count }, (_, index) => BigInt(index % 2)),
  int32: (count) => Int32Array.from({ length: count }, (_, index) => index % 2),
  uint8: (count) => Uint8Array.from({ length: count }, (_, index) => index % 2),
};

/** An open dimension is what `dims` says of its name, else 1. */
async function madeUp(file, sizes = {}) {
  const { inputs, outputs } = await InferenceSession.inspect(file);
  const feeds = inputs.map(({ name, type, shape }) => {
    const dims = shape.map((size) => (Number.isInteger(size) ? size : sizes[size] ?? 1));
    const make = MAKERS[type];
    if (!make) throw new Error(`${file}: no made-up ${type}; give the model recorded inputs`);
    return [name, { type, dims, data: make(dims.reduce((product, size) => product * size, 1)) }];
  });
  return { feeds: Object.fromEntries(feeds), outputs: outputs.map(({ name }) => name) };
}

/** A file of the caller's; its name tells it from others of the same name. */
function given(file, at, sizes, row) {
  if (!existsSync(file)) throw new Error(`there is no file ${file}`);
  const name = `${at + 1}-${basename(file).replace(/\.[^.]*$/, '').slice(0, 24)}`;
  return { name, file, tolerance: tolerances[row], load: () => madeUp(file, sizes) };
}

/**
 * @param {string[]} names none: all, unless there are files
 * @param {string[]} files others, whose open dimensions have these sizes
 * @param {string} row of the tolerances, for files
 */
export async function subjects(names, files = [], sizes = {}, row = 'fp32') {
  if (!tolerances[row]) throw new Error(`no tolerance ${row}; there are: ${Object.keys(tolerances).join(', ')}`);
  const known = [...models.map(shared), ...readdirSync(OWN).map(own).filter(Boolean)];
  const unknown = names.find((name) => !known.some((row) => row.name === name));
  if (unknown) throw new Error(`no model ${unknown}; there are: ${known.map(({ name }) => name).join(', ')}`);
  const all = names.length === 0 && files.length === 0;
  const chosen = [...known.filter(({ name }) => all || names.includes(name)), ...files.map((file, at) => given(file, at, sizes, row))];
  const found = await Promise.all(chosen.filter(({ absent }) => !absent).map(async ({ load, ...row }) => {
    const { feeds, expected, outputs = Object.keys(expected) } = await load();
    return { ...row, bytes: statSync(row.file).size, feeds, expected, outputs: outputs.filter((output) => !MAPS[row.name]?.includes(output)) };
  }));
  return { found, absent: chosen.filter(({ absent }) => absent).map(({ name }) => name) };
}
