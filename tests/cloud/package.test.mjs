// The package's client against `nearside serve`: the digit model, and a model for each element type made here.
// In: the native binary. Out: verdicts: the cloud's answers are the device's, its errors keep their words.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { InferenceSession, reportOf, Tensor } from 'nearside';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { identity } from '../lib/onnx.mjs';

const VALUES = {
  float32: Float32Array.of(1.5, -0, Infinity), float64: Float64Array.of(Math.PI, -1e300), float16: Uint16Array.of(0x3c00, 0x8001, 0x7bff),
  int8: Int8Array.of(-128, 127), int16: Int16Array.of(-32768), int32: Int32Array.of(-2147483648), int64: BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n),
  uint8: Uint8Array.of(255), uint16: Uint16Array.of(65535), uint32: Uint32Array.of(4294967295), uint64: BigUint64Array.of(2n ** 64n - 1n),
  bool: Uint8Array.of(1, 0), string: ['', 'grün', '日本'],
};

let models, cloud;
before(async () => {
  models = mkdtempSync(join(tmpdir(), 'nearside-package-'));
  const place = (name) => {
    mkdirSync(join(models, name, '1'), { recursive: true });
    return join(models, name, '1', 'model.onnx');
  };
  copyFileSync(digitsPath, place('digits'));
  for (const type of Object.keys(VALUES)) writeFileSync(place(`same-${type}`), identity(type));
  cloud = await startCloud({ models });
});
after(async () => {
  await cloud?.stop();
  rmSync(models, { recursive: true, force: true });
});

const inCloud = (model, nearside = {}) => InferenceSession.create(`https://nowhere.invalid/${model}.onnx`, { nearside: { mode: 'only_in_cloud', cloud: cloud.url, ...nearside } });

test('package to serve: every digit has the device\'s probabilities', async () => {
  const [here, there] = await Promise.all([InferenceSession.create(digitsPath), inCloud('digits')]);
  assert.deepEqual(there.inputNames, here.inputNames);
  assert.deepEqual(there.outputNames, here.outputNames);
  for (const example of digits.cases) {
    const feeds = { image: new Tensor(pixels(example), digits.shape) };
    const [a, b] = await Promise.all([here.run(feeds), there.run(feeds)]);
    checkDigit(a.probabilities, example);
    checkDigit(b.probabilities, example);
    assert.equal(reportOf(b).source, 'in_cloud');
    assert.ok(reportOf(b).bytesSent > 256 && reportOf(b).bytesSent < 1000, 'the image goes as binary');
  }
  await Promise.all([here.release(), there.release()]);
});

for (const [type, data] of Object.entries(VALUES)) {
  test(`package to serve: ${type} goes there and back unchanged`, async () => {
    const session = await inCloud(`same-${type}`);
    const { y } = await session.run({ x: new Tensor(type, data) });
    assert.equal(y.type, type);
    assert.deepEqual([...y.dims], [data.length]);
    assert.deepEqual([...y.data], [...new Tensor(type, data).data]);
  });
}

test('package to serve: its errors keep their words', async () => {
  await assert.rejects(inCloud('nobody'), { code: 'MODEL_NOT_FOUND', message: /nobody/ });
  await assert.rejects(inCloud('digits', { model: { name: 'digits', version: 9 } }), { code: 'MODEL_NOT_FOUND' });
});
