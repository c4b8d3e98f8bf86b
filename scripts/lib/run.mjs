// Child processes and what the user sees of them. In: a command. Out: its output, or an Error with its last lines.
// The one decision: a long command shows one line of progress (rewritten on a terminal, every 30 s elsewhere)
// and its whole output only when it fails.
import { spawn, spawnSync } from 'node:child_process';
import { childEnv, root } from './paths.mjs';

const terminal = process.stdout.isTTY && !process.env.CI;
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
const plain = (text) => text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').trim();

let progressLine = false;
function clearProgress() {
  if (progressLine) process.stdout.write('\r\x1b[2K');
  progressLine = false;
}

export function say(text) {
  clearProgress();
  console.log(text);
}

function progress(label, since, line) {
  const text = `  … ${label} ${seconds(since)}  ${line}`;
  if (!terminal) return console.log(text);
  clearProgress();
  process.stdout.write(text.slice(0, (process.stdout.columns || 80) - 1));
  progressLine = true;
}

/** Runs quickly and quietly; never throws. */
export function capture(command, args = [], options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options, env: childEnv(options.env) });
  return { ok: done.status === 0, code: done.status, out: (done.stdout ?? '').trim(), err: (done.stderr ?? '').trim() };
}

/** Whoever ends this script ends its children too; a signal only counts while there are some. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
const children = new Map();
const endChildren = () => children.forEach((by, child) => child.kill(by));
const onSignal = (signal) => {
  endChildren();
  process.exit(SIGNALS[signal]);
};
process.on('exit', endChildren);
/** @param {import('node:child_process').ChildProcess} child @param {NodeJS.Signals} by what it is ended by */
export function watch(child, by = 'SIGTERM') {
  if (children.size === 0) for (const signal of Object.keys(SIGNALS)) process.on(signal, onSignal);
  children.set(child, by);
  const forget = () => {
    if (children.delete(child) && children.size === 0) for (const signal of Object.keys(SIGNALS)) process.off(signal, onSignal);
  };
  child.on('close', forget).on('error', () => child.pid === undefined && forget());
}

/** Runs with progress; throws with the tail of the output when it fails. `onLine` sees every line. */
export function run(command, args = [], { label = command, cwd = root, env = {}, onLine, allowFailure = false, tail = 60, within } = {}) {
  const since = performance.now();
  const lines = [];
  let last = '';
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: childEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
    watch(child);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text) => {
        const parts = (rest + text).split(/\r?\n|\r/);
        rest = parts.pop();
        for (const part of parts) take(part);
      }).on('end', () => rest && take(rest));
    }
    function take(line) {
      lines.push(line);
      last = plain(line) || last;
      onLine?.(line);
    }
    const beat = setInterval(() => progress(label, since, last), terminal ? 1000 : 30000);
    let late = false;
    const limit = within && setTimeout(() => {
      late = true;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 5000).unref();
    }, within);
    const finish = () => {
      clearInterval(beat);
      clearTimeout(limit);
      clearProgress();
    };
    child.on('error', (error) => {
      finish();
      reject(new Error(`${command}: ${error.code === 'ENOENT' ? 'not found' : error.message}`));
    });
    child.on('close', (code, signal) => {
      finish();
      const result = { code: code ?? 1, signal, late, lines, text: lines.join('\n') };
      if (result.code === 0 || allowFailure) return resolve(result);
      const why = late ? `not finished after ${within / 1000} s` : signal ? `ended by ${signal}` : `exit code ${code}`;
      reject(new Error(`${[command, ...args].join(' ')}: ${why}\n${lines.slice(-tail).join('\n')}`));
    });
  });
}

/** One named step: says when it starts if it is slow to decide, what it did and how long that took. */
export async function step(name, work) {
  const since = performance.now();
  const did = await work((what) => say(`  ${name}: ${what} …`));
  say(`  ${name}: ${did} (${seconds(since)})`);
}

/** The end of every script: errors in words, no stack trace for what the user can mend. */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    say(`\nerror: ${process.env.NEARSIDE_DEBUG ? error.stack : error.message}`);
    process.exitCode = 1;
  }
}
