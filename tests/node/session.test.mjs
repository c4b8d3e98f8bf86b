// Sessions on the real engine in Node. In: the digit model, small models made here. Out: verdicts on the whole surface.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { env, InferenceSession, NearsideError, reportOf, Tensor } from '../../pkg/index.node.js';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { ELEMENT, identity, onnx } from '../lib/onnx.mjs';
import { serve } from '../lib/serve.mjs';

const image = (example) => new Tensor('float32', pixels(example), digits.shape);
const refused = (code, message) => (error) => {
  assert.ok(error instanceof NearsideError);
  assert.equal(error.code, code, error.message);
  if (message) assert.match(error.message, message);
  return true;
};

let session;
let bytes;
before(async () => {
  // Elsewhere the defaults may give more.
  Object.assign(env.wasm, { simd: 'fixed', numThreads: 1 });
  bytes = new Uint8Array(await readFile(digitsPath));
  session = await InferenceSession.create(digitsPath);
});
after(() => session.release());

test('session: names and metadata', () => {
  assert.deepEqual(session.inputNames, ['image']);
  assert.deepEqual(session.outputNames, ['probabilities']);
  assert.deepEqual(session.inputMetadata, [{ name: 'image', isTensor: true, type: 'float32', shape: ['batch', 1, 8, 8] }]);
  assert.deepEqual(session.outputMetadata, [{ name: 'probabilities', isTensor: true, type: 'float32', shape: ['batch', 10] }]);
  assert.equal(env.versions.nearside, '0.1.0');
});

test('session: every digit is the reference\'s, and says where it ran', async () => {
  for (const example of digits.cases) {
    const results = await session.run({ image: image(example) });
    checkDigit(results.probabilities, example);
    assert.deepEqual(Object.keys(results), ['probabilities']);
    const report = reportOf(results);
    assert.equal(report, results.report);
    assert.equal(report.source, 'on_device');
    assert.equal(report.backend, 'wasm-simd128');
    assert.deepEqual(report.engine, { thread: 'inline', trimmed: true, simd: 'simd128', threads: 1 });
    assert.deepEqual(report.reason, { code: 'PREFERRED', message: 'prefer_on_device' });
    assert.ok(report.times.run >= 0 && report.times.total >= report.times.run);
    assert.equal(session.report.lastRun, report);
  }
});

test('session: a model by path, file address, http address, bytes, buffer, part of a buffer', async () => {
  const server = await serve((request, response) => response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes));
  const padded = new Uint8Array(bytes.length + 30);
  padded.set(bytes, 10);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const ways = {
    path: [digitsPath], file: [pathToFileURL(digitsPath).href], http: [`${server.url}/digits.onnx`], bytes: [bytes], buffer: [bytes.slice().buffer],
    'subarray': [padded.subarray(10, 10 + bytes.length)], 'part of a buffer': [padded.buffer, 10, bytes.length], 'shared memory': [shared],
    'node buffer': [Buffer.from(bytes)],
  };
  try {
    for (const [way, args] of Object.entries(ways)) {
      const events = [];
      const one = await InferenceSession.create(...args, { nearside: { onProgress: (event) => events.push(event) } });
      checkDigit((await one.run({ image: image(digits.cases[0]) })).probabilities, digits.cases[0]);
      assert.equal(one.report.bytesFetched, way === 'http' ? bytes.length : 0);
      assert.equal(events.at(-1).status, 'ready', way);
      await one.release();
    }
    assert.equal(bytes.byteLength, padded.length - 30, 'the caller\'s bytes are still there');
  } finally {
    await server.close();
  }
});

test('session: runs at the same time are answered each with its own result', async () => {
  const answers = await Promise.all(digits.cases.map((example) => session.run({ image: image(example) })));
  answers.forEach((answer, i) => checkDigit(answer.probabilities, digits.cases[i]));
});

test('session: a dynamic dimension is bound by each run', async () => {
  for (const count of [1, 3, 2, 3]) {
    const chosen = digits.cases.slice(0, count);
    const data = new Float32Array(count * 64);
    chosen.forEach((example, i) => data.set(pixels(example), i * 64));
    const { probabilities } = await session.run({ image: new Tensor(data, [count, 1, 8, 8]) });
    assert.deepEqual([...probabilities.dims], [count, 10]);
    chosen.forEach((example, i) => checkDigit(new Tensor(probabilities.data.slice(i * 10, i * 10 + 10), [1, 10]), example));
  }
});

