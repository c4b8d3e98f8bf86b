// Every ONNX node test on the package in a page of Chromium, the engine in its module worker. In: tests/lib/conformance.mjs.
// Out: one node test for each hundred cases; it names every case that is not as the rows say, both ways.
// The one decision: a case that does not answer in time is a failure, and the page is loaded anew after it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { knownFailures, randomCases, readCases, sets } from '../lib/conformance.mjs';
import { failuresInPage } from '../lib/conformance-page.mjs';

const BATCH = 100;
const wire = fileURLToPath(new URL('../lib/wire.mjs', import.meta.url));
let stack;
let chromium;
let tab;

before(async () => {
  stack = await start({ cloud: false, edge: false });
  chromium = await launch();
  tab = await chromium.page();
  await tab.page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await tab.page.route('**/tests/lib/wire.mjs', (route) => route.fulfill({ path: wire, contentType: 'text/javascript' }));
});

after(async () => {
  await chromium?.close();
  await stack?.stop();
});

async function open() {
  await tab.page.goto(`${stack.url}/pkg/package.json`);
  return tab.page;
}

const runBatch = (cases) => failuresInPage(open, cases, { nearside: { mode: 'only_on_device' } });

for (const set of sets) {
  test(`chromium: node tests of onnx ${set.name}`, { skip: !set.present && 'the archive is not there' }, async (t) => {
    const known = knownFailures(set);
    const random = randomCases(set);
    const cases = readCases(set);
    const strangers = [...known.keys()].filter((name) => !cases.some((each) => each.name === name));
    assert.deepEqual(strangers, [], 'rows that name no case');
    for (let at = 0; at < cases.length; at += BATCH) {
      const batch = cases.slice(at, at + BATCH);
      await t.test(`${batch[0].name} … ${batch.at(-1).name}`, async () => {
        const failures = await runBatch(batch);
        const surprises = batch.flatMap(({ name }) => {
          if (random.has(name)) return [];
          const [failure, reason] = [failures.get(name), known.get(name)];
          if (failure && !reason) return [`${name} fails: ${failure}`];
          return !failure && reason ? [`${name} passes now: remove it from its row (${reason})`] : [];
        });
        assert.deepEqual(surprises, []);
      });
    }
  });
}
