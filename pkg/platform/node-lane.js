/**
 * Node lane: a lent thread in Node. The entry of a worker thread; nothing imports it.
 *
 * In: what `serve` takes, as the thread's data. Out: nothing; it works until it is terminated.
 * @module
 */
import { workerData } from 'node:worker_threads';
import { serve } from '../engine/lane.js';

serve(workerData);
