"""Makes webgpu.json: operators that ONNX Runtime has on WebGPU only, and forms that the GPU's kernels tell apart.

`python make_webgpu.py` (needs numpy, onnx, onnxruntime). Where ONNX Runtime's CPU provider lacks the operator, the
answer is NumPy's, by the operator's definition."""
from math import erf

import numpy as np
from onnx import helper

from case import case, elements, encoded, model, typed, write

MS = "com.microsoft"
rng = np.random.default_rng(11)
CASES = []


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def node_model(op, feeds, constants, order, domain="", version=17, **attributes):
    node = helper.make_node(op, order, ["y"], domain=domain, **attributes)
    return model([node], feeds, constants, ["y"], version, [(MS, 1)])


def by_ort(name, op, feeds, constants, order, rtol=1e-4, atol=1e-5, **more):
    CASES.append(case(name, node_model(op, feeds, constants, order, **more), feeds, rtol, atol))


def by_numpy(name, op, feeds, constants, order, answer, rtol=1e-4, atol=1e-5, **more):
    proto = typed(node_model(op, feeds, constants, order, **more), [answer])
    inputs = {n: elements(a) for n, a in feeds.items()}
    CASES.append({"name": name, "model": encoded(proto), "inputs": inputs, "outputs": {"y": elements(answer)},
                  "rtol": rtol, "atol": atol})


def gelu(x):
    return (x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))).astype(np.float32)


def biased():
    x, bias, skip = f32(2, 3, 8), f32(8), f32(2, 3, 8)
    by_numpy("BiasAdd", "BiasAdd", {"x": x, "skip": skip}, {"bias": bias}, ["x", "bias", "skip"], x + bias + skip, domain=MS)
    left, right = np.split(x + bias, 2, axis=2)
    by_numpy("BiasSplitGelu", "BiasSplitGelu", {"x": x}, {"bias": bias}, ["x", "bias"], left * gelu(right), domain=MS)


def products():
    for name, a, b in [
        ("row", (1, 64), (64, 48)), ("rows", (5, 64), (64, 48)), ("odd", (7, 33), (33, 5)), ("large", (38, 48), (48, 68)),
        ("batch", (3, 9, 32), (3, 32, 20)), ("shared", (2, 3, 17, 24), (24, 28)), ("column", (40, 30), (30, 1)),
    ]:
        by_ort(f"MatMul_{name}", "MatMul", {"a": f32(*a)}, {"b": f32(*b)}, ["a", "b"])
        by_ort(f"MatMul_{name}_computed", "MatMul", {"a": f32(*a), "b": f32(*b)}, {}, ["a", "b"])


def integers():
    a = rng.integers(0, 256, (6, 40)).astype(np.uint8)
    for name, b in [("u8", rng.integers(0, 256, (40, 24)).astype(np.uint8)), ("i8", rng.integers(-128, 128, (40, 24)).astype(np.int8))]:
        zeros = {"az": np.uint8(121), "bz": b.dtype.type(7)}
        by_ort(f"MatMulInteger_{name}", "MatMulInteger", {"a": a}, {"b": b, **zeros}, ["a", "b", "az", "bz"])
        by_ort(f"MatMulInteger_{name}_computed", "MatMulInteger", {"a": a, "b": b}, zeros, ["a", "b", "az", "bz"])
        columns = {"az": np.uint8(121), "bz": rng.integers(0, 100, 24).astype(b.dtype)}
        by_ort(f"MatMulInteger_{name}_columns", "MatMulInteger", {"a": a}, {"b": b, **columns}, ["a", "b", "az", "bz"])
    # Sums beyond what float32 holds exactly.
    a, b = np.full((2, 300), 255, np.uint8), np.full((300, 4), 255, np.uint8)
    b[0, :] = [0, 1, 2, 3]
    by_ort("MatMulInteger_wide", "MatMulInteger", {"a": a}, {"b": b}, ["a", "b"])
    x = rng.integers(0, 256, (1, 6, 9, 9)).astype(np.uint8)
    w = rng.integers(-128, 128, (8, 6, 3, 3)).astype(np.int8)
    scales = {"xs": np.float32(0.02), "xz": np.uint8(119), "ys": np.float32(0.9), "yz": np.uint8(100)}
    for name, ws, wz in [("one", np.float32(0.03), np.int8(0)), ("channels", f32(8, scale=0.1) ** 2 + np.float32(0.01), np.zeros(8, np.int8))]:
        constants = {**scales, "w": w, "ws": ws, "wz": wz, "b": rng.integers(-500, 500, 8).astype(np.int32)}
        order = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
        by_ort(f"QLinearConv_{name}", "QLinearConv", {"x": x}, constants, order, atol=1, pads=[1, 1, 1, 1])


