/**
 * Download: a model file from an address, chunk by chunk.
 *
 * In: an address, a sink that takes chunks, a limit. Out: how many bytes came; or DOWNLOAD_FAILED with the
 * address and the status, OVER_BUDGET, ABORTED. One decision: what was received is kept when the connection
 * breaks or stalls and the rest is asked for with `Range`, provided that the server's ETag says it is the same file;
 * otherwise the sink starts over.
 * @module
 */
import { NearsideError, abortError } from './errors.js';
import { sleep, throwIfAborted } from './signals.js';

const RETRIES = 2;
const BACKOFF_MS = 250;
const RETRY_STATUS = new Set([429, 500, 502, 503, 504]);
const PROGRESS_EVERY_MS = 50;
/** A connection on which nothing came for so long is taken for broken: it may be, without anybody saying so. */
const STALLED_MS = 60_000;

/**
 * @typedef {object} Sink
 * @property {(sizeHint: number) => void | Promise<void>} start begins, or begins again
 * @property {(chunk: Uint8Array) => void | Promise<void>} append
 *
 * @typedef {{ status: string, file: string, url: string, loaded?: number, total?: number, progress?: number }} Progress
 */

/** The last part of an address, which progress events call the file. */
export function fileOf(url) {
  if (url.startsWith('data:') || url.startsWith('blob:')) return url.slice(0, 40);
  return url.split(/[?#]/)[0].split(/[\\/]/).filter(Boolean).at(-1) ?? url;
}

/**
 * Asks how large a file is without taking it: HEAD, and where that does not tell, a GET whose body is cancelled.
 * @param {string} url
 * @param {{ headers?: Record<string, string>, signal?: AbortSignal }} [options]
 * @returns {Promise<number | undefined>} undefined: the server does not say
 */
export async function askSize(url, { headers, signal } = {}) {
  throwIfAborted(signal);
  for (const method of ['HEAD', 'GET']) {
    let response;
    try {
      response = await fetch(url, { method, headers, signal });
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      if (method === 'HEAD') continue;
      throw failed(url, reasonOf(error), undefined, error);
    }
    await leave(response);
    if (!response.ok && method === 'GET') throw failed(url, `HTTP ${response.status}`, response.status);
    const size = response.ok ? lengthOf(response) : undefined;
    if (size !== undefined) return size;
  }
  return undefined;
}

/**
 * Fetches `url` into `sink`.
 * @param {string} url
 * @param {Sink} sink
 * @param {{ headers?: Record<string, string>, signal?: AbortSignal, maxBytes?: number,
 *           onProgress?: (event: Progress) => void }} [options]
 * @returns {Promise<{ bytes: number, bytesFetched: number }>} size of the file; bytes that were moved for it
 */
export async function download(url, sink, { headers, signal, maxBytes = Infinity, onProgress } = {}) {
  const file = fileOf(url);
  const state = { url, loaded: 0, fetched: 0, total: undefined, etag: undefined, maxBytes, sink };
  const report = (status) => onProgress?.({
    status, file, url, loaded: state.loaded, total: state.total ?? state.loaded,
    progress: state.total ? (100 * state.loaded) / state.total : 0,
  });
  onProgress?.({ status: 'initiate', file, url });
  for (let attempt = 0; ; attempt += 1) {
    try {
      throwIfAborted(signal);
      await receive(await request(state, headers, signal), state, report, signal);
      state.total = state.loaded;
      report('progress');
      onProgress?.({ status: 'done', file, url, loaded: state.loaded, total: state.loaded, progress: 100 });
      return { bytes: state.loaded, bytesFetched: state.fetched };
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      if (error instanceof NearsideError) throw error;
      if (!(error instanceof Transient)) throw error;
      if (attempt === RETRIES) throw failed(url, error.message, error.status, error.cause);
    }
    await sleep(BACKOFF_MS * 4 ** attempt, signal);
  }
}

/** A failure that another attempt may cure. */
class Transient extends Error {
  /** @param {string} message @param {number} [status] @param {unknown} [cause] */
  constructor(message, status, cause) {
    super(message, { cause });
    this.status = status;
  }
}

/** Opens the body at the place where the last one broke, or at the beginning. */
async function request(state, headers, signal) {
  // Only a strong ETag proves that both halves are of one file.
  const resume = state.loaded > 0 && state.etag !== undefined;
  const asked = fetch(state.url, {
    headers: resume ? { ...headers, Range: `bytes=${state.loaded}-` } : headers, signal,
  });
  let response;
  try {
    response = await inTime(asked);
  } catch (error) {
    // It may come all the same.
    asked.then(leave, () => {});
    throw error === STALLED ? new Transient(`no answer within ${STALLED_MS / 1000} s`) : new Transient(reasonOf(error), undefined, error);
  }
  if (resume && response.status === 206 && response.headers.get('ETag') === state.etag
    && response.headers.get('Content-Range')?.startsWith(`bytes ${state.loaded}-`)) return response;
  if (response.status === 206 || response.status === 416) {
    await leave(response);
    state.etag = undefined;
    return request(state, headers, signal);
  }
  if (!response.ok) {
    await leave(response);
    if (RETRY_STATUS.has(response.status)) throw new Transient(`HTTP ${response.status}`, response.status);
    throw failed(state.url, `HTTP ${response.status}`, response.status);
  }
  if (/^text\/html\b/i.test(response.headers.get('Content-Type') ?? '')) {
    await leave(response);
    throw failed(state.url, `HTTP ${response.status}, but the answer is an HTML page and not a model`, response.status);
  }
  state.loaded = 0;
  state.total = lengthOf(response);
  const etag = response.headers.get('ETag');
  state.etag = etag && !etag.startsWith('W/') && !response.headers.get('Content-Encoding') ? etag : undefined;
  checkLimit(state, state.total ?? 0, response);
  await state.sink.start(state.total ?? 0);
  return response;
}

async function receive(response, state, report, signal) {
  report('download');
  const progress = throttled(report);
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read()).catch((error) => {
        if (error === STALLED) throw new Transient(`nothing came for ${STALLED_MS / 1000} s after ${state.loaded} bytes`, response.status);
        throw new Transient(`the connection broke after ${state.loaded} bytes: ${reasonOf(error)}`, response.status, error);
      });
      if (done) break;
      throwIfAborted(signal);
      state.fetched += value.byteLength;
      if (state.loaded === 0) checkStart(state.url, value, response.status);
      state.loaded += value.byteLength;
      checkLimit(state, state.loaded);
      await state.sink.append(value);
      progress('progress');
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error;
  }
  // More than announced is a coded body whose coding a page of another origin may not see, not a fault.
  if (state.loaded < state.total) {
    throw new Transient(`the body ended after ${state.loaded} of ${state.total} bytes`, response.status);
  }
}

