"""Makes fused.json: operators that become one, and what keeps them apart: `python make_fused.py` (needs numpy, onnx,
onnxruntime)."""
import numpy as np
from onnx import helper

from case import case, model, write

rng = np.random.default_rng(11)
CASES = []


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def add(name, nodes, feeds, constants, outputs=("y",), opset=17, rtol=1e-4, atol=1e-5):
    CASES.append(case(name, model(nodes, feeds, constants, list(outputs), opset), feeds, rtol, atol))


def node(op, inputs, output="y", **attributes):
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def slopes():
    """A slope for each channel behind convolutions of every method."""
    forms = (("product", (2, 5, 7, 6), (9, 5, 1, 1), {}), ("winograd", (1, 12, 13, 11), (16, 12, 3, 3), {"pads": [1] * 4}),
             ("direct", (1, 6, 9, 9), (6, 1, 3, 3), {"group": 6}), ("groups", (1, 8, 6, 6), (12, 4, 2, 2), {"group": 2}),
             ("line", (1, 4, 30), (10, 4, 5), {"strides": [2]}))
    for name, x, w, attributes in forms:
        slope = rng.uniform(-0.5, 1.5, (w[0],) + (1,) * (len(x) - 2)).astype(np.float32)
        feeds, constants = {"x": f32(*x)}, {"w": f32(*w, scale=0.3), "b": f32(w[0]), "s": slope}
        conv = node("Conv", "x w b", "c", **attributes)
        add(f"slopes_{name}", [conv, node("PRelu", "c s")], feeds, constants)
    feeds, constants = {"x": f32(1, 4, 5, 5)}, {"w": f32(4, 4, 1, 1), "s": f32(4, 1, 1), "t": f32(4, 1, 1)}
    conv = node("Conv", "x w", "c")
    add("slopes_after_a_sum", [conv, node("Add", "c x", "a"), node("PRelu", "a s")], feeds, constants)
    add("slopes_before_a_sum", [conv, node("PRelu", "c s", "p"), node("Add", "p x")], feeds, constants)
    add("slopes_twice", [conv, node("PRelu", "c s", "p"), node("PRelu", "p t")], feeds, constants)
    add("slopes_after_a_bound", [conv, node("Relu", "c", "r"), node("PRelu", "r s")], feeds, constants)
    add("slopes_of_what_others_read", [conv, node("PRelu", "c s", "p"), node("Mul", "p c")], feeds, constants)
    add("slopes_of_an_output", [conv, node("PRelu", "c s")], feeds, constants, ("c", "y"))
    constants = {"w": f32(4, 4, 1, 1), "s": f32(4, 5, 5)}
    add("slopes_of_pixels", [conv, node("PRelu", "c s")], feeds, constants)
    constants = {"w": f32(4, 4, 1, 1), "s": f32(5)}
    add("slopes_of_columns", [conv, node("PRelu", "c s")], feeds, constants)


def volumes():
    """Pools of volumes."""
    forms = (("plain", (2, 3, 6, 8, 10), {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2]}),
             ("slices", (1, 4, 5, 9, 7), {"kernel_shape": [1, 3, 3], "strides": [1, 2, 2], "pads": [0, 1, 1, 0, 1, 1]}),
             ("depth", (1, 4, 7, 3, 5), {"kernel_shape": [3, 1, 1], "pads": [1, 0, 0, 1, 0, 0]}),
             ("uneven", (1, 2, 7, 8, 9), {"kernel_shape": [3, 2, 4], "strides": [2, 3, 1], "pads": [1, 0, 2, 0, 1, 1]}),
             ("up", (1, 2, 6, 7, 8), {"kernel_shape": [3, 3, 3], "strides": [2, 2, 2], "ceil_mode": 1}),
             ("same", (1, 2, 5, 6, 7), {"kernel_shape": [3, 2, 2], "strides": [2, 2, 2], "auto_pad": "SAME_UPPER"}))
    for name, x, attributes in forms:
        add(f"greatest_of_volumes_{name}", [node("MaxPool", "x", **attributes)], {"x": f32(*x)}, {})
        add(f"mean_of_volumes_{name}", [node("AveragePool", "x", **attributes)], {"x": f32(*x)}, {}, opset=19)
        if name != "same":
            padded = dict(attributes, count_include_pad=1)
            add(f"mean_of_volumes_{name}_with_padding", [node("AveragePool", "x", **padded)], {"x": f32(*x)}, {}, opset=19)
    apart = {"kernel_shape": [2, 2, 2], "dilations": [2, 1, 3]}
    add("greatest_of_volumes_apart", [node("MaxPool", "x", **apart)], {"x": f32(1, 3, 6, 7, 9)}, {})
    less = -5 - np.abs(f32(1, 2, 4, 4, 4))
    add("greatest_of_volumes_below_zero", [node("MaxPool", "x", kernel_shape=[3, 3, 3], pads=[1] * 6)], {"x": less}, {})


