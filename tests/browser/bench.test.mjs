// The bench itself, in small: one model, one part of each kind. In: the digit model. Out: a table, a file of numbers, exit
// code 0; and exit code 1 for wrong outputs is what tests/bench/parts.mjs says, which is asked here with a false reference.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encode } from '../bench/page/wire.mjs';
import { judge } from '../bench/parts.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const LIMIT = 7 * 60_000;

test('bench: both engines, right outputs, ratios', async () => {
  const args = ['tests/bench/bench.mjs', '--no-build', '--quick', '--models', 'digits', '--only', 'run,create,memory', '--threads', '1'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: LIMIT });
  assert.match(stdout, /run, one thread +\d+\.\d\d/);
  const { models: [row], means } = JSON.parse(await readFile(new URL('../out/bench.json', import.meta.url), 'utf8'));
  assert.deepEqual(row.run1.outputs, { nearside: 'right', ort: 'right' });
  assert.ok(row.run1.nearside.min > 0 && row.run1.ort.min > 0 && row.create.both.ratio.min > 0);
  assert.ok(row.memory.nearside.run > 1e6 && row.memory.ort.run > 1e6);
  assert.equal(means.run1.models, 1);
});

test('bench: both engines on one adapter, with warm-up and the page\'s longest task', async () => {
  const args = ['tests/bench/bench.mjs', '--no-build', '--quick', '--models', 'digits', '--only', 'webgpu,warm'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: LIMIT });
  assert.match(stdout, /WebGPU: run +\d+\.\d\d/);
  const { models: [row] } = JSON.parse(await readFile(new URL('../out/bench.json', import.meta.url), 'utf8'));
  assert.deepEqual(row.webgpu.outputs, { nearside: 'right', ort: 'right', chosen: 'right' });
  assert.deepEqual([row.webgpu.backends.nearside, row.webgpu.backends.ort], ['webgpu', 'webgpu']);
  assert.ok(row.webgpu.chosen.nearside.min > 0 && /^(webgpu|wasm)/.test(row.webgpu.chosen.backend), JSON.stringify(row.webgpu.chosen));
  assert.deepEqual(row.warm.outputs, { nearside: 'right', ort: 'right' });
  assert.ok(row.warm.nearside.min > 0 && row.warm.ort.min > 0 && row.warm.block.nearside.min >= 0);
});

test('bench: another result than the reference\'s is wrong', () => {
  const tensor = (value) => ({ y: { type: 'float32', dims: [1], data: Float32Array.of(value) } });
  const subject = { outputs: ['y'], expected: tensor(1), tolerance: { rtol: 1e-3, atol: 1e-4 } };
  const { nearside, ort } = judge(subject, { nearside: { outputs: encode(tensor(2)) }, ort: { error: 'no' } });
  assert.match(nearside, /1 of 1 beyond/);
  assert.equal(ort, 'no');
});
