// Calls of the command line, good and bad. In: tests/cases/cli.json. Out: one test a case: exit code and what it says.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { digitsPath } from '../lib/digits.mjs';
import { sharedModels } from '../../scripts/lib/paths.mjs';
import { makeFiles } from './files.mjs';
import { nearside } from './nearside.mjs';

const { cases } = JSON.parse(readFileSync(new URL('../cases/cli.json', import.meta.url), 'utf8'));
const files = mkdtempSync(join(tmpdir(), 'nearside-cli-'));
makeFiles(files);
after(() => rmSync(files, { recursive: true, force: true }));

const places = { $digits: digitsPath, $models: sharedModels, $files: files };
const place = (text) => text.replace(/\$(digits|models|files)/g, (word) => places[word]);

for (const { name, args, stdin, cwd, exit, stdout, stderr, needs } of cases) {
  const absent = needs && !existsSync(join(sharedModels, needs));
  test(name, { skip: absent && `no ${needs} in ${sharedModels}` }, () => {
    const result = nearside(args.map(place), { stdin: stdin && readFileSync(place(stdin)), cwd: cwd && place(cwd) });
    const all = `${result.stdout}\n${result.stderr}`;
    assert.equal(result.code, exit, all);
    for (const pattern of stdout ?? []) assert.match(result.stdout, new RegExp(pattern));
    for (const pattern of stderr ?? []) assert.match(result.stderr, new RegExp(pattern));
    if (exit !== 0 && !stdout) assert.equal(result.stdout, '');
    if (!stderr) assert.equal(result.stderr, '');
    assert.ok(!all.includes('\u001b['), 'no colours where there is no terminal');
  });
}
