/** Demo (c) in Chromium: a file of one's own, its inputs of every kind, its errors. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { writeNpy } from '../../www/js/npy.js';
import { root } from '../../scripts/lib/paths.mjs';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { digits, digitsPath, pixels } from '../lib/digits.mjs';
import { onnx } from '../lib/onnx.mjs';
import { ranAt, reads, visit } from './visit.mjs';

let stack, browser;
before(async () => {
  stack = await start({ cloud: false, edge: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stack?.stop();
});

const file = (name, body) => ({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(body) });
const model = (name = 'mine.onnx', body = readFileSync(digitsPath)) => file(name, body);

/** The class on top of the list of the largest values. */
const top = (page) => page.locator('#own-outputs .bars li').first().locator('span').first().textContent().then(Number);

async function run(page) {
  await page.click('#own-run');
  await reads(page, '#own-words', /answered in/);
}

test('a file: signature, operators, a run on NumPy, JSON and random inputs, times', async () => {
  const at = await visit(browser, stack, 'model');
  const { page } = at;
  await page.setInputFiles('#own-file', model());
  await reads(page, '#own-words', /^mine\.onnx: 154 kB, 10 nodes\.$/);
  await page.locator('#own-signature tbody tr').first().waitFor();
  assert.deepEqual(await page.locator('#own-signature tbody tr').allInnerTexts().then((rows) => rows.map((row) => row.split('\t').map((cell) => cell.trim()))),
    [['in', 'image', 'float32', 'batch × 1 × 8 × 8'], ['out', 'probabilities', 'float32', 'batch × 10']]);
  assert.match(await page.locator('#own-operators-title').textContent(), /^6 operators, all supported$/);

  const [first, second] = digits.cases.filter(({ label }) => [3, 8].includes(label));
  await page.selectOption('#own-input-0-way', 'npy');
  await page.setInputFiles('#own-input-0-file', file('image.npy', writeNpy({ type: 'float32', dims: [1, 1, 8, 8], data: pixels(first) })));
  await run(page);
  assert.equal(await top(page), first.label);
  await ranAt(page, 'own-place', 'on_device');

  await page.selectOption('#own-input-0-way', 'json');
  await page.fill('#own-input-0-json', JSON.stringify([...pixels(second)]));
  await run(page);
  assert.equal(await top(page), second.label);

  await page.selectOption('#own-input-0-way', 'random');
  await page.fill('#own-input-0-dims', '4, 1, 8, 8');
  await run(page);
  assert.match(await page.locator('#own-outputs').innerText(), /float32 \[4 × 10\]/);

  await page.click('#own-bench');
  await page.locator('#own-times', { hasText: 'median of 20' }).waitFor();

  const saved = page.waitForEvent('download');
  await page.click('#own-outputs button');
  assert.equal((await saved).suggestedFilename(), 'probabilities.npy');
  at.sound();
  await at.close();
});

test('an image as the input', async () => {
  const at = await visit(browser, stack, 'model');
  const { page } = at;
  await page.setInputFiles('#own-file', model());
  await page.locator('#own-input-0-way').waitFor();
  const example = digits.cases.find(({ label }) => label === 0);
  // The digit as a picture: a square of 8 pixels a cell, white ink on black.
  const png = await page.evaluate(async (values) => {
    const canvas = new OffscreenCanvas(64, 64);
    const context = canvas.getContext('2d');
    values.forEach((value, i) => {
      context.fillStyle = `rgb(${Math.round(value * 255)} ${Math.round(value * 255)} ${Math.round(value * 255)})`;
      context.fillRect((i % 8) * 8, Math.floor(i / 8) * 8, 8, 8);
    });
    return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
  }, [...pixels(example)]);
  await page.selectOption('#own-input-0-way', 'image');
  await page.setInputFiles('#own-input-0-file', { name: 'zero.png', mimeType: 'image/png', buffer: Buffer.from(png) });
  await run(page);
  assert.equal(await top(page), 0);
  at.sound();
  await at.close();
});

test('errors are told by their code: unknown operator, no model, wrong dims', async () => {
  const at = await visit(browser, stack, 'model');
  const { page } = at;
  const error = page.locator('#own-error .error');
  const value = (name) => ({ name, type: 'float32', shape: ['n'] });
  const odd = onnx({
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }, { op: 'Wobble', domain: 'com.example', inputs: ['y'], outputs: ['z'] }],
    inputs: [value('x')], outputs: [value('z')], domains: ['com.example'],
  });
  await page.setInputFiles('#own-file', model('odd.onnx', odd));
  await error.waitFor();
  assert.equal(await error.getAttribute('data-code'), 'UNSUPPORTED_OPERATOR');
  assert.match(await error.innerText(), /com\.example\.Wobble/);
  assert.match(await page.locator('#own-operators').innerText(), /com\.example\.Wobble.*✗ no/s);
  assert.match(await page.locator('#own-operators').innerText(), /Relu.*✓ yes/s);
  assert.equal(await page.locator('#own-form').isVisible(), false);

  await page.setInputFiles('#own-file', model('broken.onnx', 'these bytes are not a model'));
  await reads(page, '#own-words', /cannot be used/);
  assert.equal(await error.getAttribute('data-code'), 'INVALID_MODEL');

  await page.click('#own-digits');
  await page.locator('#own-input-0-dims').waitFor();
  await page.fill('#own-input-0-dims', '1, 1, 9, 9');
  await page.click('#own-run');
  await error.waitFor();
  assert.equal(await error.getAttribute('data-code'), 'SHAPE_MISMATCH');
  await page.fill('#own-input-0-dims', '1, 1, 8, 8');
  await run(page);
  assert.equal(await error.count(), 0);
  at.sound();
  await at.close();
});

test('a file is dropped', async () => {
  const at = await visit(browser, stack, 'model');
  const { page } = at;
  await page.evaluate((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(bytes)], 'dropped.onnx'));
    const target = document.getElementById('own-drop');
    for (const kind of ['dragenter', 'dragover', 'drop']) target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [...readFileSync(digitsPath)]);
  await reads(page, '#own-words', /^dropped\.onnx: 154 kB/);
  at.sound();
  await at.close();
});

test('the voice model: several inputs, a scalar, integers', async () => {
  const at = await visit(browser, stack, 'model');
  const { page } = at;
  await page.setInputFiles('#own-file', model('voice.onnx', readFileSync(join(root, 'node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx'))));
  await page.locator('#own-input-2-dims').waitFor();
  await page.fill('#own-input-0-dims', '1, 576');
  await page.fill('#own-input-1-dims', '2, 1, 128');
  await page.selectOption('#own-input-1-way', 'zeros');
  await page.fill('#own-input-2-dims', '');
  await page.selectOption('#own-input-2-way', 'json');
  await page.fill('#own-input-2-json', '16000');
  await run(page);
  const text = await page.locator('#own-outputs').innerText();
  assert.match(text, /output float32 \[1 × 1\]/);
  assert.match(text, /stateN float32 \[2 × 1 × 128\]/);
  at.sound();
  await at.close();
});

for (const [screen, scheme] of [['phone', 'light'], ['phone', 'dark'], ['desktop', 'light'], ['desktop', 'dark']]) {
  test(`picture: ${screen}, ${scheme}`, async () => {
    const at = await visit(browser, stack, 'model', { screen, scheme });
    await at.page.click('#own-digits');
    await at.page.locator('#own-input-0-way').waitFor();
    await run(at.page);
    await at.picture('own');
    const wide = await at.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, 'the page is wider than the screen');
    at.sound();
    await at.close();
  });
}
