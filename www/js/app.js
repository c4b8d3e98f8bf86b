/**
 * App: tabs, colours, offline use. In: the page. Out: each demo, started when its tab is first opened.
 * One decision: the tab is the address's fragment, so that a demo can be linked and the Back key works.
 */
import { byId } from './ui.js';
import { startOffline } from './offline.js';

const DEMOS = {
  digits: () => import('./digits.js'),
  voice: () => import('./voice.js'),
  own: () => import('./own.js'),
};
const started = new Map();

async function show(name) {
  for (const key of Object.keys(DEMOS)) {
    const tab = byId(`tab-${key}`);
    tab.setAttribute('aria-selected', String(key === name));
    tab.tabIndex = key === name ? 0 : -1;
    byId(key).hidden = key !== name;
  }
  if (!started.has(name)) {
    started.set(name, DEMOS[name]().then((demo) => demo.start()));
    try {
      await started.get(name);
    } catch (error) {
      started.delete(name);
      console.error(error);
      byId(`${name === 'digits' ? 'digit' : name}-words`).textContent = `This demo could not be started: ${error.message}`;
    }
  }
}

function startTabs() {
  const names = Object.keys(DEMOS);
  for (const name of names) {
    const tab = byId(`tab-${name}`);
    tab.addEventListener('click', () => { location.hash = name; });
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step ? names[(names.indexOf(name) + step + names.length) % names.length]
        : { Home: names[0], End: names.at(-1) }[event.key];
      if (!next) return;
      event.preventDefault();
      location.hash = next;
      byId(`tab-${next}`).focus();
    });
  }
  const route = () => {
    const name = location.hash.slice(1);
    if (name !== '' && !Object.hasOwn(DEMOS, name)) return;
    show(name || names[0]);
  };
  window.addEventListener('hashchange', route);
  // #main is the skip link's target and no demo: the first demo is shown all the same.
  show(Object.hasOwn(DEMOS, location.hash.slice(1)) ? location.hash.slice(1) : names[0]);
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
