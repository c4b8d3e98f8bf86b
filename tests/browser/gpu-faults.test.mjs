// What a session owes its page when the GPU fails, in Chromium on a software adapter: a device that is lost in the middle
// of a run, and memory that does not suffice. In: shared models. Out: one test each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, npz, useGpuPages, withModels } from '../lib/gpu-page.mjs';
import { check } from '../lib/tolerance.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const inPage = useGpuPages();

/** Runs in the page: the device goes in the middle of a run, each time a little later. */
async function lose({ model, feeds, turns }) {
  const { InferenceSession, Tensor, env } = await import('/pkg/dist/nearside.js');
  const { fromWire: read } = await import('/tests/lib/wire.mjs');
  env.wasm.proxy = false;
  const session = await InferenceSession.create(model, { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', gpu: { choose: 'always', check: false } } });
  const tensors = Object.fromEntries(Object.entries(read(feeds)).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
  const run = async () => {
    const results = await session.run(tensors);
    return { data: Object.values(results)[0].data, report: results.report };
  };
  const first = await run();
  const wanted = first.data;
  const { features } = first.report.plan[0];
  // The shortest of some: one that something held up would have the device go long after a run has ended.
  let whole = Infinity;
  for (let count = 0; count < 5; count += 1) {
    const since = performance.now();
    await run();
    whole = Math.min(whole, performance.now() - since);
  }
  const ended = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const device = await env.webgpu.device;
    const running = run();
    await new Promise((resolve) => setTimeout(resolve, (whole * turn) / turns));
    device.destroy();
    const { data, report } = await running;
    const farthest = data.reduce((most, value, at) => Math.max(most, Math.abs(value - wanted[at])), 0);
    ended.push({ farthest, backend: report.backend, again: report.times.plan > 0 || report.gpuError !== undefined, features: report.plan?.[0]?.features });
  }
  await session.release();
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  return { ended, features, subgroups: adapter.features.has('subgroups') };
}

test('chromium webgpu: a device that is destroyed in the middle of a run, 20 times', withModels('mnist-8'), async (t) => {
  const model = 'mnist-8';
  const { ended, features, subgroups } = await inPage((page) => page.evaluate(lose, { model: address(model), feeds: toWire(npz(model, 'inputs')), turns: 20 }));
  assert.equal(ended.length, 20);
  for (const { farthest } of ended) assert.ok(farthest < 1e-3, `an answer is ${farthest} away`);
  const lost = ended.filter(({ again }) => again).length;
  t.diagnostic(`${lost} of 20 runs lost their device; ${ended.filter(({ backend }) => backend === 'webgpu').length} were answered by a GPU`);
  assert.ok(lost >= 10, `only ${lost} of 20 runs lost their device`);
  // The next device has what the first one had.
  assert.equal(features.includes('subgroups'), subgroups);
  for (const row of ended.filter(({ backend }) => backend === 'webgpu')) assert.deepEqual(row.features, features);
});

/**
 * Runs in the page: sessions on a device whose memory ends at `limit` bytes. What would go beyond is asked of the adapter
 * in a size that it does not have, so that the error is its own.
 */
async function starve({ model, feeds, limit }) {
  const { InferenceSession, Tensor, env } = await import('/pkg/dist/nearside.js');
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const adapter = await navigator.gpu.requestAdapter();
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } });
  const make = device.createBuffer.bind(device);
  let [used, most] = [0, limit];
  device.createBuffer = (description) => {
    used += description.size;
    return make(used > most ? { ...description, size: maxBufferSize } : description);
  };
  env.webgpu.device = device;
  const tensors = Object.fromEntries(Object.entries(read(feeds)).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
  const gpu = { choose: 'always', check: false };
  // The engine takes the page's device once, and keeps it while it has a session.
  const sessions = [];
  const once = async (options) => {
    used = 0;
    const session = await InferenceSession.create(model, { executionProviders: ['webgpu'], ...options, nearside: { mode: 'only_on_device', gpu, ...options.nearside } });
    sessions.push(session);
    try {
      const results = await session.run(tensors);
      const { backend, gpuError } = results.report;
      return { backend, gpuError, outputs: write(Object.fromEntries(session.outputNames.map((name) => [name, results[name]]))) };
    } catch (error) {
      return { code: error.code };
    }
  };
  const short = await once({});
  const strict = await once({ nearside: { strict: true } });
  most = Infinity;
  const whole = await once({});
  for (const session of sessions) await session.release();
  return { short, strict, whole };
}

test('chromium webgpu: where the memory of the GPU does not suffice the CPU answers, and the report says why', withModels('resnet56-cifar10'), async () => {
  const [model, limit] = ['resnet56-cifar10', 1 << 20];
  const { short, strict, whole } = await inPage((page) => page.evaluate(starve, { model: address(model), feeds: toWire(npz(model, 'inputs')), limit }));
  assert.match(short.backend, /^wasm/);
  assert.match(short.gpuError, /memory does not suffice/);
  assert.equal(strict.code, 'OUT_OF_MEMORY', JSON.stringify({ ...strict, outputs: undefined }));
  assert.deepEqual([whole.backend, whole.gpuError], ['webgpu', undefined]);
  for (const { outputs } of [short, whole]) {
    const got = fromWire(outputs);
    for (const [name, wanted] of Object.entries(npz(model, 'outputs'))) check(name, got[name], wanted, { rtol: 1e-3, atol: 1e-3 });
  }
});
