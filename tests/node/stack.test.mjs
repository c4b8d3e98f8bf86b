// The server of `npm start`, without its tiers. In: the repository's files. Out: verdicts on types, policy, ranges,
// revalidation and what a tier that is down answers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { portIsFree, start } from '../../scripts/lib/stack.mjs';
import { forward } from '../../scripts/lib/proxy.mjs';
import { serve } from '../lib/serve.mjs';

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
const MODEL = '/models/digits/1/model.onnx';
let stack;
before(async () => { stack = await start({ cloud: false, edge: false }); });
after(() => stack.stop());

const types = {
  '/': 'text/html;charset=utf-8',
  '/manifest.webmanifest': 'application/manifest+json',
  '/pkg/dist/nearside.js': 'text/javascript',
  '/pkg/wasm/nearside_bg.wasm': 'application/wasm',
  [MODEL]: 'application/octet-stream',
  '/models/silero-vad/5/model.onnx': 'application/octet-stream',
};
for (const [path, type] of Object.entries(types)) {
  test(`stack: ${path} is ${type}, under the policy`, async () => {
    const answer = await fetch(stack.url + path, { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), type);
    assert.equal(answer.headers.get('content-security-policy'), POLICY);
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
  });
}

test('stack: ranges and revalidation', async () => {
  const whole = await fetch(stack.url + MODEL);
  const bytes = new Uint8Array(await whole.arrayBuffer());
  const part = await fetch(stack.url + MODEL, { headers: { range: 'bytes=10-19' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), `bytes 10-19/${bytes.length}`);
  assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.slice(10, 20));
  const again = await fetch(stack.url + MODEL, { headers: { 'if-none-match': whole.headers.get('etag') } });
  assert.equal(again.status, 304);
});

test('stack: what is not there, or not allowed', async () => {
  assert.equal((await fetch(`${stack.url}/nothing.js`)).status, 404);
  assert.equal((await fetch(`${stack.url}/pkg/..%2fCargo.toml`)).status, 404);
  assert.equal((await fetch(stack.url, { method: 'POST', body: 'x' })).status, 405);
});

test('stack: a tier that is down answers 502 with the reason', async () => {
  for (const tier of ['cloud', 'edge']) {
    const answer = await fetch(`${stack.url}/${tier}/v2`, { method: 'POST', body: new Uint8Array(1e6) });
    assert.equal(answer.status, 502);
    assert.match((await answer.json()).error, new RegExp(`${tier} is not available`));
  }
});

test('proxy: method, path, headers and body reach the tier; its answer comes back', async () => {
  const tier = await serve((request, response, body) => response.writeHead(413, { 'x-tier': 'yes' }).end(body));
  const server = createHttpServer((request, response) => forward(request, response, tier.url, request.url, 'cloud'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const body = crypto.getRandomValues(new Uint8Array(60_000));
  const answer = await fetch(`http://127.0.0.1:${server.address().port}//other.example/v2?a=b`, {
    method: 'POST', body, headers: { 'inference-header-content-length': '12' },
  });
  assert.equal(answer.status, 413);
  assert.equal(answer.headers.get('x-tier'), 'yes');
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), body);
  assert.equal(tier.requests[0].url, '//other.example/v2?a=b');
  assert.equal(tier.requests[0].headers['inference-header-content-length'], '12');
  server.closeAllConnections();
  server.close();
  await tier.close();
});

test('stack: a port in use is an error that names the variable', async () => {
  const taken = createServer();
  await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
  await assert.rejects(portIsFree(taken.address().port), /in use.*PORT=/);
  taken.close();
});
