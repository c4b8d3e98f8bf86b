// The record as a page. In: a record. Out: one HTML file without scripts and without requests.
import { chart, escape } from './chart.mjs';
import { FIGURES } from './means.mjs';
import { mib, ms } from './table.mjs';

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c1c1e, #ededf0); --paper: light-dark(#fff, #161618); --faint: light-dark(#6a6a70, #9c9ca4);
  --rule: light-dark(#d9d9de, #3a3a40); --faster: light-dark(#1a7f5a, #4cc38a); --slower: light-dark(#b4460f, #f0935a); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 1.5rem 0; } svg { width: 100%; max-width: 760px; font-size: 12px; }
svg text { fill: var(--ink); } .name { text-anchor: end; } .scale { text-anchor: middle; fill: var(--faint); }
.tick { stroke: var(--rule); } .one { stroke: var(--ink); } .faster { fill: var(--faster); } .slower { fill: var(--slower); }
.scroll { overflow-x: auto; margin: 1rem 0 2rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
caption, figcaption { text-align: left; font-weight: 600; padding: .4rem 0; } .note { color: var(--faint); }`;

const number = (value, digits = 2) => (value === undefined ? '–' : value.toFixed(digits));
const cells = (values, tag = 'td') => values.map((value) => `<${tag}>${escape(value)}</${tag}>`).join('');

function table(caption, head, rows) {
  return `<div class="scroll"><table><caption>${escape(caption)}</caption><thead><tr>${cells(head, 'th scope="col"').replaceAll('</th scope="col">', '</th>')}</tr></thead>`
    + `<tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('')}</tbody></table></div>`;
}

const MEASURED = [
  ['run1', 'Run, one thread (ms)', (row) => row.run1],
  ['run2', 'Run, two threads (ms)', (row) => row.run2],
  ['create', 'Create from .onnx (ms)', (row) => row.create?.create],
  ['first', 'First run of a session (ms)', (row) => row.create?.first],
  ['both', 'Create and first run (ms)', (row) => row.create?.both],
  ['form', 'Create from the published form (ms)', (row) => row.form?.create],
  ['formBoth', 'Create from the published form and first run (ms)', (row) => row.form?.both],
  ['webgpu', 'WebGPU: run (ms)', (row) => row.webgpu],
  ['chosen', 'WebGPU by default: run of the faster of GPU and CPU (ms)', (row) => row.webgpu?.chosen],
  ['warm', 'WebGPU: warm-up, create and first run (ms)', (row) => row.warm],
  ['block', 'WebGPU: longest task of the page during warm-up (ms)', (row) => row.warm?.block],
  ['cold', 'Cold start to the first result at 10 Mbit/s (ms)', (row) => row.cold],
];

function measured(rows, [, caption, of]) {
  const there = rows.filter((row) => of(row)?.nearside);
  if (there.length === 0) return '';
  return table(caption, ['model', 'nearside min', 'median', 'onnxruntime-web min', 'median', 'ratio of minima', 'of medians', 'of rounds'], there.map((row) => {
    const { nearside, ort, ratio } = of(row);
    return [row.name, ms(nearside.min), ms(nearside.median), ms(ort?.min), ms(ort?.median), number(ratio?.min), number(ratio?.median), number(ratio?.rounds)];
  }));
}

function memory(rows) {
  const there = rows.filter((row) => row.memory?.nearside);
  if (there.length === 0) return '';
  return table('Wasm memory (MiB)', ['model', 'file', 'nearside, loaded', 'after runs', 'onnxruntime-web, loaded', 'after runs'], there.map((row) => {
    const { nearside, ort } = row.memory;
    return [row.name, mib(row.bytes), mib(nearside.load), mib(nearside.run), mib(ort.load), mib(ort.run)];
  }));
}

export function page(record) {
  const { date, commit, machine, browser, versions, wasm, means, models, absent } = record;
  const summary = FIGURES.filter(({ key }) => means[key]).map(({ key, label }) => {
    const { min, median, rounds, models: count, worst } = means[key];
    return [label, number(min), number(median), number(rounds), `${worst.name} ${number(worst.min)}`, count];
  });
  const charts = FIGURES.filter(({ key }) => means[key]).map(({ key, label, ratio }) => {
    const rows = models.map((row) => ({ name: row.name, ratio: ratio(row)?.min })).filter((row) => Number.isFinite(row.ratio));
    return `<figure><figcaption>${escape(label)}</figcaption>${chart(key, `${label}: nearside over onnxruntime-web, ratio of minima`, rows)}</figure>`;
  });
  const size = Object.entries(wasm).map(([name, { raw, gzip, brotli }]) => [name, versions[name] ?? '', mib(raw), mib(gzip), mib(brotli)]);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>nearside and onnxruntime-web, ${escape(date)}</title>
<style>${STYLE}</style>
<h1>nearside and onnxruntime-web</h1>
<p>Chromium ${escape(browser)}, ${escape(machine.cpu)}, ${machine.cores} cores, ${escape(machine.platform)} ${escape(machine.arch)}, load ${number(machine.load, 1)} at the end; ${escape(date)}, commit ${escape(commit)}.
Both engines in one thread of one page, in turns; below 1 nearside is faster, or smaller. The ratio of rounds is the median of the ratios of samples taken one after the other. Outputs were held against the reference before anything was timed.</p>
${absent.length > 0 ? `<p class="note">Not in the folder of models: ${escape(absent.join(', '))}.</p>` : ''}
${table('Geometric means', ['figure', 'ratio of minima', 'of medians', 'of rounds', 'worst model', 'models'], summary)}
${table('Wasm module (MiB)', ['package', 'version', 'raw', 'gzip', 'brotli'], size)}
${charts.join('\n')}
${MEASURED.map((row) => measured(models, row)).join('\n')}
${memory(models)}
</html>
`;
}
