/**
 * Placement panel: where it ran, why, and the means to change it.
 *
 * In: reports and errors of runs. Out: settings `{ budget, edge, cloud }` through `onChange`; the request to compare
 * all places through `onCompare`. One decision: the three places are always in view, with what each of them said,
 * because a fallback is only understood next to what it fell back from.
 */
import { bytes, el, millis, facts, settled, table } from './ui.js';
import { errorView } from './error-view.js';
import { EDGE_SHARE } from './runner.js';

const PLACES = { on_device: 'Device', in_edge: 'Edge', in_cloud: 'Cloud' };
const WHERE = { on_device: 'on this device', in_edge: 'at the edge', in_cloud: 'in the cloud' };
const ICONS = {
  on_device: 'M7 3h10a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM10.5 18h3',
  in_edge: 'M12 21v-8M9 21h6M12 10a1.5 1.5 0 1 0 0 3a1.5 1.5 0 0 0 0-3zM7.5 15.5a6 6 0 0 1 0-8.5M16.5 7a6 6 0 0 1 0 8.5M5 18a9.8 9.8 0 0 1 0-13.5M19 4.500a9.800 9.800 0 0 1 0 13.5',
  in_cloud: 'M7 18.500h10a4 4 0 0 0 .6-7.950a5.500 5.500 0 0 0-10.700-1.300A4.650 4.650 0 0 0 7 18.500z',
};
/** What the parts of a report's times are, in the order in which they are shown. */
const TIMES = {
  run: 'run', total: 'round trip', request: 'request', metadata: 'metadata', plan: 'plan', queue: 'queue', engine: 'engine start', download: 'download', load: 'model load', ready: 'ready after',
};
const rank = (key) => (Object.keys(TIMES).indexOf(key) + 1) || 99;

/** Slider positions: eight to a factor of ten, from 10 kB to 100 MB, then no limit. */
const STEPS = 32;
const budgetAt = (step) => step >= STEPS ? undefined : Math.round(1e4 * 10 ** (step / 8));
const stepOf = (size) => Math.min(STEPS, Math.max(0, Math.log10(size / 1e4) * 8));

export class PlacementPanel {
  #box;
  #parts = {};
  settings = { budget: undefined, edge: true, cloud: true };

