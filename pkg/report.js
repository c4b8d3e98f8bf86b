/**
 * Report: where a run happened, by what, why there, and how long each part took.
 *
 * In: what route.js returns. Out: plain objects for `session.report` and `reportOf(results)`.
 * One decision: a result's report hangs on the result without being one of its outputs, so that code that lists
 * the outputs sees outputs only.
 * @module
 */

const REPORT = Symbol.for('nearside.report');

/**
 * @typedef {object} Report
 * @property {'on_device' | 'in_edge' | 'in_cloud'} source
 * @property {string} backend
 * @property {{ code: string, message: string }} reason
 * @property {{ place: string, code: string, message: string }[]} attempts
 * @property {number} bytesFetched
 * @property {{ thread: string, reason?: string }} [engine] on the device
 * @property {Record<string, number>} times milliseconds
 * @property {object[]} [plan] with the GPU: what ran there, what on the CPU, and why
 * @property {object[]} [verdicts] with the GPU: whether it is right, and how fast, by its first runs
 * @property {string} [cpuChosen] why the CPU ran what the GPU could have
 * @property {string} [gpuError] why the CPU ran what the GPU should have
 * @property {object[]} [profile] on the device, where asked for: each node and how long it took
 */

/**
 * Gives a report, which is made when it is first asked for: few callers look at that of each run.
 * @param {import('./route.js').Answer} answer
 * @param {number | undefined} queue
 * @param {number} total
 * @returns {() => Report}
 */
export function reporter({ where, result }, queue, total) {
  const { place, backend, reason, attempts } = where;
  // Not the result itself, which has the outputs.
  const { engine, bytesFetched = 0, bytesSent, times, profile, plan, verdicts, cpuChosen, gpuError } = result;
  /** @type {Report | undefined} */
  let report;
  return () => (report ??= Object.freeze({
    source: place,
    backend,
    reason,
    attempts,
    bytesFetched,
    ...(bytesSent === undefined ? {} : { bytesSent }),
    ...(engine === undefined ? {} : { engine }),
    times: Object.freeze(rounded({ ...times, ...(queue === undefined ? {} : { queue }), total })),
    ...(profile === undefined ? {} : { profile }),
    ...(plan === undefined ? {} : { plan }),
    ...(verdicts === undefined ? {} : { verdicts }),
    ...(cpuChosen === undefined ? {} : { cpuChosen }),
    ...(gpuError === undefined ? {} : { gpuError }),
  }));
}

/** Attaches a report to the results of a run. @param {object} results @param {() => Report} give */
export function attach(results, give) {
  Object.defineProperty(results, REPORT, { get: give });
  if (!Object.hasOwn(results, 'report')) Object.defineProperty(results, 'report', { get: give });
  return results;
}

/** The report of a run's results. @returns {Report | undefined} */
export function reportOf(results) {
  return results?.[REPORT];
}

/** Microseconds are as fine as a page's clock gets. */
function rounded(times) {
  return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, Math.round(ms * 1000) / 1000]));
}
