// How each kind of suite is run and counted. In: what to run. Out: { passed, failed, skipped, output }.
// The one decision: the counts come from the tools' own summaries, and a suite that ends without one, or with a bad
// exit code and no failure counted, is itself one failure: a crash can never look like a pass.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { capture, run, say } from './run.mjs';
import { measure } from './wasm.mjs';

const SUITE_LIMIT = 30 * 60 * 1000;
/** For a file of tests. */
const FILE_LIMIT = 15 * 60 * 1000;
/** By so much earlier it says itself what it waits for, see overdue.mjs. */
const LAST_WORDS = 20 * 1000;

function settle({ passed, failed, skipped }, result, counted) {
  const crashed = !counted || result.late || (result.code !== 0 && failed === 0);
  const why = result.late ? `not finished after ${SUITE_LIMIT / 60000} min` : result.signal ?? `exit code ${result.code}`;
  if (crashed) result.text += `\nthe suite did not end properly: ${why}`;
  return { passed, failed: failed + (crashed ? 1 : 0), skipped, output: result.text };
}

/** A command that is right or wrong as a whole. */
export const command = (program, args, env) => async () => {
  const result = await run(program, args, { label: `${program} ${args[0]}`, env: env?.(), allowFailure: true, within: SUITE_LIMIT });
  const failed = result.code === 0 ? 0 : 1;
  return { passed: 1 - failed, failed, skipped: 0, output: result.text };
};

/** The arguments that choose every target of these packages but the tests `apart`, which are suites of their own. */
function targetsBut(apart, packages) {
  const metadata = JSON.parse(capture('cargo', ['metadata', '--no-deps', '--format-version', '1']).out);
  const targets = metadata.packages.filter(({ name }) => packages.includes(name)).flatMap((each) => each.targets);
  const tests = targets.filter(({ kind, name }) => kind.includes('test') && !apart.includes(name));
  return ['--lib', '--bins', ...tests.flatMap(({ name }) => ['--test', name])];
}

/** What a test says on why it is skipped. */
const SKIPPED = /^skipped: .*/gm;

/** `only`: the one test to run; `but`: those that are left out. */
export const cargoTests = (args, { packages, only, but = [] }) => async () => {
  const chosen = only ? ['--test', only] : targetsBut(but, packages);
  const all = ['test', ...packages.flatMap((name) => ['-p', name]), ...args, ...chosen];
  const result = await run('cargo', all, { label: 'cargo test', allowFailure: true, within: SUITE_LIMIT });
  for (const [line] of result.text.matchAll(SKIPPED)) say(`    ${line}`);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const summaries = [...result.text.matchAll(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm)];
  for (const [, passed, failed, ignored] of summaries) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
  return settle(counts, result, summaries.length > 0);
};

export const testFiles = (folder) => {
  const path = join(root, 'tests', folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true }).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => join(path, name));
};

const NODE_SUMMARY = /^(?:ℹ|#) (pass|fail|cancelled|skipped|todo) (\d+)$/;

export const nodeTests = (folder) => async () => {
  const files = testFiles(folder);
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, output: '', note: `no tests in tests/${folder}` };
  const counts = {};
  let reporting = true;
  const overdue = new URL('overdue.mjs', import.meta.url).href;
  const result = await run(process.execPath, ['--test', '--import', overdue, '--test-reporter=spec', '--test-concurrency=1', `--test-timeout=${FILE_LIMIT}`, ...files], {
    env: { NEARSIDE_FILE_LIMIT: String(FILE_LIMIT - LAST_WORDS) },
    label: `node --test ${folder}`,
    allowFailure: true,
    within: SUITE_LIMIT,
    // Each test's line as it ends; after the summary node repeats the failures, which are shown at the end.
    onLine(line) {
      const found = line.match(NODE_SUMMARY);
      if (found) counts[found[1]] = Number(found[2]);
      if (line.startsWith('ℹ tests ')) reporting = false;
      if (reporting && line.trim()) say(`    ${line}`);
    },
  });
  const { pass = 0, fail = 0, cancelled = 0, skipped = 0, todo = 0 } = counts;
  return settle({ passed: pass, failed: fail + cancelled, skipped: skipped + todo }, result, 'pass' in counts);
};

/**
 * tests/size.json names files and their ceilings in bytes; `beyond` names a record of tests/records, over whose size the
 * ceiling lies: `npm run build -- without-gpu --record` makes that of the module without the WebGPU engine anew.
 */
export const sizeCheck = ({ optimise }) => async () => {
  if (!optimise) return { passed: 0, failed: 0, skipped: 1, output: '', note: 'not optimised, so not measured' };
  const counts = { passed: 0, failed: 0, skipped: 0, output: '' };
  const read = (...names) => JSON.parse(readFileSync(join(root, 'tests', ...names), 'utf8'));
  for (const { file, gzip: ceiling, beyond } of read('size.json')) {
    if (beyond && !existsSync(join(root, 'tests', 'records', beyond))) {
      say(`    ${file}: no ${beyond} to lie beyond`);
      counts.skipped += 1;
      continue;
    }
    const before = beyond ? read('records', beyond).gzip : 0;
    const gzip = measure(join(root, file)).gzip - before;
    const line = `${file}: ${gzip} bytes gzip${beyond ? ` beyond ${before} of ${beyond}` : ''}, ceiling ${ceiling}`;
    say(`    ${line}`);
    counts[gzip <= ceiling ? 'passed' : 'failed'] += 1;
    if (gzip > ceiling) counts.output += `${line}\n`;
  }
  return counts;
};
