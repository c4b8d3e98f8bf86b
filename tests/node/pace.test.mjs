// Whether a model runs with threads. In: made-up times of runs. Out: verdicts: the faster way is taken, threads where
// they are as good, and a change of the machine is noticed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../pkg/engine/pace.js';

/** The ways of `count` runs, of which one with threads takes `shared` and one without `alone`. */
function ways(pace, count, { alone, shared }) {
  return Array.from({ length: count }, () => {
    const all = pace.next();
    pace.done(all ? shared : alone);
    return all;
  });
}

test('pace: the faster way is taken after a few of both', () => {
  for (const [alone, shared, wanted] of [[10, 6, true], [10, 15, false], [10, 10.1, true]]) {
    const trial = ways(new Pace(), 100, { alone, shared });
    assert.ok(trial.slice(0, 8).includes(true) && trial.slice(0, 8).includes(false));
    assert.ok(trial.slice(8).every((all) => all === wanted), `${alone} and ${shared}`);
  }
});

test('pace: what changes is noticed', () => {
  const pace = new Pace();
  ways(pace, 100, { alone: 10, shared: 15 });
  const later = ways(pace, 400, { alone: 10, shared: 6 });
  assert.equal(later.at(-1), true);
});
