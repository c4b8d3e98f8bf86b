// Networks of common architectures in Node. In: tests/lib/architectures.mjs, the package. Out: one test a network: the
// answers are ONNX Runtime's, and the engine that pages load first had all that it needs.
// The one decision: quantised networks may be further off, because one value that is rounded the other way moves others.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InferenceSession, Tensor } from 'nearside';
import { marksOf } from '../../pkg/engine/marks.js';
import { architectures } from '../lib/architectures.mjs';

const TOLERANCE = 1e-4;
const QUANTISED = { names: /_(dyn|qdq|qop)$/, tolerance: 0.06 };
const { cases, model, feeds, WEIGHTS } = architectures();
const externalData = Object.entries(WEIGHTS).map(([path, data]) => ({ path, data }));
/** A build without optimisation trims nothing. */
const { trimmed } = marksOf(new WebAssembly.Module(readFileSync(new URL('../../pkg/wasm/nearside_bg.wasm', import.meta.url))));

for (const one of cases) {
  test(`architectures: ${one.name}`, async () => {
    const session = await InferenceSession.create(model(one.name), { externalData });
    const results = await session.run(Object.fromEntries(feeds(one).map(({ name, type, dims, data }) => [name, new Tensor(type, data, dims)])));
    const tolerance = QUANTISED.names.test(one.name) ? QUANTISED.tolerance : TOLERANCE;
    for (const { name, dims, step, span, values } of one.outputs) {
      assert.deepEqual([...results[name].dims], dims, name);
      values.forEach((wanted, at) => {
        const got = Number(results[name].data[at * step]);
        assert.ok(Math.abs(got - wanted) <= tolerance * (span || 1), `${name}[${at * step}]: ${got}, not ${wanted}`);
      });
    }
    assert.equal(session.report.engine.trimmed, trimmed);
    await session.release();
  });
}
