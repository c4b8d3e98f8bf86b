// The record. In: what was measured. Out: the facts without which its numbers mean nothing, and the files.
// The one decision: only a full run goes to tests/records, which is committed; the rest and the page to tests/out.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform } from 'node:os';
import { join, relative } from 'node:path';
import { root } from '../../scripts/lib/paths.mjs';
import { capture } from '../../scripts/lib/run.mjs';
import { ENGINES } from '../../scripts/lib/variants.mjs';
import { page } from './html.mjs';
import { compressed, folders } from './site.mjs';

const version = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;

function sizes(...path) {
  const bytes = readFileSync(join(...path));
  return { raw: bytes.length, gzip: compressed(bytes, 'gzip').length, brotli: compressed(bytes, 'br').length };
}

export function facts(browser) {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: capture('git', ['rev-parse', '--short', 'HEAD']).out,
    machine: { platform: platform(), arch: arch(), cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg()[0] },
    browser: browser.version(),
    versions: { nearside: version(folders.pkg), 'onnxruntime-web': version(join(folders.ort, '..')) },
    wasm: {
      // Those that Chromium gets.
      nearside: sizes(folders.pkg, 'wasm', ENGINES.relaxed.trimmed),
      'nearside, on need': sizes(folders.pkg, 'wasm', ENGINES.relaxed.whole),
      'onnxruntime-web': sizes(folders.ort, 'ort-wasm-simd-threaded.wasm'),
    },
  };
}

export function save(record, full) {
  const { date, machine } = record;
  const name = full ? `bench-${date}-${machine.platform}-${machine.arch}-${machine.cores}` : 'bench';
  const out = join(root, 'tests', 'out');
  const files = [
    [join(full ? join(root, 'tests', 'records') : out, `${name}.json`), `${JSON.stringify(record, null, 1)}\n`],
    [join(out, 'bench.html'), page(record)],
  ];
  mkdirSync(out, { recursive: true });
  for (const [file, text] of files) writeFileSync(file, text);
  return files.map(([file]) => relative(root, file));
}
