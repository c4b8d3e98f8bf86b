// Random graphs on the native engine against ONNX Runtime, as exporters write them and as its optimiser does. In: the release
// binary, a fixed set of seeds (NEARSIDE_SEEDS="FROM TO" takes others). Out: two tests; a failure prints each failing graph at
// its smallest.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeBinary, python } from '../../scripts/lib/paths.mjs';

const run = fileURLToPath(new URL('run.py', import.meta.url));
const program = join(python, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
const seeds = (process.env.NEARSIDE_SEEDS ?? '0 800').split(' ');
const half = [seeds[0], String((Number(seeds[0]) + Number(seeds[1])) >> 1)];
const forms = [
  [`random graphs, seeds ${seeds.join(' to ')}`, ['--seeds', ...seeds]],
  [`the same optimised, seeds ${half.join(' to ')}`, ['--optimised', '--seeds', ...half]],
];

for (const [name, args] of forms) {
  test(name, { skip: existsSync(program) ? false : 'no Python of the tests' }, async () => {
    const failed = await new Promise((resolve) => {
      execFile(program, [run, '--engine', nativeBinary, ...args], { maxBuffer: 64 << 20, timeout: 14 * 60_000 }, (error, stdout, stderr) => resolve(error ? `${stdout}\n${stderr}` : ''));
    });
    assert.equal(failed, '');
  });
}
