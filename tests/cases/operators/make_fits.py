"""Makes fits.json: what does not fit what a model takes for granted, and what fits all the same: `python make_fits.py`."""
import numpy as np
from onnx import helper

from case import elements, encoded, model, onnx_type, write
import make_forms as forms
from make_forms import CASES, MS, f32, one, refused

I = np.int64


def opened(name, op, feeds, error, attributes=None, opset=17, domain="", order=None, constants=None, outputs=("y",)):
    """The same as `refused` with inputs of which the file says neither rank nor extents: only a run can know."""
    refused(name, op, feeds, error, attributes, opset, domain, order, constants, outputs)
    case = CASES[-1]
    node = helper.make_node(op, list(feeds) if order is None else order, list(outputs), **({"domain": domain} if domain else {}), **(attributes or {}))
    proto = model([node], feeds, constants or {}, [], opset, [(domain, 1)] if domain else [])
    for value in proto.graph.input:
        value.type.tensor_type.ClearField("shape")
    like = onnx_type(np.asarray(next(iter({**feeds, **(constants or {})}.values()))))
    proto.graph.output.extend(helper.make_tensor_value_info(o, like, None) for o in outputs)
    case["model"] = encoded(proto)


def attention():
    heads = {"q_num_heads": 2, "kv_num_heads": 2}
    four = {"q": f32(2, 2, 3, 4), "k": f32(2, 2, 5, 4), "v": f32(2, 2, 5, 4)}
    flat = {"q": f32(2, 3, 8), "k": f32(2, 5, 8), "v": f32(2, 5, 8)}
    for name, feeds, attributes in (("", four, {}), ("_flat", flat, heads)):
        opened(f"Attention_batch{name}", "Attention", {**feeds, "k": feeds["k"][:1], "v": feeds["v"][:1]}, "queries [2, 2, 3, 4] and keys [1, 2, 5, 4]", attributes, opset=23)
        opened(f"Attention_values{name}", "Attention", {**feeds, "v": feeds["v"][:1]}, "keys [2, 2, 5, 4] and values [1, 2, 5, 4]", attributes, opset=23)
        opened(f"Attention_mask{name}", "Attention", {**feeds, "m": f32(7, 5)}, "a mask of shape [7, 5] for [2, 2, 3, 5]", attributes, opset=23)
    opened("Attention_width", "Attention", {**four, "k": f32(2, 2, 5, 3)}, "queries [2, 2, 3, 4] and keys [2, 2, 5, 3]", opset=23)
    opened("Attention_steps", "Attention", {**four, "v": f32(2, 2, 4, 4)}, "keys [2, 2, 5, 4] and values [2, 2, 4, 4]", opset=23)
    opened("Attention_past", "Attention", {**four, "m": f32(3, 6), "pk": f32(2, 1, 1, 4), "pv": f32(2, 2, 1, 4)}, "a cache of shape [2, 1, 1, 4]", opset=23, outputs=("y", "k2", "v2"))
    grouped = {"q": f32(1, 3, 8), "k": f32(1, 3, 4), "v": f32(1, 3, 4)}
    constants = {"e": np.array([2], np.int32), "t": np.array(3, np.int32)}
    order = ["q", "k", "v", "", "", "e", "t"]
    for name, attributes, feeds, error in (
        ("no_heads", {"num_heads": 0, "kv_num_heads": 2}, grouped, "0 heads of queries over 2 of keys"),
        ("heads", {"num_heads": 3, "kv_num_heads": 2}, grouped, "3 heads of queries over 2 of keys"),
        ("width", {"num_heads": 4, "kv_num_heads": 2}, {**grouped, "v": f32(1, 3, 6)}, "an input 2 of shape [1, 3, 6] instead of [1, 3, 4]"),
        ("steps", {"num_heads": 4, "kv_num_heads": 2}, {**grouped, "k": f32(1, 2, 4)}, "an input 1 of shape [1, 2, 4] instead of [1, 3, 4]"),
    ):
        refused(f"GroupQueryAttention_{name}", "GroupQueryAttention", feeds, error, attributes, domain=MS, order=order, constants=constants)
    whole = {"num_heads": 4, "kv_num_heads": 2}
    for name, bias in (("alone", np.array(0.5, np.float32)), ("rows", f32(3, 3))):
        refused(f"GroupQueryAttention_bias_{name}", "GroupQueryAttention", {**grouped, "b": bias}, f"an input 10 of rank {bias.ndim}", whole, domain=MS,
                order=[*order, "", "", "", "b"], constants=constants)
    wide = {"q": f32(1, 3, 32), "k": f32(1, 3, 16), "v": f32(1, 3, 16)}
    for name, outputs in (("alone", ("y",)), ("whole", ("y", "k2", "v2"))):
        one(f"GroupQueryAttention_{name}", "GroupQueryAttention", wide, {"num_heads": 4, "kv_num_heads": 2}, outputs, MS, order, constants=constants, rtol=1e-5, atol=1e-6)
    flat = {"q": f32(2, 3, 8), "k": f32(2, 3, 8), "v": f32(2)}
    opened("MultiHeadAttention_values", "MultiHeadAttention", flat, "heads have 4 axes", {"num_heads": 2}, domain=MS)
    sides = {"q": f32(2, 4, 8), "k": f32(2, 4, 8), "v": f32(2, 4, 8), "past": f32(2, 3, 4)}
    opened("MultiHeadAttention_past", "MultiHeadAttention", sides, "joined along axis 2", {"num_heads": 2}, domain=MS, order=["q", "k", "v", "", "", "", "past", "past"])


