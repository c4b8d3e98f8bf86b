"""Makes forms.json: forms of operators of which the engine's own are wrong or refused: `python make_forms.py`."""
import numpy as np
from onnx import helper

from case import case, elements, encoded, model, onnx_type, write

MS = "com.microsoft"
rng = np.random.default_rng(11)
CASES = []


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def add(name, nodes, feeds, outputs, constants=None, rtol=1e-7, atol=0.0, opset=17):
    """`nodes`: (type, inputs, outputs, attributes[, domain]) in order."""
    nodes = [helper.make_node(n[0], n[1], n[2], domain=n[4] if len(n) > 4 else "", **n[3]) for n in nodes]
    proto = model(nodes, feeds, constants or {}, outputs, opset, [(MS, 1)])
    try:
        CASES.append(case(name, proto, feeds, rtol, atol))
    except Exception as error:
        print("no reference:", name, str(error)[:300])


def one(name, op, feeds, attributes=None, outputs=("y",), domain="", order=None, **more):
    order = list(feeds) if order is None else order
    add(name, [(op, order, list(outputs), attributes or {}, domain)], feeds, [o for o in outputs if o], **more)


def plain():
    for kind in (np.uint8, np.uint16, np.uint32, np.uint64):
        bits = np.iinfo(kind).bits
        x = np.array([1, 2, 200, 255, 7, 0], kind)
        by = np.array([0, 1, bits - 1, bits, bits + 1, 200], kind)
        for direction in ("LEFT", "RIGHT"):
            one(f"BitShift_{direction}_{kind.__name__}", "BitShift", {"x": x, "by": by}, {"direction": direction})
    x = f32(3, 7, scale=3)
    for alpha in (1.0, 0.3, 2.5):
        one(f"Celu_{alpha}", "Celu", {"x": x}, {"alpha": alpha}, rtol=1e-5, atol=1e-6)
    inf = np.full((3, 4), -np.inf, np.float32)
    inf[1, 2], inf[2] = 5, np.inf
    one("ReduceMax_infinite", "ReduceMax", {"x": inf}, {"axes": [1]})
    one("ReduceMax_infinite_columns", "ReduceMax", {"x": inf}, {"axes": [0], "keepdims": 0})
    one("ReduceMin_infinite", "ReduceMin", {"x": -inf}, {"axes": [1]})
    one("ReduceMax_all", "ReduceMax", {"x": f32(2, 3, 4)})
    one("ReduceMin_outer_and_inner", "ReduceMin", {"x": f32(2, 3, 4)}, {"axes": [0, 2]})
    for kind in (np.int8, np.uint8, np.int32, np.int64):
        one(f"ReduceMax_{kind.__name__}", "ReduceMax", {"x": rng.integers(0, 100, (3, 5)).astype(kind)}, {"axes": [-1]})
    one("ReduceLogSumExp_infinite", "ReduceLogSumExp", {"x": inf[:2]}, {"axes": [1]}, rtol=1e-6)
    for axis in (-1, 0, 1):
        one(f"OneHot_axis_{axis}", "OneHot", {"i": np.array([[0, 3, -1], [7, -5, 2]], np.int64), "v": f32(2)}, {"axis": axis},
            order=["i", "depth", "v"], constants={"depth": np.array([4], np.int64)})
    one("OneHot_float_indices", "OneHot", {"i": np.array([0, 1, 2], np.float32)}, order=["i", "depth", "v"],
        constants={"depth": np.float32(3), "v": np.array([0, 1], np.int32)})
    one("MatMul_vectors", "MatMul", {"a": f32(9), "b": f32(9)}, rtol=1e-6)
    one("MatMul_vector_matrix", "MatMul", {"a": f32(9), "b": f32(2, 9, 3)}, rtol=1e-5, atol=1e-6)
    words = np.array(["me@site.com", "www.site.com", "", "you@site.com\n"], object)
    one("RegexFullMatch", "RegexFullMatch", {"x": words}, {"pattern": r"\w+@(site|page)\.com"}, opset=20)
    one("RegexFullMatch_alternatives", "RegexFullMatch", {"x": np.array([["a", "ab"], ["b", "abc"]], object)}, {"pattern": "a|ab"}, opset=20)


