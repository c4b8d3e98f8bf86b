"""Random valid graphs: what a graph under construction is, and how operators are added to it.

In: a seed. Out: an ONNX model with inputs. The one decision: every node is run by ONNX Runtime as it is
added, so that the next one knows its operands' types, shapes and values, and none is invalid."""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOATS = ("float32",)
HALVES = ("float16",)
WHOLE = ("int64", "int32", "uint8", "int8")
MOST_ELEMENTS = 4096
LARGEST = 1e4


class Skip(Exception):
    """This operator does not fit here: another is tried."""


def element_type(array):
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def quiet_options():
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


OPTIONS = quiet_options()


def reference(proto, feeds):
    """ONNX Runtime's outputs by name, its optimisations off."""
    session = onnxruntime.InferenceSession(proto.SerializeToString(), OPTIONS, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))


class Value:
    def __init__(self, name, array, constant=False):
        self.name, self.array, self.constant = name, np.asarray(array), constant
        self.dtype, self.shape, self.rank = str(self.array.dtype), self.array.shape, self.array.ndim


class Graph:
    def __init__(self, rng, opset, float_type="float32"):
        self.rng, self.opset, self.float = rng, opset, float_type
        self.values, self.nodes, self.initializers, self.inputs = [], [], {}, {}
        self.count, self.outer = 0, None

    # Choices

    def chance(self, p):
        return bool(self.rng.random() < p)

    def choose(self, options):
        return options[int(self.rng.integers(len(options)))]

    def whole(self, low, high):
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def shape(self, rank=None, low=1, high=6):
        rank = self.whole(0, 4) if rank is None else rank
        return tuple(self.whole(low, high) for _ in range(rank))

    def array(self, dtype, shape):
        rng = self.rng
        if dtype == "bool":
            return rng.random(shape) < 0.5
        if dtype in ("float32", "float16", "float64"):
            values = rng.standard_normal(shape)
            if self.chance(0.2):
                values = np.round(values * 4) / 4
            return np.asarray(values).astype(dtype)
        low, high = {"uint8": (0, 255), "int8": (-128, 127)}.get(dtype, (-8, 8))
        return np.asarray(rng.integers(low, high + 1, shape)).astype(dtype)

    # Values

    def name(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}" if self.outer is None else f"{self.outer}_{prefix}{self.count}"

    def constant(self, array, listed=False):
        """A value that the file holds, as an initializer or a Constant node."""
        array = np.asarray(array)
        name = self.name("c")
        if self.chance(0.3):
            tensor = numpy_helper.from_array(array, name)
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers[name] = array
        value = Value(name, array, constant=True)
        if listed:
            self.values.append(value)
        return value

    def input(self, array):
        name = self.name("x")
        value = Value(name, array)
        if self.outer is not None:
            return self.constant(array)
        self.inputs[name] = value.array
        self.values.append(value)
        return value

    def fresh(self, dtype, shape, constant=0.5):
        array = self.array(dtype, shape)
        return self.constant(array, True) if self.outer or self.chance(constant) else self.input(array)

    def pick(self, dtypes=None, ranks=None, test=lambda v: True, fresh=0.1, shape=None):
        """A value there is, late ones first; where none fits, or now and then, a new one."""
        dtypes = dtypes or (self.float,)
        fits = [v for v in self.values if v.dtype in dtypes and (ranks is None or v.rank in ranks) and v.array.size and test(v)]
        if fits and not self.chance(fresh):
            weights = np.arange(1, len(fits) + 1, dtype=float) ** 2
            return fits[int(self.rng.choice(len(fits), p=weights / weights.sum()))]
        for _ in range(20):
            rank = self.choose(ranks) if ranks else None
            made = self.array(self.choose(dtypes), shape or self.shape(rank))
            if test(Value("", made)):
                return self.constant(made, True) if self.outer or self.chance(0.2) else self.input(made)
        raise Skip

    def partner(self, x, dtype=None):
        """Something that broadcasts with x."""
        dtype = dtype or x.dtype
        def fits(v):
            try:
                return np.prod(np.broadcast_shapes(v.shape, x.shape)) <= MOST_ELEMENTS and v.name != x.name
            except ValueError:
                return False
        there = [v for v in self.values if v.dtype == dtype and v.array.size and fits(v)]
        if there and self.chance(0.6):
            return self.choose(there)
        shape = x.shape[self.whole(0, x.rank):] if self.chance(0.5) else x.shape
        shape = tuple(1 if self.chance(0.25) else d for d in shape)
        return self.fresh(dtype, shape, 0.7)

    def ints(self, values, x=None, dtype="int64"):
        """A list of integers: a constant, or computed from the shape of x as exporters do."""
        values = [int(v) for v in values]
        if x is None or not x.rank or not values or dtype != "int64" or self.chance(0.5):
            return self.constant(np.array(values, dtype))
        of = self.emit("Shape", [x])[0]
        parts = []
        for v in values:
            at = [i for i, d in enumerate(x.shape) if d == v]
            if at and self.chance(0.7):
                if self.chance(0.5):
                    parts.append(self.emit("Gather", [of, self.constant(np.array([at[0]]))], axis=0)[0])
                else:
                    scalar = self.emit("Gather", [of, self.constant(np.array(at[0]))], axis=0)[0]
                    parts.append(self.unsqueeze(scalar, [0]))
            else:
                parts.append(self.constant(np.array([v])))
        return self.emit("Concat", parts, axis=0)[0] if len(parts) > 1 else parts[0]

    def unsqueeze(self, x, axes):
        if self.opset >= 13:
            return self.emit("Unsqueeze", [x, self.constant(np.array(axes))])[0]
        return self.emit("Unsqueeze", [x], axes=axes)[0]

    # Nodes

    def emit(self, op, inputs, outputs=1, domain="", keep=True, **attributes):
        """Adds a node; outputs is a number, or a list of booleans where some are left out."""
        wanted = [True] * outputs if isinstance(outputs, int) else outputs
        names = [self.name("v") if w else "" for w in wanted]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        node = helper.make_node(op, [i.name if i else "" for i in inputs], names, domain=domain, **attributes)
        seen = {i.name: i.array for i in inputs if i}
        for graph in [a.g for a in node.attribute if a.HasField("g")]:
            made = {o for n in graph.node for o in n.output} | {t.name for t in graph.initializer} | {i.name for i in graph.input}
            read = {i for n in graph.node for i in n.input} | {o.name for o in graph.output}
            seen.update({v.name: v.array for v in self.values if v.name in read - made})
        results = self.run(node, seen, [n for n in names if n])
        for array in results.values():
            if not 0 < array.size <= MOST_ELEMENTS or array.dtype.kind == "f" and array.size and not (np.abs(array).max() < LARGEST):
                raise Skip
        self.nodes.append(node)
        made = [Value(n, results[n]) if n else None for n in names]
        if keep:
            self.values += [v for v in made if v]
        return made

    def run(self, node, feeds, names):
        graph = helper.make_graph(
            [node], "one",
            [helper.make_tensor_value_info(n, element_type(a), a.shape) for n, a in feeds.items()],
            [helper.make_empty_tensor_value_info(n) for n in names],
        )
        try:
            return reference(helper.make_model(graph, opset_imports=opsets(self.opset), ir_version=8), feeds)
        except Exception as error:
            if not names:
                raise
            raise Skip from error

    # The result

    def model(self):
        """The model, without what no output needs; None where nothing is left."""
        read = {i for n in self.nodes for i in n.input}
        for node in self.nodes:
            for graph in [a.g for a in node.attribute if a.HasField("g")]:
                read |= {i for n in graph.node for i in n.input} | {o.name for o in graph.output}
        made = [v for v in self.values if v.name not in self.inputs and not v.constant]
        outputs = [v for v in made if v.name not in read]
        outputs = outputs[-5:] + [v for v in made if v.name in read and self.chance(0.1)][:2]
        return build(self.nodes, self.initializers, self.inputs, outputs, self.opset, self.dims) if outputs else None

    def dims(self, array):
        """A declared shape: some extents by name or left open."""
        p = self.rng.random()
        names = [self.name("d") for _ in array.shape]
        return [n if p < 0.4 and self.chance(0.6) else None if p > 0.95 else d for n, d in zip(names, array.shape)]


