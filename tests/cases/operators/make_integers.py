"""Makes integers.json: `python make_integers.py` (needs numpy, onnx, onnxruntime).

Products and convolutions of 8-bit integers with what stands around them in models, and convolutions of volumes, in sizes
for which the engine has forms of their own."""
import numpy as np
from onnx import helper

from case import case, model, write

rng = np.random.default_rng(20)
CASES = []


def u8(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-127, 128, shape).astype(np.int8)


def f32(*shape):
    return rng.normal(0, 1, shape).astype(np.float32)


def s(value):
    return np.array(value, np.float32)


def add(name, nodes, inputs, constants, output="y", opset=17, domains=(), rtol=0.0, atol=0.0):
    nodes = [helper.make_node(op, i, o, **attributes) for op, i, o, attributes in nodes]
    CASES.append(case(name, model(nodes, inputs, constants, [output], opset, domains), inputs, rtol, atol))


def convolutions():
    order = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    sizes = {"tiles": (2, 8, 9, 7, 9, 3, 1), "tiles_wide": (1, 16, 12, 8, 24, 3, 1), "odd_channels": (1, 11, 13, 6, 8, 3, 1),
             "stride_2": (1, 3, 8, 17, 33, 3, 2), "1x1": (2, 24, 10, 5, 7, 1, 1), "5x5": (1, 4, 12, 9, 10, 5, 1)}
    for name, (batch, k, m, height, width, side, stride) in sizes.items():
        per = name in ("tiles_wide", "5x5")
        constants = {"xs": s(0.02), "xz": np.uint8(131), "w": i8(m, k, side, side), "ws": np.full(m, 0.01, np.float32) if per else s(0.01),
                     "wz": np.zeros(m, np.int8) if per else np.int8(0), "ys": s(0.3), "yz": np.uint8(117),
                     "b": rng.integers(-4000, 4000, m).astype(np.int32)}
        attributes = {"pads": [side // 2] * 4, "strides": [stride] * 2}
        add(f"QLinearConv_{name}_{m}", [("QLinearConv", order, ["y"], attributes)], {"x": u8(batch, k, height, width)}, constants)
    constants = {"xz": np.uint8(3), "w": u8(10, 9, 3, 3), "wz": np.uint8(120)}
    add("ConvInteger_tiles", [("ConvInteger", ["x", "w", "xz", "wz"], ["y"], {"pads": [1, 0, 1, 0]})], {"x": u8(1, 9, 8, 10)}, constants)


def products():
    quantise = ("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"], {})
    sums = ("MatMulInteger", ["q", "w", "qz", "wz"], ["i"], {})
    scale = [("Mul", ["qs", "ws"], ["f"], {}), ("Cast", ["i"], ["c"], {"to": 1}), ("Mul", ["c", "f"], ["m"], {})]
    ends = {"": [], "_bias": [("Add", ["m", "b"], ["e"], {})], "_relu": [("Add", ["b", "m"], ["a"], {}), ("Relu", ["a"], ["e"], {})],
            "_gelu": [("Add", ["m", "b"], ["a"], {}), ("Gelu", ["a"], ["e"], {})], "_clip": [("Add", ["m", "b"], ["a"], {}), ("Clip", ["a", "lo", "hi"], ["e"], {})]}
    for end, nodes in ends.items():
        for scales in ("", "_per_column"):
            per = scales != ""
            constants = {"w": i8(37, 21), "wz": rng.integers(-9, 9, 21).astype(np.int8) if per else np.int8(2),
                         "ws": rng.uniform(.01, .02, 21).astype(np.float32) if per else s(0.013), "b": f32(21), "lo": s(-1), "hi": s(6)}
            out = nodes[-1][2][0] if nodes else "m"
            add(f"Dynamic{end}{scales}", [quantise, sums, *scale, *nodes], {"x": f32(2, 7, 37)}, constants, out, 20, rtol=1e-5, atol=1e-5)
    mm = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
    constants = {"as": s(0.02), "az": np.uint8(110), "b": i8(50, 20), "bs": rng.uniform(.005, .02, 20).astype(np.float32),
                 "bz": np.zeros(20, np.int8), "ys": s(0.4), "yz": np.uint8(128)}
    add("QLinearMatMul_wide", [("QLinearMatMul", mm, ["y"], {})], {"a": u8(2, 9, 50)}, constants)
    constants = {"as": s(0.02), "az": np.uint8(110), "bs": s(0.01), "bz": np.uint8(140), "ys": s(0.4), "yz": np.uint8(128)}
    add("QLinearMatMul_computed", [("QLinearMatMul", mm, ["y"], {})], {"a": u8(2, 3, 9, 40), "b": u8(2, 3, 40, 7)}, constants)
    add("QLinearMatMul_computed_deep", [("QLinearMatMul", mm, ["y"], {})], {"a": u8(3, 259), "b": u8(259, 5)}, constants)
    add("MatMulInteger_computed", [("MatMulInteger", ["a", "b", "az", "bz"], ["y"], {})], {"a": u8(2, 5, 258), "b": u8(258, 9)}, {"az": np.uint8(0), "bz": np.uint8(255)})
    slopes = {"a": np.array([0.25], np.float32), "w": f32(5, 4, 1, 1), "v": f32(5, 5, 1, 1)}
    prelu = [("Conv", ["x", "w"], ["c"], {}), ("PRelu", ["c", "a"], ["p"], {}), ("Conv", ["p", "v"], ["d"], {}), ("PRelu", ["d", "a"], ["y"], {})]
    add("PRelu_one_slope", prelu, {"x": f32(1, 4, 6, 7)}, slopes, rtol=1e-5, atol=1e-6)
    gemm = ["a", "as", "az", "b", "bs", "bz", "c", "ys", "yz"]
    constants = {"as": s(0.02), "az": np.uint8(110), "b": i8(20, 50), "bs": s(0.01), "bz": np.int8(0),
                 "c": rng.integers(-9000, 9000, 20).astype(np.int32), "ys": s(0.4), "yz": np.uint8(120)}
    domains = [("com.microsoft", 1)]
    CASES.append(case("QGemm_wide", model([helper.make_node("QGemm", gemm, ["y"], domain="com.microsoft", transB=1)], {"a": u8(6, 50)}, constants, ["y"], 17, domains), {"a": u8(6, 50)}))
    line = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
    constants = {"as": s(0.0213), "az": np.uint8(120), "b": u8(70), "bs": s(0.0171), "bz": np.uint8(131), "ys": s(0.0307), "yz": np.uint8(110)}
    CASES.append(case("QLinearAdd_line", model([helper.make_node("QLinearAdd", line, ["y"], domain="com.microsoft")], {"a": u8(3, 9, 70)}, constants, ["y"], 17, domains), {"a": u8(3, 9, 70)}))


def round_trips():
    """Around a product, as a QDQ model has them."""
    there = [("QuantizeLinear", ["x", "xs", "xz"], ["xq"], {}), ("DequantizeLinear", ["xq", "xs", "xz"], ["xd"], {})]
    weights = {"": {"w": i8(34, 18), "ws": s(0.011), "wz": np.int8(0)}, "_unsigned": {"w": u8(34, 18), "ws": s(0.011), "wz": np.uint8(117)},
               "_per_column": {"w": i8(34, 18), "ws": rng.uniform(.01, .02, 18).astype(np.float32), "wz": np.zeros(18, np.int8)}}
    for name, constants in weights.items():
        constants = {**constants, "xs": s(0.02), "xz": np.uint8(120), "b": f32(18), "ys": s(0.05), "yz": np.uint8(127), "shape": np.array([6, 34])}
        axis = {"axis": 1}
        dense = [("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis), ("MatMul", ["xd", "wd"], ["m"], {})]
        add(f"QDQ_MatMul{name}", [*there, *dense], {"x": f32(2, 3, 34)}, constants, "m", rtol=1e-5, atol=1e-5)
        more = [("Add", ["m", "b"], ["a"], {}), ("Relu", ["a"], ["r"], {}), ("QuantizeLinear", ["r", "ys", "yz"], ["yq"], {}),
                ("DequantizeLinear", ["yq", "ys", "yz"], ["y"], {})]
        add(f"QDQ_MatMul_Relu{name}", [*there, *dense, *more], {"x": f32(2, 3, 34)}, constants, rtol=1e-5, atol=1e-5)
        shaped = [("Reshape", ["xd", "shape"], ["xr"], {}), dense[0], ("MatMul", ["xr", "wd"], ["m"], {})]
        add(f"QDQ_MatMul_shaped{name}", [*there, *shaped], {"x": f32(2, 3, 34)}, constants, "m", rtol=1e-5, atol=1e-5)


def volumes():
    rows = {"3x3x3": dict(x=(1, 3, 5, 6, 7), w=(8, 3, 3, 3, 3), pads=[1] * 6), "tiles": dict(x=(2, 8, 4, 9, 8), w=(9, 8, 3, 3, 3), pads=[1] * 6),
            "stride_2": dict(x=(1, 4, 7, 8, 9), w=(6, 4, 3, 3, 3), pads=[1] * 6, strides=[2, 2, 2]),
            "1x1x1": dict(x=(2, 6, 3, 4, 5), w=(7, 6, 1, 1, 1)), "1x1x1_stride": dict(x=(1, 6, 4, 4, 5), w=(7, 6, 1, 1, 1), strides=[2, 1, 2]),
            "3x1x1": dict(x=(1, 5, 6, 4, 5), w=(4, 5, 3, 1, 1), pads=[1, 0, 0, 1, 0, 0]), "1x3x3": dict(x=(1, 5, 3, 6, 8), w=(4, 5, 1, 3, 3), pads=[0, 1, 1, 0, 1, 1]),
            "groups": dict(x=(1, 6, 5, 5, 6), w=(4, 3, 2, 3, 2), group=2), "depthwise": dict(x=(1, 6, 5, 5, 6), w=(6, 1, 3, 3, 3), group=6, pads=[1] * 6),
            "dilated": dict(x=(1, 3, 9, 9, 8), w=(4, 3, 3, 3, 3), dilations=[2, 1, 2]), "uneven": dict(x=(1, 3, 4, 5, 6), w=(4, 3, 2, 3, 2), pads=[1, 0, 2, 0, 1, 1])}
    for name, row in rows.items():
        x, w = f32(*row.pop("x")), f32(*row.pop("w")) / 4
        constants = {"w": w, "b": f32(w.shape[0])}
        # Transformed tiles round more.
        add(f"Conv_volume_{name}", [("Conv", ["x", "w", "b"], ["y"], row)], {"x": x}, constants, rtol=1e-5, atol=1e-4 if name == "tiles" else 2e-5)
    x, constants = f32(2, 4, 5, 6, 7), {"w": f32(4, 4, 3, 3, 3), "b": f32(4), "m": f32(1, 4, 1, 1, 1)}
    block = [("Conv", ["x", "w", "b"], ["c"], {"pads": [1] * 6}), ("Mul", ["c", "m"], ["s"], {}), ("Add", ["s", "x"], ["a"], {}), ("Relu", ["a"], ["y"], {})]
    add("Conv_volume_residual", block, {"x": x}, constants, rtol=1e-5, atol=2e-5)


convolutions()
products()
round_trips()
volumes()
write("integers", CASES)
