"""Makes tflite.json: `python make_tflite.py` (needs what case.py needs, flatbuffers, and ai-edge-litert, whose reference
kernels give the wanted numbers)."""
import base64

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from case import elements, write

rng = np.random.default_rng(11)
CASES = []
OP = schema.BuiltinOperator
TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int8": 9}
RELU, RELU6 = 1, 3
SAME, VALID = 0, 1


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def i32(*values):
    return np.array(values, np.int32)


class Model:
    """A graph of one operator after another; tensors are made as they are named."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, "nearside tests"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(self, name, dtype, shape, data=None, q=None):
        """`q`: (scales, zero points, axis)."""
        t = schema.TensorT()
        t.name, t.type, t.shape, t.buffer = name, TYPES[dtype], list(shape), 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        if q is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale = list(np.atleast_1d(q[0]).astype(float))
            t.quantization.zeroPoint = list(np.atleast_1d(q[1]).astype(int))
            t.quantization.quantizedDimension = q[2] if len(q) > 2 else 0
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def op(self, code, inputs, outputs, kind=None, custom=None, **options):
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
        entry.customCode = custom
        self.model.operatorCodes.append(entry)
        o = schema.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if kind:
            o.builtinOptions = getattr(schema, f"{kind}T")()
            o.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            for key, value in options.items():
                assert hasattr(o.builtinOptions, key), key
                setattr(o.builtinOptions, key, value)
        self.graph.operators.append(o)

    def bytes(self, inputs, outputs):
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def case(name, data, feeds, rtol=0.0, atol=0.0, error=None):
    entry = {"name": name, "model": base64.b64encode(data).decode(), "inputs": {n: elements(a) for n, a in feeds.items()}}
    if error:
        CASES.append(entry | {"inputs": {}, "error": error})
        return
    try:
        outputs = reference(data, feeds)
    except Exception as cause:
        print("no reference:", name, str(cause)[:200])
        return
    CASES.append(entry | {"outputs": outputs, "rtol": rtol, "atol": atol})


def reference(data, feeds):
    # The reference kernels: the optimised ones of some operators round otherwise on some machines.
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    for d in interpreter.get_input_details():
        interpreter.set_tensor(d["index"], feeds[d["name"]])
    interpreter.invoke()
    return {d["name"]: elements(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()}


def one(name, code, x, out, kind=None, constants=(), outputs=1, out_type="float32", rtol=1e-5, atol=1e-6, **options):
    """One float operator with an input `x` (or several in a tuple), then constants."""
    m = Model()
    xs = x if isinstance(x, tuple) else (x,)
    ins = [m.tensor(f"x{i}", str(v.dtype), v.shape) for i, v in enumerate(xs)]
    more = [-1 if c is None else m.tensor(f"c{i}", str(c.dtype), c.shape, c) for i, c in enumerate(constants)]
    outs = [m.tensor(f"y{i}", out_type, out) for i in range(outputs)]
    order = options.pop("order", None)
    every = ins + more
    m.op(code, [every[i] for i in order] if order else every, outs, kind, **options)
    case(name, m.bytes(ins, outs), {f"x{i}": v for i, v in enumerate(xs)}, rtol, atol)


def floats():
    image = f32(1, 6, 7, 4)
    w, b = f32(5, 3, 3, 4, scale=0.3), f32(5)
    conv = dict(kind="Conv2DOptions", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    one("CONV_2D_same_relu6", OP.CONV_2D, image, (1, 6, 7, 5), constants=(w, b), **conv | dict(padding=SAME, fusedActivationFunction=RELU6))
    one("CONV_2D_valid_strides", OP.CONV_2D, image, (1, 2, 3, 5), constants=(w, b), **conv | dict(padding=VALID, strideW=2, strideH=2))
    one("CONV_2D_same_strides", OP.CONV_2D, image, (1, 3, 4, 5), constants=(w, b), **conv | dict(padding=SAME, strideW=2, strideH=2))
    one("CONV_2D_dilated", OP.CONV_2D, image, (1, 2, 3, 5), constants=(w, b), **conv | dict(padding=VALID, dilationWFactor=2, dilationHFactor=2))
    dw = dict(kind="DepthwiseConv2DOptions", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    one("DEPTHWISE_CONV_2D", OP.DEPTHWISE_CONV_2D, image, (1, 6, 7, 4), constants=(f32(1, 3, 3, 4), f32(4)), **dw | dict(padding=SAME, depthMultiplier=1))
    one("DEPTHWISE_CONV_2D_multiplier", OP.DEPTHWISE_CONV_2D, image, (1, 3, 4, 8), constants=(f32(1, 3, 3, 8), f32(8)),
        **dw | dict(padding=SAME, depthMultiplier=2, strideW=2, strideH=2, fusedActivationFunction=RELU))
    for padding, out in ((SAME, (1, 12, 14, 3)), (VALID, (1, 13, 15, 3))):
        one(f"TRANSPOSE_CONV_{'same' if padding == SAME else 'valid'}", OP.TRANSPOSE_CONV, image, out, "TransposeConvOptions",
            constants=(i32(*out), f32(3, 3, 3, 4)), order=[1, 2, 0], padding=padding, strideW=2, strideH=2)
    pool = dict(kind="Pool2DOptions", strideW=2, strideH=2, filterWidth=3, filterHeight=2)
    for code, word in ((OP.AVERAGE_POOL_2D, "AVERAGE"), (OP.MAX_POOL_2D, "MAX")):
        one(f"{word}_POOL_2D_same", code, image, (1, 3, 4, 4), padding=SAME, **pool)
        one(f"{word}_POOL_2D_valid", code, image, (1, 3, 3, 4), padding=VALID, **pool)
    for flags in ({}, {"alignCorners": True}, {"halfPixelCenters": True}):
        word = "_".join(flags) or "plain"
        one(f"RESIZE_BILINEAR_{word}", OP.RESIZE_BILINEAR, image, (1, 9, 11, 4), "ResizeBilinearOptions", constants=(i32(9, 11),), **flags)
        one(f"RESIZE_NEAREST_{word}", OP.RESIZE_NEAREST_NEIGHBOR, image, (1, 9, 11, 4), "ResizeNearestNeighborOptions", constants=(i32(9, 11),), **flags)
    one("FULLY_CONNECTED", OP.FULLY_CONNECTED, f32(2, 3, 4), (6, 5), "FullyConnectedOptions", constants=(f32(5, 4), f32(5)), fusedActivationFunction=RELU)
    one("FULLY_CONNECTED_keep_no_bias", OP.FULLY_CONNECTED, f32(2, 3, 4), (2, 3, 5), "FullyConnectedOptions", constants=(f32(5, 4), None), keepNumDims=True)
    x = f32(2, 3, 4)
    for word in ("ABS", "CEIL", "COS", "EXP", "FLOOR", "HARD_SWISH", "LOGISTIC", "NEG", "RELU", "RELU6", "RELU_N1_TO_1", "ROUND", "SIN", "TANH", "ELU", "SIGN"):
        one(word, getattr(OP, word), x * 3, x.shape)
    for word in ("LOG", "SQRT", "RSQRT", "SQUARE"):
        one(word, getattr(OP, word), np.abs(x) + 0.1, x.shape)
    one("GELU", OP.GELU, x, x.shape, "GeluOptions")
    one("GELU_tanh", OP.GELU, x, x.shape, "GeluOptions", approximate=True)
    one("LEAKY_RELU", OP.LEAKY_RELU, x, x.shape, "LeakyReluOptions", alpha=0.2)
    one("PRELU", OP.PRELU, image, image.shape, constants=(f32(1, 1, 4),))
    one("SOFTMAX", OP.SOFTMAX, x, x.shape, "SoftmaxOptions", beta=1.0)
    one("SOFTMAX_beta", OP.SOFTMAX, x, x.shape, "SoftmaxOptions", beta=0.5)
    one("LOG_SOFTMAX", OP.LOG_SOFTMAX, x, x.shape)
    one("L2_NORMALIZATION", OP.L2_NORMALIZATION, x, x.shape, "L2NormOptions")
    for word, kind in (("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions"), ("DIV", "DivOptions")):
        one(f"{word}_relu", getattr(OP, word), (x, np.abs(f32(4)) + 0.5), x.shape, kind, fusedActivationFunction=RELU)
    for word in ("MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"):
        one(word, getattr(OP, word), (x, f32(3, 1)), x.shape)
    one("POW", OP.POW, (np.abs(x) + 0.1, f32(2, 3, 4)), x.shape)
    for word in ("LESS", "GREATER", "LESS_EQUAL", "GREATER_EQUAL", "EQUAL", "NOT_EQUAL"):
        one(word, getattr(OP, word), (np.round(x), np.round(f32(2, 3, 4))), x.shape, out_type="bool")
    one("SELECT_V2", OP.SELECT_V2, (x > 0, x, f32(4)), x.shape)
    one("CONCATENATION", OP.CONCATENATION, (x, f32(2, 5, 4)), (2, 8, 4), "ConcatenationOptions", axis=1)
    one("RESHAPE", OP.RESHAPE, x, (4, 6), "ReshapeOptions", constants=(i32(-1, 6),), newShape=[-1, 6])
    one("TRANSPOSE", OP.TRANSPOSE, x, (4, 2, 3), constants=(i32(2, 0, 1),))
    one("SQUEEZE", OP.SQUEEZE, f32(1, 3, 1, 4), (3, 4), "SqueezeOptions", squeezeDims=[0, 2])
    one("EXPAND_DIMS", OP.EXPAND_DIMS, x, (2, 1, 3, 4), constants=(i32(1),))
    one("PAD", OP.PAD, x, (3, 3, 7), constants=(np.array([[1, 0], [0, 0], [2, 1]], np.int32),))
    one("PADV2", OP.PADV2, x, (3, 3, 7), constants=(np.array([[1, 0], [0, 0], [2, 1]], np.int32), np.array(2.5, np.float32)))
    one("MIRROR_PAD", OP.MIRROR_PAD, x, (4, 3, 6), "MirrorPadOptions", constants=(np.array([[1, 1], [0, 0], [2, 0]], np.int32),), mode=0)
    one("GATHER", OP.GATHER, x, (2, 2, 4), "GatherOptions", constants=(i32(2, 0),), axis=1)
    one("GATHER_ND", OP.GATHER_ND, x, (2, 4), constants=(np.array([[1, 2], [0, 1]], np.int32),))
    one("PACK", OP.PACK, (x, f32(2, 3, 4)), (2, 2, 3, 4), "PackOptions", valuesCount=2, axis=1)
    one("UNPACK", OP.UNPACK, x, (2, 4), "UnpackOptions", outputs=3, num=3, axis=1)
    one("SPLIT", OP.SPLIT, x, (2, 3, 2), "SplitOptions", constants=(i32(2)[0:1],), order=[1, 0], outputs=2, numSplits=2)
    one("SLICE", OP.SLICE, x, (1, 2, 4), constants=(i32(1, 0, 0), i32(1, 2, -1)))
    one("STRIDED_SLICE", OP.STRIDED_SLICE, x, (2, 2), "StridedSliceOptions", constants=(i32(0, 1, 3), i32(2, 2, 0), i32(1, 1, -2)),
        beginMask=1, shrinkAxisMask=2)
    one("STRIDED_SLICE_masks", OP.STRIDED_SLICE, x, (2, 3, 2), "StridedSliceOptions", constants=(i32(0, 5, 1), i32(0, 5, 0), i32(1, -1, 2)),
        beginMask=2, endMask=7)
    one("DEPTH_TO_SPACE", OP.DEPTH_TO_SPACE, f32(1, 2, 3, 8), (1, 4, 6, 2), "DepthToSpaceOptions", blockSize=2)
    one("SPACE_TO_DEPTH", OP.SPACE_TO_DEPTH, f32(1, 4, 6, 2), (1, 2, 3, 8), "SpaceToDepthOptions", blockSize=2)
    for word in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
        one(word, getattr(OP, word), x, (2, 4), "ReducerOptions", constants=(i32(-2),))
        one(f"{word}_keep", getattr(OP, word), image, (1, 1, 1, 4), "ReducerOptions", constants=(i32(1, 2),), keepDims=True)
    one("ARG_MAX", OP.ARG_MAX, x, (2, 3), "ArgMaxOptions", constants=(i32(-1),), out_type="int32", outputType=2)
    one("CAST", OP.CAST, x * 5, x.shape, "CastOptions", out_type="int32", inDataType=0, outDataType=2)
    one("TILE", OP.TILE, x, (2, 6, 4), constants=(i32(1, 2, 1),))
    one("BATCH_MATMUL", OP.BATCH_MATMUL, (f32(2, 3, 4), f32(2, 5, 4)), (2, 3, 5), "BatchMatMulOptions", adjY=True)
    one("SHAPE", OP.SHAPE, x, (3,), "ShapeOptions", out_type="int32", outType=2)
    one("BROADCAST_TO", OP.BROADCAST_TO, f32(3, 1), (2, 3, 4), constants=(i32(2, 3, 4),))


def halves():
    m = Model()
    x = f32(1, 4, 4, 2)
    weights = f32(3, 1, 1, 2).astype(np.float16)
    ins = m.tensor("x", "float32", x.shape)
    w16, w32 = m.tensor("w16", "float16", weights.shape, weights), m.tensor("w32", "float32", weights.shape)
    m.op(OP.DEQUANTIZE, [w16], [w32])
    y = m.tensor("y", "float32", (1, 4, 4, 3))
    m.op(OP.CONV_2D, [ins, w32, m.tensor("b", "float32", (3,), f32(3))], [y], "Conv2DOptions", strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1)
    case("weights_float16", m.bytes([ins], [y]), {"x": x}, 1e-5, 1e-6)


def quantised(dtype):
    info = np.iinfo(dtype)
    word = np.dtype(dtype).name
    # Integer kernels round once, ours in float32 too; a tie may go the other way.
    step = 1.0

    def values(*shape):
        return rng.integers(info.min, info.max + 1, shape).astype(dtype)

    zero = 3 if dtype == np.int8 else 131
    m = Model()
    x = values(1, 6, 6, 3)
    ins = m.tensor("x", word, x.shape, q=(0.02, zero))
    per_axis = dtype == np.int8
    scales = np.array([0.01, 0.02, 0.015, 0.03], np.float32) if per_axis else np.float32(0.02)
    weights = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8) if per_axis else values(4, 3, 3, 3)
    w = m.tensor("w", word, weights.shape, weights, (scales, np.zeros(4) if per_axis else 120, 0))
    bias = rng.integers(-2000, 2000, 4).astype(np.int32)
    b = m.tensor("b", "int32", (4,), bias, (scales * 0.02, np.zeros(4) if per_axis else 0, 0))
    conv = m.tensor("conv", word, (1, 3, 3, 4), q=(0.1, zero - 10))
    m.op(OP.CONV_2D, [ins, w, b], [conv], "Conv2DOptions", strideW=2, strideH=2, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=RELU6)
    case(f"CONV_2D_{word}", m.bytes([ins], [conv]), {"x": x}, 0, step)

    m = Model()
    a, c = values(2, 5), values(2, 5)
    ia, ic = m.tensor("a", word, a.shape, q=(0.02, zero)), m.tensor("c", word, c.shape, q=(0.03, zero - 5))
    added = m.tensor("sum", word, a.shape, q=(0.05, zero + 2))
    m.op(OP.ADD, [ia, ic], [added], "AddOptions")
    soft = m.tensor("soft", word, a.shape, q=(1 / 256, info.min))
    m.op(OP.SOFTMAX, [added], [soft], "SoftmaxOptions", beta=1.0)
    case(f"ADD_SOFTMAX_{word}", m.bytes([ia, ic], [added, soft]), {"a": a, "c": c}, 0, step)

    m = Model()
    x = f32(2, 6)
    ins = m.tensor("x", "float32", x.shape)
    q = m.tensor("q", word, x.shape, q=(0.03, zero))
    m.op(OP.QUANTIZE, [ins], [q], "QuantizeOptions")
    weights = values(4, 6)
    w = m.tensor("w", word, weights.shape, weights, (0.01, 0 if dtype == np.int8 else 128))
    fc = m.tensor("fc", word, (2, 4), q=(0.05, zero))
    m.op(OP.FULLY_CONNECTED, [q, w, -1], [fc], "FullyConnectedOptions")
    y = m.tensor("y", "float32", (2, 4))
    m.op(OP.DEQUANTIZE, [fc], [y], "DequantizeOptions")
    case(f"QUANTIZE_FULLY_CONNECTED_DEQUANTIZE_{word}", m.bytes([ins], [y]), {"x": x}, 0, 0.0501)


def refused():
    m = Model()
    x, a, y = (m.tensor(name, "float32", (2, 3)) for name in ("x", "a", "y"))
    m.op(OP.CUSTOM, [x], [a], custom="Frobnicate")
    m.op(OP.GATHER, [a, m.tensor("i", "int32", (2, 1), i32(1, 0))], [y], "GatherOptions", axis=1, batchDims=1)
    case("refused", m.bytes([x], [y]), {}, error="tflite.Frobnicate (not implemented); tflite.GATHER (with batch dimensions)")
    m = Model()
    x, y = m.tensor("x", "float32", (2,)), m.tensor("y", "float32", (2,))
    m.op(OP.ABS, [x], [y])
    good = m.bytes([x], [y])
    case("cut_off", good[: len(good) // 2], {}, error="TensorFlow Lite file")


floats()
halves()
quantised(np.int8)
quantised(np.uint8)
refused()
write("tflite", CASES)
