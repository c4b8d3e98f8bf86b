/**
 * Node: the engine inline, its wasm and model files from the disk.
 *
 * In: `env`; a path, a file: address, an http(s) address, or bytes. Out: the engine, the model as chunks.
 * @module
 */
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { wasmSource } from '../env.js';
import { EngineHost } from '../engine/host.js';
import { startInline } from '../engine/inline.js';
import { compileFrom, fetched } from '../engine/wasm.js';
import { NearsideError } from '../errors.js';

export { missing } from '../engine/support.js';

/** Of one letter it is a drive of Windows. */
const hasScheme = (text) => /^[a-z][a-z0-9+.-]+:/i.test(text);
const isFile = (text) => !hasScheme(text) || text.startsWith('file:');
const pathOf = (text) => (text.startsWith('file:') ? fileURLToPath(text) : text);

export const host = new EngineHost((wanted) => {
  const source = wasmSource((text) => text, wanted, availableParallelism());
  return startInline({ compile: (options) => compileFrom(source, options, asked), whole: wanted.whole, threads: source.threads, spawn });
});

/** Files are read, the rest is fetched. */
async function asked(address) {
  if (!isFile(address)) return fetched(address);
  const bytes = await readFile(pathOf(address)).catch((error) => {
    throw new NearsideError('ENGINE_FAILED', `${address}: ${error.message}`, { url: address }, error);
  });
  return new Response(bytes);
}

/** A thread that does not keep the process alive. @type {import('../engine/pool.js').Spawn} */
function spawn(workerData) {
  const thread = new Worker(new URL('./node-lane.js', import.meta.url), { workerData });
  // One that does not start is not missed.
  thread.on('error', () => {});
  thread.unref();
  return thread;
}

/** @type {import('../device.js').Platform['locate']} */
export function locate(source) {
  if (source.url === undefined || !isFile(source.url)) return source;
  const path = pathOf(source.url);
  return { file: { ...fileAt(path), beside: (location) => beside(dirname(path), location) } };
}

const fileAt = (path) => ({ url: pathToFileURL(path).href, size: () => sizeOf(path), chunks: () => chunksOf(path) });

/** A file below the model's folder, whatever links say. */
async function beside(folder, location) {
  const path = join(folder, location);
  const [root, real] = await Promise.all([folder, path].map((one) => realpath(one).catch((error) => unreadable(path, error))));
  if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) unreadable(path, new Error("the link leads out of the model's folder"));
  return { file: fileAt(real) };
}

async function sizeOf(path) {
  return (await stat(path).catch((error) => unreadable(path, error))).size;
}

async function* chunksOf(path) {
  const file = await open(path).catch((error) => unreadable(path, error));
  try {
    for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20, autoClose: false })) yield chunk;
  } catch (error) {
    unreadable(path, error);
  } finally {
    await file.close();
  }
}

function unreadable(path, error) {
  throw new NearsideError('DOWNLOAD_FAILED', `${path}: ${error.message}`, { url: path }, error);
}
