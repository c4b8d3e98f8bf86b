// The Open Inference Protocol on the Worker, in real workerd: what it answers itself, and every wrong request.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startEdge } from '../../scripts/lib/edge.mjs';
import { checkDigit, digits, digitsPath } from '../lib/digits.mjs';
import { identity } from '../lib/onnx.mjs';
import { ask, defineErrorTests, defineFileTests, digitRequest, firstFloats, framed, hangUp, unframed } from '../lib/protocol.mjs';
import { servedModels } from '../lib/served-models.mjs';

let models;
let edge;
before(async () => {
  models = servedModels();
  models.put('digits', 10, readFileSync(digitsPath));
  edge = await startEdge({ models: models.folder, bindings: { EDGE_CATALOG_MS: '0' } });
});
after(async () => {
  hangUp();
  await edge?.stop();
  models?.remove();
});

test('the Worker describes itself and its models', async () => {
  assert.equal((await ask(edge.url, '/v2')).json().name, 'nearside');
  for (const path of ['/v2/health/live', '/v2/health/ready', '/v2/models/digits/ready', '/v2/models/digits/versions/1/ready']) {
    assert.equal((await ask(edge.url, path)).status, 200, path);
  }
  const { versions, inputs, parameters } = (await ask(edge.url, '/v2/models/digits')).json();
  assert.deepEqual(versions, ['1', '10']);
  assert.deepEqual(inputs, [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8] }]);
  assert.deepEqual(parameters, { source: 'in_edge', backend: 'wasm-simd128' });
  const list = (await ask(edge.url, '/v2/repository/index', { method: 'POST', body: '' })).json();
  assert.deepEqual(list.filter(({ name }) => name === 'digits').map(({ version, state }) => [version, state]), [['1', 'READY'], ['10', 'READY']]);
});

for (const binary of [true, false]) {
  test(`every digit is the reference's, ${binary ? 'binary' : 'JSON'}`, async () => {
    for (const example of digits.cases) {
      const answer = await ask(edge.url, '/v2/models/digits/infer', digitRequest(example, binary));
      assert.equal(answer.status, 200, answer.body.toString());
      checkDigit(firstFloats(answer), example);
      assert.equal(unframed(answer).head.parameters.source, 'in_edge');
    }
  });
}

test('many requests at once get their own answers', async () => {
  const wanted = Array.from({ length: 48 }, (_, i) => digits.cases[i % digits.cases.length]);
  const answers = await Promise.all(wanted.map((example) => ask(edge.url, '/v2/models/digits/infer', digitRequest(example))));
  answers.forEach((answer, i) => checkDigit(firstFloats(answer), wanted[i]));
});

test('64-bit integers and strings go in and out', async () => {
  const bytes = Buffer.from(BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n, 2n ** 63n - 1n).buffer);
  const input = { name: 'x', shape: [3], datatype: 'INT64', parameters: { binary_data_size: 24 } };
  const echoed = await ask(edge.url, '/v2/models/echo/infer', framed({ inputs: [input], parameters: { binary_data_output: true } }, bytes));
  assert.deepEqual(unframed(echoed).tail, bytes);
  const words = { inputs: [{ name: 'x', shape: [2], datatype: 'BYTES', data: ['', 'vier: 四'] }] };
  const said = await ask(edge.url, '/v2/models/words/infer', { method: 'POST', body: JSON.stringify(words) });
  assert.deepEqual(said.json().outputs[0].data, words.inputs[0].data);
});

test('a model that is put into the bucket is there, and a changed one is another', async () => {
  assert.equal((await ask(edge.url, '/v2/models/new')).status, 404);
  const bucket = await edge.miniflare.getR2Bucket('MODELS');
  await bucket.put('new/1/model.onnx', identity('float32'));
  assert.equal((await ask(edge.url, '/v2/models/new')).json().inputs[0].datatype, 'FP32');
  await bucket.put('new/1/model.onnx', identity('int32'));
  assert.equal((await ask(edge.url, '/v2/models/new')).json().inputs[0].datatype, 'INT32');
  await bucket.delete('new/1/model.onnx');
  assert.equal((await ask(edge.url, '/v2/models/new')).status, 404);
});

test('HEAD has no body, OPTIONS allows pages to call', async () => {
  const head = await ask(edge.url, '/v2/models/digits', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body.length], [200, 0]);
  const headers = { origin: 'https://page.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
  const preflight = await ask(edge.url, '/v2/models/digits/infer', { method: 'OPTIONS', headers });
  assert.deepEqual([preflight.status, preflight.headers['access-control-allow-headers']], [204, 'authorization']);
  const answer = await ask(edge.url, '/v2/models/digits/infer', digitRequest(digits.cases[0]));
  assert.match(answer.headers['access-control-expose-headers'], /Inference-Header-Content-Length/);
});

defineErrorTests('edge', () => edge.url);
defineFileTests('edge', () => edge.url, 'MODEL_NOT_FOUND');
