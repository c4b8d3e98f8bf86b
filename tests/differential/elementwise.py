"""Operators that keep or broadcast shapes: (name, first operator set, weight, how to add one)."""
import numpy as np

from graph import Skip, WHOLE


def unary(op, first=7, weight=1, domain=None, **choices):
    """`domain` brings an operand to where the operator is defined and smooth."""
    def add(g):
        x = g.pick()
        if domain:
            x = domain(g, x)
        g.emit(op, [x], **{k: g.choose(v) for k, v in choices.items()})
    return op, first, weight, add


def positive(g, x):
    half = g.constant(np.array(0.25, g.float))
    return g.emit("Add", [g.emit("Abs", [x])[0], half])[0]


def bounded(g, x):
    # Not up to 1, where arcs are infinitely steep.
    return g.emit("Mul", [g.emit("Tanh", [x])[0], g.constant(np.array(0.9, g.float))])[0]


def above_one(g, x):
    one = g.constant(np.array(1.5, g.float))
    return g.emit("Add", [g.emit("Abs", [x])[0], one])[0]


def binary(op, first=7, weight=2, dtypes=None):
    def add(g):
        x = g.pick(dtypes or (g.float,) * 3 + ("int64", "int32"))
        pair = [x, g.partner(x)]
        if g.chance(0.4):
            pair.reverse()
        g.emit(op, pair)
    return op, first, weight, add


def divide(g):
    x = g.pick()
    by = positive(g, g.partner(x))
    g.emit("Div", [x, by])


def whole_divide(g):
    x = g.pick(("int32", "int64"))
    by = g.array(x.dtype, ())
    g.emit("Div", [x, g.constant(np.where(by == 0, 3, by).astype(x.dtype))])


def modulo(g):
    if g.chance(0.5):
        x = g.pick(("int32", "int64"))
        by = g.array(x.dtype, ())
        g.emit("Mod", [x, g.constant(np.where(by == 0, 3, by).astype(x.dtype))], fmod=g.whole(0, 1))
    else:
        x = g.pick()
        g.emit("Mod", [x, positive(g, g.partner(x))], fmod=1)


def power(g):
    x = g.pick()
    exponent = g.choose([2.0, 3.0, 0.5, -1.0, 1.0, 0.0])
    if exponent in (0.5, -1.0):
        x = positive(g, x)
    dtype = "int64" if exponent in (2.0, 3.0) and g.opset >= 12 and g.chance(0.3) else g.float
    g.emit("Pow", [x, g.constant(np.array(exponent).astype(dtype))])


def compare(op, first):
    def add(g):
        dtypes = (g.float,) if g.opset < 9 else (g.float, g.float, "int64", "int32")
        x = g.pick(dtypes)
        g.emit(op, [x, g.partner(x)])
    return op, first, 2, add


def equal(g):
    x = g.pick(("int64", "int32", "bool") if g.opset < 11 else ("int64", "int32", "bool", g.float))
    g.emit("Equal", [x, g.partner(x)])


def logic(op):
    def add(g):
        x = g.pick(("bool",), fresh=0.05)
        g.emit(op, [x, g.partner(x)])
    return op, 7, 1, add


def bits(op, first):
    def add(g):
        x = g.pick(("int64", "int32", "uint8", "int8"))
        g.emit(op, [x, g.partner(x)])
    return op, first, 1, add


def invert(g):
    g.emit("Not", [g.pick(("bool",))])


def where(g):
    x = g.pick((g.float, g.float, "int64", "bool") if g.opset >= 9 else (g.float,))
    y = g.partner(x)
    g.emit("Where", [g.partner(x, "bool"), x, y])


def clip(g):
    x = g.pick()
    low, high = sorted(float(v) for v in g.rng.standard_normal(2))
    if g.opset < 11:
        return g.emit("Clip", [x], min=low, max=high)
    ends = [g.constant(np.array(v, g.float)) if g.chance(0.8) else None for v in (low, high)]
    if g.opset >= 12 and g.chance(0.15):
        x = g.pick(("int32", "int64"))
        ends = [g.constant(np.array(v, x.dtype)) for v in (-2, 3)]
    while ends and ends[-1] is None:
        ends.pop()
    g.emit("Clip", [x, *ends])


def variadic(op):
    def add(g):
        x = g.pick()
        g.emit(op, [x] + [g.partner(x) for _ in range(g.whole(0, 3))])
    return op, 8, 1, add


def prelu(g):
    x = g.pick(ranks=(2, 3, 4))
    shape = g.choose([x.shape, (x.shape[1],) + (1,) * (x.rank - 2), (1,)])
    g.emit("PRelu", [x, g.fresh(g.float, shape, 0.9)])


