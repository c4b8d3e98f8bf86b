// Where a model runs and why. In: tests/cases/place.json. Out: the order and the reasons of pkg/place.js.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decide, estimateMemory, largestModel, movesOn } from '../../pkg/place.js';

const { cases } = JSON.parse(readFileSync(new URL('../cases/place.json', import.meta.url), 'utf8'));

for (const { name, facts, policy, order, refused } of cases) {
  test(`place: ${name}`, () => {
    const decided = decide(facts, policy);
    assert.deepEqual(decided.order.map(({ place, reason }) => `${place}:${reason.code}`), order);
    assert.deepEqual(decided.refused.map(({ place, code }) => `${place}:${code}`), refused);
    for (const { message } of decided.refused) assert.ok(message);
  });
}

test('place: a budget and the largest model it allows agree', () => {
  for (const policy of [{ maxMemory: 512e6 }, { maxModelBytes: 1234 }, { maxMemory: 512e6, maxModelBytes: 1234 }, {}]) {
    const bytes = largestModel(policy);
    const mode = { mode: 'only_on_device', ...policy };
    assert.equal(decide({ modelBytes: bytes }, mode).order.length, 1);
    assert.equal(decide({ modelBytes: bytes + 1 }, mode).order.length, 0);
  }
  assert.ok(estimateMemory(1e6) > 2e6);
});

test('place: the fault of a caller goes nowhere else', () => {
  for (const code of ['INVALID_INPUT', 'SHAPE_MISMATCH', 'TYPE_MISMATCH', 'ABORTED', 'SESSION_RELEASED']) assert.equal(movesOn(code), false);
  for (const code of ['OUT_OF_MEMORY', 'ENGINE_CRASHED', 'UNSUPPORTED_OPERATOR', 'DOWNLOAD_FAILED', 'UNAVAILABLE', 'TIMEOUT', 'REMOTE_ERROR']) assert.equal(movesOn(code), true);
});
