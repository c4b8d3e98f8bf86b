// Maps at a model's ends in the package: objects, and arrays of them. In: a case with `ZipMap`, small models.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InferenceSession, mapsOf, Tensor } from 'nearside';
import { onnx } from '../lib/onnx.mjs';

const cases = JSON.parse(readFileSync(new URL('../cases/operators/ml.json', import.meta.url)));

test('the maps of ZipMap are objects by label', async () => {
  const { model, inputs, outputs } = cases.find(({ name }) => name === 'sklearn-logistic-3-zipmap');
  const session = await InferenceSession.create(Uint8Array.from(Buffer.from(model, 'base64')));
  const [[name, given]] = Object.entries(inputs);
  const results = await session.run({ [name]: new Tensor(given.type, Float32Array.from(given.values), given.dims) });
  const info = session.outputMetadata.find(({ labels }) => labels);
  const maps = mapsOf(results[info.name], info);
  const { dims, values } = outputs[info.name];
  assert.deepEqual(maps.map((map) => Object.keys(map)), Array.from({ length: dims[0] }, () => [...info.labels]));
  maps.flatMap((map) => Object.values(map)).forEach((value, at) => assert.ok(Math.abs(value - values[at]) < 1e-5, `${at}: ${value}`));
  assert.throws(() => mapsOf(results[info.name], ['only one']), { code: 'SHAPE_MISMATCH' });
  assert.throws(() => mapsOf(results[info.name], {}), { code: 'INVALID_INPUT' });
  await session.release();
});

test('a map goes in as an object, a Map, or an array of them', async () => {
  const session = await InferenceSession.create(onnx({
    nodes: [{ op: 'DictVectorizer', domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['y'], attributes: { int64_vocabulary: [7, 3, 11] } }],
    inputs: [{ name: 'x', type: 'map' }], outputs: [{ name: 'y', type: 'float32', shape: ['rows', 3] }], domains: ['ai.onnx.ml'],
  }));
  const [{ name, labels }] = session.inputMetadata;
  const [output] = session.outputNames;
  const run = async (value) => [...(await session.run({ [name]: value }))[output].data];
  const wanted = labels.map((_, at) => (at === 1 ? 2.5 : 0));
  assert.deepEqual(await run({ [labels[1]]: 2.5, unheard: 9 }), wanted);
  assert.deepEqual(await run(new Map([[Number(labels[1]), 2.5]])), wanted);
  assert.deepEqual(await run([{ [labels[1]]: 2.5 }, {}]), [...wanted, ...labels.map(() => 0)]);
  await assert.rejects(run({ [labels[0]]: 'many' }), { code: 'TYPE_MISMATCH' });
  await assert.rejects(run([3]), { code: 'INVALID_INPUT' });
  await session.release();
});

test('an input without labels takes no object', async () => {
  const session = await InferenceSession.create(onnx({
    nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'float32', shape: [1] }], outputs: [{ name: 'y', type: 'float32', shape: [1] }],
  }));
  await assert.rejects(session.run({ x: { a: 1 } }), { code: 'INVALID_INPUT' });
  await session.release();
});

test('CastMap takes a map from whole numbers, dense or sparse', async () => {
  const castMap = (attributes, shape) => InferenceSession.create(onnx({
    nodes: [{ op: 'CastMap', domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['y'], attributes }],
    inputs: [{ name: 'x', type: 'map' }], outputs: [{ name: 'y', type: attributes.cast_to === 'TO_STRING' ? 'string' : 'float32', shape }], domains: ['ai.onnx.ml'],
  }));
  const sparse = await castMap({ cast_to: 'TO_FLOAT', map_form: 'SPARSE', max_map: 4 }, [1, 4]);
  assert.deepEqual([...sparse.inputMetadata[0].labels], ['0', '1', '2', '3']);
  assert.deepEqual([...(await sparse.run({ x: { 1: 1.5, 3: -2 } })).y.data], [0, 1.5, 0, -2]);
  await sparse.release();
  const words = await castMap({ cast_to: 'TO_STRING', map_form: 'SPARSE', max_map: 2 }, [1, 2]);
  assert.deepEqual((await words.run({ x: new Map([[1, 2.25]]) })).y.data, ['0.f', '2.250000']);
  await words.release();
  const dense = await castMap({ cast_to: 'TO_FLOAT' }, [1, 'n']);
  assert.deepEqual((await dense.run({ x: new Tensor('float32', [3, 4, 5], [1, 3]) })).y.dims, [1, 3]);
  await dense.release();
});