def products():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 256, (2, 4, 6)).astype(np.uint8), rng.integers(-128, 128, (6, 5)).astype(np.int8)
    vector, column = a[0, 0], b[:, 1]
    for name, feeds in (("rows", {"a": a, "b": column}), ("row", {"a": vector, "b": b}), ("both", {"a": vector, "b": column})):
        one(f"MatMulInteger_vector_{name}", "MatMulInteger", feeds)
        one(f"MatMulInteger_vector_{name}_zero", "MatMulInteger", feeds, order=["a", "b", "za", "zb"], constants={"za": np.uint8(7), "zb": np.int8(-3)})
        one(f"MatMulInteger_vector_{name}_constant", "MatMulInteger", {"a": feeds["a"]}, order=["a", "b"], constants={"b": feeds["b"]})
    opened("MatMulInteger_columns", "MatMulInteger", {"a": a[0], "b": b, "z": np.ones(4, np.int8)}, "MatMulInteger", order=["a", "b", "", "z"])
    opened("GatherND_floats", "GatherND", {"x": f32(3, 4), "i": f32(2, 1)}, "an input 1 of the type Float")


def shapes():
    x = f32(0, 3)
    for mode, done in (("edge", "repeated"), ("reflect", "reflected")):
        refused(f"Pad_{mode}_of_nothing", "Pad", {"x": x}, f"1 elements {done} of 0", {"mode": mode}, order=["x", "p"], constants={"p": np.array([1, 0, 0, 0])})
        opened(f"Pad_{mode}_of_nothing_open", "Pad", {"x": x}, f"1 elements {done} of 0", {"mode": mode}, order=["x", "p"], constants={"p": np.array([1, 0, 0, 0])})
        one(f"Pad_{mode}_beside_nothing", "Pad", {"x": x}, {"mode": mode}, order=["x", "p"], constants={"p": np.array([0, 1, 0, 1])})
    for name, nothing in (("steps", f32(1, 0, 1)), ("signals", f32(0, 4, 1)), ("complex", f32(0, 4, 2))):
        one(f"DFT_of_no_{name}", "DFT", {"x": nothing}, {"axis": 1})
    opened("DFT_half_of_nothing", "DFT", {"x": f32(1, 0, 10, 1)}, "a signal of shape [1, 0, 10, 1]", {"axis": 1, "onesided": 1}, order=["x"])
    thin = f32(1, 3, 1, 2, 1)
    for name, axes in (("order", [2, 0]), ("backwards", [-1, 2, 0]), ("from_end", [0, -1])):
        one(f"Squeeze_{name}", "Squeeze", {"x": thin}, order=["x", "a"], constants={"a": np.array(axes)})
        one(f"Squeeze_{name}_fed", "Squeeze", {"x": thin, "a": np.array(axes)})
        one(f"Squeeze_{name}_11", "Squeeze", {"x": thin}, {"axes": axes}, opset=11)
    scalars = {"a": np.float32(2), "b": np.float32(3)}
    refused("FusedGemm_of_numbers", "FusedGemm", scalars, "FusedGemm is given an input 0 of rank 0", {"activation": "Relu"}, domain=MS)
    parts = {"s": np.array([2, 2, 2])}
    refused("Split_more_parts", "Split", {"x": f32(6)}, "parts [2, 2, 2] for 2 outputs", order=["x", "s"], constants=parts, outputs=("a", "b"))
    opened("Split_more_parts_open", "Split", {"x": f32(6), **parts}, "node a (Split13)", outputs=("a", "b"))
    image = {"x": f32(1, 2, 5, 5), "w": f32(3, 2, 3, 3)}
    refused("FusedConv_negative_pads", "FusedConv", image, "has pads [0, -2147483648, 0, 0]", {"pads": [0, -(2 ** 31), 0, 0], "activation": "Relu"}, domain=MS)
    refused("FusedConv_no_steps", "FusedConv", image, "has strides [0, 1]", {"strides": [0, 1], "activation": "Relu"}, domain=MS)
    refused("Conv_far_pads", "Conv", image, "a pad of 100000", {"pads": [100000, 0, 0, 0]})
    last = {"x": np.ones((1, 5, 5, 2), np.int8)}
    refused("NhwcMaxPool_no_steps", "NhwcMaxPool", last, "has strides [1, 0]", {"kernel_shape": [2, 2], "strides": [1, 0]}, domain=MS)
    for name, depth in (("large", np.float32(2e9)), ("largest", np.array(2 ** 31 - 1))):
        refused(f"OneHot_{name}", "OneHot", {"i": np.array([1, 2])}, "over the limit", order=["i", "d", "v"], constants={"d": depth, "v": f32(2)})
        opened(f"OneHot_{name}_open", "OneHot", {"i": np.array([1, 2]), "d": depth, "v": f32(2)}, "over the limit")
    refused("NhwcMaxPool_of_nothing", "NhwcMaxPool", {"x": last["x"][:, :0]}, "a pool over an input of shape [1, 0, 5, 2]", {"kernel_shape": [1, 1]}, domain=MS)
    for op in ("ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2"):
        for keepdims in (0, 1):
            one(f"{op}_of_nothing_{keepdims}", op, {"x": f32(2, 0, 3), "a": np.array([1])}, {"keepdims": keepdims}, opset=18)
            one(f"{op}_of_nothing_at_all_{keepdims}", op, {"x": f32(0)}, {"keepdims": keepdims}, opset=18)
    counts = {"mode": "TF", "min_gram_length": 1, "max_gram_length": 1, "max_skip_count": 0, "ngram_counts": [0], "pool_int64s": [2, 3]}
    for name, at in (("negative", -1), ("far", 2 ** 31 - 1)):
        refused(f"TfIdfVectorizer_{name}", "TfIdfVectorizer", {"x": np.array([1, 2, 3])}, "ngram_indexes", {**counts, "ngram_indexes": [0, at]})


