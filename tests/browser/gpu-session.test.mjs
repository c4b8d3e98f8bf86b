// What a session owes its page, in Chromium on a software adapter: a device that the page shares, a page that is hidden,
// what first runs showed, images, and a page that is never blocked. In: shared models. Out: one test each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { address, npz, useGpuPages, withModels } from '../lib/gpu-page.mjs';
import { tasksOf } from '../lib/tasks.mjs';
import { check } from '../lib/tolerance.mjs';
import { fromWire, toWire } from '../lib/wire.mjs';

const inPage = useGpuPages();

/** Runs in the page: buffers of the page's own, on the engine's device. */
async function share({ model, feeds }) {
  const { InferenceSession, Tensor, env } = await import('/pkg/dist/nearside.js');
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const device = await env.webgpu.device;
  const session = await InferenceSession.create(model, {
    executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer', nearside: { mode: 'only_on_device', gpu: { choose: 'always' } },
  });
  const [[name, { type, data, dims }]] = Object.entries(read(feeds));
  const buffer = device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, data);
  const tensor = Tensor.fromGpuBuffer(buffer, { dataType: type, dims });
  const results = await session.run({ [name]: tensor });
  if (results.report.gpuError) throw new Error(results.report.gpuError);
  const [output] = Object.values(results);
  // The page reads the engine's buffer itself.
  const target = device.createBuffer({ size: output.size * 4, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(output.gpuBuffer, 0, target, 0, output.size * 4);
  device.queue.submit([encoder.finish()]);
  await target.mapAsync(GPUMapMode.READ);
  const mine = new Float32Array(target.getMappedRange().slice(0));
  const { location } = output;
  const fetched = await output.getData();
  const same = (await env.webgpu.device) === device;
  const { engine } = session.report;
  const outputs = write(Object.fromEntries(session.outputNames.map((key) => [key, results[key]])));
  const after = output.location;
  output.dispose();
  let disposed;
  try {
    void output.data;
  } catch (error) {
    disposed = error.code;
  }
  await session.release();
  return { location, after, disposed, equal: mine.every((value, at) => value === fetched[at]), same, engine, outputs };
}

test('chromium webgpu: the page and the engine share a device and its buffers', withModels('mnist-8'), async () => {
  const done = await inPage((page) => page.evaluate(share, { model: address('mnist-8'), feeds: toWire(npz('mnist-8', 'inputs')) }));
  assert.equal(done.engine.thread, 'inline');
  assert.ok(done.same && done.equal);
  assert.deepEqual([done.location, done.after, done.disposed], ['gpu-buffer', 'cpu', 'INVALID_INPUT']);
  const outputs = fromWire(done.outputs);
  for (const [name, wanted] of Object.entries(npz('mnist-8', 'outputs'))) check(name, outputs[name], wanted, { rtol: 1e-3, atol: 1e-4 });
});

/** Runs in the page: a buffer of a device that the engine, in its worker, does not have. */
async function refuse({ model, feeds }) {
  const { InferenceSession, Tensor, env } = await import('/pkg/dist/nearside.js');
  const { fromWire: read } = await import('/tests/lib/wire.mjs');
  const session = await InferenceSession.create(model, {
    executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer', nearside: { mode: 'only_on_device', gpu: { choose: 'always', check: false } },
  });
  const [[name, { type, data, dims }]] = Object.entries(read(feeds));
  const told = async (work) => {
    try {
      await work();
      return 'nothing';
    } catch (error) {
      return `${error.code}: ${error.message}`;
    }
  };
  const results = await session.run({ [name]: new Tensor(type, data, dims) });
  const [output] = Object.values(results);
  const gpu = await (await navigator.gpu.requestAdapter()).requestDevice();
  const buffer = gpu.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.STORAGE });
  const foreign = Tensor.fromGpuBuffer(buffer, { dims });
  const loaned = Tensor.fromGpuBuffer(buffer, { dims, download: async () => data });
  const said = [
    await told(() => output.gpuBuffer),
    await told(() => env.webgpu.device),
    await told(() => session.run({ [name]: foreign })),
    await told(() => session.run({ [name]: loaned })),
  ];
  const { engine } = session.report;
  await session.release();
  // A tensor outlives its session.
  const { length } = await output.getData(true);
  return { said, engine, length, wanted: output.size };
}

test('chromium webgpu: what cannot cross to the worker is said, and what can be fetched is', withModels('mnist-8'), async () => {
  const { said, engine, length, wanted } = await inPage((page) => page.evaluate(refuse, { model: address('mnist-8'), feeds: toWire(npz('mnist-8', 'inputs')) }));
  assert.equal(engine.thread, 'worker');
  assert.match(said[0], /^INVALID_INPUT: .*env\.webgpu\.device/);
  assert.match(said[1], /^INVALID_INPUT: .*worker/);
  assert.match(said[2], /^INVALID_INPUT: .*download/);
  assert.equal(said[3], 'nothing');
  assert.equal(length, wanted);
});

