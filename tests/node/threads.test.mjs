// Threads that share a module's memory, without the engine. In: a module made here, whose part counts itself. Out: verdicts:
// every part is done once, by several threads; one that traps ends the job, and a module of another make is left alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { named, join, sized } from '../../pkg/engine/module.js';
import { Pool } from '../../pkg/engine/pool.js';
import { sharedMemory, toShared, withMemory } from '../../pkg/engine/shared.js';
import { assemble } from '../lib/assemble.mjs';

const I32 = 0x7f;
const PARTS = 500;
const [DATA, LANES_AT, MARK] = [1024, 8192, 512];
const NEVER = 0x7fffffff;

/**
 * `nearside_part(call, data, part, lane)`: traps where `part` is the word at 0; else takes `call` turns to do nothing,
 * adds 1 to word `part` from `data` on and writes the lane to word `part` from 8192 on.
 */
const PART = [
  1, 1, I32,
  0x20, 2, 0x41, 0, 0x28, 2, 0, 0x46, 0x04, 0x40, 0x00, 0x0b,
  0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x41, 0, 0x4a, 0x0d, 0, 0x0b,
  0x20, 1, 0x20, 2, 0x41, 4, 0x6c, 0x6a, 0x22, 4, 0x20, 4, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0,
  0x20, 2, 0x41, 4, 0x6c, 0x20, 3, 0x36, 2, 0x80, 0x40, 0x0b,
];
const exported = (name, kind, index) => join([named(name), [kind, index]]);
const module = ({ part = 'nearside_part' } = {}) => assemble({
  1: [[0x60, 4, I32, I32, I32, I32, 0], [0x60, 1, I32, 1, I32], [0x60, 0, 0]],
  2: [join([named('host'), named('call'), [0, 2]])],
  3: [[0], [1]],
  5: [[0, 1]],
  6: [[I32, 1, 0x41, 0x80, 0x08, 0x0b]],
  7: [exported(part, 0, 1), exported('nearside_stack', 0, 2), exported('memory', 2, 0), exported('__stack_pointer', 3, 0)],
  10: [sized(PART), sized([0, 0x41, 0x80, 0x20, 0x0b])],
  11: [join([[0, 0x41, 0x80, 0x04, 0x0b], sized([1, 2, 3])])],
});

/** The module over a shared memory, and a pool of threads that work. */
async function started(t, threads) {
  const shared = toShared(module());
  const memory = sharedMemory(shared);
  const compiled = new WebAssembly.Module(shared.bytes);
  const { exports } = new WebAssembly.Instance(compiled, withMemory({ host: { call() {} } }, memory));
  const spawn = (workerData) => new Worker(new URL('../../pkg/platform/node-lane.js', import.meta.url), { workerData });
  const pool = new Pool(compiled, memory, exports, { threads, spawn });
  t.after(() => pool.close());
  while (pool.lanes < threads) await new Promise((resolve) => setTimeout(resolve, 5));
  const words = (from, count = PARTS) => [...new Int32Array(memory.buffer, from, count)];
  new Int32Array(memory.buffer)[0] = NEVER;
  return { pool, memory, shared, words };
}

test('threads: every part is done once, and by more than one thread', async (t) => {
  const { pool, words } = await started(t, 3);
  const lanes = new Set();
  for (let round = 1; round <= 200; round += 1) {
    pool.lend(round % 10 === 0 ? 20_000 : 1, DATA, PARTS);
    assert.ok(words(DATA).every((count) => count === round), `round ${round}`);
    words(LANES_AT).forEach((lane) => lanes.add(lane));
  }
  assert.ok(lanes.size > 1 && [...lanes].every((lane) => lane < 3), `lanes ${[...lanes]}`);
});

test('threads: a part that traps ends the job, in whichever thread', async (t) => {
  for (const threads of [1, 3]) {
    const { pool, memory } = await started(t, threads);
    new Int32Array(memory.buffer)[0] = PARTS - 1;
    assert.throws(() => pool.lend(20_000, DATA, PARTS), WebAssembly.RuntimeError);
  }
});

test('threads: what the first thread lays into the memory is what the module had', () => {
  const { data, pages, bytes } = toShared(module());
  assert.deepEqual([data.map(({ at, bytes: own }) => [at, [...own]]), pages], [[[MARK, [1, 2, 3]]], 1]);
  assert.ok(WebAssembly.validate(bytes));
});

test('threads: a module that is not made for them is left as it is', () => {
  assert.equal(toShared(module({ part: 'something_else' })), undefined);
});
