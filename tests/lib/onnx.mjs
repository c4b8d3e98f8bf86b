// Small ONNX models made for tests. In: nodes, inputs, outputs as plain objects. Out: the bytes of a model file.
// The one decision: the few protobuf fields that these models need are written here; the engine's importer is the
// judge of whether they are right.

const varint = (value) => {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return bytes;
};
const int = (field, value) => [...varint(field << 3), ...varint(value)];
const bytes = (field, content) => [...varint((field << 3) | 2), ...varint(content.length), ...content];
const text = (field, value) => bytes(field, [...new TextEncoder().encode(value)]);
const many = (items, write) => (items ?? []).flatMap(write);

/** ONNX's numbers for element types. */
export const ELEMENT = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, float64: 11, uint32: 12, uint64: 13,
};

const dimension = (dim) => bytes(1, typeof dim === 'string' ? text(2, dim) : int(1, dim));
const value = ({ name, type, shape }) => [
  ...text(1, name),
  ...bytes(2, bytes(1, [...int(1, ELEMENT[type]), ...bytes(2, many(shape, dimension))])),
];
const attribute = ([name, number]) => bytes(5, [...text(1, name), ...int(3, number), ...int(20, 2)]);
const node = ({ op, domain = '', inputs, outputs, attributes = {} }) => [
  ...many(inputs, (name) => text(1, name)),
  ...many(outputs, (name) => text(2, name)),
  ...text(4, op),
  ...(domain ? text(7, domain) : []),
  ...many(Object.entries(attributes), attribute),
];

/**
 * @param {{ nodes: { op: string, domain?: string, inputs: string[], outputs: string[], attributes?: Record<string, number> }[],
 *           inputs: { name: string, type: string, shape: (number | string)[] }[], outputs: object[], domains?: string[] }} model
 */
export function onnx({ nodes, inputs, outputs, domains = [] }) {
  const graph = [
    ...many(nodes, (one) => bytes(1, node(one))),
    ...text(2, 'test'),
    ...many(inputs, (one) => bytes(11, value(one))),
    ...many(outputs, (one) => bytes(12, value(one))),
  ];
  return Uint8Array.from([
    ...int(1, 8),
    ...text(2, 'nearside-tests'),
    ...bytes(7, graph),
    ...bytes(8, int(2, 17)),
    ...many(domains, (domain) => bytes(8, [...text(1, domain), ...int(2, 1)])),
  ]);
}

/** A model that gives back what it gets. */
export const identity = (type, shape = ['n']) => onnx({
  nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', type, shape }],
  outputs: [{ name: 'y', type, shape }],
});
