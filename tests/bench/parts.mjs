// The measurements, one function each. In: a bench { chromium, url, slowUrl, settings } and a subject. Out: numbers for
// the record, or an error in words.
// The one decision: nothing is timed before both engines' outputs were held against the reference.
import { check } from '../lib/tolerance.mjs';
import { decode, encode } from './page/wire.mjs';
import { feedsPath, formPath, modelPath } from './site.mjs';
import { ratio, round, summary } from './stats.mjs';
import { inPage, inWorker } from './visit.mjs';

const ENGINES = ['nearside', 'ort'];
const address = (subject) => ({ model: modelPath(subject), feeds: feedsPath(subject), outputs: subject.outputs });

/** 'right', or where it is wrong. */
function verdict(subject, encoded, reference) {
  const actual = decode(encoded);
  try {
    for (const name of subject.outputs) check(name, actual[name], reference[name], subject.tolerance);
    return 'right';
  } catch (error) {
    return error.message.split('\n')[0];
  }
}

/** Whose outputs are right; without a recorded reference ONNX Runtime's are it. */
export function judge(subject, answers) {
  const { nearside, ort } = answers;
  const expected = subject.expected ?? (ort?.outputs && decode(ort.outputs));
  return Object.fromEntries(Object.entries(answers).map(([name, { outputs, error }]) =>
    [name, error ?? verdict(subject, outputs, expected ?? decode(nearside.outputs))]));
}

async function prepared({ chromium, url }, subject, settings, work) {
  return inWorker(chromium, url, async (ask) => {
    const answers = await ask('prepare', { engines: ENGINES, ...settings, ...address(subject) });
    const outputs = judge(subject, answers);
    const backends = Object.fromEntries(Object.entries(answers).map(([name, { backend }]) => [name, backend]));
    const facts = { outputs, backends };
    if (outputs.nearside !== 'right' || (outputs.chosen ?? 'right') !== 'right') return { ...facts, wrong: true };
    return { ...facts, ...await work(ask) };
  });
}

/** Summaries of both, and their ratio where both are there. */
function compare({ nearside, ort }) {
  if (!ort) return { nearside: summary(nearside) };
  return { nearside: summary(nearside), ort: summary(ort), ratio: ratio(nearside, ort) };
}

/** `simd`: which engine of nearside's, as `env.wasm.simd` has it. */
export const run = (threads, simd) => (bench, subject) => prepared(bench, subject, { threads, simd }, async (ask) =>
  compare(await ask('run', bench.settings.run)));

const creating = (settings) => (bench, subject) => prepared(bench, subject, { threads: 1, ...settings(subject) }, async (ask) => {
  const times = await ask('create', bench.settings.create);
  const part = (name) => compare(Object.fromEntries(Object.entries(times).map(([engine, samples]) => [engine, samples[name]])));
  return { create: part('create'), first: part('first'), both: part('both') };
});

export const create = creating(() => ({}));

/** nearside from the published form, onnxruntime-web from the model itself. */
export const form = creating((subject) => ({ form: formPath(subject) }));

/** Runs on the same adapter: all on the GPU, and as they come (`chosen`: after the first ones the faster of GPU and CPU). */
export const webgpu = (bench, subject) => prepared({ ...bench, chromium: bench.withGpu }, subject, { engines: [...ENGINES, 'chosen'], threads: 1, gpu: true }, async (ask) => {
  const { nearside, ort, chosen } = await ask('run', bench.settings.webgpu);
  const { chosen: backend } = await ask('backends');
  return { ...compare({ nearside, ort }), ...(chosen ? { chosen: { ...compare({ nearside: chosen, ort }), backend } } : {}) };
});

/** Fresh pages in turns: to the first result, and the longest task of the page on the way. */
export async function warm({ withGpu, url, settings }, subject) {
  const [totals, blocks, answers] = [{ nearside: [], ort: [] }, { nearside: [], ort: [] }, {}];
  for (let round = 0; round < settings.warm.rounds; round += 1) {
    for (const engine of round % 2 === 0 ? ENGINES : ENGINES.toReversed()) {
      if (answers[engine]?.error) continue;
      try {
        const args = { engine, model: modelPath(subject), feeds: encode(subject.feeds), outputs: subject.outputs };
        answers[engine] = await inPage(withGpu, url, '/bench/warm.mjs', 'warmUp', args);
        totals[engine].push(answers[engine].total);
        blocks[engine].push(answers[engine].block);
      } catch (error) {
        answers[engine] = { error: firstLine(error) };
      }
    }
  }
  const outputs = judge(subject, answers);
  if (answers.nearside.error) return { outputs, wrong: true };
  const both = (times) => compare({ nearside: times.nearside, ort: answers.ort.error ? undefined : times.ort });
  const backends = Object.fromEntries(ENGINES.map((engine) => [engine, answers[engine].backend]));
  return { outputs, backends, wrong: outputs.nearside !== 'right', ...both(totals), block: both(blocks) };
}

export async function cold({ chromium, slowUrl, settings }, subject) {
  if (subject.bytes > settings.cold.mostBytes) return { skipped: `${subject.bytes} bytes take too long at this speed` };
  const totals = { nearside: [], ort: [] };
  const answers = {};
  for (let round = 0; round < settings.cold.rounds; round += 1) {
    for (const engine of round % 2 === 0 ? ENGINES : ENGINES.toReversed()) {
      if (answers[engine]?.error) continue;
      try {
        const args = { engine, model: modelPath(subject), feeds: encode(subject.feeds), outputs: subject.outputs };
        answers[engine] = await inPage(chromium, slowUrl, '/bench/cold.mjs', 'coldStart', args);
        totals[engine].push(answers[engine].total);
      } catch (error) {
        answers[engine] = { error: firstLine(error) };
      }
    }
  }
  const outputs = judge(subject, answers);
  if (answers.nearside.error) return { outputs, wrong: true };
  return { outputs, wrong: outputs.nearside !== 'right', ...compare({ nearside: totals.nearside, ort: answers.ort.error ? undefined : totals.ort }) };
}

export async function memory({ chromium, url, settings }, subject) {
  const result = {};
  for (const engine of ENGINES) {
    try {
      result[engine] = await inWorker(chromium, url, (ask) => ask('memory', { engine, threads: 1, ...address(subject), ...settings.memory }));
    } catch (error) {
      result[engine] = { error: firstLine(error) };
    }
  }
  const { nearside, ort } = result;
  const over = (what) => round(nearside[what] / ort[what]);
  return { ...result, ...(nearside.run && ort.run ? { ratio: { load: over('load'), run: over('run') } } : {}), wrong: Boolean(nearside.error) };
}

export const firstLine = (error) => String(error?.message ?? error).replace(/^page\.evaluate: (?:Error: )?/, '').split('\n')[0];
