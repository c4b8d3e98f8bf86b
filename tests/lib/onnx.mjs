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
const tensorType = (type, shape) => bytes(1, [...int(1, ELEMENT[type]), ...bytes(2, many(shape, dimension))]);
/** `type` may be `map`: from whole numbers to float32. */
const value = ({ name, type, shape }) => [
  ...text(1, name),
  ...bytes(2, type === 'map' ? bytes(5, [...int(1, ELEMENT.int64), ...bytes(2, tensorType('float32'))]) : tensorType(type, shape)),
];
/** A number, integers, a text, a graph, or in a function `{ of }`, the name of the function's own attribute. */
const attribute = ([name, content]) => {
  if (typeof content === 'number') return [...text(1, name), ...int(3, content), ...int(20, 2)];
  if (typeof content === 'string') return [...text(1, name), ...text(4, content), ...int(20, 3)];
  if (Array.isArray(content)) return [...text(1, name), ...many(content, (one) => int(8, one)), ...int(20, 7)];
  if (content.of) return [...text(1, name), ...text(21, content.of), ...int(20, 2)];
  return [...text(1, name), ...bytes(6, graph(content)), ...int(20, 5)];
};
/** `type` is a name, or ONNX's number; `external` is `{ location, offset, length }`, where they are given. */
const tensor = ({ name, type, dims = [], data, external }) => [
  ...many(dims, (dim) => int(1, dim)),
  ...int(2, ELEMENT[type] ?? type),
  ...text(8, name),
  ...(data ? bytes(9, [...new Uint8Array(data.buffer ?? data)]) : []),
  ...many(Object.entries(external ?? {}), ([key, value]) => bytes(13, [...text(1, key), ...text(2, String(value))])),
  ...(external ? int(14, 1) : []),
];
const node = ({ op, domain = '', inputs, outputs, attributes = {} }) => [
  ...many(inputs, (name) => text(1, name)),
  ...many(outputs, (name) => text(2, name)),
  ...text(4, op),
  ...(domain ? text(7, domain) : []),
  ...many(Object.entries(attributes), (one) => bytes(5, attribute(one))),
];

function graph({ nodes, inputs, outputs, constants }) {
  return [
    ...many(nodes, (one) => bytes(1, node(one))),
    ...text(2, 'test'),
    ...many(constants, (one) => bytes(5, tensor(one))),
    ...many(inputs, (one) => bytes(11, value(one))),
    ...many(outputs, (one) => bytes(12, value(one))),
  ];
}

/** `defaults` are attributes with a value, `attributes` names of those without one. */
const func = ({ domain, name, inputs, outputs, nodes, attributes, defaults = {}, opset = 17 }) => [
  ...text(1, name),
  ...many(inputs, (one) => text(4, one)),
  ...many(outputs, (one) => text(5, one)),
  ...many(attributes, (one) => text(6, one)),
  ...many(nodes, (one) => bytes(7, node(one))),
  ...bytes(9, int(2, opset)),
  ...text(10, domain),
  ...many(Object.entries(defaults), (one) => bytes(11, attribute(one))),
];

/**
 * @param {{ nodes: { op: string, domain?: string, inputs: string[], outputs: string[], attributes?: Record<string, unknown> }[],
 *           inputs: { name: string, type: string, shape: (number | string)[] }[], outputs: object[], domains?: string[],
 *           constants?: object[], functions?: object[] }} model
 */
export function onnx({ domains = [], functions, ...rest }) {
  return Uint8Array.from([
    ...int(1, 8),
    ...text(2, 'nearside-tests'),
    ...bytes(7, graph(rest)),
    ...bytes(8, int(2, 17)),
    ...many(domains, (domain) => bytes(8, [...text(1, domain), ...int(2, 1)])),
    ...many(functions, (one) => bytes(25, func(one))),
  ]);
}

/** What the engine lacks in one model: a type, an operator, and a form of another one, inside and outside a subgraph. */
export const lacking = () => {
  const y = { name: 'y', type: 'float32', shape: [1] };
  const branch = (op) => ({ nodes: [{ op, domain: 'test.invalid', inputs: ['x'], outputs: [`in_${op}`] }], inputs: [], outputs: [{ ...y, name: `in_${op}` }] });
  return onnx({
    nodes: [
      { op: 'Cast', inputs: ['x'], outputs: ['a'], attributes: { to: 14 } },
      { op: 'If', inputs: ['c'], outputs: ['b'], attributes: { then_branch: branch('Frobnicate'), else_branch: branch('Frobnicate2') } },
      { op: 'Frobnicate', domain: 'test.invalid', inputs: ['b', 'w'], outputs: ['y'] },
    ],
    constants: [{ name: 'w', type: 14, dims: [1], data: [0] }],
    inputs: [{ name: 'x', type: 'float32', shape: [1] }, { name: 'c', type: 'bool', shape: [] }],
    outputs: [y],
    domains: ['test.invalid'],
  });
};

/** y = x * scale + shift; the constants lie in `weights.bin`, where there are `WEIGHTS`. */
export const outside = (location = 'weights.bin', more = {}) => onnx({
  nodes: [{ op: 'Mul', inputs: ['x', 'scale'], outputs: ['m'] }, { op: 'Add', inputs: ['m', 'shift'], outputs: ['y'] }],
  constants: [
    { name: 'scale', type: 'float32', dims: [2], external: { location, offset: 16, length: 8, ...more } },
    { name: 'shift', type: 'float32', dims: [2], external: { location: 'weights.bin', offset: 4 } },
  ],
  inputs: [{ name: 'x', type: 'float32', shape: [2] }],
  outputs: [{ name: 'y', type: 'float32', shape: [2] }],
});
export const WEIGHTS = new Uint8Array(Float32Array.of(9, 10, 20, 9, 2, 3).buffer);

/**
 * Functions of the file: one calls another, passes an input through, has an attribute with a default, and takes Softmax
 * as it was before operator set 13, over all axes from the given one on.
 */
export const functions = () => onnx({
  nodes: [{ op: 'Both', domain: 'my.own', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', type: 'float32', shape: [1, 2, 2] }],
  outputs: [{ name: 'y', type: 'float32', shape: [2, 2, 2] }],
  domains: ['my.own'],
  functions: [{
    domain: 'my.own', name: 'Both', inputs: ['a', 'unused'], outputs: ['b'], attributes: [], defaults: { along: 0 }, opset: 11,
    nodes: [
      { op: 'Softmax', inputs: ['a'], outputs: ['s'], attributes: { axis: 1 } },
      { op: 'Negated', domain: 'my.own', inputs: ['s'], outputs: ['same', 'negative'] },
      { op: 'Concat', inputs: ['same', 'negative'], outputs: ['b'], attributes: { axis: { of: 'along' } } },
    ],
  }, { domain: 'my.own', name: 'Negated', inputs: ['v'], outputs: ['v', 'w'], nodes: [{ op: 'Neg', inputs: ['v'], outputs: ['w'] }] }],
});

export const recursive = () => onnx({
  nodes: [{ op: 'F', domain: 'my.own', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', type: 'float32', shape: [2] }],
  outputs: [{ name: 'y', type: 'float32', shape: [2] }],
  domains: ['my.own'],
  functions: [{ domain: 'my.own', name: 'F', inputs: ['a'], outputs: ['b'], nodes: [{ op: 'F', domain: 'my.own', inputs: ['a'], outputs: ['b'] }] }],
});

/** A model that gives back what it gets. */
export const identity = (type, shape = ['n']) => onnx({
  nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', type, shape }],
  outputs: [{ name: 'y', type, shape }],
});
