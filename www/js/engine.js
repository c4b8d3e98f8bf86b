/**
 * Engine: the one door to the package. Everything else in the page imports nearside from here.
 * One decision: a relative address, so that the page also works below a folder of another site.
 */
import { env } from '../pkg/dist/nearside.js';

export { InferenceSession, Tensor, env, reportOf } from '../pkg/dist/nearside.js';

// The page shows that the device and the edge give the same bits, and stores one engine for visitors who are offline.
env.wasm.simd = 'fixed';
