/**
 * Engine: the one door to the package. Everything else in the page imports nearside from here.
 * One decision: a relative address, so that the page also works below a folder of another site.
 */
export { InferenceSession, Tensor, env, reportOf } from '../pkg/index.browser.js';
