// Downloads against a real HTTP server that breaks, lies and changes its mind. In: pkg/download.js. Out: verdicts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { askSize, download } from '../../pkg/download.js';
import { serve } from '../lib/serve.mjs';

const FILE = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) % 251));
const HEAD = { 'Content-Type': 'application/octet-stream', ETag: '"v1"', 'Accept-Ranges': 'bytes' };

/** Collects what a download delivers. */
function collector() {
  let parts = [];
  const starts = [];
  return {
    starts,
    start(size) { starts.push(size); parts = []; },
    append(chunk) { parts.push(Buffer.from(chunk)); },
    get bytes() { return Buffer.concat(parts); },
  };
}

/** Sends a part of the announced body and cuts the connection. */
function breakAfter(response, status, headers, body, count) {
  response.writeHead(status, headers);
  response.write(body.subarray(0, count), () => setTimeout(() => response.destroy(), 20));
}

const rangeOf = (request) => Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
const rest = (from) => ({ ...HEAD, 'Content-Length': FILE.length - from, 'Content-Range': `bytes ${from}-${FILE.length - 1}/${FILE.length}` });

async function withServer(handler, work) {
  const server = await serve(handler);
  try {
    await work(`${server.url}/models/net.onnx?token=1`, server.requests);
  } finally {
    await server.close();
  }
}

test('download: whole, with the events of transformers.js', () => withServer(
  (request, response) => response.writeHead(200, { ...HEAD, 'Content-Length': FILE.length }).end(FILE),
  async (url) => {
    const sink = collector();
    const events = [];
    const result = await download(url, sink, { onProgress: (event) => events.push(event) });
    assert.deepEqual(result, { bytes: FILE.length, bytesFetched: FILE.length });
    assert.deepEqual(sink.bytes, FILE);
    assert.deepEqual(sink.starts, [FILE.length]);
    assert.deepEqual([...new Set(events.map(({ status }) => status))], ['initiate', 'download', 'progress', 'done']);
    const last = events.findLast(({ status }) => status === 'progress');
    assert.deepEqual(last, { status: 'progress', file: 'net.onnx', url, loaded: FILE.length, total: FILE.length, progress: 100 });
  },
));

test('download: the first bytes are reported at once, by a clock that has just begun', (t) => {
  // A worker's clock begins with the worker, and a file that is near comes within its first milliseconds.
  t.mock.method(performance, 'now', () => 3);
  return withServer((request, response) => {
    response.writeHead(200, { ...HEAD, 'Content-Length': FILE.length });
    response.write(FILE.subarray(0, 1000));
  }, async (url) => {
    const controller = new AbortController();
    const overdue = setTimeout(() => controller.abort(new Error('nothing was reported')), 5000);
    const loaded = new Promise((resolve) => {
      const onProgress = (event) => event.status === 'progress' && resolve(event.loaded);
      download(url, collector(), { signal: controller.signal, onProgress }).catch(({ message }) => resolve(message));
    });
    assert.equal(await loaded, 1000);
    clearTimeout(overdue);
    controller.abort();
  });
});

test('download: a broken connection is resumed where it broke', () => {
  let broken = 0;
  return withServer((request, response) => {
    const from = rangeOf(request);
    if (broken < 2) {
      broken += 1;
      const headers = from ? rest(from) : { ...HEAD, 'Content-Length': FILE.length };
      return breakAfter(response, from ? 206 : 200, headers, FILE.subarray(from), 100_000);
    }
    return response.writeHead(206, rest(from)).end(FILE.subarray(from));
  }, async (url, requests) => {
    const sink = collector();
    const { bytes, bytesFetched } = await download(url, sink);
    assert.deepEqual(sink.bytes, FILE);
    assert.equal(sink.starts.length, 1);
    assert.equal(bytes, FILE.length);
    assert.equal(bytesFetched, FILE.length, 'nothing is fetched twice');
    assert.deepEqual(requests.map(({ headers }) => headers.range), [undefined, 'bytes=100000-', 'bytes=200000-']);
  });
});

test('download: another ETag means another file, so it starts over', () => {
  let first = true;
  return withServer((request, response) => {
    if (first) {
      first = false;
      return breakAfter(response, 200, { ...HEAD, ETag: '"v0"', 'Content-Length': FILE.length }, Buffer.alloc(FILE.length), 100_000);
    }
    const from = rangeOf(request);
    return from ? response.writeHead(206, rest(from)).end(FILE.subarray(from)) : response.writeHead(200, { ...HEAD, 'Content-Length': FILE.length }).end(FILE);
  }, async (url) => {
    const sink = collector();
    await download(url, sink);
    assert.deepEqual(sink.bytes, FILE);
    assert.equal(sink.starts.length, 2);
  });
});

