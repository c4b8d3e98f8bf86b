// The bench's site. In: subjects, and bits per second or none. Out: { url, close }, with both packages, the models and
// their inputs under one origin that is cross-origin isolated.
// The one decision: what a static host would have compressed beforehand is: scripts and wasm, as small as brotli and
// gzip make them, for both packages alike; models are not. A slow line is one queue for all connections.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join, normalize } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { cache, root } from '../../scripts/lib/paths.mjs';
import { serve } from '../lib/serve.mjs';
import { encode } from './page/wire.mjs';

const ort = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
export const folders = { pkg: join(root, 'pkg'), ort, bench: join(root, 'tests', 'bench', 'page') };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json', '.wasm': 'application/wasm' };
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp', 'Cross-Origin-Resource-Policy': 'same-origin',
};
const SLICE = 16 << 10;

const CODINGS = {
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
  gzip: (bytes) => gzipSync(bytes, { level: 9 }),
};

/** Half a minute for a large module: kept in the cache by content. */
export function compressed(bytes, coding) {
  const kept = join(cache, 'bench', `${createHash('sha256').update(bytes).digest('hex')}.${coding}`);
  if (!existsSync(kept)) {
    mkdirSync(dirname(kept), { recursive: true });
    writeFileSync(`${kept}.${process.pid}`, CODINGS[coding](bytes));
    renameSync(`${kept}.${process.pid}`, kept);
  }
  return readFileSync(kept);
}

/** One line for all: each slice waits for those before it. */
function slowLine(bitsPerSecond) {
  let free = 0;
  return async (response, body) => {
    for (let at = 0; at < body.length && !response.destroyed; at += SLICE) {
      const slice = body.subarray(at, at + SLICE);
      free = Math.max(free, performance.now()) + (slice.length * 8e3) / bitsPerSecond;
      await new Promise((resolve) => setTimeout(resolve, free - performance.now()));
      response.write(slice);
    }
    response.end();
  };
}

export function serveBench(subjects, { bitsPerSecond } = {}) {
  const slow = bitsPerSecond && slowLine(bitsPerSecond);
  return serve(async (request, response) => {
    const [, folder, ...rest] = decodeURIComponent(new URL(request.url, 'http://host').pathname).split('/');
    const path = rest.join('/');
    if (folder === '') return void response.writeHead(200, { ...ISOLATED, 'Content-Type': 'text/html' }).end('<!doctype html><title>bench</title>');
    const body = await find(folder, path, subjects);
    if (body === undefined) return void response.writeHead(404, ISOLATED).end();
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    const accepted = request.headers['accept-encoding'] ?? '';
    const coding = Object.keys(CODINGS).find((name) => Object.hasOwn(TYPES, extname(path)) && accepted.includes(name));
    const sent = coding && folder !== 'feeds' ? compressed(body, coding) : body;
    response.writeHead(200, {
      ...ISOLATED, 'Content-Type': type, 'Content-Length': sent.length, ...(sent === body ? {} : { 'Content-Encoding': coding }),
    });
    if (slow && ['pkg', 'ort', 'models'].includes(folder) && request.method === 'GET') return slow(response, sent);
    response.end(request.method === 'HEAD' ? undefined : sent);
  });
}

/** `/models/<name>/model.onnx`, its form beside it, `/feeds/<name>.json`, and files of the folders. */
async function find(folder, path, subjects) {
  if (Object.hasOwn(folders, folder)) return readFile(join(folders[folder], normalize(`/${path}`))).catch(() => undefined);
  if (folder === 'models' && path.endsWith('/model.nearside')) return subjects.find(({ name }) => path === `${name}/model.nearside`)?.form;
  const subject = subjects.find(({ name }) => path === (folder === 'feeds' ? `${name}.json` : `${name}/model.onnx`));
  if (folder === 'models' && subject) return readFile(subject.file);
  if (folder === 'feeds' && subject) return Buffer.from(JSON.stringify(encode(subject.feeds)));
  return undefined;
}

export const modelPath = ({ name }) => `/models/${name}/model.onnx`;
export const formPath = ({ name }) => `/models/${name}/model.nearside`;
export const feedsPath = ({ name }) => `/feeds/${name}.json`;
