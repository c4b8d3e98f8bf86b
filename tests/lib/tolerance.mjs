// Is a result right within a row of tests/cases/models.json's tolerances? In: tensors { type, dims, data }, the row.
// Out: nothing, or an assertion that says where they differ most.
// The one decision: the absolute part is relative to the reference's range, so that one row serves outputs of any size.
import assert from 'node:assert/strict';
import { compareTensor, fromHalf } from './compare.mjs';

const values = ({ type, data }) => Float64Array.from(data, type === 'float16' ? fromHalf : Number);

function worstCosine(actual, expected) {
  const width = expected.dims.at(-1);
  const [a, b] = [values(actual), values(expected)];
  let worst = 1;
  for (let row = 0; row < b.length; row += width) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let index = row; index < row + width; index += 1) {
      ab += a[index] * b[index];
      aa += a[index] * a[index];
      bb += b[index] * b[index];
    }
    const cosine = ab / Math.sqrt(aa * bb);
    if (!(cosine >= worst)) worst = Number.isNaN(cosine) ? -1 : cosine;
  }
  return worst;
}

/** A value is right when |a-b| <= rtol*|b| + atol*max|reference|; see the file of cases. */
export function check(name, actual, expected, { rtol, atol, beyond = 0, cosine }) {
  const range = values(expected).reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  const report = compareTensor(name, actual, expected, { rtol, atol: atol * range });
  if (Number.isNaN(report.beyond)) assert.fail(report.text);
  if (cosine !== undefined) {
    const worst = worstCosine(actual, expected);
    assert.ok(worst >= cosine, `${name}: a row has cosine ${worst} to its reference`);
  } else {
    assert.ok(report.beyond <= beyond * report.count, report.text);
  }
}
