// `nearside bench --vs-ort`. In: a stand-in for Python that gives the inputs back as outputs, and the real onnxruntime where
// NEARSIDE_PYTHON or python3 has it. Out: verdicts on agreement, disagreement and a child that fails.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digitsPath } from '../lib/digits.mjs';
import { makeFiles } from './files.mjs';
import { nearside } from './nearside.mjs';

const files = mkdtempSync(join(tmpdir(), 'nearside-cli-'));
makeFiles(files);
after(() => rmSync(files, { recursive: true, force: true }));

/** An interpreter that answers as ort.py does; `hello` is its first line. */
function standIn(name, hello) {
  const path = join(files, name);
  writeFileSync(path, `#!/bin/sh
read job
inputs=$(echo "$job" | sed 's/.*"inputs":"\\([^"]*\\)".*/\\1/')
cp "$inputs" "$(dirname "$inputs")/outputs.npz"
echo '${hello}'
while read what; do if [ "$what" = create ]; then echo '{"create":2,"first":3}'; else echo '{"run":4}'; fi; done
`);
  chmodSync(path, 0o755);
  return path;
}

const bench = (model, input, python) => nearside(['bench', model, '-i', input, '-s', '0.05', '--vs-ort', '--python', python, '--json']);
const right = '{"version":"9.9","given":["0"]}';

test('bench: both engines in turns, their outputs compared', () => {
  const { code, stdout, stderr } = bench(join(files, 'words.onnx'), '["a","bc"]', standIn('same', right));
  assert.equal(code, 0, stderr);
  const { nearside: ours, onnxruntime, ratio, largestDifference } = JSON.parse(stdout);
  assert.equal(onnxruntime.version, '9.9');
  assert.deepEqual([onnxruntime.load.minMs, onnxruntime.first.minMs, onnxruntime.run.medianMs], [2, 3, 4]);
  assert.equal(onnxruntime.run.samples, ours.run.samples);
  assert.equal(ratio.run.min, ours.run.minMs / 4);
  assert.equal(largestDifference, 0);
});

test('bench: other outputs are an error', () => {
  const { code, stdout, stderr } = bench(digitsPath, join(files, 'digit.npy'), standIn('other', right));
  assert.equal(code, 70);
  assert.equal(stdout, '');
  assert.match(stderr, /output `probabilities` differs from onnxruntime's: float32 \[1, 10\], not float32 \[1, 1, 8, 8\]/);
});

test('bench: what the child says went wrong', () => {
  const { code, stderr } = bench(digitsPath, join(files, 'digit.npy'), standIn('bad', '{"error":"no such thing"}'));
  assert.equal(code, 6);
  assert.match(stderr, /"message":"onnxruntime: no such thing"/);
});

test('bench: a child that ends', () => {
  const { code, stderr } = bench(digitsPath, join(files, 'digit.npy'), 'true');
  assert.equal(code, 6);
  assert.match(stderr, /UNAVAILABLE/);
});

const python = process.env.NEARSIDE_PYTHON ?? 'python3';
const there = spawnSync(python, ['-c', 'import numpy, onnxruntime']).status === 0;
test('bench: the real onnxruntime agrees on a digit', { skip: !there && `${python} has no onnxruntime` }, () => {
  const { code, stdout, stderr } = bench(digitsPath, join(files, 'digit.npy'), python);
  assert.equal(code, 0, stderr);
  assert.ok(JSON.parse(stdout).largestDifference < 1e-5);
});
