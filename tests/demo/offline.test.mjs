/**
 * The demo with the network off after one visit: all three demos work; a new version replaces the old one whole or
 * not at all; a missing file is never answered with a page.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { POLICY, TYPES, precacheList, siteFiles, www } from '../../www/precache.mjs';
import { start } from '../../scripts/lib/stack.mjs';
import { launch } from '../lib/chromium.mjs';
import { serve } from '../lib/serve.mjs';
import { DRAWINGS } from './drawings.mjs';
import { draw, ranAt, reads, visit } from './visit.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

/** What a browser says of a fetch that cannot be made, wherever the page asks for one. */
const NO_NETWORK = [/Failed to load resource: net::ERR_/, /An unknown error occurred when fetching the script/];

test('all three demos work with the network off and the server gone', async () => {
  const stack = await start({ cloud: false, edge: false });
  let stopped = false;
  try {
    const at = await visit(browser, stack, 'draw');
    const { page, context } = at;
    await reads(page, '#offline-state', /^Works offline$/, 60_000);
    at.sound();
    await stack.stop();
    stopped = true;
    await context.setOffline(true);
    await page.reload();
    await reads(page, '#offline-state', /^Offline$/);

    await draw(page, DRAWINGS.find(({ digit }) => digit === 9).strokes);
    await reads(page, '#digit-words', /It reads a nine/);
    await ranAt(page, 'digit-place', 'on_device');
    await at.picture('offline-digits');

    await page.click('#tab-voice');
    await page.click('#voice-sample');
    await reads(page, '#voice-words', /^Voice in 2 places of the sample/);
    await ranAt(page, 'voice-place', 'on_device');
    await at.picture('offline-voice');

    await page.click('#tab-own');
    await page.click('#own-digits');
    await page.locator('#own-input-0-way').waitFor();
    await page.click('#own-run');
    await reads(page, '#own-words', /digits answered in/);
    await ranAt(page, 'own-place', 'on_device');
    await at.picture('offline-own');

    // A second look, at a demo's own address, and files as the package asks for them.
    await page.goto(`${stack.url}/#listen`);
    await page.reload();
    await page.click('#voice-sample');
    await reads(page, '#voice-words', /^Voice in 2 places of the sample/);
    const answers = await page.evaluate(async () => {
      const head = await fetch('/models/digits/1/model.onnx', { method: 'HEAD' });
      const part = await fetch('/models/digits/1/model.onnx', { headers: { Range: 'bytes=154090-' } });
      const missing = await fetch('/models/none/1/model.onnx').then((answer) => answer.status, () => 'failed');
      return { head: head.headers.get('Content-Length'), part: [part.status, (await part.arrayBuffer()).byteLength], missing };
    });
    assert.deepEqual(answers, { head: '154095', part: [206, 5], missing: 'failed' });
    at.sound({ allow: NO_NETWORK });
    await at.close();
  } finally {
    if (!stopped) await stack.stop();
  }
});

