// The tensors of tests/cases/operators as typed arrays. In: { type, dims, values }. Out: { type, dims, data }.
// The one decision: a float that JSON cannot write is "nan", "inf" or "-inf".
import { toHalf } from '../../pkg/half.js';
import { TYPES } from '../../pkg/types.js';

const ODD = { nan: NaN, inf: Infinity, '-inf': -Infinity };
const number = (value) => ODD[value] ?? Number(value);

export function elements({ type, dims, values }) {
  const Values = TYPES[type].array;
  if (type === 'string') return { type, dims, data: values };
  if (type === 'float16') return { type, dims, data: Uint16Array.from(values, (value) => toHalf(number(value))) };
  const big = Values === BigInt64Array || Values === BigUint64Array;
  return { type, dims, data: Values.from(values, big ? BigInt : number) };
}
