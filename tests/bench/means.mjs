// One number a figure. In: the rows of the record. Out: by figure the geometric means of the models' ratios, the
// worst model, and of how many models.
import { geometricMean } from './stats.mjs';

/** A figure that was measured once. */
const one = (ratio) => ({ median: ratio, min: ratio, rounds: ratio });

/** Each figure of the record: its label, and where a model's ratio is. */
export const FIGURES = [
  { key: 'run1', label: 'run, one thread', ratio: (row) => row.run1?.ratio },
  { key: 'fixed', label: 'run, one thread, simd128', ratio: (row) => row.fixed?.ratio },
  { key: 'run2', label: 'run, two threads', ratio: (row) => row.run2?.ratio },
  { key: 'create', label: 'create from .onnx', ratio: (row) => row.create?.create?.ratio },
  { key: 'first', label: 'first run', ratio: (row) => row.create?.first?.ratio },
  { key: 'both', label: 'create and first run', ratio: (row) => row.create?.both?.ratio },
  { key: 'form', label: 'create from the published form', ratio: (row) => row.form?.create?.ratio },
  { key: 'formBoth', label: 'the same and first run', ratio: (row) => row.form?.both?.ratio },
  { key: 'cold', label: 'cold start to first result, 10 Mbit/s', ratio: (row) => row.cold?.ratio },
  { key: 'webgpu', label: 'WebGPU: run', ratio: (row) => row.webgpu?.ratio },
  { key: 'chosen', label: 'WebGPU by default: faster of GPU and CPU', ratio: (row) => row.webgpu?.chosen?.ratio },
  { key: 'warm', label: 'WebGPU: warm-up, create and first run', ratio: (row) => row.warm?.ratio },
  { key: 'block', label: 'WebGPU: longest task of the page meanwhile', ratio: (row) => row.warm?.block?.ratio },
  { key: 'memoryLoad', label: 'wasm memory after load', ratio: (row) => one(row.memory?.ratio?.load) },
  { key: 'memoryRun', label: 'wasm memory after runs', ratio: (row) => one(row.memory?.ratio?.run) },
];

export function means(rows) {
  return Object.fromEntries(FIGURES.flatMap(({ key, ratio }) => {
    const known = rows.map((row) => ({ name: row.name, ...ratio(row) })).filter(({ median }) => Number.isFinite(median));
    if (known.length === 0) return [];
    const worst = known.reduce((most, row) => (row.min > most.min ? row : most));
    return [[key, {
      median: geometricMean(known.map(({ median }) => median)),
      min: geometricMean(known.map(({ min }) => min)),
      rounds: geometricMean(known.map(({ rounds }) => rounds)),
      models: known.length,
      worst: { name: worst.name, min: worst.min, median: worst.median },
    }]];
  }));
}
