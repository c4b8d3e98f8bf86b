// How long a page's thread worked at a time. In: a page, and work in it that sets the marks `begin` and `end`. Out: the
// milliseconds of each task between them, the longest first, with what the work gave.
// The one decision: it is the thread's own time. By the clock on the wall, which a PerformanceObserver has, a task is long
// for all that the machine does beside it.
import assert from 'node:assert/strict';

/** @template T @param {import('playwright-core').Page} page @param {() => Promise<T>} work */
export async function tasksOf(page, work) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ['toplevel', 'blink.user_timing'] });
  let result;
  let trace;
  try {
    result = await work();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = JSON.parse(trace.toString());
  const marks = traceEvents.filter(({ cat }) => cat === 'blink.user_timing');
  const [begin, end] = ['begin', 'end'].map((name) => marks.find((mark) => mark.name === name));
  assert.ok(begin && end, 'the marks are in the trace');
  const tasks = traceEvents.filter(({ name, pid, tid, ts }) => name.endsWith('::RunTask') && pid === begin.pid && tid === begin.tid && ts > begin.ts && ts < end.ts);
  assert.ok(tasks.some(({ tdur }) => tdur > 0), 'the browser tells what tasks took of their thread');
  // Of the very short ones it does not.
  return { result, tasks: tasks.map(({ tdur, dur }) => (tdur ?? dur) / 1000).sort((a, b) => b - a) };
}
