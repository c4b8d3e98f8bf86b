/**
 * Demo (b): find the voice. In: the sample, a sound file or the microphone. Out: the waveform with its voice marked,
 * while the model reads. One decision: a file goes through the same stream of frames as the microphone, so that what
 * is seen of one is true of the other.
 */
import { PlacementPanel } from './placement.js';
import { Runner, runAlone } from './runner.js';
import { decode, listen, play } from './sound.js';
import { FRAME, RATE, VoiceStream, feedsOf, stretches } from './vad.js';
import { voicePlot } from './voice-plot.js';
import { byId, facts, millis, percent, plural } from './ui.js';

const MODEL = new URL('../models/silero-vad/5/model.onnx', import.meta.url).href;
const MODEL_BYTES = 2_327_524;
const SAMPLE = new URL('../samples/speech.flac', import.meta.url).href;
/** How much of the microphone is in view, and how much is kept for playing. */
const WINDOW = 8;
const KEPT = 120 * RATE;

export function start() {
  const state = { samples: new Float32Array(0), probabilities: [], limit: 0.5, cursor: undefined, live: false, name: '' };
  const runner = new Runner(MODEL);
  let job = 0, stopMic, stopPlay, repeat;

  const panel = new PlacementPanel(byId('voice-place'), {
    onChange: (settings) => {
      runner.configure(settings);
      // A file is read again under the new settings; the microphone just goes on, the next frame somewhere else.
      if (!state.live && repeat) repeat();
      else if (!state.live) open();
    },
    onCompare: compare,
  });
  panel.modelSize(MODEL_BYTES);
  runner.configure(panel.settings);
  runner.onProgress = (event) => panel.progress(event);

  const parts = () => stretches(state.probabilities, state.limit);
  const repaint = voicePlot(byId('voice-plot'), () => {
    const seconds = state.samples.length / RATE;
    const to = state.live ? Math.max(WINDOW, seconds) : Math.max(seconds, 1);
    return { ...state, parts: parts(), from: state.live ? to - WINDOW : 0, to };
  });

  /** Reads `samples` to the end; a newer job ends it. */
  async function read(samples, name) {
    const mine = await begin({ samples, name, live: false });
    repeat = () => read(samples, name);
    const stream = new VoiceStream((feeds) => runner.run(feeds));
    const started = performance.now();
    let shown = 0, busy = 0;
    try {
      const padded = new Float32Array(Math.ceil(samples.length / FRAME) * FRAME);
      padded.set(samples);
      for (const frame of stream.frames(padded)) {
        const { probability, report, opened } = await stream.probability(frame);
        if (mine !== job) return;
        state.probabilities.push(probability);
        busy += report.times.total;
        if (performance.now() - shown > 60) {
          shown = performance.now();
          panel.show(report, opened);
          repaint();
          byId('voice-words').textContent = `Reading ${name}: ${percent(state.probabilities.length * FRAME / padded.length)}`;
        }
        state.last = { report, opened };
      }
      if (state.last) panel.show(state.last.report, state.last.opened);
      summary(busy, performance.now() - started);
    } catch (error) {
      if (mine === job) failed(error);
    }
    repaint();
  }

  /** Ends what runs and shows new samples. */
  async function begin(next) {
    job += 1;
    stopPlay?.();
    if (!next.live) await endMic();
    Object.assign(state, { probabilities: [], cursor: undefined, last: undefined }, next);
    facts(byId('voice-facts'), []);
    byId('voice-parts').replaceChildren();
    byId('voice-play').disabled = next.live;
    repaint();
    return job;
  }

  function summary(busy, wall) {
    const frames = state.probabilities.length;
    const found = parts();
    const voice = found.reduce((sum, { from, to }) => sum + to - from, 0);
    const seconds = frames * FRAME / RATE;
    byId('voice-words').textContent = found.length === 0 ? `No voice in ${state.name}.`
      : `Voice in ${plural(found.length, 'place')} of ${state.name}: ${voice.toFixed(1)} of ${seconds.toFixed(1)} s.`;
    byId('voice-parts').replaceChildren(...found.map(({ from, to }) => Object.assign(document.createElement('li'), { textContent: `${from.toFixed(2)} – ${to.toFixed(2)} s` })));
    state.timing = { busy, wall };
    facts(byId('voice-facts'), [
      ['frames of 32 ms', String(frames)], ['time for a frame', millis(busy / frames)], ['in all', millis(wall)],
      ['faster than the sound', wall > 0 ? `${(seconds * 1000 / wall).toFixed(1)} ×` : undefined],
    ]);
  }

  function failed(error) {
    byId('voice-words').textContent = error.code ? 'It could not be read: see where it ran.' : error.message;
    if (error.code) panel.showError(error);
  }

  async function openSound(name, bytes) {
    // A newer wish ends this one, also while the sound is still on its way.
    job += 1;
    const mine = job;
    try {
      const samples = await decode(await bytes());
      if (mine === job) await read(samples, name);
    } catch (error) {
      if (mine === job) failed(error);
    }
  }

  async function startMic() {
    const mine = await begin({ samples: new Float32Array(0), name: 'the microphone', live: true });
    const stream = new VoiceStream((feeds) => runner.run(feeds));
    const waiting = [];
    const heard = new Float32Array(KEPT + RATE);
    let working = false;
    const work = async () => {
      if (working) return;
      working = true;
      try {
        for (let frame = waiting.shift(); frame && mine === job; frame = waiting.shift()) {
          const { probability, report, opened } = await stream.probability(frame);
          if (mine !== job) return;
          state.probabilities.push(probability);
          panel.show(report, opened);
          const words = probability >= state.limit ? 'Voice' : 'No voice';
          if (byId('voice-words').textContent !== words) byId('voice-words').textContent = words;
          // A place that answers slower than one speaks: what is late is left out, and the plot says so by a gap.
          while (waiting.length > 60) { waiting.shift(); state.probabilities.push(0); }
          repaint();
        }
      } catch (error) {
        if (mine !== job) return;
        await endMic();
        failed(error);
      } finally {
        working = false;
      }
    };
    try {
      const stop = await listen((samples) => {
        if (mine !== job) return;
        const had = state.samples.length;
        heard.set(samples, had);
        state.samples = heard.subarray(0, had + samples.length);
        waiting.push(...stream.frames(samples));
        work();
        if (state.samples.length >= KEPT) endMic();
      });
      // The visitor may take as long as they like to allow it, and have gone on to something else.
      if (mine !== job) return void await stop();
      stopMic = stop;
      byId('voice-mic').setAttribute('aria-pressed', 'true');
      byId('voice-mic').textContent = 'Stop';
      byId('voice-words').textContent = 'Listening.';
    } catch (error) {
      if (mine !== job) return;
      state.live = false;
      byId('voice-words').textContent = error.name === 'NotAllowedError' ? 'The microphone was not allowed.' : `No microphone: ${error.message}`;
    }
  }

  async function endMic() {
    if (!stopMic) return;
    const stop = stopMic;
    stopMic = undefined;
    // Frames that still wait are not read: the recording ends where the answers end.
    job += 1;
    byId('voice-mic').setAttribute('aria-pressed', 'false');
    byId('voice-mic').textContent = 'Microphone';
    await stop();
    const { samples } = state;
    repeat = () => read(samples, 'the recording');
    state.live = false;
    state.name = 'the recording';
    byId('voice-play').disabled = samples.length === 0;
    if (state.probabilities.length) summary(0, 0);
    repaint();
  }

  async function compare(places) {
    if (state.samples.length < FRAME) return undefined;
    // The frame with the most voice in it: one answer that three places can give.
    const at = Math.max(0, state.probabilities.indexOf(Math.max(...state.probabilities)));
    const frame = state.samples.slice(at * FRAME, (at + 1) * FRAME);
    const rows = [];
    for (const place of places) {
      const row = await runAlone(MODEL, place, feedsOf(frame));
      if (row.outputs) row.answer = `voice ${percent(row.outputs.output.data[0])}`;
      rows.push(row);
    }
    return rows;
  }

  function open() {
    runner.session().then((session) => panel.show(session.report, undefined), (error) => panel.showError(error));
  }

  byId('voice-sample').addEventListener('click', () => openSound('the sample', async () => {
    const answer = await fetch(SAMPLE);
    if (!answer.ok) throw new Error(`The sample is not there: HTTP ${answer.status}`);
    return answer.arrayBuffer();
  }));
  byId('voice-file').addEventListener('change', ({ target }) => {
    const [file] = target.files;
    if (file) openSound(file.name, () => file.arrayBuffer());
    target.value = '';
  });
  byId('voice-mic').addEventListener('click', () => (stopMic ? endMic() : startMic()));
  byId('voice-play').addEventListener('click', () => {
    if (stopPlay) return stopPlay();
    byId('voice-play').textContent = 'Stop';
    stopPlay = play(state.samples, (second) => { state.cursor = second; repaint(); }, () => {
      stopPlay = undefined;
      state.cursor = undefined;
      byId('voice-play').textContent = 'Play';
      repaint();
    });
    return undefined;
  });
  byId('voice-limit').addEventListener('input', ({ target }) => {
    state.limit = target.valueAsNumber;
    byId('voice-limit-value').textContent = state.limit.toFixed(2);
    if (!state.live && state.probabilities.length && state.timing) summary(state.timing.busy, state.timing.wall);
    repaint();
  });
  open();
}
