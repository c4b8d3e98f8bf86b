"""Control flow with values that are carried on, sequences, and ONNX Runtime's own fused operators: (name, first operator
set, weight, how to add one)."""
import numpy as np
from onnx import helper

from graph import LARGEST, MOST_ELEMENTS, Graph, Skip, Value, build, element_type, opsets, reference

MS = "com.microsoft"


def nested(g, name):
    """A graph inside of another, which sees the outer values."""
    inner = Graph(g.rng, g.opset, g.float)
    inner.outer, inner.values = f"{name}{g.count}_{g.whole(0, 99999)}", [v for v in g.values if v.array.size]
    return inner


def subgraph(g, inner, inputs, outputs, open_=()):
    """The nested graph; the shapes of `open_` are left open."""
    proto, _ = build(inner.nodes, inner.initializers, {}, outputs, g.opset)
    graph = proto.graph
    dims = lambda v: [None] * v.rank if v.name in open_ or g.chance(0.3) else list(v.shape)
    graph.input.extend(helper.make_tensor_value_info(v.name, element_type(v.array), dims(v)) for v in inputs)
    del graph.output[:]
    graph.output.extend(helper.make_tensor_value_info(v.name, element_type(v.array), [None] * v.rank) for v in outputs)
    graph.name = inner.outer
    return graph


def steps(inner, state, index):
    """A few operators that keep the shape of a state."""
    y = state
    for _ in range(inner.whole(1, 3)):
        kind = inner.choose(["unary", "constant", "outer", "index", "product"])
        if kind == "unary":
            y = inner.emit(inner.choose(["Tanh", "Sigmoid", "Neg", "Softsign"]), [y])[0]
        elif kind == "constant":
            other = inner.constant(inner.array(inner.float, y.shape[inner.whole(0, y.rank):]))
            y = inner.emit(inner.choose(["Add", "Mul", "Sub"]), [y, other])[0]
        elif kind == "outer":
            fits = [v for v in inner.values if v.dtype == y.dtype and v.shape == y.shape and v is not y]
            y = inner.emit("Add", [y, inner.choose(fits)])[0] if fits else y
        elif kind == "index" and index is not None:
            y = inner.emit("Add", [y, inner.emit("Cast", [index], to=element_type(y.array))[0]])[0]
        elif kind == "product" and y.rank >= 2:
            w = inner.constant((0.5 * inner.array(inner.float, (y.shape[-1], y.shape[-1]))).astype(inner.float))
            y = inner.emit("Tanh", [inner.emit("MatMul", [y, w])[0]])[0]
    # What is given out must be made here.
    return inner.emit("Tanh", [y])[0]


def loop(g):
    """A Loop that carries a state, or one that grows, and collects."""
    if g.outer:
        raise Skip
    x = g.pick(ranks=(1, 2, 3))
    inner = nested(g, "l")
    index = Value(f"{inner.outer}_i", np.array(0, "int64"))
    condition = Value(f"{inner.outer}_c", np.array(True))
    state = Value(f"{inner.outer}_s", x.array)
    y = steps(inner, state, index)
    states, given, out, open_ = [state], [x], [y], set()
    if g.chance(0.4):
        # A list that each turn makes longer.
        first = g.constant(g.array(g.float, (g.whole(0, 2), *x.shape)))
        grown = Value(f"{inner.outer}_g", first.array)
        row = inner.emit("Unsqueeze", [y, inner.constant(np.array([0]))] if g.opset >= 13 else [y], **({} if g.opset >= 13 else {"axes": [0]}))[0]
        joined = inner.nodes.append(helper.make_node("Concat", [grown.name, row.name], [f"{inner.outer}_j"], axis=0))
        joined = Value(f"{inner.outer}_j", np.concatenate([first.array, row.array]))
        states.append(grown)
        given.append(first)
        out.append(joined)
        open_ |= {grown.name, joined.name}
    scans = []
    if g.chance(0.5):
        scans = [inner.emit("ReduceMax", [y], keepdims=0)[0] if g.chance(0.5) else inner.emit("Relu", [y])[0]]
    turns = g.whole(0 if not scans else 1, 4)
    if g.chance(0.4):
        on = inner.emit("Less", [index, inner.constant(np.array(g.whole(0, 3)))])[0]
    else:
        on = inner.emit("Identity", [condition])[0]
    body = subgraph(g, inner, [index, condition, *states], [on, *out, *scans], open_)
    most = g.constant(np.array(turns)) if g.chance(0.6) else g.input(np.array(turns))
    go = g.choose([None, g.constant(np.array(True)), g.input(np.array(True))]) if g.chance(0.8) else g.input(np.array(g.chance(0.5)))
    g.emit("Loop", [most, go, *given], len(states) + len(scans), body=body)