def cast(g):
    x = g.pick((g.float, "int64", "int32", "uint8", "int8", "bool", "float16", "float32"))
    to = g.choose(["float32", "float16", "int32", "int64", "bool", "uint8", "int8"])
    if x.array.dtype.kind == "f" and to not in ("float32", "float16", "bool"):
        low, high = {"uint8": (0, 255), "int8": (-128, 127)}.get(to, (-1e9, 1e9))
        if float(x.array.min()) < low or float(x.array.max()) > high:
            raise Skip
    elif to in ("uint8", "int8") and x.dtype != "bool" and g.chance(0.7):
        raise Skip
    from graph import element_type
    g.emit("Cast", [x], to=element_type(np.zeros((), to)))


def silu(g):
    x = g.pick()
    g.emit("Mul", [x, g.emit("Sigmoid", [x])[0]])


def hard_swish(g):
    x = g.pick()
    c = lambda v: g.constant(np.array(v, g.float))
    y = g.emit("Add", [x, c(3)])[0]
    y = g.emit("Clip", [y], min=0.0, max=6.0)[0] if g.opset < 11 else g.emit("Clip", [y, c(0), c(6)])[0]
    g.emit("Div", [g.emit("Mul", [x, y])[0], c(6)])


def gelu(g):
    x = g.pick()
    c = lambda v: g.constant(np.array(v, g.float))
    if g.chance(0.5):
        y = g.emit("Erf", [g.emit("Div", [x, c(2 ** 0.5)])[0]])[0]
    else:
        cube = g.emit("Mul", [g.emit("Pow", [x, c(3)])[0], c(0.044715)])[0]
        y = g.emit("Tanh", [g.emit("Mul", [g.emit("Add", [x, cube])[0], c((2 / np.pi) ** 0.5)])[0]])[0]
    y = g.emit("Add", [y, c(1)])[0]
    y = g.emit("Mul", [x, y] if g.chance(0.5) else [y, x])[0]
    g.emit("Mul", [y, c(0.5)])


def whole_unary(op):
    def add(g):
        g.emit(op, [g.pick(("int64", "int32"))])
    return f"{op} of integers", 7, 0.5, add


ALPHA = dict(alpha=[0.1, 0.3, 1.0])
TABLE = [
    unary("Relu", weight=4), unary("LeakyRelu", **ALPHA), unary("Sigmoid", weight=3), unary("Tanh", weight=2),
    unary("Exp", domain=bounded), unary("Log", domain=positive), unary("Sqrt", domain=positive), unary("Abs"),
    unary("Neg"), unary("Reciprocal", domain=positive), unary("Floor"), unary("Ceil"), unary("Round", 11),
    unary("Erf", 9), unary("Sin"), unary("Cos"), unary("Tan", domain=bounded), unary("Atan"),
    unary("Asin", domain=bounded), unary("Acos", domain=bounded), unary("Sinh", 9, domain=bounded),
    unary("Cosh", 9, domain=bounded), unary("Asinh", 9), unary("Acosh", 9, domain=above_one),
    unary("HardSigmoid", alpha=[0.2, 0.5], beta=[0.5, 0.1]), unary("HardSwish", 14), unary("Elu", **ALPHA),
    unary("Selu"), unary("Celu", 12, **ALPHA), unary("Softplus"), unary("Softsign"), unary("ThresholdedRelu", 10, **ALPHA),
    unary("Gelu", 20, approximate=["none", "tanh"]), unary("Mish", 18), unary("Sign", 9), unary("Identity"),
    unary("Shrink", 9, lambd=[0.3], bias=[0.0, 0.1]), unary("IsNaN", 9), unary("IsInf", 10),
    binary("Add", weight=4), binary("Sub", weight=3), binary("Mul", weight=4), binary("Max", 12), binary("Min", 12),
    ("Div", 7, 3, divide), ("Div of integers", 7, 1, whole_divide), ("Mod", 10, 1, modulo), ("Pow", 7, 2, power),
    compare("Less", 7), compare("Greater", 7), compare("LessOrEqual", 12), compare("GreaterOrEqual", 12),
    ("Equal", 7, 2, equal), logic("And"), logic("Or"), logic("Xor"), bits("BitwiseAnd", 18), bits("BitwiseOr", 18),
    bits("BitwiseXor", 18), ("Not", 7, 1, invert), ("Where", 9, 3, where), ("Clip", 7, 3, clip), variadic("Sum"),
    variadic("Mean"), variadic("Max"), variadic("Min"), ("PRelu", 9, 1, prelu), ("Cast", 9, 5, cast), ("silu", 7, 2, silu),
    ("hard_swish", 7, 1, hard_swish), ("gelu", 9, 2, gelu), whole_unary("Abs"), whole_unary("Neg"), whole_unary("Sign"),
]
