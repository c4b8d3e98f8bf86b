/**
 * Demo (a): draw a digit. In: strokes. Out: the class and the ten probabilities, while one draws.
 * One decision: one run at a time and always the newest drawing: a slow place makes the reading later, never a queue.
 */
import { Tensor } from './engine.js';
import { digitImage } from './digit-image.js';
import { EXAMPLES } from './digit-examples.js';
import { Pad } from './pad.js';
import { PlacementPanel } from './placement.js';
import { Runner, runAlone } from './runner.js';
import { byId, colour, el, percent } from './ui.js';

const MODEL = new URL('../models/digits/1/model.onnx', import.meta.url).href;
const MODEL_BYTES = 154_095;
const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

export function start() {
  const runner = new Runner(MODEL);
  const panel = new PlacementPanel(byId('digit-place'), { onChange: (settings) => { runner.configure(settings); read(); }, onCompare: compare });
  panel.modelSize(MODEL_BYTES);
  runner.configure(panel.settings);
  runner.onProgress = (event) => panel.progress(event);
  const pad = new Pad(byId('pad'), read);
  const bars = makeBars();

  let working = false, newest = 0;
  async function read() {
    newest += 1;
    if (working) return;
    working = true;
    // What is said is not yet of the newest drawing.
    byId('digit-words').setAttribute('aria-busy', 'true');
    try {
      for (let mine = -1; mine !== newest;) {
        mine = newest;
        await readOnce();
      }
    } finally {
      working = false;
      byId('digit-words').setAttribute('aria-busy', 'false');
    }
  }

  async function readOnce() {
    const drawn = digitImage(pad.strokes);
    showSeen(drawn?.image);
    if (!drawn) return showNothing(bars);
    try {
      const { outputs, report, opened } = await runner.run({ image: tensorOf(drawn.image) });
      const { best, sure } = showAnswer(bars, outputs.probabilities.data);
      byId('digit-answer').dataset.source = report.source;
      const words = sure < 0.5 ? `Perhaps a ${WORDS[best]} (${percent(sure)}).` : `It reads a ${WORDS[best]} (${percent(sure)}).`;
      if (byId('digit-words').textContent !== words) byId('digit-words').textContent = words;
      panel.show(report, opened);
    } catch (error) {
      showNothing(bars);
      byId('digit-words').textContent = 'It could not be read: see where it ran.';
      panel.showError(error);
    }
  }

  async function compare(places) {
    const drawn = digitImage(pad.strokes);
    if (!drawn) return undefined;
    const rows = [];
    for (const place of places) {
      const row = await runAlone(MODEL, place, { image: tensorOf(drawn.image) });
      if (row.outputs) {
        const { best, sure } = winner(row.outputs.probabilities.data);
        row.answer = `${best} (${percent(sure)})`;
      }
      rows.push(row);
    }
    return rows;
  }

  byId('digit-clear').addEventListener('click', () => pad.clear());
  byId('digit-undo').addEventListener('click', () => pad.undo());
  byId('digit-examples').replaceChildren(...EXAMPLES.map((strokes, digit) =>
    el('button', { type: 'button', 'aria-label': `Draw an example of ${WORDS[digit]}`, onclick: () => pad.play(strokes) }, String(digit))));
  document.addEventListener('themechange', () => showSeen(digitImage(pad.strokes)?.image));
  showSeen();
  showNothing(bars);
  // The engine starts while the visitor looks for a pen.
  runner.session().then((session) => session && panel.show(session.report, undefined), (error) => panel.showError(error));
}

const tensorOf = (image) => new Tensor('float32', image, [1, 1, 8, 8]);

function winner(probabilities) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  return { best, sure: probabilities[best] };
}

function makeBars() {
  const rows = WORDS.map((_, digit) => {
    const fill = el('div', { class: 'fill' });
    const value = el('span', { class: 'value' });
    return { node: el('li', {}, el('span', {}, String(digit)), el('div', { class: 'track' }, fill), value), fill, value };
  });
  byId('digit-bars').replaceChildren(...rows.map(({ node }) => node));
  return rows;
}

function showAnswer(bars, probabilities) {
  const { best, sure } = winner(probabilities);
  const answer = byId('digit-answer');
  answer.textContent = String(best);
  answer.dataset.empty = 'false';
  bars.forEach(({ node, fill, value }, digit) => {
    node.dataset.best = String(digit === best);
    fill.style.setProperty('--part', probabilities[digit].toFixed(4));
    value.textContent = percent(probabilities[digit]);
  });
  return { best, sure };
}

function showNothing(bars) {
  const answer = byId('digit-answer');
  answer.textContent = '–';
  answer.dataset.empty = 'true';
  delete answer.dataset.source;
  byId('digit-words').textContent = 'Draw in the field: it is read while you draw.';
  for (const { node, fill, value } of bars) {
    node.dataset.best = 'false';
    fill.style.setProperty('--part', '0');
    value.textContent = '';
  }
}

/** The 8x8 values as the model gets them. */
function showSeen(image) {
  const context = byId('digit-seen').getContext('2d');
  context.clearRect(0, 0, 8, 8);
  if (!image) return;
  context.fillStyle = colour('text');
  image.forEach((value, i) => {
    context.globalAlpha = value;
    context.fillRect(i % 8, Math.floor(i / 8), 1, 1);
  });
  context.globalAlpha = 1;
}
