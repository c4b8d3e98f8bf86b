// One variant of the engine on everything that the engine is tested with. In: settings of `env.wasm`, and what the report
// has to say. Out: tests; a file of its own for each variant, because a process has one engine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { env, InferenceSession, reportOf, Tensor } from 'nearside';
import { hasRelaxed } from '../../pkg/engine/support.js';
import { checkDigit, digits, digitsPath, pixels } from './digits.mjs';
import { defineModelTests, modelFile, overSession } from './model-cases.mjs';
import { defineOperatorTests } from './operator-cases.mjs';

const PATIENCE_MS = 20_000;

export function defineVariant(label, { backend, simd, threads }) {
  // Node 20 has relaxed SIMD behind a flag.
  if (simd === 'relaxed-simd' && !hasRelaxed()) setFlagsFromString('--experimental-wasm-relaxed-simd');
  const fixed = simd === 'simd128';
  Object.assign(env.wasm, { numThreads: threads, simd: fixed ? 'fixed' : undefined });

  test(`${label}: the report says which engine ran`, async () => {
    const example = digits.cases[0];
    const session = await InferenceSession.create(digitsPath);
    const since = performance.now();
    let report;
    // A thread works once it has started, and nothing waits for it.
    do {
      const results = await session.run({ image: new Tensor(pixels(example), digits.shape) });
      checkDigit(results.probabilities, example);
      report = reportOf(results);
      await new Promise((resolve) => setTimeout(resolve, 10));
    } while (report.engine.threads < threads && performance.now() - since < PATIENCE_MS);
    assert.deepEqual([report.backend, report.engine.simd, report.engine.threads], [backend, simd, threads]);
    await session.release();
  });

  defineModelTests(label, async (row) => overSession(await InferenceSession.create(modelFile(row)), Tensor));
  defineOperatorTests();
}
