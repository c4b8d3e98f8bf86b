"""Quantised operators: (name, first operator set, weight, how to add one)."""
import numpy as np

from graph import Skip
from layers import image, window


def parameters(g, x, dtype=None, axis=None):
    """A scale and a zero point that fit the values of x."""
    dtype = dtype or g.choose(["uint8", "int8"])
    low, high = (0, 255) if dtype == "uint8" else (-128, 127)
    shape = () if axis is None else (x.shape[axis],)
    # A step of uneven size keeps quotients off the ties, where roundings may differ.
    scale = np.full(shape, max(float(np.abs(x.array).max()), 0.1) / 113.7, "float32")
    if axis is not None:
        scale *= (1 + 0.3 * g.rng.random(shape)).astype("float32")
    zero = np.full(shape, 0 if dtype == "int8" and g.chance(0.6) else g.whole(low // 4 + high // 2, high * 3 // 4), dtype)
    return g.constant(scale.astype("float32")), g.constant(zero)


def single(g, **how):
    if g.float != "float32":
        raise Skip
    return g.pick(("float32",), **how)


def quantize(g):
    x = single(g)
    axis = g.whole(0, x.rank - 1) if x.rank and g.opset >= 13 and g.chance(0.3) else None
    scale, zero = parameters(g, x, axis=axis)
    y = g.emit("QuantizeLinear", [x, scale, zero] if zero.dtype == "int8" or g.chance(0.8) else [x, scale], axis=axis)[0]
    if g.chance(0.7):
        g.emit("DequantizeLinear", [y, scale, zero], axis=axis)


def dequantize(g):
    x = g.pick(("uint8", "int8"))
    scale = g.constant(np.array(0.05, "float32"))
    zero = g.constant(g.array(x.dtype, ()))
    g.emit("DequantizeLinear", [x, scale, zero] if g.chance(0.8) else [x, scale])


def dynamic(g):
    x = single(g, ranks=(1, 2, 3, 4))
    y, scale, zero = g.emit("DynamicQuantizeLinear", [x], 3)
    if y.rank == 2 and g.chance(0.6):
        w = g.constant(g.array(g.choose(["int8", "uint8"]), (y.shape[1], g.whole(1, 5))))
        product = g.emit("MatMulInteger", [y, w, zero])[0]
        single_ = g.emit("Cast", [product], to=1)[0]
        g.emit("Mul", [single_, g.emit("Mul", [scale, g.constant(np.array(0.01, "float32"))])[0]])


def q(g, x, scale, zero):
    y = g.emit("QuantizeLinear", [x, scale, zero])[0]
    return g.emit("DequantizeLinear", [y, scale, zero])[0]


def held(g, shape, axis=None):
    """A weight that the file holds quantised."""
    values = g.array("int8", shape)
    if axis is None:
        return g.emit("DequantizeLinear", [g.constant(values), g.constant(np.array(0.011, "float32")), g.constant(np.array(0, "int8"))], keep=False)[0]
    scale = (0.005 + 0.01 * g.rng.random(shape[axis])).astype("float32")
    zero = np.zeros(shape[axis], "int8")
    return g.emit("DequantizeLinear", [g.constant(values), g.constant(scale), g.constant(zero)], axis=axis, keep=False)[0]


def qdq_layer(g):
    """Quantised weights and activations around a float operator, as quantisers write them."""
    if g.float != "float32":
        raise Skip
    if g.chance(0.5):
        x = image(g, ranks=(4,))
        group = g.choose([1, x.shape[1]])
        kernel = [g.choose([1, 3]), g.choose([1, 3])]
        how = window(g, x, 2, kernel)
        w = held(g, (2 * group, x.shape[1] // group, *kernel), 0 if g.opset >= 13 and g.chance(0.5) else None)
        y = g.emit("Conv", [q(g, x, *parameters(g, x)), w], group=group, **how)[0]
    else:
        x = single(g, ranks=(2, 3))
        w = held(g, (x.shape[-1], g.whole(1, 6)), 1 if g.opset >= 13 and g.chance(0.5) else None)
        y = g.emit("MatMul", [q(g, x, *parameters(g, x)), w])[0]
    if g.chance(0.4):
        y = g.emit("Relu", [y])[0]
    q(g, y, *parameters(g, y))


def qlinear_conv(g):
    x = image(g, ranks=(4,))
    if x.dtype != "float32":
        raise Skip
    scale, zero = parameters(g, x, "uint8")
    a = g.emit("QuantizeLinear", [x, scale, zero])[0]
    group = g.choose([1, x.shape[1]])
    kernel = [g.choose([1, 3]), g.choose([1, 3])]
    w = g.constant(g.array("int8", (2 * group, x.shape[1] // group, *kernel)))
    c = lambda v, t: g.constant(np.array(v, t))
    inputs = [a, scale, zero, w, c(0.013, "float32"), c(0, "int8"), c(0.0517, "float32"), c(119, "uint8")]
    if g.chance(0.5):
        inputs.append(g.constant(g.rng.integers(-500, 500, 2 * group).astype("int32")))
    y = g.emit("QLinearConv", inputs, group=group, **window(g, x, 2, kernel))[0]
    g.emit("DequantizeLinear", [y, inputs[6], inputs[7]])


def qlinear_matmul(g):
    x = single(g, ranks=(2, 3))
    scale, zero = parameters(g, x, "uint8")
    a = g.emit("QuantizeLinear", [x, scale, zero])[0]
    w = g.constant(g.array(g.choose(["int8", "uint8"]), (x.shape[-1], g.whole(1, 5))))
    c = lambda v, t: g.constant(np.array(v, t))
    y = g.emit("QLinearMatMul", [a, scale, zero, w, c(0.013, "float32"), c(3, w.dtype), c(0.0517, "float32"), c(119, "uint8")])[0]
    if g.chance(0.6):
        g.emit("DequantizeLinear", [y, c(0.0517, "float32"), c(119, "uint8")])


def integer_conv(g):
    x = g.input(g.array("uint8", (1, 2, *g.shape(2, 4, 7)))) if not g.outer else None
    if x is None:
        raise Skip
    w = g.constant(g.array(g.choose(["int8", "uint8"]), (3, 2, 3, 3)))
    g.emit("ConvInteger", [x, w, g.constant(np.array(7, "uint8"))] if g.chance(0.7) else [x, w], pads=[1, 1, 1, 1])


def contrib(op, **choices):
    def add(g):
        g.emit(op, [single(g, ranks=(2, 3))], domain="com.microsoft", **choices)
    return op, 9, 0.5, add


TABLE = [
    ("QuantizeLinear", 10, 2, quantize), ("DequantizeLinear", 10, 2, dequantize), ("DynamicQuantizeLinear", 11, 2, dynamic),
    ("quantised layer", 10, 3, qdq_layer), ("QLinearConv", 10, 1, qlinear_conv), ("QLinearMatMul", 10, 1, qlinear_matmul),
    ("ConvInteger", 10, 0.5, integer_conv), contrib("Gelu"), contrib("QuickGelu"),
]
