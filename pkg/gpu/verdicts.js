/**
 * Verdicts: what the first runs of models showed on this browser's GPUs, kept between visits.
 *
 * In: the engine's text. Out: the same, in a later visit. One decision: it is kept by the browser's version, which is
 * the nearest to a driver's version that a page gets to know; a host without a database forgets, and compares again.
 * @module
 */
const NAME = 'nearside';
const STORE = 'gpu';

const key = () => globalThis.navigator?.userAgent ?? '';

/** A request of IndexedDB as a promise. */
const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function withStore(mode, work) {
  if (globalThis.indexedDB === undefined) return undefined;
  const opening = globalThis.indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(work(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** @returns {Promise<string | undefined>} what was kept, or nothing where that cannot be read */
export async function recall() {
  const kept = await withStore('readonly', (store) => store.get(key())).catch(() => undefined);
  return typeof kept === 'string' ? kept : undefined;
}

/** Keeps it, where the host lets us. */
export async function remember(text) {
  await withStore('readwrite', (store) => store.put(text, key())).catch(() => {});
}
