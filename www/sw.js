/**
 * Service worker: the page with the network off.
 *
 * In: precache.json (every file of the page, the package, the models, with its SHA-256) and its version in this
 * script's own address. Out: those files from the cache; everything else untouched from the network.
 * One decision: a version is stored whole, each file checked against its hash, before it replaces the last one;
 * files that did not change are taken over from the old cache instead of fetched again.
 */
const VERSION = new URL(self.location.href).searchParams.get('v');
const NAME = 'nearside-';
const CACHE = NAME + VERSION;
const at = (url) => new URL(url, self.registration.scope).href;
const LIST = 'precache.json';

self.addEventListener('install', (event) => event.waitUntil(install()));

async function install() {
  try {
    const answer = await fetch(at(LIST), { cache: 'no-store' });
    const list = await answer.json();
    if (list.version !== VERSION) throw new Error(`version ${VERSION} was asked for, the server has ${list.version}`);
    const cache = await caches.open(CACHE);
    const old = await stored();
    let done = 0;
    const queue = [...list.files];
    const work = async () => {
      for (let file = queue.shift(); file; file = queue.shift()) {
        await cache.put(at(file.url), await have(old, file) ?? await take(file));
        done += file.bytes;
        await tell({ type: 'precache', done, bytes: list.bytes });
      }
    };
    // All four end before a failure is told: nothing may be stored, or told, after it.
    const ends = await Promise.allSettled([work(), work(), work(), work()].map((one) => one.catch((error) => {
      queue.length = 0;
      throw error;
    })));
    const failed = ends.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
    await cache.put(at(LIST), Response.json(list));
    // The first version may serve at once; a later one waits for the visitor's word (or the last tab's end).
    if (!self.registration.active) await self.skipWaiting();
  } catch (error) {
    await caches.delete(CACHE);
    await tell({ type: 'precache-failed', why: String(error) });
    throw error;
  }
}

/** A file of a version, where it is stored. Not by `caches.open`, which would make a cache anew that was deleted meanwhile. */
const inVersion = (name, address) => caches.match(address, { cacheName: name });

/** The same file, by its hash, in a version that is stored already. */
async function have(old, { url, sha256 }) {
  for (const { name, list } of old) {
    if (list.files.some((file) => file.url === url && file.sha256 === sha256)) {
      const found = await inVersion(name, at(url));
      if (found) return found;
    }
  }
  return undefined;
}

async function take({ url, sha256, bytes, type }) {
  const answer = await fetch(at(url), { cache: 'no-cache', integrity: `sha256-${sha256}`, credentials: 'same-origin' });
  if (!answer.ok) throw new Error(`${url}: HTTP ${answer.status}`);
  const headers = new Headers({ 'Content-Length': String(bytes), ETag: `"${sha256}"` });
  headers.set('Content-Type', answer.headers.get('Content-Type') ?? type);
  const policy = answer.headers.get('Content-Security-Policy');
  if (policy) headers.set('Content-Security-Policy', policy);
  return new Response(await answer.arrayBuffer(), { headers });
}

async function stored() {
  const rows = [];
  for (const name of await caches.keys()) {
    if (!name.startsWith(NAME) || name === CACHE) continue;
    const list = await inVersion(name, at(LIST));
    if (list) rows.push({ name, list: await list.json() });
  }
  return rows;
}

async function tell(message) {
  for (const client of await self.clients.matchAll({ includeUncontrolled: true })) client.postMessage(message);
}

self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name.startsWith(NAME) && name !== CACHE) await caches.delete(name);
  await self.clients.claim();
})()));

self.addEventListener('message', (event) => {
  if (event.data?.type === 'take-over') self.skipWaiting();
  if (event.data?.type === 'stored') event.waitUntil(answerStored(event.ports[0]));
});

async function answerStored(port) {
  const list = await inVersion(CACHE, at(LIST)).then((found) => found?.json());
  port.postMessage(list && { version: list.version, files: list.files.length, bytes: list.bytes });
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin || !['GET', 'HEAD'].includes(request.method)) return;
  if (url.href === at(LIST)) return;
  const scope = new URL(self.registration.scope);
  const page = request.mode === 'navigate' && (url.pathname === scope.pathname || url.pathname === `${scope.pathname}index.html`);
  // The edge and the cloud are never answered from a cache.
  if (!page && /^(edge|cloud)\//.test(url.pathname.slice(scope.pathname.length))) return;
  event.respondWith(respond(request, page ? at('index.html') : url.origin + url.pathname));
});

/** The stored file, or the network's answer as it is: never a page in place of a file that is missing. */
async function respond(request, address) {
  const found = await inVersion(CACHE, address);
  if (!found) return fetch(request);
  if (request.method === 'HEAD') return new Response(null, { headers: found.headers });
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get('Range') ?? '');
  return range ? part(found, Number(range[1]), range[2]) : found;
}

async function part(found, from, to) {
  const body = await found.blob();
  const last = to === '' ? body.size - 1 : Math.min(Number(to), body.size - 1);
  if (from > last) return new Response(null, { status: 416, headers: { 'Content-Range': `bytes */${body.size}` } });
  const headers = new Headers(found.headers);
  headers.set('Content-Range', `bytes ${from}-${last}/${body.size}`);
  headers.set('Content-Length', String(last - from + 1));
  return new Response(body.slice(from, last + 1), { status: 206, headers });
}
