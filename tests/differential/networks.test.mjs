// Whole networks, each loaded once and run at several sizes, on the native engine's server against ONNX Runtime. In: the
// release binary. Out: one test; its failure prints a line a network.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeBinary, python } from '../../scripts/lib/paths.mjs';

const run = fileURLToPath(new URL('networks.py', import.meta.url));
const program = join(python, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');

test('networks at several sizes', { skip: existsSync(program) ? false : 'no Python of the tests' }, async () => {
  const failed = await new Promise((resolve) => {
    execFile(program, [run, '--engine', nativeBinary], { maxBuffer: 64 << 20, timeout: 5 * 60_000 }, (error, stdout, stderr) => resolve(error ? `${stdout}\n${stderr}` : ''));
  });
  assert.equal(failed, '');
});
