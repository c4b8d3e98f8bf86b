// From the Worker to a real `nearside serve`: what does not fit the edge is answered by the cloud, and the answer says so.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startEdge } from '../../scripts/lib/edge.mjs';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits } from '../lib/digits.mjs';
import { ask, defineErrorTests, digitRequest, firstFloats, framed, hangUp, LENGTH, unframed } from '../lib/protocol.mjs';
import { serve } from '../lib/serve.mjs';
import { servedModels } from '../lib/served-models.mjs';

let models;
let cloud;
let both;
before(async () => {
  models = servedModels();
  cloud = await startCloud({ models: models.folder });
  both = await startEdge({ models: models.folder, cloudUrl: cloud.url });
});
after(async () => {
  hangUp();
  await both?.stop();
  await cloud?.stop();
  models?.remove();
});

async function withEdge(options, work) {
  const edge = await startEdge({ models: models.folder, cloudUrl: cloud.url, ...options });
  try {
    return await work(edge);
  } finally {
    await edge.stop();
  }
}

const digit = (edge, binary) => ask(edge.url, '/v2/models/digits/infer', digitRequest(digits.cases[0], binary));
const source = (answer) => unframed(answer).head.parameters.source;
const because = (answer) => answer.headers['x-nearside-forwarded-because'];

test('by its size a model is run here or there, with the same result', async () => {
  const found = {};
  for (const [limit, place] of [['1000000', 'in_edge'], ['1000', 'in_cloud']]) {
    await withEdge({ bindings: { EDGE_MAX_MODEL_BYTES: limit } }, async (edge) => {
      for (const binary of [true, false]) {
        const answer = await digit(edge, binary);
        assert.equal(source(answer), place);
        assert.equal(because(answer), place === 'in_cloud' ? 'TOO_LARGE' : undefined);
        checkDigit(firstFloats(answer), digits.cases[0]);
        found[place] = firstFloats(answer).data;
      }
      const metadata = (await ask(edge.url, '/v2/models/digits')).json();
      assert.deepEqual([metadata.name, metadata.parameters.source], ['digits', place]);
      assert.equal((await ask(edge.url, '/v2/models/digits/ready')).status, 200);
    });
  }
  found.in_edge.forEach((value, i) => assert.ok(Math.abs(value - found.in_cloud[i]) < 1e-5));
});

test('a model that is only in the cloud is answered from there, and listed', async () => {
  await withEdge({ models: undefined }, async (edge) => {
    const answer = await digit(edge);
    assert.deepEqual([source(answer), because(answer)], ['in_cloud', 'MODEL_NOT_FOUND']);
    const list = (await ask(edge.url, '/v2/repository/index', { method: 'POST', body: '' })).json();
    assert.ok(list.some(({ name }) => name === 'digits'));
  });
});

test('a tensor over the limit of the edge goes to the cloud with the body that was read', async () => {
  await withEdge({ bindings: { EDGE_MAX_TENSOR_BYTES: '10000' } }, async (edge) => {
    const bytes = Buffer.from(new Float32Array(100 * 100).fill(0.01).buffer);
    const input = { name: 'x', shape: [100, 100], datatype: 'FP32', parameters: { binary_data_size: bytes.length } };
    const answer = await ask(edge.url, '/v2/models/slow/infer', framed({ inputs: [input], parameters: { binary_data_output: true } }, bytes));
    assert.deepEqual([answer.status, source(answer), because(answer)], [200, 'in_cloud', 'OUT_OF_MEMORY']);
    assert.equal(unframed(answer).tail.length, bytes.length);
  });
});

test('a body over the limit of the edge goes to the cloud unread', async () => {
  await withEdge({ bindings: { EDGE_MAX_BODY_BYTES: '1000' } }, async (edge) => {
    const bytes = Buffer.alloc(512 * 512 * 4);
    const input = { name: 'x', shape: [512, 512], datatype: 'FP32', parameters: { binary_data_size: bytes.length } };
    const request = framed({ inputs: [input], parameters: { binary_data_output: true } }, bytes);
    const answer = await ask(edge.url, '/v2/models/floats/infer', request);
    assert.deepEqual([answer.status, source(answer), because(answer)], [200, 'in_cloud', 'TOO_LARGE']);
    assert.equal(unframed(answer).tail.length, bytes.length);
    assert.equal(source(await digit(edge)), 'in_edge');
  });
});