  constructor(box, { onChange, onCompare }) {
    this.#box = box;
    const id = box.id;
    const changed = settled(120, () => onChange(this.settings));
    const p = this.#parts;
    p.stops = Object.fromEntries(Object.keys(PLACES).map((place) => [place, stop(place)]));
    const [device, edge, cloud] = Object.values(p.stops);
    const arrow = () => el('span', { class: 'arrow', 'aria-hidden': 'true' }, '→');
    p.why = el('p', { class: 'why', 'aria-live': 'polite' }, 'Nothing has run yet.');
    p.attempts = el('ul', { class: 'attempts' });
    p.progress = el('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Model download', 'aria-valuemin': '0', 'aria-valuemax': '100', hidden: true }, el('div'));
    p.facts = el('dl', { class: 'facts' });
    p.error = el('div');
    p.budget = el('input', { type: 'range', id: `${id}-budget`, min: 0, max: STEPS, step: 1, value: STEPS, oninput: () => {
      this.settings = { ...this.settings, budget: budgetAt(p.budget.valueAsNumber) };
      this.#showBudget();
      changed();
    } });
    p.budgetValue = el('output', { 'for': p.budget.id });
    p.edgeBudget = el('p', { class: 'hint' });
    p.mark = el('span', { hidden: true });
    const toggle = (key, label) => el('label', { class: 'switch' }, el('input', {
      type: 'checkbox', role: 'switch', checked: true, id: `${id}-${key}`,
      onchange: (event) => {
        this.settings = { ...this.settings, [key]: event.target.checked };
        this.#showAllowed();
        changed();
      },
    }), label);
    p.compareBox = el('div', { class: 'compare', 'aria-live': 'polite' });
    p.compare = el('button', { type: 'button', id: `${id}-compare`, onclick: async () => {
      p.compare.disabled = true;
      p.compare.textContent = 'Asking all three…';
      try {
        this.#showComparison(await onCompare(Object.keys(PLACES)));
      } finally {
        p.compare.disabled = false;
        p.compare.textContent = 'Ask all three';
      }
    } }, 'Ask all three');
    box.replaceChildren(
      el('h2', {}, 'Where it ran'),
      el('div', { class: 'route' }, device, arrow(), edge, arrow(), cloud),
      p.progress, p.why, p.attempts, p.error,
      el('div', { class: 'field budget' },
        el('label', { 'for': p.budget.id }, "Device's budget ", p.budgetValue),
        p.budget, el('span', { class: 'model-mark' }, p.mark), p.edgeBudget),
      el('fieldset', { class: 'switches' }, el('legend', {}, 'May answer instead'), toggle('edge', 'Edge'), toggle('cloud', 'Cloud')),
      p.compare, p.compareBox, p.facts,
    );
    this.#showBudget();
    this.#showAllowed();
  }

  /** Marks the model's size under the slider. */
  modelSize(size) {
    const { mark } = this.#parts;
    mark.hidden = size === undefined;
    if (size === undefined) return;
    mark.textContent = `model ${bytes(size)}`;
    // The label stays inside the panel; the mark of a very small or large model sits at the end of the scale.
    mark.style.setProperty('--at', String(Math.min(0.86, Math.max(0.14, stepOf(size) / STEPS))));
  }

  progress(event) {
    const { progress } = this.#parts;
    const running = event.status === 'progress' || event.status === 'download';
    progress.hidden = !running;
    progress.setAttribute('aria-valuenow', String(Math.round(event.progress ?? 0)));
    progress.firstElementChild.style.setProperty('--part', String((event.progress ?? 0) / 100));
  }

  /** `report` of a run and `opened` of its session; without `opened`, `report` is a session's that has not run yet. */
  show(report, opened) {
    const p = this.#parts;
    this.#box.dataset.source = report.source;
    p.progress.hidden = true;
    p.error.replaceChildren();
    for (const [place, node] of Object.entries(p.stops)) {
      const attempt = report.attempts.find((row) => row.place === place && place !== report.source);
      this.#state(node, place === report.source ? 'here' : attempt ? 'out' : 'idle', place === report.source ? (opened ? 'ran here' : 'ready') : attempt ? short(attempt.code) : '');
    }
    const did = opened ? 'It ran' : 'Ready';
    this.#say(report.reason.code === 'PREFERRED'
      ? `${did} ${WHERE[report.source]}: the nearest place, and nothing stood against it.`
      : `${did} ${WHERE[report.source]}.`);
    this.#showAttempts(report.attempts, report.reason);
    const { total, ...times } = { ...opened?.times, ...report.times };
    times[opened ? 'total' : 'ready'] = total;
    facts(p.facts, [
      ['source', report.source], ['backend', report.backend], ['reason', report.reason.code],
      ['thread', report.source === 'on_device' ? (opened ?? report).engine?.thread : undefined],
      report.source === 'on_device' ? ['model fetched', bytes(opened?.bytesFetched || report.bytesFetched || 0)] : ['answer fetched', bytes(report.bytesFetched)],
      ['input sent', bytes(report.bytesSent)],
      ...Object.entries(times).sort(([a], [b]) => rank(a) - rank(b)).filter(([, ms]) => ms >= 0.0005).map(([key, ms]) => [TIMES[key] ?? key, millis(ms)]),
    ]);
  }

  showError(error) {
    const p = this.#parts;
    delete this.#box.dataset.source;
    p.progress.hidden = true;
    const attempts = error.details?.attempts ?? [];
    for (const [place, node] of Object.entries(p.stops)) {
      const attempt = attempts.find((row) => row.place === place);
      this.#state(node, attempt ? 'out' : 'idle', attempt ? short(attempt.code) : '');
    }
    this.#say('No place could run it.');
    p.attempts.replaceChildren();
    p.facts.replaceChildren();
    p.error.replaceChildren(errorView(error));
  }

  #showAttempts(attempts, reason) {
    const said = attempts.filter((row) => row.message);
    this.#parts.attempts.replaceChildren(...said.map((row) =>
      el('li', {}, `${PLACES[row.place] ?? row.place}: `, el('code', {}, row.code), ` ${row.message}`)));
    if (said.length === 0 && reason.code !== 'PREFERRED') {
      this.#parts.attempts.replaceChildren(el('li', {}, el('code', {}, reason.code), ` ${reason.message}`));
    }
  }

  /** Said again only when it changed: the line is read aloud. */
  #say(words) {
    if (this.#parts.why.textContent !== words) this.#parts.why.textContent = words;
  }

  #state(node, state, words) {
    node.dataset.state = state;
    node.querySelector('.state').textContent = words;
  }

  #showBudget() {
    const { budget, budgetValue, edgeBudget } = this.#parts;
    const words = this.settings.budget === undefined ? 'no limit' : bytes(this.settings.budget);
    budgetValue.textContent = words;
    budget.setAttribute('aria-valuetext', words);
    edgeBudget.textContent = this.settings.budget === undefined ? '' : `The edge's budget: ${bytes(this.settings.budget * EDGE_SHARE)}`;
  }

  #showAllowed() {
    for (const [place, key] of [['in_edge', 'edge'], ['in_cloud', 'cloud']]) {
      const node = this.#parts.stops[place];
      if (!this.settings[key]) this.#state(node, 'out', 'not allowed');
      else if (node.dataset.state === 'out') this.#state(node, 'idle', '');
    }
  }

  #showComparison(rows) {
    if (!rows) return this.#parts.compareBox.replaceChildren(el('p', { class: 'hint' }, 'There is no input yet.'));
    return this.#parts.compareBox.replaceChildren(table(['place', 'answer', 'ready', 'time'], rows.map((row) => [
      el('span', {}, el('span', { class: 'dot', data: { place: row.place } }), PLACES[row.place]),
      row.error ? el('span', { class: 'no', title: row.error.message }, short(row.error.details?.attempts?.at(-1)?.code ?? row.error.code ?? 'ERROR')) : row.answer,
      row.error ? '' : millis(row.openMs), row.error ? '' : millis(row.runMs),
    ]), { numeric: [2, 3] }));
  }
}

const WORDS = {
  OVER_BUDGET: 'over budget', UNAVAILABLE: 'not reachable', MODEL_NOT_FOUND: 'has no such model', TOO_LARGE: 'too large there',
  UNSUPPORTED_OPERATOR: 'lacks an operator', DOWNLOAD_FAILED: 'download failed', ENGINE_FAILED: 'no engine', OUT_OF_MEMORY: 'out of memory',
  NOT_CONFIGURED: 'not allowed', INVALID_INPUT: 'needs a name', TIMEOUT: 'no answer in time',
};
const short = (code) => WORDS[code] ?? code.toLowerCase().replaceAll('_', ' ');

function stop(place) {
  const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  icon.setAttribute('viewBox', '0 0 24 24');
  icon.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[place]);
  icon.append(path);
  return el('div', { class: 'stop', data: { place, state: 'idle' } }, icon, el('span', {}, PLACES[place]), el('span', { class: 'state' }));
}
