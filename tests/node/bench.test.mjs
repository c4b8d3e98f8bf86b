// The bench's arithmetic. In: samples and rows made here. Out: verdicts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession } from '../../pkg/index.node.js';
import { chart } from '../bench/chart.mjs';
import { COPY, kernels } from '../bench/kernels.mjs';
import { means } from '../bench/means.mjs';
import { interleave, timed } from '../bench/page/interleave.mjs';
import { decode, encode } from '../bench/page/wire.mjs';
import { judged } from '../bench/roofline.mjs';
import { geometricMean, ratio, summary } from '../bench/stats.mjs';

test('stats: median, minimum, ratio, geometric mean', () => {
  assert.deepEqual(summary([4, 1, 3]), { median: 3, min: 1, samples: 3 });
  assert.deepEqual(summary([4, 1, 3, 2]), { median: 2.5, min: 1, samples: 4 });
  assert.deepEqual(ratio([1, 3, 9], [4, 4, 4]), { median: 0.75, min: 0.25, rounds: 0.75 });
  assert.equal(geometricMean([0.5, 2, undefined]), 1);
  assert.equal(geometricMean([]), undefined);
});

test('means: over the models that both engines ran, and the worst of them', () => {
  const row = (name, min) => ({ name, run1: { ratio: { min, median: 2 * min, rounds: min } } });
  const { run1, cold } = means([row('a', 0.5), row('b', 2), { name: 'c', run1: { error: 'no' } }]);
  assert.deepEqual(run1, { median: 2, min: 1, rounds: 1, models: 2, worst: { name: 'b', min: 2, median: 4 } });
  assert.equal(cold, undefined);
});

test('interleave: every action in every round, in turns, until the budget is used up', async () => {
  const order = [];
  const actions = Object.fromEntries(['a', 'b'].map((name) => [name, async () => order.push(name)]));
  const samples = await interleave(actions, { budgetMs: 0, least: 3, most: 9 });
  assert.deepEqual(order, ['a', 'b', 'b', 'a', 'a', 'b']);
  assert.deepEqual(samples, { a: [1, 4, 5], b: [2, 3, 6] });
});

test('timed: short calls are repeated', async () => {
  let calls = 0;
  const sample = await timed(() => { calls += 1; }, 4);
  await sample();
  assert.ok(calls > 10, `${calls} calls`);
});

test('wire: tensors survive', () => {
  const tensors = {
    f: { type: 'float32', dims: [3], data: Float32Array.of(1, NaN, -0) },
    i: { type: 'int64', dims: [], data: BigInt64Array.of(-(2n ** 62n)) },
    h: { type: 'float16', dims: [1, 2], data: Uint16Array.of(0x3c00, 1) },
    s: { type: 'string', dims: [2], data: ['grüß', ''] },
    none: { type: 'uint8', dims: [0], data: new Uint8Array(0) },
  };
  assert.deepEqual(decode(JSON.parse(JSON.stringify(encode(tensors)))), tensors);
});

test('chart: says its numbers and escapes names', () => {
  const svg = chart('id', 'A & B', [{ name: '<one>', ratio: 0.5 }, { name: 'two', ratio: 2 }]);
  assert.match(svg, /<title id="id-t">A &amp; B<\/title><desc id="id-d">&lt;one&gt; 0\.50, two 2\.00<\/desc>/);
  assert.match(svg, /class="faster"[\s\S]*class="slower"/);
});

test('roofline: a kernel is held against the nearer of memory and arithmetic', () => {
  const row = (name, flops, bytes, ms) => ({ name, flops, bytes, ms, dispatches: 1 });
  const { roof, kernels: [copy, fast, slow, failed] } = judged([row(COPY, 0, 4e9, 1000), row('fast', 8e9, 1e9, 1000), row('slow', 1e9, 2e9, 1000), { name: 'none', error: 'no kernel' }]);
  assert.deepEqual(roof, { gflops: 8, gbytes: 4 });
  assert.deepEqual([copy.ofRoof, fast.ofRoof, slow.ofRoof], [1, 1, 0.5]);
  assert.deepEqual([copy.bound, fast.bound, slow.bound], ['memory', 'arithmetic', 'memory']);
  assert.deepEqual(failed, { name: 'none', error: 'no kernel' });
});

test('roofline: the kernels are models that the engine takes', async () => {
  const made = kernels();
  assert.equal(new Set(made.map(({ name }) => name)).size, made.length);
  for (const { name, model, bytes } of made) {
    const { outputs } = await InferenceSession.inspect(model);
    assert.ok(outputs.length === 1 && bytes > 0, name);
  }
});