def division():
    """A product with the reciprocal is one off in the last bit, which these see."""
    x = np.arange(1, 121, dtype=np.float32)
    tenth, whole = np.float32(0.1), np.float32(49)
    for op, made in (("Floor", {}), ("Ceil", {}), ("Cast", {"to": 7})):
        add(f"Div_{op}_by_constant", [("Div", ["x", "b"], ["q"], {}), (op, ["q"], ["y"], made)], {"x": x * whole}, ["y"], {"b": whole})
        add(f"Div_{op}", [("Div", ["x", "b"], ["q"], {}), (op, ["q"], ["y"], made)], {"x": x * tenth, "b": np.full(120, tenth)}, ["y"])
    add("Div_Round", [("Div", ["x", "b"], ["q"], {}), ("Round", ["q"], ["y"], {})], {"x": x * whole + whole / 2}, ["y"], {"b": whole})
    add("Div_Equal", [("Div", ["x", "b"], ["q"], {}), ("Equal", ["q", "n"], ["y"], {})], {"x": x * whole, "n": x}, ["y"], {"b": whole})
    add("Div_Transpose_Add_Floor",
        [("Div", ["x", "b"], ["q"], {}), ("Transpose", ["q"], ["t"], {}), ("Add", ["t", "c"], ["s"], {}), ("Floor", ["s"], ["y"], {})],
        {"x": (x * whole).reshape(3, 40)}, ["y"], {"b": whole, "c": np.float32(1)})
    add("Div_Mod", [("Div", ["x", "b"], ["q"], {}), ("Mod", ["q", "c"], ["y"], {"fmod": 1})], {"x": x * whole}, ["y"], {"b": whole, "c": np.float32(7)})
    add("Div_double_Floor", [("Div", ["x", "b"], ["q"], {}), ("Floor", ["q"], ["y"], {})],
        {"x": np.arange(1, 121) * 49.0, "b": np.full(120, 49.0)}, ["y"])


def group_query():
    """Prompt, token and chunk, with every option."""
    heads, kv, limit = 2, 1, 10
    order = ["q", "k", "v", "past_k", "past_v", "ends", "total", "cos", "sin", "positions", "bias", "sink"]
    angle = np.outer(np.arange(limit), 1 / 100 ** (np.arange(8) / 8))
    tables = {"cos": np.cos(angle).astype(np.float32), "sin": np.sin(angle).astype(np.float32)}

    def call(name, steps, past, options=None, packed=False, ends=None, feeds=None, constants=None, room=None, batch=2, size=16):
        total = past + steps
        wide, narrow = heads * size, kv * size
        fed = {"q": f32(batch, steps, wide + 2 * narrow)} if packed else {"q": f32(batch, steps, wide), "k": f32(batch, steps, narrow), "v": f32(batch, steps, narrow)}
        if past or room:
            fed |= {n: f32(batch, kv, room or past, size) for n in ("past_k", "past_v")}
        fed["ends"] = np.array([total - 1] * batch if ends is None else ends, np.int32)
        fed["total"] = np.array([total], np.int32)
        fed |= feeds or {}
        names = [n if n in fed or n in (constants or {}) else "" for n in order]
        while not names[-1]:
            names.pop()
        one(f"GroupQueryAttention_{name}", "GroupQueryAttention", fed, {"num_heads": heads, "kv_num_heads": kv, **(options or {})},
            ("y", "present_k", "present_v"), MS, names, constants=constants, rtol=1e-4, atol=1e-5)

    for name, steps, past in (("prompt", 4, 0), ("token", 1, 5)):
        call(f"{name}", steps, past)
        call(f"{name}_packed", steps, past, packed=True)
        call(f"{name}_rotary", steps, past, {"do_rotary": 1}, constants=tables)
        call(f"{name}_rotary_packed_interleaved", steps, past, {"do_rotary": 1, "rotary_interleaved": 1}, True, constants=tables)
        call(f"{name}_rotary_part", steps, past, {"do_rotary": 1}, constants=tables, size=32)
        call(f"{name}_window", steps, past, {"local_window_size": 3})
        call(f"{name}_softcap", steps, past, {"softcap": 2.0, "scale": 0.7})
        call(f"{name}_smooth", steps, past, {"smooth_softmax": 1})
        call(f"{name}_sink", steps, past, feeds={"sink": f32(heads)})
        call(f"{name}_bias", steps, past, feeds={"bias": f32(2, 1, steps, past + steps)})
        call(f"{name}_positions", steps, past, {"do_rotary": 1}, feeds={"positions": np.tile(np.arange(past, past + steps), (2, 1)) + 2}, constants=tables)
    call("chunk", 3, 4, batch=1)
    call("chunk_rotary", 3, 4, {"do_rotary": 1}, constants=tables, batch=1)
    call("token_ragged", 1, 5, {"do_rotary": 1}, ends=[5, 3], constants=tables)
    call("token_room", 1, 5, {"do_rotary": 1}, constants=tables, room=7)
    call("prompt_room", 4, 0, {"do_rotary": 1}, constants=tables, room=7)


