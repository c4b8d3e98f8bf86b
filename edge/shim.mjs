// The Worker's entry. In: requests. Out: the engine's answers.
// The one decision: when the engine's instance dies on a request (a defect, or no memory), that request is asked again
// of a fresh instance: once as it is, if the models of earlier requests may have filled the memory, then with a mark
// that makes it go to the cloud. Without this shim the promise of the dead instance would never settle.
import * as engine from './index.js';

const MARK = 'x-nearside-crashed';
/** Bodies up to this size are kept for the second time; the engine forwards larger ones before it reads them. */
const KEEP_BYTES = 16 * 2 ** 20;

const CRASHED = Symbol('crashed');
const newInstance = () => ({ dead: undefined, waiting: new Set(), answered: 0 });
let instance = newInstance();

/** Called by the engine as it dies: every request that it held has lost it. */
globalThis.nearsideCrashed = (why) => died(instance, why);
function died(one, why) {
  one.dead ??= why;
  for (const tell of one.waiting) tell(CRASHED);
}

/** The engine's answer, or CRASHED; `by` is the instance that had the request. */
async function ask(request, env, context) {
  if (instance.dead) {
    instance = newInstance();
    engine.__wbg_reset_state();
  }
  const by = instance;
  // A promise of this request's own: the runtime lets no request wait for another's.
  let tell;
  const death = new Promise((resolve) => { tell = resolve; });
  by.waiting.add(tell);
  try {
    const answer = await Promise.race([engine.fetch(request, env, context), death]);
    if (answer !== CRASHED) by.answered += 1;
    return { by, answer };
  } catch (error) {
    if (!by.dead && !(error instanceof WebAssembly.RuntimeError)) throw error;
    died(by, 'panic');
    return { by, answer: CRASHED };
  } finally {
    by.waiting.delete(tell);
  }
}

const marked = (request, why, body) => {
  const copy = new Request(request, body === undefined ? undefined : { body });
  copy.headers.set(MARK, why);
  return copy;
};

async function keepBody(request) {
  if (!request.body) return undefined;
  const length = Number(request.headers.get('content-length') ?? NaN);
  return length <= KEEP_BYTES ? request.arrayBuffer() : undefined;
}

/** What a second request needs when the first one's body is gone. */
function again(request, why, body) {
  if (body !== undefined) return marked(request, why, body);
  if (!request.bodyUsed) return marked(request, why);
  const headers = new Headers(request.headers);
  headers.set(MARK, `${why}, body lost`);
  return new Request(request.url, { method: request.method, headers });
}

async function fetch(request, env, context) {
  // Only this shim may say so.
  if (request.headers.has(MARK)) {
    request = new Request(request);
    request.headers.delete(MARK);
  }
  const body = await keepBody(request);
  const whole = () => (body === undefined ? request : new Request(request, { body }));
  let first = await ask(whole(), env, context);
  if (first.answer === CRASHED && first.by.answered > 0 && (body !== undefined || !request.bodyUsed)) first = await ask(whole(), env, context);
  if (first.answer !== CRASHED) return first.answer;
  const second = await ask(again(request, first.by.dead, body), env, context);
  if (second.answer !== CRASHED) return second.answer;
  return Response.json({ error: 'the engine crashed', code: 'INTERNAL' }, { status: 500 });
}

export default { fetch };
