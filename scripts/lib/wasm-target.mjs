// The standard library for wasm32-unknown-unknown. In: the toolchain that cargo uses in this folder.
// Out: `wasmEnv()`, the environment under which cargo can build for wasm.
// The one decision: three ways, in order, each a row of `ways`: rustup's own download; else a build from Debian's
// source package of the same version, for the same compiler; else Debian's own toolchain, kept up for its
// browsers, whatever its version. NEARSIDE_WASM_STD names one way to allow only that one.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cache, childEnv } from './paths.mjs';
import { capture, run } from './run.mjs';
import { aptInstall, aptUpdate, hasApt, isRoot } from './system.mjs';

const TARGET = 'wasm32-unknown-unknown';
const DEBIAN = { rustc: '/usr/bin/rustc', cargo: '/usr/bin/cargo', source: '/usr/lib/rustlib/src/rust/library' };
const sysroot = () => capture('rustc', ['--print', 'sysroot']).out;
const rustcVersion = (rustc = 'rustc') => capture(rustc, ['--version']).out.split(' ')[1];
const targetDir = (rustc) => capture(rustc, ['--print', 'target-libdir', '--target', TARGET]).out;

const isStd = (name) => /^libstd-.*\.rlib$/.test(name);

function hasStd(rustc) {
  const folder = targetDir(rustc);
  return folder !== '' && existsSync(folder) && readdirSync(folder).some(isStd);
}

/** The linker that rustup ships; Debian's compiler has none of its own. */
function rustLld() {
  const host = capture('rustc', ['-vV']).out.match(/^host: (.*)$/m)?.[1];
  return join(sysroot(), 'lib', 'rustlib', host ?? '', 'bin', 'rust-lld');
}

/** A folder of its own: the variable below would have cargo build the host's half of the native build again. */
const wasmTarget = join(cache, 'target-wasm');
/**
 * With relaxed SIMD: the reference engine, which has none, is made from the result (lower.mjs), so that the two cost
 * one build.
 * Panics say what happened, not in which line of whose source: 76 kB (3 %) of the module's gzip size are such lines.
 * The option is unstable, so the compiler is asked to take it; the flags of .cargo/config.toml are repeated, because
 * the variable replaces them.
 */
const FLAGS = {
  RUSTC_BOOTSTRAP: '1',
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: '-C target-feature=+simd128,+relaxed-simd -Z location-detail=none',
};

/** The environment for wasm builds, or undefined when no installed compiler has the target. */
export function wasmEnv() {
  if (hasStd('rustc')) return { ...FLAGS, CARGO_TARGET_DIR: wasmTarget };
  if (!existsSync(DEBIAN.rustc) || !hasStd(DEBIAN.rustc)) return undefined;
  return {
    ...FLAGS,
    RUSTC: DEBIAN.rustc,
    CARGO: DEBIAN.cargo,
    PATH: `${dirname(DEBIAN.rustc)}:${childEnv().PATH}`,
    CARGO_TARGET_DIR: join(cache, 'target-debian'),
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: rustLld(),
  };
}

