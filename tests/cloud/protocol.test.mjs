// The Open Inference Protocol on `nearside serve`: every route, every way of writing tensors, every error.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits, digitsPath } from '../lib/digits.mjs';
import { ask, defineErrorTests, defineFileTests, digitRequest, firstFloats, framed, hangUp, unframed } from '../lib/protocol.mjs';
import { servedModels } from '../lib/served-models.mjs';

let models;
let cloud;
before(async () => {
  models = servedModels();
  models.put('digits', 10, readFileSync(digitsPath));
  models.put('.hidden', 1, 'not to be seen');
  models.put('unfinished', 'draft', 'not a version');
  cloud = await startCloud({ models: models.folder });
});
after(async () => {
  hangUp();
  await cloud?.stop();
  models?.remove();
});

test('the server describes itself and is ready', async () => {
  const server = (await ask(cloud.url, '/v2')).json();
  assert.equal(server.name, 'nearside');
  assert.match(server.version, /^\d+\.\d+\.\d+/);
  assert.deepEqual(server.extensions, ['binary_tensor_data']);
  for (const path of ['/v2/health/live', '/v2/health/ready', '/v2/models/digits/ready', '/v2/models/digits/versions/1/ready']) {
    assert.equal((await ask(cloud.url, path)).status, 200, path);
  }
});

test('a model is described; its latest version is the greatest number', async () => {
  const { name, versions, platform, inputs, outputs } = (await ask(cloud.url, '/v2/models/digits')).json();
  assert.deepEqual({ name, versions, platform }, { name: 'digits', versions: ['1', '10'], platform: 'onnx_tract' });
  assert.deepEqual(inputs, [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8] }]);
  assert.deepEqual(outputs, [{ name: 'probabilities', datatype: 'FP32', shape: [-1, 10] }]);
  assert.equal(unframed(await ask(cloud.url, '/v2/models/digits/infer', digitRequest(digits.cases[0]))).head.model_version, '10');
  const one = await ask(cloud.url, '/v2/models/digits/versions/1/infer', digitRequest(digits.cases[0]));
  assert.equal(unframed(one).head.model_version, '1');
});

test('the models are listed, with what is known of their state', async () => {
  await ask(cloud.url, '/v2/models/broken');
  const list = (await ask(cloud.url, '/v2/repository/index', { method: 'POST', body: '' })).json();
  assert.deepEqual(list.map(({ name, version }) => `${name}/${version}`),
    ['alone/1', 'broken/1', 'digits/1', 'digits/10', 'echo/1', 'floats/1', 'halves/1', 'lite/1', 'outside/1', 'slow/1', 'strange/1', 'truths/1', 'words/1']);
  const broken = list.find(({ name }) => name === 'broken');
  assert.equal(broken.state, 'UNAVAILABLE');
  assert.ok(broken.reason.length > 0);
  assert.equal(list.find(({ name }) => name === 'digits').state, 'READY');
});

for (const binary of [true, false]) {
  test(`every digit is the reference's, ${binary ? 'binary' : 'JSON'}`, async () => {
    for (const example of digits.cases) {
      const answer = await ask(cloud.url, '/v2/models/digits/infer', digitRequest(example, binary));
      assert.equal(answer.status, 200, answer.body.toString());
      checkDigit(firstFloats(answer), example);
      const { parameters } = unframed(answer).head;
      assert.deepEqual([parameters.source, parameters.backend], ['in_cloud', 'native-cpu']);
      assert.ok(parameters.run_ms > 0 && parameters.plan_ms >= 0);
    }
  });
}

test('a batch is nested or flat', async () => {
  const rows = digits.cases.slice(0, 3).map(({ image }) => image.map((value) => value / digits.divideBy));
  const nested = rows.map((row) => [Array.from({ length: 8 }, (_, y) => row.slice(y * 8, y * 8 + 8))]);
  const run = async (data) => {
    const body = JSON.stringify({ id: 'a batch', inputs: [{ data, datatype: 'FP32', name: 'image', shape: [3, 1, 8, 8] }] });
    return (await ask(cloud.url, '/v2/models/digits/infer', { method: 'POST', body })).json();
  };
  const [one, two] = [await run(nested), await run(rows.flat())];
  assert.equal(one.id, 'a batch');
  assert.deepEqual(one.outputs, two.outputs);
  assert.deepEqual(one.outputs[0].shape, [3, 10]);
});

