// Node tests in a page, and what is wrong with the answers. In: a page at a site that serves the package, cases of
// conformance.mjs, the options of their sessions. Out: for each case what is wrong, or nothing.
// The one decision: the page runs cases until one does not answer in time; what is sent and judged is the caller's.
import { readFileSync } from 'node:fs';
import { compareTensor } from './compare.mjs';
import { fromWire, toWire } from './wire.mjs';

const LIMIT = 20_000;
/** A model that is no case. */
const any = () => readFileSync(new URL('../../www/models/digits/1/model.onnx', import.meta.url), 'base64');

/** Runs in the page: cases until one does not answer in time; for each its outputs or its error. */
async function runInPage({ any, cases, options, limit }) {
  const { InferenceSession, Tensor } = await import('/pkg/dist/nearside.js');
  const { fromWire: read, toWire: write } = await import('/tests/lib/wire.mjs');
  const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const tensor = (value) => (Array.isArray(value) ? value.map(tensor) : value && new Tensor(value.type, value.data, value.dims));
  const one = async ({ model, sets: runs }) => {
    const session = await InferenceSession.create(fromBase64(model), options);
    try {
      const answers = [];
      for (const inputs of runs) {
        const given = Object.values(read(inputs));
        const names = session.inputNames;
        if (given.length !== names.length) throw new Error(`${given.length} inputs for ${names.length}`);
        const results = await session.run(Object.fromEntries(given.map((value, at) => [names[at], tensor(value)])));
        answers.push(write(Object.fromEntries(session.outputNames.map((name, at) => [at, results[name]]))));
      }
      return { answers };
    } finally {
      await session.release();
    }
  };
  // The engine's worker lives as long as some session does; without this one each case would start it anew.
  const kept = await InferenceSession.create(fromBase64(any), { nearside: { mode: 'only_on_device' } });
  const done = [];
  for (const each of cases) {
    const late = new Promise((resolve) => setTimeout(resolve, limit, { failure: 'timeout' }));
    const failed = ({ code, message }) => ({ failure: `${code}: ${message}` });
    const ended = await Promise.race([one(each).catch(failed), late]);
    done.push(ended);
    if (ended.failure === 'timeout') return done;
  }
  await kept.release();
  return done;
}

function judgeValue(name, got, wanted) {
  if (wanted?.error) return wanted.error;
  if (wanted === null) return got === null ? undefined : `${name} is not empty`;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(got) || got.length !== wanted.length) return `${name} is no sequence of ${wanted.length}`;
    return wanted.map((each, at) => judgeValue(`${name}[${at}]`, got[at], each)).find(Boolean);
  }
  const { same, text } = compareTensor(name, got, wanted, { rtol: 1e-3, atol: wanted.type === 'float16' ? 1e-3 : 1e-7 });
  return same ? undefined : text;
}

/** What is wrong with a case's answers; nothing when all is right. */
function judge({ sets: runs }, { failure, answers }) {
  if (failure) return failure;
  for (const [run, { outputs }] of runs.entries()) {
    const got = Object.values(fromWire(answers[run]));
    if (got.length !== outputs.length) return `${got.length} outputs instead of ${outputs.length}`;
    for (const [at, wanted] of outputs.entries()) {
      const failure = judgeValue(`output ${at}`, got[at], wanted);
      if (failure) return failure;
    }
  }
  return undefined;
}

const list = (tensors) => toWire(Object.fromEntries(tensors.map((tensor, at) => [at, tensor])));

/**
 * Runs cases in a page, `open()`ed before the first and again after one that does not answer in time.
 * @returns {Promise<Map<string, string>>} what is wrong with each case that is not right
 */
export async function failuresInPage(open, cases, options) {
  const failures = new Map();
  const runnable = [];
  for (const each of cases) {
    const odd = each.sets.flatMap(({ inputs }) => inputs).find((value) => value?.error);
    // No value of ours can hold such an input; the engine refuses the model for the same reason.
    if (odd) failures.set(each.name, odd.error);
    else runnable.push(each);
  }
  let rest = runnable;
  while (rest.length > 0) {
    const sent = rest.map(({ model, sets: runs }) => ({ model: model.toString('base64'), sets: runs.map(({ inputs }) => list(inputs)) }));
    const page = await open();
    const ended = await page.evaluate(runInPage, { any: any(), cases: sent, options, limit: LIMIT });
    ended.forEach((answer, at) => {
      const failure = judge(rest[at], answer);
      if (failure) failures.set(rest[at].name, failure);
    });
    rest = rest.slice(ended.length);
  }
  return failures;
}
