/**
 * Voice activity: silero-vad v5, frame by frame.
 *
 * In: samples at 16 kHz. Out: a probability for every 32 ms, and the stretches that are voice. One decision: the
 * recurrent state is an output that becomes the next input, held here and not in the session; so each frame may be
 * answered by another machine.
 */
import { Tensor } from './engine.js';

export const RATE = 16_000;
export const FRAME = 512;
/** Each frame is preceded by the last samples of the one before; without them the model is much less sure. */
const CONTEXT = 64;

const silence = () => new Tensor('float32', new Float32Array(2 * 128), [2, 1, 128]);

/** What the model takes for one frame; by default the first frame of a stream. */
export function feedsOf(frame, context = new Float32Array(CONTEXT), state = silence()) {
  const input = new Float32Array(CONTEXT + FRAME);
  input.set(context);
  input.set(frame, CONTEXT);
  return {
    input: new Tensor('float32', input, [1, CONTEXT + FRAME]),
    state,
    sr: new Tensor('int64', new BigInt64Array([BigInt(RATE)]), []),
  };
}

export class VoiceStream {
  #run;
  #context;
  #state;
  #rest = new Float32Array(0);

  /** @param run takes feeds, resolves with `{ outputs }` */
  constructor(run) {
    this.#run = run;
  }

  /** Samples of any number; those that do not fill a frame wait for the next call. @returns the whole frames */
  frames(samples) {
    const all = new Float32Array(this.#rest.length + samples.length);
    all.set(this.#rest);
    all.set(samples, this.#rest.length);
    const whole = Math.floor(all.length / FRAME) * FRAME;
    this.#rest = all.slice(whole);
    return Array.from({ length: whole / FRAME }, (_, i) => all.subarray(i * FRAME, (i + 1) * FRAME));
  }

  /** The probability of voice in one frame. Calls must follow each other: the state is a chain. */
  async probability(frame) {
    const feeds = feedsOf(frame, this.#context, this.#state);
    this.#context = frame.slice(-CONTEXT);
    const result = await this.#run(feeds);
    const { output, stateN } = result.outputs;
    this.#state = new Tensor('float32', stateN.data, stateN.dims);
    return { probability: output.data[0], ...result };
  }
}

/**
 * Stretches of voice, by the rules of silero's own `get_speech_timestamps`: a stretch begins at the limit, ends when
 * the probability has been below limit - 0.15 for 100 ms, and counts from 250 ms on.
 * @param {ArrayLike<number>} probabilities one for each frame
 * @returns {{ from: number, to: number }[]} seconds
 */
export function stretches(probabilities, limit = 0.5) {
  const second = FRAME / RATE;
  const found = [];
  let from, silent;
  const close = (to) => {
    if ((to - from) * second >= 0.25) found.push({ from: from * second, to: to * second });
    from = silent = undefined;
  };
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i];
    if (p >= limit) {
      from ??= i;
      silent = undefined;
    } else if (from !== undefined && p < Math.max(limit - 0.15, 0.01)) {
      silent ??= i;
      if ((i - silent) * second >= 0.1) close(silent);
    }
  }
  if (from !== undefined) close(silent ?? probabilities.length);
  return found;
}
