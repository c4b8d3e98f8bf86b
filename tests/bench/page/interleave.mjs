// Times several things in turns. In: actions by name and a budget. Out: milliseconds of each, by name.
// The one decision: each round takes every action once, in an order that is reversed from round to round, so that
// what else the machine does falls on all alike.

/** @param {Record<string, () => Promise<number>>} actions each gives its own milliseconds */
export async function interleave(actions, { budgetMs, least, most }) {
  const names = Object.keys(actions);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  const started = performance.now();
  for (let round = 0; round < most; round += 1) {
    if (round >= least && performance.now() - started > budgetMs) break;
    for (const name of round % 2 === 0 ? names : names.toReversed()) samples[name].push(await actions[name]());
  }
  return samples;
}

/** A sample is as many calls as fill `grainMs`, for a clock that is coarse and calls that are short. */
export async function timed(call, grainMs) {
  const repeats = Math.max(1, Math.ceil(grainMs / Math.max(await clocked(call), 1e-3)));
  return async () => (await clocked(async () => {
    for (let index = 0; index < repeats; index += 1) await call();
  })) / repeats;
}

export async function clocked(call) {
  const since = performance.now();
  await call();
  return performance.now() - since;
}
