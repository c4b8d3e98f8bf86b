/**
 * Sound: files and the microphone as mono samples at 16 kHz.
 *
 * In: encoded bytes, or the visitor's microphone. Out: Float32Array, whole or in pieces. One decision: the browser
 * decodes and resamples wherever it can; only a microphone at another rate is resampled here.
 */
import { RATE } from './vad.js';

/** @param {ArrayBuffer} encoded any format that the browser plays */
export async function decode(encoded) {
  const context = new OfflineAudioContext(1, 1, RATE);
  let buffer;
  try {
    buffer = await context.decodeAudioData(encoded);
  } catch {
    throw new Error('This browser cannot read the file as sound.');
  }
  const mono = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < mono.length; i++) mono[i] += samples[i] / buffer.numberOfChannels;
  }
  return mono;
}

/** Opens the microphone; `onSamples` gets pieces at 16 kHz until the returned function is called. */
export async function listen(onSamples) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: false } });
  let context, source;
  try {
    context = new AudioContext({ sampleRate: RATE });
    source = context.createMediaStreamSource(stream);
  } catch {
    // Some browsers do not connect a microphone to a context of another rate.
    await context?.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(stream);
  }
  await context.audioWorklet.addModule(new URL('./mic-worklet.js', import.meta.url).href);
  const tap = new AudioWorkletNode(context, 'tap', { numberOfInputs: 1, numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' });
  const resample = resampler(context.sampleRate);
  tap.port.onmessage = ({ data }) => onSamples(resample(data));
  source.connect(tap);
  await context.resume();
  return async () => {
    tap.port.onmessage = null;
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
}

/** A stream of samples from `rate` to 16 kHz: the mean of the samples that each new one covers. */
export function resampler(rate) {
  if (rate === RATE) return (samples) => samples;
  const step = rate / RATE;
  let rest = new Float32Array(0), at = 0;
  return (samples) => {
    const all = new Float32Array(rest.length + samples.length);
    all.set(rest);
    all.set(samples, rest.length);
    const out = [];
    for (; at + Math.max(step, 1) < all.length; at += step) {
      if (step < 1) {
        const i = Math.floor(at);
        out.push(all[i] + (all[i + 1] - all[i]) * (at - i));
        continue;
      }
      let sum = 0, n = 0;
      for (let i = Math.floor(at); i < at + step; i++, n++) sum += all[i];
      out.push(sum / n);
    }
    const used = Math.floor(at);
    rest = all.slice(used);
    at -= used;
    return Float32Array.from(out);
  };
}

/** Plays samples; `onTime` gets the position in seconds until the end. @returns a function that stops it */
export function play(samples, onTime, onEnd) {
  const context = new AudioContext();
  const buffer = context.createBuffer(1, samples.length, RATE);
  buffer.copyToChannel(samples, 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(context.destination);
  const started = context.currentTime;
  source.start();
  let running = true;
  const tick = () => {
    if (!running) return;
    onTime(context.currentTime - started);
    requestAnimationFrame(tick);
  };
  tick();
  const stop = () => {
    if (!running) return;
    running = false;
    context.close();
    onEnd();
  };
  source.onended = stop;
  return stop;
}
