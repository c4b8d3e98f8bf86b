// A models folder for the tests of servers. In: nothing. Out: a temporary `<name>/<version>/model.onnx` tree with the
// digit model, models that give back what they get, one that is slow, one that the engine lacks things for, one with
// weights in a file beside it, one whose weights are missing, a TensorFlow Lite file and one that is broken.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { lite } from './lite.mjs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digitsPath } from './digits.mjs';
import { identity, lacking, onnx, outside, WEIGHTS } from './onnx.mjs';

/** Multiplies a square matrix by itself `times` times: as slow as its caller makes it large. */
const power = (times) => onnx({
  nodes: Array.from({ length: times }, (_, i) => ({ op: 'MatMul', inputs: [i ? `a${i}` : 'x', 'x'], outputs: [i + 1 === times ? 'y' : `a${i + 1}`] })),
  inputs: [{ name: 'x', type: 'float32', shape: ['n', 'n'] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['n', 'n'] }],
});

export function servedModels() {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-served-'));
  const file = (name, version) => {
    mkdirSync(join(folder, name, String(version)), { recursive: true });
    return join(folder, name, String(version), 'model.onnx');
  };
  const put = (name, version, bytes) => writeFileSync(file(name, version), bytes);
  copyFileSync(digitsPath, file('digits', 1));
  put('echo', 1, identity('int64'));
  put('words', 1, identity('string'));
  put('halves', 1, identity('float16'));
  put('truths', 1, identity('bool'));
  put('floats', 1, identity('float32', ['n', 'm']));
  put('slow', 1, power(8));
  put('strange', 1, lacking());
  put('outside', 1, outside());
  writeFileSync(join(folder, 'outside', '1', 'weights.bin'), WEIGHTS);
  put('alone', 1, outside());
  mkdirSync(join(folder, 'lite', '1'), { recursive: true });
  writeFileSync(join(folder, 'lite', '1', 'model.tflite'), lite());
  put('broken', 1, new TextEncoder().encode('this is no model'));
  return { folder, put, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
