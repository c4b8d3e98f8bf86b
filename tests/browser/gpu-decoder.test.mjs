// Decoders on the GPU, in Chromium on a software adapter: caches that stay there and grow from step to step, what a step
// costs, and how much memory weights of few bits take. In: the shared TinyLlamas, and small decoders whose attention is
// one operator. Out: a test for each.
// The one decision: the CPU's engine takes the same steps, so that every step has a reference, and the GPU's session is
// strict: no operator of any step may be the CPU's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { readNpz } from '../lib/npz.mjs';
import { address, npz, useGpuPages, withModels } from '../lib/gpu-page.mjs';
import { toWire } from '../lib/wire.mjs';

/** How far the logits of a step may be away from the CPU's, which computes float16 as float32 as the GPU does. */
const MODELS = { 'tinyllama-260k-fp32': 1e-2, 'tinyllama-260k-fp16': 2e-2, 'tinyllama-260k-q4': 1e-2 };
/** Of `tests/cases`: one whose attention is com.microsoft's GroupQueryAttention; one with ONNX's own, and a linear one. */
const SMALL = { decoder: 'GroupQueryAttention', decoder_mixed: 'Attention and LinearAttention' };
const STEPS = 64;
const inPage = useGpuPages();

/** Runs in the page: the steps on the GPU, the caches staying there, beside the same on the CPU; `profile`: by the GPU's clock too. */
async function decode({ model, feeds, steps, profile }) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  const { fromWire: read } = await import('/tests/lib/wire.mjs');
  const own = { mode: 'only_on_device' };
  const source = () => (model.base64 ? Uint8Array.from(atob(model.base64), (char) => char.charCodeAt(0)) : model);
  const cpu = await InferenceSession.create(source(), { nearside: own });
  const caches = cpu.outputNames.filter((name) => name.startsWith('present'));
  const logits = cpu.outputNames.find((name) => !caches.includes(name));
  const preferredOutputLocation = Object.fromEntries(caches.map((name) => [name, 'gpu-buffer']));
  const gpu = await InferenceSession.create(source(), {
    executionProviders: ['webgpu'], preferredOutputLocation, nearside: { ...own, profile, strict: true, gpu: { choose: 'always', check: false } },
  });
  let inputs = Object.fromEntries(Object.entries(read(feeds)).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
  const state = { gpu: {}, cpu: {} };
  const places = new Set();
  const taken = [];
  for (let step = 0; step <= steps; step += 1) {
    const since = performance.now();
    const there = await gpu.run({ ...inputs, ...state.gpu });
    const all = performance.now() - since;
    const here = await cpu.run({ ...inputs, ...state.cpu });
    const { plan: [{ segments }], times } = there.report;
    const [a, b] = [there[logits].data, here[logits].data];
    let apart = 0;
    for (let at = 0; at < b.length; at += 1) apart = Math.max(apart, Math.abs(a[at] - b[at]));
    const clocked = profile ? there.report.profile.reduce((sum, { ms }) => sum + ms, 0) : undefined;
    taken.push({ apart, all, clocked, plan: times.plan, run: times.run, devices: segments.map(({ device }) => device) });
    const row = b.subarray(b.length - here[logits].dims.at(-1));
    const token = row.indexOf(Math.max(...row));
    const total = here[caches[0]].dims[2];
    for (const tensor of Object.values(state.gpu)) tensor.dispose();
    for (const name of caches) {
      places.add(there[name].location);
      const past = name.replace('present', 'past_key_values');
      state.gpu[past] = there[name];
      state.cpu[past] = here[name];
    }
    inputs = {
      input_ids: new Tensor('int64', [token], [1, 1]),
      attention_mask: new Tensor('int64', Array(total + 1).fill(1), [1, total + 1]),
      position_ids: new Tensor('int64', [total], [1, 1]),
    };
  }
  const [past] = Object.keys(state.gpu);
  const [a, b] = [await state.gpu[past].getData(true), state.cpu[past].data];
  const cache = a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at])), 0);
  await gpu.release();
  await cpu.release();
  return { places: [...places], cache, size: [a.length, b.length], taken };
}

const least = (numbers) => Math.min(...numbers);
const middle = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const decoders = Object.entries(MODELS).map(([name, tolerance]) => ({
  name, tolerance, busy: true, options: withModels(name), source: () => ({ model: address(name), feeds: toWire(npz(name, 'prefill_inputs')) }),
}));
for (const [folder, operators] of Object.entries(SMALL)) {
  const file = (name) => join(root, 'tests', 'cases', folder, name);
  decoders.push({
    name: `a decoder with ${operators}`, tolerance: 1e-3, options: {},
    source: () => ({ model: { base64: readFileSync(file('model.onnx'), 'base64') }, feeds: toWire(readNpz(file('prefill_inputs.npz'))) }),
  });
}

