// Set-up: `npm run setup`, and the first thing that start, build and test do. In: a machine with Node 20 and
// rustup. Out: everything that the build, the demo and the tests need.
// The one decision: `steps` is a list in order; each looks first and works only when something is missing, so that
// a second run takes about a second.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { alone } from './lib/alone.mjs';
import { cache, decide, exe, lockedVersion, python, root, tools } from './lib/paths.mjs';
import { capture, main, run, say, seconds, step } from './lib/run.mjs';
import { VULKAN, aptInstall, findChromium, findVulkan, hasApt, installChromium, isRoot, missingPackages } from './lib/system.mjs';
import { installWasmTarget, wasmEnv } from './lib/wasm-target.mjs';

const WASM_PACK = '0.15.1';

async function systemPackages(note) {
  const missing = missingPackages();
  if (missing.length === 0) return 'present';
  note(`installing ${missing.join(', ')}`);
  await aptInstall(missing);
  return `installed ${missing.join(', ')}`;
}

async function rust(note) {
  const wanted = readFileSync(join(root, 'rust-toolchain.toml'), 'utf8').match(/channel = "([^"]+)"/)[1];
  const version = (args = []) => capture('rustc', [...args, '--version']).out.split(' ')[1];
  const complete = () => version() === wanted && capture('cargo', ['fmt', '--version']).ok && capture('cargo', ['clippy', '--version']).ok;
  if (complete()) return `${wanted} present`;
  if (!capture('rustup', ['--version']).ok) {
    throw new Error(`Rust ${wanted} is missing, and so is rustup: install rustup first (see "Install Rust" on the Rust web site)`);
  }
  note(`installing ${wanted}`);
  const install = ['toolchain', 'install', wanted, '--profile', 'minimal', '--component', 'rustfmt', '--component', 'clippy'];
  const failure = await run('rustup', install, { label: 'rustup' }).then(() => undefined, (error) => error);
  if (!failure && complete()) return `${wanted} installed`;
  // Another toolchain of the same version (a `stable`, say) is the same compiler.
  for (const line of capture('rustup', ['toolchain', 'list']).out.split('\n')) {
    const name = line.split(' ')[0];
    if (name && version([`+${name}`]) === wanted) {
      decide({ RUSTUP_TOOLCHAIN: name });
      return `${wanted} taken from the toolchain ${name}`;
    }
  }
  throw failure ?? new Error(`rustup installed ${wanted} without rustfmt or clippy`);
}

async function wasmTarget(note) {
  if (wasmEnv()) return 'present';
  return installWasmTarget(note);
}

/** A cargo-installed tool of exactly one version; one of that version on the PATH is as good. */
async function cargoTool(note, { crate, binary, version }) {
  const there = () => capture(binary, ['--version']).out.split(' ')[1] === version;
  if (there()) return `${version} present`;
  note(`building ${version}, some minutes`);
  await run('cargo', ['install', '--root', tools, '--force', `${crate}@${version}`], {
    label: `cargo install ${crate}`,
    // Half the build time; the tools themselves run for seconds.
    env: { CARGO_TARGET_DIR: join(cache, 'tools-target'), CARGO_PROFILE_RELEASE_OPT_LEVEL: '1', CARGO_PROFILE_RELEASE_LTO: 'off' },
  });
  rmSync(join(cache, 'tools-target'), { recursive: true, force: true });
  if (!there()) throw new Error(`${binary}${exe} ${version} was installed and does not answer`);
  return `${version} installed`;
}

/** What package-lock.json asks for and node_modules lacks (packages for other platforms may be absent). */
export function missingModules() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return ['node_modules'];
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted)
    .filter(([path, { optional }]) => path.includes('node_modules/') && !optional)
    .filter(([path, { version, link }]) => (link ? !have[path]?.link : have[path]?.version !== version))
    .map(([path]) => path);
}

async function npmPackages(note) {
  if (missingModules().length === 0) return 'present';
  note('npm ci');
  await run(`npm${process.platform === 'win32' ? '.cmd' : ''}`, ['ci', '--no-audit', '--no-fund'], { label: 'npm ci' });
  return 'installed';
}

async function browser(note, { browserNeeded }) {
  const found = findChromium();
  if (found) return `present (${found})`;
  note('installing Chromium');
  try {
    await installChromium();
  } catch (error) {
    if (browserNeeded) throw error;
    return `${error.message.split('\n')[0]}; the tests need one, the demo does not`;
  }
  return `installed (${findChromium()})`;
}

/** The tests of the native GPU engine are skipped without an adapter. */
async function vulkan(note) {
  if (findVulkan()) return 'present';
  const without = (why) => `none: ${why}; the tests of the native GPU engine are skipped`;
  if (!hasApt() || !isRoot()) return without(`install what your system calls ${VULKAN.join(', ')}`);
  note(`installing ${VULKAN.join(', ')}`);
  return aptInstall(VULKAN).then(() => `installed ${VULKAN.join(', ')}`, (error) => without(error.message.split('\n')[0]));
}

async function pythonPackages(note) {
  const wanted = readFileSync(join(root, 'tests', 'requirements.txt'));
  const stamp = join(python, 'requirements.sha256');
  const hash = createHash('sha256').update(wanted).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return 'present';
  note('installing tests/requirements.txt');
  rmSync(python, { recursive: true, force: true });
  await run('python3', ['-m', 'venv', python], { label: 'python venv' });
  await run(join(python, 'bin', 'pip'), ['install', '-q', '-r', join(root, 'tests', 'requirements.txt')], { label: 'pip' });
  writeFileSync(stamp, hash);
  return 'installed';
}

/** `tests`: only the tests need it, `npm start` does without. */
const steps = [
  { name: 'system packages', work: systemPackages },
  { name: 'Rust', work: rust },
  { name: 'wasm target', work: wasmTarget },
  { name: 'npm packages', work: npmPackages },
  { name: 'wasm-bindgen', work: (note) => cargoTool(note, { crate: 'wasm-bindgen-cli', binary: 'wasm-bindgen', version: lockedVersion('wasm-bindgen') }) },
  { name: 'wasm-pack', work: (note) => cargoTool(note, { crate: 'wasm-pack', binary: 'wasm-pack', version: WASM_PACK }) },
  { name: 'Chromium', work: browser },
  { name: 'Vulkan', work: vulkan, tests: true },
  { name: 'Python packages', work: pythonPackages, tests: true },
];

export async function setup({ tests = true } = {}) {
  const since = performance.now();
  say('Set-up');
  mkdirSync(cache, { recursive: true });
  // Checkouts share the cache, and the machine.
  await alone(`set-up ${cache}`, async () => {
    for (const { name, work, tests: onlyTests } of steps) {
      if (onlyTests && !tests) continue;
      await step(name, (note) => work(note, { browserNeeded: tests }));
    }
  }, () => say('  waiting for another set-up to end …'));
  say(`  ready in ${seconds(since)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(() => setup());
