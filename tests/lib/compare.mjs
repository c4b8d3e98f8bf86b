// Are two results the same within a tolerance? In: tensors { type, dims, data } by name, actual and expected.
// Out: a report { same, text, maxDiff, beyond, count } whose text says where they differ most.
// The one decision: |a - b| <= atol + rtol * |b| as NumPy has it, NaN equals NaN, types and shapes equal exactly.

/** The value of a float16's bits. */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const reader = (type) => (type === 'float16' ? fromHalf : Number);

export function compareTensor(name, actual, expected, { rtol = 1e-3, atol = 1e-5 } = {}) {
  const fail = (text) => ({ same: false, text: `${name}: ${text}`, maxDiff: NaN, beyond: NaN, count: expected?.data.length ?? 0 });
  if (!actual) return fail('missing');
  if (actual.type !== expected.type) return fail(`type ${actual.type}, expected ${expected.type}`);
  if (actual.dims.join() !== expected.dims.join()) return fail(`shape [${actual.dims}], expected [${expected.dims}]`);
  if (actual.data.length !== expected.data.length) return fail(`${actual.data.length} elements, expected ${expected.data.length}`);
  const count = expected.data.length;
  const text = expected.type === 'string';
  const read = reader(expected.type);
  let beyond = 0;
  let maxDiff = 0;
  let worst = -1;
  for (let index = 0; index < count; index += 1) {
    const [a, b] = [actual.data[index], expected.data[index]];
    if (a === b) continue;
    const [x, y] = text ? [NaN, 0] : [read(a), read(b)];
    if (!text && (x === y || (Number.isNaN(x) && Number.isNaN(y)))) continue;
    const diff = Math.abs(x - y);
    // A NaN or an infinity on one side only is beyond every tolerance, also the infinite one that rtol would give.
    if (!Number.isFinite(diff) || diff > atol + rtol * Math.abs(y)) beyond += 1;
    if (!(diff <= maxDiff)) [maxDiff, worst] = [Number.isNaN(diff) ? Infinity : diff, index];
  }
  const where = worst < 0 ? '' : `, most at ${worst}: ${show(actual, worst)} for ${show(expected, worst)}`;
  return {
    same: beyond === 0,
    text: `${name}: ${beyond} of ${count} beyond rtol ${rtol} atol ${atol}, max difference ${maxDiff.toPrecision(3)}${where}`,
    maxDiff,
    beyond,
    count,
  };
}

const show = ({ type, data }, index) => (type === 'float16' ? fromHalf(data[index]) : String(data[index]));

/** All expected outputs; `actual` may hold more. */
export function compare(actual, expected, tolerance) {
  const reports = Object.entries(expected).map(([name, tensor]) => compareTensor(name, actual[name], tensor, tolerance));
  return {
    same: reports.every(({ same }) => same),
    text: reports.map(({ text }) => text).join('\n'),
    maxDiff: Math.max(0, ...reports.map(({ maxDiff }) => maxDiff)),
    beyond: reports.reduce((sum, { beyond }) => sum + beyond, 0),
    reports,
  };
}
