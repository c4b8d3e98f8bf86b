/**
 * Tailor: an engine that holds only what some models need.
 *
 * In: model files, and shapes for their open dimensions. Out: the bytes of a module, and what was found. One decision:
 * what the whole engine answers is the measure. The smaller of the shipped engines is cut down further where it gives
 * the same answers, and the result must give the same bits once more before anybody gets it.
 * @module
 */
import { NearsideError } from '../errors.js';
import { drop, mark } from './module.js';
import { madeUp } from './feeds.js';
import { bytesOf, exercise, Profile } from './profile.js';

/**
 * @typedef {object} Subject
 * @property {string} name for messages
 * @property {Uint8Array} model
 * @property {Map<string, number[][]>} shapes
 *
 * @typedef {object} Answer
 * @property {Subject} subject
 * @property {import('./feeds.js').Feed[]} feeds
 * @property {import('./feeds.js').Feed[]} outputs
 */

/** Errors that other shapes may mend. */
const SHAPES = ['INVALID_INPUT', 'SHAPE_MISMATCH', 'CANNOT_PLAN', 'INTERNAL'];

/**
 * @param {Subject[]} subjects
 * @typedef {{ whole: Uint8Array, trimmed: Uint8Array }} Engines
 * @param {Engines & { relaxed?: Engines, glue: () => Promise<import('./profile.js').Glue> }} source `relaxed`: those with
 *   relaxed SIMD, in which each function has the same number; `glue`: a fresh copy of the generated glue at every call
 * @returns {Promise<{ bytes: Uint8Array, relaxed?: Uint8Array, functions: number, of: number }>}
 */
export async function tailor(subjects, { whole, trimmed, relaxed, glue }) {
  const reference = new Profile(await glue(), whole);
  const answers = subjects.flatMap((subject) => answersOf(reference, subject));
  const smaller = new Profile(await glue(), trimmed);
  const enough = repeat(smaller, answers);
  const [engine, profile] = enough ? [trimmed, smaller] : [whole, reference];
  const ran = profile.ran();
  const cut = (one) => mark(drop(one, ran), ran.size);
  const bytes = cut(engine);
  if (!repeat(new Profile(await glue(), bytes), answers)) throw new NearsideError('INTERNAL', 'the tailored engine gives other results');
  return { bytes, relaxed: relaxed && cut(enough ? relaxed.trimmed : relaxed.whole), functions: ran.size, of: profile.functions };
}

/** Runs a model on everything that can be made up for it; at least one of that must work. @returns {Answer[]} */
function answersOf(profile, subject) {
  const { name, model, shapes } = subject;
  let inputs;
  let failed = profile.run((engine) => {
    ({ inputs } = engine.inspect(bytesOf(engine, model)));
  });
  const answers = [];
  for (const feeds of failed ? [] : madeUp(inputs, shapes)) {
    const error = profile.run((engine) => answers.push({ subject, feeds, outputs: exercise(engine, model, [feeds])[0] }));
    failed ??= error;
  }
  if (answers.length > 0) return answers;
  const advice = SHAPES.includes(failed.code) ? '; name shapes that it takes by --shape input=1x3x224x224' : '';
  throw new NearsideError(failed.code ?? 'ENGINE_CRASHED', `${name}: ${failed.message ?? failed}${advice}`, failed.details, failed);
}

/** Whether the engine gives all the same answers. @param {Answer[]} answers */
function repeat(profile, answers) {
  return answers.every(({ subject, feeds, outputs }) => {
    let again;
    profile.run((engine) => ([again] = exercise(engine, subject.model, [feeds])));
    return again !== undefined && same(outputs, again);
  });
}

/** Bit for bit. */
function same(some, others) {
  return some.length === others.length && some.every(({ name, type, dims, data }, at) => {
    const other = others[at];
    if (name !== other.name || type !== other.type || String(dims) !== String(other.dims)) return false;
    if (!ArrayBuffer.isView(data)) return data.every((item, index) => item === other.data[index]);
    const [a, b] = [data, other.data].map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
    return a.length === b.length && a.every((byte, index) => byte === b[index]);
  });
}
