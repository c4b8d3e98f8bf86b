// What is measured. In: tests/cases/models.json with the folder of models, and www/models. Out: subjects
// { name, file, bytes, feeds, expected, tolerance }, and the names of those that are absent.
// The one decision: a model without recorded inputs gets made-up ones, and then the engines are each other's reference.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
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

/** Open dimensions are 1. */
async function madeUp(file) {
  const { inputs, outputs } = await InferenceSession.inspect(file);
  const feeds = inputs.map(({ name, type, shape }) => {
    const dims = shape.map((size) => (Number.isInteger(size) ? size : 1));
    const make = MAKERS[type];
    if (!make) throw new Error(`${file}: no made-up ${type}; give the model recorded inputs`);
    return [name, { type, dims, data: make(dims.reduce((product, size) => product * size, 1)) }];
  });
  return { feeds: Object.fromEntries(feeds), outputs: outputs.map(({ name }) => name) };
}

/** @param {string[]} names none: all */
export async function subjects(names) {
  const rows = [...models.map(shared), ...readdirSync(OWN).map(own).filter(Boolean)];
  const unknown = names.find((name) => !rows.some((row) => row.name === name));
  if (unknown) throw new Error(`no model ${unknown}; there are: ${rows.map(({ name }) => name).join(', ')}`);
  const chosen = rows.filter(({ name }) => names.length === 0 || names.includes(name));
  const found = await Promise.all(chosen.filter(({ absent }) => !absent).map(async ({ load, ...row }) => {
    const { feeds, expected, outputs = Object.keys(expected) } = await load();
    return { ...row, bytes: statSync(row.file).size, feeds, expected, outputs: outputs.filter((output) => !MAPS[row.name]?.includes(output)) };
  }));
  return { found, absent: chosen.filter(({ absent }) => absent).map(({ name }) => name) };
}
