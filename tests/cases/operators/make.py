"""Makes quantized.json and microsoft.json: `python make.py` (needs numpy, onnx, onnxruntime)."""
import numpy as np
from onnx import helper

from case import case, model, write

MS = "com.microsoft"
rng = np.random.default_rng(7)
QUANTIZED, MICROSOFT = [], []


def u8(*shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def s(value):
    return np.float32(value)


def zp(value, signed=False):
    return (np.int8 if signed else np.uint8)(value)


def add(family, name, op, feeds, constants, order, outputs=1, domain=MS, rtol=0.0, atol=0.0, version=17, **attributes):
    """`order`: the node's inputs by name, "" for one left out."""
    names = [f"y{i}" if o else "" for i, o in enumerate([1] * outputs if isinstance(outputs, int) else outputs)]
    node = helper.make_node(op, order, names, domain=domain, **attributes)
    proto = model([node], feeds, constants, [n for n in names if n], version, [(MS, 1)])
    try:
        family.append(case(name, proto, feeds, rtol, atol))
    except Exception as error:  # ONNX Runtime's CPU provider lacks some combinations.
        print("no reference:", name, str(error)[:300])


def quantized():
    q = QUANTIZED
    # Integer outputs may differ by one step where ONNX Runtime's kernel rounds a tie otherwise: atol says where.
    for op, name in (("QLinearAdd", "add"), ("QLinearMul", "mul")):
        for signed in (False, True):
            make = i8 if signed else u8
            zeros = [zp(v, signed) for v in ((-3, 5, 7) if signed else (120, 131, 110))]
            sc = (0.021, 0.017, 0.03) if name == "add" else (0.021, 0.017, 0.02)
            constants = dict(zip(("as", "az", "bs", "bz", "ys", "yz"),
                                 (s(sc[0]), zeros[0], s(sc[1]), zeros[1], s(sc[2]), zeros[2])))
            order = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
            add(q, f"{op}_{'i8' if signed else 'u8'}", op, {"a": make(2, 3, 4), "b": make(2, 3, 4)}, constants, order)
            add(q, f"{op}_broadcast_{'i8' if signed else 'u8'}", op, {"a": make(2, 3, 4), "b": make(3, 1)}, constants, order)
    unary = {"xs": s(0.04), "xz": zp(130), "ys": s(0.02), "yz": zp(60)}
    order = ["x", "xs", "xz", "ys", "yz"]
    add(q, "QLinearLeakyRelu", "QLinearLeakyRelu", {"x": u8(3, 40)}, unary, order, alpha=0.1)
    add(q, "QLinearLeakyRelu_i8", "QLinearLeakyRelu", {"x": i8(3, 40)},
        {"xs": s(0.04), "xz": zp(3, True), "ys": s(0.02), "yz": zp(-60, True)}, order)
    sig = {"xs": s(0.04), "xz": zp(130), "ys": s(1 / 256), "yz": zp(0)}
    add(q, "QLinearSigmoid", "QLinearSigmoid", {"x": u8(3, 40)}, sig, order)
    soft = {"xs": s(0.05), "xz": zp(130), "ys": s(1 / 256), "yz": zp(0)}
    add(q, "QLinearSoftmax", "QLinearSoftmax", {"x": u8(2, 3, 10)}, soft, order, opset=13, axis=-1, atol=1)
    add(q, "QLinearSoftmax_axis1", "QLinearSoftmax", {"x": u8(2, 6, 5)}, soft, order, opset=13, axis=1, atol=1)
    add(q, "QLinearSoftmax_12", "QLinearSoftmax", {"x": u8(2, 3, 4)}, soft, order, opset=12, atol=1)
    add(q, "QLinearConcat", "QLinearConcat", {"a": u8(2, 3), "b": u8(2, 2)},
        {"ys": s(0.03), "yz": zp(128), "as": s(0.02), "az": zp(120), "bs": s(0.03), "bz": zp(128)},
        ["ys", "yz", "a", "as", "az", "b", "bs", "bz"], axis=-1)
    # A scale under which no average lies halfway between two steps: there the order of adding decides.
    unary["ys"] = s(0.0237)
    add(q, "QLinearAveragePool", "QLinearAveragePool", {"x": u8(1, 2, 6, 7)}, unary, order, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    add(q, "QLinearAveragePool_pad_counts", "QLinearAveragePool", {"x": u8(1, 2, 6, 7)}, unary, order,
        kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    add(q, "QLinearAveragePool_channels_last", "QLinearAveragePool", {"x": u8(1, 6, 7, 2)}, unary, order, kernel_shape=[2, 2], channels_last=1)
    add(q, "QLinearGlobalAveragePool", "QLinearGlobalAveragePool", {"x": u8(2, 3, 5, 5)}, unary, order)
    add(q, "QLinearGlobalAveragePool_channels_last", "QLinearGlobalAveragePool", {"x": u8(2, 5, 4, 3)}, unary, order, channels_last=1)
    add(q, "QLinearWhere", "QLinearWhere", {"c": np.array([True, False, True, False]), "a": u8(4), "b": u8(3, 4)},
        {"as": s(0.02), "az": zp(100), "bs": s(0.03), "bz": zp(99), "ys": s(0.031), "yz": zp(80)},
        ["c", "a", "as", "az", "b", "bs", "bz", "ys", "yz"])

    conv = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "bias"]
    base = {"xs": s(0.02), "xz": zp(117), "ys": s(0.2), "yz": zp(101)}
    for name, w, ws, wz, attributes in (
        ("u8i8", i8(4, 3, 3, 3), s(0.01), zp(0, True), dict(pads=[1, 1, 1, 1])),
        ("u8u8", u8(4, 3, 3, 3), s(0.01), zp(128), dict(strides=[2, 2])),
        ("per_channel", i8(4, 3, 3, 3), np.array([0.01, 0.02, 0.005, 0.03], np.float32), np.zeros(4, np.int8), dict(pads=[1, 0, 1, 0])),
        ("group", i8(6, 1, 3, 3), s(0.02), zp(0, True), dict(group=3)),
        ("depthwise", i8(3, 1, 3, 3), np.array([0.01, 0.02, 0.03], np.float32), np.zeros(3, np.int8), dict(group=3, auto_pad="SAME_UPPER")),
        ("dilated", i8(4, 3, 2, 2), s(0.01), zp(0, True), dict(dilations=[2, 2])),
    ):
        bias = rng.integers(-2000, 2000, w.shape[0]).astype(np.int32)
        constants = {**base, "w": w, "ws": ws, "wz": wz, "bias": bias}
        add(q, f"QLinearConv_{name}", "QLinearConv", {"x": u8(2, 3, 7, 6)}, constants, conv, domain="", **attributes)
    constants = {**base, "w": i8(4, 3, 1, 1), "ws": s(0.02), "wz": zp(0, True)}
    add(q, "QLinearConv_1x1", "QLinearConv", {"x": u8(1, 3, 5, 5)}, constants, conv[:-1], domain="")
    add(q, "QLinearConv_i8", "QLinearConv", {"x": i8(1, 3, 5, 5)},
        {"xs": s(0.02), "xz": zp(-7, True), "ys": s(0.2), "yz": zp(11, True), "w": i8(4, 3, 3, 3), "ws": s(0.02), "wz": zp(0, True)}, conv[:-1], domain="")

    mm = ["a", "as", "az", "b", "bs", "bz", "ys", "yz"]
    constants = {"as": s(0.02), "az": zp(110), "b": i8(16, 5), "bs": s(0.01), "bz": zp(0, True), "ys": s(0.1), "yz": zp(128)}
    add(q, "QLinearMatMul", "QLinearMatMul", {"a": u8(3, 16)}, constants, mm, domain="")
    add(q, "QLinearMatMul_batch", "QLinearMatMul", {"a": u8(2, 3, 16)}, constants, mm, domain="")
    add(q, "QLinearMatMul_per_column", "QLinearMatMul", {"a": u8(3, 16)},
        {**constants, "bs": np.array([0.01, 0.02, 0.03, 0.005, 0.01], np.float32), "bz": np.array([0, 3, -4, 1, 2], np.int8)}, mm, domain="")
    gemm = ["a", "as", "az", "b", "bs", "bz", "c", "ys", "yz"]
    c = rng.integers(-3000, 3000, (5,)).astype(np.int32)
    constants = {"as": s(0.02), "az": zp(110), "b": i8(16, 5), "bs": s(0.01), "bz": zp(0, True), "c": c, "ys": s(0.1), "yz": zp(128)}
    add(q, "QGemm", "QGemm", {"a": u8(3, 16)}, constants, gemm)
    add(q, "QGemm_transposed", "QGemm", {"a": u8(16, 3)}, {**constants, "b": i8(5, 16)}, gemm, transA=1, transB=1, alpha=0.5)
    add(q, "QGemm_per_column_float", "QGemm", {"a": u8(3, 16)},
        {**constants, "bs": np.array([0.01, 0.02, 0.03, 0.005, 0.01], np.float32), "bz": np.zeros(5, np.int8)}, gemm[:7], rtol=1e-6)
    add(q, "QGemm_no_bias", "QGemm", {"a": u8(3, 16)}, constants, gemm[:6] + ["", "ys", "yz"])
    mif = ["a", "b", "as", "bs", "az", "bz", "bias"]
    constants = {"b": i8(16, 5), "as": s(0.02), "bs": s(0.01), "az": zp(110), "bz": zp(3, True), "bias": f32(5)}
    add(q, "MatMulIntegerToFloat", "MatMulIntegerToFloat", {"a": u8(2, 3, 16)}, constants, mif, rtol=1e-5, atol=1e-5)
    add(q, "MatMulIntegerToFloat_per_column", "MatMulIntegerToFloat", {"a": u8(3, 16)},
        {**constants, "bs": np.array([0.01, 0.02, 0.03, 0.005, 0.01], np.float32), "bz": np.array([0, 3, -4, 1, 2], np.int8)}, mif[:6], rtol=1e-5, atol=1e-5)
    add(q, "MatMulIntegerToFloat_plain", "MatMulIntegerToFloat", {"a": u8(3, 16)}, constants, mif[:4], rtol=1e-5, atol=1e-5)
    dyn = ["a", "b", "bs", "bz", "bias"]
    add(q, "DynamicQuantizeMatMul", "DynamicQuantizeMatMul", {"a": f32(3, 16)}, constants, dyn, rtol=1e-5, atol=1e-5)
    add(q, "DynamicQuantizeMatMul_per_column", "DynamicQuantizeMatMul", {"a": f32(2, 3, 16)},
        {**constants, "b": u8(16, 5), "bs": np.array([0.01, 0.02, 0.03, 0.005, 0.01], np.float32), "bz": np.array([120, 3, 4, 1, 2], np.uint8)}, dyn[:4], rtol=1e-5, atol=1e-5)
    add(q, "DynamicQuantizeMatMul_zeros", "DynamicQuantizeMatMul", {"a": np.zeros((2, 16), np.float32)}, constants, dyn, rtol=1e-5, atol=1e-5)


def linear():
    q = QUANTIZED
    order, y = ["x", "s", "z"], dict(domain="", version=21)
    x = f32(2, 6, 4, scale=3)
    # The scale is no power of two: a product with its reciprocal would be a step off here and there.
    wide = f32(400, scale=2)
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        zero = dtype(100 if dtype != np.int8 else -7)
        add(q, f"QuantizeLinear_{dtype.__name__}", "QuantizeLinear", {"x": wide}, {"s": s(0.0371), "z": zero}, order, **y)
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max + 1, (3, 5)).astype(dtype)
        add(q, f"DequantizeLinear_{dtype.__name__}", "DequantizeLinear", {"x": values}, {"s": s(0.0371), "z": zero}, order, rtol=1e-6, **y)
    halves = ((np.arange(-120, 120) + 0.5) * 0.0371).astype(np.float32)
    add(q, "QuantizeLinear_halves", "QuantizeLinear", {"x": halves}, {"s": s(0.0371), "z": zp(128)}, order, **y)
    add(q, "QuantizeLinear_halves_axis", "QuantizeLinear", {"x": halves.reshape(120, 2)}, {"s": np.array([0.0371, 0.0742], np.float32), "z": np.array([128, 99], np.uint8)}, order, **y)
    add(q, "QuantizeLinear_no_zero", "QuantizeLinear", {"x": x}, {"s": s(0.05)}, order[:2], **y)
    add(q, "QuantizeLinear_output", "QuantizeLinear", {"x": x}, {"s": s(0.05)}, order[:2], output_dtype=5, **y)
    add(q, "QuantizeLinear_computed", "QuantizeLinear", {"x": x, "s": np.array(0.0371, np.float32), "z": np.array(3, np.int8)}, {}, order, **y)
    scales, zeros = np.array([0.05, 0.1, 0.02, 0.3, 0.07, 0.01], np.float32), np.array([0, 3, 100, 200, 17, 9], np.uint8)
    add(q, "QuantizeLinear_axis", "QuantizeLinear", {"x": x}, {"s": scales, "z": zeros}, order, axis=1, **y)
    add(q, "QuantizeLinear_axis_13", "QuantizeLinear", {"x": x}, {"s": scales, "z": zeros}, order, axis=-2, domain="", version=13)
    add(q, "QuantizeLinear_axis_computed", "QuantizeLinear", {"x": x, "s": scales, "z": zeros}, {}, order, axis=1, **y)
    add(q, "QuantizeLinear_float16", "QuantizeLinear", {"x": x.astype(np.float16)}, {"s": np.float16(0.0625), "z": zp(3)}, order, **y)
    add(q, "QuantizeLinear_microsoft", "QuantizeLinear", {"x": wide}, {"s": s(0.0371), "z": zp(9)}, order)
    add(q, "DequantizeLinear_axis", "DequantizeLinear", {"x": u8(2, 6, 4)}, {"s": scales, "z": zeros}, order, axis=1, rtol=1e-6, **y)
    add(q, "DequantizeLinear_axis_computed", "DequantizeLinear", {"x": u8(2, 6, 4), "s": scales, "z": zeros}, {}, order, axis=-2, rtol=1e-6, **y)
    add(q, "DequantizeLinear_int32", "DequantizeLinear", {"x": np.array([2**24 + 1, -5, 2**30 + 7], np.int32)}, {"s": s(0.5)}, order[:2], rtol=1e-6, **y)
    add(q, "DequantizeLinear_float16", "DequantizeLinear", {"x": u8(5)}, {"s": np.float16(0.125), "z": zp(3)}, order, rtol=1e-3, **y)
    add(q, "DequantizeLinear_microsoft", "DequantizeLinear", {"x": u8(5)}, {"s": s(0.3), "z": zp(3)}, order, rtol=1e-6)
    for axis, shape in ((1, (2, 3, 4)), (2, (2, 6, 2))):
        constants = {"s": np.abs(f32(*shape)) + s(0.01), "z": u8(*shape)}
        add(q, f"QuantizeLinear_blocked_{axis}", "QuantizeLinear", {"x": x}, constants, order, axis=axis, block_size=2, **y)
        add(q, f"DequantizeLinear_blocked_{axis}", "DequantizeLinear", {"x": u8(2, 6, 4)}, constants, order, axis=axis, block_size=2, rtol=1e-6, **y)
    constants = {"s": np.abs(f32(2, 2, 4)) + s(0.01), "z": u8(2, 2, 4)}
    add(q, "DequantizeLinear_blocked_rest", "DequantizeLinear", {"x": u8(2, 5, 4)}, constants, order, axis=1, block_size=3, rtol=1e-6, **y)
    import ml_dtypes
    for dtype in (ml_dtypes.int4, ml_dtypes.uint4):
        codes = np.arange(15).reshape(3, 5) - (8 if dtype is ml_dtypes.int4 else 0)
        constants = {"x": codes.astype(dtype), "s": np.array([0.1, 0.2, 0.3], np.float32), "z": np.array([1, 2, 3]).astype(dtype)}
        nodes = [helper.make_node("DequantizeLinear", order, ["d"], axis=0), helper.make_node("Add", ["d", "a"], ["y"])]
        feeds = {"a": f32(3, 5)}
        q.append(case(f"DequantizeLinear_{dtype.__name__}_constants", model(nodes, feeds, constants, ["y"], 21), feeds, rtol=1e-6))


def microsoft():
    m = MICROSOFT
    near = dict(rtol=1e-4, atol=1e-5)
    x, w, b = f32(1, 3, 6, 5), f32(4, 3, 3, 3), f32(4)
    for activation, parameters in (("Relu", None), ("Tanh", None), ("Sigmoid", None), ("LeakyRelu", [0.2]),
                                   ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.3, 0.4])):
        attributes = {"activation": activation, "pads": [1, 1, 1, 1]}
        if parameters:
            attributes["activation_params"] = parameters
        add(m, f"FusedConv_{activation}", "FusedConv", {"x": x}, {"w": w, "b": b}, ["x", "w", "b"], **near, **attributes)
    add(m, "FusedConv_sum", "FusedConv", {"x": x, "z": f32(1, 4, 4, 3)}, {"w": w, "b": b}, ["x", "w", "b", "z"], activation="Relu", **near)
    add(m, "FusedConv_no_bias", "FusedConv", {"x": x}, {"w": w}, ["x", "w"], strides=[2, 1], **near)
    add(m, "FusedGemm", "FusedGemm", {"a": f32(3, 4)}, {"b": f32(4, 5), "c": f32(5)}, ["a", "b", "c"], alpha=0.5, beta=2.0, activation="Relu", **near)
    add(m, "FusedGemm_leaky", "FusedGemm", {"a": f32(4, 3)}, {"b": f32(5, 4)}, ["a", "b"], transA=1, transB=1,
        activation="LeakyRelu", activation_alpha=0.3, **near)
    for name, a, c, attributes in (
        ("plain", f32(2, 3, 4), f32(4, 5), dict(alpha=0.25)),
        ("transA", f32(2, 4, 3), f32(2, 4, 5), dict(transA=1)),
        ("transB", f32(2, 3, 4), f32(5, 4), dict(transB=1)),
        ("both", f32(2, 2, 4, 3), f32(2, 2, 5, 4), dict(transA=1, transB=1, alpha=2.0)),
        ("transBatchA", f32(3, 2, 2, 4), f32(2, 2, 4, 5), dict(transBatchA=1)),
        ("transBatchB", f32(2, 3, 4), f32(4, 2, 5), dict(transBatchB=1)),
        ("transBatchA_transA", f32(4, 2, 3), f32(2, 4, 5), dict(transBatchA=1, transA=1)),
        ("vector", f32(4), f32(2, 4, 5), dict()),
    ):
        add(m, f"FusedMatMul_{name}", "FusedMatMul", {"a": a, "b": c}, {}, ["a", "b"], **near, **attributes)

    for bits in (2, 4, 8):
        for block, k, n in ((16, 40, 6), (32, 64, 5), (64, 100, 3), (128, 128, 3)):
            if bits == 2 and (block == 16 or k % block):
                continue
            if bits == 8 and k % block:
                continue
            blocks = -(-k // block)
            weights = u8(n, blocks, block * bits // 8)
            constants = {"b": weights, "s": np.abs(f32(n * blocks, scale=0.01)) + s(0.001), "z": u8(n * -(-blocks * bits // 8)), "c": f32(n)}
            for name, order in (("", ["a", "b", "s"]), ("_zeros", ["a", "b", "s", "z"])):
                for rows in ((1,), (2, 3)):
                    label = f"MatMulNBits_{bits}_{block}x{k}{name}_{len(rows)}"
                    add(m, label, "MatMulNBits", {"a": f32(*rows, k)}, constants, order, K=k, N=n, bits=bits, block_size=block, **near)
    k, n, block = 64, 5, 16
    constants = {"b": u8(n, 4, 8), "s": np.abs(f32(n * 4, scale=0.01)), "z": f32(n * 4, scale=4) + s(8), "c": f32(n)}
    add(m, "MatMulNBits_float_zeros", "MatMulNBits", {"a": f32(6, k)}, constants, ["a", "b", "s", "z"], K=k, N=n, bits=4, block_size=block, **near)
    add(m, "MatMulNBits_bias", "MatMulNBits", {"a": f32(6, k)}, constants, ["a", "b", "s", "", "", "c"], K=k, N=n, bits=4, block_size=block, **near)
    groups = (np.arange(k) % 4).astype(np.int32)
    add(m, "MatMulNBits_groups", "MatMulNBits", {"a": f32(6, k)}, {**constants, "g": groups}, ["a", "b", "s", "", "g"], K=k, N=n, bits=4, block_size=block, **near)

    at = np.array([[0, 3], [5, -1]], np.int64)
    for bits, block, width in ((4, 16, 32), (4, 32, 64), (4, 128, 128), (8, 32, 64)):
        table, scales = u8(6, width * bits // 8), np.abs(f32(6, width // block, scale=0.1))
        zeros = u8(6, -(-(width // block) * bits // 8))
        for name, order in (("", ["t", "i", "s"]), ("_zeros", ["t", "i", "s", "z"])):
            add(m, f"GatherBlockQuantized_{bits}_{block}{name}", "GatherBlockQuantized", {"i": at}, {"t": table, "s": scales, "z": zeros}, order,
                bits=bits, block_size=block, gather_axis=0, quantize_axis=1, **near)

    hidden, heads, length = 8, 2, 5
    x = f32(2, length, hidden)
    constants = {"w": f32(hidden, 3 * hidden, scale=0.5), "b": f32(3 * hidden), "past": f32(2, 2, heads, 3, 4)}
    order = ["x", "w", "b"]
    ends = np.array([3, 5], np.int32)
    add(m, "Attention", "Attention", {"x": x}, constants, order, num_heads=heads, **near)
    add(m, "Attention_causal", "Attention", {"x": x}, constants, order, num_heads=heads, unidirectional=1, **near)
    add(m, "Attention_scale", "Attention", {"x": x}, constants, order, num_heads=heads, scale=0.2, **near)
    add(m, "Attention_ends", "Attention", {"x": x, "m": ends}, constants, order + ["m"], num_heads=heads, **near)
    add(m, "Attention_ends_starts", "Attention", {"x": x, "m": np.array([3, 5, 1, 2], np.int32)}, constants, order + ["m"], num_heads=heads, **near)
    add(m, "Attention_keys", "Attention", {"x": x, "m": np.array([[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], np.int32)}, constants, order + ["m"], num_heads=heads, **near)
    add(m, "Attention_keys_causal", "Attention", {"x": x, "m": np.array([[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], np.int32)}, constants, order + ["m"],
        num_heads=heads, unidirectional=1, **near)
    add(m, "Attention_queries_keys", "Attention", {"x": x, "m": rng.integers(0, 2, (2, length, length)).astype(np.int32)}, constants, order + ["m"], num_heads=heads, **near)
    add(m, "Attention_past", "Attention", {"x": x}, constants, order + ["", "past"], outputs=2, num_heads=heads, unidirectional=1, **near)
    add(m, "Attention_bias", "Attention", {"x": x, "r": f32(1, heads, length, length)}, constants, order + ["", "", "r"], num_heads=heads, **near)
    add(m, "Attention_present", "Attention", {"x": x}, constants, order, outputs=2, num_heads=heads, **near)
    add(m, "Attention_sizes", "Attention", {"x": x}, {"w": f32(hidden, 8 + 8 + 4), "b": f32(20)}, order, num_heads=heads, qkv_hidden_sizes=[8, 8, 4], **near)

    constants = {"w": i8(hidden, 3 * hidden), "b": f32(3 * hidden), "xs": s(0.01), "ws": s(0.02), "xz": zp(120), "wz": zp(0, True)}
    order = ["x", "w", "b", "xs", "ws"]
    qx = u8(2, length, hidden)
    add(m, "QAttention", "QAttention", {"x": qx}, constants, order + ["", "xz", "wz"], num_heads=heads, **near)
    add(m, "QAttention_mask_causal", "QAttention", {"x": qx, "m": ends}, constants, order + ["m", "xz", "wz"], num_heads=heads, unidirectional=1, **near)
    add(m, "QAttention_per_column", "QAttention", {"x": qx}, {**constants, "ws": np.abs(f32(3 * hidden, scale=0.02)), "wz": np.zeros(3 * hidden, np.int8)},
        order + ["", "xz", "wz"], num_heads=heads, **near)

    q, k, v = f32(2, 3, hidden), f32(2, length, hidden), f32(2, length, hidden)
    add(m, "MultiHeadAttention", "MultiHeadAttention", {"q": q, "k": k, "v": v}, {}, ["q", "k", "v"], num_heads=heads, **near)
    add(m, "MultiHeadAttention_bias", "MultiHeadAttention", {"q": q, "k": k, "v": v}, {"b": f32(24)}, ["q", "k", "v", "b"], num_heads=heads, **near)
    add(m, "MultiHeadAttention_mask", "MultiHeadAttention", {"q": q, "k": k, "v": v, "m": np.array([[1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], np.int32)}, {},
        ["q", "k", "v", "", "m"], num_heads=heads, **near)
    add(m, "MultiHeadAttention_attention_bias", "MultiHeadAttention", {"q": q, "k": k, "v": v, "r": f32(2, heads, 3, length)}, {},
        ["q", "k", "v", "", "", "r"], num_heads=heads, scale=0.3, **near)
    add(m, "MultiHeadAttention_past", "MultiHeadAttention", {"q": q, "k": f32(2, 3, hidden), "v": f32(2, 3, hidden), "pk": f32(2, heads, 2, 4), "pv": f32(2, heads, 2, 4)}, {},
        ["q", "k", "v", "", "", "", "pk", "pv"], outputs=3, num_heads=heads, **near)
    add(m, "MultiHeadAttention_causal", "MultiHeadAttention", {"q": k, "k": k, "v": v}, {}, ["q", "k", "v"], num_heads=heads, unidirectional=1, **near)
    add(m, "MultiHeadAttention_key_heads", "MultiHeadAttention", {"q": q, "k": f32(2, heads, length, 4), "v": f32(2, heads, length, 4)}, {}, ["q", "k", "v"], num_heads=heads, **near)

    ids = np.array([[1, 5, 2, 0], [3, 3, 9, 7]], np.int32)
    segments, mask = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], np.int32), np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    constants = {"w": f32(10, hidden), "p": f32(6, hidden), "sw": f32(2, hidden), "gamma": f32(hidden), "beta": f32(hidden)}
    order = ["i", "seg", "w", "p", "sw", "gamma", "beta"]
    add(m, "EmbedLayerNormalization", "EmbedLayerNormalization", {"i": ids, "seg": segments, "m": mask}, constants, order + ["m"], outputs=2, **near)
    add(m, "EmbedLayerNormalization_plain", "EmbedLayerNormalization", {"i": ids}, constants, ["i", "", "w", "p", "", "gamma", "beta"], outputs=2, epsilon=1e-5, **near)
    add(m, "EmbedLayerNormalization_sum", "EmbedLayerNormalization", {"i": ids, "seg": segments, "m": mask, "at": np.array([[3, 2, 1, 0]], np.int32)},
        constants, order + ["m", "at"], outputs=3, **near)

    half = {n: a.astype(np.float16) if a.dtype == np.float32 else a for n, a in {"b": u8(5, 4, 8), "s": np.abs(f32(20, scale=0.05)), "g": f32(hidden)}.items()}
    add(m, "MatMulNBits_float16", "MatMulNBits", {"a": f32(6, 64).astype(np.float16)}, half, ["a", "b", "s"], K=64, N=5, bits=4, block_size=16, rtol=1e-2, atol=1e-2)
    add(m, "SkipLayerNormalization_float16", "SkipLayerNormalization", {"x": f32(2, 3, hidden).astype(np.float16), "y": f32(2, 3, hidden).astype(np.float16)}, half,
        ["x", "y", "g"], rtol=1e-2, atol=5e-3)

    x = f32(2, 3, hidden)
    add(m, "Gelu", "Gelu", {"x": x}, {}, ["x"], **near)
    add(m, "BiasGelu", "BiasGelu", {"x": x}, {"b": f32(hidden)}, ["x", "b"], **near)
    add(m, "FastGelu", "FastGelu", {"x": x}, {}, ["x"], rtol=1e-3, atol=1e-4)
    add(m, "FastGelu_bias", "FastGelu", {"x": x}, {"b": f32(hidden)}, ["x", "b"], rtol=1e-3, atol=1e-4)
    add(m, "QuickGelu", "QuickGelu", {"x": x}, {}, ["x"], alpha=1.5, **near)
    norm = {"gamma": f32(hidden), "beta": f32(hidden), "b": f32(hidden)}
    add(m, "SkipLayerNormalization", "SkipLayerNormalization", {"x": x, "y": f32(2, 3, hidden)}, norm, ["x", "y", "gamma", "beta", "b"], outputs=[1, 0, 0, 1], **near)
    add(m, "SkipLayerNormalization_plain", "SkipLayerNormalization", {"x": x, "y": f32(2, 3, hidden)}, norm, ["x", "y", "gamma"], epsilon=1e-3, **near)
    add(m, "SkipLayerNormalization_no_beta", "SkipLayerNormalization", {"x": x, "y": f32(1, 3, hidden)}, norm, ["x", "y", "gamma", "", "b"], **near)
    add(m, "SkipSimplifiedLayerNormalization_plain", "SkipSimplifiedLayerNormalization", {"x": x * s(1e-3), "y": x * s(1e-3)}, norm, ["x", "y", "gamma"], epsilon=1e-6, **near)
    add(m, "SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", {"x": x, "y": f32(2, 3, hidden)}, norm, ["x", "y", "gamma", "b"], outputs=[1, 0, 0, 1], **near)


def importer():
    """Operators of com.microsoft that the importer has: its answers are checked like ours."""
    m, near = MICROSOFT, dict(rtol=1e-4, atol=1e-5)
    cos, sin = np.cos(np.arange(20).reshape(10, 2) / 3).astype(np.float32), np.sin(np.arange(20).reshape(10, 2) / 3).astype(np.float32)
    tables = {"c": cos, "s": sin}
    order = ["x", "p", "c", "s"]
    add(m, "RotaryEmbedding", "RotaryEmbedding", {"x": f32(2, 3, 8), "p": np.array([[0, 1, 2], [4, 5, 6]], np.int64)}, tables, order, num_heads=2, **near)
    add(m, "RotaryEmbedding_4d", "RotaryEmbedding", {"x": f32(2, 2, 3, 4), "p": np.array([[0, 1, 2], [4, 5, 6]], np.int64)}, tables, order, **near)
    add(m, "RotaryEmbedding_offset", "RotaryEmbedding", {"x": f32(2, 2, 3, 4), "p": np.array([3], np.int64)}, tables, order, **near)
    add(m, "RotaryEmbedding_interleaved", "RotaryEmbedding", {"x": f32(2, 2, 3, 4), "p": np.array([[0, 1, 2], [4, 5, 6]], np.int64)}, tables, order, interleaved=1, **near)
    add(m, "RotaryEmbedding_partial", "RotaryEmbedding", {"x": f32(2, 2, 3, 8), "p": np.array([[0, 1, 2], [4, 5, 6]], np.int64)}, tables, order, num_heads=2, rotary_embedding_dim=4, **near)
    gqa = ["q", "k", "v", "pk", "pv", "seq", "total"]
    for name, length, past, extra in (("prefill", 4, 0, {}), ("decode", 1, 5, {}), ("scale", 4, 0, dict(scale=0.3)), ("window", 6, 0, dict(local_window_size=3)),
                                      ("rotary", 4, 0, dict(do_rotary=1)), ("rotary_decode", 1, 3, dict(do_rotary=1))):
        feeds = {"q": f32(2, length, 64), "k": f32(2, length, 32), "v": f32(2, length, 32), "pk": f32(2, 2, past, 16), "pv": f32(2, 2, past, 16),
                 "seq": np.array([length + past - 1] * 2, np.int32), "total": np.array(length + past, np.int32)}
        constants = {"c": np.cos(np.arange(48).reshape(6, 8) / 7).astype(np.float32), "s": np.sin(np.arange(48).reshape(6, 8) / 7).astype(np.float32)} if "do_rotary" in extra else {}
        add(m, f"GroupQueryAttention_{name}", "GroupQueryAttention", feeds, constants, gqa + (["c", "s"] if constants else []), outputs=3,
            num_heads=4, kv_num_heads=2, **extra, **near)


if __name__ == "__main__":
    quantized()
    linear()
    write("quantized", QUANTIZED)
    microsoft()
    importer()
    write("microsoft", MICROSOFT)
