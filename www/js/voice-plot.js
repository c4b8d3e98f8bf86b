/**
 * Voice plot: the waveform with the voice marked and the probability over it.
 *
 * In: samples, probabilities, limit, a window in seconds. Out: pixels. One decision: what is voice is told by colour
 * and by a band behind it, so that it is seen without telling colours apart.
 */
import { FRAME, RATE } from './vad.js';
import { colour, painted } from './ui.js';

/** @param view returns `{ samples, probabilities, limit, parts, from, to, cursor }`; times in seconds */
export function voicePlot(canvas, view) {
  return painted(canvas, (context, width, height) => {
    const { samples, probabilities, limit, parts, from, to, cursor } = view();
    const wave = height - 18;
    const middle = wave / 2;
    const x = (second) => ((second - from) / (to - from)) * width;
    bands(context, parts, x, wave);
    waveform(context, samples, parts, { from, to, width, middle });
    limitLine(context, limit, width, wave);
    curve(context, probabilities, x, wave);
    scale(context, from, to, x, height, wave);
    if (cursor !== undefined) {
      context.fillStyle = colour('text');
      context.fillRect(x(cursor) - 1, 0, 2, wave);
    }
  });
}

function bands(context, parts, x, wave) {
  context.fillStyle = colour('device-soft');
  for (const { from, to } of parts) context.fillRect(x(from), 0, Math.max(1, x(to) - x(from)), wave);
}

/** One column a pixel: the lowest and the highest sample in it. */
function waveform(context, samples, parts, { from, to, width, middle }) {
  const [plain, voiced] = [colour('wave'), colour('device')];
  const each = ((to - from) * RATE) / width;
  let part = 0;
  for (let column = 0; column < width; column++) {
    const start = Math.floor(from * RATE + column * each);
    const end = Math.min(samples.length, Math.max(start + 1, Math.floor(start + each)));
    if (start < 0 || start >= end) continue;
    let low = 1, high = -1;
    // At most 200 looks a column: enough for the eye, and quick for an hour of sound.
    const step = Math.max(1, Math.floor((end - start) / 200));
    for (let i = start; i < end; i += step) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    const second = start / RATE;
    while (part < parts.length && parts[part].to <= second) part += 1;
    context.fillStyle = part < parts.length && parts[part].from <= second ? voiced : plain;
    const top = middle - high * middle * 0.95;
    context.fillRect(column, top, 1, Math.max(1, (high - low) * middle * 0.95));
  }
}

function limitLine(context, limit, width, wave) {
  context.strokeStyle = colour('soft');
  context.lineWidth = 1;
  context.setLineDash([4, 4]);
  context.beginPath();
  context.moveTo(0, wave * (1 - limit));
  context.lineTo(width, wave * (1 - limit));
  context.stroke();
  context.setLineDash([]);
}

function curve(context, probabilities, x, wave) {
  context.strokeStyle = colour('accent');
  context.lineWidth = 2;
  context.lineJoin = 'round';
  context.beginPath();
  for (let i = 0; i < probabilities.length; i++) {
    const [px, py] = [x(((i + 0.5) * FRAME) / RATE), 2 + (wave - 4) * (1 - probabilities[i])];
    if (i === 0) context.moveTo(px, py);
    else context.lineTo(px, py);
  }
  context.stroke();
}

function scale(context, from, to, x, height, wave) {
  const span = to - from;
  const step = [0.5, 1, 2, 5, 10, 30, 60, 300, 600].find((each) => span / each <= 9) ?? 1800;
  context.fillStyle = colour('soft');
  context.font = '12px system-ui, sans-serif';
  context.textAlign = 'center';
  for (let second = Math.ceil(Math.max(0, from) / step) * step; second <= to; second += step) {
    const px = x(second);
    if (px < 12 || px > x(to) - 12) continue;
    context.fillRect(px, wave, 1, 4);
    context.fillText(`${Number(second.toFixed(1))} s`, px, height - 3);
  }
}
