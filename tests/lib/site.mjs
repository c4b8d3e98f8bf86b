// A site for browser tests: the package at /pkg/, the digit model at /models/, pages and scripts of the test's own,
// all under one Content-Security-Policy. In: the policy, files by path, a handler that may answer first.
// Out: { url, requests, close }.
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from './serve.mjs';

export const STRICT = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = [['/pkg/', join(ROOT, 'pkg')], ['/models/', join(ROOT, 'www', 'models')], ['/tests/', join(ROOT, 'tests')]];
const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.json': 'application/json',
  '.wasm': 'application/wasm', '.onnx': 'application/octet-stream', '.tflite': 'application/octet-stream', '.bin': 'application/octet-stream',
};
const PAGE = '<!doctype html><title>test</title>';

/**
 * @param {{ policy?: string, files?: Record<string, string | Uint8Array>,
 *           intercept?: (request: object, response: object) => boolean }} [options]
 */
export function serveSite({ policy = STRICT, files = {}, intercept = () => false } = {}) {
  return serve(async (request, response) => {
    response.setHeader('Content-Security-Policy', policy);
    if (intercept(request, response)) return;
    const path = decodeURIComponent(new URL(request.url, 'http://host').pathname);
    const body = await find(path, files);
    if (body === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'text/html', 'Content-Length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
}

async function find(path, files) {
  if (Object.hasOwn(files, path)) return files[path];
  if (path === '/') return PAGE;
  if (path === '/favicon.ico') return '';
  const [prefix, folder] = FOLDERS.find(([start]) => path.startsWith(start)) ?? [];
  return folder && readFile(join(folder, normalize(`/${path.slice(prefix.length)}`))).catch(() => undefined);
}