/** Runs in the page. */
async function runs({ model, feeds, count, options }) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  const { fromWire: read } = await import('/tests/lib/wire.mjs');
  const tensors = (list) => Object.fromEntries(Object.entries(read(list)).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
  const { golden, ...gpu } = options;
  if (golden) gpu.golden = { inputs: tensors(golden.inputs), outputs: tensors(golden.outputs) };
  const inputs = tensors(feeds);
  // What the test itself has done here is over: from now on it is about the session.
  await new Promise((resolve) => setTimeout(resolve));
  performance.mark('begin');
  const since = performance.now();
  const session = await InferenceSession.create(model, { executionProviders: ['webgpu'], nearside: { mode: 'only_on_device', gpu, profile: options.profile } });
  const reports = [];
  for (let run = 0; run < count; run += 1) reports.push((await session.run(inputs)).report);
  const warm = performance.now() - since;
  await session.release();
  await new Promise((resolve) => setTimeout(resolve));
  performance.mark('end');
  return { reports, warm, visible: document.visibilityState };
}

test('chromium webgpu: the first run is compared once, and the verdict outlasts the page', withModels('mnist-8'), async () => {
  const ask = { model: address('mnist-8'), feeds: toWire(npz('mnist-8', 'inputs')), count: 1, options: { choose: 'always' } };
  const visit = () => inPage((page) => page.evaluate(runs, ask));
  const { reports: [first] } = await visit();
  const { reports: [second] } = await visit();
  assert.equal(first.backend, 'webgpu');
  assert.ok(first.verdicts[0].agrees && first.verdicts[0].apart < 1e-3, JSON.stringify(first.verdicts));
  assert.equal(second.backend, 'webgpu');
  assert.equal(second.times.check, undefined, 'another visit compares again');
  assert.deepEqual(second.verdicts[0].agrees, true);
});

test('chromium webgpu: after the first runs the faster engine runs, and the report says why', withModels('mnist-8'), async () => {
  const ask = { model: address('mnist-8'), feeds: toWire(npz('mnist-8', 'inputs')), count: 5, options: {} };
  const { reports } = await inPage((page) => page.evaluate(runs, ask));
  const last = reports.at(-1);
  const [{ gpuMs, cpuMs, gpuRuns }] = last.verdicts;
  assert.equal(gpuRuns, 2);
  const cpu = gpuMs > cpuMs * 1.25;
  assert.equal(last.backend, cpu ? 'wasm-relaxed-simd' : 'webgpu', JSON.stringify(last.verdicts));
  assert.equal(last.cpuChosen !== undefined, cpu);
});

test('chromium webgpu: golden inputs that give something else rule the GPU out', withModels('mnist-8'), async () => {
  const [inputs, outputs] = [npz('mnist-8', 'inputs'), npz('mnist-8', 'outputs')];
  const wrong = Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.map((value) => value + 1e3) }]));
  const ask = (golden) => ({ model: address('mnist-8'), feeds: toWire(inputs), count: 1, options: { choose: 'always', golden: { inputs: toWire(inputs), outputs: toWire(golden) } } });
  const visit = (golden) => inPage((page) => page.evaluate(runs, ask(golden)));
  const { reports: [right] } = await visit(outputs);
  assert.equal(right.backend, 'webgpu');
  const { reports: [refused] } = await visit(wrong);
  assert.equal(refused.backend, 'wasm-relaxed-simd');
  assert.match(refused.gpuError, /golden/);
});

test('chromium webgpu: no task of the page is longer than 50 ms while a model is loaded and run', withModels('yolox-nano'), async (t) => {
  const ask = { model: address('yolox-nano'), feeds: toWire(npz('yolox-nano', 'inputs')), count: 1, options: { choose: 'always', check: false } };
  const { tasks, result: { warm, reports } } = await inPage((page) => tasksOf(page, () => page.evaluate(runs, ask)));
  assert.equal(reports[0].backend, 'webgpu');
  t.diagnostic(`ready and run once after ${warm.toFixed(0)} ms; the longest of ${tasks.length} tasks: ${tasks.slice(0, 3).map((ms) => ms.toFixed(1)).join(', ')} ms`);
  assert.ok(tasks[0] < 50, `a task took ${tasks[0]} ms`);
});