test('download: a server that ignores Range is read from the start', () => {
  let first = true;
  return withServer((request, response) => {
    if (first) {
      first = false;
      return breakAfter(response, 200, { ...HEAD, 'Content-Length': FILE.length }, FILE, 100_000);
    }
    return response.writeHead(200, { ...HEAD, 'Content-Length': FILE.length }).end(FILE);
  }, async (url) => {
    const sink = collector();
    await download(url, sink);
    assert.deepEqual(sink.bytes, FILE);
  });
});

test('download: without a strong ETag nothing is resumed', () => {
  let first = true;
  return withServer((request, response) => {
    if (first) {
      first = false;
      return breakAfter(response, 200, { ...HEAD, ETag: 'W/"v1"', 'Content-Length': FILE.length }, FILE, 100_000);
    }
    return response.writeHead(200, { ...HEAD, 'Content-Length': FILE.length }).end(FILE);
  }, async (url, requests) => {
    const sink = collector();
    await download(url, sink);
    assert.deepEqual(sink.bytes, FILE);
    assert.equal(requests[1].headers.range, undefined);
  });
});

test('download: a body that stays short fails with address and status', () => withServer(
  (request, response) => breakAfter(response, 200, { 'Content-Length': FILE.length }, FILE, 1000),
  async (url, requests) => {
    await assert.rejects(download(url, collector()), (error) => {
      assert.equal(error.code, 'DOWNLOAD_FAILED');
      assert.deepEqual(error.details, { url, status: 200 });
      assert.match(error.message, /net\.onnx.*after 1000 bytes/);
      return true;
    });
    assert.equal(requests.length, 3);
  },
));

test('download: 503 is tried again, 404 is not', async () => {
  let count = 0;
  await withServer((request, response) => {
    count += 1;
    return count < 3 ? response.writeHead(503).end() : response.writeHead(200, HEAD).end(FILE);
  }, async (url) => {
    const sink = collector();
    await download(url, sink);
    assert.deepEqual(sink.bytes, FILE);
  });
  await withServer((request, response) => response.writeHead(404).end(), async (url, requests) => {
    await assert.rejects(download(url, collector()), { code: 'DOWNLOAD_FAILED', message: `${url}: HTTP 404`, details: { url, status: 404 } });
    assert.equal(requests.length, 1);
  });
});

test('download: nobody listens', async () => {
  const server = await serve(() => {});
  await server.close();
  await assert.rejects(download(`${server.url}/x.onnx`, collector()), { code: 'DOWNLOAD_FAILED', message: /ECONNREFUSED/ });
});

test('download: pages and pointers in place of a model', async () => {
  const rows = [
    [{ 'Content-Type': 'text/html; charset=utf-8' }, '<p>Not found</p>', /HTML page/],
    [{ 'Content-Type': 'application/octet-stream' }, '\n<!DOCTYPE html><title>App</title>', /HTML page/],
    [{ 'Content-Type': 'text/plain' }, 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /Git LFS/],
  ];
  for (const [headers, body, message] of rows) {
    await withServer((request, response) => response.writeHead(200, headers).end(body), async (url, requests) => {
      await assert.rejects(download(url, collector()), { code: 'DOWNLOAD_FAILED', message, details: { url, status: 200 } });
      assert.equal(requests.length, 1);
    });
  }
});

test('download: a compressed body and one of unknown length are taken whole', async () => {
  const zipped = gzipSync(FILE);
  await withServer((request, response) => response.writeHead(200, { ...HEAD, 'Content-Encoding': 'gzip', 'Content-Length': zipped.length }).end(zipped), async (url) => {
    const sink = collector();
    assert.equal((await download(url, sink)).bytes, FILE.length);
    assert.deepEqual(sink.bytes, FILE);
  });
  await withServer((request, response) => {
    response.writeHead(200, HEAD);
    response.write(FILE.subarray(0, 1000));
    response.end(FILE.subarray(1000));
  }, async (url) => {
    const sink = collector();
    await download(url, sink);
    assert.deepEqual(sink.bytes, FILE);
    assert.deepEqual(sink.starts, [0]);
  });
});

test('download: that the body of an answer breaks which nobody wants is no failure of its own', async (t) => {
  const url = 'http://host/net.onnx';
  const answers = [{ status: 405 }, { status: 200, headers: { 'Content-Length': '77' } }, { status: 404 }, { status: 200, headers: { 'Content-Type': 'text/html' } }];
  const body = () => new ReadableStream({ start: (controller) => controller.error(new TypeError('terminated')) });
  t.mock.method(globalThis, 'fetch', async () => new Response(body(), answers.shift()));
  assert.equal(await askSize(url), 77);
  await assert.rejects(download(url, collector()), { code: 'DOWNLOAD_FAILED', details: { url, status: 404 } });
  await assert.rejects(download(url, collector()), { code: 'DOWNLOAD_FAILED', message: /HTML page/ });
});

