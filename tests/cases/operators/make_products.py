"""Makes products.json: products of several tensors, and convolutions with weights that only a run knows.

`python make_products.py` (needs numpy, onnx, onnxruntime)."""
import numpy as np
from onnx import helper

from case import case, model, write

rng = np.random.default_rng(23)
CASES = []


def f32(*shape):
    # Sixteenths are short in JSON.
    return np.asarray(np.round(rng.standard_normal(shape) * 16) / 16, np.float32)


def einsum(name, equation, *shapes, constants=0):
    feeds = {f"x{at}": f32(*shape) for at, shape in enumerate(shapes)}
    fixed = {key: feeds.pop(key) for key in list(feeds)[len(feeds) - constants:]} if constants else {}
    node = helper.make_node("Einsum", [f"x{at}" for at in range(len(shapes))], ["y"], equation=equation)
    CASES.append(case(f"Einsum_{name}", model([node], feeds, fixed, ["y"]), feeds, 1e-5, 1e-5))


def conv(name, x, w, bias=False, scaled=False, size=1, **attributes):
    """Weights come from outside, or are made in the run of some that are constant."""
    feeds, fixed, nodes = {"x": f32(*x)}, {}, []
    if scaled:
        feeds["s"] = f32(*([1, w[1]] + [1] * (len(w) - 2)))
        fixed["k"] = f32(*w) * np.float32(size)
        nodes.append(helper.make_node("Mul", ["k", "s"], ["w"]))
    else:
        feeds["w"] = f32(*w)
    if bias:
        feeds["b"] = f32(w[0])
    nodes.append(helper.make_node("Conv", ["x", "w"] + ["b"] * bias, ["c"], **attributes))
    nodes.append(helper.make_node("Relu", ["c"], ["y"]))
    CASES.append(case(f"Conv_weights_{name}", model(nodes, feeds, fixed, ["y"]), feeds, 1e-4, 1e-4))


einsum("elements", "bld,bld->bld", (2, 3, 4), (2, 3, 4))
einsum("turned", "abc,ca->cba", (2, 3, 4), (4, 2))
einsum("outer", "i,j->ij", (3,), (5,))
einsum("scalar", "ij,->ji", (3, 2), ())
einsum("state", "bld,bld,bln->bldn", (1, 4, 3), (1, 4, 3), (1, 4, 2))
einsum("chain", "bij,bjk,bkl->bil", (2, 3, 4), (2, 4, 5), (2, 5, 2))
einsum("three_sums", "bi,bj,bij->b", (2, 3), (2, 4), (2, 3, 4))
einsum("one_sums_alone", "bik,bj,bj->bij", (2, 3, 4), (2, 5), (2, 5))
einsum("four", "a,b,c,abc->cb", (2,), (3,), (4,), (2, 3, 4))
einsum("all_to_one", "ij,ij,ij->", (3, 2), (3, 2), (3, 2))
einsum("constant", "bj,jk,bk->bk", (2, 3), (3, 4), (2, 4), constants=2)
einsum("diagonal", "ii,i,ij->j", (3, 3), (3,), (3, 4))
conv("plain", (1, 3, 5, 6), (4, 3, 3, 3), pads=[1] * 4)
conv("bias", (2, 3, 5, 6), (4, 3, 2, 3), bias=True, strides=[2, 1])
conv("groups", (1, 4, 5, 4), (6, 2, 3, 3), bias=True, group=2, dilations=[2, 1])
conv("depthwise", (1, 5, 6, 6), (5, 1, 3, 3), group=5, pads=[1] * 4)
conv("pixels", (1, 6, 4, 5), (3, 6, 1, 1), bias=True)
conv("row", (2, 4, 19), (3, 4, 5), bias=True, pads=[2, 2], strides=[2])
conv("volume", (1, 2, 4, 4, 3), (3, 2, 2, 2, 2))
conv("modulated", (1, 8, 9, 9), (8, 8, 3, 3), scaled=True, pads=[1] * 4)
conv("tiles", (1, 32, 14, 14), (32, 32, 3, 3), scaled=True, size=1 / 16, pads=[1] * 4)
conv("same", (1, 3, 6, 5), (2, 3, 3, 3), auto_pad="SAME_LOWER", strides=[2, 2])
write("products", CASES)