def numbers():
    x = np.array([-3, 0.5, 2, 7], np.float32)
    parameters = {n: np.array([v], np.float32) for n, v in (("s", 2), ("b", 1), ("m", 0.5), ("v", 4))}
    one("BatchNormalization_list", "BatchNormalization", {"x": x}, order=["x", *parameters], constants=parameters, rtol=1e-6)
    one("BatchNormalization_list_fed", "BatchNormalization", {"x": x, **parameters}, rtol=1e-6)
    # Of uint8 ONNX Runtime gives the zero point here, and 255 in any longer row: what is sure is not improbable.
    for shape, axis in (((2, 1), 1), ((2, 3, 1), -1), ((1, 4), 0)):
        values = (np.arange(np.prod(shape)) * 19).astype(np.int8).reshape(shape)
        constants = {"xs": np.float32(0.1), "xz": np.int8(3), "ys": np.float32(1 / 256), "yz": np.int8(-128)}
        one(f"QLinearSoftmax_alone_{len(shape)}_{axis}", "QLinearSoftmax", {"x": values}, {"axis": axis, "opset": 13}, domain=MS, order=["x", *constants], constants=constants)
    nan = np.nan
    a, b = np.array([nan, 1, nan, 2, np.inf, -0.0], np.float32), np.array([1, nan, nan, 3, nan, 0.0], np.float32)
    for op in ("Max", "Min"):
        for kind in (np.float32, np.float64, np.float16):
            one(f"{op}_nan_{kind.__name__}", op, {"a": a.astype(kind), "b": b.astype(kind)})
        one(f"{op}_nan_three", op, {"a": a, "b": b, "c": np.zeros(6, np.float32)})
        one(f"{op}_nan_constant", op, {"a": a}, order=["a", "b"], constants={"b": b})
    below = np.array([-1, -2.7, -1e10, 3.9, 1e19, 0.5, -0.5], np.float32)
    # Divided, since JSON has the first 53 bits alone.
    half = lambda x: [("Cast", [x], ["w"], {"to": 13}), ("Div", ["w", "d"], ["y"], {})]
    by = {"d": np.uint64(2 ** 20)}
    for kind in (np.float32, np.float64):
        forms.add(f"Cast_{kind.__name__}_to_uint64", half("x"), {"x": below.astype(kind)}, ["y"], by)
        forms.add(f"Cast_{kind.__name__}_to_uint64_constant", half("x"), {}, ["y"], {**by, "x": below.astype(kind)})
    for kind in (np.int8, np.int16, np.int32, np.int64, np.float16):
        forms.add(f"Cast_{kind.__name__}_to_uint64", half("x"), {"x": np.array([-1, -5, 3], kind)}, ["y"], by)
    wide = np.concatenate([np.linspace(-5, 5, 401), [1e-30, -1e-3, 0.0, -0.0, 1e9, -1e9, np.inf, -np.inf]]).astype(np.float32)
    one("Erf_wide", "Erf", {"x": wide}, rtol=5e-7, atol=1e-38)
    one("Erf_constant", "Erf", {}, order=["x"], constants={"x": wide[::40]}, rtol=4e-7, atol=1e-38)


