/**
 * Demo (c): bring your own model. In: an .onnx or .tflite file. Out: what it is made of, whether the engine has all of it, and
 * runs on inputs of one's choice. One decision: the file is inspected first, which also works for models that cannot
 * run; so a missing operator is told with its nodes before anything is tried.
 */
import { InferenceSession } from './engine.js';
import { errorView, operatorName } from './error-view.js';
import { InputForm } from './own-inputs.js';
import { showOutputs } from './own-outputs.js';
import { PlacementPanel } from './placement.js';
import { Runner, runAlone } from './runner.js';
import { byId, bytes, count, el, facts, millis, plural, table } from './ui.js';

const MODELS = {
  digits: ['digits', '1', new URL('../models/digits/1/model.onnx', import.meta.url).href],
  voice: ['silero-vad', '5', new URL('../models/silero-vad/5/model.onnx', import.meta.url).href],
};
const REPEATS = 20;

export function start() {
  let model, runner, form, stopping, taken = 0;
  const panel = new PlacementPanel(byId('own-place'), { onChange: configure, onCompare: compare });
  const say = (words) => { byId('own-words').textContent = words; };
  const fail = (error) => byId('own-error').replaceChildren(errorView(error));

  function configure() {
    if (!model) return;
    runner.configure(panel.settings, nameOptions());
    open();
  }

  /** The name on the servers: what the visitor wrote; the demo's own models are known by theirs. */
  function nameOptions() {
    const [name, version] = byId('own-name').value.trim().split('/');
    return name ? { model: version ? { name, version } : { name } } : {};
  }

  async function take(label, fileBytes, name = '') {
    taken += 1;
    const mine = taken;
    stopping?.abort();
    runner?.release();
    runner = model = undefined;
    byId('own-body').hidden = byId('own-result').hidden = true;
    byId('own-error').replaceChildren();
    say(`Reading ${label}…`);
    try {
      const data = new Uint8Array(await fileBytes());
      const inspection = await InferenceSession.inspect(data);
      if (mine !== taken) return;
      model = { label, data };
      byId('own-name').value = name;
      panel.modelSize(data.length);
      showInspection(inspection);
      runner = new Runner(data);
      runner.configure(panel.settings, nameOptions());
      byId('own-body').hidden = false;
      say(`${label}: ${bytes(data.length)}, ${plural(inspection.nodes, 'node')}.`);
      await open();
    } catch (error) {
      if (mine !== taken) return;
      say(`${label} cannot be used.`);
      fail(error);
    }
  }

  /** Makes the session, so that an error or the signature is there before the first run. */
  async function open() {
    const mine = runner;
    byId('own-error').replaceChildren();
    try {
      const session = await mine.session();
      if (mine !== runner) return;
      showSignature(session);
      if (form?.model !== model) form = Object.assign(new InputForm(byId('own-inputs'), session.inputMetadata), { model });
      byId('own-form').hidden = false;
      panel.show(session.report, undefined);
    } catch (error) {
      if (mine !== runner) return;
      byId('own-form').hidden = form?.model !== model;
      panel.showError(error);
      fail(rootCause(error));
    }
  }

  async function run(times) {
    const mine = runner;
    stopping = new AbortController();
    const { signal } = stopping;
    setRunning(true);
    byId('own-error').replaceChildren();
    say('Running…');
    try {
      const feeds = await form.feeds();
      const walls = [];
      let last;
      await mine.session();
      for (let i = 0; i < times; i++) {
        const started = performance.now();
        last = await mine.run(feeds, { signal });
        walls.push(performance.now() - started);
        if (times > 1) say(`Run ${i + 1} of ${times}`);
      }
      if (mine !== runner) return;
      panel.show(last.report, last.opened);
      showOutputs(byId('own-outputs'), last.outputs);
      byId('own-result').hidden = false;
      showTimes(last.report, walls);
      say(`${model.label} answered in ${millis(walls.at(-1))}.`);
    } catch (error) {
      if (error.code === 'ABORTED') say('Stopped.');
      else {
        say('It did not run.');
        fail(rootCause(error));
        if (error.code === 'NO_PLACE') panel.showError(error);
      }
    } finally {
      setRunning(false);
    }
  }

  function setRunning(running) {
    byId('own-run').disabled = byId('own-bench').disabled = running;
    byId('own-stop').disabled = !running;
  }

  async function compare(places) {
    if (!model || !form) return undefined;
    const feeds = await form.feeds();
    const rows = [];
    for (const place of places) {
      const row = await runAlone(model.data, place, feeds, nameOptions());
      if (row.outputs) row.answer = digest(row.outputs);
      rows.push(row);
    }
    return rows;
  }

  function choose(file) {
    if (file) take(file.name, () => file.arrayBuffer());
  }

  function takeOurs(key) {
    const [name, version, url] = MODELS[key];
    return take(name, async () => {
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(`HTTP ${answer.status} for ${url}`);
      return answer.arrayBuffer();
    }, `${name}/${version}`);
  }

  byId('own-file').addEventListener('change', ({ target }) => { choose(target.files[0]); target.value = ''; });
  byId('own-digits').addEventListener('click', () => takeOurs('digits'));
  byId('own-voice').addEventListener('click', () => takeOurs('voice'));
  byId('own-form').addEventListener('submit', (event) => { event.preventDefault(); run(1); });
  byId('own-bench').addEventListener('click', () => run(REPEATS));
  byId('own-stop').addEventListener('click', () => stopping?.abort());
  byId('own-name').addEventListener('change', configure);
  const drop = byId('own-drop');
  for (const kind of ['dragenter', 'dragover']) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.dataset.over = 'true'; });
  drop.addEventListener('dragleave', (event) => { if (!drop.contains(event.relatedTarget)) drop.dataset.over = 'false'; });
  drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.dataset.over = 'false';
    choose(event.dataTransfer.files[0]);
  });
}