def scan(g):
    """A recurrence over the first axis."""
    if g.outer:
        raise Skip
    x = g.pick(ranks=(2, 3))
    inner = nested(g, "s")
    first = g.constant(g.array(g.float, x.shape[1:]))
    state, each = Value(f"{inner.outer}_s", first.array), Value(f"{inner.outer}_x", x.array[0])
    y = inner.emit("Add", [steps(inner, state, None), each])[0]
    z = inner.emit("Tanh", [y])[0]
    body = subgraph(g, inner, [state, each], [z, inner.emit("Neg", [y])[0]])
    how = {"scan_input_directions": [g.whole(0, 1)], "scan_output_directions": [g.whole(0, 1)]} if g.chance(0.4) else {}
    g.emit("Scan", [first, x], 2, body=body, num_scan_inputs=1, **how)


def together(g, nodes, inputs, outputs):
    """Adds several nodes at once, between which may be what is no tensor."""
    seen = {i.name: i.array for i in inputs}
    infos = [helper.make_tensor_value_info(n, element_type(a), a.shape) for n, a in seen.items()]
    graph = helper.make_graph(nodes, "some", infos, [helper.make_empty_tensor_value_info(n) for n in outputs])
    try:
        results = reference(helper.make_model(graph, opset_imports=opsets(g.opset), ir_version=8), seen)
    except Exception as error:
        raise Skip from error
    for array in results.values():
        if not 0 < array.size <= MOST_ELEMENTS or array.dtype.kind == "f" and not np.abs(array).max() < LARGEST:
            raise Skip
    g.nodes += nodes
    g.values += [Value(n, results[n]) for n in outputs]


def sequence(g):
    if g.outer:
        raise Skip
    x = g.pick(ranks=(1, 2, 3), test=lambda v: max(v.shape) >= 2)
    at = int(np.argmax(x.shape))
    parts, taken, joined, length = (g.name("q") for _ in range(4))
    keep = g.whole(0, 1)
    where = g.constant(np.array(g.whole(-1, 1) if x.shape[at] > 1 else 0))
    nodes = [helper.make_node("SplitToSequence", [x.name], [parts], axis=at, keepdims=keep)]
    if g.chance(0.5):
        more = g.name("q")
        nodes += [helper.make_node("SequenceAt", [parts, where.name], [taken]), helper.make_node("SequenceInsert", [parts, taken], [more])]
        parts = more
    else:
        nodes.append(helper.make_node("SequenceAt", [parts, where.name], [taken]))
    nodes += [
        helper.make_node("ConcatFromSequence", [parts], [joined], axis=g.whole(0, x.rank - 2 + keep) if x.rank - 1 + keep else 0, new_axis=0 if x.rank - 1 + keep else 1),
        helper.make_node("SequenceLength", [parts], [length]),
    ]
    together(g, nodes, [x, where], [taken, joined, length])


def fused_matmul(g):
    x = g.pick(ranks=(2, 3))
    a, b = g.whole(0, 1), g.whole(0, 1)
    inner = x.shape[-2] if a else x.shape[-1]
    w = g.constant(g.array(g.float, (g.whole(1, 5), inner) if b else (inner, g.whole(1, 5))))
    g.emit("FusedMatMul", [x, w], domain=MS, transA=a, transB=b, alpha=g.choose([1.0, 0.5]))


def fused_conv(g):
    x = g.pick(ranks=(4,), test=lambda v: min(v.shape[2:]) >= 3)
    w = g.constant(0.3 * g.array(g.float, (g.whole(1, 4), x.shape[1], 3, 3)))
    b = g.constant(g.array(g.float, w.shape[:1]))
    kind, params = g.choose([("Relu", None), ("LeakyRelu", [0.1]), ("Tanh", None), ("Sigmoid", None), ("HardSigmoid", [0.2, 0.5])])
    g.emit("FusedConv", [x, w, b], domain=MS, pads=[1] * 4, strides=[g.whole(1, 2)] * 2, activation=kind, activation_params=params)


