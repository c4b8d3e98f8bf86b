/**
 * Digit examples: one drawing of each digit, for those who cannot or do not want to draw.
 * Out: `EXAMPLES[digit]`, strokes in parts of the field's width.
 */
const curve = (cx, cy, rx, ry, from, to, n = 22) => Array.from({ length: n + 1 }, (_, i) => {
  const a = (from + ((to - from) * i) / n) * Math.PI / 180;
  return { x: cx + rx * Math.cos(a), y: cy + ry * Math.sin(a) };
});
const path = (...corners) => corners.flatMap(([x, y], i) => {
  const [px, py] = corners[Math.max(0, i - 1)];
  const n = i === 0 ? 1 : 9;
  return Array.from({ length: n }, (_, k) => ({ x: px + ((x - px) * (k + 1)) / n, y: py + ((y - py) * (k + 1)) / n }));
});

export const EXAMPLES = [
  [curve(0.5, 0.5, 0.22, 0.33, -75, -440, 40)],
  [path([0.38, 0.32], [0.53, 0.17], [0.52, 0.83])],
  [[...curve(0.49, 0.34, 0.2, 0.18, -165, 40), ...path([0.63, 0.47], [0.3, 0.82], [0.73, 0.81])]],
  [[...curve(0.47, 0.33, 0.19, 0.16, -150, 85), ...curve(0.47, 0.66, 0.22, 0.17, -85, 155)]],
  [path([0.4, 0.17], [0.29, 0.55], [0.73, 0.54]), path([0.6, 0.3], [0.57, 0.84])],
  [path([0.68, 0.17], [0.37, 0.18], [0.34, 0.45]), [...path([0.34, 0.45], [0.42, 0.42]), ...curve(0.46, 0.62, 0.22, 0.2, -95, 145)]],
  [[...path([0.6, 0.15], [0.42, 0.36]), ...curve(0.49, 0.65, 0.18, 0.18, -160, -520, 36)]],
  [path([0.28, 0.2], [0.71, 0.19], [0.44, 0.84])],
  [[...curve(0.5, 0.33, 0.16, 0.16, 60, 420, 28)], [...curve(0.5, 0.66, 0.19, 0.17, -80, 280, 28)]],
  [[...curve(0.48, 0.35, 0.18, 0.17, -15, -375, 34), ...path([0.66, 0.33], [0.6, 0.84])]],
];