def counted():
    """Indices into, and beside, what only a run knows the size of."""
    x = np.array([[0, 3, 0], [5, 0, 1]])

    def graph(name, nodes, error, constants=None, feeds=None):
        nodes = [helper.make_node(op, inputs.split(), [output], **attributes) for op, inputs, output, attributes in nodes]
        proto = model(nodes, feeds or {"x": x}, constants or {}, [], 18)
        proto.graph.output.append(helper.make_tensor_value_info("y", 7, None))
        CASES.append({"name": name, "model": encoded(proto), "inputs": {n: elements(a) for n, a in (feeds or {"x": x}).items()}, "error": error})

    found = [("NonZero", "x", "i", {})]
    pairs = [*found, ("Transpose", "i", "t", {})]
    graph("NonZero_Shape_Gather", [*found, ("Shape", "i", "s", {}), ("Gather", "s i", "y", {})], "the index 2, which is not in -2..2")
    graph("NonZero_Gather", [*found, ("Gather", "i at", "y", {"axis": 1})], "the index 3, which is not in -3..3", {"at": np.array([0, 3])})
    graph("NonZero_GatherElements", [*found, ("GatherElements", "t i", "y", {})], "the index 2, which is not in -2..2", {"t": np.arange(6).reshape(2, 3)})
    graph("NonZero_GatherElements_wide", [*found, ("GatherElements", "t i", "y", {})], "does not fit the kernel's geometry", {"t": np.arange(6).reshape(3, 2)})
    graph("NonZero_GatherND", [*pairs, ("GatherND", "t t", "y", {})], "the index 2, which is not in -2..2")
    deep = [*pairs, ("Sub", "t by", "b", {}), ("GatherND", "v b", "y", {})]
    graph("NonZero_GatherND_deep", deep, "tuples of 2 into 1 axes", {"by": np.array([2, 3])}, {"x": x, "v": np.arange(3)})
    graph("NonZero_ScatterND", [*pairs, ("ScatterND", "x t u", "y", {})], "a shape [4] in place of [3]", {"u": np.arange(4)})
    graph("NonZero_ScatterND_far", [*pairs, ("ScatterND", "z t u", "y", {})], "the index 2, which is not in -2..2", {"u": np.arange(3), "z": np.zeros((2, 2), I)})
    graph("NonZero_ScatterElements", [*found, ("ScatterElements", "z i u", "y", {})], "updates do not fit", {"u": np.arange(8).reshape(2, 4), "z": np.zeros((3, 4), I)})
    graph("NonZero_ScatterElements_far", [*found, ("ScatterElements", "z i i", "y", {"axis": 1})], "the index 2, which is not in -2..2", {"z": np.zeros((2, 2), I)})
    # From the end, which the engine's own do not count.
    forms.add("NonZero_GatherND_from_end", [("NonZero", ["x"], ["i"], {}), ("Transpose", ["i"], ["t"], {}), ("Sub", ["t", "by"], ["b"], {}), ("GatherND", ["x", "b"], ["y"], {})], {"x": x}, ["y"], {"by": np.array([2, 3])}, opset=18)
    forms.add("NonZero_ScatterND_from_end", [("NonZero", ["x"], ["i"], {}), ("Transpose", ["i"], ["t"], {}), ("Sub", ["t", "by"], ["b"], {}), ("ScatterND", ["x", "b", "u"], ["y"], {})], {"x": x}, ["y"], {"by": np.array([2, 3]), "u": np.array([7, 8, 9])}, opset=18)
    # Of a set of operators in which nothing is defined.
    refused("Conv_of_nothing", "Conv", {"w": f32(4, 3, 2, 3), "b": f32(4)}, "lacks its input 0", opset=0, order=["", "w", "b"])


if __name__ == "__main__":
    CASES.clear()
    for section in (attention, products, shapes, numbers, counted):
        section()
    write("fits", CASES)