/** Builds std from source with `rustc` and lays it where that compiler looks for it. */
async function buildStd({ rustc, cargo, env = {} }) {
  const crate = join(cache, `wasm-std-${rustcVersion(rustc)}`);
  mkdirSync(join(crate, 'src'), { recursive: true });
  writeFileSync(join(crate, 'Cargo.toml'),
    '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[lib]\ncrate-type = ["cdylib"]\n[workspace]\n');
  writeFileSync(join(crate, 'src', 'lib.rs'), '');
  // Bitcode, because the shipping profile links with LTO; without it rustc finds no ".llvmbc" section.
  await run(cargo, ['build', '--release', '--target', TARGET, '-Zbuild-std=std,panic_abort'], {
    label: 'standard library for wasm',
    cwd: crate,
    env: { ...env, RUSTC: rustc, RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Cembed-bitcode=yes', CARGO_TARGET_DIR: join(crate, 'target') },
  });
  const built = join(crate, 'target', TARGET, 'release', 'deps');
  const to = targetDir(rustc);
  mkdirSync(to, { recursive: true });
  // The library by which all are found comes last, so that a set-up that is cut off is not taken for a whole one.
  const libraries = readdirSync(built).filter((name) => name.endsWith('.rlib')).sort((a, b) => isStd(a) - isStd(b));
  for (const name of libraries) cpSync(join(built, name), join(to, name));
  rmSync(crate, { recursive: true });
}

/** Unpacks Debian's rust-src of exactly `version` into the cache; apt checks its signature. Gives its library/. */
async function debianSource(version) {
  const folder = join(cache, `rust-src-${version}`);
  const library = join(folder, 'library');
  if (existsSync(join(library, 'std', 'Cargo.toml'))) return library;
  await aptUpdate();
  // The mirror is the one that apt is configured with; only the suite is another.
  const mirror = capture('apt-get', ['indextargets', '--format', '$(ORIGIN) $(CODENAME) $(REPO_URI)', 'Created-By: Packages'])
    .out.split('\n').map((line) => line.split(' ')).find(([origin, codename]) => origin === 'Debian' && !codename.includes('-'))?.[2];
  if (!mirror) throw new Error('apt has no Debian mirror');
  const state = join(folder, 'apt');
  for (const sub of ['lists/partial', 'archives/partial', 'parts', 'unpacked']) mkdirSync(join(state, sub), { recursive: true });
  const list = join(state, 'sources.list');
  writeFileSync(list, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror} trixie-backports main\n`);
  const options = [`Dir::Etc::sourcelist=${list}`, `Dir::Etc::sourceparts=${state}/parts`, `Dir::State::lists=${state}/lists`,
    `Dir::Cache=${state}`, 'APT::Sandbox::User=root'].flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, 'update', '-q'], { label: 'apt-get update (trixie-backports)' });
  const offered = capture('apt-cache', [...options, 'madison', 'rust-src']).out;
  const full = offered.split('\n').map((line) => line.split('|')[1]?.trim()).find((found) => found?.startsWith(`${version}+`));
  if (!full) throw new Error(`trixie-backports has no rust-src ${version}`);
  const unpacked = join(state, 'unpacked');
  await run('apt-get', [...options, 'download', '-q', `rust-src=${full}`], { label: 'rust-src', cwd: state });
  const deb = readdirSync(state).find((name) => name.startsWith('rust-src_') && name.endsWith('.deb'));
  await run('dpkg-deb', ['-x', join(state, deb), unpacked], { label: 'unpack rust-src' });
  // In two steps: what is cut off in the first one is not taken for the whole.
  const part = `${library}.part`;
  rmSync(part, { recursive: true, force: true });
  cpSync(join(unpacked, 'usr', 'src', `rustc-${version}`, 'library'), part, { recursive: true, verbatimSymlinks: true });
  rmSync(library, { recursive: true, force: true });
  renameSync(part, library);
  rmSync(state, { recursive: true });
  return library;
}

async function fromDebianSource() {
  if (!hasApt() || !isRoot()) throw new Error('needs root and apt');
  const home = sysroot();
  const place = join(home, 'lib', 'rustlib', 'src', 'rust', 'library');
  const had = existsSync(place);
  const library = had ? undefined : await debianSource(rustcVersion());
  if (!had) {
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(library, place);
  }
  try {
    await buildStd({ rustc: join(home, 'bin', 'rustc'), cargo: join(home, 'bin', 'cargo') });
  } finally {
    // A source folder that rustup did not put there would stop a later `rustup component add rust-src`.
    if (!had) {
      rmSync(place);
      for (let empty = dirname(place); readdirSync(empty).length === 0; empty = dirname(empty)) rmdirSync(empty);
    }
  }
}

async function fromDebianToolchain() {
  await aptInstall(['rustc-web', 'cargo-web', 'rust-web-src']);
  await buildStd({ ...DEBIAN, env: { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: rustLld() } });
}

async function fromRustup() {
  const rustup = (verb) => run('rustup', ['target', verb, TARGET], { label: `rustup target ${verb}` });
  await rustup('add');
  if (wasmEnv()) return;
  // rustup has it on its list and the files are gone.
  await rustup('remove');
  await rustup('add');
}

const ways = [
  { name: 'rustup', how: 'rustup target add', go: fromRustup },
  { name: 'debian-source', how: "built from Debian's source package", go: fromDebianSource },
  { name: 'debian-toolchain', how: "Debian's own toolchain", go: fromDebianToolchain },
];

/** Makes the target available; says which way did it. */
export async function installWasmTarget(note) {
  const failures = [];
  for (const way of ways) {
    if (process.env.NEARSIDE_WASM_STD && process.env.NEARSIDE_WASM_STD !== way.name) continue;
    try {
      note(way.how);
      await way.go();
      if (!wasmEnv()) throw new Error('finished, and the compiler still does not find the target');
      // What was compiled against another standard library fails to link with this one, and cargo does not notice.
      rmSync(join(wasmTarget, TARGET), { recursive: true, force: true });
      return `installed (${way.how})`;
    } catch (error) {
      failures.push(`${way.how}: ${error.message}`);
      const lines = error.message.split('\n');
      note(`${way.how} did not work (${lines.find((line) => line.startsWith('error')) ?? lines[0]})`);
    }
  }
  throw new Error(`the Rust target ${TARGET} could not be installed:\n${failures.join('\n')}`);
}
