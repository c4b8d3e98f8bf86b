// Ratios as bars. In: a title and rows { name, ratio }. Out: an inline SVG that reads in light and in dark, and aloud.
// The one decision: a logarithmic scale with equality in the middle: twice as fast and twice as slow look alike.
const ROW = 22;
const LABEL = 190;
const WIDTH = 760;
const VALUE = 56;
const TICKS = [0.03, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 10, 30, 100];

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
export const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => escapes[sign]);

export function chart(id, title, rows) {
  const sorted = rows.toSorted((a, b) => a.ratio - b.ratio);
  const reach = Math.max(1.5, ...sorted.map(({ ratio }) => Math.max(ratio, 1 / ratio)));
  const x = (ratio) => LABEL + ((Math.log(ratio) / Math.log(reach) + 1) / 2) * (WIDTH - LABEL - VALUE);
  const bottom = sorted.length * ROW + 6;
  const ticks = TICKS.filter((tick) => tick <= reach && tick >= 1 / reach).map((tick) =>
    `<line class="${tick === 1 ? 'one' : 'tick'}" x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="0" y2="${bottom}"/>`
    + `<text class="scale" x="${x(tick).toFixed(1)}" y="${bottom + 14}">${tick}</text>`);
  const bars = sorted.map(({ name, ratio }, index) => {
    const [from, to] = [Math.min(x(1), x(ratio)), Math.max(x(1), x(ratio))];
    const middle = index * ROW + ROW / 2 + 4;
    return `<text class="name" x="${LABEL - 8}" y="${middle + 4}">${escape(name)}</text>`
      + `<rect class="${ratio > 1 ? 'slower' : 'faster'}" x="${from.toFixed(1)}" y="${middle - 7}" width="${Math.max(1, to - from).toFixed(1)}" height="14"/>`
      + `<text class="value" x="${(to + 5).toFixed(1)}" y="${middle + 4}">${ratio.toFixed(2)}</text>`;
  });
  const said = sorted.map(({ name, ratio }) => `${name} ${ratio.toFixed(2)}`).join(', ');
  return `<svg role="img" aria-labelledby="${id}-t ${id}-d" viewBox="0 0 ${WIDTH} ${bottom + 20}">`
    + `<title id="${id}-t">${escape(title)}</title><desc id="${id}-d">${escape(said)}</desc>${ticks.join('')}${bars.join('')}</svg>`;
}
