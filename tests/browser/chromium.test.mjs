// The tests' own browser: a call into a page that never ends is ended. In: Chromium. Out: a verdict.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bounded, launch } from '../lib/chromium.mjs';

let chromium;
before(async () => { chromium = await launch(); });
after(() => chromium?.close());

test('chromium: a call that waits for ever fails, and says why', async () => {
  const { page, close } = await chromium.page();
  assert.equal(await page.evaluate((seven) => seven, 7), 7);
  bounded(page, 500);
  await assert.rejects(page.evaluate(() => new Promise(() => {})), /a call into the page took over 0\.5 s/);
  await close();
});
