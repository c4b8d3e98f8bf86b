// The build: `npm run build [-- native pkg edge | without-gpu] [--no-opt] [--record]`. In: the sources and what set-up
// installed. Out: the native binary in the cargo target folder, pkg/wasm/ (the npm package's module), edge/build/ (the
// Worker); and where it is asked for, the package's module without the WebGPU engine, for its size alone.
// The one decision: cargo runs one build after the other (each uses all cores), while wasm-opt of a
// finished module runs beside the next cargo build, because it uses one core for minutes.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { alone } from './lib/alone.mjs';
import { childEnv, lockedVersion, nativeBinary, nativeFeatures, root } from './lib/paths.mjs';
import { capture, main, run, say, seconds, step } from './lib/run.mjs';
import { wasmEnv } from './lib/wasm-target.mjs';
import { bundle } from './lib/bundle.mjs';
import { sortFile } from './lib/likeness.mjs';
import { lower } from './lib/lower.mjs';
import { corpusKey, trim } from './lib/trim.mjs';
import { ENGINES, divide, shareGlue, untrimmed, variantsKey } from './lib/variants.mjs';
import { publish, wasmOpt } from './lib/wasm.mjs';
import { setup } from './setup.mjs';

const TRIPLE = 'wasm32-unknown-unknown';
const WASM = ['--lib', '--profile', 'wasm', '--target', TRIPLE];
const wasmFile = (name) => join(childEnv(wasmEnv()).CARGO_TARGET_DIR, TRIPLE, 'wasm', name);

const cargo = (args, env) => run('cargo', ['build', ...args], { label: 'cargo', env: { ...env, CARGO_TERM_COLOR: 'never' } });
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
const sizes = ({ raw, gzip, brotli }) => `${mebibytes(raw)}, gzip ${mebibytes(gzip)}, brotli ${mebibytes(brotli)}`;

const GPU = ['--features', 'gpu'];
const WEB = 'nearside_bg.wasm';
/** How the package's module is optimised once it is. */
const AGAIN = ['-Oz', '-Oz'];

/** The page's module of a crate with these features; `derive` is what becomes of its whole engines, by `recipe`. */
const web = ({ label, folder, features, optimise, bound, recipe = [], derive }) => publish({
  label,
  input: wasmFile('nearside_web.wasm'),
  folder,
  module: WEB,
  recipe: ['wasm-pack', lockedVersion('wasm-bindgen'), ...recipe, variantsKey(), ...AGAIN],
  optimise,
  bound,
  async derive(out) {
    // Twice more for size alone: from the beginning, that level leaves more than the usual one before it.
    for (const level of optimise ? AGAIN : []) await wasmOpt(join(out, WEB), `${label}, again`, [], level);
    if (optimise) sortFile(join(out, WEB));
    divide(out, WEB);
    await derive(out);
  },
  // wasm-pack calls cargo again with the same arguments, which finds nothing to do.
  bindgen: (out) => run('wasm-pack', ['build', 'pkg', '--target', 'web', '--out-name', 'nearside', '--out-dir', out,
    '--no-pack', '--no-gitignore', '--mode', 'no-install', '--no-opt', '--profile', 'wasm', '--', ...features], { label: 'wasm-pack', env: wasmEnv() }),
});

async function finishPkg({ optimise, bound }) {
  const { did, size } = await web({
    label: 'pkg',
    folder: join(root, 'pkg', 'wasm'),
    features: GPU,
    optimise,
    bound,
    recipe: [corpusKey()],
    async derive(out) {
      shareGlue(join(out, 'nearside.js'));
      await (optimise ? trim(out) : untrimmed(out));
    },
  });
  await bundle();
  return { did: `${did}, ${sizes(size)}`, size };
}

const withoutGpu = join(root, 'tests', 'out', 'without-gpu');

/** What is measured, a whole engine, stands under the name that it was made by. */
async function finishWithoutGpu({ optimise, bound }) {
  const derive = (out) => copyFileSync(join(out, ENGINES.relaxed.whole), join(out, WEB));
  const { did, size } = await web({ label: 'without-gpu', folder: withoutGpu, features: [], optimise, bound, derive });
  return { did: `${did}, ${sizes(size)}`, size };
}

