/**
 * Error view: a typed error, for a person. In: a NearsideError. Out: an element that says what happened, what it
 * means and, for what the engine lacks and places, each one with its reason. One decision: the code is always shown, since it
 * is what a developer will look for.
 */
import { el, table } from './ui.js';

const TITLES = {
  INVALID_MODEL: 'This is not a usable model', UNSUPPORTED_OPERATOR: 'The model needs operators that the engine lacks',
  CANNOT_PLAN: 'The engine finds no way to run the model for inputs of these sizes',
  UNSUPPORTED_TYPE: 'The model uses a type that is not supported', INVALID_INPUT: 'An input is not right',
  SHAPE_MISMATCH: 'An input has the wrong dimensions', TYPE_MISMATCH: 'An input has the wrong type',
  MODEL_NOT_FOUND: 'The server does not have this model', TOO_LARGE: 'Too large for the server', OUT_OF_MEMORY: 'Not enough memory',
  TIMEOUT: 'No answer in time', UNAVAILABLE: 'The server cannot be reached', INTERNAL: 'A defect of nearside',
  OVER_BUDGET: "Over the device's budget", DOWNLOAD_FAILED: 'The model could not be downloaded', ENGINE_FAILED: 'The engine could not be started',
  ENGINE_CRASHED: 'The engine stopped', ABORTED: 'Stopped', NO_PLACE: 'No allowed place could run it', REMOTE_ERROR: 'The server refused the request',
};
const PLACES = { on_device: 'this device', in_edge: 'edge', in_cloud: 'cloud' };

export function errorView(error) {
  const code = error.code ?? error.name;
  const { problems, attempts } = error.details ?? {};
  return el('div', { class: 'error', role: 'alert', data: { code } },
    el('h4', {}, el('code', { class: 'code' }, code), TITLES[error.code] ?? 'Something went wrong'),
    el('p', {}, error.message),
    problems?.length && el('div', { class: 'scroll' }, table(['what', 'where', 'why', 'what to do'], problems.map((row) => [
      el('code', {}, row.operator.replace(/^ai\.onnx\./, '') || 'type'), names(row.names), row.reason, row.advice]))),
    attempts?.length && el('div', { class: 'scroll' }, table(['place', 'why not'], attempts.map((row) => [
      PLACES[row.place] ?? row.place, el('span', {}, el('code', {}, row.code), ` ${row.message}`)]))));
}

export const operatorName = ({ domain, type }) => domain && domain !== 'ai.onnx' ? `${domain}.${type}` : type;

function names(nodes = []) {
  const shown = nodes.filter(Boolean).slice(0, 6).join(', ');
  return nodes.length > 6 ? `${shown} and ${nodes.length - 6} more` : shown || '–';
}
