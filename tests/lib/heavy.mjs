// Models whose weights are most of what they need. In: sizes. Out: ONNX files, feeds, and what must come out.
// The one decision: weights lie in graphs of their own, which a file merges into the first, so that they are not spelled
// out as lists.
import { Tensor } from '../../pkg/index.node.js';
import { onnx } from './onnx.mjs';

/** The engine's own data, stack and code tables. */
export const ENGINE = 4 * 2 ** 20;

const field = (number, content) => {
  const length = [];
  for (let rest = content.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest % 128 | (rest > 127 ? 128 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content]);
};
/** A number of up to 21 bits. */
const int = (number, value) => Buffer.from([number << 3, (value % 128) | 128, (Math.floor(value / 128) % 128) | 128, Math.floor(value / 16384)]);

/** A weight as a second graph of the file. */
const weight = (name, rows, columns, value) => field(7, field(5, Buffer.concat([
  int(1, rows), int(1, columns), Buffer.from([2 << 3, 1]), field(8, Buffer.from(name)),
  field(9, Buffer.from(new Float32Array(rows * columns).fill(value).buffer)),
])));

const [WIDTH, LAYERS] = [1024, 12];

/** A chain of products, of a batch that is open or of so many rows. */
export function chain(batch) {
  const wires = Array.from({ length: LAYERS + 1 }, (_, at) => (at === 0 ? 'x' : `h${at}`));
  const model = Buffer.concat([
    onnx({
      nodes: Array.from({ length: LAYERS }, (_, at) => ({ op: 'MatMul', inputs: [wires[at], `w${at}`], outputs: [wires[at + 1]] })),
      inputs: [{ name: 'x', type: 'float32', shape: [batch, WIDTH] }],
      outputs: [{ name: wires.at(-1), type: 'float32', shape: [batch, WIDTH] }],
    }),
    // No two the same: equal constants would be one.
    ...Array.from({ length: LAYERS }, (_, at) => weight(`w${at}`, WIDTH, WIDTH, (1 + at / 1000) / WIDTH)),
  ]);
  return {
    model,
    weights: LAYERS * WIDTH * WIDTH * 4,
    feeds: () => ({ x: new Tensor(new Float32Array(WIDTH).fill(1), [1, WIDTH]) }),
    output: wires.at(-1),
    wanted: Array.from({ length: LAYERS }, (_, at) => 1 + at / 1000).reduce((product, factor) => product * factor, 1),
  };
}