test('session: with `profile` the report has the nodes of the run', async () => {
  const profiled = await InferenceSession.create(digitsPath, { nearside: { profile: true } });
  const results = await profiled.run({ image: image(digits.cases[1]) });
  checkDigit(results.probabilities, digits.cases[1]);
  const { profile, times } = reportOf(results);
  assert.ok(profile.length > 3, `${profile.length} nodes`);
  for (const { node, operator, details, inputs, outputs, ms } of profile) {
    assert.ok(node && operator && Array.isArray(details) && ms >= 0);
    for (const shape of [...inputs, ...outputs]) assert.match(shape, /^[\dx]* \w+/);
  }
  assert.deepEqual(profile.at(-1).outputs, ['1x10 F32']);
  assert.ok(profile.reduce((sum, { ms }) => sum + ms, 0) <= times.run);
  await profiled.release();
  assert.equal(reportOf(await session.run({ image: image(digits.cases[1]) })).profile, undefined);
});

test('session: fetches by names, by null, into a tensor of the caller; inputs stay usable', async () => {
  const feeds = { image: image(digits.cases[1]) };
  checkDigit((await session.run(feeds, ['probabilities'])).probabilities, digits.cases[1]);
  checkDigit((await session.run(feeds, { probabilities: null }, {})).probabilities, digits.cases[1]);
  checkDigit((await session.run(feeds, { tag: 'options' })).probabilities, digits.cases[1]);
  const target = new Tensor('float32', new Float32Array(10), [1, 10]);
  const results = await session.run(feeds, { probabilities: target });
  assert.equal(results.probabilities, target);
  checkDigit(target, digits.cases[1]);
  assert.deepEqual(feeds.image.data, pixels(digits.cases[1]));
  await assert.rejects(session.run(feeds, { probabilities: new Tensor('float32', new Float32Array(5), [5]) }), refused('SHAPE_MISMATCH', /'probabilities'/));
  await assert.rejects(session.run(feeds, { probabilities: new Tensor('float64', new Float64Array(10), [1, 10]) }), refused('TYPE_MISMATCH', /'probabilities'/));
});

test('session: a plain object with the fields of a tensor will do', async () => {
  const { type, dims, data } = image(digits.cases[2]);
  checkDigit((await session.run({ image: { type, dims, data } })).probabilities, digits.cases[2]);
});

test('session: wrong feeds are refused before the run, by name', async () => {
  const good = image(digits.cases[0]);
  const rows = [
    [[{}], 'INVALID_INPUT', /missing in 'feeds': 'image'/],
    [[{ image: good, mask: good }], 'INVALID_INPUT', /unknown in 'feeds': 'mask'; the model takes 'image'/],
    [[good], 'INVALID_INPUT', /'feeds' must be an object/],
    [[null], 'INVALID_INPUT', /'feeds' must be an object/],
    [[{ image: pixels(digits.cases[0]) }], 'INVALID_INPUT', /'image' is not a Tensor/],
    [[{ image: new Tensor('float64', new Float64Array(64), digits.shape) }], 'TYPE_MISMATCH', /'image' is float64, the model takes float32/],
    [[{ image: new Tensor(new Float32Array(64), [1, 8, 8]) }], 'SHAPE_MISMATCH', /'image' has dims \[1, 8, 8\], the model takes \[batch, 1, 8, 8\]/],
    [[{ image: new Tensor(new Float32Array(128), [1, 2, 8, 8]) }], 'SHAPE_MISMATCH', /\[1, 2, 8, 8\]/],
    [[{ image: good }, ['nothing']], 'INVALID_INPUT', /unknown outputs: nothing; the model gives 'probabilities'/],
    [[{ image: good }, []], 'INVALID_INPUT', /cannot be an empty array/],
    [[{ image: good }, good], 'INVALID_INPUT', /cannot be a Tensor/],
    [[{ image: good }, 'probabilities'], 'INVALID_INPUT', /second argument/],
    [[{ image: good }, ['probabilities'], 5], 'INVALID_INPUT', /'options'/],
    [[{ image: good }, { signal: 'now' }], 'INVALID_INPUT', /AbortSignal/],
  ];
  for (const [args, code, message] of rows) await assert.rejects(session.run(...args), refused(code, message));
});

test('session: a foreign tensor is checked, a tensor whose buffer is gone is named', async () => {
  const { dims } = image(digits.cases[0]);
  await assert.rejects(session.run({ image: { type: 'float32', dims, data: new Float64Array(64) } }), refused('TYPE_MISMATCH', /Float32Array/));
  await assert.rejects(session.run({ image: { type: 'float32', dims, data: new Float32Array(63) } }), refused('SHAPE_MISMATCH'));
  const gone = image(digits.cases[0]);
  structuredClone(gone.data, { transfer: [gone.data.buffer] });
  await assert.rejects(session.run({ image: gone }), refused('INVALID_INPUT', /'image' is gone/));
  checkDigit((await session.run({ image: image(digits.cases[0]) })).probabilities, digits.cases[0]);
});

