// Networks of common architectures, without their weights. In: tests/cases/architectures (make.py made it). Out: `cases`,
// each { name, outputs }, `model(name)`, `feeds(case)`, and `WEIGHTS`, the files of random numbers that the models name.
// The one decision: weights and inputs are made by rules, the same as in make.py, so that megabytes need not be kept.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const folder = fileURLToPath(new URL('../cases/architectures', import.meta.url));
const COUNT = 1 << 20;
const SCALES = [1, 0.5, 0.25, 0.125, 0.0625, 0.03125];

/** Numerical Recipes' linear congruential generator; a state times its factor is exact in a double. */
function pool() {
  const out = new Float64Array(COUNT);
  for (let index = 0, state = 1; index < COUNT; index += 1) {
    state = (1664525 * state + 1013904223) % 2 ** 32;
    out[index] = Math.floor(state / 256) / 2 ** 24;
  }
  return out;
}

const whole = (type, size, value) => (type === 'int32'
  ? Int32Array.from({ length: size }, (_, at) => value(at))
  : BigInt64Array.from({ length: size }, (_, at) => BigInt(value(at))));

/** @returns {{ cases: object[], model: (name: string) => Buffer, feeds: (one: object) => object[], WEIGHTS: Record<string, Uint8Array> }} */
export function architectures() {
  const POOL = pool();
  const bytes = (array) => new Uint8Array(array.buffer);
  const WEIGHTS = Object.fromEntries(SCALES.map((scale, index) =>
    [`weights${index}.bin`, bytes(Float32Array.from(POOL, (value) => (value - 0.5) * (scale * 12 ** 0.5)))]));
  WEIGHTS[`weights${SCALES.length}.bin`] = bytes(Float32Array.from(POOL, (value) => 0.9 + 0.2 * value));
  WEIGHTS['bytes.bin'] = Uint8Array.from({ length: 4 * COUNT }, (_, at) => Math.floor(POOL[at % COUNT] * 256));
  const fed = (index, type, size) => (type === 'float32'
    ? Float32Array.from({ length: size }, (_, at) => POOL[(at + 1000 * index) % COUNT] * 2 - 1)
    : whole(type, size, (at) => at % (index ? 2 : 7)));
  const feeds = ({ inputs }) => Object.entries(inputs).map(([name, { type, dims }], index) =>
    ({ name, type, dims, data: fed(index, type, dims.reduce((product, dim) => product * dim, 1)) }));
  const models = unpacked();
  return { cases: JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8')), model: (name) => models.get(name), feeds, WEIGHTS };
}

function unpacked() {
  const there = mkdtempSync(join(tmpdir(), 'nearside-architectures-'));
  try {
    execFileSync('tar', ['-xzf', join(folder, 'models.tar.gz'), '-C', there]);
    return new Map(readdirSync(there).map((file) => [file.replace(/\.onnx$/, ''), readFileSync(join(there, file))]));
  } finally {
    rmSync(there, { recursive: true, force: true });
  }
}
