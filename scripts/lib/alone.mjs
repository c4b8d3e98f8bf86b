// One at a time: work that two scripts must not do beside each other. In: what the work is done to, and the work. Out: its
// result, after whoever was there first is done.
// The one decision: a listening socket is the lock. The system closes it with its process, however that ends, so that none
// is ever left locked; and who waits for it is told by the end of a connection.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Of its own for whatever is worked on; short, because systems allow some hundred characters. */
function address(what) {
  const name = `nearside-${createHash('sha256').update(what).digest('hex').slice(0, 16)}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.lock`);
}

/** The lock, or nothing where another one has it. */
function take(path) {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => {}).resume());
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => resolve(server));
  });
}

/** Until whoever has the lock has it no more; gives false where there is nobody, and only a name is left. */
function wait(path) {
  return new Promise((resolve) => {
    let met = false;
    connect(path).once('connect', () => { met = true; }).on('error', () => {}).resume().once('close', () => resolve(met));
  });
}

/**
 * @template T
 * @param {string} what a folder, say
 * @param {() => Promise<T>} work
 * @param {() => void} [waiting] called once where it has to wait
 * @returns {Promise<T>}
 */
export async function alone(what, work, waiting = () => {}) {
  const path = address(what);
  const held = new Set();
  let lock = await take(path);
  if (!lock) waiting();
  while (!lock) {
    // The name of a process that was ended by force.
    if (!(await wait(path)) && process.platform !== 'win32') rmSync(path, { force: true });
    lock = await take(path);
  }
  lock.on('connection', (socket) => held.add(socket.on('close', () => held.delete(socket))));
  try {
    return await work();
  } finally {
    await new Promise((resolve) => {
      lock.close(resolve);
      held.forEach((socket) => socket.destroy());
    });
  }
}