def fused_gemm(g):
    x = g.pick(ranks=(2,))
    w = g.constant(g.array(g.float, (x.shape[1], g.whole(1, 5))))
    g.emit("FusedGemm", [x, w, g.constant(g.array(g.float, w.shape[1:]))], domain=MS, activation=g.choose(["Relu", "Tanh", "Sigmoid"]))


def bias_gelu(g):
    x = g.pick(ranks=(2, 3))
    g.emit(g.choose(["BiasGelu", "FastGelu"]), [x, g.constant(g.array(g.float, x.shape[-1:]))], domain=MS)


def skip_norm(g):
    x = g.pick(ranks=(3,), test=lambda v: v.shape[-1] >= 2)
    fits = [v for v in g.values if v.dtype == x.dtype and v.shape == x.shape]
    flat = lambda: g.constant((1 + 0.1 * g.array(g.float, x.shape[-1:])).astype(g.float))
    if g.chance(0.5):
        return g.emit("SkipLayerNormalization", [x, g.choose(fits) if fits else x, flat(), flat()], [True, False, False, g.chance(0.4)], domain=MS, epsilon=1e-3)
    g.emit("SkipSimplifiedLayerNormalization", [x, g.choose(fits) if fits else x, flat()], [True, False, False, g.chance(0.4)], domain=MS, epsilon=1e-3)


def multi_head(g):
    x = g.pick(ranks=(3,), test=lambda v: v.shape[-1] % 2 == 0)
    linear = lambda: g.emit("MatMul", [x, g.constant((0.4 * g.array(g.float, (x.shape[-1], x.shape[-1]))).astype(g.float))])[0]
    g.emit("MultiHeadAttention", [linear(), linear(), linear()], domain=MS, num_heads=2)


def rms_norm(g):
    x = g.pick(ranks=(2, 3), test=lambda v: v.shape[-1] >= 2)
    g.emit("RMSNormalization", [x, g.constant((1 + 0.1 * g.array(g.float, x.shape[-1:])).astype(g.float))], epsilon=1e-3)


def attention(g):
    """The operator, with a mask that hides some, or all, keys from some queries."""
    x = g.pick(ranks=(3,), test=lambda v: v.shape[-1] % 2 == 0)
    steps = x.shape[1]
    linear = lambda: g.emit("MatMul", [x, g.constant((0.4 * g.array(g.float, (x.shape[-1], x.shape[-1]))).astype(g.float))])[0]
    inputs = [linear(), linear(), linear()]
    if g.chance(0.6):
        seen = g.rng.random((steps, steps)) < 0.6
        hide = g.choose([-np.inf, np.finfo(g.float).min, -1e4])
        inputs.append(g.constant(seen if g.chance(0.4) else np.where(seen, 0, hide).astype(g.float)))
    g.emit("Attention", inputs, q_num_heads=2, kv_num_heads=2, is_causal=g.whole(0, 1), scale=g.choose([None, 0.3]))


def bytes_in(g):
    """What a picture is as it comes."""
    if g.outer:
        raise Skip
    x = g.input(g.array("uint8", g.choose([(1, 5, 6, 3), (1, 3, 6, 6), (4, 5)])))
    y = g.emit("Cast", [x], to=element_type(np.zeros((), g.float)))[0]
    y = g.emit("Mul", [y, g.constant(np.array(1 / 255, g.float))])[0]
    if y.rank == 4 and y.shape[3] == 3:
        g.emit("Transpose", [y], perm=[0, 3, 1, 2])


TABLE = [
    ("Loop", 11, 2, loop), ("Scan", 9, 1.5, scan), ("sequence", 11, 1.5, sequence), ("FusedMatMul", 9, 0.7, fused_matmul),
    ("FusedConv", 9, 0.7, fused_conv), ("FusedGemm", 9, 0.5, fused_gemm), ("BiasGelu", 9, 0.5, bias_gelu),
    ("SkipLayerNormalization", 9, 0.7, skip_norm), ("MultiHeadAttention", 9, 0.7, multi_head), ("RMSNormalization", 23, 0.7, rms_norm),
    ("Attention", 23, 1.5, attention), ("bytes", 9, 1, bytes_in),
]
