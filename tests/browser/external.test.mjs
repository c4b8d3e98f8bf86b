// Models of several files, TensorFlow Lite files and the check in Chromium, with the engine in its worker and inline.
// In: small models on a site of the test's own, under the strict policy. Out: verdicts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from '../lib/chromium.mjs';
import { lite, liteCase } from '../lib/lite.mjs';
import { lacking, outside, WEIGHTS } from '../lib/onnx.mjs';
import { serveSite } from '../lib/site.mjs';

let chromium, site, tab;
before(async () => {
  chromium = await launch();
  const files = { '/m/model.onnx': outside('a folder/w.bin'), '/m/a folder/w.bin': WEIGHTS, '/m/weights.bin': WEIGHTS, '/lacking.onnx': lacking(), '/lite.tflite': lite() };
  site = await serveSite({ files: Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, Buffer.from(bytes)])) });
  tab = await chromium.page();
  await tab.page.goto(`${site.url}/`);
});
after(async () => {
  await tab?.close();
  await site?.close();
  await chromium?.close();
});

/** In the page: `given` are the bytes of files, as numbers; Blobs and buffers are made of them there. */
async function outsideOnce({ source, given, proxy }) {
  const { env, InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  env.wasm.proxy = proxy;
  const kinds = { blob: (bytes) => new Blob([bytes]), bytes: (bytes) => bytes, buffer: (bytes) => bytes.buffer };
  const externalData = given?.map(({ path, kind, data }) => ({ path, data: kind === 'url' ? data : kinds[kind](Uint8Array.from(data)) }));
  const done = [];
  const onProgress = ({ status, file }) => status === 'done' && done.push(file);
  const model = typeof source === 'string' ? source : Uint8Array.from(source);
  const session = await InferenceSession.create(model, { externalData, nearside: { onProgress } });
  const { y } = await session.run({ x: new Tensor([1, 2], [2]) });
  await session.release();
  return { y: [...y.data], done, thread: session.report.engine.thread };
}

for (const proxy of [true, false]) {
  test(`weights beside the model, ${proxy ? 'in the worker' : 'inline'}`, async () => {
    const { y, done, thread } = await tab.page.evaluate(outsideOnce, { source: '/m/model.onnx', proxy });
    assert.deepEqual(y, [12, 26]);
    assert.deepEqual(done, ['model.onnx', 'w.bin', 'weights.bin']);
    assert.equal(thread, proxy ? 'worker' : 'inline');
    const data = [...WEIGHTS];
    for (const kind of ['blob', 'bytes', 'buffer']) {
      const given = [{ path: './a folder/w.bin', kind, data }, { path: 'weights.bin', kind: 'url', data: '/m/weights.bin' }];
      const answer = await tab.page.evaluate(outsideOnce, { source: [...outside('a folder/w.bin')], given, proxy });
      assert.deepEqual(answer.y, [12, 26]);
    }
  });
}

test('check: by address, in the worker', async () => {
  const { checked, created } = await tab.page.evaluate(async () => {
    const { env, InferenceSession } = await import('/pkg/dist/nearside.js');
    env.wasm.proxy = true;
    const checked = await InferenceSession.check('/lacking.onnx');
    const created = await InferenceSession.create('/lacking.onnx').catch(({ code, details }) => ({ code, problems: details.problems }));
    return { checked, created };
  });
  assert.deepEqual([checked.ok, checked.problems.length], [false, 4]);
  assert.deepEqual(created, { code: 'UNSUPPORTED_OPERATOR', problems: checked.problems });
});

test('a TensorFlow Lite file', async () => {
  const outputs = await tab.page.evaluate(async (inputs) => {
    const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
    const session = await InferenceSession.create('/lite.tflite');
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { type, dims, values }]) => [name, new Tensor(type, values, dims)]));
    const results = await session.run(feeds);
    await session.release();
    return Object.fromEntries(Object.entries(results).map(([name, { type, dims, data }]) => [name, { type, dims: [...dims], data: [...data] }]));
  }, liteCase.inputs);
  for (const [name, { type, dims, values }] of Object.entries(liteCase.outputs)) {
    assert.deepEqual([outputs[name].type, outputs[name].dims], [type, dims]);
    outputs[name].data.forEach((value, at) => assert.ok(Math.abs(value - values[at]) <= liteCase.atol, name));
  }
});