def refused(name, op, feeds, error, attributes=None, opset=17, domain="", order=None, constants=None, outputs=("y",)):
    """`error`: a part of the message."""
    node = helper.make_node(op, list(feeds) if order is None else order, list(outputs), **({"domain": domain} if domain else {}), **(attributes or {}))
    proto = model([node], feeds, constants or {}, [], opset, [(domain, 1)] if domain else [])
    like = onnx_type(np.asarray(next(iter({**feeds, **(constants or {})}.values()))))
    proto.graph.output.extend(helper.make_tensor_value_info(o, like, None) for o in outputs)
    CASES.append({"name": name, "model": encoded(proto), "inputs": {n: elements(a) for n, a in feeds.items()}, "error": error})


def found():
    """What a comparison of every operator's forms with ONNX Runtime found."""
    x = f32(1, 2, 5, 6)
    near = dict(rtol=1e-4, atol=1e-5)
    for mode in ("constant", "edge", "reflect"):
        one(f"Pad_cuts_{mode}", "Pad", {"x": f32(4, 5)}, {"mode": mode}, order=["x", "p"], constants={"p": np.array([-1, 2, 0, -2])})
    one("Pad_cuts_10", "Pad", {"x": f32(4, 5)}, {"pads": [1, -2, -1, 0], "value": 3.0}, opset=10)
    for mode in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        one(f"ConvTranspose_output_shape_{mode}", "ConvTranspose", {"x": x}, {"output_shape": [10, 12], "strides": [2, 2], "auto_pad": mode},
            order=["x", "w", "b"], constants={"w": f32(2, 3, 3, 3), "b": f32(3)}, **near)
    for p in (1, 2, 3):
        one(f"GlobalLpPool_{p}", "GlobalLpPool", {"x": x}, {"p": p}, **near)
    one("Einsum_sum", "Einsum", {"x": f32(2, 3)}, {"equation": "ij->"}, **near)
    one("Einsum_dot", "Einsum", {"a": f32(2, 3), "b": f32(2, 3)}, {"equation": "ij, ij -> "}, **near)
    one("Equal_bool", "Equal", {"a": np.array([[True], [False]]), "b": np.array([True, False])})
    one("Slice_1_from_the_end", "Slice", {"x": f32(4, 5)}, {"starts": [1, -9], "ends": [-1, 99], "axes": [-1, 0]}, opset=9)
    for name, numbers in (("up", (1, 2, 0.3)), ("down", (2, -1, -0.4)), ("none", (2, 1, 0.5))):
        one(f"Range_float_{name}", "Range", {}, order=["a", "b", "c"], constants=dict(zip("abc", map(np.float32, numbers))), rtol=1e-6, atol=1e-6)
    for name, numbers in (("down", (5, 0, -2)), ("none", (0, 5, -2)), ("up", (-3, 4, 3))):
        one(f"Range_int_{name}", "Range", {}, order=["a", "b", "c"], constants=dict(zip("abc", map(np.int64, numbers))))
    one("ScatterND_from_the_end", "ScatterND", {"x": f32(3, 4), "u": f32(1, 4)}, order=["x", "i", "u"], constants={"i": np.array([[-1]])})
    one("ScatterND_from_the_end_computed", "ScatterND", {"x": f32(3, 4), "i": np.array([[-1], [0]]), "u": f32(2, 4)})
    one("MaxRoiPool", "MaxRoiPool", {"x": f32(1, 2, 8, 8), "r": np.array([[0, 1, 1, 6, 5], [0, 0, 0, 3, 7], [0, 9, 9, 9, 9]], np.float32)},
        {"pooled_shape": [2, 3], "spatial_scale": 0.9})
    states = ("y", "y_h", "y_c")
    for gates, op, outputs in ((4, "LSTM", states), (3, "GRU", states[:2])):
        w, r, b = f32(1, 3 * gates, 2), f32(1, 3 * gates, 3), f32(1, 6 * gates)
        usual = ["Sigmoid", "Tanh", "Tanh"] if op == "LSTM" else ["Sigmoid", "Tanh"]
        odd = ["HardSigmoid", "Relu", "Softsign"] if op == "LSTM" else ["HardSigmoid", "Softsign"]
        for name, functions in (("", usual), ("_activations", odd)):
            one(f"{op}_rows{name}", op, {"x": f32(4, 3, 2)}, {"hidden_size": 3, "activations": functions}, outputs,
                order=["x", "w", "r", "b"], constants={"w": w, "r": r, "b": b}, **near)
    one("LSTM_rows_without_output", "LSTM", {"x": f32(4, 3, 2)}, {"hidden_size": 3}, ("", "y_h"), order=["x", "w", "r"],
        constants={"w": f32(1, 12, 2), "r": f32(1, 12, 3)}, **near)
    ms = dict(domain=MS)
    one("CDist", "CDist", {"a": f32(3, 4), "b": f32(5, 4)}, {"metric": "euclidean"}, **ms, **near)
    one("Inverse", "Inverse", {"x": f32(2, 3, 3)}, **ms, **near)
    one("ExpandDims", "ExpandDims", {"x": f32(2, 3)}, order=["x", "a"], constants={"a": np.int32(-1)}, **ms)
    one("Trilu_contrib", "Trilu", {"x": f32(3, 4)}, {"upper": 0}, order=["x", "k"], constants={"k": np.int64(1)}, **ms)
    one("Range_contrib", "Range", {}, order=["a", "b"], constants={"a": np.int32(1), "b": np.int32(5)}, **ms)
    one("Unique_contrib", "Unique", {"x": np.array([3, 1, 3, 2], np.float32)}, None, ("y", "i", "n"), **ms)
    one("GridSample_contrib", "GridSample", {"x": x, "g": f32(1, 3, 4, 2, scale=0.8)}, {"mode": "bilinear"}, **ms, **near)
    i8 = lambda *shape: rng.integers(-127, 128, shape).astype(np.int8)
    weights = {"w": i8(1, 2, 12), "r": i8(1, 3, 12), "ws": np.array([0.01], np.float32), "wz": np.zeros(1, np.int8),
               "rs": np.array([0.01], np.float32), "rz": np.zeros(1, np.int8)}
    # ONNX Runtime quantises the activations as well.
    one("DynamicQuantizeLSTM", "DynamicQuantizeLSTM", {"x": f32(4, 3, 2)}, {"hidden_size": 3}, states,
        order=["x", "w", "r", "", "", "", "", "", "ws", "wz", "rs", "rz"], constants=weights, rtol=3e-2, atol=2e-2, **ms)
    for op in ("Div", "Mod"):
        refused(f"{op}_by_zero", op, {"a": np.array([7, 8]), "b": np.array([2, 0])}, "divides an integer by zero")


