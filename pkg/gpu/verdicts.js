/**
 * Verdicts: what the first runs of models showed on this browser's GPUs, kept between visits.
 *
 * In: the engine's text. Out: the same, in a later visit. One decision: it is kept by the browser's version, which is
 * the nearest to a driver's version that a page gets to know; a host without a database, or with one that does not answer,
 * forgets, and compares again.
 * @module
 */
const NAME = 'nearside';
const STORE = 'gpu';

const key = () => globalThis.navigator?.userAgent ?? '';

/** There are browsers in which a database sometimes never opens; a run must not wait for what is a convenience. */
const PATIENCE_MS = 3000;

/** A request of IndexedDB as a promise. */
const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** Only then it outlasts the thread that asked for it. */
const completed = (transaction) => new Promise((resolve, reject) => {
  transaction.oncomplete = resolve;
  transaction.onabort = () => reject(transaction.error);
});

async function withStore(mode, work) {
  if (globalThis.indexedDB === undefined) return undefined;
  const opening = globalThis.indexedDB.open(NAME, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const asked = settled(work(transaction.objectStore(STORE)));
    const [result] = await Promise.all([asked, mode === 'readwrite' && completed(transaction)]);
    return result;
  } finally {
    database.close();
  }
}

/** What comes of it in time; nothing where it fails. @template T @param {Promise<T>} work @returns {Promise<T | undefined>} */
function soon(work) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, PATIENCE_MS); });
  return Promise.race([work.catch(() => undefined), late]).finally(() => clearTimeout(timer));
}

/** @returns {Promise<string | undefined>} what was kept, or nothing where that cannot be read */
export async function recall() {
  const kept = await soon(withStore('readonly', (store) => store.get(key())));
  return typeof kept === 'string' ? kept : undefined;
}

/** Keeps it, where the host lets us. */
export async function remember(text) {
  await soon(withStore('readwrite', (store) => store.put(text, key())));
}