def convolutions():
    for name, x, w, more in [
        ("3x3", (1, 6, 13, 11), (10, 6, 3, 3), {"pads": [1] * 4}), ("3x3_wide", (1, 8, 11, 17), (12, 8, 3, 3), {"pads": [1] * 4}),
        ("3x3_step", (1, 6, 13, 11), (10, 6, 3, 3), {"pads": [1] * 4, "strides": [2, 2]}),
        ("5x5", (2, 3, 12, 12), (8, 3, 5, 5), {"pads": [2] * 4}), ("dilated", (1, 4, 14, 14), (9, 4, 3, 3), {"dilations": [2, 2]}),
        ("1x1", (1, 20, 9, 7), (12, 20, 1, 1), {}), ("1x1_step", (1, 8, 9, 9), (12, 8, 1, 1), {"strides": [2, 2]}),
        ("depthwise", (1, 8, 11, 9), (8, 1, 3, 3), {"group": 8, "pads": [1] * 4}),
        ("depthwise_5x5", (1, 7, 13, 12), (7, 1, 5, 5), {"group": 7, "pads": [2] * 4, "strides": [2, 2]}),
        ("depthwise_twice", (1, 6, 9, 9), (12, 1, 3, 3), {"group": 6}),
        ("groups", (1, 12, 7, 7), (24, 4, 3, 3), {"group": 3, "pads": [0, 1, 1, 0]}),
        ("line", (2, 5, 40), (6, 5, 7), {"pads": [3, 3]}), ("line_step", (1, 1, 200), (16, 1, 32), {"strides": [16]}),
        ("first", (1, 1, 28, 28), (8, 1, 5, 5), {"pads": [2] * 4}), ("last", (1, 9, 10, 10), (1, 9, 3, 3), {"pads": [1] * 4}),
    ]:
        constants = {"w": f32(*w, scale=0.3), "b": f32(w[0])}
        by_ort(f"Conv_{name}", "Conv", {"x": f32(*x)}, constants, ["x", "w", "b"], **more)
    by_ort("Conv_computed", "Conv", {"x": f32(1, 3, 8, 8), "w": f32(4, 3, 3, 3)}, {}, ["x", "w"])


def lookups():
    image, grid = f32(2, 3, 5, 6), (rng.random((2, 4, 7, 2)) * 3 - 1.5).astype(np.float32)
    for mode in ("bilinear", "nearest", "bicubic"):
        for outside in ("zeros", "border", "reflection"):
            # The engine's own bicubic lookup at a border is not ONNX Runtime's.
            for corners in (0, 1) if (mode, outside) != ("bicubic", "border") else ():
                by_ort(f"GridSample_{mode}_{outside}_{corners}", "GridSample", {"x": image, "grid": grid}, {}, ["x", "grid"],
                       mode=mode, padding_mode=outside, align_corners=corners)
    x = f32(2, 3, 4)
    for mode in ("constant", "edge", "reflect", "wrap"):
        pads = np.array([0, 2, 1, 1, 1, 3], np.int64)
        feeds, constants, order = {"x": x}, {"pads": pads}, ["x", "pads"]
        if mode == "constant":
            constants["fill"], order = np.float32(1.5), ["x", "pads", "fill"]
        by_ort(f"Pad_{mode}", "Pad", feeds, constants, order, mode=mode, version=19)


def norms():
    x = f32(2, 5, 12)
    by_ort("SimplifiedLayerNormalization", "SimplifiedLayerNormalization", {"x": x}, {"w": f32(12)}, ["x", "w"], epsilon=1e-5)
    by_ort("LayerNormalization_rows", "LayerNormalization", {"x": f32(2, 20, 48)}, {"w": f32(48), "b": f32(48)}, ["x", "w", "b"])
    by_ort("InstanceNormalization_planes", "InstanceNormalization", {"x": f32(2, 3, 20, 21)}, {"w": f32(3), "b": f32(3)}, ["x", "w", "b"])
    by_ort("Softmax_long", "Softmax", {"x": f32(3, 300)}, {}, ["x"])
    by_ort("Einsum", "Einsum", {"a": f32(2, 3, 4), "b": f32(2, 4, 5)}, {}, ["a", "b"], equation="bij,bjk->bik")
    by_ort("Softmax_many", "Softmax", {"x": f32(120, 6)}, {}, ["x"])