test('session: every element type goes through the engine and back', async () => {
  const values = {
    float32: Float32Array.of(1.5, -0, Infinity), float64: Float64Array.of(Math.PI, -1e300, 5e-324), float16: Uint16Array.of(0x3c00, 0x8001, 0x7bff),
    int8: Int8Array.of(-128, 0, 127), int16: Int16Array.of(-32768, 1, 32767), int32: Int32Array.of(-2147483648, 1, 2147483647),
    int64: BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n, 2n ** 63n - 1n), uint8: Uint8Array.of(0, 1, 255), uint16: Uint16Array.of(0, 1, 65535),
    uint32: Uint32Array.of(0, 1, 4294967295), uint64: BigUint64Array.of(0n, 1n, 2n ** 64n - 1n), bool: Uint8Array.of(1, 0, 1), string: ['', 'grün', '日本'],
  };
  assert.deepEqual(Object.keys(values).sort(), Object.keys(ELEMENT).sort());
  for (const [type, data] of Object.entries(values)) {
    const one = await InferenceSession.create(identity(type));
    const { y } = await one.run({ x: new Tensor(type, data) });
    assert.equal(y.type, type);
    assert.deepEqual([...y.dims], [3], type);
    assert.deepEqual([...y.data], [...new Tensor(type, data).data], type);
    await one.release();
  }
});

test('session: a scalar and an empty tensor', async () => {
  const scalar = await InferenceSession.create(identity('float32', []));
  assert.deepEqual((await scalar.run({ x: new Tensor('float32', [7], []) })).y.data, Float32Array.of(7));
  const list = await InferenceSession.create(identity('float32'));
  const { y } = await list.run({ x: new Tensor('float32', []) });
  assert.deepEqual([...y.dims], [0]);
  await Promise.all([scalar.release(), list.release()]);
});

test('session: freeDimensionOverrides bind a symbol', async () => {
  const one = await InferenceSession.create(digitsPath, { freeDimensionOverrides: { batch: 1 } });
  assert.deepEqual(one.inputMetadata[0].shape, [1, 1, 8, 8]);
  await assert.rejects(one.run({ image: new Tensor(new Float32Array(128), [2, 1, 8, 8]) }), refused('SHAPE_MISMATCH'));
  await one.release();
});

test('session: release lets waiting runs finish and refuses later ones', async () => {
  const one = await InferenceSession.create(bytes);
  const waiting = digits.cases.slice(0, 5).map((example) => one.run({ image: image(example) }));
  const released = one.release();
  await assert.rejects(one.run({ image: image(digits.cases[0]) }), refused('SESSION_RELEASED'));
  (await Promise.all(waiting)).forEach((answer, i) => checkDigit(answer.probabilities, digits.cases[i]));
  await released;
  await one.release();
  checkDigit((await session.run({ image: image(digits.cases[0]) })).probabilities, digits.cases[0]);
});

test('session: an aborted run leaves the queue, the others stay', async () => {
  const controller = new AbortController();
  const runs = digits.cases.slice(0, 4).map((example, i) => session.run({ image: image(example) }, { signal: i % 2 ? controller.signal : undefined }));
  controller.abort(new Error('enough'));
  const settled = await Promise.allSettled(runs);
  assert.deepEqual(settled.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'rejected']);
  assert.ok(refused('ABORTED')(settled[1].reason));
  assert.equal(settled[1].reason.cause.message, 'enough');
  await assert.rejects(session.run({ image: image(digits.cases[0]) }, { signal: AbortSignal.abort() }), refused('ABORTED'));
});

test('create: what cannot be a model, and options that are wrong', async () => {
  const rows = [
    [[undefined], 'INVALID_INPUT', /address, an ArrayBuffer or a Uint8Array/],
    [[42], 'INVALID_INPUT'],
    [[bytes, 5], 'INVALID_INPUT', /'options' must be an object/],
    [[bytes.buffer, -1], 'INVALID_INPUT', /byteOffset/],
    [[bytes.buffer, 0, bytes.length + 1], 'INVALID_INPUT', /byteLength/],
    [[bytes, { nearside: { mode: 'fast' } }], 'INVALID_INPUT', /'fast'; the modes are prefer_on_device/],
    [[bytes, { nearside: { maxModelBytes: '10' } }], 'INVALID_INPUT', /maxModelBytes/],
    [[bytes, { nearside: { edge: 5 } }], 'INVALID_INPUT', /'edge'/],
    [[bytes, { nearside: { onProgress: true } }], 'INVALID_INPUT', /onProgress/],
    [[new Uint8Array(100)], 'INVALID_MODEL'],
    [[bytes.subarray(0, 1000)], 'INVALID_MODEL'],
    [['no/such/model.onnx'], 'DOWNLOAD_FAILED', /no\/such\/model\.onnx/],
    [[bytes, { nearside: { signal: AbortSignal.abort() } }], 'ABORTED'],
  ];
  for (const [args, code, message] of rows) await assert.rejects(InferenceSession.create(...args), refused(code, message));
  assert.throws(() => new InferenceSession(), refused('INVALID_INPUT', /InferenceSession\.create/));
  assert.throws(() => { env.logLevel = 'loud'; }, refused('INVALID_INPUT'));
});

