"""Makes half.json: float16 throughout, as the GPU's kernels tell forms apart that lie in memory as float16.

`python make_half.py` (needs numpy, onnx, onnxruntime). ONNX Runtime computes each operator in float32 and rounds; sums
of products may be off by what a few roundings on the way make of them."""
import numpy as np
from onnx import TensorProto, helper

from case import case, elements, encoded, model, typed, write

rng = np.random.default_rng(16)
CASES = []
#: Of what is rounded once, and of sums of products.
ROUNDED, SUMMED = (1e-3, 1e-3), (3e-3, 6e-3)


def f16(*shape, scale=0.5):
    return (rng.standard_normal(shape) * scale).astype(np.float16)


def put(name, nodes, feeds, constants, outputs=("y",), tolerance=ROUNDED, opset=17, domains=()):
    proto = model(nodes, feeds, constants, list(outputs), opset, domains)
    CASES.append(case(name, proto, feeds, *tolerance))


def one(name, op, feeds, constants, order, tolerance=ROUNDED, opset=17, outputs=("y",), domain="", **attributes):
    node = helper.make_node(op, order, list(outputs), domain=domain, **attributes)
    put(name, [node], feeds, constants, outputs, tolerance, opset, [(domain, 1)] if domain else ())


def twin(name, op, feeds, order, opset, **attributes):
    """What ONNX Runtime has in float32 only: that, rounded."""
    wide = {n: a.astype(np.float32) if a.dtype == np.float16 else a for n, a in feeds.items()}
    nodes = [helper.make_node(op, order, ["y"], **attributes)]
    made = case(name, model(nodes, wide, {}, ["y"], opset), wide, *ROUNDED)
    dims, values = made["outputs"]["y"]["dims"], np.array(made["outputs"]["y"]["values"]).astype(np.float16)
    proto = typed(model(nodes, feeds, {}, ["y"], opset), [values.reshape(dims)])
    outputs = {"y": elements(values.reshape(dims))}
    CASES.append({**made, "model": encoded(proto), "inputs": {n: elements(a) for n, a in feeds.items()}, "outputs": outputs})


def chained(*steps):
    """Nodes of (operator, inputs, output, attributes)."""
    return [helper.make_node(op, read, made if isinstance(made, list) else [made], **more) for op, read, made, more in steps]


def products():
    for name, a, b in [
        ("row", (1, 64), (64, 48)), ("wide", (38, 48), (48, 68)), ("odd", (19, 33), (33, 21)), ("large", (40, 120), (120, 65)),
        ("batch", (3, 9, 32), (3, 32, 20)), ("column", (40, 30), (30, 1)), ("one", (2, 3), (3, 3)),
    ]:
        one(f"MatMul_{name}", "MatMul", {"a": f16(*a)}, {"b": f16(*b)}, ["a", "b"], SUMMED)
        if name in ("row", "wide", "odd", "batch"):
            one(f"MatMul_{name}_computed", "MatMul", {"a": f16(*a), "b": f16(*b)}, {}, ["a", "b"], SUMMED)
    one("Gemm_transposed", "Gemm", {"a": f16(21, 36)}, {"b": f16(28, 36), "c": f16(28)}, ["a", "b", "c"], SUMMED, transB=1)
    nodes = chained(("MatMul", ["a", "b"], "h", {}), ("Sigmoid", ["h"], "s", {}), ("Mul", ["h", "s"], "g", {}), ("MatMul", ["g", "c"], "y", {}))
    put("MatMul_twice", nodes, {"a": f16(9, 40)}, {"b": f16(40, 36), "c": f16(36, 12)}, tolerance=(5e-3, 2e-2))


