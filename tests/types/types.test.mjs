// The declarations of the package: a consumer's project passes tsc --strict, and they name what the package exports.
// In: tests/types/consumer. Out: verdicts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as nearside from 'nearside';
import { CODES } from '../../pkg/errors.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
const compile = (project, ...args) => promisify(execFile)(process.execPath, [tsc, '-p', `tests/types/${project}`, ...args], { cwd: root })
  .catch(({ stdout, stderr }) => assert.fail(stdout || stderr));
const check = (...args) => compile('consumer', ...args);

test('types: a consumer passes tsc --strict in a page', () => check());
test('types: and in a worker', () => check('--lib', 'ES2022,WebWorker'));
test('types: and in a bundler\'s project', () => check('--module', 'ESNext', '--moduleResolution', 'Bundler'));

test('types: what the package\'s own comments say about types holds', () => compile('package'));

test('types: the declarations name the exports and the error codes', async () => {
  const read = (file) => readFile(new URL(`../../pkg/${file}`, import.meta.url), 'utf8');
  const index = await read('index.d.ts');
  const parts = [...index.matchAll(/^export \* from '\.\/(.+)\.js';$/gm)].map(([, part]) => `${part}.d.ts`);
  const text = [index, ...await Promise.all(parts.map(read))].join('\n');
  for (const name of Object.keys(nearside)) assert.match(text, new RegExp(`export declare (const|function|class) ${name}\\b`), name);
  const declared = [...text.match(/export type ErrorCode =([^;]+);/)[1].matchAll(/'(\w+)'/g)].map(([, code]) => code);
  assert.deepEqual(declared.sort(), Object.keys(CODES).sort());
});

test('types: every file that the exports name is there', async () => {
  const { exports, files } = JSON.parse(await readFile(new URL('../../pkg/package.json', import.meta.url), 'utf8'));
  const named = Object.values(exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)));
  for (const target of named) await readFile(new URL(`../../pkg/${target}`, import.meta.url));
  assert.ok(files.length > 0);
});
