/**
 * Offline: the service worker's life, told to the visitor.
 *
 * In: precache.json, the list of files and hashes that the server or the build made. Out: the chip at the top, and
 * a note when a new version waits. One decision: the worker's address carries the list's version, so that a change
 * of any file is a new worker; the browser then does the rest (install beside the old one, swap when complete).
 */
import { byId, bytes, el } from './ui.js';

const PATIENCE_MS = 5000;

export async function startOffline() {
  const chip = byId('offline-state');
  const say = (state, words) => {
    chip.dataset.state = state;
    chip.textContent = words;
  };
  if (!('serviceWorker' in navigator)) return say('wait', 'Online only');
  window.addEventListener('offline', () => tell(say));
  window.addEventListener('online', () => tell(say));
  navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (data?.type === 'precache') say('wait', `Saving ${bytes(data.done)} of ${bytes(data.bytes)}`);
    // With an older version in store the page still works offline.
    if (data?.type === 'precache-failed') navigator.serviceWorker.controller ? tell(say) : say('wait', 'Not saved for offline use');
  });
  return connect(say);
}

async function connect(say) {
  try {
    const list = await fetch('precache.json', { cache: 'no-cache' }).then((answer) => answer.ok ? answer.json() : undefined).catch(() => undefined);
    if (list) {
      const registration = await navigator.serviceWorker.register(`sw.js?v=${list.version}`, { updateViaCache: 'none' });
      watch(registration, say);
    } else if (!await navigator.serviceWorker.getRegistration()) {
      return say('wait', 'Online only');
    }
    await tell(say);
  } catch (error) {
    console.warn(error);
    say('wait', 'Online only');
  }
}

/** What is stored now. */
async function tell(say) {
  const registration = await navigator.serviceWorker.ready;
  // A worker that has to be started first answers late on a slow device: until then nothing is promised.
  const late = setTimeout(() => say('wait', 'Online only'), PATIENCE_MS);
  const list = await ask(registration.active);
  clearTimeout(late);
  if (!list) return say('wait', 'Online only');
  const size = `${list.files} files, ${bytes(list.bytes)}`;
  keep().catch(() => {});
  byId('offline-state').title = `Stored on this device: ${size}`;
  return navigator.onLine ? say('ready', 'Works offline') : say('off', 'Offline');
}

/** Asks the browser not to drop the store when space is short; some browsers ask the visitor, so only once. */
async function keep() {
  if (await navigator.storage?.persisted?.() === false) await navigator.storage.persist();
}

/** Never, where the worker is gone. */
function ask(worker) {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = ({ data }) => resolve(data);
    worker.postMessage({ type: 'stored' }, [channel.port2]);
  });
}

/** Offers a reload when a new version is complete. */
function watch(registration, say) {
  const offer = (worker) => {
    const toast = byId('toast');
    toast.replaceChildren(el('span', {}, 'A new version is ready.'), el('button', {
      type: 'button',
      onclick: () => {
        navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
        worker.postMessage({ type: 'take-over' });
      },
    }, 'Reload'));
    toast.hidden = false;
  };
  const follow = (worker) => worker?.addEventListener('statechange', () => {
    if (worker.state === 'installed' && registration.active) offer(worker);
    // The chip told how far the download was; it goes back to what is stored, also when the new version failed.
    if (registration.active) tell(say);
  });
  if (registration.waiting && registration.active) offer(registration.waiting);
  follow(registration.installing);
  registration.addEventListener('updatefound', () => follow(registration.installing));
}
