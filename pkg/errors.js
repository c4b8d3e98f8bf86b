/**
 * Errors: what every failure of the package looks like.
 *
 * In: a code, a sentence, facts. Out: `NearsideError`, also after it crossed a worker boundary.
 * One decision: callers branch on `code`, never on a class or a text. The codes of the engine are those of
 * `src/error.rs`; the second half of the table exists only here, because only the host can meet them.
 * @module
 */

/** Every code, with what it means to the caller. */
export const CODES = Object.freeze({
  // from the engine
  INVALID_MODEL: 'the bytes are not a usable model',
  UNSUPPORTED_OPERATOR: 'the model needs an operator that the engine lacks',
  CANNOT_PLAN: 'the engine finds no way to run the model for inputs of these sizes',
  UNSUPPORTED_TYPE: 'the model or a tensor uses an element type that is not supported',
  INVALID_INPUT: 'an argument, an input name or a value is wrong',
  SHAPE_MISMATCH: 'a tensor has the wrong dimensions',
  TYPE_MISMATCH: 'a tensor has the wrong element type',
  MALFORMED_REQUEST: 'a request does not follow the protocol',
  MODEL_NOT_FOUND: 'the server does not have this model',
  NOT_FOUND: 'the server does not have this route',
  METHOD_NOT_ALLOWED: 'the server does not allow this method',
  TOO_LARGE: 'a body or a model is over a limit of the server',
  OUT_OF_MEMORY: 'there is not enough memory',
  TIMEOUT: 'no answer in time',
  UNAVAILABLE: 'the server cannot be reached or is not ready',
  GPU_UNAVAILABLE: 'there is no GPU that can run the model',
  GPU_LOST: 'the GPU was lost during a call',
  IO: 'a file cannot be read',
  INTERNAL: 'a defect of nearside',
  // from the host
  OVER_BUDGET: 'the model is over the budget that the caller set for the device',
  DOWNLOAD_FAILED: 'the model file could not be fetched whole',
  ENGINE_FAILED: 'the engine could not be loaded or compiled',
  ENGINE_CRASHED: 'the engine stopped during a call',
  ABORTED: 'the caller aborted',
  SESSION_RELEASED: 'the session was released',
  NO_PLACE: 'no allowed place could run the model',
  REMOTE_ERROR: 'the edge or the cloud refused the request',
});

/** The one error type of the package. */
export class NearsideError extends Error {
  /**
   * @param {keyof typeof CODES} code
   * @param {string} message
   * @param {Record<string, unknown>} [details] facts for a program, such as `details.problems`
   * @param {unknown} [cause]
   */
  constructor(code, message, details, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'NearsideError';
    this.code = code;
    this.details = details;
  }
}

/** The caller gave up: `signal.reason` is kept as the cause. */
export function abortError(signal) {
  return new NearsideError('ABORTED', 'The operation was aborted.', undefined, signal?.reason);
}

/**
 * Any thrown value as a NearsideError. Errors of the engine already carry a `code` of the table.
 * @param {any} error
 * @param {keyof typeof CODES} code for errors that carry none
 * @param {string} [context] put before the message of errors that carry no code
 */
export function asNearsideError(error, code, context) {
  if (error instanceof NearsideError) return error;
  if (error && typeof error === 'object' && Object.hasOwn(CODES, error.code)) {
    return new NearsideError(error.code, error.message, error.details, error);
  }
  const text = error instanceof Error ? error.message : String(error);
  return new NearsideError(code, context ? `${context}: ${text}` : text, undefined, error);
}

/** What of an error crosses `postMessage`; causes stay behind, they need not be cloneable. */
export function toWire(error) {
  const known = asNearsideError(error, 'INTERNAL');
  return { code: known.code, message: known.message, details: known.details };
}

/** The other end of `toWire`. */
export function fromWire({ code, message, details }) {
  return new NearsideError(code, message, details);
}
