// What the command line computes, writes and prints. In: the digit model's cases by every way in. Out: the reference's
// numbers by every way out; a closed pipe; a terminal.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { checkDigit, digits, digitsPath } from '../lib/digits.mjs';
import { readNpy, readNpz } from '../lib/npz.mjs';
import { example, makeFiles } from './files.mjs';
import { nativeBinary, nearside } from './nearside.mjs';

const files = mkdtempSync(join(tmpdir(), 'nearside-cli-'));
makeFiles(files);
after(() => rmSync(files, { recursive: true, force: true }));

function succeed(args, options) {
  const result = nearside(args, options);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout;
}
const output = (answer, name) => {
  const { type, shape, data } = answer.outputs.find((one) => one.name === name);
  return { type, dims: shape, data };
};

describe('every way in gives the reference', () => {
  const ways = ['digit.npy', 'big-endian.npy', 'columns.npy', 'digit.npz', 'digit.json', 'named.json', 'image=digit.json'];
  for (const way of ways) {
    test(way, () => {
      const value = way.replace(/[^=]+$/, (file) => join(files, file));
      const answer = JSON.parse(succeed(['run', digitsPath, '--input', value, '--json']));
      checkDigit(output(answer, 'probabilities'), example);
    });
  }
  for (const one of digits.cases) {
    test(`row ${one.row} as a list`, () => {
      const list = JSON.stringify(one.image.map((value) => value / digits.divideBy));
      const answer = JSON.parse(succeed(['run', digitsPath, '--input', `image=${list}`, '--json']));
      checkDigit(output(answer, 'probabilities'), one);
    });
  }
  test('a picture, whose 256 steps are not the reference\'s 17', () => {
    const answer = JSON.parse(succeed(['run', digitsPath, '-i', join(files, 'digit.png'), '--json']));
    const { data } = output(answer, 'probabilities');
    data.forEach((value, at) => assert.ok(Math.abs(value - example.probabilities[at]) < 1e-3));
    const scaled = ['--scale', '-0.00392156862745098', '--mean', '-1'];
    const inverse = JSON.parse(succeed(['run', digitsPath, '-i', join(files, 'digit.png'), ...scaled, '--json']));
    assert.ok(output(inverse, 'probabilities').data[example.label] < 0.5);
  });
});

