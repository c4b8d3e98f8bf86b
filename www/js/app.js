/**
 * App: tabs, colours, offline use. In: the page. Out: each demo, started when its tab is first opened.
 * One decision: the tab is the address's fragment, so that a demo can be linked and the Back key works.
 */
import { byId } from './ui.js';
import { startOffline } from './offline.js';

/** Fragment of the address -> its section and its module. Sections are not named like fragments: nothing scrolls. */
const DEMOS = {
  draw: { id: 'digits', words: 'digit-words', load: () => import('./digits.js') },
  listen: { id: 'voice', words: 'voice-words', load: () => import('./voice.js') },
  model: { id: 'own', words: 'own-words', load: () => import('./own.js') },
};
const NAMES = Object.keys(DEMOS);
const started = new Map();

async function show(name) {
  for (const [key, { id }] of Object.entries(DEMOS)) {
    const tab = byId(`tab-${id}`);
    tab.setAttribute('aria-selected', String(key === name));
    tab.tabIndex = key === name ? 0 : -1;
    byId(id).hidden = key !== name;
  }
  const pane = byId(DEMOS[name].id);
  if (!started.has(name)) {
    // Nothing takes a click before there is something behind it.
    pane.inert = true;
    started.set(name, DEMOS[name].load().then((demo) => demo.start()));
    try {
      await started.get(name);
      pane.inert = false;
    } catch (error) {
      started.delete(name);
      console.error(error);
      byId(DEMOS[name].words).textContent = `This demo could not be started: ${error.message}`;
    }
  }
}

function startTabs() {
  for (const [name, { id }] of Object.entries(DEMOS)) {
    const tab = byId(`tab-${id}`);
    tab.addEventListener('click', () => { location.hash = name; });
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step ? NAMES[(NAMES.indexOf(name) + step + NAMES.length) % NAMES.length]
        : { Home: NAMES[0], End: NAMES.at(-1) }[event.key];
      if (!next) return;
      event.preventDefault();
      location.hash = next;
      byId(`tab-${DEMOS[next].id}`).focus();
    });
  }
  const named = () => location.hash.slice(1);
  window.addEventListener('hashchange', () => {
    // Other fragments, such as the skip link's, are places in the page.
    if (named() === '' || Object.hasOwn(DEMOS, named())) show(named() || NAMES[0]);
  });
  show(Object.hasOwn(DEMOS, named()) ? named() : NAMES[0]);
}

function startColours() {
  const modes = ['system', 'light', 'dark'];
  const words = { system: 'as the system', light: 'light', dark: 'dark' };
  const button = byId('theme');
  let mode = 'system';
  const apply = () => {
    if (mode === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = mode;
    button.setAttribute('aria-label', `Colours: ${words[mode]}`);
    button.title = `Colours: ${words[mode]}`;
    document.dispatchEvent(new Event('themechange'));
  };
  try {
    const kept = localStorage.getItem('theme');
    if (modes.includes(kept)) mode = kept;
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
  button.addEventListener('click', () => {
    mode = modes[(modes.indexOf(mode) + 1) % modes.length];
    try {
      localStorage.setItem('theme', mode);
    } catch {
      // As above.
    }
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  apply();
}

startColours();
startTabs();
startOffline();
// The other demos' modules are fetched while the first one is looked at.
addEventListener('load', () => { for (const { load } of Object.values(DEMOS)) load().catch(() => {}); });
