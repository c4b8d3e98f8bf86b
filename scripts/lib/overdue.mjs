// What a file of tests waits for when its time is over. Imported into the processes of `node --test`. In: the time, as
// NEARSIDE_FILE_LIMIT in milliseconds. Out: on standard error the names of the tests that run, and the end of the process;
// its end, too, where nobody listens any more.
// The one decision: the process says it of itself, shortly before the runner would end it, since that tells of the file
// only; a limit on each test, which Node 20 lacks, would have to be as long.
import { afterEach, beforeEach } from 'node:test';
import { isMainThread } from 'node:worker_threads';

const limit = Number(process.env.NEARSIDE_FILE_LIMIT);
// The runner itself imports this too, and so does each thread that a test starts.
if (process.env.NODE_TEST_CONTEXT && isMainThread && limit > 0) {
  // A runner that is gone hears nothing more. Left to itself Node would end here without any `exit`, which ends what tests started.
  process.stdout.on('error', () => process.exit(1));
  const running = new Set();
  let last;
  beforeEach((test) => void running.add(test));
  afterEach((test) => {
    running.delete(test);
    last = test;
  });
  const name = (test) => test.fullName ?? test.name;
  setTimeout(() => {
    const where = last ? `after the test "${name(last)}"` : 'before the first test';
    const waits = running.size > 0 ? `in ${[...running].map((test) => `"${name(test)}"`).join(', ')}` : `${where}, for ${process.getActiveResourcesInfo().join(', ')}`;
    console.error(`not finished after ${limit / 1000} s: it waits ${waits}`);
    process.exit(1);
  }, limit).unref();
}
