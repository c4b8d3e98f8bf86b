// Files that the command line is given. In: a folder. Out: good and bad models, arrays, pictures and lists in it.
// The one decision: each is made here from the digit model's first case, so that no binary file is kept for tests.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { digits, digitsPath, pixels } from '../lib/digits.mjs';
import { lite } from '../lib/lite.mjs';
import { nearside } from './nearside.mjs';
import { functions, identity, lacking, onnx, outside, recursive, WEIGHTS } from '../lib/onnx.mjs';

export const example = digits.cases[0];

/** An array as NumPy writes it. */
export function npy(descr, shape, bytes, fortran = false) {
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${dims}), }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + '\n';
  const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length & 255, padded.length >> 8]);
  return Buffer.concat([head, Buffer.from(padded, 'latin1'), Buffer.from(bytes.buffer ?? bytes)]);
}

/** An 8-bit grey picture. */
export function png(width, height, grey) {
  const chunk = (kind, content) => {
    const body = Buffer.concat([Buffer.from(kind), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const rows = Array.from({ length: height }, (_, y) => Buffer.from([0, ...grey.slice(y * width, (y + 1) * width)]));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const swapped = (array) => Buffer.from(array.buffer.slice(0)).swap32();
const grey = example.image.map((value) => Math.round((value * 255) / digits.divideBy));
/** Every pixel as a square of `by` pixels. */
const enlarged = (by) => Array.from({ length: 64 * by * by }, (_, at) => {
  const [y, x] = [Math.floor(at / (8 * by)), at % (8 * by)];
  return grey[Math.floor(y / by) * 8 + Math.floor(x / by)];
});

/** Writes them all; their names are those that tests/cases/cli.json uses. */
export function makeFiles(folder) {
  const image = pixels(example);
  const shape = digits.shape;
  const nested = [[Array.from({ length: 8 }, (_, y) => Array.from(image.slice(y * 8, y * 8 + 8)))]];
  const columns = Float32Array.from({ length: 64 }, (_, at) => image[(at % 8) * 8 + Math.floor(at / 8)]);
  const model = readFileSync(digitsPath);
  const good = npy('<f4', shape, image);
  const files = {
    'digit.npy': good,
    'big-endian.npy': npy('>f4', shape, swapped(image)),
    'columns.npy': npy('<f4', shape, columns, true),
    'double.npy': npy('<f8', shape, Float64Array.from(image)),
    'flat.npy': npy('<f4', [64], image),
    'cut.npy': good.subarray(0, good.length - 10),
    'objects.npy': npy('|O', [1], new Uint8Array([128, 3, 46])),
    'digit.npz': zipSync({ 'image.npy': good }),
    'other-name.npz': zipSync({ 'picture.npy': good }),
    'two.npz': zipSync({ 'a.npy': good, 'b.npy': good }),
    'broken.npz': zipSync({ 'image.npy': good }).subarray(0, 60),
    'digit.json': JSON.stringify(nested),
    'named.json': JSON.stringify({ image: nested }),
    'broken.json': '[[0, 1',
    'digit.png': png(8, 8, grey),
    'large.png': png(80, 80, enlarged(10)),
    'cut.png': png(8, 8, grey).subarray(0, 50),
    'notes.txt': 'remember the milk',
    'labels.txt': 'zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n',
    'page.onnx': '<!doctype html><title>404</title>',
    'notes.onnx': 'remember the milk',
    'empty.onnx': '',
    'cut.onnx': model.subarray(0, Math.floor(model.length / 2)),
    'scale.onnx': onnx({
      nodes: [
        { op: 'Rescale', inputs: ['x'], outputs: ['a'] },
        { op: 'Relu', inputs: ['a'], outputs: ['b'] },
        { op: 'Frobnicate', domain: 'com.example', inputs: ['b'], outputs: ['c'] },
        { op: 'Rescale', inputs: ['c'], outputs: ['y'] },
      ],
      inputs: [{ name: 'x', type: 'float32', shape: [1] }],
      outputs: [{ name: 'y', type: 'float32', shape: [1] }],
      domains: ['com.example'],
    }),
    'sum.onnx': onnx({
      nodes: [
        { op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
        { op: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] },
      ],
      inputs: [
        { name: 'a', type: 'int64', shape: ['n', 2] },
        { name: 'b', type: 'int64', shape: ['n', 2] },
      ],
      outputs: [
        { name: 'sum', type: 'int64', shape: ['n', 2] },
        { name: 'difference', type: 'int64', shape: ['n', 2] },
      ],
    }),
    'product.onnx': onnx({
      nodes: [{ op: 'MatMul', inputs: ['a', 'b'], outputs: ['y'] }],
      inputs: [
        { name: 'a', type: 'float32', shape: ['n', 'k'] },
        { name: 'b', type: 'float32', shape: ['l', 'm'] },
      ],
      outputs: [{ name: 'y', type: 'float32', shape: ['n', 'm'] }],
    }),
    'lacking.onnx': lacking(),
    'functions.onnx': functions(),
    'recursive.onnx': recursive(),
    'outside.onnx': outside(),
    'weights.bin': WEIGHTS,
    'short.onnx': outside('weights.bin', { offset: 20 }),
    'checked.onnx': outside('weights.bin', { checksum: createHash('sha1').update(WEIGHTS).digest('hex') }),
    'damaged.onnx': outside('weights.bin', { checksum: '00'.repeat(20) }),
    'lite.tflite': lite(),
    'length.onnx': outside('weights.bin', { length: 9 }),
    'folder/outside.onnx': outside(),
    'folder/up.onnx': outside('../weights.bin'),
    'folder/link.onnx': outside('link.bin'),
    'words.onnx': identity('string'),
    'halves.onnx': identity('float16'),
    'bytes.onnx': identity('uint8', ['h', 'w']),
  };
  mkdirSync(join(folder, 'folder'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  symlinkSync('../weights.bin', join(folder, 'folder', 'link.bin'));
  for (const [name, ...options] of [['published'], ['plans', '--plans-only']]) {
    const { code, stderr } = nearside(['optimize', digitsPath, '-o', join(folder, name), ...options]);
    if (code !== 0) throw new Error(stderr);
  }
  writeFileSync(join(folder, 'cut.nearside'), readFileSync(join(folder, 'published', 'model.nearside')).subarray(0, 3000));
}
