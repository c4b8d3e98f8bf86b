/**
 * Drawings: digits as people draw them, as strokes on a unit square (x to the right, y down).
 *
 * Out: `DRAWINGS`, rows of `{ digit, name, strokes, miss }` (miss: why it is known to be misread); `shake(strokes, seed)`
 * for an unsteady hand. None of it was seen in training: the model knows pen-and-paper digits only.
 */
const arc = (cx, cy, rx, ry, from, to, n = 24) => Array.from({ length: n + 1 }, (_, i) => {
  const a = (from + (to - from) * i / n) * Math.PI / 180;
  return { x: cx + rx * Math.cos(a), y: cy + ry * Math.sin(a) };
});
const line = (...points) => points.flatMap(([x, y], i) => {
  if (i === 0) return [{ x, y }];
  const [px, py] = points[i - 1];
  return Array.from({ length: 10 }, (_, k) => ({ x: px + (x - px) * (k + 1) / 10, y: py + (y - py) * (k + 1) / 10 }));
});

export const DRAWINGS = [
  { digit: 0, name: 'oval', strokes: [arc(0.5, 0.5, 0.26, 0.38, -90, -450, 40)] },
  { digit: 0, name: 'round', strokes: [arc(0.5, 0.5, 0.35, 0.38, -80, -445, 40)] },
  { digit: 1, name: 'bar', strokes: [line([0.5, 0.12], [0.5, 0.88])] },
  { digit: 1, name: 'leaning bar', strokes: [line([0.56, 0.12], [0.46, 0.88])] },
  { digit: 1, name: 'with flag', strokes: [line([0.36, 0.3], [0.53, 0.12], [0.53, 0.88])] },
  { digit: 1, name: 'with a wide foot', miss: 'the data set has no one with a foot that wide; it is read as a two', strokes: [line([0.38, 0.28], [0.53, 0.12], [0.53, 0.88]), line([0.34, 0.88], [0.72, 0.88])] },
  { digit: 2, name: 'plain', strokes: [[...arc(0.5, 0.33, 0.24, 0.21, -170, 35), ...line([0.66, 0.5], [0.26, 0.88], [0.78, 0.88])]] },
  { digit: 2, name: 'swan', strokes: [[...arc(0.48, 0.32, 0.2, 0.2, -200, 40), ...line([0.6, 0.5], [0.3, 0.86]), ...arc(0.5, 0.98, 0.25, 0.14, -140, -60, 10), ...line([0.62, 0.86], [0.8, 0.84])]] },
  { digit: 3, name: 'round', strokes: [[...arc(0.47, 0.31, 0.22, 0.19, -160, 90), ...arc(0.47, 0.69, 0.25, 0.2, -90, 160)]] },
  { digit: 3, name: 'flat top', strokes: [[...line([0.26, 0.14], [0.7, 0.14], [0.48, 0.42]), ...arc(0.46, 0.65, 0.25, 0.23, -80, 150)]] },
  { digit: 4, name: 'open', strokes: [line([0.36, 0.14], [0.25, 0.55], [0.78, 0.55]), line([0.62, 0.2], [0.6, 0.88])] },
  { digit: 4, name: 'closed', strokes: [line([0.6, 0.88], [0.6, 0.12], [0.22, 0.62], [0.8, 0.62])] },
  { digit: 5, name: 'plain', strokes: [line([0.7, 0.13], [0.34, 0.13], [0.31, 0.46]), [...line([0.31, 0.46], [0.4, 0.42]), ...arc(0.45, 0.64, 0.26, 0.23, -100, 150)]] },
  { digit: 5, name: 'one stroke', strokes: [[...line([0.72, 0.14], [0.36, 0.14], [0.32, 0.45], [0.4, 0.42]), ...arc(0.46, 0.64, 0.25, 0.22, -95, 140)]] },
  { digit: 6, name: 'curved', strokes: [[...arc(0.66, 0.52, 0.38, 0.42, -110, -200, 18), ...arc(0.5, 0.67, 0.21, 0.2, -190, -540, 36)]] },
  { digit: 6, name: 'straight back', strokes: [[...line([0.62, 0.1], [0.34, 0.5], [0.3, 0.66]), ...arc(0.5, 0.68, 0.2, 0.2, 180, -170, 36)]] },
  { digit: 7, name: 'plain', strokes: [line([0.24, 0.14], [0.76, 0.14], [0.42, 0.88])] },
  { digit: 7, name: 'crossed', strokes: [line([0.24, 0.14], [0.76, 0.14], [0.44, 0.88]), line([0.36, 0.5], [0.74, 0.5])] },
  { digit: 8, name: 'two rings', strokes: [arc(0.5, 0.3, 0.19, 0.18, 90, 450, 30), arc(0.5, 0.68, 0.23, 0.2, -90, 270, 30)] },
  { digit: 8, name: 'one stroke', strokes: [Array.from({ length: 61 }, (_, i) => {
    const t = i / 60 * 2 * Math.PI;
    return { x: 0.5 + 0.22 * Math.sin(2 * t), y: 0.5 - 0.38 * Math.cos(t) };
  })] },
  { digit: 9, name: 'straight tail', strokes: [[...arc(0.48, 0.33, 0.21, 0.2, -20, -380, 36), ...line([0.68, 0.3], [0.64, 0.88])]] },
  { digit: 9, name: 'curved tail', strokes: [[...arc(0.49, 0.32, 0.22, 0.2, 0, -360, 36), ...arc(0.39, 0.42, 0.32, 0.46, -10, 95, 20)]] },
];

/** A small generator of numbers in 0..1, so that a test is the same every time. */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The same strokes by an unsteady hand: a slow wobble of a few per cent, another place, size and slant. */
export function shake(strokes, seed) {
  const next = numbers(seed);
  const spread = (reach) => (next() * 2 - 1) * reach;
  const [fx, fy, px, py] = [2 + next() * 3, 2 + next() * 3, next() * 6, next() * 6];
  const [size, width, slant, dx, dy] = [0.75 + next() * 0.25, 0.85 + next() * 0.3, spread(0.15), spread(0.06), spread(0.06)];
  return strokes.map((stroke) => stroke.map(({ x, y }) => {
    const wx = x + 0.015 * Math.sin(fx * 6 * y + px), wy = y + 0.015 * Math.sin(fy * 6 * x + py);
    return { x: 0.5 + ((wx - 0.5) * width - slant * (wy - 0.5)) * size + dx, y: 0.5 + (wy - 0.5) * size + dy };
  }));
}
