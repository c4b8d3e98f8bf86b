// Falling back from the device to the edge to the cloud, with the real engine behind each place. In: the digit model on
// a static server, two servers of the protocol. Out: verdicts on answers, reports, and on what was asked of whom.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, test } from 'node:test';
import { env, InferenceSession, reportOf, Tensor } from '../../pkg/index.node.js';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { serveDigits } from '../lib/oip-engine.mjs';
import { sendError } from '../lib/oip.mjs';
import { onnx } from '../lib/onnx.mjs';
import { serve } from '../lib/serve.mjs';

const example = digits.cases[0];
const feeds = () => ({ image: new Tensor(pixels(example), digits.shape) });
const URL_PATH = '/models/digits/1/model.onnx';
const codes = (attempts) => attempts.map(({ place, code }) => `${place}:${code}`);
const methods = (server) => server.requests.map(({ method, url }) => `${method} ${url}`);

let bytes, files, edge, cloud;
/** What the edge and the cloud answer in place of an answer. */
const broken = { edge: undefined, cloud: undefined };
let handOn;
const intercept = (place) => (request, response) => {
  if (place === 'edge' && handOn) response.setHeader('x-nearside-forwarded-because', handOn);
  const fault = broken[place];
  if (!fault || !fault.when(request)) return false;
  sendError(response, fault.status, `${place} says ${fault.status}`);
  return true;
};
const always = (status) => ({ status, when: () => true });
const infer = (status) => ({ status, when: ({ url }) => url.endsWith('/infer') });

before(async () => {
  // With more cores, or a later Node, the defaults give more.
  Object.assign(env.wasm, { simd: 'fixed', numThreads: 1 });
  bytes = await readFile(digitsPath);
  files = await serve((request, response) => {
    if (request.url !== URL_PATH) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Length': bytes.length, 'Content-Type': 'application/octet-stream' });
    return response.end(request.method === 'HEAD' ? undefined : bytes);
  });
  edge = await serveDigits({ name: 'edge-test', intercept: intercept('edge') });
  cloud = await serveDigits({ name: 'cloud-test', intercept: intercept('cloud') });
});
after(() => Promise.all([files.close(), edge.close(), cloud.close()]));
beforeEach(() => {
  Object.assign(broken, { edge: undefined, cloud: undefined });
  for (const server of [files, edge, cloud]) server.requests.length = 0;
});

const create = (nearside, source = files.url + URL_PATH) => InferenceSession.create(source, { nearside: { edge: edge.url, cloud: cloud.url, timeout: 5000, ...nearside } });

async function answered(session) {
  const results = await session.run(feeds());
  checkDigit(results.probabilities, example);
  return reportOf(results);
}

test('fallback: only the budget decides between device, edge and cloud; the answer is the same', async () => {
  const rows = [
    [{ maxModelBytes: 1e9 }, 'on_device', 'PREFERRED', []],
    [{ maxModelBytes: bytes.length }, 'on_device', 'PREFERRED', []],
    [{ maxModelBytes: bytes.length - 1 }, 'in_edge', 'OVER_BUDGET', ['on_device:OVER_BUDGET']],
    [{ maxMemory: 1e6 }, 'in_edge', 'OVER_BUDGET', ['on_device:OVER_BUDGET']],
    [{ maxModelBytes: 0, edge: undefined }, 'in_cloud', 'OVER_BUDGET', ['on_device:OVER_BUDGET']],
    [{ maxModelBytes: 0, edge: { url: edge.url, maxModelBytes: 0 } }, 'in_cloud', 'OVER_BUDGET', ['on_device:OVER_BUDGET', 'in_edge:OVER_BUDGET']],
  ];
  for (const [options, source, code, attempts] of rows) {
    files.requests.length = 0;
    const session = await create(options);
    const report = await answered(session);
    assert.equal(report.source, source);
    assert.equal(report.reason.code, code);
    assert.deepEqual(codes(report.attempts), attempts);
    assert.equal(session.report.source, source);
    assert.equal(session.report.engine?.thread, source === 'on_device' ? 'inline' : undefined);
    assert.equal(report.backend, { on_device: 'wasm-simd128', in_edge: 'edge-test', in_cloud: 'cloud-test' }[source]);
    assert.deepEqual(methods(files), source === 'on_device' ? [`HEAD ${URL_PATH}`, `GET ${URL_PATH}`] : [`HEAD ${URL_PATH}`]);
    assert.equal(session.report.bytesFetched, source === 'on_device' ? bytes.length : 0);
    await session.release();
  }
});

