// `npm run bench`: nearside and onnxruntime-web side by side in Chromium. In: arguments, the built package, the models.
// Out: tables on the terminal, tests/out/bench.html, and, of a full run, a record in tests/records.
// The one decision: the exit code tells of wrong outputs, never of slow ones: what is fast enough is read off the record.
import { parseArgs } from 'node:util';
import { build } from '../../scripts/build.mjs';
import { main, say, seconds } from '../../scripts/lib/run.mjs';
import { setup } from '../../scripts/setup.mjs';
import { launch } from '../lib/chromium.mjs';
import { cold, create, firstLine, form, memory, run, warm, webgpu } from './parts.mjs';
import { profile } from './profile.mjs';
import { facts, save } from './record.mjs';
import { roofline } from './roofline.mjs';
import { serveBench } from './site.mjs';
import { withForms } from './forms.mjs';
import { subjects } from './subjects.mjs';
import { means } from './means.mjs';
import { line, tables } from './table.mjs';

const USAGE = `npm run bench -- [options] [FILE.onnx …]
  FILE.onnx            instead of the models at hand: these, with made-up inputs; onnxruntime-web's outputs are the reference
  --dim NAME=N         what an open dimension of a file is; may be repeated [default: 1]
  --tolerance ROW      how files are compared, a row of tests/cases/models.json, as int8-dynamic [default: fp32]
  --quick              smaller samples
  --models a,b         only these
  --only run,fixed,create,form,cold,memory,webgpu,warm   fixed: runs in one thread on the reference engine, without relaxed SIMD
  --threads 1,2        threads of the runs [default: 1,2]
  --profile MODEL      instead: where nearside's time goes in one model, or FILE.onnx, node by node
  --roofline           instead: the GPU's kernels, natively, beside what its memory and its arithmetic give
  --no-build           measure the package, or the binary, as it is built`;

const OPTIONS = {
  quick: { type: 'boolean' }, models: { type: 'string' }, only: { type: 'string' }, threads: { type: 'string' },
  profile: { type: 'string' }, roofline: { type: 'boolean' }, dim: { type: 'string', multiple: true }, tolerance: { type: 'string' }, 'no-build': { type: 'boolean' }, help: { type: 'boolean' },
};
const PARTS = ['run', 'fixed', 'create', 'form', 'cold', 'memory', 'webgpu', 'warm'];
/** Chromium's software adapter, which every machine has; NEARSIDE_GPU=real takes the machine's own. */
const SOFTWARE = process.env.NEARSIDE_GPU === 'real' ? [] : ['--use-webgpu-adapter=swiftshader'];
const BITS_PER_SECOND = 10e6;

const settingsOf = (quick) => ({
  run: { budgetMs: quick ? 1000 : 4000, least: quick ? 3 : 5, most: 200 },
  create: { budgetMs: quick ? 1000 : 3000, least: quick ? 2 : 3, most: 30 },
  cold: { rounds: quick ? 1 : 2, mostBytes: 8 << 20, bitsPerSecond: BITS_PER_SECOND },
  memory: { runs: 3 },
  webgpu: { budgetMs: quick ? 1000 : 4000, least: quick ? 2 : 3, most: 100 },
  warm: { rounds: quick ? 1 : 3 },
});

function listed(text, all) {
  const chosen = text?.split(',').map((word) => word.trim()) ?? all;
  const unknown = chosen.find((word) => !all.includes(word));
  if (unknown !== undefined) throw new Error(`unknown: ${unknown}\n${USAGE}`);
  return chosen;
}

function sizesOf(dims = []) {
  return Object.fromEntries(dims.map((text) => {
    const [, name, size] = text.match(/^(.+)=([1-9]\d*)$/) ?? [];
    if (!name) throw new Error(`--dim ${text}: a dimension looks like batch=8`);
    return [name, Number(size)];
  }));
}

async function measure(bench, found, jobs) {
  const rows = [];
  for (const subject of found) {
    const row = { name: subject.name, bytes: subject.bytes };
    for (const [name, job] of jobs) {
      row[name] = await job(bench, subject).catch((error) => ({ error: firstLine(error), wrong: true }));
      say(`  ${line(subject.name, name, row[name])}`);
    }
    rows.push(row);
  }
  return rows;
}

await main(async () => {
  const since = performance.now();
  const { values: args, positionals: files } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (args.help) return void say(USAGE);
  if (args.roofline) {
    if (!args['no-build']) {
      await setup();
      await build({ only: ['native'] });
    }
    return roofline(args.quick);
  }
  const parts = listed(args.only, PARTS);
  const threads = listed(args.threads, ['1', '2']).map(Number);
  if (!args['no-build']) {
    await setup();
    await build({ only: parts.includes('form') ? ['pkg', 'native'] : ['pkg'] });
  }
  const isFile = args.profile?.endsWith('.onnx');
  const chosen = isFile ? undefined : args.profile ?? args.models;
  const { found: plain, absent } = await subjects(chosen?.split(',') ?? [], isFile ? [args.profile] : files, sizesOf(args.dim), args.tolerance);
  const found = parts.includes('form') && !args.profile ? withForms(plain) : plain;
  if (absent.length > 0) say(`not in the folder of models: ${absent.join(', ')}`);
  const settings = settingsOf(args.quick);
  const sites = await Promise.all([serveBench(found), serveBench(found, settings.cold)]);
  const chromium = await launch();
  const onGpu = ['webgpu', 'warm'].some((part) => parts.includes(part)) && !args.profile;
  const withGpu = onGpu ? await launch({ args: ['--enable-unsafe-webgpu', ...SOFTWARE] }) : undefined;
  const bench = { chromium, withGpu, url: sites[0].url, slowUrl: sites[1].url, settings };
  try {
    if (args.profile) return await profile(bench, found[0]);
    const runs = threads.map((count) => [`run${count}`, run(count)]);
    const jobs = [...(parts.includes('run') ? runs : []), ...Object.entries({ fixed: run(1, 'fixed'), create, form, cold, memory, webgpu, warm }).filter(([name]) => parts.includes(name))];
    const rows = await measure(bench, found, jobs);
    const record = { ...facts(chromium.browser), settings, absent, means: means(rows), models: rows };
    say(tables(record));
    const full = !args.quick && !args.models && files.length === 0 && !args.only && !args.threads;
    for (const file of save(record, full)) say(`wrote ${file}`);
    say(`in ${seconds(since)}`);
    const wrong = rows.filter((row) => Object.values(row).some((part) => part?.wrong));
    if (wrong.length > 0) say(`wrong outputs: ${wrong.map(({ name }) => name).join(', ')}`);
    return wrong.length > 0 ? 1 : 0;
  } finally {
    await chromium.close();
    await withGpu?.close();
    await Promise.all(sites.map((site) => site.close()));
  }
});
