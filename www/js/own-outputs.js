/**
 * Outputs: what a model answered, at a glance. In: tensors by name. Out: for each its type, dims, spread, largest
 * values, first values, and the whole as a .npy file. One decision: a summary that fits any output; what a number
 * means only the model's owner knows.
 */
import { writeNpy } from './npy.js';
import { count, el, facts } from './ui.js';

export function showOutputs(box, outputs) {
  box.replaceChildren(...Object.entries(outputs).map(([name, tensor]) => oneOutput(name, tensor)));
}

function oneOutput(name, tensor) {
  const { type, dims, size } = tensor;
  const list = el('dl', { class: 'facts' });
  const numbers = type === 'string' ? undefined : Array.from(tensor.data, Number);
  if (numbers?.length) facts(list, spread(numbers));
  return el('div', { class: 'out', data: { output: name } },
    el('div', {}, el('strong', { class: 'mono' }, name), ' ', el('span', { class: 'hint' }, `${type} [${dims.join(' × ')}], ${count(size)} values`)),
    list, numbers && dims.at(-1) > 1 && largest(numbers, dims.at(-1)),
    el('p', { class: 'mono' }, first(tensor)),
    type !== 'string' && el('button', { type: 'button', class: 'quiet', onclick: () => save(name, tensor) }, 'Save as .npy'));
}

function spread(numbers) {
  let low = Infinity, high = -Infinity, sum = 0, odd = 0;
  for (const v of numbers) {
    if (!Number.isFinite(v)) { odd += 1; continue; }
    if (v < low) low = v;
    if (v > high) high = v;
    sum += v;
  }
  const show = (v) => Number.isFinite(v) ? String(Number(v.toPrecision(5))) : undefined;
  return [['smallest', show(low)], ['largest', show(high)], ['mean', show(sum / (numbers.length - odd))], ['not finite', odd ? count(odd) : undefined]];
}

/** The five largest values along the last dimension of the first row: classes, tokens, anchors. */
function largest(numbers, width) {
  const row = numbers.slice(0, width);
  const top = row.map((v, i) => [v, i]).sort(([a], [b]) => b - a).slice(0, 5);
  const scale = Math.max(...top.map(([v]) => Math.abs(v)), 1e-9);
  return el('ol', { class: 'bars' }, top.map(([v, i]) => {
    const fill = el('div', { class: 'fill' });
    fill.style.setProperty('--part', String(Math.max(0, v) / scale));
    return el('li', { data: { best: String(i === top[0][1]) } }, el('span', {}, String(i)), el('div', { class: 'track' }, fill), el('span', { class: 'value' }, String(Number(v.toPrecision(3)))));
  }));
}

function first({ data, size, type }) {
  const shown = Array.from(data.slice(0, 8), (v) => type === 'string' ? JSON.stringify(v) : String(typeof v === 'number' ? Number(v.toPrecision(5)) : v));
  return `[${shown.join(', ')}${size > 8 ? ', …' : ''}]`;
}

function save(name, tensor) {
  const href = URL.createObjectURL(new Blob([writeNpy(tensor)]));
  el('a', { href, download: `${name.replaceAll(/[^\w.-]+/g, '_')}.npy` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