def opsets(version):
    return [helper.make_opsetid("", version), helper.make_opsetid("com.microsoft", 1)]


def captured(node):
    """All that a node reads, its subgraphs' captures included."""
    read = set(node.input)
    for graph in [a.g for a in node.attribute if a.HasField("g")]:
        inner = set()
        for n in graph.node:
            inner |= captured(n)
        inner |= {o.name for o in graph.output}
        made = {o for n in graph.node for o in n.output} | {t.name for t in graph.initializer} | {i.name for i in graph.input}
        read |= inner - made
    return read - {""}


def build(nodes, initializers, inputs, outputs, opset, dims=lambda a: list(a.shape)):
    needed, kept = {o.name for o in outputs}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= captured(node)
    kept.reverse()
    used = {n: a for n, a in inputs.items() if n in needed}
    graph = helper.make_graph(
        kept, "g",
        [helper.make_tensor_value_info(n, element_type(a), dims(a)) for n, a in used.items()],
        [helper.make_tensor_value_info(v.name, element_type(v.array), [f"{v.name}_{i}" for i in range(v.rank)]) for v in outputs],
        [numpy_helper.from_array(a, n) for n, a in initializers.items() if n in needed],
    )
    domains = {n.domain for n in kept}
    imports = [o for o in opsets(opset) if o.domain == "" or o.domain in domains]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="nearside"), used