def by_data():
    """Shapes that an input's values, or what is found in it, decide."""
    x = f32(2, 4, 8)
    n, w = np.array([3, 2, 4, 8]), f32(3, 2, 8, 5)
    add("Expand_by_input_MatMul", [("Expand", ["x", "n"], ["e"], {}), ("MatMul", ["e", "w"], ["y"], {})], {"x": x, "n": n}, ["y"], {"w": w}, 1e-5, 1e-6)
    parts = [("Shape", ["x"], ["s"], {}), ("Concat", ["three", "s"], ["n"], {"axis": 0}), ("Expand", ["x", "n"], ["e"], {}),
             ("MatMul", ["e", "w"], ["y"], {})]
    add("Expand_by_shape_MatMul", parts, {"x": x}, ["y", "e"], {"w": w, "three": np.array([3])}, 1e-5, 1e-6)
    parts[3] = ("MatMul", ["e", "v"], ["y"], {})
    add("Expand_by_shape_MatMul_vector", parts, {"x": f32(1, 4, 6)}, ["y"], {"v": f32(6), "three": np.array([2])}, 1e-5, 1e-6)
    found = np.array([[0, 3, 0], [5, 0, 1]])
    add("NonZero_Shape", [("NonZero", ["x"], ["i"], {}), ("Shape", ["i"], ["y"], {})], {"x": found}, ["y"])
    add("NonZero_Shape_Gather", [("NonZero", ["x"], ["i"], {}), ("Shape", ["i"], ["s"], {}), ("Gather", ["s", "one"], ["n"], {"axis": 0}),
                                 ("Cast", ["n"], ["y"], {"to": 6}), ("Mul", ["n", "n"], ["z"], {})], {"x": found}, ["y", "z", "n"], {"one": np.int64(1)})
    add("Compress_Size", [("Compress", ["x", "c"], ["p"], {"axis": 1}), ("Size", ["p"], ["y"], {})], {"x": found, "c": np.array([True, False, True])}, ["y"])


