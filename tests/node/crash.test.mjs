// A run that takes the engine down. In: the real engine with little memory, a batch that does not fit. Out: verdicts:
// the run fails with its reason or moves on, every session works again afterwards.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { env, InferenceSession, reportOf, Tensor } from '../../pkg/index.node.js';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { serveDigits } from '../lib/oip-engine.mjs';
import { withMemoryLimit } from '../lib/small-memory.mjs';

const LIMIT = 96 * 2 ** 20;
const TOO_MANY = 60_000;
const example = digits.cases[0];
const one = () => ({ image: new Tensor(pixels(example), digits.shape) });
const many = (count = TOO_MANY) => ({ image: new Tensor(new Float32Array(count * 64), [count, 1, 8, 8]) });

before(async () => {
  env.wasm.wasmBinary = withMemoryLimit(await readFile(new URL('../../pkg/wasm/nearside_bg.wasm', import.meta.url)), LIMIT);
});
after(() => { env.wasm.wasmBinary = undefined; });

test('crash: the run fails with OUT_OF_MEMORY, this session and the others go on', async () => {
  const [session, other] = await Promise.all([InferenceSession.create(digitsPath), InferenceSession.create(digitsPath)]);
  checkDigit((await other.run(one())).probabilities, example);
  for (let round = 0; round < 3; round += 1) {
    await assert.rejects(session.run(many()), { code: 'OUT_OF_MEMORY' });
    checkDigit((await session.run(one())).probabilities, example);
    checkDigit((await other.run(one())).probabilities, example);
  }
  await Promise.all([session.release(), other.release()]);
});

test('crash: runs that wait behind it are answered', async () => {
  const session = await InferenceSession.create(digitsPath);
  const settled = await Promise.allSettled([session.run(one()), session.run(many()), session.run(one())]);
  assert.deepEqual(settled.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled']);
  checkDigit(settled[2].value.probabilities, example);
  await session.release();
});

test('crash: with an edge the run moves on, and the session stays there', async () => {
  const requests = [];
  // The server's engine is the same wasm, so it is given what fits: this is about who is asked.
  const edge = await serveDigits({
    intercept: ({ url, headers }) => { requests.push(`${url.split('/').at(-1)} ${headers['content-length'] ?? ''}`.trim()); return false; },
  });
  const session = await InferenceSession.create(digitsPath, { nearside: { edge: edge.url, timeout: 20_000 } });
  assert.equal(reportOf(await session.run(one())).source, 'on_device');
  await assert.rejects(session.run(many()), (error) => {
    assert.equal(error.code, 'NO_PLACE');
    assert.deepEqual(error.details.attempts.map(({ place, code }) => `${place}:${code}`), ['on_device:OUT_OF_MEMORY', 'in_edge:REMOTE_ERROR']);
    return true;
  });
  const results = await session.run(one());
  checkDigit(results.probabilities, example);
  const report = reportOf(results);
  assert.equal(report.source, 'in_edge');
  assert.equal(report.reason.code, 'OUT_OF_MEMORY');
  assert.equal(session.report.source, 'in_edge');
  assert.ok(requests.includes('1'), 'the edge was asked for the metadata');
  await session.release();
  await edge.close();
});

test('crash: a model that does not fit', async () => {
  const bytes = new Uint8Array(LIMIT);
  bytes.set(await readFile(digitsPath));
  await assert.rejects(InferenceSession.create(bytes), { code: 'OUT_OF_MEMORY' });
  const session = await InferenceSession.create(digitsPath);
  checkDigit((await session.run(one())).probabilities, example);
  await session.release();
});
