// The client of the Open Inference Protocol v2 against a real HTTP server that decodes and encodes what it gets.
// In: pkg/remote.js. Out: verdicts. The server's model gives back its inputs: this is about transport only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modelOfUrl, RemoteModel } from '../../pkg/remote.js';
import { OIP_TYPE, readRequest, sendError, sendResponse } from '../lib/oip.mjs';
import { serve } from '../lib/serve.mjs';

const tensor = (name, type, data, dims = [data.length]) => ({ name, type, dims, data });
const ALL = [
  tensor('a', 'float32', Float32Array.of(1.5, -2, Infinity, NaN), [2, 2]),
  tensor('b', 'float16', Uint16Array.of(0x3c00, 0x7bff)),
  tensor('c', 'float64', Float64Array.of(Math.PI)),
  tensor('d', 'int8', Int8Array.of(-128, 127)),
  tensor('e', 'int16', Int16Array.of(-32768)),
  tensor('f', 'int32', Int32Array.of(-2147483648)),
  tensor('g', 'int64', BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n)),
  tensor('h', 'uint8', Uint8Array.of(255)),
  tensor('i', 'uint16', Uint16Array.of(65535)),
  tensor('j', 'uint32', Uint32Array.of(4294967295)),
  tensor('k', 'uint64', BigUint64Array.of(2n ** 64n - 1n)),
  tensor('l', 'bool', Uint8Array.of(1, 0, 1)),
  tensor('m', 'string', ['', 'grün', '日本'], [3, 1]),
  tensor('n', 'float32', new Float32Array(0), [0, 3]),
];
/** Without what JSON cannot say. */
const FINITE = ALL.map((one) => (one.name === 'a' ? tensor('a', 'float32', Float32Array.of(1.5, -2, 3, 4), [2, 2]) : one));

function echo({ extensions = ['binary_tensor_data'], platform = 'echo', respond = {}, infer } = {}) {
  return (request, response, body) => {
    const path = request.url;
    if (path === '/base/v2') return response.end(JSON.stringify({ name: 'srv', version: '1', extensions }));
    if (path === '/base/v2/models/m/versions/3') {
      const inputs = ALL.map(({ name, type, dims }) => ({ name, datatype: OIP_TYPE[type], shape: [-1, ...dims.slice(1)] }));
      return response.end(JSON.stringify({ name: 'm', versions: ['3'], platform, inputs, outputs: inputs }));
    }
    if (path === '/base/v2/models/m/versions/3/ready') return response.end();
    if (path !== '/base/v2/models/m/versions/3/infer') return sendError(response, 404, `no such thing: ${path}`);
    if (infer) return infer(request, response);
    const { inputs, outputs } = readRequest({ headers: request.headers, body });
    return sendResponse(response, outputs.map((output) => ({ ...inputs.find(({ name }) => name === output.name), binary: respond.binary ?? output.binary })), respond);
  };
}

async function withServer(options, work, { timeout = 5000, version = '3', headers = {} } = {}) {
  const server = await serve(typeof options === 'function' ? options : echo(options));
  try {
    await work(new RemoteModel({ url: `${server.url}/base`, headers }, { name: 'm', version }, timeout), server.requests);
  } finally {
    await server.close();
  }
}

const names = (tensors) => tensors.map(({ name }) => name);

test('remote: metadata becomes a signature, -1 an unknown dimension', () => withServer({}, async (model) => {
  const { signature } = await model.open();
  assert.deepEqual(signature.inputs.slice(0, 2), [{ name: 'a', type: 'float32', shape: ['', 2] }, { name: 'b', type: 'float16', shape: [''] }]);
  assert.deepEqual(signature.outputs.at(-2), { name: 'm', type: 'string', shape: ['', 1] });
  assert.equal(model.backend, 'echo');
  assert.equal(await model.ready(), true);
}));

test('remote: every type goes and comes as binary', () => withServer({}, async (model, requests) => {
  await model.open();
  const { outputs, bytesFetched, bytesSent } = await model.infer(ALL, names(ALL));
  assert.deepEqual(outputs, ALL);
  const sent = requests.at(-1);
  assert.equal(sent.headers['content-type'], 'application/octet-stream');
  assert.equal(sent.body.length, bytesSent);
  assert.ok(bytesFetched > 100);
}));