def columns():
    """Products of integers whose weights have a scale for each column."""
    for name, rows in (("few", 3), ("many", 40)):
        scales = rng.uniform(0.001, 0.02, 24).astype(np.float32)
        weights, zeros = rng.integers(-128, 128, (16, 24)).astype(np.int8), np.zeros(24, np.int8)
        nodes = [node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q w z v", "p"), node("Cast", "p", "f", to=1),
                 node("Mul", "s t", "u"), node("Mul", "f u", "m"), node("Add", "m b", "a"), node("Relu", "a")]
        constants = {"w": weights, "v": zeros, "t": scales, "b": f32(24)}
        add(f"columns_{name}", nodes, {"x": f32(2, rows, 16)}, constants)
        nodes[3] = node("Mul", "t s", "u")
        add(f"columns_{name}_the_other_way", nodes, {"x": f32(rows, 16)}, constants)


def functions():
    """The error function among others, and by itself."""
    half, root, one = np.float32(0.5), np.float32(2 ** 0.5), np.float32(1)
    constants = {"h": half, "r": root, "o": one}
    x = {"x": np.linspace(-5, 5, 77, dtype=np.float32).reshape(7, 11)}
    add("erf_alone", [node("Erf", "x")], x, {}, atol=1e-6)
    nodes = [node("Div", "x r", "d"), node("Erf", "d", "e"), node("Add", "e o", "a"), node("Mul", "a h", "b"), node("Mul", "x b")]
    add("erf_of_gelu", nodes, x, constants, atol=1e-6)
    scale = {"s": np.float32(0.04), "z": np.uint8(128)}
    trips = [n for at, wire in (("d", "f"), ("e", "g")) for n in (node("QuantizeLinear", f"{at} s z", f"{at}q"), node("DequantizeLinear", f"{at}q s z", wire))]
    nodes = [node("Div", "x r", "d"), *trips[:2], node("Erf", "f", "e"), *trips[2:], node("Add", "g o", "a"), node("Mul", "a h", "b"), node("Mul", "x b")]
    add("erf_between_quantisations", nodes, x, {**constants, **scale}, atol=1e-5)


def picks():
    """The greatest and the least, samples between pixels, logarithms of a softmax."""
    x = f32(3, 5, 40)
    x[0, 0, :6] = [2, 2, -0.0, 0.0, np.inf, -np.inf]
    k = {"k": np.array([7], np.int64), "all": np.array([40], np.int64), "four": np.array([4], np.int64)}
    for name, attributes in (("greatest", {}), ("least", {"largest": 0})):
        add(f"{name}_of_rows", [node("TopK", "x k", "y i", **attributes)], {"x": x}, {"k": k["k"]}, ("y", "i"))
        add(f"{name}_of_columns", [node("TopK", "x k", "y i", axis=1, **attributes)], {"x": x}, {"k": k["four"]}, ("y", "i"))
        add(f"{name}_all", [node("TopK", "x k", "y i", **attributes)], {"x": x}, {"k": k["all"]}, ("y", "i"))
    same = np.repeat(f32(2, 4), 5, axis=1)
    add("greatest_of_equal_ones", [node("TopK", "x k", "y i")], {"x": same}, {"k": k["k"]}, ("y", "i"))
    image, grid = f32(2, 3, 5, 7), rng.uniform(-1.6, 1.6, (2, 4, 6, 2)).astype(np.float32)
    grid[0, 0, :4] = [[-1, -1], [1, 1], [0, 0], [-1, 1]]
    for mode in ("linear", "nearest"):
        for padding in ("zeros", "border", "reflection"):
            for aligned in (0, 1):
                sample = node("GridSample", "x g", mode=mode, padding_mode=padding, align_corners=aligned)
                add(f"sampled_{mode}_{padding}_{aligned}", [sample], {"x": image, "g": grid}, {}, opset=20)
    add("logarithm_of_softmax", [node("LogSoftmax", "x", axis=-1)], {"x": f32(3, 4, 37, scale=9)}, {}, atol=1e-5)
    add("logarithm_of_softmax_far_apart", [node("LogSoftmax", "x", axis=-1)], {"x": f32(2, 21, scale=60)}, {}, atol=1e-4)
    nodes = [node("Softmax", "x", "s", axis=-1), node("Log", "s", "l"), node("Add", "l s")]
    add("logarithm_of_a_softmax_that_others_read", nodes, {"x": f32(3, 19)}, {})
    lines = f32(5, 43).round(0)
    for last in (0, 1):
        places = node("ArgMax", "x", axis=-1, select_last_index=last, keepdims=0)
        add(f"place_of_the_greatest_{'last' if last else 'first'}", [places], {"x": lines}, {})
        add(f"place_of_the_greatest_of_equal_ones_{'last' if last else 'first'}", [places], {"x": np.zeros((3, 21), np.float32)}, {})


slopes()
picks()
volumes()
columns()
functions()
write("fused", CASES)
