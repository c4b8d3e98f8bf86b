// The published form wherever a model is taken. In: the native binary, which makes it, and the package. Out: verdicts: a
// form gives the bits of its model by path, bytes and address, from `serve`, and within the memory of its weights.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { env, InferenceSession, Tensor } from 'nearside';
import { nativeBinary } from '../../scripts/lib/paths.mjs';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { chain, ENGINE } from '../lib/heavy.mjs';
import { serve } from '../lib/serve.mjs';
import { withMemoryLimit } from '../lib/small-memory.mjs';

const folder = mkdtempSync(join(tmpdir(), 'nearside-forms-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Publishes a model; @returns the path of its form */
function optimize(model, name, ...options) {
  const out = join(folder, name, '1');
  const { status, stderr } = spawnSync(nativeBinary, ['optimize', model, '-o', out, '--quiet', ...options], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return join(out, 'model.nearside');
}

let form;
before(() => { form = optimize(digitsPath, 'digits'); });

const image = () => new Tensor('float32', pixels(digits.cases[0]), digits.shape);

async function digit(model, options) {
  const session = await InferenceSession.create(model, options);
  try {
    const results = await session.run({ [digits.input]: image() });
    return results[digits.output].data;
  } finally {
    await session.release();
  }
}

test('published form: by path, bytes and address, with the bits of its model', async () => {
  const wanted = await digit(digitsPath);
  const site = await serve((request, response) => response.end(readFileSync(form)));
  try {
    for (const model of [form, readFileSync(form), `${site.url}/model.nearside`]) assert.deepEqual(await digit(model), wanted);
  } finally {
    await site.close();
  }
});

test('published form: other shapes run from the model in it', async () => {
  const [own, published] = await Promise.all([digitsPath, form].map((model) => InferenceSession.create(model)));
  const [, ...one] = digits.shape;
  const feeds = () => ({ [digits.input]: new Tensor('float32', new Float32Array(3 * 64).map((_, at) => (at % 7) / 7), [3, ...one]) });
  const [wanted, made] = [await own.run(feeds()), await published.run(feeds())];
  assert.deepEqual(made[digits.output].data, wanted[digits.output].data);
  assert.deepEqual(published.inputMetadata, own.inputMetadata);
  await Promise.all([own.release(), published.release()]);
});

test('published form: inspect tells what it is, check finds nothing', async () => {
  const facts = await InferenceSession.inspect(form);
  const { format, operators, inputs } = await InferenceSession.inspect(digitsPath);
  assert.equal(format, 'onnx');
  assert.equal(facts.format, 'nearside');
  assert.deepEqual(facts.plans, [[digits.shape]]);
  assert.deepEqual([facts.operators, facts.inputs], [operators, inputs]);
  assert.deepEqual(await InferenceSession.check(form), { ok: true, problems: [] });
});

test('published form: cut off or of another version it is refused', async () => {
  const bytes = readFileSync(form);
  const later = Buffer.from(bytes);
  later[8] = 99;
  for (const [bad, words] of [[bytes.subarray(0, 100), /too soon/], [bytes.subarray(0, 4000), /damaged|too soon/], [later, /version 99.*nearside optimize/]]) {
    await assert.rejects(digit(bad), (error) => error.code === 'INVALID_MODEL' && words.test(`${error.message}`), `${bad.length} bytes`);
  }
});

test('published form: two that are written to one folder at once do not write into one file', () => {
  // What the other one may be at.
  const other = join(folder, 'two', '1', 'model.nearside.part');
  mkdirSync(other, { recursive: true });
  optimize(digitsPath, 'two');
  assert.deepEqual(readdirSync(join(folder, 'two', '1')).sort(), ['model.nearside', 'model.nearside.part']);
  rmSync(join(folder, 'two'), { recursive: true });
});

test('published form: serve takes it', async () => {
  const cloud = await startCloud({ models: folder });
  try {
    const session = await InferenceSession.create('https://nowhere.invalid/digits.nearside', { nearside: { mode: 'only_in_cloud', cloud: cloud.url } });
    const results = await session.run({ [digits.input]: image() });
    checkDigit(results[digits.output], digits.cases[0]);
  } finally {
    await cloud.stop();
  }
});

test('published form: loads and runs in little more than the memory of its weights', async () => {
  const { model, feeds, output, wanted, weights } = chain(1);
  const path = join(folder, 'heavy.onnx');
  writeFileSync(path, model);
  const heavy = optimize(path, 'heavy');
  const wasm = await readFile(new URL('../../pkg/wasm/nearside_bg.wasm', import.meta.url));
  env.wasm.wasmBinary = withMemoryLimit(wasm, ENGINE + 1.4 * weights);
  try {
    const session = await InferenceSession.create(heavy);
    const results = await session.run(feeds());
    assert.ok(Math.abs(results[output].data[0] - wanted) < 1e-3);
    await session.release();
  } finally {
    env.wasm.wasmBinary = undefined;
  }
});
