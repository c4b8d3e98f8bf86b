// `nearside tailor` and the engine that it makes. In: the built package, the digit model. Out: verdicts: the model runs
// on what is left, another one on the whole engine, and the report says which.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { stranger } from '../lib/tailored.mjs';

const pkg = fileURLToPath(new URL('../../pkg', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'nearside-tailor-'));
const folder = join(scratch, 'out');
const example = digits.cases[0];
after(() => rmSync(scratch, { recursive: true, force: true }));

const run = (...args) => spawnSync(process.execPath, [join(pkg, 'tailor', 'cli.js'), ...args], { encoding: 'utf8' });

test('tailor: a package that runs its model on a smaller engine, and another model on the whole one', async () => {
  const done = run('tailor', digitsPath, '-o', folder, '--json');
  assert.equal(done.status, 0, done.stderr);
  const { tailored, functions, of } = JSON.parse(done.stdout);
  assert.equal(tailored.raw, statSync(join(folder, 'wasm', 'nearside_bg.wasm')).size);
  assert.ok(tailored.gzip <= 2 ** 20, `${tailored.gzip} bytes gzip`);
  assert.ok(functions < of / 2);

  const { env, InferenceSession, reportOf, Tensor } = await import(pathToFileURL(join(folder, 'index.node.js')).href);
  Object.assign(env.wasm, { simd: 'fixed', numThreads: 1 });
  const session = await InferenceSession.create(digitsPath);
  const image = () => new Tensor(pixels(example), digits.shape);
  const results = await session.run({ image: image() });
  checkDigit(results.probabilities, example);
  assert.deepEqual(reportOf(results).engine, { thread: 'inline', trimmed: true, simd: 'simd128', threads: 1 });

  const { model, feeds, output } = stranger();
  const other = await InferenceSession.create(model);
  const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]);
  const answer = (await other.run(Object.fromEntries(tensors)))[output.name];
  assert.deepEqual([answer.type, answer.dims, answer.data], [output.type, output.dims, output.data]);
  assert.deepEqual(other.report.engine, { thread: 'inline', trimmed: false, simd: 'simd128', threads: 1 });

  // The session whose engine is gone moves over, too.
  const again = await session.run({ image: image() });
  checkDigit(again.probabilities, example);
  assert.equal(reportOf(again).engine.trimmed, false);
  await Promise.all([session.release(), other.release()]);
});

test('tailor: the folder is written anew, and only over what tailor wrote', () => {
  assert.ok(existsSync(folder), 'the first test wrote it');
  assert.equal(run('tailor', digitsPath, '-o', folder).status, 0);
  const done = run('tailor', digitsPath, '-o', scratch);
  assert.equal(done.status, 3);
  assert.match(done.stderr, /exists and was not written by tailor/);
  assert.deepEqual(readdirSync(scratch), ['out']);
});

test('tailor: what is wrong is said, with the exit codes of the native command', () => {
  const broken = join(scratch, 'broken.onnx');
  writeFileSync(broken, 'no model');
  const rows = [
    [['tailor', '-o', 'x'], 3, /name at least one model/], [['tailor', digitsPath], 3, /-o DIR is missing/], [['tailr'], 3, /unknown command 'tailr'/],
    [['tailor', '--nonsense'], 3, /nonsense/], [['tailor', join(scratch, 'gone.onnx'), '-o', join(scratch, 'x')], 7, /gone\.onnx/],
    [['tailor', broken, '-o', join(scratch, 'x')], 2, /broken\.onnx: the bytes are not an ONNX model/],
    [['tailor', digitsPath, '-o', join(scratch, 'x'), '--shape', 'image'], 3, /input=1x3x224x224/],
    [['tailor', digitsPath, '-o', join(scratch, 'x'), '--shape', 'picture=1x1x8x8'], 3, /the inputs are image/],
    [['tailor', digitsPath, '-o', join(scratch, 'x'), '--shape', 'image=1x1x9x9'], 3, /image/],
  ];
  for (const [args, status, message] of rows) {
    const done = run(...args);
    assert.deepEqual([args.join(' '), done.status], [args.join(' '), status]);
    assert.match(done.stderr, message);
    assert.ok(!existsSync(join(scratch, 'x')));
  }
  assert.match(run('--help').stdout, /Usage: nearside tailor/);
});
