// What comes in an unlucky order: an engine that ends while it is released, an input that fails while another is on
// its way, a database that never answers. In: parts of the package with stand-ins for what is around them. Out: verdicts.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { DeviceModel } from '../../pkg/device.js';
import { EngineGpu } from '../../pkg/engine/gpu.js';
import { EngineHost } from '../../pkg/engine/host.js';
import { Pool } from '../../pkg/engine/pool.js';
import { NearsideError } from '../../pkg/errors.js';
import { WORD, LINE } from '../../pkg/engine/words.js';

/** A promise that is settled from outside. */
function later() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
const stopped = () => new NearsideError('ENGINE_CRASHED', 'the engine was stopped by another call', { fatal: true, collateral: true });

/** What a test puts in the place of something global goes with the test. */
const given = new Map();
function give(name, value) {
  if (!given.has(name)) given.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
afterEach(() => {
  for (const [name, was] of given) {
    if (was) Object.defineProperty(globalThis, name, was);
    else delete globalThis[name];
  }
  given.clear();
});

test('release: an engine that another session crashes meanwhile took the model with it, and is left', async () => {
  const unloading = later();
  const engine = { alive: true, thread: 'worker', simd: 'simd128', threads: 1, closed: 0, close() { engine.closed += 1; } };
  engine.call = async (op) => ({ external: [], load: { inputs: [], outputs: [], ms: 1 }, unload: unloading.promise }[op]);
  const host = new EngineHost(async () => engine);
  const model = new DeviceModel({ host, locate: (source) => source }, { bytes: new Uint8Array(8) }, { externalData: [] });
  await model.open();
  const closing = model.close();
  engine.alive = false;
  unloading.reject(stopped());
  await closing;
  await new Promise(setImmediate);
  assert.equal(engine.closed, 1, 'nobody uses the engine any more');
});

// First of those with a GPU: once an engine has one, that is the page's too.
test('device: an adapter that is not there yet is asked for again', async () => {
  const { isShared, webgpu } = await import('../../pkg/gpu/device.js');
  const device = { createComputePipelineAsync() {} };
  const adapter = { limits: {}, features: new Set(), requestDevice: async () => device };
  const answers = [null, adapter];
  give('navigator', { gpu: { requestAdapter: async () => answers.shift() } });
  await assert.rejects(webgpu.device, { code: 'GPU_UNAVAILABLE' });
  assert.equal(isShared(), false);
  assert.equal(await webgpu.device, device);
});

test('gpu: an input that fails takes those with it that were still on their way to the GPU', async () => {
  const slow = later();
  const disposed = [];
  const handle = { changes: 0, learn() {}, importBuffer: (buffer) => (buffer === 'bad' ? Promise.reject(new NearsideError('INVALID_INPUT', 'bad')) : slow.promise) };
  const binding = { GpuHandle: { open: async () => handle }, resident: { dispose: (id) => disposed.push(id) } };
  const gpu = new EngineGpu(binding, (doing, work) => work());
  await gpu.open(false);
  const running = gpu.run({}, { feeds: [{ name: 'a', gpuBuffer: 'slow' }, { name: 'b', gpuBuffer: 'bad' }] });
  const ended = assert.rejects(running, { code: 'INVALID_INPUT' });
  await new Promise(setImmediate);
  slow.resolve(7);
  await ended;
  assert.deepEqual(disposed, [7]);
});

/** What a page sees of IndexedDB, by when each request is answered. */
function database({ opens = true, completes = () => {} } = {}) {
  const stored = new Map();
  const request = (result) => {
    const one = {};
    queueMicrotask(() => one.onsuccess?.({ target: Object.assign(one, { result }) }));
    return one;
  };
  const objectStore = () => ({ get: (key) => request(stored.get(key)), put: (value, key) => { stored.set(key, value); return request(key); } });
  const transaction = () => {
    const one = { objectStore };
    completes(one);
    return one;
  };
  return { stored, open: () => (opens ? request({ transaction, close() {} }) : {}) };
}

test('verdicts: a database that never answers keeps nobody waiting', async (t) => {
  const { recall, remember } = await import('../../pkg/gpu/verdicts.js');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  give('indexedDB', database({ opens: false }));
  const ends = [recall(), remember('text')];
  t.mock.timers.tick(60_000);
  assert.deepEqual(await Promise.all(ends), [undefined, undefined]);
});

test('verdicts: what is kept is kept once the database has it whole', async () => {
  const { recall, remember } = await import('../../pkg/gpu/verdicts.js');
  let transaction;
  const kept = database({ completes: (one) => { transaction = one; } });
  give('indexedDB', kept);
  let done = false;
  const keeping = remember('text').then(() => { done = true; });
  await new Promise(setImmediate);
  assert.equal(done, false, 'the engine may end as soon as it is done');
  transaction.oncomplete();
  await keeping;
  assert.equal(await recall(), 'text');
});

/** A worker that says nothing by itself, and does as it is told. */
class Quiet {
  static made = [];
  terminated = false;

  constructor() {
    Quiet.made.push(this);
  }

  postMessage({ id, op }) {
    if (op === 'start') queueMicrotask(() => this.onmessage({ data: { id, value: { trimmed: true, simd: 'simd128' } } }));
  }

  terminate() {
    this.terminated = true;
  }
}

test('worker: one that is there while the page was busy, or asleep, is not given up when the page finds its time over', async (t) => {
  const { startWorker, WorkerUnavailable } = await import('../../pkg/engine/worker-client.js');
  t.mock.timers.enable({ apis: ['setTimeout'] });
  give('Worker', Quiet);
  const starting = startWorker({}, Promise.resolve(undefined));
  t.mock.timers.tick(20_000);
  const [worker] = Quiet.made;
  worker.onmessage?.({ data: { hello: true } });
  assert.equal((await starting).thread, 'worker');
  assert.equal(worker.terminated, false);

  const never = startWorker({}, Promise.resolve(undefined));
  const refused = assert.rejects(never, (error) => error instanceof WorkerUnavailable && /did not start in time/.test(error.message));
  t.mock.timers.tick(20_000);
  t.mock.timers.tick(1000);
  await refused;
  assert.equal(Quiet.made[1].terminated, true);
});

test('pool: threads that take long to start still come, though the loop turns ever more rarely', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const exports = { nearside_part() {}, nearside_stack: () => 0 };
  let words;
  const spawn = (lane) => {
    ({ words } = lane);
    return { terminate() {} };
  };
  const pool = new Pool(undefined, undefined, exports, { threads: 2, spawn });
  const turnsUntil = (end) => {
    let turns = 0;
    for (; now < end; now += 1) if (pool.arrivals()) turns += 1;
    return turns;
  };
  assert.ok(turnsUntil(1000) >= 50);
  const later = turnsUntil(100_000);
  assert.ok(later > 0 && later < 1000, `${later} turns in 99 seconds`);
  assert.ok(turnsUntil(1_000_000) > 0);
  Atomics.add(words, WORD.lanes, 1);
  assert.equal(turnsUntil(2_000_000), 0);
  assert.equal(words.length, 3 * LINE);
});
