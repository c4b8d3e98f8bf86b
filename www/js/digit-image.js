/**
 * Digit image: what the finger drew, in the form of the digit model's data set.
 *
 * In: strokes, each a list of `{ x, y }` in any unit. Out: `{ image, bitmap }`: the model's 8x8 values
 * (0 to 1, ink per 4x4 block) and the 32x32 bitmap they were counted from; null when nothing was drawn.
 * One decision: the strokes themselves are fitted and drawn again, instead of scaling down a picture of them.
 * The data set fits each digit to the height of the box and thins or thickens it to about the same amount of
 * ink; with the strokes at hand that is an exact choice of the pen, whatever the screen's size.
 */
export const SIDE = 32;
const CELL = 4;

/** What the data set shows: mean ink of a digit in pixels, width of the box, and the pens that occur in it. */
const INK = 310;
const BOX_WIDTH = 22;
const THIN = 2.6;
const THICK = 9.5;
/** A digit narrower than this part of its height is a bare stroke (a one): it is not widened. */
const BAR = 0.25;

export function digitImage(strokes) {
  const lines = strokes.filter((stroke) => stroke.length > 0);
  if (lines.length === 0) return null;
  const bitmap = inked(lines, bounds(lines));
  const image = new Float32Array(64);
  for (let i = 0; i < bitmap.length; i++) {
    const x = i % SIDE, y = (i - x) / SIDE;
    image[Math.floor(y / CELL) * 8 + Math.floor(x / CELL)] += bitmap[i] / (CELL * CELL);
  }
  return { image, bitmap };
}

function bounds(lines) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { x, y } of lines.flat()) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

/** The bitmap whose pen gives the wanted amount of ink: more pen is more ink, so halving finds it. */
function inked(lines, box) {
  let low = THIN, high = THICK, bitmap;
  for (let i = 0; i < 6; i++) {
    const pen = (low + high) / 2;
    bitmap = draw(fit(lines, box, pen), pen / 2);
    let ink = 0;
    for (const dot of bitmap) ink += dot;
    if (ink < INK) low = pen;
    else high = pen;
  }
  return bitmap;
}

/** The strokes as line segments in bitmap pixels: full height with the pen's width counted in, centred. */
function fit(lines, box, pen) {
  const width = box.right - box.left, height = box.bottom - box.top;
  const room = SIDE - pen, roomX = BOX_WIDTH - pen;
  // A flat drawing (a dash) would blow up to nonsense at full height: it is limited by its width.
  const scaleY = Math.min(room / Math.max(height, 1e-9), room / Math.max(width, 1e-9) * 2);
  let scaleX = width > 0 ? Math.min(scaleY, roomX / width) : scaleY;
  if (width > BAR * height) scaleX = Math.min(roomX / width, scaleX * 1.1);
  const midX = (box.left + box.right) / 2, midY = (box.top + box.bottom) / 2;
  const place = ({ x, y }) => [SIDE / 2 + (x - midX) * scaleX, SIDE / 2 + (y - midY) * scaleY];
  const segments = [];
  for (const line of lines) {
    let last = place(line[0]);
    if (line.length === 1) segments.push([...last, ...last]);
    for (let i = 1; i < line.length; i++) {
      const next = place(line[i]);
      // Points closer than half a pixel add work and no shape.
      if (i < line.length - 1 && Math.hypot(next[0] - last[0], next[1] - last[1]) < 0.5) continue;
      segments.push([...last, ...next]);
      last = next;
    }
  }
  return segments;
}

/** Every pixel whose centre is within `reach` of a segment. */
function draw(segments, reach) {
  const bitmap = new Uint8Array(SIDE * SIDE);
  for (const [ax, ay, bx, by] of segments) {
    const top = Math.max(0, Math.floor(Math.min(ay, by) - reach)), bottom = Math.min(SIDE - 1, Math.ceil(Math.max(ay, by) + reach));
    const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach)), right = Math.min(SIDE - 1, Math.ceil(Math.max(ax, bx) + reach));
    const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const px = x + 0.5 - ax, py = y + 0.5 - ay;
        const t = length === 0 ? 0 : Math.max(0, Math.min(1, (px * dx + py * dy) / length));
        if ((px - t * dx) ** 2 + (py - t * dy) ** 2 <= reach * reach) bitmap[y * SIDE + x] = 1;
      }
    }
  }
  return bitmap;
}