def few_bits():
    for bits, rows in [(4, 1), (4, 6), (8, 6)]:
        codes = rng.integers(0, 256, (24, 3, 32 * bits // 8)).astype(np.uint8)
        constants = {"b": codes, "s": np.abs(f16(24 * 3, scale=0.005))}
        one(f"MatMulNBits_{bits}_{rows}", "MatMulNBits", {"a": f16(rows, 96)}, constants, ["a", "b", "s"], SUMMED,
            domain="com.microsoft", bits=bits, block_size=32, K=96, N=24)


def convolutions():
    for name, x, w, more in [
        ("1x1", (1, 20, 8, 6), (12, 20, 1, 1), {}), ("1x1_odd", (1, 19, 9, 7), (13, 19, 1, 1), {}),
        ("3x3", (1, 6, 13, 11), (10, 6, 3, 3), {"pads": [1] * 4}), ("3x3_tiles", (1, 32, 13, 11), (36, 32, 3, 3), {"pads": [1] * 4}),
        ("depthwise", (1, 8, 11, 9), (8, 1, 3, 3), {"group": 8, "pads": [1] * 4}), ("line", (2, 5, 40), (6, 5, 7), {"pads": [3, 3]}),
    ]:
        one(f"Conv_{name}", "Conv", {"x": f16(*x)}, {"w": f16(*w, scale=0.3), "b": f16(w[0])}, ["x", "w", "b"], SUMMED, **more)
    one("ConvTranspose", "ConvTranspose", {"x": f16(1, 4, 5, 5)}, {"w": f16(4, 3, 3, 3, scale=0.3)}, ["x", "w"], SUMMED, strides=[2, 2])


def attention():
    steps = [("MatMul", ["q", "kt"], "p", {}), ("Mul", ["p", "scale"], "s", {}), ("Add", ["s", "mask"], "m", {}),
             ("Softmax", ["m"], "w", {"axis": -1}), ("MatMul", ["w", "v"], "y", {})]
    for name, rows, keys, size in [("row", 1, 70, 16), ("rows", 3, 37, 12), ("tiles", 40, 70, 16), ("odd", 33, 45, 18)]:
        feeds = {"q": f16(1, 3, rows, size, scale=1), "k": f16(1, 3, keys, size, scale=1), "v": f16(1, 3, keys, size)}
        mask = np.where(rng.random((1, 1, rows, keys)) < 0.2, -65504, 0).astype(np.float16)
        nodes = chained(("Transpose", ["k"], "kt", {"perm": [0, 1, 3, 2]}), *steps)
        put(f"attention_{name}", nodes, {**feeds, "mask": mask}, {"scale": np.float16(0.25)}, tolerance=SUMMED)


def queries():
    """GroupQueryAttention: the caches are float16, and what is appended to them."""
    for name, steps, past, rotary in [("prefill", 7, 0, 1), ("step", 1, 9, 1), ("plain", 2, 5, 0)]:
        total = steps + past
        feeds = {"q": f16(1, steps, 4 * 16), "k": f16(1, steps, 2 * 16), "v": f16(1, steps, 2 * 16), "pk": f16(1, 2, past, 16), "pv": f16(1, 2, past, 16)}
        constants = {"ends": np.array([total - 1], np.int32), "total": np.array(total, np.int32)}
        order = ["q", "k", "v", "pk", "pv", "ends", "total"]
        if rotary:
            constants |= {"cos": f16(32, 8), "sin": f16(32, 8)}
            order += ["cos", "sin"]
        one(f"GroupQueryAttention_{name}", "GroupQueryAttention", feeds, constants, order, SUMMED, outputs=("y", "nk", "nv"),
            domain="com.microsoft", num_heads=4, kv_num_heads=2, do_rotary=rotary)


def element_wise():
    a, b = f16(3, 5, 8), f16(5, 8)
    nodes = chained(("Add", ["a", "b"], "s", {}), ("Mul", ["s", "a"], "m", {}), ("Relu", ["m"], "r", {}), ("Clip", ["r", "low", "high"], "c", {}),
                    ("Sub", ["c", "a"], "d", {}), ("Neg", ["d"], "y", {}))
    put("chain", nodes, {"a": a, "b": b}, {"low": np.float16(0.1), "high": np.float16(2)}, tolerance=(2e-3, 2e-3))
    put("chain_odd", nodes, {"a": f16(3, 7, 5), "b": f16(7, 5)}, {"low": np.float16(0.1), "high": np.float16(2)}, tolerance=(2e-3, 2e-3))
    # The largest float16 is 65504, and halfway to the next one it is still that.
    large = np.array([300, -300, 65504, -65504, 255.875, 1, 0, 6e-8], np.float16)
    one("Mul_infinite", "Mul", {"a": large, "b": np.array([300, 300, 1, 1.5, 256, 65504, 65504, 0.25], np.float16)}, {}, ["a", "b"])
    one("Add_halfway", "Add", {"a": np.array([2048, 2050, 1, 1], np.float16), "b": np.array([1, 1, 2**-11, 3 * 2**-11], np.float16)}, {}, ["a", "b"])
    nodes = chained(("Add", ["a", "b"], "s", {}), ("Tanh", ["s"], "t", {}), ("Mul", ["t", "a"], "y", {}))
    put("chain_spread", nodes, {"a": f16(3, 5, 8), "b": f16(5, 1)}, {}, tolerance=(2e-3, 2e-3))
    one("LeakyRelu", "LeakyRelu", {"x": f16(4, 9)}, {}, ["x"], alpha=0.125)
    one("Exp_infinite", "Exp", {"x": np.array([1, 11, 12, -20], np.float16)}, {}, ["x"], tolerance=(2e-3, 1e-3))
    one("Erf", "Erf", {"x": f16(5, 7, scale=2)}, {}, ["x"])
    nodes = chained(("Greater", ["a", "b"], "more", {}), ("Where", ["more", "a", "b"], "y", {}))
    put("Where", nodes, {"a": f16(5, 3), "b": f16(5, 3)}, {})
    nodes = chained(("IsNaN", ["a"], "n", {}), ("IsInf", ["a"], "i", {}))
    put("not_numbers", nodes, {"a": np.array([np.nan, np.inf, -np.inf, 65504, 0], np.float16)}, {}, ("n", "i"), opset=20)


def moved():
    one("Concat_odd", "Concat", {"a": f16(3, 5), "b": f16(3, 2)}, {}, ["a", "b"], axis=1)
    one("Slice_odd", "Slice", {"x": f16(5, 7)}, {"s": np.array([1, 1], np.int64), "e": np.array([4, 6], np.int64)}, ["x", "s", "e"])
    one("Transpose", "Transpose", {"x": f16(3, 5, 7)}, {}, ["x"], perm=[2, 0, 1])
    one("Pad", "Pad", {"x": f16(3, 5)}, {"p": np.array([1, 0, 0, 2], np.int64), "v": np.float16(1.5)}, ["x", "p", "v"])
    one("Gather", "Gather", {"x": f16(9, 5), "i": np.array([0, 8, -2], np.int64)}, {}, ["x", "i"])
    at = np.array([[0, 1, 2], [2, 1, 0]], np.int64)
    one("ScatterElements", "ScatterElements", {"x": f16(4, 3), "i": at, "u": f16(2, 3)}, {}, ["x", "i", "u"], opset=18)
    for reduction in ("add", "mul", "max", "min"):
        twin(f"ScatterElements_{reduction}", "ScatterElements", {"x": f16(4, 3), "i": at, "u": f16(2, 3)}, ["x", "i", "u"], opset=18, reduction=reduction)
    one("ScatterND", "ScatterND", {"x": f16(4, 3), "i": np.array([[1], [3]], np.int64), "u": f16(2, 3)}, {}, ["x", "i", "u"], opset=18)
    one("TopK", "TopK", {"x": f16(3, 9)}, {"k": np.array([4], np.int64)}, ["x", "k"], outputs=("y", "i"), axis=1)
    one("CumSum", "CumSum", {"x": f16(3, 9)}, {"a": np.int64(1)}, ["x", "a"], tolerance=SUMMED)
    sizes = np.array([1, 2, 7, 9], np.int64)
    one("Resize", "Resize", {"x": f16(1, 2, 4, 5)}, {"none": np.array([], np.float32), "sizes": sizes}, ["x", "", "", "sizes"], mode="linear")


def rows():
    one("Softmax", "Softmax", {"x": f16(3, 77, scale=3)}, {}, ["x"])
    one("LayerNormalization", "LayerNormalization", {"x": f16(5, 48)}, {"w": f16(48), "b": f16(48)}, ["x", "w", "b"], tolerance=(2e-3, 2e-3))
    # The sums are out of float16's range, the means are not.
    one("ReduceMean_far", "ReduceMean", {"x": f16(2, 130, scale=9) + np.float16(600)}, {}, ["x"], axes=[1])
    nodes = chained(("ReduceMean", ["x"], "m", {"axes": [1]}), ("Sub", ["x", "m"], "d", {}))
    put("ReduceMean_twice", nodes, {"x": f16(2, 130, scale=9) + np.float16(600)}, {}, ("m", "d"), (1e-3, 0.5))
    one("GlobalAveragePool", "GlobalAveragePool", {"x": f16(1, 2, 9, 10) + np.float16(900)}, {}, ["x"])
    one("MaxPool", "MaxPool", {"x": f16(1, 3, 9, 9)}, {}, ["x"], kernel_shape=[3, 3], strides=[2, 2])


def mixed():
    # float32 in the middle stays that: what is added up in it is more than float16 keeps.
    wide = {"to": TensorProto.FLOAT}
    half = {"to": TensorProto.FLOAT16}
    nodes = chained(("Cast", ["x"], "w", wide), ("Mul", ["w", "far"], "f", {}), ("Add", ["f", "one"], "g", {}), ("Sub", ["g", "f"], "d", {}),
                    ("Cast", ["d"], "y", half))
    put("float32_between", nodes, {"x": np.abs(f16(4, 8)) + np.float16(1)}, {"far": np.float32(4096), "one": np.float32(0.5)})
    nodes = chained(("Cast", ["x"], "w", wide), ("Mul", ["w", "far"], "f", {}), ("Cast", ["f"], "h", half), ("Sqrt", ["h"], "r", {}), ("Exp", ["w"], "e", {}),
                    ("Div", ["f", "e"], "z", {}))
    put("float32_shared", nodes, {"x": np.abs(f16(4, 8)) + np.float16(1)}, {"far": np.float32(1.0009765)}, ("r", "z"))
    nodes = chained(("Cast", ["x"], "w", wide), ("Mul", ["w", "w"], "s", {}), ("ReduceMean", ["s"], "m", {"axes": [1]}), ("Sqrt", ["m"], "q", {}),
                    ("Div", ["w", "q"], "n", {}), ("Cast", ["n"], "h", half), ("Mul", ["h", "g"], "y", {}))
    put("float32_norm", nodes, {"x": f16(3, 40, scale=300)}, {"g": f16(40)})


products()
few_bits()
convolutions()
attention()
queries()
element_wise()
moved()
rows()
mixed()
write("half", CASES)