test('create: an unsupported operator is named', async () => {
  const model = onnx({
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['a'] }, { op: 'Frobnicate', domain: 'com.example', inputs: ['a'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'float32', shape: [2] }], outputs: [{ name: 'y', type: 'float32', shape: [2] }], domains: ['com.example'],
  });
  await assert.rejects(InferenceSession.create(model), (error) => {
    refused('UNSUPPORTED_OPERATOR', /Frobnicate/)(error);
    assert.deepEqual(error.details.problems.map(({ kind, operator, names }) => [kind, operator, names]), [['operator', 'com.example.Frobnicate', ['y']]]);
    return true;
  });
  const facts = await InferenceSession.inspect(model);
  const support = Object.fromEntries(facts.operators.map(({ type, supported }) => [type, supported]));
  assert.deepEqual(support, { Relu: true, Frobnicate: false });
  assert.deepEqual(facts.inputs, [{ name: 'x', type: 'float32', shape: [2] }]);
});

test('inspect: the facts of the digit model', async () => {
  const facts = await InferenceSession.inspect(digitsPath);
  assert.equal(facts.bytes, bytes.length);
  assert.equal(facts.parameters, 38282);
  assert.ok(facts.operators.every(({ supported }) => supported));
  assert.deepEqual(facts.outputs.map(({ name }) => name), ['probabilities']);
});

test('create: unknown options are named once on the console', async (context) => {
  const warnings = [];
  context.mock.method(console, 'warn', (text) => warnings.push(text));
  for (let i = 0; i < 2; i += 1) {
    const one = await InferenceSession.create(bytes, { executionProviders: ['webnn', 'webgpu', 'wasm'], graphOptimizationLevel: 'all', quick: 1, nearside: { mood: 1 } });
    await one.release();
  }
  assert.deepEqual(warnings, [
    'nearside: unknown option options.quick is ignored',
    "nearside: execution provider 'webnn' is not available, the model runs on wasm",
    'nearside: unknown option options.nearside.mood is ignored',
  ]);
});

test('create: what is asked of the GPU is checked, also where there is none', async () => {
  const options = (more) => ({ executionProviders: ['webgpu'], ...more });
  const wrong = [
    { preferredOutputLocation: 'texture' },
    { preferredOutputLocation: { nowhere: 'gpu-buffer' } },
    { nearside: { gpu: { choose: 'slowest' } } },
    { nearside: { gpu: { golden: { inputs: {} } } } },
    { nearside: { gpu: { golden: { inputs: {}, outputs: { a: new Tensor([1]) }, tolerance: -1 } } } },
  ];
  for (const more of wrong) await assert.rejects(InferenceSession.create(bytes, options(more)), refused('INVALID_INPUT'), JSON.stringify(more));
  const session = await InferenceSession.create(bytes, options({ preferredOutputLocation: 'gpu-buffer' }));
  assert.match((await session.run({ image: image(digits.cases[0]) })).report.gpuError, /^GPU_UNAVAILABLE/);
  await session.release();
});

test('create: aborted while the model is loaded', async () => {
  const controller = new AbortController();
  const onProgress = ({ status }) => status === 'done' && controller.abort();
  await assert.rejects(InferenceSession.create(digitsPath, { nearside: { signal: controller.signal, onProgress } }), refused('ABORTED'));
  await assert.rejects(InferenceSession.inspect(digitsPath, { nearside: { signal: AbortSignal.abort() } }), refused('ABORTED'));
});

test('create: aborted while the model arrives', async () => {
  const server = await serve((request, response) => {
    response.writeHead(200, { 'Content-Length': bytes.length });
    response.write(bytes.subarray(0, 1000));
  });
  try {
    const controller = new AbortController();
    const wanted = InferenceSession.create(`${server.url}/digits.onnx`, {
      nearside: { signal: controller.signal, onProgress: ({ status }) => status === 'progress' && controller.abort() },
    });
    await assert.rejects(wanted, refused('ABORTED'));
  } finally {
    await server.close();
  }
});
