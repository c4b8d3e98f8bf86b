/** Demo (b) in Chromium: the sample, a file of one's own, the microphone; the numbers are the reference's. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { ranAt, reads, slide, visit } from './visit.mjs';

const reference = JSON.parse(readFileSync(join(root, 'tests/cases/voice.json'), 'utf8'));
const DONE = /^Voice in 2 places of the sample: 5\.3 of 8\.5 s\.$/;

let stack, browser;
before(async () => {
  stack = await start({ cloud: false, edge: false });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stack?.stop();
});

test('one click on the sample marks the two sentences and leaves the rattle and the chime out', async () => {
  const at = await visit(browser, stack, 'listen');
  const { page } = at;
  await page.click('#voice-sample');
  await reads(page, '#voice-words', DONE);
  const parts = (await page.locator('#voice-parts li').allTextContents()).map((text) => text.match(/[\d.]+/g).map(Number));
  assert.deepEqual(parts.map(([from, to]) => [Math.round(from * 2) / 2, Math.round(to * 2) / 2]), [[0.5, 3], [5.5, 8]]);
  await ranAt(page, 'voice-place', 'on_device');

  // A higher limit marks less, at once and without another run.
  await slide(page, '#voice-limit', 0.95);
  assert.doesNotMatch(await page.locator('#voice-words').textContent(), DONE);
  at.sound();
  await at.close();
});

test("the stream's probabilities are the reference's, frame by frame", async () => {
  const at = await visit(browser, stack, 'listen');
  const got = await at.page.evaluate(async () => {
    const { FRAME, VoiceStream } = await import('/js/vad.js');
    const { decode } = await import('/js/sound.js');
    const { InferenceSession } = await import('/js/engine.js');
    const samples = await decode(await (await fetch('/samples/speech.flac')).arrayBuffer());
    const padded = new Float32Array(Math.ceil(samples.length / FRAME) * FRAME);
    padded.set(samples);
    const session = await InferenceSession.create('/models/silero-vad/5/model.onnx');
    const stream = new VoiceStream(async (feeds) => ({ outputs: await session.run(feeds) }));
    const found = [];
    for (const frame of stream.frames(padded)) found.push((await stream.probability(frame)).probability);
    await session.release();
    return found;
  });
  assert.equal(got.length, reference.probabilities.length);
  const worst = Math.max(...got.map((value, i) => Math.abs(value - reference.probabilities[i])));
  assert.ok(worst <= reference.atol, `the largest difference is ${worst}`);
  at.sound();
  await at.close();
});

/** Mono PCM at another rate, so that the browser has to resample. */
function wav(samples, rate) {
  const body = Buffer.alloc(44 + samples.length * 2);
  body.write('RIFF', 0);
  body.writeUInt32LE(36 + samples.length * 2, 4);
  body.write('WAVEfmt ', 8);
  body.writeUInt32LE(16, 16);
  body.writeUInt16LE(1, 20);
  body.writeUInt16LE(1, 22);
  body.writeUInt32LE(rate, 24);
  body.writeUInt32LE(rate * 2, 28);
  body.writeUInt16LE(2, 32);
  body.writeUInt16LE(16, 34);
  body.write('data', 36);
  body.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((value, i) => body.writeInt16LE(Math.round(Math.max(-1, Math.min(1, value)) * 32767), 44 + i * 2));
  return body;
}

test('a sound without voice, and a file that is no sound', async () => {
  const at = await visit(browser, stack, 'listen');
  const { page } = at;
  const hum = Float32Array.from({ length: 44_100 }, (_, i) => 0.3 * Math.sin(i * 2 * Math.PI * 110 / 44_100));
  await page.setInputFiles('#voice-file', { name: 'hum.wav', mimeType: 'audio/wav', buffer: wav(hum, 44_100) });
  await reads(page, '#voice-words', /^No voice in hum\.wav\.$/);
  await page.setInputFiles('#voice-file', { name: 'notes.txt', mimeType: 'audio/wav', buffer: Buffer.from('not a sound') });
  await reads(page, '#voice-words', /cannot read the file as sound/);
  at.sound();
  await at.close();
});

test('the microphone, live', async () => {
  // Chromium plays a file as its microphone: the sample, decoded by Chromium itself.
  const at = await visit(browser, stack, 'listen');
  const samples = await at.page.evaluate(async () => {
    const { decode } = await import('/js/sound.js');
    return [...await decode(await (await fetch('/samples/speech.flac')).arrayBuffer())];
  });
  await at.close();
  const folder = mkdtempSync(join(tmpdir(), 'nearside-mic-'));
  let other;
  try {
    writeFileSync(join(folder, 'mic.wav'), wav(samples, 16_000));
    other = await launch({ args: ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-audio-capture=${join(folder, 'mic.wav')}`] });
    const mic = await visit(other, stack, 'listen', { permissions: ['microphone'] });
    const { page } = mic;
    await ranAt(page, 'voice-place', 'on_device');
    await page.click('#voice-mic');
    await reads(page, '#voice-words', /^Voice$/, 20_000);
    await reads(page, '#voice-words', /^No voice$/, 20_000);
    await page.click('#voice-mic');
    await reads(page, '#voice-words', /of the recording/);
    assert.equal(await page.locator('#voice-mic').textContent(), 'Microphone');
    mic.sound();
    await mic.close();
  } finally {
    await other?.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a microphone that is allowed when something else goes on is switched off again', async () => {
  const at = await visit(browser, stack, 'listen');
  const { page } = at;
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => new Promise((resolve) => { window.allow = resolve; });
  });
  await page.click('#voice-mic');
  await page.waitForFunction(() => window.allow);
  await page.click('#voice-sample');
  await reads(page, '#voice-words', DONE);
  const ended = await page.evaluate(async () => {
    const context = new AudioContext();
    const { stream } = context.createMediaStreamDestination();
    window.allow(stream);
    const [track] = stream.getTracks();
    const late = performance.now() + 20_000;
    while (track.readyState !== 'ended' && performance.now() < late) await new Promise((resolve) => setTimeout(resolve, 20));
    return track.readyState;
  });
  assert.equal(ended, 'ended');
  assert.match(await page.locator('#voice-words').textContent(), DONE);
  assert.equal(await page.locator('#voice-mic').textContent(), 'Microphone');
  at.sound();
  await at.close();
});

for (const [screen, scheme] of [['phone', 'light'], ['phone', 'dark'], ['desktop', 'light'], ['desktop', 'dark']]) {
  test(`picture: ${screen}, ${scheme}`, async () => {
    const at = await visit(browser, stack, 'listen', { screen, scheme });
    await at.page.click('#voice-sample');
    await reads(at.page, '#voice-words', DONE);
    await at.page.waitForTimeout(200);
    await at.picture('voice');
    // The plot shows marked voice: its colour covers a good part of the canvas.
    const share = await at.page.evaluate(() => {
      const canvas = document.getElementById('voice-plot');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const probe = document.createElement('canvas').getContext('2d');
      probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--device').trim();
      probe.fillRect(0, 0, 1, 1);
      const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
      let found = 0;
      for (let i = 0; i < data.length; i += 4) if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) found += 1;
      return found / (data.length / 4);
    });
    assert.ok(share > 0.05, `voice covers ${share} of the plot`);
    at.sound();
    await at.close();
  });
}
