// Models whose weights lie in files beside them, and the check. In: small models on the disk, on a server, as bytes.
// Out: verdicts on results, on requests, on progress and on errors.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { InferenceSession, NearsideError, Tensor } from '../../pkg/index.node.js';
import { lite, liteCase } from '../lib/lite.mjs';
import { functions, lacking, outside, WEIGHTS } from '../lib/onnx.mjs';
import { serve } from '../lib/serve.mjs';

const MODEL = outside('a folder/weights 1.bin');
let folder, files;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nearside-external-'));
  mkdirSync(join(folder, 'a folder'));
  writeFileSync(join(folder, 'model.onnx'), MODEL);
  writeFileSync(join(folder, 'a folder', 'weights 1.bin'), WEIGHTS);
  writeFileSync(join(folder, 'weights.bin'), WEIGHTS);
  mkdirSync(join(folder, 'inner'));
  writeFileSync(join(folder, 'inner', 'model.onnx'), outside());
  symlinkSync('../weights.bin', join(folder, 'inner', 'weights.bin'));
  const paths = { '/m/model.onnx': MODEL, '/m/a%20folder/weights%201.bin': WEIGHTS, '/m/weights.bin': WEIGHTS, '/else/w': WEIGHTS, '/m/alone/model.onnx': MODEL };
  files = await serve((request, response) => {
    const body = paths[request.url.split('?')[0]];
    if (!body) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Length': body.length });
    return response.end(request.method === 'HEAD' ? undefined : body);
  });
});
after(async () => {
  rmSync(folder, { recursive: true });
  await files.close();
});

