// `npm run bench -- --roofline`: how near the kernels come to what this adapter can do. In: single kernels, the native
// binary. Out: a table, and a record: for each kernel its GFLOP/s and GB/s, by the GPU's own clock, beside the roof.
// The one decision: the roof is measured too, in the same rounds: a copy says what memory gives, a chain of products and
// sums, or the fastest product of matrices, what the arithmetic does. What bounds a kernel is the nearer of the two.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { nativeBinary, root } from '../../scripts/lib/paths.mjs';
import { capture, say } from '../../scripts/lib/run.mjs';
import { COPY, kernels } from './kernels.mjs';
import { round } from './stats.mjs';

/** Seconds of one measurement, of which each round has one a kernel; the fastest run counts. */
const SECONDS = '0.1';
const GIGA = 1e9;

function nearside(args) {
  const { status, stdout, stderr, error } = spawnSync(nativeBinary, args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1));
  return JSON.parse(stdout);
}

/** Milliseconds of a model's dispatches, by the GPU's clock. */
function timed(file) {
  const { profile } = nearside(['bench', file, '--fill', 'random', '--device', 'gpu', '--strict', '--profile', '--json', '-s', SECONDS]);
  if (!profile?.length) throw new Error('the adapter has no clock');
  return { ms: profile.reduce((sum, step) => sum + step.ms, 0), dispatches: profile.length };
}

function measured(folder, rounds) {
  const rows = kernels().map((kernel, at) => {
    const file = join(folder, `${at}.onnx`);
    writeFileSync(file, kernel.model);
    return { ...kernel, file, ms: Infinity };
  });
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const row of turn % 2 === 0 ? rows : rows.toReversed()) {
      if (row.error) continue;
      try {
        const { ms, dispatches } = timed(row.file);
        Object.assign(row, { ms: Math.min(row.ms, ms), dispatches });
      } catch (error) {
        row.error = error.message;
      }
    }
  }
  return rows;
}

/** What rows are worth beside the roof that some of them are. */
export function judged(rows) {
  const rate = (work, ms) => work / (ms / 1e3) / GIGA;
  const done = rows.filter(({ error }) => !error);
  const bandwidth = rate(...(({ bytes, ms }) => [bytes, ms])(done.find(({ name }) => name === COPY)));
  const arithmetic = Math.max(...done.map(({ flops, ms }) => rate(flops, ms)));
  const judge = ({ name, flops, bytes, ms, dispatches, error }) => {
    if (error) return { name, error };
    const [compute, memory] = [rate(flops, ms), rate(bytes, ms)];
    const [ofArithmetic, ofBandwidth] = [compute / arithmetic, memory / bandwidth];
    return {
      name, ms: round(ms), dispatches, gflops: round(compute), gbytes: round(memory), ofArithmetic: round(ofArithmetic), ofBandwidth: round(ofBandwidth),
      // The part of what the roof allows to a kernel that does so much with so many bytes.
      ofRoof: round(Math.max(ofArithmetic, ofBandwidth)), bound: ofArithmetic > ofBandwidth ? 'arithmetic' : 'memory',
    };
  };
  return { roof: { gflops: round(arithmetic), gbytes: round(bandwidth) }, kernels: rows.map(judge) };
}

const percent = (part) => `${(100 * part).toFixed(0)} %`.padStart(7);

function table({ adapter, roof, kernels: rows }) {
  const head = `${'kernel'.padEnd(28)}${'ms'.padStart(9)}${'GFLOP/s'.padStart(10)}${'of peak'.padStart(9)}${'GB/s'.padStart(9)}${'of copy'.padStart(9)}   bound by`;
  const line = (row) => (row.error ? `${row.name.padEnd(28)}  ${row.error}`
    : `${row.name.padEnd(28)}${row.ms.toFixed(3).padStart(9)}${row.gflops.toFixed(1).padStart(10)}${percent(row.ofArithmetic).padStart(9)}${row.gbytes.toFixed(2).padStart(9)}${percent(row.ofBandwidth).padStart(9)}   ${row.bound}`);
  return [`${adapter}: ${roof.gflops} GFLOP/s, ${roof.gbytes} GB/s`, head, ...rows.map(line), ''].join('\n');
}

/** Measures, tells, and keeps a record: of a full run among the records. */
export function roofline(quick) {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-roofline-'));
  try {
    const rows = measured(folder, quick ? 1 : 5);
    const adapter = adapterOf(rows[0].file);
    const record = {
      date: new Date().toISOString().slice(0, 10), commit: capture('git', ['rev-parse', '--short', 'HEAD']).out, adapter,
      machine: { platform: platform(), arch: arch(), cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0] }, ...judged(rows),
    };
    say(table(record));
    const name = quick ? 'roofline.json' : `roofline-${record.date}-${platform()}-${arch()}-${cpus().length}.json`;
    const file = join(root, 'tests', quick ? 'out' : 'records', name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, `${JSON.stringify(record, null, 1)}\n`);
    say(`wrote ${relative(root, file)}`);
    return rows.some(({ error }) => error) ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function adapterOf(file) {
  const { plan } = nearside(['inspect', file, '--plan', '--json']);
  return [plan].flat().find((part) => part?.adapter)?.adapter ?? 'an adapter without a name';
}