test('a compressed body goes to the cloud, which understands it', async () => {
  await withEdge({}, async (edge) => {
    const { headers, body } = digitRequest(digits.cases[0]);
    const answer = await ask(edge.url, '/v2/models/digits/infer',
      { method: 'POST', headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) });
    assert.equal(source(answer), 'in_cloud');
    checkDigit(firstFloats(answer), digits.cases[0]);
  });
});

test('method, path, headers and body arrive unchanged, with who sent them', async () => {
  const seen = await serve((request, response) => {
    response.writeHead(418, { 'content-type': 'text/plain', 'x-own': 'kept' }).end('as it came');
  });
  await withEdge({ models: undefined, cloudUrl: `${seen.url}/base/`, bindings: { CLOUD_TOKEN: 'secret' } }, async (edge) => {
    const request = digitRequest(digits.cases[0]);
    const answer = await ask(edge.url, '/v2/models/a%20b/versions/3/infer?x=1&y=%20',
      { ...request, headers: { ...request.headers, 'x-own': 'a', 'x-nearside-crashed': 'panic', authorization: 'Bearer callers' } });
    assert.deepEqual([answer.status, answer.body.toString(), answer.headers['x-own']], [418, 'as it came', 'kept']);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    const [{ method, url, headers, body }] = seen.requests;
    assert.deepEqual([method, url], ['POST', '/base/v2/models/a%20b/versions/3/infer?x=1&y=%20']);
    assert.deepEqual(body, request.body);
    assert.equal(headers[LENGTH], request.headers[LENGTH]);
    assert.equal(headers['content-length'] ?? String(body.length), String(body.length));
    assert.equal(headers['x-own'], 'a');
    assert.equal(headers.authorization, 'Bearer secret');
    assert.match(headers['x-nearside-forwarded-by'], /^nearside-edge\//);
    assert.equal(headers['x-nearside-crashed'], undefined);
  });
  await seen.close();
});

test('what an edge has forwarded is not forwarded again', async () => {
  await withEdge({ models: undefined }, async (edge) => {
    const headers = { 'x-nearside-forwarded-by': 'nearside-edge/0' };
    const answer = await ask(edge.url, '/v2/models/digits', { headers });
    assert.deepEqual([answer.status, answer.json().code], [404, 'MODEL_NOT_FOUND']);
  });
});

test('a cloud that is down or silent is said to be, beside the reason for going there', async () => {
  const silent = await serve(() => new Promise(() => {}));
  const down = await serve(() => {});
  await down.close();
  for (const [cloudUrl, status, code] of [[down.url, 503, 'UNAVAILABLE'], [silent.url, 504, 'TIMEOUT']]) {
    await withEdge({ cloudUrl, bindings: { EDGE_MAX_MODEL_BYTES: '1000', CLOUD_TIMEOUT_MS: '300' } }, async (edge) => {
      const answer = await digit(edge);
      assert.deepEqual([answer.status, answer.json().code], [status, code], answer.body.toString());
      assert.match(answer.json().error, /the edge: .*up to 1000; the cloud: /);
      assert.equal((await ask(edge.url, '/v2/models/echo')).status, 200);
    });
  }
  await silent.close();
});

test('without a cloud the edge says itself why not', async () => {
  await withEdge({ cloudUrl: undefined, bindings: { EDGE_MAX_MODEL_BYTES: '1000' } }, async (edge) => {
    const answer = await digit(edge);
    assert.deepEqual([answer.status, answer.json().code], [413, 'TOO_LARGE']);
    assert.match(answer.json().error, /digits.*up to 1000/);
  });
});

defineErrorTests('edge before a cloud', () => both.url);
