"""Makes transformers.json: what attention, norms and dynamic quantisation are made of, in the forms that become operators of
ours: `python make_transformers.py` (needs numpy, onnx, onnxruntime)."""
import numpy as np
from onnx import helper

from case import case, model, write

RNG = np.random.default_rng(11)
CASES = []
F = np.float32


def floats(*shape):
    return RNG.standard_normal(shape).astype(F)


def n(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def add(name, nodes, feeds, outputs="y", rtol=1e-5, atol=1e-6, opset=17, **constants):
    CASES.append(case(name, model(nodes, feeds, constants, outputs.split(), opset), feeds, rtol, atol))


# (first, second) of a product; the axes that are exchanged beforehand, and afterwards.
PRODUCTS = {
    "scores": ((2, 3, 5, 8), (2, 3, 7, 8), "b", False),
    "scores_of_one_row": ((1, 4, 1, 16), (1, 4, 9, 16), "b", False),
    "values": ((2, 3, 5, 7), (2, 3, 7, 8), "", True),
    "values_of_one_row": ((1, 4, 1, 9), (1, 4, 9, 18), "", True),
    "first_transposed": ((3, 6, 4), (3, 6, 5), "a", False),
    "both_transposed": ((3, 6, 9), (3, 5, 6), "ab", True),
    "broadcast": ((2, 1, 5, 6), (1, 3, 6, 4), "", False),
    "matrices": ((9, 6), (6, 10), "", False),
    "inner_of_one": ((2, 5, 1), (2, 1, 6), "", False),
    "column": ((2, 5, 6), (2, 6, 1), "", False),
}
for name, (a, b, turned, after) in PRODUCTS.items():
    nodes, left, right = [], "a", "b"
    for side in turned:
        shape = {"a": a, "b": b}[side]
        axes = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        nodes.append(n("Transpose", side, f"{side}t", perm=axes))
        left, right = (f"{left}t", right) if side == "a" else (left, f"{right}t")
    nodes.append(n("MatMul", f"{left} {right}", "p" if after else "y"))
    if after:
        axes = [*range(len(a))]
        axes[-3], axes[-2] = axes[-2], axes[-3]
        nodes.append(n("Transpose", "p", "y", perm=axes))
    add(f"product_{name}", nodes, {"a": floats(*a), "b": floats(*b)})
add("Einsum_of_heads", [n("Einsum", "a b", "y", equation="bqhd,bkhd->bhqk")], {"a": floats(2, 5, 3, 8), "b": floats(2, 6, 3, 8)})
add("attention", [
    n("Transpose", "k", "kt", perm=[0, 2, 3, 1]), n("Transpose", "q", "qt", perm=[0, 2, 1, 3]), n("Transpose", "v", "vt", perm=[0, 2, 1, 3]),
    n("MatMul", "qt kt", "s"), n("Div", "s root", "d"), n("Add", "d mask", "m"), n("Softmax", "m", "p", axis=-1),
    n("MatMul", "p vt", "o"), n("Transpose", "o", "y", perm=[0, 2, 1, 3]),
], {"q": floats(1, 6, 2, 8), "k": floats(1, 6, 2, 8), "v": floats(1, 6, 2, 8)}, root=F(8 ** 0.5),
    mask=np.triu(np.full((6, 6), -3e38, F), 1))

for width in (1, 3, 4, 19):
    add(f"Softmax_{width}", [n("Softmax", "x", "y", axis=-1)], {"x": floats(3, width) * F(9)})
masked = floats(2, 3, 9)
masked[..., 5:] = -np.inf
add("Softmax_masked", [n("Softmax", "x", "y", axis=-1)], {"x": masked})
add("Softmax_another_axis", [n("Softmax", "x", "y", axis=1)], {"x": floats(2, 5, 3)})

for width in (5, 8, 24):
    scale, shift = floats(width), floats(width)
    add(f"LayerNormalization_{width}", [n("LayerNormalization", "x s b", "y", axis=-1)], {"x": floats(2, 3, width)}, s=scale, b=shift)
    add(f"layer_norm_{width}", [
        n("ReduceMean", "x", "m", axes=[-1]), n("Sub", "x m", "d"), n("Pow", "d two", "q"), n("ReduceMean", "q", "v", axes=[-1]),
        n("Add", "v e", "ve"), n("Sqrt", "ve", "r"), n("Div", "d r", "z"), n("Mul", "z s", "zs"), n("Add", "zs b", "y"),
    ], {"x": floats(2, 3, width)}, s=scale, b=shift, two=F(2), e=F(1e-5))
    add(f"rms_norm_{width}", [
        n("Pow", "x two", "q"), n("ReduceMean", "q", "v", axes=[-1]), n("Add", "v e", "ve"), n("Sqrt", "ve", "r"),
        n("Div", "x r", "z"), n("Mul", "s z", "y"),
    ], {"x": floats(2, 3, width)}, s=scale, two=F(2), e=F(1e-5))
add("layer_norm_read_twice", [n("LayerNormalization", "x s", "z", axis=-1), n("Mul", "z s", "a"), n("Add", "z a", "y")], {"x": floats(4, 6)}, s=floats(6))

dense = {"w": floats(6, 9), "b": floats(9)}
ACTIVATIONS = {
    "Relu": [n("Relu", "p", "y")],
    "Sigmoid": [n("Sigmoid", "p", "y")],
    "Silu": [n("Sigmoid", "p", "g"), n("Mul", "p g", "y")],
    "Gelu": [n("Div", "p root", "r"), n("Erf", "r", "e"), n("Add", "e one", "f"), n("Mul", "p f", "g"), n("Mul", "g half", "y")],
}
for name, nodes in ACTIVATIONS.items():
    more = {"root": F(2 ** 0.5), "one": F(1), "half": F(0.5)} if name == "Gelu" else {}
    for rows in (1, 5):
        add(f"dense_{name}_{rows}", [n("MatMul", "x w", "m"), n("Add", "m b", "p"), *nodes], {"x": floats(rows, 6)}, **dense, **more)
add("dense_whose_sums_are_read_too", [n("MatMul", "x w", "p"), n("Relu", "p", "y")], {"x": floats(2, 6)}, outputs="y p", w=dense["w"])

quantise = [n("DynamicQuantizeLinear", "x", "y scale zero")]
for name, x in {"signed": floats(3, 7), "positive": np.abs(floats(3, 7)), "negative": -np.abs(floats(5)), "nothing": np.zeros((2, 3), F)}.items():
    add(f"DynamicQuantizeLinear_{name}", quantise, {"x": x}, "y scale zero")
add("dynamic_product", [
    n("DynamicQuantizeLinear", "x", "q scale zero"), n("MatMulInteger", "q w zero", "i"), n("Cast", "i", "f", to=1),
    n("Mul", "f scale", "s"), n("Mul", "s of", "y"),
], {"x": floats(5, 12)}, w=RNG.integers(-128, 128, (12, 7)).astype(np.int8), of=F(0.02))
write("transformers", CASES)
