// What happens at the limits of `nearside serve`: size, time, numbers, memory, and its end.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits } from '../lib/digits.mjs';
import { identity } from '../lib/onnx.mjs';
import { ask, digitRequest, firstFloats, framed, hangUp } from '../lib/protocol.mjs';
import { servedModels } from '../lib/served-models.mjs';

let models;
before(() => { models = servedModels(); });
after(() => {
  hangUp();
  models?.remove();
});

/** A server for one test, with the lines of its log. */
async function withCloud(args, work) {
  const log = [];
  const cloud = await startCloud({ models: models.folder, args, log: (line) => log.push(line) });
  try {
    return await work(cloud, log);
  } finally {
    await cloud.stop();
  }
}

/** A request that takes about as long as `size` cubed. */
function slowRequest(size) {
  const bytes = Buffer.alloc(size * size * 4);
  const input = { name: 'x', shape: [size, size], datatype: 'FP32', parameters: { binary_data_size: bytes.length } };
  return framed({ inputs: [input], parameters: { binary_data_output: true } }, bytes);
}
const slow = (cloud, size = 1024) => ask(cloud.url, '/v2/models/slow/infer', slowRequest(size));
const digit = (cloud) => ask(cloud.url, '/v2/models/digits/infer', digitRequest(digits.cases[0]));
const loads = (log, model) => log.filter((line) => /\bloaded\b/.test(line) && line.includes(`model="${model}"`)).length;

test('bodies over the limit get 413, declared or not, and the server goes on', async () => {
  await withCloud(['--max-body', '10000'], async (cloud) => {
    for (const chunked of [false, true]) {
      for (const size of [10_001, 100_000, 5_000_000]) {
        const answer = await ask(cloud.url, '/v2/models/digits/infer', { method: 'POST', body: Buffer.alloc(size), chunked });
        assert.deepEqual([answer.status, answer.json().code], [413, 'TOO_LARGE'], `${size} bytes`);
      }
    }
    checkDigit(firstFloats(await digit(cloud)), digits.cases[0]);
  });
});

test('what is no HTTP, and heads that do not end, leave the server alone', async () => {
  await withCloud([], async (cloud) => {
    const { hostname, port } = new URL(cloud.url);
    const say = (bytes) => new Promise((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.end(bytes));
      let heard = '';
      socket.on('data', (part) => { heard += part.toString('latin1'); }).on('error', () => {}).on('close', () => resolve(heard));
    });
    const long = `GET /v2 HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(1_000_000)}`;
    for (const bytes of ['', '\r\n\r\n', Buffer.alloc(1000, 0xff), 'GET / HTTP/9.9\r\n\r\n', long, 'POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n']) {
      assert.doesNotMatch(await say(bytes), /^HTTP\/1\.1 (200|500)/);
    }
    checkDigit(firstFloats(await digit(cloud)), digits.cases[0]);
  });
});

test('a body that never ends is cut off by the time limit', async () => {
  await withCloud(['--timeout', '1'], async (cloud) => {
    const { hostname, port } = new URL(cloud.url);
    const socket = connect(Number(port), hostname);
    socket.write('POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{');
    const [head] = await once(socket.setEncoding('utf8'), 'data');
    assert.match(head, /^HTTP\/1\.1 504 /);
    socket.destroy();
    checkDigit(firstFloats(await digit(cloud)), digits.cases[0]);
  });
});

test('a run over the time limit gets 504', async () => {
  await withCloud(['--timeout', '0.2'], async (cloud) => {
    const answer = await slow(cloud, 2048);
    assert.deepEqual([answer.status, answer.json().code], [504, 'TIMEOUT']);
  });
});

test('more requests than may wait get 503 and when to come again', async () => {
  await withCloud(['--concurrency', '1', '--queue', '1'], async (cloud) => {
    await digit(cloud);
    const answers = await Promise.all(Array.from({ length: 6 }, () => slow(cloud, 768)));
    const statuses = answers.map(({ status }) => status).sort();
    assert.ok(statuses.filter((status) => status === 200).length >= 2, statuses.join());
    const refused = answers.filter(({ status }) => status === 503);
    assert.ok(refused.length >= 1, statuses.join());
    assert.equal(statuses.filter((status) => ![200, 503].includes(status)).length, 0, statuses.join());
    assert.deepEqual([refused[0].headers['retry-after'], refused[0].json().code], ['1', 'UNAVAILABLE']);
    assert.equal((await ask(cloud.url, '/v2/health/live')).status, 200);
    checkDigit(firstFloats(await digit(cloud)), digits.cases[0]);
  });
});

