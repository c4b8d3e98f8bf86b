/**
 * Pad: a field to draw on. In: pointer events, or strokes to show. Out: `strokes` (points in parts of the field's
 * width) and a call of `onChange(done)` for every new point. One decision: the strokes are the drawing; the canvas
 * only shows them, so that a resize or a change of colours loses nothing.
 */
import { colour, painted } from './ui.js';

export class Pad {
  strokes = [];
  #canvas;
  #onChange;
  #repaint;
  #pointer;
  #playing = 0;

  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#onChange = onChange;
    this.#repaint = painted(canvas, (context, width, height) => this.#paint(context, width, height));
    canvas.addEventListener('pointerdown', (event) => this.#down(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, (event) => this.#up(event));
    canvas.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' || event.key === 'Delete' || event.key === 'Backspace') this.clear();
    });
  }

  clear() {
    this.#playing += 1;
    this.#pointer = undefined;
    this.strokes = [];
    this.#changed(true);
  }

  undo() {
    this.#playing += 1;
    this.strokes = this.strokes.slice(0, -1);
    this.#changed(true);
  }

  /** Draws given strokes as a hand would, point by point; at once for those who want no motion. */
  async play(strokes) {
    this.clear();
    const turn = this.#playing;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    for (const stroke of strokes) {
      this.strokes.push([]);
      for (const [i, point] of stroke.entries()) {
        this.strokes.at(-1).push(point);
        if (still || i % 2) continue;
        this.#changed(false);
        await new Promise((resolve) => setTimeout(resolve, 12));
        if (turn !== this.#playing) return;
      }
    }
    this.#changed(true);
  }

  #down(event) {
    if (this.#pointer !== undefined || event.button > 0) return;
    this.#playing += 1;
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.strokes.push([this.#point(event)]);
    this.#changed(false);
    event.preventDefault();
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    this.strokes.at(-1).push(...(all.length ? all : [event]).map((one) => this.#point(one)));
    this.#changed(false);
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = undefined;
    this.#changed(true);
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.width };
  }

  #changed(done) {
    this.#repaint();
    this.#onChange(done);
  }

  #paint(context, width, height) {
    context.lineCap = context.lineJoin = 'round';
    if (this.strokes.length === 0) {
      context.strokeStyle = colour('line');
      context.lineWidth = 2;
      context.setLineDash([6, 8]);
      context.strokeRect(width * 0.22, height * 0.1, width * 0.56, height * 0.8);
      context.setLineDash([]);
      return;
    }
    context.strokeStyle = context.fillStyle = colour('text');
    context.lineWidth = Math.max(8, width * 0.045);
    for (const stroke of this.strokes) {
      context.beginPath();
      const [first, ...rest] = stroke;
      if (!first) continue;
      context.moveTo(first.x * width, first.y * width);
      if (rest.length === 0) context.lineTo(first.x * width + 0.01, first.y * width);
      for (const { x, y } of rest) context.lineTo(x * width, y * width);
      context.stroke();
    }
  }
}
