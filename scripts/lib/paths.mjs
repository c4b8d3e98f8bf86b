// Where things are. In: the environment (NEARSIDE_CACHE, PORT and the like are read where they are used).
// Out: absolute paths and the environment that every child process gets.
// The one decision: everything that can be rebuilt lies in one cache folder outside the checkout, so that
// several checkouts share the slow builds and a clean clone is quick.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const cache = resolve(process.env.NEARSIDE_CACHE || join(homedir(), '.cache', 'nearside'));
/** Real models to test with; absent outside the project's own machines. */
export const sharedModels = resolve(process.env.NEARSIDE_MODELS ?? join(root, '..', 'shared', 'models'));
export const tools = join(cache, 'tools');
export const target = resolve(process.env.CARGO_TARGET_DIR || join(cache, 'target'));
export const python = join(cache, 'python');
export const exe = process.platform === 'win32' ? '.exe' : '';
/** One set for the binary, its tests and clippy: the engine is compiled once. */
export const nativeFeatures = ['--features', 'native,gpu'];
export const nativeBinary = join(target, 'release', `nearside${exe}`);

/** The version of a crate in Cargo.lock. */
export function lockedVersion(crate) {
  const lock = readFileSync(join(root, 'Cargo.lock'), 'utf8');
  const found = lock.match(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`));
  if (!found) throw new Error(`Cargo.lock has no ${crate}`);
  return found[1];
}

/** The environment of child processes: our tools first, one cargo target folder. `set` is what set-up decided. */
const decided = {};
export const decide = (values) => Object.assign(decided, values);
export function childEnv(more = {}) {
  const path = [join(tools, 'bin'), process.env.PATH, join(homedir(), '.cargo', 'bin')].join(delimiter);
  return { ...process.env, PATH: path, CARGO_TARGET_DIR: target, ...decided, ...more };
}
