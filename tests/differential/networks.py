"""`python networks.py --engine PATH`: whole networks on a served session of nearside against ONNX Runtime.

In: nothing but a seed for the weights; each network has the shape of something that people put into pages: a detector, a
recogniser, a tracker, a speech front end with a decoder, a segmenter, a text encoder. Out: a line a network. The one
decision: each is loaded once and run at several sizes in turn, some twice, as a page does."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request

import numpy as np
import onnx
from onnx import TensorProto as T, helper, numpy_helper

from graph import OPTIONS
import onnxruntime
from real import wrong

WIRE = {"float32": "FP32", "int64": "INT64", "int32": "INT32", "uint8": "UINT8", "bool": "BOOL", "float16": "FP16"}
NUMPY = {v: k for k, v in WIRE.items()}


class Net:
    """A graph under construction; calling it adds a node and gives its output."""

    def __init__(self, opset=17, seed=0):
        self.nodes, self.held, self.inputs, self.outputs = [], {}, [], []
        self.opset, self.rng = opset, np.random.default_rng(seed)

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"{op.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value, dtype=None):
        name = f"c{len(self.held)}"
        self.held[name] = np.asarray(value, dtype)
        return name

    def weight(self, *shape, scale=None):
        scale = scale or 1 / np.sqrt(max(np.prod(shape[1:]), 1))
        return self.const((self.rng.standard_normal(shape) * scale).astype("float32"))

    def ints(self, *values):
        return self.const(np.array(values, "int64"))

    def input(self, name, dtype, dims):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, dims))
        return name

    def output(self, name, dtype, rank):
        made = f"out_{len(self.outputs)}"
        self.nodes.append(helper.make_node("Identity", [name], [made]))
        self.outputs.append(helper.make_tensor_value_info(made, dtype, [f"{made}_{i}" for i in range(rank)]))

    def graph(self, name="g", inputs=None, outputs=None):
        held = [numpy_helper.from_array(a, n) for n, a in self.held.items()]
        return helper.make_graph(self.nodes, name, self.inputs if inputs is None else inputs, outputs or self.outputs, held)

    def model(self):
        return helper.make_model(self.graph(), opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def conv(self, x, i, o, k=3, stride=1, group=1, act="Relu"):
        y = self("Conv", x, self.weight(o, i // group, k, k), self.weight(o, scale=0.1), pads=[k // 2] * 4, strides=[stride] * 2, group=group)
        if act == "silu":
            return self("Mul", y, self("Sigmoid", y))
        return self(act, y) if act else y

    def dim(self, x, axis):
        return self("Gather", self("Shape", x), self.ints(axis), axis=0)

    def scalar(self, x):
        return self("Squeeze", x, self.ints(0))


def value(name, dtype, dims):
    return helper.make_tensor_value_info(name, dtype, dims)


def detector():
    """Two scales, boxes decoded on a grid that is made from the shape, suppression, and what is kept gathered."""
    n = Net(17, 1)
    x = n.input("image", T.UINT8, [1, "h", "w", 3])
    x = n("Transpose", n("Cast", x, to=T.FLOAT), perm=[0, 3, 1, 2])
    x = n("Div", n("Sub", x, n.const([[[123.0]], [[117.0]], [[104.0]]], "float32")), n.const(58.0, "float32"))
    a = n.conv(n.conv(x, 3, 8, stride=2, act="silu"), 8, 16, stride=2, act="silu")
    b = n.conv(a, 16, 24, stride=2, act="silu")
    size = n("Slice", n("Shape", a), n.ints(2), n.ints(4))
    up = n("Resize", b, "", "", n("Concat", n("Slice", n("Shape", b), n.ints(0), n.ints(2)), size, axis=0), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    a = n.conv(n("Concat", a, up, axis=1), 40, 24, act="silu")
    boxes, scores = [], []
    for feature, stride in ((a, 4.0), (b, 8.0)):
        out = n.conv(feature, 24, 7, k=1, act=None)
        flat = n("Transpose", n("Reshape", out, n.ints(1, 7, -1)), perm=[0, 2, 1])
        at, size, kinds = n("Split", flat, n.ints(2, 2, 3), outputs=3, axis=2)
        h, w = n.scalar(n.dim(feature, 2)), n.scalar(n.dim(feature, 3))
        one, zero = n.const(1, "int64"), n.const(0, "int64")
        both = n("Concat", n.dim(feature, 2), n.dim(feature, 3), axis=0)
        ys = n("Expand", n("Unsqueeze", n("Range", zero, h, one), n.ints(1)), both)
        xs = n("Expand", n("Unsqueeze", n("Range", zero, w, one), n.ints(0)), both)
        grid = n("Reshape", n("Concat", n("Unsqueeze", xs, n.ints(2)), n("Unsqueeze", ys, n.ints(2)), axis=2), n.ints(1, -1, 2))
        stride = n.const(stride, "float32")
        centre = n("Mul", n("Add", n("Cast", grid, to=T.FLOAT), n("Sigmoid", at)), stride)
        half = n("Mul", n("Exp", n("Clip", size, n.const(-2.0, "float32"), n.const(2.0, "float32"))), stride)
        boxes.append(n("Concat", n("Sub", centre, half), n("Add", centre, half), axis=2))
        scores.append(n("Sigmoid", kinds))
    boxes, scores = n("Concat", *boxes, axis=1), n("Concat", *scores, axis=1)
    chosen = n("NonMaxSuppression", boxes, n("Transpose", scores, perm=[0, 2, 1]), n.ints(20), n.const([0.45], "float32"), n.const([0.52], "float32"))
    kind = n("Slice", chosen, n.ints(1), n.ints(2), n.ints(1))
    row = n("Slice", chosen, n.ints(2), n.ints(3), n.ints(1))
    kept = n("Gather", n("Squeeze", boxes, n.ints(0)), n("Squeeze", row, n.ints(1)), axis=0)
    score = n("GatherND", n("Squeeze", scores, n.ints(0)), n("Concat", row, kind, axis=1))
    n.output(kept, T.FLOAT, 2)
    n.output(score, T.FLOAT, 1)
    n.output(n("Squeeze", kind, n.ints(1)), T.INT64, 1)
    n.output(n.dim(score, 0), T.INT64, 1)
    image = lambda h, w: lambda rng: {"image": rng.integers(0, 256, (1, h, w, 3)).astype("uint8")}
    return n, [image(64, 64), image(48, 80), image(64, 64), image(33, 47), image(96, 32)]


def recogniser():
    """Columns of a picture of a word read in both directions; a narrow one is padded in a branch of a branch."""
    n = Net(16, 2)
    x = n.input("image", T.FLOAT, ["b", 1, 16, "w"])
    narrow = n("Less", n.scalar(n.dim(x, 3)), n.const(24, "int64"))
    inner = Net(16, 3)
    inner.nodes = [helper.make_node("Less", ["width", "twelve"], ["very"])]
    inner.held = {"twelve": np.array(12, "int64")}

    def padded(name, columns):
        part = Net(16)
        part.held = {f"{name}_pads": np.array([0, 0, 0, 0, 0, 0, 0, columns], "int64")}
        part.nodes = [helper.make_node("Pad", ["image", f"{name}_pads"], [f"{name}_y"], mode="edge")]
        return part.graph(name, [], [value(f"{name}_y", T.FLOAT, None)])

    inner.nodes.append(helper.make_node("If", ["very"], ["inner_y"], then_branch=padded("wide", 12), else_branch=padded("some", 4)))
    then = inner.graph("then", [], [value("inner_y", T.FLOAT, None)])
    other = helper.make_graph([helper.make_node("Identity", ["image"], ["same_y"])], "else", [], [value("same_y", T.FLOAT, None)])
    n.nodes.append(helper.make_node("Identity", [n.scalar(n.dim(x, 3))], ["width"]))
    n.nodes.append(helper.make_node("If", [narrow], ["fed"], then_branch=then, else_branch=other))
    y = n("MaxPool", n.conv("fed", 1, 8), kernel_shape=[2, 2], strides=[2, 2])
    y = n("MaxPool", n.conv(y, 8, 12), kernel_shape=[2, 1], strides=[2, 1])
    y = n("Squeeze", n("ReduceMean", y, axes=[2], keepdims=1), n.ints(2))
    y = n("Transpose", y, perm=[2, 0, 1])
    h = 6
    both, _, _ = n("LSTM", y, n.weight(2, 4 * h, 12), n.weight(2, 4 * h, h), n.weight(2, 8 * h, scale=0.1), outputs=3, hidden_size=h, direction="bidirectional")
    y = n("Reshape", n("Transpose", both, perm=[0, 2, 1, 3]), n.ints(0, 0, -1))
    y, last = n("GRU", y, n.weight(1, 3 * h, 2 * h), n.weight(1, 3 * h, h), n.weight(1, 6 * h, scale=0.1), outputs=2, hidden_size=h, linear_before_reset=1)
    y = n("Squeeze", y, n.ints(1))
    logits = n("Add", n("MatMul", y, n.weight(h, 11, scale=1.0)), n.weight(11, scale=0.1))
    n.output(n("LogSoftmax", logits, axis=-1), T.FLOAT, 3)
    n.output(n("ArgMax", logits, axis=-1, keepdims=0), T.INT64, 2)
    n.output(last, T.FLOAT, 3)
    image = lambda b, w: lambda rng: {"image": rng.random((b, 1, 16, w)).astype("float32")}
    return n, [image(1, 40), image(2, 30), image(1, 20), image(1, 8), image(3, 40), image(1, 20)]


def tracker():
    """Boxes of two pictures matched one by one, by what overlaps most; either may have none."""
    n = Net(18, 4)
    a, b = n.input("tracks", T.FLOAT, ["n", 4]), n.input("found", T.FLOAT, ["m", 4])
    low = n("Max", n("Slice", n("Unsqueeze", a, n.ints(1)), n.ints(0), n.ints(2), n.ints(2)), n("Slice", n("Unsqueeze", b, n.ints(0)), n.ints(0), n.ints(2), n.ints(2)))
    high = n("Min", n("Slice", n("Unsqueeze", a, n.ints(1)), n.ints(2), n.ints(4), n.ints(2)), n("Slice", n("Unsqueeze", b, n.ints(0)), n.ints(2), n.ints(4), n.ints(2)))
    common = n("ReduceProd", n("Relu", n("Sub", high, low)), n.ints(2), keepdims=0)
    area = lambda x: n("ReduceProd", n("Sub", n("Slice", x, n.ints(2), n.ints(4), n.ints(1)), n("Slice", x, n.ints(0), n.ints(2), n.ints(1))), n.ints(1), keepdims=1)
    union = n("Sub", n("Add", area(a), n("Transpose", area(b), perm=[1, 0])), common)
    overlap = n("Div", common, n("Max", union, n.const(1e-6, "float32")))
    # A column that nobody has, so that each row has a largest one.
    nobody = n("Expand", n.const([[0.1]], "float32"), n("Concat", n.dim(a, 0), n.ints(1), axis=0))
    overlap = n("Concat", nobody, overlap, axis=1)
    body = Net(18)
    row = "turn_row"
    body.nodes = [
        helper.make_node("Gather", ["left", "turn"], [row], axis=0),
        helper.make_node("ArgMax", [row], ["best"], axis=0, keepdims=1),
        helper.make_node("Greater", ["best", "zero"], ["taken"]),
        # The column is no longer there for those that follow.
        helper.make_node("OneHot", ["best", "columns", "off_on"], ["hot"], axis=-1),
        helper.make_node("Cast", ["taken"], ["taken_f"], to=T.FLOAT),
        helper.make_node("Mul", ["hot", "taken_f"], ["gone"]),
        helper.make_node("Sub", ["left", "gone"], ["left_next"]),
        helper.make_node("Sub", ["best", "one"], ["match"]),
        helper.make_node("Identity", ["go_on"], ["go_next"]),
        helper.make_node("Concat", ["chosen", "match"], ["chosen_next"], axis=0),
    ]
    body.held = {"zero": np.array([0]), "one": np.array([1]), "off_on": np.array([0, 2], "float32")}
    graph = body.graph("body", [value("turn", T.INT64, []), value("go_on", T.BOOL, []), value("left", T.FLOAT, ["r", "c"]), value("chosen", T.INT64, ["k"])],
                       [value("go_next", T.BOOL, []), value("left_next", T.FLOAT, ["r", "c"]), value("chosen_next", T.INT64, ["l"]), value("turn_row", T.FLOAT, ["c"])])
    n.nodes.append(helper.make_node("Identity", [n.scalar(n.dim(overlap, 1))], ["columns"]))
    n.nodes.append(helper.make_node("Loop", [n.scalar(n.dim(a, 0)), "", overlap, n.const(np.zeros(0, "int64"))], ["rest", "matches", "rows"], body=graph))
    matched = n("GreaterOrEqual", "matches", n.const(0, "int64"))
    places = n("Transpose", n("NonZero", matched), perm=[1, 0])
    which = n("Compress", "matches", matched, axis=0)
    moved = n("ScatterND", a, places, n("Gather", b, which, axis=0))
    n.output("matches", T.INT64, 1)
    n.output(n("Add", n("Mul", a, n.const(0.3, "float32")), n("Mul", moved, n.const(0.7, "float32"))), T.FLOAT, 2)
    n.output("rest", T.FLOAT, 2)

    def boxes(a, b):
        def made(rng):
            some = lambda k: (lambda at: np.concatenate([at, at + rng.uniform(2, 6, (k, 2))], 1).astype("float32"))(rng.uniform(0, 8, (k, 2)))
            return {"tracks": some(a), "found": some(b)}
        return made
    return n, [boxes(3, 4), boxes(5, 2), boxes(3, 4), boxes(1, 1), boxes(4, 0), boxes(0, 3), boxes(6, 6)]


def speech():
    """Frames, a mel-like filter bank, a state that comes back, and tokens that are decoded until the last one."""
    n = Net(17, 5)
    wave, state = n.input("wave", T.FLOAT, [1, "t"]), n.input("state", T.FLOAT, [1, 1, 8])
    padded = n("Pad", wave, n.ints(0, 8, 0, 8), mode="reflect")
    spectrum = n("STFT", n("Unsqueeze", padded, n.ints(2)), n.const(8, "int64"), n("HannWindow", n.const(16, "int64")), onesided=1)
    power = n("ReduceSumSquare", spectrum, axes=[3], keepdims=0)
    mel = n("Log", n("Add", n("MatMul", power, n.const(np.abs(n.rng.standard_normal((9, 6))).astype("float32"))), n.const(1e-3, "float32")))
    mean = n("ReduceMean", mel, axes=[1], keepdims=1)
    centred = n("Sub", mel, mean)
    deviation = n("Sqrt", n("Add", n("ReduceMean", n("Mul", centred, centred), axes=[1], keepdims=1), n.const(1e-2, "float32")))
    x = n("Transpose", n("Div", centred, deviation), perm=[1, 0, 2])
    y, last = n("GRU", x, n.weight(1, 24, 6), n.weight(1, 24, 8), n.weight(1, 48, scale=0.1), "", state, outputs=2, hidden_size=8)
    memory = n("Squeeze", y, n.ints(1, 2))
    body = Net(17)
    body.nodes = [
        helper.make_node("Slice", ["tokens", "minus", "far"], ["newest"]),
        helper.make_node("Gather", ["table", "newest"], ["embedded"], axis=0),
        helper.make_node("Add", ["embedded", "hidden"], ["query"]),
        helper.make_node("MatMul", ["query", "turned"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "memory"], ["context"]),
        helper.make_node("Tanh", ["context"], ["context_t"]),
        helper.make_node("Add", ["context_t", "query"], ["mixed"]),
        helper.make_node("Tanh", ["mixed"], ["hidden_next"]),
        helper.make_node("MatMul", ["hidden_next", "to_tokens"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["token"], axis=-1, keepdims=0),
        helper.make_node("Concat", ["tokens", "token"], ["tokens_next"], axis=0),
        helper.make_node("Equal", ["token", "end"], ["ended"]),
        helper.make_node("Not", ["ended"], ["more"]),
        helper.make_node("Squeeze", ["more", "nought"], ["more_s"]),
    ]
    body.held = {"minus": np.array([-1]), "far": np.array([2 ** 63 - 1]), "end": np.array([3]), "nought": np.array([0])}
    graph = body.graph("body", [value("turn", T.INT64, []), value("go", T.BOOL, []), value("tokens", T.INT64, ["k"]), value("hidden", T.FLOAT, [1, 8])],
                       [value("more_s", T.BOOL, []), value("tokens_next", T.INT64, ["l"]), value("hidden_next", T.FLOAT, [1, 8]), value("logits", T.FLOAT, [1, 7])])
    for name, made in (("memory", memory), ("turned", n("Transpose", memory, perm=[1, 0])), ("table", n.weight(7, 8, scale=1.0)), ("to_tokens", n.weight(8, 7, scale=1.5))):
        n.nodes.append(helper.make_node("Identity", [made], [name]))
    n.nodes.append(helper.make_node("Loop", [n.const(12, "int64"), n.const(True), n.ints(0), n("Squeeze", last, n.ints(0))], ["said", "ended_in", "all_logits"], body=graph))
    n.output("said", T.INT64, 1)
    n.output("all_logits", T.FLOAT, 3)
    n.output(last, T.FLOAT, 3)
    sound = lambda t: lambda rng: {"wave": rng.uniform(-1, 1, (1, t)).astype("float32"), "state": rng.uniform(-1, 1, (1, 1, 8)).astype("float32")}
    return n, [sound(64), sound(100), sound(64), sound(33), sound(200)]


def segmenter():
    """Padded to whole blocks, down, up again, and cut to what came."""
    n = Net(13, 6)
    x = n.input("image", T.FLOAT, ["b", 3, "h", "w"])
    eight = n.ints(8)
    missing = lambda axis: n("Mod", n("Sub", eight, n("Mod", n.dim(x, axis), eight)), eight)
    pads = n("Concat", n.ints(0, 0, 0, 0, 0, 0), missing(2), missing(3), axis=0)
    fed = n("Pad", x, pads, n.const(0.5, "float32"))
    a = n.conv(fed, 3, 6)
    b = n.conv(n("MaxPool", a, kernel_shape=[2, 2], strides=[2, 2]), 6, 8)
    c = n.conv(n("AveragePool", b, kernel_shape=[2, 2], strides=[2, 2]), 8, 8, group=8)
    gate = n("Sigmoid", n.conv(n("GlobalAveragePool", c), 8, 8, k=1))
    c = n("Mul", c, gate)
    up = n("ConvTranspose", c, n.weight(8, 8, 2, 2), strides=[2, 2])
    b = n.conv(n("Concat", up, b, axis=1), 16, 8, act="HardSigmoid")
    up = n("Resize", b, "", n.const([1, 1, 2, 2], "float32"), mode="linear", coordinate_transformation_mode="align_corners")
    y = n.conv(n("Concat", up, a, axis=1), 14, 4, act=None)
    y = n("InstanceNormalization", y, n.const(np.ones(4, "float32")), n.const(np.zeros(4, "float32")))
    y = n("Slice", y, n.ints(0, 0), n("Concat", n.dim(x, 2), n.dim(x, 3), axis=0), n.ints(2, 3))
    n.output(n("Softmax", y, axis=1), T.FLOAT, 4)
    n.output(n("Cast", n("ArgMax", y, axis=1, keepdims=0), to=T.UINT8), T.UINT8, 3)
    image = lambda b, h, w: lambda rng: {"image": rng.random((b, 3, h, w)).astype("float32")}
    return n, [image(1, 16, 24), image(2, 17, 9), image(1, 16, 24), image(1, 31, 40)]


def encoder():
    """Token ids and a mask of two types, positions counted from the mask, attention, and a mean of what is there."""
    n = Net(14, 7)
    ids, mask = n.input("ids", T.INT32, ["b", "s"]), n.input("mask", T.INT64, ["b", "s"])
    position = n("Clip", n("Sub", n("CumSum", mask, n.const(1, "int64")), n.const(1, "int64")), n.const(0, "int64"))
    x = n("Add", n("Gather", n.weight(30, 16, scale=1.0), ids), n("Gather", n.weight(40, 16, scale=0.3), position))
    bias = n("Where", n("Equal", n("Unsqueeze", mask, n.ints(1, 2)), n.const(0, "int64")), n.const(np.finfo("float32").min), n.const(0.0, "float32"))
    for _ in range(2):
        def heads(perm):
            y = n("Add", n("MatMul", x, n.weight(16, 16)), n.weight(16, scale=0.1))
            shape = n("Concat", n.dim(x, 0), n.dim(x, 1), n.ints(4, 4), axis=0)
            return n("Transpose", n("Reshape", y, shape), perm=perm)
        scores = n("Div", n("MatMul", heads([0, 2, 1, 3]), heads([0, 2, 3, 1])), n.const(2.0, "float32"))
        y = n("MatMul", n("Softmax", n("Add", scores, bias), axis=-1), heads([0, 2, 1, 3]))
        y = n("Reshape", n("Transpose", y, perm=[0, 2, 1, 3]), n.ints(0, 0, 16))
        x = n("Add", x, n("MatMul", y, n.weight(16, 16)))
        mean = n("ReduceMean", x, axes=[-1], keepdims=1)
        centred = n("Sub", x, mean)
        x = n("Div", centred, n("Sqrt", n("Add", n("ReduceMean", n("Pow", centred, n.const(2.0, "float32")), axes=[-1], keepdims=1), n.const(1e-5, "float32"))))
        up = n("MatMul", x, n.weight(16, 32))
        gelu = n("Mul", n("Mul", up, n("Add", n("Erf", n("Div", up, n.const(2 ** 0.5, "float32"))), n.const(1.0, "float32"))), n.const(0.5, "float32"))
        x = n("Add", x, n("MatMul", gelu, n.weight(32, 16)))
    there = n("Cast", n("Unsqueeze", mask, n.ints(2)), to=T.FLOAT)
    total = n("ReduceSum", n("Mul", x, there), n.ints(1), keepdims=0)
    pooled = n("Div", total, n("Max", n("ReduceSum", there, n.ints(1), keepdims=0), n.const(1e-9, "float32")))
    norm = n("ReduceL2", pooled, axes=[1], keepdims=1)
    n.output(n("Div", pooled, n("Max", norm, n.const(1e-9, "float32"))), T.FLOAT, 2)
    n.output(x, T.FLOAT, 3)
    n.output(n("TopK", n("Squeeze", norm, n.ints(1)), n.ints(1), outputs=2, axis=0)[1], T.INT64, 1)

    def text(b, s, empty=False):
        def made(rng):
            mask = (np.arange(s) < rng.integers(1, s + 1, (b, 1))).astype("int64")
            return {"ids": rng.integers(0, 30, (b, s)).astype("int32"), "mask": mask * (0 if empty else 1)}
        return made
    return n, [text(1, 7), text(3, 12), text(1, 7), text(2, 1), text(1, 5, True)]


NETWORKS = [detector, recogniser, tracker, speech, segmenter, encoder]


def infer(port, name, feeds):
    body = {"inputs": [{"name": k, "shape": list(v.shape), "datatype": WIRE[str(v.dtype)], "data": v.reshape(-1).tolist()} for k, v in feeds.items()]}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v2/models/{name}/infer", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
    except urllib.error.HTTPError as error:
        return None, error.read().decode()[:800]
    return {o["name"]: np.array(o["data"], NUMPY[o["datatype"]]).reshape(o["shape"]) for o in said["outputs"]}, None


def check(port, make, seed):
    net, sizes = make()
    session = onnxruntime.InferenceSession(net.model().SerializeToString(), OPTIONS, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    for at, made in enumerate(sizes):
        feeds = made(np.random.default_rng([seed, at]))
        wanted = dict(zip(names, session.run(names, feeds)))
        got, complaint = infer(port, make.__name__, feeds)
        said = complaint or next(filter(None, (wrong(n, got.get(n), w) for n, w in wanted.items())), None)
        if said:
            return f"{ {k: v.shape for k, v in feeds.items()} }: {said}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for make in NETWORKS:
            place = os.path.join(folder, make.__name__, "1")
            os.makedirs(place)
            proto = make()[0].model()
            onnx.checker.check_model(proto)
            onnx.save(proto, os.path.join(place, "model.onnx"))
        server = subprocess.Popen([args.engine, "serve", "--models", folder, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            port = next(line for line in server.stdout if "127.0.0.1:" in line).split("127.0.0.1:")[1].split()[0].strip("/")
            port = "".join(c for c in port if c.isdigit())
            for make in NETWORKS:
                said = next(filter(None, (check(port, make, seed) for seed in range(args.seeds))), None)
                failed += bool(said)
                print(f"{'wrong' if said else 'right':8}{make.__name__}", said or "", flush=True)
        finally:
            server.terminate()
            server.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
