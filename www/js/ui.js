/**
 * UI: small things that every part of the page needs. In: values. Out: elements and words.
 * One decision: elements are built, never parsed from text, so that no file name or error can become markup.
 */
export const byId = (id) => document.getElementById(id);

/** `el('p', { class: 'lead' }, 'text', child)`; `on…` adds a listener, `data` sets data-*, false leaves out. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'data') Object.assign(node.dataset, value);
    else if (key in node && key !== 'list' && key !== 'form') node[key] = value;
    else if (key === 'class') node.className = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export function table(heads, rows, { numeric = [] } = {}) {
  const kind = (i) => numeric.includes(i) ? 'num' : undefined;
  return el('table', {},
    el('thead', {}, el('tr', {}, heads.map((head, i) => el('th', { scope: 'col', class: kind(i) }, head)))),
    el('tbody', {}, rows.map((row) => el('tr', {}, row.map((cell, i) => el('td', { class: kind(i) }, cell))))));
}

/** Fills a <dl>: rows of [term, value]; rows without a value are left out. */
export function facts(list, rows) {
  list.replaceChildren(...rows.filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, value))));
}

export function bytes(n) {
  if (n === undefined || n === null) return undefined;
  if (n < 1000) return `${n} B`;
  const unit = n < 1e6 ? [1e3, 'kB'] : n < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  const value = n / unit[0];
  return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${unit[1]}`;
}

export function millis(ms) {
  if (ms === undefined || ms === null || Number.isNaN(ms)) return undefined;
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${ms < 1 ? ms.toFixed(2) : ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export const percent = (part) => `${(part * 100).toFixed(part > 0.9995 || part === 0 ? 0 : 1)} %`;
export const count = (n) => n === undefined ? undefined : n.toLocaleString('en');
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? '' : 's'}`;

/** A canvas whose pixels match the screen's; `paint(context, width, height)` in CSS pixels, again on every resize. */
export function painted(canvas, paint) {
  const draw = () => {
    const { width, height } = canvas.getBoundingClientRect();
    if (width === 0) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    paint(context, width, height);
  };
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  new ResizeObserver(soon).observe(canvas);
  document.addEventListener('themechange', soon);
  return soon;
}

/** The value of a colour variable, for canvases. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Calls `work` once, `ms` after the last call. */
export function settled(ms, work) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), ms);
  };
}
