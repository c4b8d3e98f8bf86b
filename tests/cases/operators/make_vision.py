"""Makes vision.json: what vision and sound models are made of, in the sizes and forms for which the engine has ways of
its own (few outputs, transposed by phases, chains of functions of single elements, images of another size)."""
import numpy as np
from onnx import helper

from case import case, model, write

CASES = []
rng = np.random.default_rng(41)
NEAR = dict(rtol=1e-4, atol=1e-5)


def f32(*shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


def add(name, nodes, inputs, constants, outputs=("y",), opset=17, domains=(), **tolerance):
    nodes = [helper.make_node(op, list(i), list(o), **attributes) for op, i, o, attributes in nodes]
    CASES.append(case(name, model(nodes, inputs, constants, outputs, opset, domains), inputs, **(tolerance or NEAR)))


def convolutions():
    def one(name, x, w, **attributes):
        add(f"Conv_{name}", [("Conv", "xwb", "y", attributes)], {"x": x}, {"w": w, "b": f32(w.shape[0])})

    for outputs in (1, 2, 3, 4, 7):
        one(f"to_{outputs}", f32(2, 5, 6, 9), f32(outputs, 5, 3, 3), pads=[1, 1, 1, 1])
    one("to_2_stride_2", f32(1, 5, 9, 11), f32(2, 5, 3, 3), strides=[2, 2], pads=[1, 1, 0, 1])
    one("to_2_stride_3", f32(1, 5, 9, 11), f32(2, 5, 3, 3), strides=[3, 3])
    one("depthwise_twice", f32(1, 4, 7, 9), f32(8, 1, 3, 3), group=4, pads=[1, 1, 1, 1])
    one("depthwise_narrow", f32(1, 6, 5, 3), f32(6, 1, 3, 3), group=6, pads=[1, 1, 1, 1], dilations=[1, 1])
    one("groups_of_3", f32(1, 6, 8, 8), f32(6, 3, 5, 5), group=2, pads=[4, 4, 4, 4], dilations=[2, 2])
    one("long", f32(1, 1, 300), f32(10, 1, 64), strides=[16])
    one("long_to_1", f32(1, 2, 300), f32(1, 2, 31), strides=[2], pads=[15, 15])
    one("stride_2_to_12", f32(1, 3, 17, 19), f32(12, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    one("3x3_of_4", f32(1, 16, 4, 4), f32(16, 16, 3, 3), pads=[1, 1, 1, 1])
    one("3x3_of_7", f32(1, 16, 7, 7), f32(16, 16, 3, 3), pads=[1, 1, 1, 1])


def transposed():
    def one(name, x, w, bias=True, tolerance=NEAR, **attributes):
        outputs = w.shape[1] * attributes.get("group", 1)
        constants = {"w": w, "b": f32(outputs)} if bias else {"w": w}
        add(f"ConvTranspose_{name}", [("ConvTranspose", "xwb" if bias else "xw", "y", attributes)], {"x": x}, constants, **tolerance)

    x = f32(2, 6, 5, 7)
    one("2x2", x, f32(6, 4, 2, 2), strides=[2, 2])
    one("4x4_pad_1", x, f32(6, 4, 4, 4), strides=[2, 2], pads=[1, 1, 1, 1])
    one("3x3_more", x, f32(6, 4, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    one("5x3_uneven", x, f32(6, 4, 5, 3), False, strides=[3, 1], pads=[2, 0, 1, 1])
    one("groups", x, f32(6, 2, 4, 4), group=3, strides=[2, 2], pads=[1, 1, 1, 1])
    one("depthwise", x, f32(6, 1, 4, 4), group=6, strides=[2, 2], pads=[1, 1, 1, 1])
    one("stride_1", x, f32(6, 12, 3, 3), pads=[1, 1, 1, 1])
    one("smaller_than_stride", x, f32(6, 4, 1, 2), strides=[2, 3])
    one("much_padding", x, f32(6, 4, 3, 3), strides=[2, 2], pads=[2, 2, 2, 2])
    one("dilated", x, f32(6, 4, 3, 3), strides=[2, 2], dilations=[2, 2])
    one("sound", f32(1, 8, 20), f32(8, 3, 16), strides=[8], pads=[4, 4])
    # Its parts are 3x3: Winograd's rounding, some 1e-6 of the largest value.
    one("wide_8_to_12", f32(1, 8, 8, 9), f32(8, 12, 6, 6), tolerance=dict(rtol=1e-4, atol=5e-5), strides=[2, 2], pads=[2, 2, 2, 2])


def chains():
    x = f32(2, 5, 6, 7)
    slope, scale, shift = f32(5, 1, 1), f32(5, 1, 1), f32(5, 1, 1)
    add("Chain_PRelu", [("PRelu", "xs", "y", {})], {"x": x}, {"s": slope})
    add("Chain_scale_shift_relu", [("Mul", "xa", "p", {}), ("Add", "pb", "q", {}), ("Relu", "q", "y", {})], {"x": x}, {"a": scale, "b": shift})
    nodes = [("Sigmoid", "x", "a", {}), ("Mul", "xa", "b", {}), ("Tanh", "b", "c", {}), ("Sub", "cx", "d", {}), ("Abs", "d", "e", {}), ("Add", "em", "y", {})]
    add("Chain_of_six", nodes, {"x": x, "m": f32(7)}, {})
    nodes = [("Add", "xt", "a", {}), ("Clip", "alh", "b", {}), ("Mul", "xb", "c", {}), ("Div", "ch", "y", {})]
    limits = {"t": np.float32(3), "l": np.float32(0), "h": np.float32(6)}
    add("Chain_hard_swish", nodes, {"x": 8 * x}, limits)
    nodes = [("Greater", "xz", "c", {}), ("Exp", "x", "e", {}), ("Where", "cxe", "w", {}), ("Sqrt", "e", "r", {}), ("Mul", "wr", "y", {})]
    add("Chain_chooses", nodes, {"x": x}, {"z": np.float32(0.1)})
    nodes = [("Softplus", "x", "a", {}), ("Tanh", "a", "b", {}), ("Mul", "xb", "y", {})]
    add("Chain_mish", nodes, {"x": 4 * x}, {})
    nodes = [("Mul", "xa", "p", {}), ("Neg", "p", "q", {}), ("Add", "qx", "y", {})]
    add("Chain_read_twice", nodes, {"x": x}, {"a": scale}, ("y", "p"))
    add("Chain_by_plane", [("Mul", "xm", "p", {}), ("Max", "pn", "y", {})], {"x": x, "m": f32(1, 1, 6, 7), "n": f32(2, 5, 1, 1)}, {})
    far = np.array([-200, -100, -88, -1, 0, 88, 88.6, 200] * 8, np.float32)
    add("Chain_exp_reaches_far", [("Exp", "x", "a", {}), ("Neg", "a", "y", {})], {"x": far}, {})
    add("Chain_tanh_reaches_far", [("Tanh", "x", "a", {}), ("Neg", "a", "y", {})], {"x": far}, {})


def sizes():
    x = f32(1, 3, 5, 6)
    for mode in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
        for name, to in (("up", [1, 3, 8, 13]), ("down", [1, 3, 3, 2])):
            attributes = {"mode": "linear", "coordinate_transformation_mode": mode}
            add(f"Resize_linear_{mode}_{name}", [("Resize", ("x", "", "", "s"), "y", attributes)], {"x": x}, {"s": np.array(to)})
    for mode in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"):
        attributes = {"mode": "nearest", "nearest_mode": mode}
        add(f"Resize_nearest_{mode}", [("Resize", ("x", "", "", "s"), "y", attributes)], {"x": x}, {"s": np.array([1, 3, 8, 13])})
    attributes = {"mode": "cubic"}
    add("Resize_cubic", [("Resize", ("x", "", "s"), "y", attributes)], {"x": x}, {"s": np.array([1, 1, 2, 1.5], np.float32)})
    add("Resize_one_axis", [("Resize", ("x", "", "s"), "y", {"mode": "linear"})], {"x": x}, {"s": np.array([1, 1, 1, 2], np.float32)})
    add("Resize_channels_last", [("Resize", ("x", "", "s"), "y", {"mode": "linear"})], {"x": f32(1, 5, 6, 3)}, {"s": np.array([1, 2, 2, 1], np.float32)})
    bytes_ = rng.integers(0, 256, (1, 3, 5, 6)).astype(np.uint8)
    asymmetric = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    add("Resize_nearest_bytes", [("Resize", ("x", "", "s"), "y", asymmetric)], {"x": bytes_}, {"s": np.array([1, 1, 2, 3], np.float32)})
    for mode in ("nearest", "linear"):
        for scales in ((1, 1, 2, 2), (1, 1, 2.5, 1.5)):
            name = "_".join(str(s) for s in scales[2:])
            add(f"Upsample_{mode}_{name}", [("Upsample", "xs", "y", {"mode": mode})], {"x": x}, {"s": np.array(scales, np.float32)}, opset=9)
    add("Upsample_7", [("Upsample", "x", "y", {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 3.0]})], {"x": x}, {}, opset=7)


def pools():
    x = f32(2, 3, 7, 9)
    for name, attributes in {
        "same": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
        "counted": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        "stride_2": {"kernel_shape": [2, 2], "strides": [2, 2]},
        "stride_3": {"kernel_shape": [3, 2], "strides": [3, 3], "pads": [1, 0, 1, 1]},
        "ceil": {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        "ceil_counted": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1, "count_include_pad": 1},
        "upper": {"kernel_shape": [4, 4], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    }.items():
        add(f"AveragePool_{name}", [("AveragePool", "x", "y", attributes)], {"x": x}, {})
    add("AveragePool_sound", [("AveragePool", "x", "y", {"kernel_shape": [4], "strides": [2], "pads": [1, 1]})], {"x": f32(1, 3, 21)}, {})


def across_channels():
    x = f32(2, 7, 3, 4) * 3
    for name, attributes in {"usual": {"size": 5, "alpha": 0.1}, "root": {"size": 3, "beta": 0.5, "bias": 2.0, "alpha": 0.3}}.items():
        add(f"LRN_{name}", [("LRN", "x", "y", attributes)], {"x": x}, {})


def axes():
    x = f32(2, 5, 6, 7) * 4
    for axis in (0, 1, 2):
        add(f"Softmax_axis_{axis}", [("Softmax", "x", "y", {"axis": axis})], {"x": x}, {})
    add("Softmax_of_two", [("Softmax", "x", "y", {"axis": -1})], {"x": f32(3, 9, 2) * 4}, {})
    add("Softmax_masked", [("Softmax", "x", "y", {"axis": 1})], {"x": np.where(x > 3, -np.inf, x).astype(np.float32)}, {})
    for last in (0, 1):
        whole = np.round(x)
        add(f"ArgMax_axis_1_{last}", [("ArgMax", "x", "y", {"axis": 1, "select_last_index": last})], {"x": whole}, {})
        add(f"ArgMax_axis_3_{last}", [("ArgMax", "x", "y", {"axis": 3, "keepdims": 0, "select_last_index": last})], {"x": whole}, {})


def quantised():
    def pair(name, scale, zero, dtype=np.uint8):
        return {f"{name}s": np.float32(scale), f"{name}z": dtype(zero)}

    x = f32(1, 6, 7, 8)
    constants = pair("a", 0.01, 128) | pair("c", 0.02, 3) | {"w": f32(6, 1, 3, 3), "b": f32(6)}
    back = [("QuantizeLinear", ("x", "as", "az"), ("p",), {}), ("DequantizeLinear", ("p", "as", "az"), ("q",), {})]
    conv = ("Conv", ("q", "w", "b"), ("r",), {"group": 6, "pads": [1, 1, 1, 1]})
    for name, middle, last in (("", [], "r"), ("_Relu", [("Relu", "r", "t", {})], "t")):
        end = [("QuantizeLinear", (last, "cs", "cz"), ("u",), {}), ("DequantizeLinear", ("u", "cs", "cz"), ("y",), {})]
        add(f"QDQ_Conv{name}", [*back, conv, *middle, *end], {"x": x}, constants, rtol=0.0, atol=0.0201)
    integers = rng.integers(0, 256, (1, 6, 7, 8)).astype(np.uint8)
    # A rounding that only another chain reads is one nevertheless.
    terms = pair("a", 0.02131, 130) | pair("b", 0.03173, 120) | pair("c", 0.70711, 128) | pair("d", 0.31417, 100)
    def sum_of(a, b, y, of, to):
        return ("QLinearAdd", (a, f"{of[0]}s", f"{of[0]}z", b, f"{of[1]}s", f"{of[1]}z", f"{to}s", f"{to}z"), (y,), {"domain": "com.microsoft"})
    add("QLinearAdd_twice", [sum_of("x", "x", "p", "ab", "c"), sum_of("p", "x", "y", "ca", "d")], {"x": integers}, terms,
        domains=[("com.microsoft", 1)], rtol=0.0, atol=0.0)
    for name, weights, attributes in (
        ("depthwise", (6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1]}),
        ("depthwise_5", (6, 1, 5, 5), {"group": 6, "strides": [2, 2], "pads": [2, 2, 2, 2]}),
        ("to_3", (3, 6, 3, 3), {}),
    ):
        w = rng.integers(-127, 128, weights).astype(np.int8)
        constants = pair("x", 0.02, 130) | {"w": w, "ws": np.float32(0.01), "wz": np.int8(0), "b": rng.integers(-900, 900, weights[0]).astype(np.int32)}
        constants |= pair("y", 0.05, 120)
        add(f"QLinearConv_{name}", [("QLinearConv", ("x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"), ("y",), attributes)],
            {"x": integers}, constants, rtol=0.0, atol=0.0)
        add(f"ConvInteger_{name}", [("ConvInteger", ("x", "w", "xz"), ("y",), attributes)], {"x": integers},
            {"w": w, "xz": np.uint8(130)}, opset=17, rtol=0.0, atol=0.0)


def swishes():
    """Hard swishes as exporters write them out, behind a convolution that takes them in, and one that is none."""
    x, w, b = 4 * f32(1, 8, 6, 7), f32(9, 8, 1, 1), f32(9)
    numbers = {"w": w, "b": b, "t": np.float32(3), "l": np.float32(0), "h": np.float32(6), "s": np.float32(1 / 6)}
    start = [("Conv", "xwb", "i", {}), ("Add", "it", "a", {}), ("Clip", "alh", "c", {})]
    for name, nodes in (
        ("product_over_6", [("Mul", "ic", "p", {}), ("Div", "ph", "y", {})]),
        ("times_a_sixth", [("Mul", "cs", "p", {}), ("Mul", "pi", "y", {})]),
        ("over_6_first", [("Div", "ch", "p", {}), ("Mul", "ip", "y", {})]),
        ("of_another", [("Mul", "ac", "p", {}), ("Div", "ph", "y", {})]),
    ):
        add(f"Conv_hard_swish_{name}", [*start, *nodes], {"x": x}, numbers)


def frames():
    """Windows that are far longer than what they go over: a spectrum's few frames that become sound."""
    for name, count, more in (("one_frame", 1, {}), ("few_frames", 3, {"pads": [192, 192]})):
        x, w = f32(1, 2, count), f32(2, 1, 512)
        add(f"ConvTranspose_{name}", [("ConvTranspose", "xw", "y", {"kernel_shape": [512], "strides": [128], **more})], {"x": x}, {"w": w})
    x, w = f32(1, 1, 2, 2), f32(1, 1, 70, 69)
    add("ConvTranspose_large_window", [("ConvTranspose", "xw", "y", {"kernel_shape": [70, 69], "strides": [2, 2]})], {"x": x}, {"w": w})


def together():
    """What each point has beside what all of them have: a product of a concatenation with a broadcast in it."""
    for name, points in (("1d", (8,)), ("2d", (4, 3))):
        x, w, v = f32(1, 3, *points), f32(4, 3, *[1] * len(points)), f32(5, 8, *[1] * len(points))
        shape = np.array([1, 4, *points], np.int64)
        nodes = [("Conv", "xw", "l", {}), ("ReduceMax", "l", "m", {"axes": [*range(2, 2 + len(points))]}), ("Expand", "ms", "g", {}),
                 ("Concat", "lg", "c", {"axis": 1}), ("Conv", "cvb", "y", {})]
        add(f"Conv_of_points_{name}", nodes, {"x": x}, {"w": w, "v": v, "s": shape, "b": f32(5)})
        add(f"MatMul_of_points_{name}", [*nodes[:4], ("Transpose", "c", "t", {"perm": [0, *range(2, 2 + len(points)), 1]}), ("MatMul", "tu", "y", {})],
            {"x": x}, {"w": w, "u": f32(8, 5), "s": shape})


if __name__ == "__main__":
    convolutions()
    transposed()
    chains()
    sizes()
    pools()
    across_channels()
    axes()
    quantised()
    swishes()
    frames()
    together()
    write("vision", CASES)
