// The scripts where something else goes on: two at once, one that was cut off, one that is ended. In: scripts/lib on
// folders made here. Out: verdicts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { after, test } from 'node:test';
import { join, named, sized, unsigned } from '../../pkg/engine/module.js';
import { alone } from '../../scripts/lib/alone.mjs';
import { assemble } from '../lib/assemble.mjs';

const scratch = mkdtempSync(path(tmpdir(), 'nearside-scripts-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const lib = (name) => new URL(`../../scripts/lib/${name}.mjs`, import.meta.url).href;
/** Another process, which runs a module's text; its standard output line by line is `said()`. */
function other(text, env = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  child.stdout.setEncoding('utf8').on('data', (part) => { heard += part; });
  const ended = once(child, 'close');
  const early = ended.then(() => { throw new Error(`it ended, and said: ${heard}`); });
  early.catch(() => {});
  const said = async (words) => { while (!heard.includes(words)) await Promise.race([once(child.stdout, 'data'), early]); };
  return { child, said, ended, heard: () => heard };
}

test('alone: one after the other, in one process and in several', async () => {
  const what = path(scratch, 'several');
  const log = [];
  let waits = 0;
  const { child, said, ended } = other(`
    import { alone } from '${lib('alone')}';
    await alone(${JSON.stringify(what)}, async () => {
      console.log('begun');
      await new Promise((resolve) => process.once('SIGUSR2', resolve));
    });`);
  await said('begun');
  const later = ['a', 'b', 'c'].map((name) => alone(what, async () => {
    log.push(`${name} begins`);
    await new Promise(setImmediate);
    log.push(`${name} ends`);
  }, () => { waits += 1; }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(log, []);
  child.kill('SIGUSR2');
  await Promise.all([...later, ended]);
  assert.equal(waits, 3);
  assert.equal(log.length, 6);
  for (let at = 0; at < 6; at += 2) assert.equal(log[at].replace('begins', 'ends'), log[at + 1]);
});

test('alone: whoever is ended by force leaves nothing locked, and of those who wait one comes after the other', async () => {
  const what = path(scratch, 'killed');
  for (let round = 0; round < 5; round += 1) {
    const { child, said, ended } = other(`
      import { alone } from '${lib('alone')}';
      await alone(${JSON.stringify(what)}, () => new Promise((resolve) => { console.log('begun'); setInterval(() => {}, 1e6); }));`);
    await said('begun');
    let [now, most, waits] = [0, 0, 0];
    const next = Array.from({ length: 6 }, () => alone(what, async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
      now -= 1;
      return 'done';
    }, () => { waits += 1; }));
    while (waits < 6) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await ended;
    assert.deepEqual(await Promise.all(next), Array(6).fill('done'));
    assert.equal(most, 1);
  }
});

test('alone: what fails is told, and the next one has its turn', async () => {
  const what = path(scratch, 'failing');
  await assert.rejects(alone(what, async () => { throw new Error('no'); }), /^Error: no$/);
  assert.equal(await alone(what, async () => 1), 1);
});

/** A module as cargo links one: with functions of a name that nobody calls. */
function linked() {
  const [count, name] = [300, named('tract_nnef::some')];
  const all = Array.from({ length: count }, (_, number) => number);
  const names = join([named('name'), [1], sized(join([unsigned(count), ...all.map((number) => join([unsigned(number), name]))]))]);
  const module = assemble({ 1: [[0x60, 0, 0]], 3: all.map(() => [0]), 10: all.map(() => [2, 0, 0x0b]) });
  return join([module, [0], sized(names)]);
}

/** The text of a script that publishes it, with a file beside it. */
const publishing = (folder, input, during = '') => `
  import { writeFileSync } from 'node:fs';
  import { join as path } from 'node:path';
  import { publish } from '${lib('wasm')}';
  const { did } = await publish({
    input: ${JSON.stringify(input)}, folder: ${JSON.stringify(folder)}, module: 'm.wasm', recipe: [], optimise: false, label: 'try', bound() {},
    async bindgen(out) {
      writeFileSync(path(out, 'm.wasm'), (await import('node:fs')).readFileSync(${JSON.stringify(input)}));
      writeFileSync(path(out, 'glue.js'), 'export {};');
      ${during}
    },
  });
  console.log(did + '.');`;

test('publish: a folder in which something is missing or cut off is made anew', async () => {
  const [folder, input] = ['built', 'in.wasm'].map((name) => path(scratch, name));
  writeFileSync(input, linked());
  const whole = ['.stamp.json', 'glue.js', 'm.wasm'];
  const did = async (word) => {
    const { ended, heard } = other(publishing(folder, input));
    await ended;
    assert.equal(heard(), `${word}.\n`);
  };
  await did('built');
  assert.deepEqual(readdirSync(folder).sort(), whole);
  await did('unchanged');
  rmSync(path(folder, 'glue.js'));
  await did('built');
  assert.deepEqual(readdirSync(folder).sort(), whole);
  writeFileSync(path(folder, 'glue.js'), 'exp');
  await did('built');
  assert.equal(readFileSync(path(folder, 'glue.js'), 'utf8'), 'export {};');
});

test('publish: what is interrupted leaves the folder as it was, and nothing beside it', { skip: process.platform === 'win32' && 'no signals' }, async () => {
  const [folder, input] = ['kept/built', 'in.wasm'].map((name) => path(scratch, name));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path(folder, 'old.js'), 'old');
  // As `npm run build` is: in the middle of a child's work.
  const text = `import { run } from '${lib('run')}';\n${publishing(folder, input, "const running = run(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']); console.log('begun'); await running;")}`;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    const { child, said, ended } = other(text);
    await said('begun');
    child.kill(signal);
    const [code] = await ended;
    assert.equal(code, { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    assert.deepEqual(readdirSync(path(scratch, 'kept')), ['built']);
    assert.deepEqual(readdirSync(folder), ['old.js']);
  }
});

/** Runs `work` with what stands in the server's place: it says nothing, and is met by a connection for as long as it lives. */
async function withStandIn(work) {
  const target = path(scratch, 'target');
  mkdirSync(path(target, 'release'), { recursive: true });
  const stands = `#!${process.execPath}\nrequire('node:net').connect(Number(process.env.TEST_PORT), '127.0.0.1');\n`;
  writeFileSync(path(target, 'release', 'nearside'), stands, { mode: 0o755 });
  const meeting = createServer();
  await new Promise((resolve) => meeting.listen(0, '127.0.0.1', resolve));
  try {
    await work({ CARGO_TARGET_DIR: target, TEST_PORT: String(meeting.address().port) }, () => {
      const within = { signal: AbortSignal.timeout(60_000) };
      const met = once(meeting, 'connection', within);
      return { met, gone: met.then(([socket]) => once(socket.on('error', () => {}), 'close', within)) };
    });
  } finally {
    meeting.close();
  }
}
const signals = { skip: process.platform === 'win32' && 'no signals' };

test('stack: a script that is ended while its server starts takes the server with it', signals, () => withStandIn(async (env, expect) => {
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
    const { met, gone } = expect();
    const { child, ended } = other(`import { startCloud } from '${lib('stack')}'; await startCloud({ models: '.' });`, env);
    await met;
    child.kill(signal);
    assert.deepEqual((await ended)[0], code);
    await gone;
  }
}));

test('stack: a file of tests whose runner is ended by force takes its server with it', signals, () => withStandIn(async (env, expect) => {
  const file = path(scratch, 'orphan.test.mjs');
  writeFileSync(file, `import { test } from 'node:test';
    import { startCloud } from '${lib('stack')}';
    startCloud({ models: '.' }).catch(() => {});
    for (let at = 0; at < 1000; at += 1) test(String(at), () => new Promise((resolve) => { setTimeout(resolve, 50); }));`);
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const { met, gone } = expect();
  const runner = spawn(process.execPath, ['--test', '--import', lib('overdue'), file], { env: { ...own, ...env, NEARSIDE_FILE_LIMIT: '600000' }, stdio: 'ignore' });
  await met;
  runner.kill('SIGKILL');
  await gone;
}));

test('overdue: a file of tests that does not end says what it waits for', async () => {
  const rows = [
    ["test('ends', () => {}); test('outer', (t) => t.test('waits for ever', () => new Promise(() => {})));", /it waits in "outer", "(outer > )?waits for ever"/],
    ["before(() => new Promise(() => {})); test('fine', () => {});", /it waits before the first test, for .*Timeout/],
    ["test('fine', () => {}); after(() => new Promise(() => {}));", /it waits after the test "fine", for .*Timeout/],
  ];
  await Promise.all(rows.map(async ([text, words], at) => {
    const file = path(scratch, `overdue${at}.test.mjs`);
    writeFileSync(file, `import { after, before, test } from 'node:test';\nsetInterval(() => {}, 1e6);\n${text}`);
    // Not as a part of this test.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ['--test', '--import', lib('overdue'), '--test-timeout=60000', '--test-reporter=spec', file], { env: { ...env, NEARSIDE_FILE_LIMIT: '8000' }, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (part) => { said += part; });
    const [code] = await once(child, 'close');
    assert.match(said, words);
    assert.equal(code, 1);
  }));
});

test('models: versions and models that are no more are not served, and what changed is taken, however old it is', async () => {
  const cache = path(scratch, 'cache');
  const assembled = async () => {
    const { ended, heard } = other(`import { assembleModels } from '${lib('models')}'; console.log(assembleModels());`, { NEARSIDE_CACHE: cache });
    await ended;
    return heard().trim();
  };
  const folder = await assembled();
  const model = path(folder, 'digits', '1', 'model.onnx');
  const right = readFileSync(model);
  mkdirSync(path(folder, 'digits', '7'));
  mkdirSync(path(folder, 'gone', '1'), { recursive: true });
  writeFileSync(path(folder, 'gone', '1', 'model.onnx'), 'x');
  // As large, and newer than what it should be.
  writeFileSync(model, Buffer.alloc(right.length));
  assert.equal(await assembled(), folder);
  assert.deepEqual(readdirSync(path(folder, 'digits')), ['1']);
  assert.ok(!existsSync(path(folder, 'gone')));
  assert.ok(readFileSync(model).equals(right));
});
