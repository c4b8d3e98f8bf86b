// One at a time: work that two scripts must not do beside each other. In: what the work is done to, and the work. Out: its
// result, after whoever was there first is done.
// The one decision: a listening socket is the lock. The system closes it with its process, however that ends, so that none
// is ever left locked; and who waits for it is told by the end of a connection.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TURN_MS = 10_000;

/** Of its own for whatever is worked on, and by whom; short, because systems allow some hundred characters. */
function address(what) {
  const name = `nearside-${createHash('sha256').update(`${process.getuid?.()} ${what}`).digest('hex').slice(0, 16)}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.lock`);
}

/** The lock; nothing where another one has it. */
function take(path) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => {}).resume());
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => resolve(server));
  });
}

/** A connection to whoever has it; nothing where there is nobody, and only a name is left. */
function meet(path) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket)).on('error', () => resolve(undefined)).resume();
  });
}

const pause = () => new Promise((resolve) => { setTimeout(resolve, 20); });

/** Takes away the name of a process that was ended by force: one does, and only once it knows that nobody has it meanwhile. */
async function clear(path) {
  const turn = `${path}.clear`;
  try {
    mkdirSync(turn);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    // It takes a moment: one that is older was ended in the middle of it.
    if (Date.now() - (statSync(turn, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > TURN_MS) rmSync(turn, { recursive: true, force: true });
    return pause();
  }
  try {
    const socket = await meet(path);
    if (socket) return void socket.destroy();
    return rmSync(path, { force: true });
  } finally {
    rmSync(turn, { recursive: true, force: true });
  }
}

async function lockOf(path, waiting) {
  for (let first = true; ; first = false) {
    const lock = await take(path);
    if (lock) return lock;
    if (first) waiting();
    const socket = await meet(path);
    if (socket) await new Promise((resolve) => { socket.once('close', resolve); });
    else if (process.platform === 'win32') await pause();
    else await clear(path);
  }
}

/**
 * @template T
 * @param {string} what a folder, say
 * @param {() => Promise<T>} work
 * @param {() => void} [waiting] called once where it has to wait
 * @returns {Promise<T>}
 */
export async function alone(what, work, waiting = () => {}) {
  // Where a system has no such sockets the work is done all the same.
  const lock = await lockOf(address(what), waiting).catch(() => undefined);
  const held = new Set();
  lock?.on('connection', (socket) => held.add(socket.on('close', () => held.delete(socket))));
  try {
    return await work();
  } finally {
    if (lock) {
      await new Promise((resolve) => {
        lock.close(resolve);
        held.forEach((socket) => socket.destroy());
      });
    }
  }
}
