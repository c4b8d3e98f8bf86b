/**
 * External: the files beside a model that its constants lie in.
 *
 * In: `externalData` of the session options, as onnxruntime-web has it, and the place of the model file. Out: for each
 * path that the model names, where its bytes come from. One decision: what the caller gives wins; what he does not
 * give is looked for beside the model, at its address or in its folder.
 * @module
 */
import { NearsideError } from './errors.js';

const bad = (message) => { throw new NearsideError('INVALID_INPUT', message); };
const plain = (path) => path.replace(/^(\.\/)+/, '');

/**
 * @typedef {{ path: string, url?: string, bytes?: Uint8Array, blob?: Blob }} Given
 * @param {any} list `externalData`
 * @returns {Given[]}
 */
export function readExternalData(list) {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) bad("'externalData' must be an array.");
  return list.map((entry) => {
    if (typeof entry === 'string') return { path: plain(entry), url: entry };
    const { path, data } = entry ?? {};
    if (typeof path !== 'string' || !path) bad("An entry of 'externalData' must be an address, or { path, data }.");
    return { path: plain(path), ...contentOf(path, data) };
  });
}

function contentOf(path, data) {
  if (typeof data === 'string' || data instanceof URL) return { url: String(data) };
  if (ArrayBuffer.isView(data)) return { bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  if (data instanceof ArrayBuffer || Object.prototype.toString.call(data) === '[object SharedArrayBuffer]') return { bytes: new Uint8Array(data) };
  if (typeof Blob === 'function' && data instanceof Blob) return { blob: data };
  return bad(`The data of '${path}' in 'externalData' must be an address, bytes or a Blob.`);
}

/** What the caller gave for a path: the entry of that path, or an address that ends with it. */
export function givenFor(given, location) {
  return given.find(({ path }) => path === location)
    ?? given.find(({ path, url }) => url === path && path.split(/[?#]/)[0].endsWith(`/${location}`));
}

/** The address of a path beside the model, or undefined where the model's address has no folder. */
export function besideUrl(url, location) {
  if (/^(?:data|blob):/i.test(url)) return undefined;
  return new URL(location.split('/').map(encodeURIComponent).join('/'), url).href;
}

/** A Blob as the platforms describe a file. */
export const blobFile = (blob, location) => ({ url: location, size: async () => blob.size, chunks: () => chunksOf(blob) });

async function* chunksOf(blob) {
  const reader = blob.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
