// The shared models as tests of any engine. In: tests/cases/models.json, the folder of models, and `open(row)`, which
// gives { run(feeds, names) -> outputs, close() } on the engine under test. Out: one node test a case.
// The one decision: a row that expects a failure must fail, so that a repair shows; a missing folder is skipped.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { root, sharedModels } from '../../scripts/lib/paths.mjs';
import { check } from './tolerance.mjs';
import { readNpz } from './npz.mjs';

export const { tolerances, models } = JSON.parse(readFileSync(join(root, 'tests', 'cases', 'models.json'), 'utf8'));

export const modelFile = ({ model }) => join(sharedModels, model, 'model.onnx');
const present = (row) => existsSync(modelFile(row));

/** The models laid out as `<name>/1/model.onnx`, which serve, the edge and the stack take. */
export function servableModels() {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-models-'));
  for (const row of models.filter(present)) {
    mkdirSync(join(folder, row.model, '1'), { recursive: true });
    symlinkSync(modelFile(row), join(folder, row.model, '1', 'model.onnx'));
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

async function runCase(engine, row, name) {
  const prefix = name === 'main' ? '' : `${name}_`;
  const read = (what) => readNpz(join(sharedModels, row.model, `${prefix}${what}.npz`));
  const expected = read('outputs');
  const outputs = await engine.run(read('inputs'));
  for (const [output, tensor] of Object.entries(expected)) check(output, outputs[output], tensor, tolerances[row.tolerance]);
}

/** Element `step` of the outermost axis. */
function frame({ type, dims, data }, step, shape = dims.slice(1)) {
  const size = data.length / dims[0];
  return { type, dims: shape, data: data.slice(step * size, (step + 1) * size) };
}

/** A stateful model over its recorded frames: outputs become the next frame's state. */
async function runSequence(engine, row) {
  const { frames, state, constants, outputs } = row.sequence;
  const inputs = readNpz(join(sharedModels, row.model, 'sequence_inputs.npz'));
  const expected = readNpz(join(sharedModels, row.model, 'sequence_outputs.npz'));
  const current = {};
  for (const [input, { zeros }] of Object.entries(state)) {
    current[input] = { type: 'float32', dims: zeros, data: new Float32Array(zeros.reduce((a, b) => a * b, 1)) };
  }
  for (const [input, { type, dims, values: list }] of Object.entries(constants)) {
    assert.equal(type, 'int64');
    current[input] = { type, dims, data: BigInt64Array.from(list, BigInt) };
  }
  const steps = inputs[Object.values(frames)[0]].dims[0];
  for (let step = 0; step < steps; step += 1) {
    const feeds = { ...current };
    for (const [input, from] of Object.entries(frames)) feeds[input] = frame(inputs[from], step);
    const results = await engine.run(feeds);
    for (const [output, to] of Object.entries(outputs)) {
      const got = results[output];
      check(`${output}[${step}]`, got, frame(expected[to], step, got.dims), tolerances[row.tolerance]);
    }
    for (const [input, { output }] of Object.entries(state)) current[input] = results[output];
  }
  for (const [input, { final }] of Object.entries(state)) check(final, current[input], expected[final], tolerances[row.tolerance]);
}

/** Codes that say honestly that an engine or a place cannot run a model. */
const REFUSALS = ['UNSUPPORTED_OPERATOR', 'CANNOT_PLAN', 'UNSUPPORTED_TYPE', 'REMOTE_ERROR', 'NO_PLACE'];

async function mustFail(open, row, [kind, why]) {
  let engine;
  try {
    engine = await open(row);
    for (const name of row.cases) await runCase(engine, row, name);
  } catch (error) {
    if (kind === 'unsupported') assert.ok(REFUSALS.includes(error.code), `refused with ${error.code}: ${error.message}`);
    return;
  } finally {
    await engine?.close();
  }
  assert.fail(`passes now: make the row right (its reason was: ${why})`);
}

/** `open(row)` makes the engine for one model; `skip(row)` may give a reason why this engine leaves a model out. */
export function defineModelTests(label, open, { skip = () => undefined } = {}) {
  for (const row of models) {
    const reason = present(row) ? skip(row) : `${row.model} is not in the folder of models`;
    test(`${label}: ${row.model}`, { skip: reason }, async (t) => {
      if (row.expect !== 'right') return mustFail(open, row, Object.entries(row.expect)[0]);
      const engine = await open(row);
      try {
        for (const name of row.cases) await t.test(name, () => runCase(engine, row, name));
        if (row.sequence) await t.test('sequence', () => runSequence(engine, row));
      } finally {
        await engine.close();
      }
    });
  }
}

/** An engine over a session of the package: feeds and results are its tensors. */
export function overSession(session, Tensor) {
  return {
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]);
      return session.run(Object.fromEntries(tensors));
    },
    close: () => session.release(),
  };
}