test('many requests at once load a model once and get their own answers', async () => {
  await withCloud(['--queue', '200'], async (cloud, log) => {
    const wanted = Array.from({ length: 64 }, (_, i) => digits.cases[i % digits.cases.length]);
    const answers = await Promise.all(wanted.map((example) => ask(cloud.url, '/v2/models/digits/infer', digitRequest(example))));
    answers.forEach((answer, i) => checkDigit(firstFloats(answer), wanted[i]));
    assert.equal(loads(log, 'digits'), 1);
  });
});

test('loaded models make room for one another', async () => {
  await withCloud(['--cache', '1'], async (cloud, log) => {
    for (let round = 0; round < 2; round += 1) {
      assert.equal((await digit(cloud)).status, 200);
      assert.equal((await ask(cloud.url, '/v2/models/echo')).status, 200);
    }
    assert.deepEqual([loads(log, 'digits'), loads(log, 'echo')], [2, 2]);
  });
});

test('a model over the limit is refused and not read', async () => {
  await withCloud(['--max-size', '1000'], async (cloud) => {
    const answer = await digit(cloud);
    assert.deepEqual([answer.status, answer.json().code], [413, 'TOO_LARGE']);
    assert.equal((await ask(cloud.url, '/v2/models/echo')).status, 200);
  });
});

test('what changes in the folder is seen at once', async () => {
  await withCloud([], async (cloud) => {
    const versions = async () => (await ask(cloud.url, '/v2/models/new')).json().versions;
    assert.equal((await ask(cloud.url, '/v2/models/new')).status, 404);
    models.put('new', 1, identity('float32'));
    assert.deepEqual(await versions(), ['1']);
    models.put('new', 2, 'half a file');
    assert.equal((await ask(cloud.url, '/v2/models/new')).json().code, 'INVALID_MODEL');
    models.put('new', 2, identity('int32'));
    assert.deepEqual(await versions(), ['1', '2']);
    assert.equal((await ask(cloud.url, '/v2/models/new')).json().inputs[0].datatype, 'INT32');
    // A file that takes another's place is another model.
    const file = join(models.folder, 'new', '2', 'model.onnx');
    writeFileSync(`${file}.part`, identity('uint8', ['n', 'm']));
    renameSync(`${file}.part`, file);
    assert.equal((await ask(cloud.url, '/v2/models/new')).json().inputs[0].datatype, 'UINT8');
    rmSync(join(models.folder, 'new'), { recursive: true });
    assert.equal((await ask(cloud.url, '/v2/models/new')).status, 404);
  });
});

test('preloading names what cannot be loaded and serves the rest', async () => {
  await withCloud(['--preload'], async (cloud, log) => {
    assert.equal(loads(log, 'digits'), 1);
    assert.ok(log.some((line) => line.includes('INVALID_MODEL') && line.includes('broken')), log.join('\n'));
    assert.equal((await digit(cloud)).status, 200);
    assert.equal(loads(log, 'digits'), 1);
  });
});

test('only the named origins may call', async () => {
  await withCloud(['--cors', 'https://a.example,https://b.example'], async (cloud) => {
    const allowed = async (origin) => (await ask(cloud.url, '/v2', { headers: { origin } })).headers['access-control-allow-origin'];
    assert.equal(await allowed('https://b.example'), 'https://b.example');
    assert.equal(await allowed('https://c.example'), undefined);
  });
});

test('after SIGTERM requests in flight are answered, and the server ends with 0', async () => {
  const cloud = await startCloud({ models: models.folder });
  await digit(cloud);
  let answered = false;
  const inFlight = slow(cloud, 1024).finally(() => { answered = true; });
  // Long enough for the request to arrive, and shorter than its run.
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(answered, false);
  const [answer] = await Promise.all([inFlight, cloud.stop()]);
  assert.equal(answer.status, 200);
  assert.equal(await cloud.exited, 0);
  await assert.rejects(ask(cloud.url, '/v2/health/live'), /ECONNREFUSED|ECONNRESET|socket hang up/);
});

test('a run longer than the drain time does not keep the server', async () => {
  const cloud = await startCloud({ models: models.folder, args: ['--drain', '0.2'] });
  const inFlight = slow(cloud, 2048).catch((error) => error.code);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const since = performance.now();
  await cloud.stop();
  assert.equal(await cloud.exited, 0);
  assert.ok(performance.now() - since < 2000);
  await inFlight;
});

test('no folder, no server', async () => {
  await assert.rejects(startCloud({ models: join(models.folder, 'missing') }), /ended \(7\).*models folder/s);
});
