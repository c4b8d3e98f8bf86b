/**
 * Place: where a model runs, and why there.
 *
 * In: facts (size of the model, what this device has, what failed so far) and the caller's policy.
 * Out: the places to try in their order, each with the reason, and the places that are out, each with the
 * reason. Pure: no I/O, no clock; asked again whenever a fact is added. One decision: a failure is a fact like
 * any other, so falling back is nothing but deciding again. A new rule is one row and one case in
 * tests/cases/place.json.
 *
 * @typedef {'on_device' | 'in_edge' | 'in_cloud'} Place
 * @typedef {{ place: Place, code: string, message: string }} Attempt
 * @typedef {object} Facts
 * @property {number} [modelBytes] size of the model file, when known
 * @property {string} [engineMissing] why the engine cannot run here at all
 * @property {string} [modelMissing] why there is no file to run here: only a name on a server was given
 * @property {Attempt[]} [failed] places that were tried
 * @typedef {object} Policy
 * @property {keyof typeof MODES} mode
 * @property {{ maxModelBytes?: number }} [edge] configured or not, and the largest model that it is asked to run
 * @property {unknown} [cloud] configured or not
 * @property {{ name: string }} [model] the model's name on the edge and the cloud
 * @property {number} [maxModelBytes]
 * @property {number} [maxMemory]
 * @module
 */

/** The order in which each mode asks; a place that is not listed is never asked. */
export const MODES = Object.freeze({
  prefer_on_device: ['on_device', 'in_edge', 'in_cloud'],
  only_on_device: ['on_device'],
  prefer_in_cloud: ['in_cloud', 'in_edge', 'on_device'],
  only_in_cloud: ['in_cloud', 'in_edge'],
});

/** wasm32 cannot address more; a larger model cannot be loaded by any setting. */
const ADDRESS_SPACE = 2 ** 32;

/** The engine itself and the activations of one run; they depend on the inputs, which are not known yet. */
export const ENGINE_MEMORY = 32 * 2 ** 20;
/** The file and the weights made of it are alive at once while a model is loaded. */
export const MEMORY_PER_MODEL_BYTE = 2;

/** The estimated peak of the engine's memory: 32 MiB + 2 x the size of the model file. */
export const estimateMemory = (modelBytes) => ENGINE_MEMORY + MEMORY_PER_MODEL_BYTE * modelBytes;

const size = (bytes) => bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
const known = (facts) => facts.modelBytes !== undefined;

/** Why a place is out. The first row that holds names the reason. `tried`: worth telling as an attempt. */
const RULES = [
  { place: 'in_edge', code: 'NOT_CONFIGURED', tried: false, when: (f, p) => !p.edge,
    why: () => 'no edge is configured' },
  { place: 'in_cloud', code: 'NOT_CONFIGURED', tried: false, when: (f, p) => !p.cloud,
    why: () => 'no cloud is configured' },
  { place: 'in_edge', code: 'INVALID_INPUT', tried: true, when: (f, p) => !p.model,
    why: () => "the edge needs the model's name: set nearside.model" },
  { place: 'in_cloud', code: 'INVALID_INPUT', tried: true, when: (f, p) => !p.model,
    why: () => "the cloud needs the model's name: set nearside.model" },
  { place: 'on_device', code: 'ENGINE_FAILED', tried: true, when: (f) => f.engineMissing !== undefined,
    why: (f) => f.engineMissing },
  { place: 'on_device', code: 'OVER_BUDGET', tried: true, when: (f, p) => known(f) && f.modelBytes > p.maxModelBytes,
    why: (f, p) => `the model has ${size(f.modelBytes)}, maxModelBytes allows ${size(p.maxModelBytes)}` },
  { place: 'on_device', code: 'OVER_BUDGET', tried: true, when: (f, p) => known(f) && estimateMemory(f.modelBytes) > p.maxMemory,
    why: (f, p) => `the model needs about ${size(estimateMemory(f.modelBytes))} of memory, maxMemory allows ${size(p.maxMemory)}` },
  { place: 'on_device', code: 'OVER_BUDGET', tried: true, when: (f) => known(f) && estimateMemory(f.modelBytes) > ADDRESS_SPACE,
    why: (f) => `the model needs about ${size(estimateMemory(f.modelBytes))} of memory, WebAssembly has ${size(ADDRESS_SPACE)}` },
  { place: 'in_edge', code: 'OVER_BUDGET', tried: true, when: (f, p) => known(f) && f.modelBytes > p.edge.maxModelBytes,
    why: (f, p) => `the model has ${size(f.modelBytes)}, edge.maxModelBytes allows ${size(p.edge.maxModelBytes)}` },
];

/** Failures after which the next place is asked. The others would fail everywhere, or the caller wants them. */
const STAYS = new Set(['INVALID_INPUT', 'SHAPE_MISMATCH', 'TYPE_MISMATCH', 'ABORTED', 'SESSION_RELEASED']);

/** Whether a failure with this code sends the request to the next place. */
export const movesOn = (code) => !STAYS.has(code);

/**
 * @param {Facts} facts
 * @param {Policy} policy
 * @returns {{ order: { place: Place, reason: { code: string, message: string } }[],
 *             refused: (Attempt & { tried: boolean })[] }}
 */
export function decide(facts, policy) {
  const order = [];
  const refused = [];
  for (const place of MODES[policy.mode]) {
    const out = refusal(place, facts, policy);
    if (out) refused.push(out);
    else order.push({ place, reason: reasonFor(policy, refused) });
  }
  return { order, refused };
}

function refusal(place, facts, policy) {
  const rule = RULES.find((row) => row.place === place && row.when(facts, policy));
  if (rule) return { place, code: rule.code, message: rule.why(facts, policy), tried: rule.tried };
  const failure = facts.failed?.find((attempt) => attempt.place === place);
  return failure && { ...failure, tried: true };
}

/** Why this place: the last refusal before it that is worth telling, or the mode. */
function reasonFor(policy, refused) {
  const last = refused.findLast((row) => row.tried);
  if (last) return { code: last.code, message: `${last.place}: ${last.message}` };
  const skipped = refused.at(-1);
  if (skipped) return { code: skipped.code, message: `${policy.mode}; ${skipped.message}` };
  return { code: 'PREFERRED', message: policy.mode };
}

/** The largest model file in bytes that the policy lets onto the device: where a server does not tell the size. */
export function largestModel({ maxModelBytes = Infinity, maxMemory = Infinity }) {
  const memory = Math.min(maxMemory, ADDRESS_SPACE);
  return Math.max(0, Math.min(maxModelBytes, Math.floor((memory - ENGINE_MEMORY) / MEMORY_PER_MODEL_BYTE)));
}