const refused = (code, message) => (error) => {
  assert.ok(error instanceof NearsideError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

async function answers(source, options) {
  const session = await InferenceSession.create(source, options);
  const { y } = await session.run({ x: new Tensor([1, 2], [2]) });
  assert.deepEqual([...y.data], [12, 26]);
  await session.release();
  return session.report;
}

test('weights are fetched from beside the model', async () => {
  files.requests.length = 0;
  const seen = [];
  const onProgress = ({ status, file, loaded, total }) => seen.push([status, file, loaded, total]);
  const report = await answers(`${files.url}/m/model.onnx?token=1`, { nearside: { onProgress } });
  assert.equal(report.bytesFetched, MODEL.length + 2 * WEIGHTS.length);
  const got = files.requests.filter(({ method }) => method === 'GET').map(({ url }) => url);
  assert.deepEqual(got, ['/m/model.onnx?token=1', '/m/a%20folder/weights%201.bin', '/m/weights.bin']);
  const done = seen.filter(([status]) => status === 'done').map(([, file, loaded, total]) => [file, loaded, total]);
  assert.deepEqual(done, [['model.onnx', MODEL.length, MODEL.length], ['weights%201.bin', 24, 24], ['weights.bin', 24, 24]]);
});

test('weights lie beside a model on the disk', () => answers(join(folder, 'model.onnx')));

test('weights are given', async () => {
  const shift = { path: 'weights.bin', data: new Blob([WEIGHTS]) };
  const rows = [
    { path: 'a folder/weights 1.bin', data: WEIGHTS },
    { path: './a folder/weights 1.bin', data: WEIGHTS.buffer },
    { path: 'a folder/weights 1.bin', data: new Blob([WEIGHTS]) },
    { path: 'a folder/weights 1.bin', data: `${files.url}/else/w` },
    { path: 'a folder/weights 1.bin', data: join(folder, 'weights.bin') },
    join(folder, 'a folder', 'weights 1.bin'),
  ];
  for (const scale of rows) await answers(MODEL, { externalData: [scale, shift] });
  files.requests.length = 0;
  await answers(`${files.url}/m/alone/model.onnx`, { externalData: [rows[0], shift] });
  assert.deepEqual(files.requests.map(({ url }) => url), ['/m/alone/model.onnx']);
});

test('weights that are nowhere, elsewhere, too short or too many', async () => {
  const create = (source, options) => InferenceSession.create(source, options);
  await assert.rejects(create(MODEL), refused('INVALID_MODEL', /`a folder\/weights 1\.bin`, which was not given/));
  await assert.rejects(create(`${files.url}/m/alone/model.onnx`), refused('DOWNLOAD_FAILED', /m\/alone\/a%20folder\/weights%201\.bin: HTTP 404/));
  await assert.rejects(create(join(folder, 'inner', 'model.onnx')), refused('DOWNLOAD_FAILED', /leads out of the model's folder/));
  const short = [{ path: 'a folder/weights 1.bin', data: WEIGHTS.subarray(0, 20) }, { path: 'weights.bin', data: WEIGHTS }];
  await assert.rejects(create(MODEL, { externalData: short }), refused('INVALID_MODEL', /has 20 bytes, constant `scale` ends at 24/));
  for (const bad of ['../w', '/w', 'https://elsewhere.example/w']) await assert.rejects(create(outside(bad)), refused('INVALID_MODEL', /no path below/));
  for (const bad of [{}, [5], [{ path: 'w', data: 5 }], [{ data: WEIGHTS }]]) {
    await assert.rejects(create(MODEL, { externalData: bad }), refused('INVALID_INPUT', /externalData/));
  }
});

test('a budget counts all files, before they are fetched', async () => {
  const budget = (maxModelBytes) => ({ nearside: { maxModelBytes, mode: 'only_on_device' } });
  const all = MODEL.length + 2 * WEIGHTS.length;
  await answers(`${files.url}/m/model.onnx`, budget(all));
  files.requests.length = 0;
  await assert.rejects(InferenceSession.create(`${files.url}/m/model.onnx`, budget(all - 1)), refused('OVER_BUDGET', new RegExp(`${all} bytes`)));
  assert.deepEqual(files.requests.filter(({ method }) => method === 'GET').map(({ url }) => url), ['/m/model.onnx']);
  const given = [{ path: 'a folder/weights 1.bin', data: WEIGHTS }, { path: 'weights.bin', data: WEIGHTS }];
  await answers(MODEL, { ...budget(all), externalData: given });
  await assert.rejects(InferenceSession.create(MODEL, { ...budget(all - 1), externalData: given }), refused('OVER_BUDGET', /the model has/));
});

const PROBLEMS = [
  ['type', '', ['w']], ['operator', 'test.invalid.Frobnicate', ['in_Frobnicate', 'y']],
  ['operator', 'test.invalid.Frobnicate2', ['in_Frobnicate2']], ['attribute', 'ai.onnx.Cast', ['a']],
];
const brief = (problems) => problems.map(({ kind, operator, names }) => [kind, operator, names]);

test('a TensorFlow Lite file runs as any other', async () => {
  const session = await InferenceSession.create(lite());
  assert.deepEqual([session.inputNames, session.inputMetadata[0].type], [['a', 'c'], 'int8']);
  const feeds = Object.entries(liteCase.inputs).map(([name, { type, dims, values }]) => [name, new Tensor(type, values, dims)]);
  const results = await session.run(Object.fromEntries(feeds));
  for (const [name, { type, dims, values }] of Object.entries(liteCase.outputs)) {
    assert.deepEqual([results[name].type, results[name].dims], [type, dims]);
    results[name].data.forEach((value, at) => assert.ok(Math.abs(value - values[at]) <= liteCase.atol, `${name}: ${results[name].data}`));
  }
  await session.release();
  assert.equal((await InferenceSession.inspect(lite())).format, 'tflite');
  assert.deepEqual(await InferenceSession.check(lite()), { ok: true, problems: [] });
});

test('check: everything that is lacking, and the same in the error of create', async () => {
  const { ok, problems } = await InferenceSession.check(lacking());
  assert.equal(ok, false);
  assert.deepEqual(brief(problems), PROBLEMS);
  for (const { reason, advice } of problems) assert.ok(reason && advice);
  await assert.rejects(InferenceSession.create(lacking()), (error) => {
    assert.deepEqual([error.code, error.details.problems], ['UNSUPPORTED_OPERATOR', problems]);
    return true;
  });
});

test('check: a model that runs, by address, path and bytes', async () => {
  const nothing = { ok: true, problems: [] };
  assert.deepEqual(await InferenceSession.check(functions()), nothing);
  assert.deepEqual(await InferenceSession.check(join(folder, 'model.onnx')), nothing);
  const seen = [];
  const options = { nearside: { onProgress: ({ status, file }) => status === 'done' && seen.push(file) } };
  assert.deepEqual(await InferenceSession.check(`${files.url}/m/model.onnx`, options), nothing);
  assert.deepEqual(seen, ['model.onnx', 'weights%201.bin', 'weights.bin']);
  await assert.rejects(InferenceSession.check(new Uint8Array(100)), refused('INVALID_MODEL', /./));
  await assert.rejects(InferenceSession.check(join(folder, 'model.onnx'), { nearside: { signal: AbortSignal.abort() } }), refused('ABORTED', /./));
});
