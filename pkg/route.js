/**
 * Route: carries a session from place to place until one answers.
 *
 * In: the places, the policy, tensors. Out: an answer, and beside it the place, the reason and every attempt before it.
 * It owns the facts; place.js decides on them. One decision: a place that could not be opened, and a device that
 * failed during a run while another place was left, are out for the rest of the session; an edge or a cloud that
 * failed during a run is out for that run only.
 * @module
 */
import { NearsideError, asNearsideError } from './errors.js';
import { decide, movesOn } from './place.js';

export class Route {
  #models;
  #policy;
  #facts;
  /** What was decided on facts that have not changed since. */
  #decided;
  /** What `open` gave, by place. */
  #opened = new Map();

  /**
   * @param {Partial<Record<import('./place.js').Place, object>>} models what can run at each place
   * @param {object} policy
   * @param {import('./place.js').Facts} facts
   */
  constructor(models, policy, facts) {
    this.#models = models;
    this.#policy = policy;
    this.#facts = { ...facts, failed: [] };
  }

  /** Opens the first place that can be opened. @returns {Promise<Answer>} */
  async open(signal) {
    return this.#travel(signal, [], async (model, opened) => opened);
  }

  /** Runs at the first place that answers. `keep`: outputs that stay on the GPU, where the place has one. @returns {Promise<Answer>} */
  async run(feeds, fetches, signal, keep) {
    return this.#travel(signal, [], (model) => model.infer(feeds, fetches, signal, keep));
  }

  async close() {
    await Promise.all(Object.values(this.#models).map((model) => model.close()));
  }

  async #travel(signal, failedNow, work) {
    let last;
    for (;;) {
      const { order, refused } = this.#decide(failedNow);
      const [next, following] = order;
      if (!next) throw this.#nowhere(refused, last);
      const { place, reason } = next;
      const model = this.#models[place];
      let whileRunning = false;
      try {
        if (place === 'on_device' && this.#mustAskSize()) {
          this.#facts = { ...this.#facts, modelBytes: await model.size(signal), sizeAsked: true };
          continue;
        }
        const opened = this.#opened.get(place) ?? (await this.#open(place, signal));
        whileRunning = true;
        const result = await work(model, opened);
        return handedOn(result, { place, reason, backend: result.backend ?? model.backend, attempts: attemptsOf(refused) });
      } catch (error) {
        last = asNearsideError(error, 'INTERNAL');
        if (!movesOn(last.code)) throw last;
        const attempt = { place, code: last.code, message: last.message };
        if (!whileRunning || (place === 'on_device' && following)) {
          this.#facts = { ...this.#facts, failed: [...this.#facts.failed, attempt] };
          this.#opened.delete(place);
          await model.close();
        } else {
          failedNow.push(attempt);
        }
      }
    }
  }

  #decide(failedNow) {
    const facts = this.#facts;
    if (failedNow.length > 0) return decide({ ...facts, failed: [...facts.failed, ...failedNow] }, this.#policy);
    if (this.#decided?.facts !== facts) this.#decided = { facts, ...decide(facts, this.#policy) };
    return this.#decided;
  }

  /** Only a budget makes the size worth a question; without one the download itself finds out. */
  #mustAskSize() {
    const { modelBytes, sizeAsked } = this.#facts;
    const { maxModelBytes, maxMemory, edge } = this.#policy;
    const budgets = [maxModelBytes, maxMemory, edge?.maxModelBytes];
    return !sizeAsked && modelBytes === undefined && budgets.some((budget) => budget !== undefined);
  }

  async #open(place, signal) {
    const opened = await this.#models[place].open(signal);
    this.#opened.set(place, opened);
    return opened;
  }

  /** The only failure as it is; several as NO_PLACE with all of them. */
  #nowhere(refused, last) {
    const attempts = attemptsOf(refused);
    if (attempts.length === 1 && last) {
      last.details = { ...last.details, attempts };
      return last;
    }
    if (attempts.length === 1) return new NearsideError(attempts[0].code, attempts[0].message, { attempts });
    const told = attempts.length ? attempts : refused;
    const list = told.map(({ place, code, message }) => `${place}: ${code}: ${message}`).join('; ');
    return new NearsideError('NO_PLACE', `No place could run the model (${this.#policy.mode}). ${list}`, { attempts }, last);
  }
}

/**
 * @typedef {{ result: any, where: { place: import('./place.js').Place, reason: { code: string, message: string }, backend: string, attempts: import('./place.js').Attempt[] } }} Answer
 *   `result`: what the place gave
 */

/**
 * An edge that passed the request to its cloud did not run the model, and is not reported as if it had.
 * @returns {Answer}
 */
function handedOn(result, where) {
  const { forwarded: code } = result;
  const { place, attempts } = where;
  if (place !== 'in_edge' || !code) return { result, where };
  const message = 'the edge handed the request on to its cloud';
  return { result, where: { ...where, place: 'in_cloud', reason: { code, message: `in_edge: ${message}` }, attempts: [...attempts, { place, code, message }] } };
}

const attemptsOf = (refused) => refused.filter((row) => row.tried).map(({ place, code, message }) => ({ place, code, message }));