def whole():
    """Products and powers of integers, and what is missing inputs."""
    for kind in (np.int64, np.uint32, np.uint64, np.int32):
        number = lambda *shape: rng.integers(0, 9, shape).astype(kind)
        a, b, v = number(2, 3), number(3, 4), number(3)
        for name, x, y in (("", a, b), ("_vector", v, b), ("_vectors", v, v), ("_batch", number(2, 2, 3), b), ("_broadcast", number(2, 1, 2, 3), number(5, 3, 4))):
            one(f"MatMul{name}_{kind.__name__}", "MatMul", {"a": x, "b": y})
        one(f"Mul_by_itself_{kind.__name__}", "Mul", {"a": a}, order=["a", "a"])
    wide = np.array([[2**62, 3], [-2**62, 5]], np.int64)
    one("MatMul_wraps_around", "MatMul", {"a": wide, "b": wide})
    for equation in ("ij,jk->ik", "ij,jk->", "ij,jk->kij"):
        one(f"Einsum_int64_{equation}", "Einsum", {"a": rng.integers(-5, 5, (2, 3)), "b": rng.integers(-5, 5, (3, 4))}, {"equation": equation})
    for kind in (np.int32, np.int64):
        for by in (2, 3):
            one(f"Pow_{kind.__name__}_{by}", "Pow", {"x": np.array([-3, 0, 7, 11], kind)}, order=["x", "by"], constants={"by": np.array(by, kind)})
    refused("LSTM_without_weights", "LSTM", {"x": f32(4, 3, 2)}, "needs 3")
    refused("Relu_of_nothing", "Relu", {"x": f32(3)}, "needs 1", order=[])
    refused("Trilu_of_a_vector", "Trilu", {"x": f32(3)}, "a matrix is needed")
    refused("DynamicQuantizeLSTM_without_weights", "DynamicQuantizeLSTM", {"x": f32(4, 3, 2)}, "has 1 inputs and needs 12", domain=MS)


