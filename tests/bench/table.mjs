// What was measured as text. In: rows of the record. Out: lines for a terminal.
import { FIGURES } from './means.mjs';

export const ms = (value) => (value === undefined ? '-' : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
export const mib = (bytes) => (bytes === undefined ? '-' : (bytes / 2 ** 20).toFixed(1));
const times = (value) => (value === undefined ? '-' : value.toFixed(2));

/** One measurement of one model. */
export function line(model, part, result) {
  const head = `${model.padEnd(24)} ${part.padEnd(7)}`;
  if (result.error ?? result.skipped) return `${head} ${result.error ?? result.skipped}`;
  if (result.wrong && result.outputs) return `${head} wrong: ${[result.outputs.nearside, result.outputs.chosen].find((said) => said && said !== 'right') ?? 'right'}`;
  const told = Object.entries(result).filter(([key, value]) => key === 'ratio' || value?.ratio).map(([key, value]) => {
    const { nearside, ort, ratio, backend } = key === 'ratio' ? { ...result, backend: undefined } : value;
    const label = key === 'ratio' ? '' : `${key}${backend ? ` (${backend})` : ''} `;
    if (nearside.run) return `${mib(nearside.load)} / ${mib(ort.load)} MiB, then ${mib(nearside.run)} / ${mib(ort.run)}`;
    return `${label}${ms(nearside.min)} / ${ms(ort.min)} ms = ${times(ratio.min)} (medians ${times(ratio.median)}, rounds ${times(ratio.rounds)})`;
  });
  const alone = result.nearside?.min === undefined ? '' : `${ms(result.nearside.min)} ms`;
  const why = result.outputs?.ort && result.outputs.ort !== 'right' ? `  onnxruntime-web: ${result.outputs.ort}` : '';
  return `${head} ${told.join('; ') || alone}${why}`;
}

export function tables({ means }) {
  const rows = FIGURES.filter(({ key }) => means[key]).map(({ key, label }) => {
    const { median, min, rounds, models, worst } = means[key];
    return `${label.padEnd(42)} ${[min, median, rounds].map((value) => times(value).padStart(8)).join(' ')}   ${worst.name} ${times(worst.min)}, of ${models}`;
  });
  return ['', `${'nearside / onnxruntime-web'.padEnd(42)}   minima  medians   rounds   worst model, by minima`, ...rows, ''].join('\n');
}
