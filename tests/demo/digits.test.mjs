/** Demo (a) in Chromium: every drawing is read, live, on the device, within the policy and from one host. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { DRAWINGS, shake } from './drawings.mjs';
import { draw, ranAt, reads, visit } from './visit.mjs';

let stack, browser;
before(async () => {
  stack = await start({ cloud: false, edge: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stack?.stop();
});

const read = async (page) => {
  const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
  // Of the newest drawing, and no earlier one.
  await page.locator('#digit-words[aria-busy=false]', { hasText: /It reads|Perhaps/ }).waitFor();
  const last = await page.locator('#digit-words').textContent();
  const digit = words.findIndex((word) => last.includes(` ${word} `));
  assert.equal(await page.locator('#digit-answer').textContent(), String(digit));
  return digit;
};

test('each drawing of each digit is recognised', async () => {
  const at = await visit(browser, stack, 'draw');
  const { page } = at;
  const wrong = [];
  for (const { digit, name, strokes, miss } of DRAWINGS) {
    await page.click('#digit-clear');
    await draw(page, strokes);
    const got = await read(page);
    if ((got === digit) === Boolean(miss)) wrong.push(`${digit} (${name}) is read as ${got}${miss ? `, but is listed as a miss: ${miss}` : ''}`);
  }
  assert.deepEqual(wrong, []);
  await ranAt(page, 'digit-place', 'on_device');
  at.sound();
  await at.close();
});

test('an unsteady hand is read too', async () => {
  const at = await visit(browser, stack, 'draw', { screen: 'phone' });
  const { page } = at;
  const rows = DRAWINGS.filter(({ miss }) => !miss);
  let right = 0;
  const wrong = [];
  for (const { digit, name, strokes } of rows) {
    await page.click('#digit-clear');
    await draw(page, shake(strokes, 11 + digit));
    const got = await read(page);
    if (got === digit) right += 1;
    else wrong.push(`${digit} (${name}) -> ${got}`);
  }
  assert.ok(right >= rows.length - 1, `${right} of ${rows.length}: ${wrong.join(', ')}`);
  at.sound();
  await at.close();
});

test('it is read while one draws, and the bars add up', async () => {
  const at = await visit(browser, stack, 'draw');
  const { page } = at;
  await ranAt(page, 'digit-place', 'on_device');
  const [stroke] = DRAWINGS.find(({ digit }) => digit === 3).strokes;
  const box = await page.locator('#pad').boundingBox();
  await page.mouse.move(box.x + stroke[0].x * box.width, box.y + stroke[0].y * box.height);
  await page.mouse.down();
  for (const { x, y } of stroke.slice(1, 20)) await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
  // The pen is still down.
  await reads(page, '#digit-words', /It reads|Perhaps/, 5000);
  await page.mouse.up();
  const bars = await page.locator('#digit-bars .value').allTextContents();
  assert.equal(bars.length, 10);
  const sum = bars.map(Number.parseFloat).reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum - 100) < 1, `the bars add up to ${sum} %`);
  await page.click('#digit-undo');
  assert.equal(await page.locator('#digit-answer').textContent(), '–');
  at.sound();
  await at.close();
});

test('an example drawn by the page, with the keyboard only', async () => {
  const at = await visit(browser, stack, 'draw');
  const { page } = at;
  await page.locator('#digit-examples button').nth(8).focus();
  await page.keyboard.press('Enter');
  await reads(page, '#digit-words', /It reads an? eight/);
  await page.locator('#tab-digits').focus();
  await page.keyboard.press('ArrowRight');
  await page.locator('#voice').waitFor({ state: 'visible' });
  await page.locator('#digits').waitFor({ state: 'hidden' });
  at.sound();
  await at.close();
});

for (const [screen, scheme] of [['phone', 'light'], ['phone', 'dark'], ['desktop', 'light'], ['desktop', 'dark']]) {
  test(`picture: ${screen}, ${scheme}`, async () => {
    const at = await visit(browser, stack, 'draw', { screen, scheme });
    await draw(at.page, DRAWINGS.find(({ digit }) => digit === 5).strokes);
    await reads(at.page, '#digit-words', /It reads a five/);
    await at.page.waitForTimeout(200);
    await at.picture('digits');
    const wide = await at.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, 'the page is wider than the screen');
    at.sound();
    await at.close();
  });
}