/** The site as a static host would serve it; `change` replaces files, `lie` lists one with a wrong hash. */
async function staticSite() {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-site-'));
  const state = { changed: new Map(), lie: undefined, answers: [] };
  const files = async () => (await siteFiles()).map(({ url, path }) => ({ url, path: state.changed.get(url) ?? path }));
  const server = await serve(async (request, response) => {
    const url = request.url.split('?')[0].slice(1) || 'index.html';
    state.answers.push(url);
    const headers = (type) => ({ 'content-type': type, 'content-security-policy': POLICY });
    if (url === 'precache.json') {
      const list = await precacheList(await files());
      if (state.lie) {
        list.version = `lie-${list.version}`.slice(0, 16);
        list.files.find((one) => one.url === state.lie).sha256 = list.files[0].sha256;
      }
      return response.writeHead(200, headers('application/json')).end(JSON.stringify(list));
    }
    const path = url === 'sw.js' ? join(www, 'sw.js') : (await files()).find((one) => one.url === url)?.path;
    if (!path) return response.writeHead(404, headers('text/html')).end('<!doctype html>no such file');
    const body = readFileSync(path);
    return response.writeHead(200, { ...headers(TYPES[extname(path)]), 'content-length': body.length }).end(request.method === 'HEAD' ? undefined : body);
  });
  return {
    ...server,
    state,
    change(url, edit) {
      const path = join(folder, url.replaceAll('/', '_'));
      writeFileSync(path, edit(readFileSync(join(www, url), 'utf8')));
      state.changed.set(url, path);
    },
    async stop() {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test('a new version is stored beside the old one, takes over whole, and leaves nothing behind', async () => {
  const site = await staticSite();
  try {
    const at = await visit(browser, site, 'draw');
    const { page } = at;
    const caches = () => page.evaluate(async () => (await window.caches.keys()).sort());
    await reads(page, '#offline-state', /^Works offline$/, 60_000);
    // A version is stored and an old one removed in the background: what counts is where it ends.
    const onlyCache = (than) => page.waitForFunction(async (other) => {
      const names = await window.caches.keys();
      return names.length === 1 && names[0] !== other && names[0];
    }, than, { timeout: 30_000, polling: 100 }).then((handle) => handle.jsonValue());
    const first = await onlyCache();

    // A version whose files do not match its list is refused; the old one goes on.
    site.state.lie = 'css/app.css';
    site.state.answers.length = 0;
    await page.reload();
    for (const late = Date.now() + 30_000; !site.state.answers.some((url) => url.includes('css/app.css'));) {
      assert.ok(Date.now() < late, 'the new version was not asked for');
      await page.waitForTimeout(50);
    }
    await page.waitForFunction(async () => (await navigator.serviceWorker.getRegistration()).installing === null, undefined, { timeout: 30_000 });
    await reads(page, '#offline-state', /^Works offline$/);
    assert.equal(await onlyCache(), first);

    site.state.lie = undefined;
    site.change('css/app.css', (text) => `${text}\nbody { --second: yes; }\n`);
    site.state.answers.length = 0;
    await page.reload();
    await page.locator('#toast button').waitFor({ timeout: 30_000 });
    assert.equal((await caches()).length, 2);
    const fetched = site.state.answers.filter((url) => /\.(onnx|wasm|flac)$/.test(url));
    assert.deepEqual(fetched, [], 'files that did not change are not fetched again');

    await Promise.all([page.waitForEvent('load'), page.click('#toast button')]);
    await reads(page, '#offline-state', /^Works offline$/);
    await onlyCache(first);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).getPropertyValue('--second').trim()), 'yes');
    at.sound({ allow: [/integrity/i, /digest/i] });
    await at.close();
  } finally {
    await site.stop();
  }
});

test('a worker that is slow to start, and a store that goes while it is asked', async () => {
  const site = await staticSite();
  try {
    const at = await visit(browser, site, 'draw');
    const { page } = at;
    await reads(page, '#offline-state', /^Works offline$/, 60_000);
    // What the worker has to do first takes longer than the page waits, and then it answers.
    await page.addInitScript(() => {
      const { postMessage } = ServiceWorker.prototype;
      ServiceWorker.prototype.postMessage = function later(...args) {
        window.answerNow = () => postMessage.apply(this, args);
      };
    });
    await page.reload();
    await reads(page, '#offline-state', /^Online only$/);
    await page.evaluate(() => window.answerNow());
    await reads(page, '#offline-state', /^Works offline$/);

    // As a new version removes it, while the old worker still has a request in hand.
    const left = await page.evaluate(async () => {
      for (const name of await caches.keys()) await caches.delete(name);
      const { status } = await fetch('css/app.css');
      return { status, names: await caches.keys() };
    });
    assert.deepEqual(left, { status: 200, names: [] });
    at.sound();
    await at.close();
  } finally {
    await site.stop();
  }
});

test('the static build works below a folder of another site, and offline', async () => {
  execFileSync(process.execPath, [join(www, 'build.mjs')], { stdio: 'pipe' });
  const dist = join(www, 'dist');
  assert.ok(readFileSync(join(dist, '_headers'), 'utf8').includes(POLICY));
  const server = await serve((request, response) => {
    const path = request.url.split('?')[0];
    const url = path === '/some/where/' ? 'index.html' : path.replace('/some/where/', '');
    const found = path.startsWith('/some/where/') && existsSync(join(dist, url));
    const headers = { 'content-type': TYPES[extname(url)] ?? 'text/plain', 'content-security-policy': POLICY };
    response.writeHead(found ? 200 : 404, headers).end(found && request.method !== 'HEAD' ? readFileSync(join(dist, url)) : undefined);
  });
  try {
    const at = await visit(browser, { url: `${server.url}/some/where` }, 'draw');
    const { page, context } = at;
    await reads(page, '#offline-state', /^Works offline$/, 60_000);
    await server.close();
    await context.setOffline(true);
    await page.reload();
    await draw(page, DRAWINGS.find(({ digit }) => digit === 4).strokes);
    await reads(page, '#digit-words', /It reads a four/);
    await ranAt(page, 'digit-place', 'on_device');
    at.sound({ allow: NO_NETWORK });
    await at.close();
  } finally {
    await server.close();
  }
});
