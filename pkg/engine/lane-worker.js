/**
 * Lane worker: a lent thread in a browser. The entry of a module worker; nothing imports it.
 *
 * In: one message, what `serve` takes. Out: nothing; it works until it is terminated.
 * @module
 */
import { serve } from './lane.js';

self.addEventListener('message', ({ data }) => serve(data), { once: true });
