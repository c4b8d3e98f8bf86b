/** nearside for Deno: the public names, bound to this platform. @module */
import * as platform from './platform/deno.js';
import { sessionOn } from './session.js';

export const InferenceSession = sessionOn(platform);
export { Tensor } from './tensor.js';
export { env } from './env.js';
export { NearsideError } from './errors.js';
export { mapsOf } from './maps.js';
export { reportOf } from './report.js';