const STALLED = new Error('stalled');

/**
 * What comes of `work`, or STALLED.
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
function inTime(work) {
  let timer;
  /** @type {Promise<never>} */
  const stalled = new Promise((_, reject) => { timer = setTimeout(reject, STALLED_MS, STALLED); });
  return Promise.race([work, stalled]).finally(() => clearTimeout(timer));
}

function checkLimit(state, bytes, response) {
  if (bytes <= state.maxBytes) return;
  if (response) void leave(response);
  throw new NearsideError('OVER_BUDGET', `${state.url} has ${state.total ?? `more than ${state.maxBytes}`} bytes, the device's budget allows ${state.maxBytes}`,
    { url: state.url, bytes: state.total, maxBytes: state.maxBytes });
}

/** Pages and pointers that servers send with status 200 in place of a model. */
function checkStart(url, chunk, status) {
  const start = new TextDecoder('latin1').decode(chunk.subarray(0, 64)).trimStart().toLowerCase();
  if (start.startsWith('<!doctype') || start.startsWith('<html')) {
    throw failed(url, `HTTP ${status}, but the answer is an HTML page and not a model`, status);
  }
  if (start.startsWith('version https://git-lfs')) {
    throw failed(url, `HTTP ${status}, but the answer is a Git LFS pointer and not a model`, status);
  }
}

/** The length of the body as it will be read; a coded body's length header counts other bytes. */
function lengthOf(response) {
  if (response.headers.get('Content-Encoding')) return undefined;
  const length = response.headers.get('Content-Length');
  return length !== null && /^\d+$/.test(length) ? Number(length) : undefined;
}

/** Leaves a body unread; that its connection has broken meanwhile is nothing to whoever does not want it. */
export async function leave(response) {
  await response.body?.cancel().catch(() => {});
}

function throttled(report) {
  let last = -Infinity;
  return (status) => {
    const now = performance.now();
    if (now - last < PROGRESS_EVERY_MS) return;
    last = now;
    report(status);
  };
}

function failed(url, why, status, cause) {
  return new NearsideError('DOWNLOAD_FAILED', `${url}: ${why}`, { url, status }, cause);
}

const reasonOf = (error) => error?.cause?.message ?? error?.message ?? String(error);
