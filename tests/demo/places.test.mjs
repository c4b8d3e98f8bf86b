/** The panel "where it ran": the same input answered by the device, the edge and the cloud by moving the budget only. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { DRAWINGS } from './drawings.mjs';
import { draw, ranAt, reads, slide, visit } from './visit.mjs';

let stack, browser;
before(async () => {
  stack = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stack?.stop();
});

/** Slider position 4: 31.6 kB, below the digit model and the voice model; ten times that is above the digit model. */
const TIGHT = 4;
/** Slider position 0: 10 kB, ten times that is below the digit model. */
const TIGHTEST = 0;
/** What Chromium prints for a request that a tier refused; the page tells it in its panel. */
const REFUSED = [/Failed to load resource: the server responded with a status of (404|413|502|503)/];

for (const { digit, strokes } of [DRAWINGS.find((row) => row.digit === 2), DRAWINGS.find((row) => row.digit === 7)]) {
  test(`a ${digit} is read by the device, the edge and the cloud, as the budget goes down`, async () => {
    const at = await visit(browser, stack, 'draw');
    const { page, requests } = at;
    const answer = () => page.locator('#digit-answer').textContent();
    await draw(page, strokes);
    await ranAt(page, 'digit-place', 'on_device');
    await page.waitForFunction((wanted) => document.getElementById('digit-answer').textContent === wanted, String(digit));
    const bars = () => page.locator('#digit-bars .value').allTextContents().then((all) => all.map(Number.parseFloat));
    // Tenths of a per cent, where the last place may be rounded either way.
    const same = async (expected) => (await bars()).forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 0.15, `${i}: ${value} %, on the device ${expected[i]} %`));
    const onDevice = await bars();
    assert.equal(requests.some(({ method }) => method === 'POST'), false, 'nothing was sent while the device answered');

    await slide(page, '#digit-place-budget', TIGHT);
    await ranAt(page, 'digit-place', 'in_edge');
    assert.equal(await answer(), String(digit));
    await same(onDevice);
    assert.match(await page.locator('#digit-place').innerText(), /OVER_BUDGET/);
    await at.picture('digits-edge');

    await slide(page, '#digit-place-budget', TIGHTEST);
    await ranAt(page, 'digit-place', 'in_cloud');
    assert.equal(await answer(), String(digit));
    await same(onDevice);
    await at.picture('digits-cloud');

    await slide(page, '#digit-place-budget', TIGHT);
    await ranAt(page, 'digit-place', 'in_edge');
    await page.click('#digit-place-edge');
    await ranAt(page, 'digit-place', 'in_cloud');
    assert.equal(await answer(), String(digit));
    await page.click('#digit-place-cloud');
    await page.locator('#digit-place .error').waitFor();
    assert.equal(await page.locator('#digit-place .error').getAttribute('data-code'), 'OVER_BUDGET');

    await slide(page, '#digit-place-budget', 32);
    await ranAt(page, 'digit-place', 'on_device');
    assert.equal(await answer(), String(digit));
    at.sound({ allow: REFUSED });
    await at.close();
  });
}

test('all three places are asked side by side and agree', async () => {
  const at = await visit(browser, stack, 'draw');
  const { page } = at;
  await draw(page, DRAWINGS.find(({ digit }) => digit === 6).strokes);
  await reads(page, '#digit-words', /It reads a six/);
  await page.click('#digit-place-compare');
  await page.locator('#digit-place .compare tbody tr').nth(2).waitFor();
  const rows = await page.locator('#digit-place .compare tbody tr').allInnerTexts();
  const answers = rows.map((row) => row.split('\t').map((cell) => cell.trim()).slice(0, 2));
  assert.deepEqual(answers.map(([place]) => place), ['Device', 'Edge', 'Cloud']);
  assert.match(answers[0][1], /^6 \(\d/);
  assert.deepEqual(answers.map(([, said]) => said), [answers[0][1], answers[0][1], answers[0][1]]);
  await at.picture('digits-compare');
  at.sound({ allow: REFUSED });
  await at.close();
});

test('the voice is found by another machine with the same result', async () => {
  const at = await visit(browser, stack, 'listen');
  const { page } = at;
  await page.click('#voice-sample');
  await reads(page, '#voice-words', /^Voice in 2 places of the sample: 5\.3 of 8\.5 s\.$/);
  const here = await page.locator('#voice-parts').innerText();
  await slide(page, '#voice-place-budget', TIGHT);
  await page.waitForFunction(() => ['in_edge', 'in_cloud'].includes(document.getElementById('voice-place').dataset.source), undefined, { timeout: 30_000 });
  await reads(page, '#voice-words', /^Voice in 2 places of the sample: 5\.3 of 8\.5 s\.$/, 120_000);
  assert.equal(await page.locator('#voice-parts').innerText(), here);
  await at.picture('voice-remote');
  at.sound({ allow: REFUSED });
  await at.close();
});

test('a model of the visitor runs in the cloud under its name there', async () => {
  const at = await visit(browser, stack, 'model');
  const { page } = at;
  await page.click('#own-digits');
  await page.locator('#own-input-0-way').waitFor();
  await page.click('#own-place-edge');
  await slide(page, '#own-place-budget', TIGHT);
  await ranAt(page, 'own-place', 'in_cloud');
  await page.click('#own-run');
  await reads(page, '#own-words', /answered in/);
  await ranAt(page, 'own-place', 'in_cloud');

  await page.fill('#own-name', 'nobody/1');
  await page.locator('#own-name').blur();
  await page.locator('#own-place .error').waitFor();
  assert.match(await page.locator('#own-place .error').innerText(), /MODEL_NOT_FOUND/);
  at.sound({ allow: REFUSED });
  await at.close();
});
