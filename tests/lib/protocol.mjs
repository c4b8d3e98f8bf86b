// The wire as tests see it. In: an address and a request, or the file of wrong requests. Out: the answer, unchanged by
// any client's conveniences; or one node test a case.
// The one decision: node:http with the path as it stands, because fetch tidies paths and decodes bodies.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { test } from 'node:test';
import { digits, pixels } from './digits.mjs';
import { liteCase } from './lite.mjs';

const { cases } = JSON.parse(readFileSync(new URL('../cases/protocol-errors.json', import.meta.url), 'utf8'));
export const LENGTH = 'inference-header-content-length';
// Connections are kept for the next request, but not for as long as the servers keep theirs: workerd hangs up after five
// seconds, and a request that meets that on its way is lost.
const agent = new Agent({ keepAlive: true, timeout: 3000 });

/** @returns {Promise<{ status: number, headers: object, body: Buffer, json: () => any }>} */
export function ask(base, path, options = {}) {
  const { sent, answer } = begin(base, path, options);
  sent.end(options.body);
  return answer;
}

/**
 * A request that is in flight for as long as the test wants: the server has it, has asked for its body, and gets that by
 * `send()`. No clock says so, but the server.
 * @returns {Promise<{ send: () => ReturnType<typeof ask> }>}
 */
export async function held(base, path, options) {
  const { sent, answer } = begin(base, path, { ...options, headers: { ...options.headers, expect: '100-continue' } });
  // Whoever sends no body is not interested in how that ends.
  answer.catch(() => {});
  sent.flushHeaders();
  const refused = answer.then(({ status, body }) => { throw new Error(`answered before the body: ${status} ${body}`); });
  await Promise.race([new Promise((resolve) => sent.once('continue', resolve)), refused]);
  refused.catch(() => {});
  return {
    send() {
      sent.end(options.body);
      return answer;
    },
  };
}

function begin(base, path, { method = 'GET', headers = {}, body, chunked = false }) {
  const { hostname, port, pathname } = new URL(base);
  const prefix = pathname === '/' ? '' : pathname;
  const size = body !== undefined && !chunked ? { 'content-length': Buffer.byteLength(body) } : {};
  const sent = request({ agent, hostname, port, path: prefix + path, method, headers: { ...size, ...headers } });
  const answer = new Promise((resolve, reject) => {
    sent.on('error', reject).on('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
        const all = Buffer.concat(parts);
        resolve({ status: response.statusCode, headers: response.headers, body: all, json: () => JSON.parse(all.toString()) });
      });
    });
  });
  return { sent, answer };
}

/** Connections that are kept open would keep the test's process. */
export const hangUp = () => agent.destroy();

/** A request's head and the bytes after it. */
export function framed(json, tail = Buffer.alloc(0)) {
  const head = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  return { method: 'POST', headers: { [LENGTH]: String(head.length) }, body: Buffer.concat([head, tail]) };
}

/** Head and tail of an answer. */
export function unframed({ headers, body }) {
  const length = Number(headers[LENGTH] ?? body.length);
  return { head: JSON.parse(body.subarray(0, length).toString()), tail: body.subarray(length) };
}

export const digitRequest = (example, binary = true) => {
  const input = { name: 'image', shape: digits.shape, datatype: 'FP32' };
  if (!binary) return { method: 'POST', body: JSON.stringify({ inputs: [{ ...input, data: [...pixels(example)] }] }) };
  const bytes = Buffer.from(pixels(example).buffer);
  const json = { inputs: [{ ...input, parameters: { binary_data_size: bytes.length } }], parameters: { binary_data_output: true } };
  return framed(json, bytes);
};

/** The first output of an answer as a tensor of the package's kind. */
export function firstFloats(answer) {
  const { head, tail } = unframed(answer);
  const [{ shape, data, parameters }] = head.outputs;
  const bytes = tail.subarray(0, parameters?.binary_data_size ?? 0);
  const values = data ? Float32Array.from(data) : new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return { type: 'float32', dims: shape, data: values };
}

/** Every wrong request of the file; `base()` is the server's address. */
export function defineErrorTests(place, base) {
  for (const { name, method, path, json, tail, text, length, status, code, says, allow, problems } of cases) {
    test(`${place}: ${name}`, async () => {
      const options = tail === undefined ? { method, body: json ? JSON.stringify(json) : text } : framed(json, Buffer.from(tail, 'hex'));
      if (length) options.headers = { [LENGTH]: length };
      const answer = await ask(base(), path, options);
      assert.equal(answer.headers['content-type'], 'application/json');
      const said = answer.json();
      assert.deepEqual([answer.status, said.code], [status, code], said.error);
      assert.ok(said.error.includes(says), said.error);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      if (allow) assert.equal(answer.headers.allow, allow);
      if (problems) assert.deepEqual(said.details.problems.map(({ kind, operator, names }) => [kind, operator, ...names]), problems);
    });
  }
}

/** Models of other files than one `model.onnx`; `missing` is the code of one whose weights are not there. */
export function defineFileTests(place, base, missing) {
  const infer = async (model, inputs) => {
    const answer = await ask(base(), `/v2/models/${model}/infer`, { method: 'POST', body: JSON.stringify({ inputs }) });
    assert.equal(answer.status, 200, answer.body.toString());
    return answer.json().outputs;
  };
  test(`${place}: weights in a file beside the model`, async () => {
    const [{ data }] = await infer('outside', [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }]);
    assert.deepEqual(data, [12, 26]);
  });
  test(`${place}: a TensorFlow Lite file, its quantised ends as they are`, async () => {
    const inputs = Object.entries(liteCase.inputs).map(([name, { dims, values }]) => ({ name, datatype: 'INT8', shape: dims, data: values }));
    for (const { name, datatype, shape, data } of await infer('lite', inputs)) {
      const { dims, values } = liteCase.outputs[name];
      assert.deepEqual([datatype, shape], ['INT8', dims]);
      data.forEach((value, at) => assert.ok(Math.abs(value - values[at]) <= liteCase.atol, `${name}: ${data}`));
    }
  });
  if (!missing) return;
  test(`${place}: weights that are missing are named`, async () => {
    const said = (await ask(base(), '/v2/models/alone')).json();
    assert.equal(said.code, missing, said.error);
    assert.match(said.error, /`weights\.bin`/);
  });
}