test('chromium webgpu: a hidden page gets its answer', withModels('mnist-8'), async () => {
  const ask = { model: address('mnist-8'), feeds: toWire(npz('mnist-8', 'inputs')), count: 20, options: { choose: 'always', check: false } };
  const { reports } = await inPage(async (page) => {
    const running = page.evaluate(runs, ask);
    return inPage(async (other) => {
      await other.bringToFront();
      return running;
    });
  });
  assert.equal(reports.length, 20);
  for (const { backend, gpuError } of reports) assert.deepEqual([backend, gpuError], ['webgpu', undefined]);
});

test('chromium webgpu: each dispatch has its time where it is asked for', withModels('mnist-8'), async () => {
  const ask = { model: address('mnist-8'), feeds: toWire(npz('mnist-8', 'inputs')), count: 1, options: { choose: 'always', check: false, profile: true } };
  const { reports: [{ profile, plan }] } = await inPage((page) => page.evaluate(runs, ask));
  assert.ok(profile.length >= plan[0].dispatches && plan[0].dispatches > 0, `${profile.length} steps`);
  for (const { node, operator, ms } of profile) assert.ok(node && operator && ms >= 0, JSON.stringify({ node, operator, ms }));
});

/** Runs in the page: images for a model on the GPU and for the same on the CPU, and the same pixels as a tensor. */
async function draw({ model, input }) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  const own = { mode: 'only_on_device', gpu: { choose: 'always', check: false } };
  const sessions = {
    gpu: await InferenceSession.create(model, { executionProviders: ['webgpu'], nearside: own }),
    cpu: await InferenceSession.create(model, { nearside: { mode: 'only_on_device' } }),
  };
  const canvas = (size) => {
    const made = new OffscreenCanvas(size, size);
    const context = made.getContext('2d');
    const gradient = context.createLinearGradient(0, 0, size, size);
    gradient.addColorStop(0, '#000');
    gradient.addColorStop(1, '#fff');
    context.fillStyle = gradient;
    context.fillRect(0, 0, size, size);
    context.fillStyle = '#fff';
    context.fillRect(size / 4, size / 8, size / 8, size / 2);
    return made;
  };
  const form = { tensorFormat: 'R', norm: { mean: 2, bias: -10 }, resizedWidth: 28, resizedHeight: 28 };
  const [small, large] = [canvas(28), canvas(112)];
  const pixels = small.getContext('2d').getImageData(0, 0, 28, 28).data;
  const exact = new Tensor('float32', Float32Array.from({ length: 784 }, (_, at) => (pixels[at * 4] - 10) / 2), [1, 1, 28, 28]);
  const frame = new VideoFrame(small, { timestamp: 0 });
  const tensors = {
    exact,
    bitmap: Tensor.fromImageBitmap(await createImageBitmap(small), form),
    frame: Tensor.fromVideoFrame(frame, form),
    canvas: Tensor.fromCanvas(small, form),
    large: Tensor.fromCanvas(large, form),
  };
  const results = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    for (const [place, session] of Object.entries(sessions)) {
      const made = await session.run({ [input]: tensor });
      if (made.report.gpuError) throw new Error(made.report.gpuError);
      results[`${name} ${place}`] = [...Object.values(made)[0].data];
    }
  }
  const usable = frame.displayWidth > 0 && frame.format !== null;
  frame.close();
  const { location, dims } = tensors.large;
  await sessions.gpu.release();
  await sessions.cpu.release();
  return { results, usable, location, dims };
}

test('chromium webgpu: images become tensors on the GPU, resized and normalised', withModels('mnist-8'), async () => {
  const [input] = Object.keys(npz('mnist-8', 'inputs'));
  const { results, usable, location, dims } = await inPage((page) => page.evaluate(draw, { model: address('mnist-8'), input }));
  assert.deepEqual([usable, location, dims], [true, 'texture', [1, 1, 28, 28]]);
  const apart = (a, b) => {
    const range = Math.max(...results[b].map(Math.abs));
    return Math.max(...results[a].map((value, at) => Math.abs(value - results[b][at]))) / range;
  };
  for (const name of ['bitmap gpu', 'canvas gpu', 'bitmap cpu', 'canvas cpu', 'exact gpu']) {
    assert.ok(apart(name, 'exact cpu') < 1e-3, `${name} is ${apart(name, 'exact cpu')} away`);
  }
  // A frame may be stored as video is, in coarser colours; a larger image is what the canvas makes of it.
  for (const [name, wanted] of [['frame gpu', 'exact cpu'], ['frame cpu', 'exact cpu'], ['large gpu', 'large cpu']]) {
    assert.ok(apart(name, wanted) < 0.05, `${name} is ${apart(name, wanted)} away from ${wanted}`);
  }
});
