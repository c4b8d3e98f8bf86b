/**
 * Input form: one block of fields for each input of a model.
 *
 * In: the model's signature. Out: `feeds()`, the tensors that the fields describe; an error names the input.
 * One decision: dims are one line of text, because a model may leave any of them open, even their number.
 */
import { SCALES, filled, fromImage, fromJson, fromNpy, readDims, waysFor } from './inputs.js';
import { el } from './ui.js';

/** A first value for an open dimension: sound, text and batches all take 1; an image needs a size. */
const guess = (shape) => shape.map((dim, i) => typeof dim === 'number' ? dim : shape.length === 4 && i >= 2 ? 224 : 1).join(', ');
const written = (shape) => shape.map((dim) => dim === '' ? '?' : dim).join(' × ');

export class InputForm {
  #rows;

  constructor(box, signature) {
    this.#rows = signature.map((info, i) => row(info, i));
    box.replaceChildren(...this.#rows.map(({ node }) => node));
  }

  async feeds() {
    const feeds = {};
    for (const { info, read } of this.#rows) {
      try {
        feeds[info.name] = await read();
      } catch (error) {
        if (!error.code) error.message = `${info.name}: ${error.message}`;
        throw error;
      }
    }
    return feeds;
  }
}

function row(info, index) {
  const { name, type, shape } = info;
  const id = `own-input-${index}`;
  const ways = waysFor(type);
  const whole = type.startsWith('int') || type.startsWith('uint');
  const dims = el('input', { type: 'text', id: `${id}-dims`, value: guess(shape), autocomplete: 'off', spellcheck: false, placeholder: 'none: one value' });
  const way = el('select', { id: `${id}-way`, onchange: () => show() }, Object.entries(ways).map(([key, words]) => el('option', { value: key }, words)));
  way.value = type === 'string' ? 'json' : whole ? 'ones' : 'random';
  const json = el('textarea', { id: `${id}-json`, rows: 3, placeholder: type === 'string' ? '["a", "b"]' : '[[0.1, 0.2], [0.3, 0.4]]' });
  const file = el('input', { type: 'file', id: `${id}-file` });
  const scale = el('select', { id: `${id}-scale` }, Object.entries(SCALES).map(([key, [words]]) => el('option', { value: key }, words)));
  const field = (label, control) => el('div', { class: 'field' }, el('label', { 'for': control.id }, label), control);
  const fields = { dims: field('Dimensions', dims), way: field('Filled with', way), json: field('Values', json), file: field('File', file), scale: field('Values from', scale) };
  const show = () => {
    fields.json.hidden = way.value !== 'json';
    fields.file.hidden = !['image', 'npy'].includes(way.value);
    fields.scale.hidden = way.value !== 'image' || type === 'uint8';
    fields.dims.hidden = way.value === 'npy';
    file.accept = way.value === 'image' ? 'image/*' : '.npy';
  };
  show();
  const chosen = () => {
    if (!file.files.length) throw new Error('choose a file first.');
    return file.files[0];
  };
  const read = async () => {
    switch (way.value) {
      case 'json': return fromJson(type, readDims(dims.value), json.value);
      case 'npy': return fromNpy(type, await chosen().arrayBuffer());
      case 'image': return fromImage(type, readDims(dims.value), chosen(), scale.value);
      default: return filled(type, readDims(dims.value), way.value, index + 1);
    }
  };
  const node = el('div', { class: 'own-input', role: 'group', 'aria-label': `Input ${name}` },
    el('div', {}, el('strong', { class: 'mono' }, name), ' ', el('span', { class: 'hint' }, `${type} [${written(shape)}]`)),
    el('div', { class: 'row' }, fields.dims, fields.way, fields.scale, fields.file), fields.json);
  return { info, node, read };
}
