// Models among the Worker's static assets, and the assets themselves.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startEdge } from '../../scripts/lib/edge.mjs';
import { checkDigit, digits } from '../lib/digits.mjs';
import { identity } from '../lib/onnx.mjs';
import { ask, defineFileTests, digitRequest, firstFloats, hangUp, unframed } from '../lib/protocol.mjs';
import { servedModels } from '../lib/served-models.mjs';

let models;
let folder;
let edge;
before(async () => {
  models = servedModels();
  folder = mkdtempSync(join(tmpdir(), 'nearside-assets-'));
  mkdirSync(join(folder, 'models'));
  for (const name of ['digits', 'echo', 'broken', 'outside', 'lite']) cpSync(join(models.folder, name), join(folder, 'models', name), { recursive: true });
  mkdirSync(join(folder, 'models', 'echo', '3'));
  writeFileSync(join(folder, 'models', 'echo', '3', 'model.onnx'), identity('float32'));
  writeFileSync(join(folder, 'models', 'index.json'), JSON.stringify({ echo: ['1', '3'], ghost: ['1'] }));
  writeFileSync(join(folder, 'index.html'), '<title>a page</title>');
  edge = await startEdge({
    assets: { directory: folder, binding: 'ASSETS', routerConfig: { has_user_worker: true, invoke_user_worker_ahead_of_assets: true } },
  });
});
after(async () => {
  hangUp();
  await edge?.stop();
  models?.remove();
  if (folder) rmSync(folder, { recursive: true });
});

test('a model among the assets is run at the edge', async () => {
  for (const example of digits.cases.slice(0, 3)) {
    const answer = await ask(edge.url, '/v2/models/digits/infer', digitRequest(example));
    assert.equal(answer.status, 200, answer.body.toString());
    assert.equal(unframed(answer).head.parameters.source, 'in_edge');
    checkDigit(firstFloats(answer), example);
  }
});

test('the index names versions; without it there is version 1', async () => {
  assert.deepEqual((await ask(edge.url, '/v2/models/echo')).json().versions, ['1', '3']);
  assert.equal((await ask(edge.url, '/v2/models/echo')).json().inputs[0].datatype, 'FP32');
  assert.equal((await ask(edge.url, '/v2/models/echo/versions/1')).json().inputs[0].datatype, 'INT64');
  assert.deepEqual((await ask(edge.url, '/v2/models/digits')).json().versions, ['1']);
  assert.equal((await ask(edge.url, '/v2/models/ghost')).status, 404);
  assert.equal((await ask(edge.url, '/v2/models/broken')).json().code, 'INVALID_MODEL');
  const list = (await ask(edge.url, '/v2/repository/index', { method: 'POST', body: '' })).json();
  assert.deepEqual(list.map(({ name, version }) => `${name}/${version}`), ['echo/1', 'echo/3', 'ghost/1']);
});

test('the bucket wins over the assets', async () => {
  const bucket = await edge.miniflare.getR2Bucket('MODELS');
  await bucket.put('both/1/model.onnx', identity('int32'));
  mkdirSync(join(folder, 'models', 'both', '1'), { recursive: true });
  writeFileSync(join(folder, 'models', 'both', '1', 'model.onnx'), identity('uint8'));
  assert.equal((await ask(edge.url, '/v2/models/both')).json().inputs[0].datatype, 'INT32');
});

test('everything outside /v2 is an asset, for pages of other origins, too', async () => {
  const page = await ask(edge.url, '/');
  assert.match(page.body.toString(), /a page/);
  const file = await ask(edge.url, '/models/digits/1/model.onnx');
  assert.equal(file.status, 200);
  assert.equal(file.headers['access-control-allow-origin'], '*');
  assert.ok(file.body.length > 100_000);
  assert.equal((await ask(edge.url, '/nothing.txt')).status, 404);
});

defineFileTests('assets', () => edge.url);