/** When the servers were not even asked for want of a name, the device's own error says more than "no place". */
function rootCause(error) {
  const attempts = error.details?.attempts ?? [];
  const alone = attempts.every(({ place, code }) => place === 'on_device' || code === 'INVALID_INPUT');
  return error.code === 'NO_PLACE' && alone && error.cause?.code ? error.cause : error;
}

function showInspection({ irVersion, opsets, producer, parameters, operators, bytes: size }) {
  const missing = operators.filter((row) => !row.supported);
  facts(byId('own-facts'), [
    ['file', bytes(size)], ['parameters', count(parameters)],
    ['operator sets', Object.entries(opsets).map(([domain, version]) => `${domain && domain !== 'ai.onnx' ? domain : 'onnx'} ${version}`).join(', ')],
    ['made by', producer], ['format', irVersion && `IR ${irVersion}`],
  ]);
  byId('own-operators-title').textContent = missing.length === 0
    ? `${plural(operators.length, 'operator')}, all supported` : `${plural(operators.length, 'operator')}, ${missing.length} not supported`;
  byId('own-operators-box').open = missing.length > 0;
  byId('own-operators').replaceChildren(table(['operator', 'nodes', 'supported'], [...missing, ...operators.filter((row) => row.supported)].map((row) => [
    el('code', {}, operatorName(row)), count(row.count),
    row.supported ? el('span', { class: 'yes' }, '✓ yes') : el('span', { class: 'no' }, `✗ no${row.reason ? `: ${row.reason}` : ''}`),
  ]), { numeric: [1] }));
  byId('own-signature').replaceChildren();
}

function showSignature(session) {
  const shape = (dims) => dims.length ? dims.map((dim) => dim === '' ? '?' : dim).join(' × ') : 'scalar or any';
  const rows = (kind, list) => list.map(({ name, type, shape: dims }) => [kind, el('code', {}, name), type, shape(dims)]);
  byId('own-signature').replaceChildren(el('div', { class: 'scroll' }, table(['', 'name', 'type', 'dimensions'],
    [...rows('in', session.inputMetadata), ...rows('out', session.outputMetadata)])));
}

function showTimes(report, walls) {
  const sorted = [...walls].sort((a, b) => a - b);
  facts(byId('own-times'), [
    ['the engine', millis(report.times.run)], ['planning', millis(report.times.plan)],
    ['as the page sees it', millis(walls.at(-1))],
    ...(walls.length > 1 ? [[`median of ${walls.length}`, millis(sorted[walls.length >> 1])], ['best', millis(sorted[0])], ['slowest', millis(sorted.at(-1))]] : []),
  ]);
}

/** One short line that tells two answers apart: the first output's first values. */
function digest(outputs) {
  const [first] = Object.values(outputs);
  return Array.from(first.data.slice(0, 3), (v) => typeof v === 'number' ? Number(v.toPrecision(4)) : String(v)).join(', ');
}