// The server answers from what it knows: its own JSON.parse would round the integers that it got.
const fromFinite = (request, response) => sendResponse(response, FINITE.filter(({ type }) => type !== 'float16'));

test('remote: a server without the extension gets and gives JSON, 64-bit integers exactly', () => withServer({ extensions: [], infer: fromFinite }, async (model, requests) => {
  await model.open();
  const wanted = FINITE.filter(({ type }) => type !== 'float16');
  const { outputs } = await model.infer(wanted, names(wanted));
  assert.equal(requests.at(-1).headers['content-type'], 'application/json');
  assert.equal(requests.at(-1).headers['inference-header-content-length'], undefined);
  assert.deepEqual(outputs, wanted);
  const sent = requests.at(-1).body.toString();
  for (const text of ['[-9223372036854775808,9007199254740993]', '[18446744073709551615]', '[true,false,true]', '["","grün","日本"]', '[1.5,-2,3,4]']) {
    assert.ok(sent.includes(`"data":${text}`), text);
  }
}));

test('remote: infinities cannot be sent as JSON, and that is said', () => withServer({ extensions: [] }, async (model) => {
  await model.open();
  await assert.rejects(model.infer(ALL, ['a']), { code: 'INVALID_INPUT', message: /input 'a': Infinity/ });
}));

test('remote: answers in JSON although binary was asked for, nested or flat', () => withServer({ respond: { binary: false, nest: (data) => [[data.slice(0, 1)], [data.slice(1)]] } }, async (model) => {
  await model.open();
  const wanted = FINITE.slice(2, 6);
  assert.deepEqual((await model.infer(wanted, names(wanted))).outputs, wanted);
}));

test('remote: binary answers whose length header a browser may not read', () => withServer({ respond: { lengthHeader: false } }, async (model) => {
  await model.open();
  const wanted = [tensor('m', 'string', ['}"\\{', 'x']), ALL[0]];
  assert.deepEqual((await model.infer(wanted, names(wanted))).outputs, wanted);
}));

test('remote: the fields of a subarray are its own', () => withServer({}, async (model) => {
  await model.open();
  const data = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
  assert.deepEqual((await model.infer([tensor('a', 'float32', data)], ['a'])).outputs[0].data, Float32Array.of(1, 2));
}));

test('remote: the headers of the place are sent', () => withServer({}, async (model, requests) => {
  await model.open();
  await model.infer([ALL[0]], ['a']);
  assert.deepEqual([...new Set(requests.map(({ headers }) => headers.authorization))], ['Bearer t']);
}, { headers: { authorization: 'Bearer t' } }));

test('remote: errors carry the server\'s words and a code', async () => {
  const rows = [[400, 'REMOTE_ERROR'], [401, 'REMOTE_ERROR'], [404, 'MODEL_NOT_FOUND'], [413, 'TOO_LARGE'], [500, 'REMOTE_ERROR'], [503, 'UNAVAILABLE'], [504, 'TIMEOUT'], [507, 'OUT_OF_MEMORY']];
  for (const [status, code] of rows) {
    await withServer({ infer: (request, response) => sendError(response, status, `because ${status}`) }, async (model) => {
      await model.open();
      await assert.rejects(model.infer([ALL[0]], ['a']), (error) => {
        assert.equal(error.code, code);
        assert.match(error.message, new RegExp(`^because ${status} `));
        assert.deepEqual(error.details, { status, error: `because ${status}` });
        return true;
      });
    });
  }
  await withServer({ infer: (request, response) => response.writeHead(500).end('<h1>nginx</h1>') }, async (model) => {
    await model.open();
    await assert.rejects(model.infer([ALL[0]], ['a']), { code: 'REMOTE_ERROR', message: /nginx/ });
  });
});

test('remote: an unknown model', () => withServer({}, (model) => assert.rejects(model.open(), { code: 'MODEL_NOT_FOUND', message: /no such thing/ }), { version: '4' }));

