// Requests that take the Worker's engine down. In: batches whose tensors do not fit its memory, with the tensor limit
// lifted. Out: verdicts: the request is answered by the cloud or with its reason, and the next one by a fresh engine.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../../scripts/lib/edge.mjs';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits } from '../lib/digits.mjs';
import { ask, digitRequest, firstFloats, framed, hangUp, unframed } from '../lib/protocol.mjs';
import { servedModels } from '../lib/served-models.mjs';

const bindings = { EDGE_MAX_TENSOR_BYTES: String(2 ** 32), EDGE_MAX_BODY_BYTES: String(16 * 2 ** 20) };
const BATCH = 30_000;
let models;
before(() => { models = servedModels(); });
after(() => {
  hangUp();
  models?.remove();
});

const one = (edge) => ask(edge.url, '/v2/models/digits/infer', digitRequest(digits.cases[0]));
function many(edge, options = {}) {
  const bytes = Buffer.alloc(BATCH * 64 * 4);
  const input = { name: 'image', shape: [BATCH, 1, 8, 8], datatype: 'FP32', parameters: { binary_data_size: bytes.length } };
  const request = framed({ inputs: [input], parameters: { binary_data_output: true } }, bytes);
  return ask(edge.url, '/v2/models/digits/infer', { ...request, ...options });
}

test('without a cloud: 507 with the reason, and a fresh engine for the next request', async () => {
  const edge = await startEdge({ models: models.folder, bindings });
  try {
    for (let round = 0; round < 3; round += 1) {
      checkDigit(firstFloats(await one(edge)), digits.cases[0]);
      const answer = await many(edge);
      assert.deepEqual([answer.status, answer.json().code], [507, 'OUT_OF_MEMORY'], answer.body.toString());
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    }
    const chunked = await many(edge, { chunked: true });
    assert.deepEqual([chunked.status, chunked.json().code], [507, 'OUT_OF_MEMORY']);
    checkDigit(firstFloats(await one(edge)), digits.cases[0]);
  } finally {
    await edge.stop();
  }
});

test('with a cloud: it is answered from there, and so are those that were lost beside it', async () => {
  const cloud = await startCloud({ models: models.folder });
  const edge = await startEdge({ models: models.folder, cloudUrl: cloud.url, bindings });
  try {
    await one(edge);
    const [large, ...small] = await Promise.all([many(edge), ...Array.from({ length: 8 }, () => one(edge))]);
    assert.equal(large.status, 200, large.body.toString().slice(0, 300));
    const { head, tail } = unframed(large);
    assert.equal(head.parameters.source, 'in_cloud');
    assert.equal(large.headers['x-nearside-forwarded-because'], 'OUT_OF_MEMORY');
    assert.equal(tail.length, BATCH * 10 * 4);
    for (const answer of small) checkDigit(firstFloats(answer), digits.cases[0]);
    const after = await one(edge);
    assert.equal(unframed(after).head.parameters.source, 'in_edge');
  } finally {
    await edge.stop();
    await cloud.stop();
  }
});