test('download: a body or an answer that stalls is given up and asked for again, and one that always does fails', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const url = 'http://host/net.onnx';
  const part = (from, to) => new ReadableStream({ start: (controller) => controller.enqueue(FILE.subarray(from, to)) });
  const whole = { ...HEAD, 'Content-Length': String(FILE.length) };
  const answers = [
    () => new Response(part(0, 1000), { headers: whole }),
    () => new Response(FILE.subarray(1000), { status: 206, headers: rest(1000) }),
  ];
  const asked = [];
  t.mock.method(globalThis, 'fetch', async (_, { headers }) => {
    asked.push(headers?.Range);
    return answers.shift()();
  });
  /** Time passes as soon as nothing else is to be done. */
  const passing = async (work) => {
    let done = false;
    const end = work.finally(() => { done = true; });
    end.catch(() => {});
    for (let seconds = 0; !done; seconds += 1) {
      assert.ok(seconds < 1000, 'it waits for ever');
      await new Promise(setImmediate);
      t.mock.timers.tick(1000);
    }
    return end;
  };
  const sink = collector();
  assert.deepEqual(await passing(download(url, sink)), { bytes: FILE.length, bytesFetched: FILE.length });
  assert.deepEqual(sink.bytes, FILE);
  assert.deepEqual(asked, [undefined, 'bytes=1000-']);

  // A server that takes the connection and says nothing.
  answers.push(() => new Promise(() => {}), () => new Response(FILE, { headers: whole }));
  assert.equal((await passing(download(url, collector()))).bytes, FILE.length);
  answers.push(...Array.from({ length: 3 }, () => () => new Promise(() => {})));
  await assert.rejects(passing(download(url, collector())), { code: 'DOWNLOAD_FAILED', message: /no answer within 60 s/ });

  for (let turn = 0; turn < 3; turn += 1) answers.push(() => new Response(part(0, 1000), { headers: { ...whole, ETag: `"${turn}"` } }));
  await assert.rejects(passing(download(url, collector())), { code: 'DOWNLOAD_FAILED', message: /nothing came for 60 s after 1000 bytes/ });
});

test('download: over the budget, announced or not', async () => {
  for (const headers of [{ ...HEAD, 'Content-Length': FILE.length }, HEAD]) {
    await withServer((request, response) => response.writeHead(200, headers).end(FILE), async (url) => {
      const sink = collector();
      await assert.rejects(download(url, sink, { maxBytes: 1000 }), { code: 'OVER_BUDGET' });
      assert.equal(sink.bytes.length, 0);
    });
  }
});

test('download: aborted while it arrives, and while it waits to try again', async () => {
  await withServer((request, response) => {
    response.writeHead(200, { ...HEAD, 'Content-Length': FILE.length });
    response.write(FILE.subarray(0, 1000));
  }, async (url) => {
    const controller = new AbortController();
    const sink = collector();
    const wanted = download(url, { ...sink, start() {}, append: () => controller.abort(new Error('enough')) }, { signal: controller.signal });
    await assert.rejects(wanted, (error) => error.code === 'ABORTED' && error.cause.message === 'enough');
  });
  await withServer((request, response) => response.writeHead(503).end(), async (url) => {
    await assert.rejects(download(url, collector(), { signal: AbortSignal.timeout(100) }), { code: 'ABORTED' });
  });
});

test('size: HEAD, else the headers of a GET whose body is not taken, else unknown', async () => {
  const length = { ...HEAD, 'Content-Length': FILE.length };
  await withServer((request, response) => response.writeHead(200, length).end(), async (url, requests) => {
    assert.equal(await askSize(url), FILE.length);
    assert.deepEqual(requests.map(({ method }) => method), ['HEAD']);
  });
  await withServer((request, response) => {
    if (request.method === 'HEAD') return response.writeHead(405).end();
    response.writeHead(200, length);
    return response.write(FILE.subarray(0, 10));
  }, async (url, requests) => {
    assert.equal(await askSize(url), FILE.length);
    assert.deepEqual(requests.map(({ method }) => method), ['HEAD', 'GET']);
  });
  await withServer((request, response) => { response.writeHead(200, HEAD); response.write('x'); response.end(); }, async (url) => {
    assert.equal(await askSize(url), undefined);
  });
  await withServer((request, response) => response.writeHead(404).end(), async (url) => {
    await assert.rejects(askSize(url), { code: 'DOWNLOAD_FAILED', details: { url, status: 404 } });
  });
});
