#!/usr/bin/env node
/**
 * The command line of the package: `nearside tailor`. The native `nearside` has the other commands and calls this.
 *
 * In: arguments. Out: a folder with the package whose engine holds only what the models need, and what it weighs.
 * @module
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { NearsideError } from '../errors.js';
import { readShapes } from './feeds.js';
import { tailor } from './tailor.js';

const HELP = `Usage: nearside tailor MODEL... -o DIR [--shape INPUT=DIMS]...

Writes a copy of the package whose engine holds only what these models need. It loads them as the whole package does;
when it meets something else it turns to the whole engine, which lies beside it in DIR and is fetched only then.

  MODEL                  .onnx, .tflite and .nearside files
  -o, --output DIR       where to write; must not exist, or be a package that tailor wrote
      --shape INPUT=DIMS a shape of an input whose dimensions the model leaves open, as 1x3x224x224; may be repeated
      --json             the result as JSON
  -h, --help             this text

The result is used in place of the package: \`npm install ./DIR\`, or import DIR/index.browser.js.`;

/** From error codes to exit codes, as the native command has them. */
const EXIT = { INVALID_MODEL: 2, UNSUPPORTED_OPERATOR: 2, UNSUPPORTED_TYPE: 2, INVALID_INPUT: 3, SHAPE_MISMATCH: 3, TYPE_MISMATCH: 3, CANNOT_PLAN: 3, OUT_OF_MEMORY: 5, IO: 7 };
const OURS = '.tailored.json';
const ENGINE = join('wasm', 'nearside_bg.wasm');
const WHOLE = join('wasm', 'nearside_full_bg.wasm');
const RELAXED = join('wasm', 'nearside_relaxed_bg.wasm');
const RELAXED_WHOLE = join('wasm', 'nearside_relaxed_full_bg.wasm');
const home = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
const invalid = (message) => { throw new NearsideError('INVALID_INPUT', message); };

function read(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new NearsideError('IO', `${path}: ${error.message}`, undefined, error);
  }
}

function readArguments(args) {
  const options = { output: { type: 'string', short: 'o' }, shape: { type: 'string', multiple: true }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } };
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    return invalid(error.message);
  }
}

/** The package's own files; not its dependencies, of which it has none. */
function write(folder, { bytes, relaxed }, facts) {
  const part = `${folder}.${process.pid}`;
  rmSync(part, { recursive: true, force: true });
  const { files } = JSON.parse(read(join(home, 'package.json')).toString());
  const plain = files.filter((pattern) => !pattern.includes('tailor')).map((pattern) => pattern.replace(/^\//, '').split('/')[0]);
  const taken = (path) => plain.some((pattern) => pattern === path || (pattern.startsWith('*') && path.endsWith(pattern.slice(1))));
  try {
    mkdirSync(part, { recursive: true });
    cpSync(home, part, {
      recursive: true,
      filter: (from) => from === home || taken(from.slice(home.length + 1).split(/[\\/]/)[0]) || basename(from) === 'package.json',
    });
    rmSync(join(part, 'tailor'), { recursive: true, force: true });
    rmSync(join(part, 'wasm', '.stamp.json'), { force: true });
    const manifest = JSON.parse(read(join(part, 'package.json')).toString());
    delete manifest.bin;
    delete manifest.scripts;
    manifest.files = manifest.files.filter((pattern) => !pattern.startsWith('tailor'));
    writeFileSync(join(part, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    writeFileSync(join(part, ENGINE), bytes);
    writeFileSync(join(part, RELAXED), relaxed);
    writeFileSync(join(part, OURS), `${JSON.stringify(facts, null, 2)}\n`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
  } catch (error) {
    throw new NearsideError('IO', `${folder}: ${error.message}`, undefined, error);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

async function main(args) {
  const { values, positionals: [command, ...models] } = readArguments(args);
  if (values.help || command === undefined) {
    console.log(HELP);
    return;
  }
  if (command !== 'tailor') invalid(`unknown command '${command}'; the package has: tailor. The native program has the others.`);
  if (models.length === 0) invalid('name at least one model; --help says more');
  if (!values.output) invalid('-o DIR is missing; --help says more');
  const folder = resolve(values.output);
  if (existsSync(folder) && !existsSync(join(folder, OURS))) invalid(`${folder} exists and was not written by tailor`);
  const shapes = readShapes(values.shape ?? []);
  const subjects = models.map((path) => ({ name: path, model: read(path), shapes }));

  const [trimmed, whole, ...others] = [ENGINE, WHOLE, RELAXED, RELAXED_WHOLE].map((name) => read(join(home, name)));
  const relaxed = { trimmed: others[0], whole: others[1] };
  const say = (text) => values.json || console.log(text);
  say(`running ${models.length === 1 ? basename(models[0]) : `${models.length} models`} to see what the engine needs …`);
  let copies = 0;
  const glue = () => import(`../wasm/nearside.js?${(copies += 1)}`);
  const made = await tailor(subjects, { whole, trimmed, relaxed, glue });
  const { functions, of } = made;
  const [before, after] = [trimmed, made.bytes].map((engine) => ({ raw: engine.length, gzip: gzipSync(engine, { level: 9 }).length }));
  write(folder, made, { models: models.map((path) => basename(path)), functions, ...after });
  if (values.json) console.log(JSON.stringify({ folder, functions, of, package: before, tailored: after }));
  say(`${folder}: ${functions} of ${of} functions, ${mib(after.raw)}, gzip ${mib(after.gzip)} (the package's: gzip ${mib(before.gzip)})`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = EXIT[error.code] ?? 70;
});
