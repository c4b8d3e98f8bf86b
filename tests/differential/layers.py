"""Operators with weights, windows or statistics: (name, first operator set, weight, how to add one)."""
import numpy as np

from graph import Graph, Skip, build
from onnx import helper


def window(g, x, spatial, kernel):
    """Attributes of a window that fits x."""
    out = {"kernel_shape": kernel}
    if g.chance(0.4):
        out["strides"] = [g.whole(1, 3) for _ in range(spatial)]
    mode = g.rng.random()
    if mode < 0.25:
        out["auto_pad"] = g.choose(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif mode < 0.7:
        out["pads"] = [g.whole(0, (k - 1)) for k in kernel] * 2 if g.chance(0.6) else [g.whole(0, k - 1) for k in kernel * 2]
    return out


def weights(g, shape):
    """Small enough that a chain of layers stays in range."""
    return g.constant((g.rng.standard_normal(shape) * 0.4).astype(g.float))


def image(g, ranks=(3, 4, 4, 4, 5), least=3):
    rank = g.choose(ranks)
    there = [v for v in g.values if v.dtype == g.float and v.rank == rank and min(v.shape[2:]) >= least and v.array.size]
    if there and g.chance(0.85):
        return there[-1] if g.chance(0.5) else g.choose(there)
    if g.outer:
        raise Skip
    return g.input(g.array(g.float, (g.whole(1, 2), g.choose([1, 2, 3, 4, 4, 8]), *g.shape(rank - 2, 4, 8))))


def conv_weights(g, channels, spatial):
    group = g.choose([d for d in (1, 1, 2, channels) if channels % d == 0])
    per = g.choose([1, 2, 4]) if group == channels and group > 1 else g.choose([1, 2, 3])
    return group, group * per, [g.choose([1, 2, 3, 3]) for _ in range(spatial)]


def conv(g, x=None):
    x = x or image(g)
    spatial = x.rank - 2
    group, out, kernel = conv_weights(g, x.shape[1], spatial)
    how = window(g, x, spatial, kernel)
    if g.chance(0.25) and how.get("auto_pad") in (None, "VALID"):
        how["dilations"] = [g.whole(1, 2) for _ in range(spatial)]
    if g.chance(0.3):
        del how["kernel_shape"]
    inputs = [x, weights(g, (out, x.shape[1] // group, *kernel))]
    if g.chance(0.6):
        inputs.append(weights(g, (out,)))
    return g.emit("Conv", inputs, group=group if group > 1 or g.chance(0.5) else None, **how)[0]


def conv_transpose(g):
    x = image(g, ranks=(3, 4, 4), least=2)
    spatial, channels = x.rank - 2, x.shape[1]
    group = g.choose([d for d in (1, 1, 2, channels) if channels % d == 0])
    out, kernel = g.choose([1, 2]), [g.choose([1, 2, 3, 4]) for _ in range(spatial)]
    how = {"strides": [g.whole(1, 3) for _ in range(spatial)]} if g.chance(0.7) else {}
    if g.chance(0.4):
        how["pads"] = [g.whole(0, (k - 1) // 2) for k in kernel] * 2
    if "strides" in how and g.chance(0.3):
        how["output_padding"] = [g.whole(0, s - 1) for s in how["strides"]]
    if g.chance(0.2):
        how["dilations"] = [g.whole(1, 2) for _ in range(spatial)]
    inputs = [x, weights(g, (channels, out, *kernel))]
    if g.chance(0.5):
        inputs.append(weights(g, (out * group,)))
    g.emit("ConvTranspose", inputs, group=group, kernel_shape=kernel, **how)


def normal(g, x):
    """BatchNormalization as it is in files for inference."""
    c = x.shape[1]
    near_one = lambda: g.constant((1 + 0.2 * g.rng.standard_normal(c)).astype(g.float))
    variance = g.constant((0.5 + g.rng.random(c)).astype(g.float))
    return g.emit("BatchNormalization", [x, near_one(), weights(g, (c,)), weights(g, (c,)), variance], epsilon=g.choose([1e-5, 1e-3]))[0]


def batch_norm(g):
    normal(g, g.pick(ranks=(2, 3, 4, 4)))


def conv_block(g):
    y = conv(g)
    if g.chance(0.7):
        y = normal(g, y)
    y = g.emit(g.choose(["Relu", "Sigmoid", "LeakyRelu", "Tanh", "HardSigmoid"]), [y])[0]
    if g.chance(0.3):
        g.emit("Add", [y, conv(g, y) if g.chance(0.5) else g.partner(y)])


def pad_conv(g):
    x = image(g, ranks=(4,))
    if g.opset < 11:
        raise Skip
    pads = [0, 0, g.whole(0, 2), g.whole(0, 2), 0, 0, g.whole(0, 2), g.whole(0, 2)]
    conv(g, g.emit("Pad", [x, g.ints(pads)], mode=g.choose(["constant", "reflect"]))[0])


def pool(op):
    def add(g):
        x = image(g)
        spatial = x.rank - 2
        how = window(g, x, spatial, [g.choose([1, 2, 3]) for _ in range(spatial)])
        if op == "AveragePool":
            how["count_include_pad"] = g.whole(0, 1)
            # ONNX Runtime's newer one begins within the input where steps are longer than windows; its others do not.
            if "auto_pad" in how and any(s > k for s, k in zip(how.get("strides") or [], how["kernel_shape"])):
                raise Skip
        if g.opset >= 10 and "auto_pad" not in how and g.chance(0.3):
            how["ceil_mode"] = 1
        if op == "MaxPool" and g.opset >= 10 and g.chance(0.2) and "auto_pad" not in how:
            how["dilations"] = [g.whole(1, 2) for _ in range(spatial)]
        g.emit(op, [x], 2 if op == "MaxPool" and g.opset >= 8 and g.chance(0.1) else 1, **how)
    return op, 7, 3, add


def global_pool(op):
    return op, 7, 1, lambda g: g.emit(op, [image(g, least=1)])


def instance_norm(g):
    x = image(g, least=2)
    c = x.shape[1]
    g.emit("InstanceNormalization", [x, weights(g, (c,)), weights(g, (c,))], epsilon=1e-3)


def spread(v):
    return v.shape[-1] >= 2


def layer_norm(g):
    x = g.pick(ranks=(2, 3, 4), test=spread)
    at = g.choose([-1, x.rank - 1, x.rank - 2])
    shape = x.shape[at:]
    inputs = [x, weights(g, shape)] + ([weights(g, shape)] if g.chance(0.7) else [])
    g.emit("LayerNormalization", inputs, axis=at, epsilon=1e-3)


def layer_norm_parts(g):
    x = g.pick(ranks=(2, 3), test=spread)
    axes = dict(axes=[-1]) if g.opset < 18 else {}
    if g.opset < 11:
        axes = dict(axes=[x.rank - 1])
    mean = lambda y: g.emit("ReduceMean", [y] if axes else [y, g.ints([-1])], **axes)[0]
    c = lambda v: g.constant(np.array(v, g.float))
    centred = g.emit("Sub", [x, mean(x)])[0]
    square = g.emit("Pow", [centred, c(2)])[0] if g.chance(0.5) else g.emit("Mul", [centred, centred])[0]
    deviation = g.emit("Sqrt", [g.emit("Add", [mean(square), c(1e-2)])[0]])[0]
    y = g.emit("Div", [centred, deviation])[0]
    y = g.emit("Mul", [y, weights(g, x.shape[-1:])])[0]
    g.emit("Add", [y, weights(g, x.shape[-1:])])


def group_norm(g):
    x = g.pick(ranks=(3, 4), test=lambda v: v.shape[1] % 2 == 0 and v.shape[1] > 2 and np.prod(v.shape[2:]) > 1)
    c = x.shape[1]
    g.emit("GroupNormalization", [x, weights(g, (c,)), weights(g, (c,))], num_groups=2, epsilon=1e-2)


def lrn(g):
    g.emit("LRN", [image(g, ranks=(4,))], size=g.choose([1, 3, 5]), alpha=0.1, beta=0.75, bias=1.0)


def lp_norm(g):
    g.emit("LpNormalization", [g.pick(ranks=(2, 3), test=lambda v: np.abs(v.array).min() > 0.01)], axis=-1, p=g.whole(1, 2))


def softmax(op):
    def add(g):
        x = g.pick(ranks=(1, 2, 3, 4))
        g.emit(op, [x], axis=g.whole(-x.rank if g.opset >= 11 else 0, x.rank - 1) if g.chance(0.8) else None)
    return op, 7, 2, add


def reduce(op):
    def add(g):
        x = g.pick((g.float, g.float, g.float, "int32") if op in ("ReduceSum", "ReduceMax", "ReduceMin") else (g.float,), ranks=(1, 2, 3, 4))
        if op == "ReduceLogSum":
            x = g.emit("Add", [g.emit("Abs", [x])[0], g.constant(np.array(0.3, g.float))])[0]
        axes = [int(a) for a in g.rng.choice(x.rank, g.whole(1, x.rank), replace=False)]
        if g.opset >= 11 and g.chance(0.4):
            axes = [a - x.rank for a in axes]
        if g.chance(0.1):
            axes = None
        keep = g.whole(0, 1)
        if g.opset >= (13 if op == "ReduceSum" else 18):
            return g.emit(op, [x, g.ints(axes)] if axes else [x], keepdims=keep)
        g.emit(op, [x], keepdims=keep, axes=axes)
    return op, 7, 1.5 if op in ("ReduceMean", "ReduceSum", "ReduceMax") else 0.5, add


def resize(g):
    x = image(g, ranks=(3, 4, 4, 4), least=2)
    # Scales that give whole sizes: for others ONNX Runtime departs from the standard in align_corners.
    fits = lambda d: [s for s in (0.5, 1.0, 2.0, 2.0, 1.5, 3.0, 0.6) if (d * s).is_integer()]
    scales = [1.0, 1.0] + [g.choose(fits(d)) for d in x.shape[2:]]
    mode = g.choose(["nearest", "nearest", "linear", "linear", "cubic"])
    floats = lambda v: g.constant(np.array(v, "float32"))
    if mode == "linear" and x.rank == 3 and g.chance(0.5):
        raise Skip
    if g.opset < 10:
        if mode == "cubic":
            raise Skip
        if g.opset < 9:
            return g.emit("Upsample", [x], scales=[max(s, 1.0) for s in scales], mode=mode)
        return g.emit("Upsample", [x, floats([max(s, 1.0) for s in scales])], mode=mode)
    if g.opset == 10:
        # To fewer elements ONNX Runtime rounds this one up, where exporters mean down.
        return g.emit("Resize", [x, floats([max(s, 1.0) for s in scales])], mode="nearest" if mode == "cubic" else mode)
    how = dict(mode=mode, coordinate_transformation_mode=g.choose(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]))
    if mode == "nearest":
        how["nearest_mode"] = g.choose(["floor", "round_prefer_floor", "ceil", "round_prefer_ceil"])
    if mode == "cubic":
        if x.rank != 4:
            raise Skip
        how["cubic_coeff_a"] = g.choose([-0.5, -0.75])
    roi = g.constant(np.zeros(0, "float32")) if g.opset < 13 else None
    if g.chance(0.5):
        return g.emit("Resize", [x, roi, floats(scales)], **how)
    sizes = [max(1, int(d * s)) for d, s in zip(x.shape, scales)]
    empty = g.constant(np.zeros(0, "float32")) if g.opset < 13 else None
    g.emit("Resize", [x, roi, empty, g.ints(sizes, x)], **how)


def grid_sample(g):
    x = image(g, ranks=(4,))
    grid = g.rng.uniform(-1.2, 1.2, (x.shape[0], *g.shape(2, 2, 5), 2)).astype(g.float)
    modes = ["bilinear", "nearest", "bicubic"] if g.opset < 20 else ["linear", "nearest", "cubic"]
    mode = g.choose(modes)
    # Of cubic borders ONNX Runtime and the standard's reference have two opinions.
    padding = g.choose(["zeros", "reflection"] if "cubic" in mode else ["zeros", "border", "reflection"])
    g.emit("GridSample", [x, g.constant(grid)], mode=mode, align_corners=g.whole(0, 1), padding_mode=padding)


def matmul(g):
    a = g.pick(ranks=(1, 2, 3, 4))
    k = a.shape[-1]
    fits = [v for v in g.values if v.dtype == g.float and v.rank >= 2 and v.shape[-2] == k]
    if fits and g.chance(0.3):
        b = g.choose(fits)
    else:
        batch = a.shape[:-2] if a.rank > 2 and g.chance(0.3) else ()
        shape = (*batch, k, g.whole(1, 6)) if g.chance(0.9) else (k,)
        b = weights(g, shape) if g.chance(0.7) else g.fresh(g.float, shape, 0)
    y = g.emit("MatMul", [a, b])[0]
    if y.rank and g.chance(0.4):
        g.emit("Add", [y, weights(g, y.shape[-1:])])


def gemm(g):
    a = g.pick(ranks=(2,))
    ta, tb = g.whole(0, 1), g.whole(0, 1)
    m, k = a.shape[::-1] if ta else a.shape
    n = g.whole(1, 6)
    inputs = [a, weights(g, (n, k) if tb else (k, n))]
    if g.chance(0.7) or g.opset < 11:
        inputs.append(weights(g, g.choose([(n,), (m, n), (1, n), (m, 1), (1,), ()])))
    how = dict(alpha=g.choose([0.5, 1.0]), beta=g.choose([1.0, 0.25])) if g.chance(0.4) else {}
    g.emit("Gemm", inputs, transA=ta, transB=tb, **how)


def einsum(g):
    equation, ranks = g.choose([("ij,jk->ik", 2), ("bij,bjk->bik", 3), ("bij,bkj->bik", 3), ("bhid,bhjd->bhij", 4), ("ij->ji", 2), ("bij->bj", 3), ("ij,ij->i", 2), ("bhij,bhjd->bihd", 4)])
    x = g.pick(ranks=(ranks,))
    left = equation.split("->")[0].split(",")
    if len(left) == 1:
        return g.emit("Einsum", [x], equation=equation)
    sizes = dict(zip(left[0], x.shape))
    shape = tuple(sizes.get(c) or g.whole(1, 4) for c in left[1])
    g.emit("Einsum", [x, g.fresh(g.float, shape, 0.4)], equation=equation)


def attention(g):
    x = g.pick(ranks=(3,), test=lambda v: v.shape[-1] % 2 == 0)
    n, t, d = x.shape
    h = 2
    def head(perm):
        y = g.emit("MatMul", [x, weights(g, (d, d))])[0]
        y = g.emit("Reshape", [y, g.ints([n, t, h, d // h], x)])[0]
        return g.emit("Transpose", [y], perm=perm)[0]
    q, k, v = head([0, 2, 1, 3]), head([0, 2, 3, 1]), head([0, 2, 1, 3])
    scores = g.emit("Div", [g.emit("MatMul", [q, k])[0], g.constant(np.array((d // h) ** 0.5, g.float))])[0]
    if g.chance(0.5):
        mask = g.constant(np.triu(np.full((t, t), -1e4 if g.float == "float16" else -1e4, g.float), 1)) if t > 1 else None
        scores = g.emit("Add", [scores, mask])[0] if mask else scores
    weighted = g.emit("MatMul", [g.emit("Softmax", [scores], axis=-1 if g.opset >= 11 else 3)[0], v])[0]
    y = g.emit("Transpose", [weighted], perm=[0, 2, 1, 3])[0]
    g.emit("Reshape", [y, g.ints([n, t, d] if g.chance(0.5) else [0, 0, d], x)])


def recurrent(op):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    def add(g):
        if g.float != "float32":
            raise Skip
        x = g.pick(ranks=(3,))
        t, n, size = x.shape
        h, direction = g.whole(1, 4), g.choose(["forward", "forward", "reverse", "bidirectional"])
        d = 2 if direction == "bidirectional" else 1
        inputs = [x, weights(g, (d, gates * h, size)), weights(g, (d, gates * h, h))]
        inputs.append(weights(g, (d, 2 * gates * h)) if g.chance(0.8) else None)
        inputs.append(g.constant(g.rng.integers(1, t + 1, n).astype("int32")) if g.chance(0.15) else None)
        inputs.append(g.fresh(g.float, (d, n, h)) if g.chance(0.5) else None)
        if op == "LSTM" and inputs[-1] is not None:
            inputs.append(g.fresh(g.float, (d, n, h)))
        while inputs[-1] is None:
            inputs.pop()
        how = dict(linear_before_reset=g.whole(0, 1)) if op == "GRU" else {}
        wanted = g.choose([[True], [True, True], [False, True], [True, True, True], [False, True, True]])
        wanted = wanted[: 3 if op == "LSTM" else 2]
        g.emit(op, inputs, wanted, hidden_size=h, direction=direction, **how)
    return op, 7, 1, add


def branch(g):
    """An If with branches of a few operators that use outer values."""
    from generate import grow
    if g.outer or g.opset < 9:
        raise Skip
    there = [v for v in g.values if v.dtype == "bool" and v.array.size == 1 and v.rank < 2]
    condition = g.choose(there) if there and g.chance(0.5) else None
    if condition is None and g.chance(0.4):
        x = g.pick(ranks=(1, 2, 3))
        d = g.emit("Gather", [g.emit("Shape", [x])[0], g.constant(np.array(0))], axis=0)[0]
        condition = g.emit("Equal", [d, g.constant(np.array(g.choose([1, x.shape[0]])))])[0]
    condition = condition or g.input(np.array(g.chance(0.5)))
    graphs, wanted = [], None
    for _ in range(40):
        inner = Graph(g.rng, g.opset, g.float)
        inner.outer, inner.values = f"b{g.count}_{len(graphs)}_{g.whole(0, 9999)}", [v for v in g.values if v.array.size]
        start = len(inner.values)
        try:
            grow(inner, g.whole(1, 3), nested=True)
        except Skip:
            continue
        made = [v for v in inner.values[start:] if not v.constant]
        if wanted:
            made = [v for v in made if v.dtype == wanted.dtype and v.rank == wanted.rank]
        if not made:
            continue
        wanted = made[-1]
        info = helper.make_tensor_value_info(wanted.name, helper.np_dtype_to_tensor_dtype(wanted.array.dtype), [None] * wanted.rank)
        proto, _ = build(inner.nodes, inner.initializers, {}, [wanted], g.opset)
        graph = proto.graph
        del graph.output[:]
        graph.output.append(info)
        graph.name = inner.outer
        graphs.append(graph)
        if len(graphs) == 2:
            return g.emit("If", [condition], then_branch=graphs[0], else_branch=graphs[1])
    raise Skip


TABLE = [
    ("Conv", 7, 5, conv), ("ConvTranspose", 7, 2, conv_transpose), ("BatchNormalization", 9, 2, batch_norm),
    ("conv block", 9, 4, conv_block), ("pad and conv", 11, 2, pad_conv), pool("MaxPool"), pool("AveragePool"),
    global_pool("GlobalAveragePool"), global_pool("GlobalMaxPool"), ("InstanceNormalization", 7, 1, instance_norm),
    ("LayerNormalization", 17, 2, layer_norm), ("layer norm in parts", 7, 1, layer_norm_parts),
    ("GroupNormalization", 21, 1, group_norm), ("LRN", 7, 1, lrn), ("LpNormalization", 7, 0.5, lp_norm), softmax("Softmax"),
    softmax("LogSoftmax"), softmax("Hardmax"), ("Resize", 7, 4, resize), ("GridSample", 16, 1, grid_sample),
    ("MatMul", 7, 5, matmul), ("Gemm", 7, 3, gemm), ("Einsum", 12, 1, einsum), ("attention", 7, 1, attention),
    recurrent("LSTM"), recurrent("GRU"), recurrent("RNN"), ("If", 9, 3, branch),
    *(reduce(f"Reduce{op}") for op in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")),
]
