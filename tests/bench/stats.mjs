// Numbers from samples. In: milliseconds. Out: medians, minima, ratios, geometric means, rounded to four digits.

export const round = (value) => Number(value.toPrecision(4));

export function summary(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median: round(median), min: round(sorted[0]), samples: sorted.length };
}

/**
 * Ours over theirs: below 1 is faster. `rounds` is the median of the rounds' own ratios: both samples of a round were
 * taken one after the other, so that it bears what else the machine did best.
 */
export function ratio(ours, theirs) {
  const [a, b] = [summary(ours), summary(theirs)];
  const rounds = ours.map((value, index) => value / theirs[index]).filter(Number.isFinite);
  return { median: round(a.median / b.median), min: round(a.min / b.min), rounds: summary(rounds).median };
}

export function geometricMean(values) {
  const known = values.filter((value) => Number.isFinite(value) && value > 0);
  return known.length === 0 ? undefined : round(Math.exp(known.reduce((sum, value) => sum + Math.log(value), 0) / known.length));
}
