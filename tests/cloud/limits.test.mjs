// What happens at the limits of `nearside serve`: size, time, numbers, memory, and its end.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { nativeBinary } from '../../scripts/lib/paths.mjs';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits } from '../lib/digits.mjs';
import { identity } from '../lib/onnx.mjs';
import { ask, digitRequest, firstFloats, framed, hangUp, held } from '../lib/protocol.mjs';
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
/** Waits for what has to come, however slow the machine is. */
async function until(found, what) {
  for (const late = performance.now() + 60_000; !found();) {
    assert.ok(performance.now() < late, `not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
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
    // A request has its place before it is read.
    const places = [await held(cloud.url, '/v2/models/slow/infer', slowRequest(768)), await held(cloud.url, '/v2/models/slow/infer', slowRequest(768))];
    for (let more = 0; more < 4; more += 1) {
      const refused = await slow(cloud, 768);
      assert.deepEqual([refused.status, refused.headers['retry-after'], refused.json().code], [503, '1', 'UNAVAILABLE']);
    }
    const answers = await Promise.all(places.map((one) => one.send()));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
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
    const type = async () => (await ask(cloud.url, '/v2/models/new')).json().inputs[0].datatype;
    assert.equal(await type(), 'INT32');
    // A file that takes another's place is another model, also where it is as large, and as old: archives and images of
    // containers keep a file's time, or give all files one.
    const file = join(models.folder, 'new', '2', 'model.onnx');
    for (const [kind, wanted] of [['uint8', 'UINT8'], ['int64', 'INT64'], ['float64', 'FP64']]) {
      writeFileSync(`${file}.part`, identity(kind));
      utimesSync(`${file}.part`, 1, 1);
      renameSync(`${file}.part`, file);
      assert.equal(await type(), wanted);
    }
    rmSync(join(models.folder, 'new'), { recursive: true });
    assert.equal((await ask(cloud.url, '/v2/models/new')).status, 404);
  });
});

test('what is still being written beside a model disturbs nobody', async () => {
  await withCloud([], async (cloud, log) => {
    const part = join(models.folder, 'digits', '1', 'model.nearside.1.part');
    for (let size = 0; size < 3; size += 1) {
      assert.equal((await digit(cloud)).status, 200);
      writeFileSync(part, Buffer.alloc(size * 1000));
    }
    rmSync(part);
    assert.equal(loads(log, 'digits'), 1);
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
  const log = [];
  const cloud = await startCloud({ models: models.folder, log: (line) => log.push(line) });
  const inFlight = await held(cloud.url, '/v2/models/digits/infer', digitRequest(digits.cases[0]));
  cloud.signal('SIGTERM');
  await until(() => log.some((line) => line.includes('stopping')), 'the signal was heard');
  await assert.rejects(ask(cloud.url, '/v2/health/live'), /ECONNREFUSED|ECONNRESET|socket hang up/);
  checkDigit(firstFloats(await inFlight.send()), digits.cases[0]);
  assert.equal(await cloud.exited, 0);
});

/** Starts a server, tells it to stop as soon as its address can be read, and says how it ended; 20 times. */
const STOPPED_AT_ONCE = `
mkfifo "$1/said"
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  "$2" serve --models "$3" --port 0 > "$1/said" 2> /dev/null &
  server=$!
  read line < "$1/said"
  kill -TERM $server
  wait $server
  printf '%s ' $?
done`;

test('a signal that comes as soon as the address is read is heard', { skip: process.platform === 'win32' && 'no signals' }, () => {
  // A shell, because Node is so slow that the server has long been ready.
  const folder = mkdtempSync(join(tmpdir(), 'nearside-signal-'));
  try {
    const { stdout, stderr } = spawnSync('sh', ['-c', STOPPED_AT_ONCE, 'sh', folder, nativeBinary, models.folder], { encoding: 'utf8', timeout: 120_000 });
    assert.equal(stdout, '0 '.repeat(20), stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a run longer than the drain time does not keep the server', async () => {
  const log = [];
  const cloud = await startCloud({ models: models.folder, args: ['--drain', '0.2'], log: (line) => log.push(line) });
  await ask(cloud.url, '/v2/models/slow');
  // Work that on no machine is done before the drain time is over.
  let answered;
  const inFlight = (await held(cloud.url, '/v2/models/slow/infer', slowRequest(3072))).send().then(() => { answered = true; }, ({ code }) => code);
  // By then it runs; where it does not yet, the server has even less to wait for.
  await new Promise((resolve) => setTimeout(resolve, 300));
  cloud.signal('SIGTERM');
  assert.equal(await cloud.exited, 0);
  assert.ok(log.some((line) => line.includes('requests were still running')), log.join('\n'));
  await inFlight;
  assert.equal(answered, undefined);
});

test('no folder, no server', async () => {
  await assert.rejects(startCloud({ models: join(models.folder, 'missing') }), /ended \(7\).*models folder/s);
});
