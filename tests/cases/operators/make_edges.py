"""Makes edges.json: forms at the edge of what an operator is defined for, which a comparison of single operators of every type,
attribute and extent with ONNX Runtime found: `python make_edges.py`."""
import numpy as np
from onnx import TensorProto, helper

from case import case, model, write
import make_forms as forms
from make_forms import CASES, MS, f32, one

NAN, INF = np.nan, np.inf


def numbers():
    x = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, -2.5], [2.4, -2.6, NAN, INF, -INF, 4503599627370497.5], [9e18, -9e18, 1e-300, 0, -7, 0.49999999999999994]])
    for op in ("Relu", "Round", "Sigmoid"):
        one(f"{op}_float64", op, {"x": x}, rtol=1e-12)
        one(f"{op}_float64_constant", op, {}, order=["x"], constants={"x": x}, rtol=1e-12)
    wide = np.array([0, -1, 2.5, INF, -INF, 6.5, -70000, 70000], np.float32)
    one("Relu_constant", "Relu", {}, order=["x"], constants={"x": np.append(wide, np.float32(NAN))})
    for kind in (np.float32, np.float64, np.float16):
        with np.errstate(over="ignore"):
            name, values = kind.__name__, wide.astype(kind)
        one(f"Clip_unbounded_{name}", "Clip", {"x": values})
        one(f"Clip_least_{name}", "Clip", {"x": values}, order=["x", "low"], constants={"low": kind(0)})
        one(f"Clip_greatest_{name}", "Clip", {"x": values}, order=["x", "", "high"], constants={"high": kind(6)})
        one(f"Clip_constant_{name}", "Clip", {}, order=["x", "low", "high"], constants={"x": np.append(values, kind(NAN)), "low": np.array(-1, kind), "high": np.array(3, kind)})
        one(f"Clip_fed_{name}", "Clip", {"x": values, "low": np.array(-1, kind), "high": np.array(3, kind)})
    one("Clip_6_infinite", "Clip", {"x": wide}, {"min": -INF, "max": 6.0}, opset=7)
    one("Clip_6_least", "Clip", {"x": wide}, {"min": -2.0}, opset=10)
    for kind in (np.int8, np.uint8, np.int32, np.int64):
        one(f"Shrink_{kind.__name__}", "Shrink", {"x": np.array([0, 1, 2, 5, 100], kind)}, {"bias": 0.7, "lambd": 0.5})
    one("Shrink_negative", "Shrink", {"x": np.array([-3, -1, 0, 1, 3], np.int16)}, {"bias": 0.7, "lambd": 1.5})


def sums():
    x = np.array([[[3, 4], [-5, 12]], [[7, 24], [0, 1]], [[8, 15], [2, 2]]], np.int64)
    for op in ("ReduceL2", "ReduceSumSquare"):
        for keepdims in (0, 1):
            one(f"{op}_int64_{keepdims}", op, {"x": x}, {"axes": [2], "keepdims": keepdims})
        one(f"{op}_int64_all", op, {"x": x}, opset=18)
        one(f"{op}_int64_from_end", op, {"x": x}, order=["x", "a"], constants={"a": np.array([-1, 0])}, opset=18)
    one("ReduceLogSum_int64", "ReduceLogSum", {"x": np.abs(x) * 100}, {"axes": [0]})
    for opset in (11, 18):
        for kind in (np.float32, np.float64):
            one(f"ReduceMean_of_nothing_{opset}_{kind.__name__}", "ReduceMean", {"x": np.zeros((2, 0, 3), kind)}, *([{"axes": [1]}] if opset == 11 else []), opset=opset,
                **({"order": ["x", "a"], "constants": {"a": np.array([1])}} if opset == 18 else {}))


def places():
    for kind in (np.int32, np.float32, np.bool_, np.uint8):
        for value in (0, 1):
            one(f"NonZero_scalar_{kind.__name__}_{value}", "NonZero", {"x": np.array(value, kind)})
    one("NonZero_scalar_constant", "NonZero", {}, order=["x"], constants={"x": np.array(3)})
    # Whose least is the least number of the type.
    x = np.array([[[[0, 0, 9, 0], [0, 0, 0, 0], [7, 0, 0, 0], [0, 0, 0, 3]]]], np.uint8)
    for kind, shift in ((np.uint8, 0), (np.int8, -128)):
        values = (x.astype(np.int64) + shift).astype(kind)
        for order in (0, 1):
            one(f"MaxPool_least_{kind.__name__}_{order}", "MaxPool", {"x": values}, {"kernel_shape": [2, 2], "strides": [1, 2], "storage_order": order}, ("y", "i"))
    parts = np.array([0.2, -0.3, 1, 1.5, 2.9, -1, -1.4, 3, -7, NAN])
    forms.add("OneHot_fractions", [("OneHot", ["i", "d", "v"], ["y"], {})], {"i": parts.astype(np.float32), "v": np.array([5, 7])}, ["y"], {"d": np.array([3])})
    words = np.array([["a", ""], ["long text, longer than most", "é"]], object)
    one("Tile_words", "Tile", {"x": words}, order=["x", "r"], constants={"r": np.array([2, 3])})
    one("Tile_words_constant", "Tile", {}, order=["x", "r"], constants={"x": words, "r": np.array([1, 2])})
    one("Tile_words_none", "Tile", {"x": words}, order=["x", "r"], constants={"r": np.array([0, 2])})