for (const { name, tolerance, busy, options, source } of decoders) {
  test(`chromium webgpu: ${name}, prefill and ${STEPS} steps, all on the GPU, its caches staying there`, options, async (t) => {
    const { places, cache, size, taken } = await inPage((page) => page.evaluate(decode, { ...source(), steps: STEPS }));
    assert.deepEqual(places, ['gpu-buffer']);
    assert.equal(size[0], size[1]);
    assert.equal(taken.length, STEPS + 1);
    for (const [step, { apart, devices }] of taken.entries()) {
      assert.deepEqual(devices, ['gpu'], `step ${step}`);
      assert.ok(apart < tolerance, `step ${step}: the logits are ${apart} away`);
    }
    assert.ok(cache < tolerance, `a cache is ${cache} away`);
    // The first steps are planned one by one; then it is known how shapes grow.
    const [first, later] = [taken.slice(2, 4), taken.slice(5)];
    const of = (rows, what) => rows.map((row) => row[what]);
    const timed = await inPage((page) => page.evaluate(decode, { ...source(), steps: 12, profile: true }));
    const clocked = least(of(timed.taken.slice(5), 'clocked'));
    t.diagnostic(`a step: ${least(of(later, 'all')).toFixed(1)} ms at best, ${middle(of(later, 'all')).toFixed(1)} in the median, ${clocked.toFixed(1)} by the GPU's clock; planning ${least(of(later, 'plan')).toFixed(1)} and ${middle(of(later, 'plan')).toFixed(1)}, at first ${least(of(first, 'plan')).toFixed(1)}`);
    assert.ok(least(of(later, 'plan')) < least(of(first, 'plan')) / 3, 'a later step is planned as the first ones are');
    // Where the GPU has anything to do, all else but planning, which is held against the first steps, takes no longer.
    const run = least(later.map(({ all, plan }) => all - plan));
    assert.ok(!busy || run < 2 * clocked, `a step takes ${run} ms without planning, and the GPU ${clocked} ms of it`);
  });
}

/** Runs in the page: bytes of the device's buffers after a model's first run, and what the report says of its constants. */
async function weigh({ model, feeds }) {
  const { InferenceSession, Tensor, env } = await import('/pkg/dist/nearside.js');
  const { fromWire: read } = await import('/tests/lib/wire.mjs');
  env.wasm.proxy = false;
  const live = new Map();
  const { createBuffer } = GPUDevice.prototype;
  const { destroy } = GPUBuffer.prototype;
  GPUDevice.prototype.createBuffer = function create(description) {
    const buffer = createBuffer.call(this, description);
    if (description.usage & GPUBufferUsage.STORAGE) live.set(buffer, description.size);
    return buffer;
  };
  GPUBuffer.prototype.destroy = function end() {
    live.delete(this);
    return destroy.call(this);
  };
  const session = await InferenceSession.create(model, { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', strict: true, gpu: { choose: 'always', check: false } } });
  const tensors = Object.entries(read(feeds)).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]);
  const { report } = await session.run(Object.fromEntries(tensors));
  const loaded = [...live.values()].reduce((sum, bytes) => sum + bytes, 0);
  await session.release();
  return { loaded, weights: report.plan[0].weights, released: [...live.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

test('chromium webgpu: weights of four bits take four bits in the memory of the GPU', withModels('tinyllama-260k-fp32', 'tinyllama-260k-q4'), async (t) => {
  const measure = (model) => inPage((page) => page.evaluate(weigh, { model: address(model), feeds: toWire(npz(model, 'prefill_inputs')) }));
  const [plain, packed] = [await measure('tinyllama-260k-fp32'), await measure('tinyllama-260k-q4')];
  const kb = (bytes) => `${(bytes / 1e3).toFixed(0)} kB`;
  t.diagnostic(`constants ${kb(packed.weights)} instead of ${kb(plain.weights)}, all buffers ${kb(packed.loaded)} instead of ${kb(plain.loaded)}; ${kb(packed.released)} after the release`);
  for (const { loaded, weights, released } of [plain, packed]) {
    assert.ok(weights > 0 && weights <= loaded, `${weights} bytes of constants, ${loaded} in all buffers`);
    assert.equal(released, 0);
  }
  // The file itself is that much smaller.
  assert.ok(packed.weights < 0.4 * plain.weights, `${packed.weights} bytes beside ${plain.weights}`);
});