def channels_last():
    """What ONNX Runtime makes of quantised models when it saves them optimised."""
    for kind in (np.uint8, np.int8):
        number = lambda *shape: rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, shape).astype(kind)
        x, zero = number(1, 6, 7, 4), kind(3)
        constants = {"xs": np.float32(0.02), "xz": zero, "w": rng.integers(-100, 100, (5, 4, 3, 3)).astype(np.int8), "ws": np.float32(0.01), "wz": np.int8(0),
                     "ys": np.float32(0.1), "yz": zero, "b": rng.integers(-500, 500, 5).astype(np.int32)}
        one(f"QLinearConv_channels_last_{kind.__name__}", "QLinearConv", {"x": x}, {"channels_last": 1, "pads": [1, 1, 1, 1], "strides": [2, 1]},
            order=["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], constants=constants, domain=MS, atol=1.0)
        for name, attributes in (("", {}), ("_pads", {"pads": [1, 0, 1, 1], "strides": [2, 2]})):
            one(f"NhwcMaxPool{name}_{kind.__name__}", "NhwcMaxPool", {"x": x}, {"kernel_shape": [3, 2], **attributes}, domain=MS)


def attention():
    """What com.microsoft's attention gives beside the result, and its rarer masks."""
    heads, near = 2, dict(rtol=1e-5, atol=1e-5)
    x = {k: f32(2, 3, 8) for k in "qkv"}
    masks = {"mask": np.array([[1, 1, 0], [0, 1, 1]], np.int32), "packed": np.array([3, 2, 0, 3, 5, 0, 3, 5], np.int32)}
    for name, mask, attributes in (("", None, {}), ("_mask", "mask", {}), ("_causal", None, {"unidirectional": 1}), ("_packed", "packed", {}),
                                   ("_causal_mask", "mask", {"unidirectional": 1})):
        feeds = {**x, **({"m": masks[mask]} if mask else {})}
        node = helper.make_node("MultiHeadAttention", ["q", "k", "v", "", "m" if mask else ""], ["y", "", "", "scores"], domain=MS, num_heads=heads, **attributes)
        proto = model([node], feeds, {}, [], 17, [(MS, 1)])
        proto.graph.output.extend(helper.make_tensor_value_info(o, 1, None) for o in ("y", "scores"))
        CASES.append(case(f"MultiHeadAttention_scores{name}", proto, feeds, **near))
    one("Attention_packed_mask", "Attention", {"x": f32(2, 3, 8), "m": masks["packed"]}, {"num_heads": heads}, order=["x", "w", "b", "m"],
        constants={"w": f32(8, 24), "b": f32(24)}, domain=MS, **near)


def ellipses():
    """What an ellipsis stands for in some terms only, and of no right side."""
    for equation, a, b in (("...hd,hde->...he", (2, 5, 3, 4), (3, 4, 2)), ("...d,de->...e", (2, 3, 4), (4, 5)), ("b...d,de->b...e", (2, 3, 5, 4), (4, 6)),
                           ("ij,...jk->...ik", (2, 3), (4, 3, 5)), ("...ij,...jk", (2, 3, 4), (2, 4, 5)), ("...i,i", (2, 3, 4), (4,)), ("...d,de->...", (2, 3, 4), (4, 5)),
                           ("...d,de->...e", (4,), (4, 5)), ("...ij,jk->...ik", (2, 2, 2, 3, 4), (4, 2))):
        one(f"Einsum_{equation}_of_{len(a)}", "Einsum", {"a": f32(*a), "b": f32(*b)}, {"equation": equation}, rtol=1e-5, atol=1e-6)
    one("Einsum_ellipsis_int64", "Einsum", {"a": rng.integers(-5, 5, (2, 3, 4)), "b": rng.integers(-5, 5, (4, 2))}, {"equation": "...i,ij->...j"})


def no_images():
    """A batch of none."""
    nothing = np.zeros((0, 2, 3, 4), np.float32)
    for mode in ("nearest", "linear", "cubic"):
        one(f"Resize_of_no_images_{mode}", "Resize", {"x": nothing}, {"mode": mode}, order=["x", "", "s"], constants={"s": np.array([1, 1, 2, 2], np.float32)})
        one(f"Resize_of_no_images_{mode}_sizes", "Resize", {"x": nothing}, {"mode": mode}, order=["x", "", "", "s"], constants={"s": np.array([0, 2, 6, 5])})


if __name__ == "__main__":
    plain()
    found()
    division()
    group_query()
    by_data()
    attention()
    whole()
    channels_last()
    ellipses()
    no_images()
    write("forms", CASES)