def pads():
    x = f32(3, 4)
    for mode in ("edge", "reflect", "wrap"):
        one(f"Pad_{mode}_with_a_value", "Pad", {"x": x}, {"mode": mode}, order=["x", "p", "v"], constants={"p": np.array([1, 0, 2, 3]), "v": np.float32(9)}, opset=19)
        one(f"Pad_{mode}_with_a_value_fed", "Pad", {"x": x, "v": np.array(9, np.float32)}, {"mode": mode}, order=["x", "p", "v"], constants={"p": np.array([1, 0, 2, 3])}, opset=19)
        one(f"Pad_{mode}_cut", "Pad", {"x": x}, {"mode": mode}, order=["x", "p"], constants={"p": np.array([1, 2, -1, -1])}, opset=19)
    flags = np.array([[True], [False], [True]])
    for mode in ("constant", "edge", "reflect", "wrap"):
        pads = {"p": np.array([1, 0, 2, 0 if mode == "reflect" else 3])}
        one(f"Pad_{mode}_flags", "Pad", {"x": flags}, {"mode": mode}, order=["x", "p"], constants=pads, opset=19)
        one(f"Pad_{mode}_flags_fed", "Pad", {"x": flags, **pads}, {"mode": mode}, opset=19)
    one("Pad_flags_set", "Pad", {"x": flags}, order=["x", "p", "v"], constants={"p": np.array([-1, 1, 0, 0]), "v": np.array(True)})
    one("Pad_flags_constant", "Pad", {}, order=["x", "p"], constants={"x": flags, "p": np.array([1, 1, 0, 0])})
    one("Pad_wrap_cut_axes", "Pad", {"x": x}, {"mode": "wrap"}, order=["x", "p", "", "a"], constants={"p": np.array([-1, -1, 1, 3]), "a": np.array([1, 0])}, opset=19)
    one("Pad_edge_18_axes_and_value", "Pad", {"x": x}, {"mode": "edge"}, order=["x", "p", "v", "a"], constants={"p": np.array([2, 1]), "v": np.float32(9), "a": np.array([-1])}, opset=18)


def steps():
    """Bounds that only a run knows."""
    x = f32(3, 10)
    for start, end, step in ((1, 9, 2), (9, 1, -1), (8, -11, -3), (2, -2, 2), (-3, 99, 5), (7, 3, 2), (3, 7, -2), (-99, 99, 3), (5, 2**31 - 1, -2), (0, 0, 4)):
        feeds = {"x": x, "s": np.array([start], np.float32), "e": np.array([end], np.float64)}
        whole = [("Cast", ["s"], ["si"], {"to": 7}), ("Cast", ["e"], ["ei"], {"to": 7})]
        known = {"a": np.array([1]), "p": np.array([step])}
        forms.add(f"Slice_computed_{start}_{end}_{step}", [*whole, ("Slice", ["x", "si", "ei", "a", "p"], ["y"], {})], feeds, ["y"], known)
    two = {"x": x, "s": np.array([2, 1], np.float32)}
    known = {"e": np.array([-4, 9]), "a": np.array([0, -1]), "p": np.array([-1, 3])}
    forms.add("Slice_computed_axes", [("Cast", ["s"], ["si"], {"to": 7}), ("Slice", ["x", "si", "e", "a", "p"], ["y"], {})], two, ["y"], known)
    forms.add("Slice_computed_all", [("Cast", ["s"], ["si"], {"to": 6}), ("Cast", ["t"], ["ti"], {"to": 6}), ("Slice", ["x", "si", "ti", "", "p"], ["y"], {})],
              {**two, "t": np.array([-9, 7], np.float32)}, ["y"], {"p": np.array([-2, 2], np.int32)})