test('fallback: only_on_device names the reason and asks nobody', async () => {
  await assert.rejects(create({ mode: 'only_on_device', maxModelBytes: 1000 }), { code: 'OVER_BUDGET', message: /154\.1 kB, maxModelBytes allows 1\.0 kB/ });
  await assert.rejects(create({ mode: 'only_on_device' }, `${files.url}/none.onnx`), { code: 'DOWNLOAD_FAILED', message: /HTTP 404/ });
  const session = await create({ mode: 'only_on_device' });
  assert.equal((await answered(session)).source, 'on_device');
  await session.release();
  assert.deepEqual([...methods(edge), ...methods(cloud)], []);
});

test('fallback: a failed download, an unsupported operator, broken bytes', async () => {
  const unsupported = onnx({ nodes: [{ op: 'Frobnicate', inputs: ['image'], outputs: ['y'] }], inputs: [{ name: 'image', type: 'float32', shape: [1] }], outputs: [{ name: 'y', type: 'float32', shape: [1] }] });
  const rows = [[`${files.url}/gone.onnx`, 'DOWNLOAD_FAILED'], [unsupported, 'UNSUPPORTED_OPERATOR'], [new Uint8Array(50), 'INVALID_MODEL']];
  for (const [source, code] of rows) {
    const session = await create({ model: { name: 'digits', version: 1 } }, source);
    const report = await answered(session);
    assert.equal(report.source, 'in_edge');
    assert.equal(report.reason.code, code);
    assert.deepEqual(codes(report.attempts), [`on_device:${code}`]);
    await session.release();
  }
});

test('fallback: an edge that is down hands on to the cloud, for good', async () => {
  broken.edge = always(503);
  const session = await create({ maxModelBytes: 0 });
  broken.edge = undefined;
  edge.requests.length = 0;
  const report = await answered(session);
  assert.equal(report.source, 'in_cloud');
  assert.match(report.reason.message, /in_edge: edge says 503/);
  assert.deepEqual(codes(report.attempts), ['on_device:OVER_BUDGET', 'in_edge:UNAVAILABLE']);
  assert.deepEqual(methods(edge), []);
  await session.release();
});

test('fallback: an edge that fails during a run is left for that run', async () => {
  const session = await create({ maxModelBytes: 0 });
  assert.equal((await answered(session)).source, 'in_edge');
  broken.edge = infer(507);
  const report = await answered(session);
  assert.equal(report.source, 'in_cloud');
  assert.deepEqual(codes(report.attempts), ['on_device:OVER_BUDGET', 'in_edge:OUT_OF_MEMORY']);
  broken.edge = undefined;
  assert.equal((await answered(session)).source, 'in_edge');
  await session.release();
});

test('fallback: an edge that hands the request on to its cloud is not reported as if it had run it', async () => {
  handOn = 'TOO_LARGE';
  const session = await create({ maxModelBytes: 0 });
  assert.equal(session.report.source, 'in_cloud');
  const report = await answered(session);
  handOn = undefined;
  assert.equal(report.source, 'in_cloud');
  assert.deepEqual(report.reason, { code: 'TOO_LARGE', message: 'in_edge: the edge handed the request on to its cloud' });
  assert.deepEqual(codes(report.attempts), ['on_device:OVER_BUDGET', 'in_edge:TOO_LARGE']);
  await session.release();
});