test('remote: 503 is tried again, 500 is not, a connection that breaks is', async () => {
  const count = { 503: 0, 500: 0, cut: 0 };
  const infer = (kind) => (request, response) => {
    count[kind] += 1;
    if (kind === '503' && count[kind] === 3) return sendResponse(response, [ALL[3]].map((one) => ({ ...one, binary: true })));
    if (kind === 'cut' && count[kind] === 2) return sendResponse(response, [ALL[3]].map((one) => ({ ...one, binary: true })));
    if (kind === 'cut') return response.destroy();
    return sendError(response, Number(kind), 'no');
  };
  for (const kind of Object.keys(count)) {
    await withServer({ infer: infer(kind) }, async (model) => {
      await model.open();
      const answer = model.infer([ALL[3]], ['d']);
      if (kind === '500') await assert.rejects(answer, { code: 'REMOTE_ERROR' });
      else assert.deepEqual((await answer).outputs, [ALL[3]]);
    });
  }
  assert.deepEqual(count, { 503: 3, 500: 1, cut: 2 });
});

test('remote: no answer in time, and a caller who gives up', async () => {
  await withServer({ infer: () => {} }, async (model) => {
    await model.open();
    await assert.rejects(model.infer([ALL[0]], ['a']), { code: 'TIMEOUT', message: /within 200 ms/ });
    await assert.rejects(model.infer([ALL[0]], ['a'], AbortSignal.timeout(50)), { code: 'ABORTED' });
    await assert.rejects(model.infer([ALL[0]], ['a'], AbortSignal.abort()), { code: 'ABORTED' });
  }, { timeout: 200 });
});

test('remote: a connection that breaks in the middle of an answer is that, and not an answer that is no JSON', () => withServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 1000 });
  response.write('{"name":', () => response.destroy());
}, (model) => assert.rejects(model.open(), { code: 'UNAVAILABLE' })));

test('remote: nobody listens', async () => {
  const server = await serve(() => {});
  await server.close();
  const model = new RemoteModel({ url: server.url, headers: {} }, { name: 'm' }, 5000);
  await assert.rejects(model.open(), { code: 'UNAVAILABLE', message: /ECONNREFUSED/ });
});

test('remote: answers that are cut short or contradict themselves', async () => {
  const head = (outputs) => Buffer.from(JSON.stringify({ outputs }));
  const fp32 = (shape, size) => ({ name: 'a', datatype: 'FP32', shape, parameters: { binary_data_size: size } });
  const rows = [
    [head([fp32([4], 16)]), 12, /truncated/],
    [head([fp32([3], 16)]), 16, /16? ?elements|elements/],
    [head([fp32([1], 3)]), 3, /truncated/],
    [head([{ name: 'a', datatype: 'COMPLEX', shape: [1], data: [1] }]), 0, /unknown type/],
    [head([{ name: 'a', datatype: 'FP32', shape: [1] }]), 0, /no data/],
    [Buffer.from('{"x":1}'), 0, /no outputs/],
    [Buffer.from('{"outputs":'), 0, /not JSON/],
  ];
  for (const [json, binary, message] of rows) {
    await withServer({ infer: (request, response) => response.writeHead(200, { 'Inference-Header-Content-Length': json.length }).end(Buffer.concat([json, Buffer.alloc(binary)])) }, async (model) => {
      await model.open();
      await assert.rejects(model.infer([ALL[0]], ['a']), { code: 'MALFORMED_REQUEST', message });
    });
  }
});

test('remote: the model\'s name from its address', () => {
  const rows = [
    ['https://h/models/digits/1/model.onnx', { name: 'digits', version: '1' }],
    ['/models/digits/12/model.onnx?v=3#x', { name: 'digits', version: '12' }],
    ['models/my%20net/model.onnx', { name: 'my net' }],
    ['./squeezenet.onnx', { name: 'squeezenet' }],
    ['https://h/a/b/silero_vad_v5.onnx', { name: 'silero_vad_v5' }],
    ['C:\\models\\digits\\1\\model.onnx', { name: 'digits', version: '1' }],
    ['model.onnx', undefined],
    ['https://h/download?id=1', undefined],
  ];
  for (const [url, expected] of rows) assert.deepEqual(modelOfUrl(url), expected, url);
});