def counted():
    x = np.array([[0, 3, 0, 1], [5, 0, 1, 0]])
    found = [("NonZero", ["x"], ["i"], {})]
    for name, shape in (("rest", [2, 2, -1]), ("rest_first", [-1, 4]), ("three", [4, -1, 1]), ("flat", [-1]), ("same", [2, -1])):
        forms.add(f"NonZero_Reshape_{name}", [*found, ("Reshape", ["i", "s"], ["y"], {})], {"x": x}, ["y"], {"s": np.array(shape)})


def texts():
    values = [0, -0.0, 1, -2.5, 0.1, 1 / 3, 123456789, 2147483648, -0.75, 2**-17, 2**-13, 1e8, 1.5e20, NAN, INF, -INF, 99999999.6]
    for kind in (np.float32, np.float64, np.float16):
        with np.errstate(over="ignore"):
            x = np.array(values, kind)
        one(f"Cast_{kind.__name__}_to_string", "Cast", {"x": x}, {"to": 8})
    one("Cast_to_string_constant", "Cast", {}, {"to": 8}, order=["x"], constants={"x": np.array([2147483648, 0.1], np.float32)})


def pictures():
    rng = np.random.default_rng(5)
    for kind in (np.uint8, np.int32):
        x = rng.integers(0, 256, (1, 2, 7, 9)).astype(kind)
        for mode in ("linear", "cubic"):
            # ONNX Runtime's bytes are sums in fixed point.
            near = dict(opset=19, atol=1.0 if kind == np.uint8 or mode == "cubic" else 0.0)
            name = f"{kind.__name__}_{mode}"
            one(f"Resize_antialias_{name}", "Resize", {"x": x}, {"mode": mode, "antialias": 1}, order=["x", "", "", "s"], constants={"s": np.array([1, 2, 4, 5])}, **near)
            one(f"Resize_antialias_{name}_scales", "Resize", {"x": x}, {"mode": mode, "antialias": 1, "axes": [3, 2]}, order=["x", "", "f"],
                constants={"f": np.array([0.5, 0.7], np.float32)}, **near)
    below = rng.integers(-9, 9, (2, 1, 5, 6)).astype(np.int32)
    one("Resize_antialias_negative", "Resize", {"x": below}, {"mode": "linear", "antialias": 1}, order=["x", "", "", "s"], constants={"s": np.array([2, 1, 3, 4])}, opset=19)
    ids = np.array([[[[2**31 - 1, -(2**31), 16777217], [-16777219, 5, 2**30 + 1]]]], np.int32)
    for opset, order in ((10, ["x", "f"]), (13, ["x", "", "f"]), (19, ["x", "", "f"])):
        for name, factor in (("up", [1, 1, 2, 2]), ("down", [1, 1, 0.5, 0.7])):
            one(f"Resize_ids_{opset}_{name}", "Resize", {"x": ids}, {"mode": "nearest"}, order=order, constants={"f": np.array(factor, np.float32)}, opset=opset)


def early():
    x = f32(2, 3, 4)
    for name, attributes in (("", {}), ("_by", {"scale": 2.5})):
        one(f"Scale{name}", "Scale", {"x": x}, attributes, opset=7)
    bounds = {"s": np.array([1, -3]), "e": np.array([9, -1])}
    one("DynamicSlice", "DynamicSlice", {"x": x}, order=["x", "s", "e"], constants=bounds, opset=7)
    one("DynamicSlice_axes", "DynamicSlice", {"x": x}, order=["x", "s", "e", "a"], constants={**bounds, "a": np.array([0, 2])}, opset=9)


def unsigned():
    """Constants in the list of 64-bit words that ONNX has for them, and without any element."""
    for code, kind in ((TensorProto.UINT32, np.uint32), (TensorProto.UINT64, np.uint64)):
        most = np.iinfo(kind).max
        for name, dims, values in (("words", [3], [1, int(most), 7]), ("nothing", [0], [])):
            held = helper.make_tensor("c", code, dims, values)
            feeds = {"x": np.array([1, 2, 3][: len(values)], kind)}
            add = helper.make_node("Add", ["x", "c"], ["y"])
            joined = [helper.make_node("Concat", ["x", "c", "x"], ["y"], axis=0)]
            for form, nodes, more in (
                ("", [add], [held]),
                ("_node", [helper.make_node("Constant", [], ["c"], value=held), add], []),
                ("_joined", joined, [held]),
            ):
                proto = model(nodes, feeds, {}, ["y"], 17)
                proto.graph.initializer.extend(more)
                CASES.append(case(f"Constant_{kind.__name__}_{name}{form}", proto, feeds))


if __name__ == "__main__":
    CASES.clear()
    for section in (numbers, sums, places, pads, steps, counted, texts, pictures, early, unsigned):
        section()
    write("edges", CASES)