async function finishEdge({ optimise, bound }) {
  const shim = join(root, 'edge', 'shim.mjs');
  if (!existsSync(shim)) throw new Error('edge/shim.mjs is missing: the Worker has no entry');
  const { did, size } = await publish({
    label: 'edge',
    input: wasmFile('edge.wasm'),
    folder: join(root, 'edge', 'build'),
    module: 'index_bg.wasm',
    recipe: ['wasm-bindgen', lockedVersion('wasm-bindgen'), readFileSync(shim, 'utf8'), variantsKey()],
    optimise,
    bound,
    // wasm-bindgen's abort handler catches what the runtime throws.
    features: ['exception-handling'],
    // The edge gives the same bits as the reference on the device.
    derive(out) {
      const file = join(out, 'index_bg.wasm');
      if (optimise) sortFile(file);
      writeFileSync(file, lower(readFileSync(file)).bytes);
    },
    async bindgen(out) {
      await run('wasm-bindgen', [wasmFile('edge.wasm'), '--target', 'module', '--out-dir', out, '--out-name', 'index', '--no-typescript',
        '--experimental-reset-state-function', '--force-enable-abort-handler'], { label: 'wasm-bindgen edge' });
      // Source-phase imports are newer than the runtime; a plain import of wasm is a compiled module there.
      const index = join(out, 'index.js');
      writeFileSync(index, readFileSync(index, 'utf8').replaceAll('import source ', 'import '));
      copyFileSync(shim, join(out, 'shim.mjs'));
    },
  });
  return { did: `${did}, ${sizes(size)}`, size };
}

/** In the order in which cargo runs them: the modules first, their optimisation is the longest tail. */
const parts = [
  { name: 'pkg', compile: () => cargo(['-p', 'nearside-web', ...GPU, ...WASM], wasmEnv()), finish: finishPkg },
  { name: 'edge', compile: () => cargo(['-p', 'edge', ...WASM], wasmEnv()), finish: finishEdge },
  { name: 'without-gpu', apart: true, compile: () => cargo(['-p', 'nearside-web', ...WASM], wasmEnv()), finish: finishWithoutGpu },
  { name: 'native', compile: () => cargo(['--release', ...nativeFeatures, '--bin', 'nearside']) },
];

/** Only of what was built: the size of the module without the WebGPU engine has a record of its own. */
function record({ 'without-gpu': without, ...size }) {
  if (without) write('size-without-gpu', without);
  if (Object.keys(size).length > 0) write('size', size);
}

function write(name, size) {
  const folder = join(root, 'tests', 'records');
  mkdirSync(folder, { recursive: true });
  const rustc = capture('rustc', ['--version']).out.split(' ')[1];
  const entry = { date: new Date().toISOString().slice(0, 10), machine: `${process.platform} ${process.arch}, ${cpus().length} cores`, rustc, ...size };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(entry, null, 2)}\n`);
  say(`  recorded in tests/records/${name}.json`);
}

/** One build of a checkout at a time: another one would take its folders away from under it. */
export async function build(options = {}) {
  say('Build');
  return alone(`build ${root}`, () => buildNow(options), () => say('  waiting for another build of this checkout to end …'));
}

async function buildNow({ only = [], optimise = true, recordSize = false }) {
  const since = performance.now();
  const wanted = parts.filter(({ name, apart }) => (only.length === 0 ? !apart : only.includes(name)));
  const size = {};
  const finishing = [];
  for (const { name, compile, finish } of wanted) {
    await step(`${name}, cargo`, async (note) => {
      note('compiling');
      const { lines } = await compile();
      const crates = lines.filter((line) => line.trim().startsWith('Compiling')).length;
      return crates === 0 ? 'unchanged' : `${crates} crates`;
    });
    if (!finish) continue;
    // wasm-pack asks cargo too, and would wait for the lock until the next build is done.
    await new Promise((bound) => {
      // Failures wait for their turn below, so that the next cargo build is not cut off half-way.
      finishing.push(step(`${name}, module`, async () => {
        const done = await finish({ optimise, bound });
        size[name] = done.size;
        return done.did;
      }).then(() => undefined, (error) => error).finally(bound));
    });
  }
  const failed = (await Promise.all(finishing)).find(Boolean);
  if (failed) throw failed;
  if (recordSize) record(size);
  say(`  built in ${seconds(since)}\n`);
  return { size, nativeBinary };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const args = process.argv.slice(2);
    const only = args.filter((arg) => !arg.startsWith('--'));
    const unknown = only.find((name) => !parts.some((part) => part.name === name))
      ?? args.find((arg) => arg.startsWith('--') && !['--no-opt', '--record'].includes(arg));
    if (unknown) throw new Error(`unknown: ${unknown}; usage: npm run build [-- native pkg edge without-gpu] [--no-opt] [--record]`);
    await setup({ tests: false });
    await build({ only, optimise: !args.includes('--no-opt'), recordSize: args.includes('--record') });
  });
}