test('fallback: prefer_in_cloud goes cloud, edge, device; the model is fetched only then', async () => {
  const session = await create({ mode: 'prefer_in_cloud' });
  assert.equal((await answered(session)).source, 'in_cloud');
  assert.deepEqual(methods(files), []);
  broken.cloud = infer(500);
  assert.equal((await answered(session)).source, 'in_edge');
  broken.edge = infer(500);
  const report = await answered(session);
  assert.equal(report.source, 'on_device');
  assert.deepEqual(codes(report.attempts), ['in_cloud:REMOTE_ERROR', 'in_edge:REMOTE_ERROR']);
  assert.deepEqual(methods(files), [`GET ${URL_PATH}`]);
  Object.assign(broken, { edge: undefined, cloud: undefined });
  assert.equal((await answered(session)).source, 'in_cloud');
  await session.release();
});

test('fallback: only_in_cloud never comes back to the device', async () => {
  Object.assign(broken, { edge: always(500), cloud: always(500) });
  await assert.rejects(create({ mode: 'only_in_cloud' }), (error) => {
    assert.equal(error.code, 'NO_PLACE');
    assert.deepEqual(codes(error.details.attempts), ['in_cloud:REMOTE_ERROR', 'in_edge:REMOTE_ERROR']);
    return true;
  });
  assert.deepEqual(methods(files), []);
  await assert.rejects(create({ mode: 'only_in_cloud', edge: undefined, cloud: undefined }), { code: 'NO_PLACE', message: /no cloud is configured/ });
});

test('fallback: when nothing is left, every attempt is named', async () => {
  Object.assign(broken, { edge: always(404), cloud: always(500) });
  await assert.rejects(create({ maxModelBytes: 10 }), (error) => {
    assert.equal(error.code, 'NO_PLACE');
    assert.deepEqual(codes(error.details.attempts), ['on_device:OVER_BUDGET', 'in_edge:MODEL_NOT_FOUND', 'in_cloud:REMOTE_ERROR']);
    for (const text of ['maxModelBytes', 'edge says 404', 'cloud says 500']) assert.ok(error.message.includes(text), text);
    return true;
  });
});

test('fallback: a fault of the caller is not sent around', async () => {
  const session = await create({});
  await assert.rejects(session.run({ image: new Tensor(new Float32Array(64), [64]) }), { code: 'SHAPE_MISMATCH' });
  await assert.rejects(session.run(feeds(), { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  await session.release();
  assert.deepEqual([...methods(edge), ...methods(cloud)], []);
});

test('fallback: the signature of the edge checks feeds as well; headers go where they belong', async () => {
  const session = await create({ maxModelBytes: 0, headers: { 'x-all': '1' }, edge: { url: `${edge.url}/`, headers: { authorization: 'Bearer edge' } } });
  assert.deepEqual(session.inputMetadata[0].shape, ['', 1, 8, 8]);
  await assert.rejects(session.run({ image: new Tensor(new Float32Array(64), [64]) }), { code: 'SHAPE_MISMATCH' });
  await answered(session);
  const seen = edge.requests.map(({ headers }) => `${headers.authorization} ${headers['x-all']}`);
  assert.deepEqual([...new Set(seen)], ['Bearer edge 1']);
  assert.deepEqual(files.requests.map(({ headers }) => `${headers.authorization} ${headers['x-all']}`), ['undefined 1']);
  await session.release();
});

test('fallback: bytes without a name cannot be asked of the edge', async () => {
  await assert.rejects(create({ maxModelBytes: 10 }, bytes), { code: 'NO_PLACE', message: /set nearside\.model/ });
  const session = await create({ maxModelBytes: 10, model: { name: 'digits', version: '1' } }, bytes);
  assert.equal((await answered(session)).source, 'in_edge');
  await session.release();
});

test('fallback: a server that tells no size is found out while the model arrives', async () => {
  const silent = await serve((request, response) => {
    if (request.method === 'HEAD') return response.writeHead(405).end();
    response.writeHead(200);
    response.write(bytes.subarray(0, 100));
    return response.end(bytes.subarray(100));
  });
  const session = await create({ maxModelBytes: 1000 }, silent.url + URL_PATH);
  assert.equal((await answered(session)).reason.code, 'OVER_BUDGET');
  await session.release();
  await silent.close();
});