const strings = ['', 'a', 'zwei\n"drei"', '四'];
const packed = Buffer.concat(strings.flatMap((text) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(text));
  return [length, Buffer.from(text)];
}));
/** [model, datatype, the data as JSON text, as bytes] */
const kinds = [
  ['echo', 'INT64', '[-9223372036854775808,9007199254740993,9223372036854775807,0]',
    Buffer.from(BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n, 2n ** 63n - 1n, 0n).buffer)],
  ['words', 'BYTES', JSON.stringify(strings), packed],
  ['truths', 'BOOL', '[true,false,true,true]', Buffer.of(1, 0, 1, 1)],
  ['halves', 'FP16', undefined, Buffer.from(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff).buffer)],
];
for (const [model, datatype, json, bytes] of kinds) {
  test(`${datatype} goes in and out, binary${json ? ' and JSON' : ''}`, async () => {
    const path = `/v2/models/${model}/infer`;
    const input = { name: 'x', shape: [4], datatype };
    const binaryInput = { ...input, parameters: { binary_data_size: bytes.length } };
    const binaryOutput = { name: 'y', parameters: { binary_data: true } };
    const both = await ask(cloud.url, path, framed({ inputs: [binaryInput], outputs: [binaryOutput] }, bytes));
    const { head, tail } = unframed(both);
    assert.equal(both.status, 200, JSON.stringify(head));
    assert.deepEqual(head.outputs, [{ name: 'y', datatype, shape: [4], parameters: { binary_data_size: bytes.length } }]);
    assert.deepEqual(tail, bytes);
    const asJson = await ask(cloud.url, path, framed({ inputs: [binaryInput] }, bytes));
    if (!json) {
      assert.deepEqual([asJson.status, asJson.json().code], [400, 'MALFORMED_REQUEST']);
      return;
    }
    assert.equal(asJson.headers['inference-header-content-length'], undefined);
    assert.ok(asJson.body.toString().includes(`"data":${json}`), asJson.body.toString());
    const body = JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }).replace('"}]', `","data":${json}}]`);
    const fromJson = await ask(cloud.url, path, { method: 'POST', body });
    assert.deepEqual(unframed(fromJson).tail, bytes, fromJson.body.toString());
  });
}

test('a result that JSON cannot hold is an error, and binary holds it', async () => {
  const bytes = Buffer.from(Float32Array.of(NaN, Infinity).buffer);
  const input = { name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } };
  const json = await ask(cloud.url, '/v2/models/floats/infer', framed({ inputs: [input] }, bytes));
  assert.deepEqual([json.status, json.json().code], [400, 'MALFORMED_REQUEST']);
  const binary = await ask(cloud.url, '/v2/models/floats/infer', framed({ inputs: [input], parameters: { binary_data_output: true } }, bytes));
  assert.deepEqual(unframed(binary).tail, bytes);
});

test('compressed requests are understood', async () => {
  const plain = digitRequest(digits.cases[0]);
  for (const [encoding, compress] of [['gzip', gzipSync], ['deflate', deflateSync]]) {
    const headers = { ...plain.headers, 'content-encoding': encoding };
    const answer = await ask(cloud.url, '/v2/models/digits/infer', { method: 'POST', headers, body: compress(plain.body) });
    checkDigit(firstFloats(answer), digits.cases[0]);
    const broken = await ask(cloud.url, '/v2/models/digits/infer', { method: 'POST', headers, body: plain.body });
    assert.deepEqual([broken.status, broken.json().code], [400, 'MALFORMED_REQUEST']);
  }
  const unknown = await ask(cloud.url, '/v2/models/digits/infer', { ...plain, headers: { ...plain.headers, 'content-encoding': 'br' } });
  assert.deepEqual([unknown.status, unknown.json().code], [400, 'MALFORMED_REQUEST']);
});

test('HEAD has no body, OPTIONS allows pages to call', async () => {
  const head = await ask(cloud.url, '/v2/models/digits', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body.length], [200, 0]);
  assert.equal((await ask(cloud.url, '/v2/models/nothing', { method: 'HEAD' })).status, 404);
  const headers = { origin: 'https://page.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,inference-header-content-length' };
  const preflight = await ask(cloud.url, '/v2/models/digits/infer', { method: 'OPTIONS', headers });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], '*');
  assert.equal(preflight.headers['access-control-allow-headers'], headers['access-control-request-headers']);
  assert.match(preflight.headers['access-control-allow-methods'], /POST/);
  const answer = await ask(cloud.url, '/v2/models/digits/infer', digitRequest(digits.cases[0]));
  assert.match(answer.headers['access-control-expose-headers'], /Inference-Header-Content-Length/);
});

defineErrorTests('cloud', () => cloud.url);
defineFileTests('cloud', () => cloud.url, 'IO');

test('requests are counted by model and status, and unknown names are not', async () => {
  const odd = await ask(cloud.url, '/v2/models/nothing-odd/infer', { method: 'POST', headers: { 'content-encoding': 'odd' }, body: '' });
  assert.equal(odd.status, 400);
  const text = (await ask(cloud.url, '/metrics')).body.toString();
  assert.match(text, /nearside_requests_total\{model="digits",route="infer",status="200"\} [1-9]/);
  assert.match(text, /nearside_request_duration_seconds_count\{model="digits",route="infer"\} [1-9]/);
  assert.doesNotMatch(text, /nothing/);
});
