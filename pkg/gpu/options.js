/**
 * Options: what a session asks of the GPU.
 *
 * In: `executionProviders`, `preferredOutputLocation`, and nearside's own `strict` and `gpu`. Out: what the engine takes,
 * and which outputs stay on the GPU. One decision: without the provider `webgpu` none of it has an effect.
 * @module
 */
import { NearsideError } from '../errors.js';
import { warnOnce, warnUnknown } from '../env.js';
import { Tensor, toWireTensor } from '../tensor.js';

const bad = (message) => { throw new NearsideError('INVALID_INPUT', message); };
const isObject = (value) => typeof value === 'object' && value !== null;

const OPTIONS = ['choose', 'check', 'golden'];
const CHOICES = ['fastest', 'always'];
/** Where outputs can be. */
const LOCATIONS = ['cpu', 'cpu-pinned', 'gpu-buffer'];

/** The providers are an order of preference: the GPU where it comes before the CPU. */
export function wantsGpu(providers = []) {
  const names = providers.map((provider) => provider?.name ?? provider);
  const [gpu, cpu] = [names.indexOf('webgpu'), names.findIndex((name) => name === 'wasm' || name === 'cpu')];
  return gpu >= 0 && (cpu < 0 || gpu < cpu);
}

/**
 * @param {{ strict?: boolean, gpu?: any }} own
 * @returns {import('../engine/gpu.js').GpuOptions}
 */
export function readGpu({ strict, gpu = {} }) {
  if (!isObject(gpu)) bad("'options.nearside.gpu' must be an object.");
  warnUnknown('options.nearside.gpu', gpu, OPTIONS);
  const { choose = 'fastest', check = true, golden } = gpu;
  if (!CHOICES.includes(choose)) bad(`Unknown 'gpu.choose' '${String(choose)}'; there are ${CHOICES.join(', ')}.`);
  return { strict: strict === true, check: check === true, fastest: choose === 'fastest', golden: golden && readGolden(golden) };
}

/** Tensors in the form in which the engine takes them. */
function readGolden(golden) {
  if (!isObject(golden)) bad("'gpu.golden' must be { inputs, outputs, tolerance }.");
  const { inputs, outputs, tolerance } = golden;
  if (!isObject(inputs) || !isObject(outputs) || Object.keys(outputs).length === 0) bad("'gpu.golden' needs 'inputs' and 'outputs': objects of tensors by name.");
  if (tolerance !== undefined && !(typeof tolerance === 'number' && tolerance >= 0)) bad("'gpu.golden.tolerance' must be a number of at least 0.");
  const wires = (tensors) => Object.entries(tensors).map(([name, value]) => toWireTensor(name, value instanceof Tensor ? value : new Tensor(value.type, value.data, value.dims)));
  return { feeds: wires(inputs), outputs: wires(outputs), tolerance };
}

/**
 * `preferredOutputLocation`: one for all outputs, or by name.
 * @returns {(names: string[]) => (name: string) => boolean} of a model's outputs: which stay on the GPU
 */
export function readLocations({ preferredOutputLocation: wanted, executionProviders }) {
  if (wanted === undefined) return () => () => false;
  const check = (location) => LOCATIONS.includes(location) || bad(`Unknown output location '${String(location)}'; there are ${LOCATIONS.join(', ')}.`);
  const byName = isObject(wanted);
  for (const location of byName ? Object.values(wanted) : [wanted]) check(location);
  const of = (name) => (byName ? Object.hasOwn(wanted, name) && wanted[name] : wanted);
  const any = byName ? Object.values(wanted).includes('gpu-buffer') : wanted === 'gpu-buffer';
  if (any && !wantsGpu(executionProviders)) warnOnce("outputs are placed on the CPU: 'gpu-buffer' needs the execution provider 'webgpu'");
  return (names) => {
    const unknown = byName ? Object.keys(wanted).filter((name) => !names.includes(name)) : [];
    if (unknown.length) bad(`'preferredOutputLocation' names unknown outputs: ${unknown.join(', ')}; the model gives ${names.join(', ')}`);
    return (name) => of(name) === 'gpu-buffer';
  };
}