def transforms():
    # ONNX Runtime's is 1e-4 off where the length is no power of two.
    x = f32(2, 96, 1)
    y = np.fft.fft(x[..., 0].astype(np.float64), axis=1)
    by_numpy("DFT_96", "DFT", {"x": x}, {}, ["x"], np.stack([y.real, y.imag], -1).astype(np.float32), axis=1)
    by_ort("DFT_inverse", "DFT", {"x": f32(2, 60, 3, 2)}, {}, ["x"], axis=1, inverse=1, atol=1e-4)
    by_ort("DFT_onesided", "DFT", {"x": f32(3, 5, 1)}, {}, ["x"], axis=1, onesided=1, atol=1e-4)


def rows_that_begin_anywhere():
    by_ort("MatMul_fours_odd", "MatMul", {"a": f32(9, 64), "b": f32(64, 37)}, {}, ["a", "b"])
    by_ort("MatMul_fours_odd_batch", "MatMul", {"a": f32(3, 6, 32), "b": f32(3, 32, 3)}, {}, ["a", "b"])
    by_ort("Conv_1x1_many", "Conv", {"x": f32(2, 32, 13, 13)}, {"w": f32(24, 32, 1, 1, scale=0.3), "b": f32(24)}, ["x", "w", "b"])


def infinities():
    """What is smaller than every float, or larger."""
    x = np.array([[-np.inf, -np.inf, -np.inf], [1, -np.inf, 2], [np.inf, 3, np.inf]], np.float32)
    by_ort("ReduceMax_infinite", "ReduceMax", {"x": x}, {}, ["x"], axes=[1], keepdims=0)
    by_ort("ReduceMin_infinite", "ReduceMin", {"x": -x}, {}, ["x"], axes=[1], keepdims=0)
    by_ort("MaxPool_infinite", "MaxPool", {"x": x.reshape(1, 1, 3, 3)}, {}, ["x"], kernel_shape=[1, 2])


def scores():
    """Attention whose scores are more than all else together."""
    q, k, v = f32(1, 2, 40, 4), f32(1, 2, 4, 40), f32(1, 2, 40, 4)
    nodes = [helper.make_node("MatMul", ["q", "k"], ["s"]), helper.make_node("Mul", ["s", "by"], ["t"]),
             helper.make_node("Softmax", ["t"], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["y"])]
    feeds = {"q": q, "k": k, "v": v}
    CASES.append(case("Attention_scores", model(nodes, feeds, {"by": np.float32(0.5)}, ["y"]), feeds, 1e-4, 1e-5))


def remainders():
    """By what is no constant."""
    a, b = rng.integers(-50, 50, (3, 40)).astype(np.int32), rng.integers(1, 9, 40).astype(np.int32)
    by_ort("Mod_int32", "Mod", {"a": a, "b": b}, {}, ["a", "b"], fmod=1)
    by_ort("Mod_int32_floor", "Mod", {"a": a, "b": -b}, {}, ["a", "b"])
    by_ort("Mod_float", "Mod", {"a": f32(3, 40, scale=9), "b": f32(40)}, {}, ["a", "b"], fmod=1, atol=1e-4)
    by_ort("Div_int32", "Div", {"a": a, "b": b}, {}, ["a", "b"])


def placed():
    """Rows of other places in a cache than the first, and regions of every kind of sampling."""
    x = f32(2, 3, 9, 11)
    boxes = np.array([[0, 0, 4, 4], [1.5, 2.25, 9, 7.5], [-2, -3, 12, 10], [3, 3, 3.5, 3.25]], np.float32)
    at = np.array([0, 1, 1, 0], np.int64)
    for mode in ("avg", "max"):
        for sampling in (0, 2):
            for way in ("half_pixel", "output_half_pixel"):
                by_ort(f"RoiAlign_{mode}_{sampling}_{way}", "RoiAlign", {"x": x, "boxes": boxes, "at": at}, {}, ["x", "boxes", "at"],
                       mode=mode, sampling_ratio=sampling, output_height=3, output_width=4, spatial_scale=0.75,
                       coordinate_transformation_mode=way)


for make in (biased, products, integers, convolutions, lookups, norms, transforms, rows_that_begin_anywhere, infinities, scores,
             remainders, placed):
    make()
write("webgpu", CASES)