describe('ways out', () => {
  const input = ['--input', join(files, 'digit.npy')];
  test('an archive, an array, a folder', () => {
    const [npz, npy, folder] = ['new/out.npz', 'out.npy', 'out'].map((name) => join(files, name));
    assert.match(succeed(['run', digitsPath, ...input, '-o', npz]), /wrote +\S+out\.npz\n/);
    checkDigit(readNpz(npz).probabilities, example);
    succeed(['run', digitsPath, ...input, '-o', npy]);
    checkDigit(readNpy(npy), example);
    const { outputs, files: written } = JSON.parse(succeed(['run', digitsPath, ...input, '-o', folder, '--json']));
    assert.deepEqual(written, [join(folder, 'probabilities.npy')]);
    assert.deepEqual(readdirSync(folder), ['probabilities.npy']);
    assert.deepEqual(outputs, [{ name: 'probabilities', type: 'float32', shape: [1, 10] }]);
    checkDigit(readNpy(written[0]), example);
  });
  test('what one run writes the next one reads', () => {
    const [model, folder, words] = ['sum.onnx', 'sums', 'words.npy'].map((name) => join(files, name));
    succeed(['run', model, '-i', 'a=[[9007199254740993,-2]]', '-i', 'b=zeros', '-o', folder]);
    assert.deepEqual(readdirSync(folder), ['difference.npy', 'sum.npy']);
    const again = succeed(['run', model, '-i', `a=${join(folder, 'sum.npy')}`, '-i', 'b=zeros', '--json']);
    assert.match(again, /"data":\[9007199254740993,-2\]/);
    succeed(['run', join(files, 'words.onnx'), '-i', '["grüß","", "日本"]', '-o', words]);
    const { outputs } = JSON.parse(succeed(['run', join(files, 'words.onnx'), '-i', words, '--json']));
    assert.deepEqual(outputs, [{ name: 'y', type: 'string', shape: [3], data: ['grüß', '', '日本'] }]);
  });
  test('numbers that JSON lacks', () => {
    const { outputs } = JSON.parse(succeed(['run', join(files, 'halves.onnx'), '-i', '[0.5, 1e9, -1e9]', '--json']));
    assert.deepEqual(outputs[0], { name: 'y', type: 'float16', shape: [3], data: [0.5, 'Infinity', '-Infinity'] });
  });
  test('times of every run', () => {
    const { times } = JSON.parse(succeed(['run', digitsPath, ...input, '--repeat', '5', '--json']));
    assert.equal(times.runMs.length, 5);
    for (const ms of [times.loadMs, times.planMs, times.medianMs, ...times.runMs]) assert.ok(ms > 0);
  });
  test('random is the same again, and another with another seed', () => {
    const run = (seed) => JSON.parse(succeed(['run', digitsPath, '-i', 'random', '--seed', seed, '--json'])).outputs;
    assert.deepEqual(run('1'), run('1'));
    assert.notDeepEqual(run('1'), run('2'));
  });
  test('sizes that were made up are named when they do not fit', () => {
    const model = join(files, 'product.onnx');
    const { code, stderr } = nearside(['run', model, '--fill', 'ones', '--dim', 'k=3', '--dim', 'n=2']);
    assert.notEqual(code, 0);
    assert.match(stderr, /help: .*taken as 1: l, m; --dim/);
    assert.match(succeed(['run', model, '--fill', 'ones', '--dim', 'k=3', '--dim', 'l=3']), /\[\[3\]\]/);
  });
  test('inspect as JSON', () => {
    const about = JSON.parse(succeed(['inspect', digitsPath, '--json']));
    assert.deepEqual(about.inputs, [{ name: 'image', type: 'float32', shape: ['batch', 1, 8, 8] }]);
    assert.deepEqual(about.outputs, [{ name: 'probabilities', type: 'float32', shape: ['batch', 10] }]);
    assert.ok(about.parameters > 0 && about.bytes > 0 && about.operators.every(({ supported }) => supported));
    const scale = JSON.parse(succeed(['inspect', join(files, 'scale.onnx'), '--json']));
    const lacking = scale.operators.filter(({ supported }) => !supported);
    assert.deepEqual(lacking.map(({ domain, type, count }) => [domain, type, count]).sort(), [['ai.onnx', 'Rescale', 2], ['com.example', 'Frobnicate', 1]]);
  });
});

test('a reader that goes away is no error', async () => {
  // Two megabytes do not fit into a pipe that nobody reads.
  const child = spawn(nativeBinary, ['run', join(files, 'bytes.onnx'), '-i', 'random:1000x1000', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const errors = [];
  child.stderr.on('data', (chunk) => errors.push(chunk));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.destroy();
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(Buffer.concat(errors).toString(), '');
  assert.equal(code, 0);
});

describe('at a terminal', { skip: !existsSync('/usr/bin/script') && 'no script(1) to make a terminal' }, () => {
  const terminal = (args, env = {}) => {
    const line = [nativeBinary, ...args].map((word) => `'${word}'`).join(' ');
    const result = spawnSync('/usr/bin/script', ['-qec', line, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: undefined, TERM: 'xterm-256color', ...env },
    });
    return result.stdout;
  };
  test('colours', () => {
    assert.match(terminal(['inspect', digitsPath]), /\u001b\[32m✓/);
    assert.doesNotMatch(terminal(['inspect', digitsPath], { NO_COLOR: '1' }), /\u001b\[\d+m/);
    assert.match(terminal(['inspect', join(files, 'page.onnx')]), /\u001b\[\d*;?\d*m.*error\[INVALID_MODEL\]/);
  });
  test('progress, and none when told to be quiet', () => {
    const repeat = ['run', digitsPath, '-i', 'random:256x1x8x8', '--repeat', '300'];
    assert.match(terminal(repeat), /running .*\/300/);
    assert.doesNotMatch(terminal([...repeat, '--quiet']), /running/);
  });
});
