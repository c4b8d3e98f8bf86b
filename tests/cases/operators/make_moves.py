"""Makes moves.json: what moves elements, picks them, or raises them to powers: `python make_moves.py` (needs numpy, onnx,
onnxruntime)."""
import itertools

import numpy as np
from onnx import helper

from case import case, model, write

rng = np.random.default_rng(17)
CASES = []


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def add(name, nodes, feeds, constants=None, outputs=("y",), opset=17, rtol=1e-6, atol=1e-6):
    CASES.append(case(name, model(nodes, feeds, constants or {}, list(outputs), opset), feeds, rtol, atol))


def node(op, inputs, output="y", **attributes):
    return helper.make_node(op, inputs.split(" "), output.split(), **attributes)


def resizes():
    """Nearest by every rule, and weighted along other axes than the last two."""
    rules = itertools.product(("floor", "ceil", "round_prefer_floor", "round_prefer_ceil"), ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"))
    shapes = (((1, 3, 5, 7), (1, 1, 2, 2)), ((2, 2, 6, 5), (1, 1, 1.5, 0.6)), ((1, 7, 5, 12), (1, 2, 3, 1)), ((2, 5, 9), (1, 1, 3)), ((1, 2, 3, 4, 5), (1, 1, 2, 2, 2)), ((6, 9), (0.5, 1.7)))
    for (rounding, mode), (shape, scales) in zip(rules, itertools.cycle(shapes)):
        for by in (scales, scales[::-1]):
            add(f"nearest_{rounding}_{mode}_{len(CASES)}", [node("Resize", "x  s", mode="nearest", nearest_mode=rounding, coordinate_transformation_mode=mode)], {"x": f32(*shape)}, {"s": np.array(by, np.float32)})
    for kind in (np.uint8, np.int32):
        x = rng.integers(0, 120, (1, 4, 5, 12)).astype(kind)
        add(f"nearest_{kind.__name__}", [node("Resize", "x  s", mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")], {"x": x}, {"s": np.array([1, 2, 2, 1], np.float32)})
    add("nearest_by_sizes", [node("Resize", "x   s", mode="nearest")], {"x": f32(1, 3, 7, 9)}, {"s": i64(1, 3, 11, 4)})
    add("nearest_of_axes", [node("Resize", "x   s", mode="nearest", axes=[3, 1])], {"x": f32(1, 3, 7, 9)}, {"s": i64(5, 6)}, opset=19)
    for shape, scales in (((1, 5, 6, 3), (1, 2, 1.5, 1)), ((1, 2, 3, 4, 5), (1, 1, 2, 2, 2)), ((1, 2, 4, 4, 5), (1, 1, 2, 1, 0.6)), ((3, 4, 5), (2, 1, 2))):
        add(f"linear_{len(CASES)}", [node("Resize", "x  s", mode="linear")], {"x": f32(*shape)}, {"s": np.array(scales, np.float32)}, atol=1e-5)
    add("cubic", [node("Resize", "x  s", mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)], {"x": f32(1, 2, 6, 5)}, {"s": np.array([1, 1, 1.6, 2], np.float32)}, atol=1e-5)
    add("antialiased", [node("Resize", "x  s", mode="linear", antialias=1)], {"x": f32(1, 2, 9, 11)}, {"s": np.array([1, 1, 0.4, 0.6], np.float32)}, opset=19, atol=1e-5)


def pads():
    for mode in ("reflect", "edge", "wrap"):
        opset = 19 if mode == "wrap" else 17
        for shape, pads_ in (((1, 3, 5, 7), (0, 0, 2, 3, 0, 0, 4, 1)), ((2, 40), (1, 5, 0, 39)), ((5, 6, 7), (3, 0, 2, 1, 5, 6)), ((1, 4, 20), (0, 3, 19, 0, 0, 0))):
            add(f"pad_{mode}_{len(shape)}_{len(CASES)}", [node("Pad", "x p", mode=mode)], {"x": f32(*shape)}, {"p": i64(*pads_)}, opset=opset)
        add(f"pad_{mode}_int64", [node("Pad", "x p", mode=mode)], {"x": rng.integers(-9, 9, (4, 30)).astype(np.int64)}, {"p": i64(2, 7, 3, 0)}, opset=opset)
        if mode != "wrap":
            add(f"pad_{mode}_cut", [node("Pad", "x p", mode=mode)], {"x": f32(6, 30)}, {"p": i64(-1, 7, 3, -2)}, opset=opset)
    add("pad_edge_of_one", [node("Pad", "x p", mode="edge")], {"x": f32(1, 1)}, {"p": i64(4, 9, 8, 9)})


def cuts():
    most = 2**62
    forms = {"back": ([-1], [-most], [1], [-1]), "back_2": ([7, 200], [0, -most], [0, 1], [-3, -2]), "steps": ([1, 0], [most, most], [0, 1], [2, 3]), "far_step": ([0], [most], [1], [1000]), "one": ([5], [6], [1], [7]), "middle": ([2, -90], [-1, -3], [0, 1], [1, 5]), "least": ([-1], [-most], [1], [-most])}
    for name, (starts, ends, axes, steps) in forms.items():
        constants = {"a": i64(*starts), "b": i64(*ends), "c": i64(*axes), "d": i64(*steps)}
        for kind in (np.float32, np.int64, np.uint8):
            x = (rng.standard_normal((9, 131)) * 50).astype(kind)
            add(f"cut_{name}_{kind.__name__}", [node("Slice", "x a b c d")], {"x": x}, constants)

    def quarter(y, x, to):
        return [node("Slice", f"x a{y} e h two", f"{to}t"), node("Slice", f"{to}t a{x} e w two", to)]

    constants = {"a0": i64(0), "a1": i64(1), "e": i64(2**40), "h": i64(2), "w": i64(3), "two": i64(2)}
    parts = quarter(0, 0, "p") + quarter(1, 0, "q") + quarter(0, 1, "r") + quarter(1, 1, "s")
    add("quarters", parts + [node("Concat", "p q r s", axis=1)], {"x": f32(1, 3, 12, 14)}, constants)
    add("quarters_given", parts + [node("Concat", "p q r s", axis=1)], {"x": f32(1, 3, 13, 15)[:, :, :12, :14].copy()}, constants, outputs=("y", "pt", "q"))
    add("to_depth", [node("SpaceToDepth", "x", blocksize=2)], {"x": f32(2, 3, 8, 6)})
    for mode in ("DCR", "CRD"):
        add(f"from_depth_{mode}", [node("DepthToSpace", "x", blocksize=3, mode=mode)], {"x": f32(2, 18, 4, 5)})
    for perm in itertools.permutations(range(4)):
        if perm != (0, 1, 2, 3):
            add("turned_" + "".join(map(str, perm)), [node("Transpose", "x", perm=list(perm))], {"x": f32(3, 2, 5, 19)})
    for kind in (np.uint8, np.int64, np.float16):
        add(f"turned_{kind.__name__}", [node("Transpose", "x", perm=[2, 0, 1])], {"x": (rng.standard_normal((4, 17, 33)) * 50).astype(kind)})
    add("turned_ones", [node("Transpose", "x", perm=[2, 1, 3, 0])], {"x": f32(1, 40, 1, 5)})
    add("repeated", [node("Tile", "x r")], {"x": f32(3, 1, 5)}, {"r": i64(2, 9, 3)})
    add("repeated_not", [node("Tile", "x r")], {"x": f32(3, 1, 5)}, {"r": i64(2, 0, 3)})
    add("expanded", [node("Expand", "x r")], {"x": f32(1, 4, 1, 6)}, {"r": i64(3, 1, 5, 1)})
    chain = [node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("Slice", "a i j k l", "b"), node("Pad", "b p", "c", mode="reflect"), node("Transpose", "c", "d", perm=[3, 0, 2, 1]), node("Tile", "d r")]
    constants = {"i": i64(-1, 1), "j": i64(-99, 9), "k": i64(1, 3), "l": i64(-2, 1), "p": i64(0, 1, 2, 0, 0, 2, 1, 0), "r": i64(1, 1, 2, 1)}
    add("in_a_row", chain, {"x": f32(2, 6, 7, 8)}, constants)
    add("in_a_row_given", chain, {"x": f32(2, 6, 7, 8)}, constants, outputs=("y", "b", "d"))
    add("nothing", [node("Slice", "x i j k l", "a"), node("Transpose", "a", perm=[1, 0])], {"x": f32(6, 40)}, {"i": i64(4), "j": i64(4), "k": i64(0), "l": i64(2)})


def picks():
    for axis, indices in ((0, (5, 6, 7)), (1, (4, 9, 7)), (2, (3, 2, 11)), (-2, (4, 1, 1)), (1, (4, 0, 7))):
        for kind, of in ((np.float32, np.int64), (np.int64, np.int32), (np.uint8, np.int64)):
            x = (rng.standard_normal((4, 6, 7)) * 50).astype(kind)
            n = x.shape[axis]
            at = rng.integers(-n, n, indices).astype(of)
            shape = tuple(min(a, b) if d != axis % 3 else a for d, (a, b) in enumerate(zip(indices, x.shape)))
            add(f"by_index_{axis}_{len(CASES)}", [node("GatherElements", "x i", axis=axis)], {"x": x, "i": at[tuple(slice(s) for s in shape)].copy()})
    for batches, shape, indices in ((0, (4, 5, 6), (7, 2)), (0, (4, 5), (3, 3, 2)), (1, (3, 4, 5), (3, 6, 1)), (1, (3, 4, 5), (3, 2)), (2, (2, 3, 4), (2, 3, 5, 1)), (0, (4, 5, 6), (0, 2))):
        depth = indices[-1]
        at = np.stack([rng.integers(-shape[batches + d], shape[batches + d], indices[:-1]) for d in range(depth)], -1)
        for kind in (np.float32, np.int64):
            add(f"by_tuple_{batches}_{len(CASES)}", [node("GatherND", "x i", batch_dims=batches)], {"x": (rng.standard_normal(shape) * 50).astype(kind), "i": at.astype(np.int64)})
    for k, upper in itertools.product((-7, -1, 0, 2, 7), (0, 1)):
        kind = (np.float32, np.int64, np.bool_)[len(CASES) % 3]
        add(f"triangle_{k}_{upper}", [node("Trilu", "x k", upper=upper)], {"x": (f32(2, 5, 7) * 9 - 1).astype(kind)}, {"k": np.array(k, np.int64)})
    add("triangle_without_k", [node("Trilu", "x", upper=0)], {"x": f32(6, 4)})
    add("triangle_twice", [node("Trilu", "x", "a", upper=0), node("Trilu", "x", "b", upper=1), node("Add", "a b")], {"x": f32(6, 4)})
    odd = np.array([[0, -0.0, 1, np.nan], [np.inf, 0, -2, 1e-42]], np.float32)
    for kind in (np.float32, np.bool_, np.int64, np.int32, np.uint8):
        x = odd if kind == np.float32 else rng.integers(0, 2, (3, 4, 5)).astype(kind)
        add(f"not_zero_{kind.__name__}", [node("NonZero", "x")], {"x": x})
        add(f"not_zero_none_{kind.__name__}", [node("NonZero", "x")], {"x": np.zeros((2, 3), kind)})
    corners = np.abs(f32(2, 40, 4, scale=3)).cumsum(-1)
    corners[:, ::3] = corners[:, ::3, ::-1]
    scores = rng.random((2, 3, 40)).astype(np.float32).round(1)
    for name, centred, most, shared, least in (("plain", 0, 5, 0.4, 0.3), ("all", 0, 1000, 1.0, 0.0), ("few", 0, 1, 0.0, 0.5), ("centred", 1, 20, 0.3, 0.2)):
        constants = {"m": i64(most), "o": np.array([shared], np.float32), "l": np.array([least], np.float32)}
        add(f"boxes_{name}", [node("NonMaxSuppression", "b s m o l", center_point_box=centred)], {"b": corners, "s": scores}, constants)
    add("boxes_unbounded", [node("NonMaxSuppression", "b s m o")], {"b": corners, "s": scores}, {"m": i64(7), "o": np.array([0.2], np.float32)})


def puts():
    """Updates at indices, none of them twice where the last one would win; joined ones may be."""
    for axis, indices in ((0, (5, 6, 7)), (1, (4, 5, 7)), (2, (3, 2, 6)), (-1, (4, 1, 1)), (1, (4, 0, 7))):
        for kind, of in ((np.float32, np.int64), (np.int64, np.int32), (np.uint8, np.int64), (np.int32, np.int64)):
            x = (rng.standard_normal((5, 6, 7)) * 50).astype(kind)
            n = x.shape[axis]
            order = np.argsort(rng.random(indices[:axis % 3] + (n,) + indices[axis % 3 + 1:]), axis)
            at = order[tuple(slice(s) for s in indices)].astype(of)
            at = np.where(rng.random(at.shape) < 0.5, at, at - n).astype(of)
            add(f"put_{axis}_{len(CASES)}", [node("ScatterElements", "x i u", axis=axis)], {"x": x, "i": at, "u": (rng.standard_normal(at.shape) * 50).astype(kind)})
    for how, kind in itertools.product(("add", "mul", "min", "max"), (np.float32, np.int64)):
        at = rng.integers(-6, 6, (5, 9, 7)).astype(np.int64)
        x, u = ((rng.standard_normal(shape) * 9).astype(kind) for shape in ((5, 6, 7), at.shape))
        add(f"put_{how}_{kind.__name__}", [node("ScatterElements", "x i u", axis=1, reduction=how)], {"x": x, "i": at, "u": u}, opset=18)
    add("put_twice", [node("ScatterElements", "x i u", "a"), node("Add", "a x")], {"x": f32(8, 9), "i": np.zeros((1, 9), np.int64), "u": f32(1, 9)})


def numbers():
    x = np.concatenate([f32(50, scale=3), np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-42, 3e38, 2], np.float32)])
    for exponent in (3, -1, 0, 1, 1.7, -2.5, 4, 5, 1 / 3, 127, np.inf, -np.inf, np.nan):
        add(f"power_{exponent:.3g}", [node("Pow", "x e")], {"x": x}, {"e": np.array(exponent, np.float32)})
    add("powers", [node("Pow", "x z")], {"x": np.abs(f32(7, 40, scale=3)), "z": f32(7, 40, scale=4)}, rtol=2e-6)
    add("powers_of_rows", [node("Pow", "x z")], {"x": np.abs(f32(7, 40)), "z": f32(40, scale=4)}, rtol=2e-6)
    add("powers_of_each", [node("Pow", "x z", "a"), node("Mul", "a x")], {"x": np.abs(f32(7, 40)), "z": f32(7, 1, scale=4)}, rtol=2e-6)
    add("powers_by_whole", [node("Pow", "x z")], {"x": f32(7, 40), "z": rng.integers(-4, 5, (7, 40)).astype(np.float32)}, rtol=2e-6)
    low, high = -(2**63), 2**63 - 1
    a = np.concatenate([rng.integers(-99, 99, 60), rng.integers(low, high, 60), [low, high, low, high, 0, -1, 1, low]]).astype(np.int64).reshape(8, 16)
    b = np.concatenate([rng.integers(1, 9, 60), rng.integers(low, high, 60), [-1, -1, 1, high, low, low, high, 3]]).astype(np.int64).reshape(8, 16)
    b[b == 0] = 5
    for op in ("Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"):
        # ONNX Runtime traps where the least is divided by -1, and takes remainders of float64.
        x = np.where((a == low) & (b == -1), 7, a) if op == "Div" else a
        a, b, x = (v >> 14 for v in (a, b | 1 << 14, x)) if op == "Mod" else (a, b, x)
        attributes = {"fmod": 1} if op == "Mod" else {}
        add(f"whole_{op}", [node(op, "x z", **attributes)], {"x": x, "z": b})
        add(f"whole_{op}_row", [node(op, "x z", **attributes)], {"x": a, "z": np.abs(b[7]) | 1})
        add(f"whole_{op}_each", [node(op, "x z", **attributes)], {"x": a, "z": np.abs(b[:, :1]) | 1})
        add(f"whole_{op}_one", [node(op, "x z", **attributes)], {"x": a}, {"z": np.array([7], np.int64)})
        add(f"whole_{op}_of_one", [node(op, "z x", **attributes)], {"x": np.abs(b) | 1}, {"z": np.array(1000, np.int64)})
        add(f"whole_{op}_outer", [node(op, "x z", **attributes)], {"x": a[:, :1].copy(), "z": np.abs(b[:1]) | 1})
    add("whole_Mod_signs", [node("Mod", "x z")], {"x": rng.integers(-99, 99, (5, 20)).astype(np.int64), "z": np.where(rng.random((5, 20)) < 0.5, -7, 7).astype(np.int64)})


if __name__ == "__main__":
    resizes()
    pads()
    cuts()
    picks()
    numbers()
    puts()
    write("moves", CASES)
