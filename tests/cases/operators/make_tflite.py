"""Makes tflite.json: `python make_tflite.py` (needs what case.py needs, flatbuffers, and ai-edge-litert, whose reference
kernels give the wanted numbers)."""
import base64

import flatbuffers
import flatbuffers.flexbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from case import elements, write

rng = np.random.default_rng(11)
CASES = []
OP = schema.BuiltinOperator
TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int8": 9, "complex64": 8}
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
        self.model.subgraphs = []
        self.subgraph()

    def subgraph(self, number=None):
        """Begins another graph, or goes on with one; what follows is added to it."""
        if number is not None:
            self.graph = self.model.subgraphs[number]
            return number
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs.append(self.graph)
        return len(self.model.subgraphs) - 1

    def ends(self, inputs, outputs):
        self.graph.inputs, self.graph.outputs = inputs, outputs

    def tensor(self, name, dtype, shape, data=None, q=None):
        """`q`: (scales, zero points, axis)."""
        t = schema.TensorT()
        t.name, t.type, t.shape, t.buffer = name, TYPES[dtype], list(shape), 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.asarray(data).tobytes(), np.uint8)
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        if q is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale = list(np.atleast_1d(q[0]).astype(float))
            t.quantization.zeroPoint = list(np.atleast_1d(q[1]).astype(int))
            t.quantization.quantizedDimension = q[2] if len(q) > 2 else 0
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def op(self, code, inputs, outputs, kind=None, custom=None, version=1, custom_options=None, **options):
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
        entry.customCode = custom
        entry.version = version
        self.model.operatorCodes.append(entry)
        o = schema.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if kind:
            o.builtinOptions = getattr(schema, f"{kind}T")()
            o.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            for key, value in options.items():
                assert hasattr(o.builtinOptions, key), key
                setattr(o.builtinOptions, key, value)
        if custom_options is not None:
            o.customOptions = list(custom_options)
        self.graph.operators.append(o)

    def bytes(self, inputs, outputs):
        self.subgraph(0)
        self.ends(inputs, outputs)
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
    shapes, types = options.pop("out_shapes", (out,) * outputs), options.pop("out_types", (out_type,) * outputs)
    outs = [m.tensor(f"y{i}", types[i], shapes[i]) for i in range(outputs)]
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
    deep, kernels = f32(1, 4, 5, 6, 2), f32(2, 3, 2, 2, 3, scale=0.3)
    conv3 = dict(kind="Conv3DOptions", strideD=1, strideW=1, strideH=1, dilationDFactor=1, dilationWFactor=1, dilationHFactor=1)
    one("CONV_3D_same_relu", OP.CONV_3D, deep, (1, 4, 5, 6, 3), constants=(kernels, f32(3)), **conv3 | dict(padding=SAME, fusedActivationFunction=RELU))
    one("CONV_3D_valid_strides", OP.CONV_3D, deep, (1, 3, 2, 3, 3), constants=(kernels,), **conv3 | dict(padding=VALID, strideW=2, strideH=2))
    one("CONV_3D_dilated", OP.CONV_3D, deep, (1, 3, 1, 4, 3), constants=(kernels, f32(3)), **conv3 | dict(padding=VALID, dilationHFactor=2, dilationWFactor=2))
    places = np.array([0, 1, -1, 2, -3, 0.5], np.float32)
    one("ATAN2", OP.ATAN2, (np.repeat(places, 6), np.tile(places, 6)), (36,))
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


def picked():
    x = f32(2, 3, 4)
    one("TOPK_V2", OP.TOPK_V2, x, (2, 3, 2), "TopKV2Options", constants=(np.array(2, np.int32),), outputs=2, out_types=("float32", "int32"))
    one("ONE_HOT", OP.ONE_HOT, i32(0, 2, -1, 5), (4, 4), "OneHotOptions",
        constants=(np.array(4, np.int32), np.float32(2.5), np.float32(-1)), axis=-1)
    one("CUMSUM", OP.CUMSUM, x, x.shape, "CumsumOptions", constants=(np.array(1, np.int32),))
    one("CUMSUM_exclusive_reverse", OP.CUMSUM, x, x.shape, "CumsumOptions", constants=(np.array(-1, np.int32),), exclusive=True, reverse=True)
    one("REVERSE_V2", OP.REVERSE_V2, x, x.shape, constants=(i32(1),))
    one("REVERSE_SEQUENCE", OP.REVERSE_SEQUENCE, (x, i32(3, 1)), x.shape, "ReverseSequenceOptions", seqDim=1, batchDim=0)
    one("SCATTER_ND", OP.SCATTER_ND, f32(3, 4), (5, 4), constants=(np.array([[1], [4], [1]], np.int32), i32(5, 4)), order=[1, 0, 2])
    one("FLOOR_DIV", OP.FLOOR_DIV, (i32(7, -7, 7, -7, 6), i32(2, 2, -2, -2, 3)), (5,), out_type="int32")
    one("FLOOR_MOD", OP.FLOOR_MOD, (i32(7, -7, 7, -7, 6), i32(2, 2, -2, -2, 3)), (5,), out_type="int32")
    one("FLOOR_MOD_float", OP.FLOOR_MOD, (f32(6), np.abs(f32(6)) + 0.1), (6,))
    one("FLOOR_DIV_float", OP.FLOOR_DIV, (f32(6) * 5, np.abs(f32(6)) + 0.1), (6,))
    one("ZEROS_LIKE", OP.ZEROS_LIKE, x, x.shape, "ZerosLikeOptions")
    one("FILL", OP.FILL, np.float32(1.5), (2, 3), "FillOptions", constants=(i32(2, 3),), order=[1, 0])
    one("RANGE", OP.RANGE, (np.array(2, np.int32), np.array(11, np.int32), np.array(3, np.int32)), (0,), out_type="int32")
    one("RANK", OP.RANK, x, (), out_type="int32")
    one("WHERE", OP.WHERE, x > 0, (0, 3), "WhereOptions", out_type="int64")
    one("UNIQUE", OP.UNIQUE, i32(4, 2, 4, 1, 2), (0,), "UniqueOptions", outputs=2, out_types=("int32", "int32"), idxOutType=2)
    for word in ("REDUCE_ANY", "REDUCE_ALL"):
        one(word, getattr(OP, word), x > -0.5, (2, 4), "ReducerOptions", constants=(i32(1),), out_type="bool")
    one("GATHER_batched", OP.GATHER, (x, np.array([[2, 0], [1, 1]], np.int32)), (2, 2, 4), "GatherOptions", axis=1, batchDims=1)
    one("EMBEDDING_LOOKUP", OP.EMBEDDING_LOOKUP, i32(2, 0, 1), (3, 4), constants=(f32(3, 4),))
    one("DYNAMIC_UPDATE_SLICE", OP.DYNAMIC_UPDATE_SLICE, (f32(4, 5), f32(2, 3), i32(1, 4)), (4, 5))
    one("FAKE_QUANT", OP.FAKE_QUANT, x * 2, x.shape, "FakeQuantOptions", min=-2.0, max=3.0, numBits=8)
    image = f32(1, 6, 4, 4)
    one("LOCAL_RESPONSE_NORMALIZATION", OP.LOCAL_RESPONSE_NORMALIZATION, image, image.shape, "LocalResponseNormalizationOptions",
        radius=1, bias=1.0, alpha=0.3, beta=0.5)
    one("L2_POOL_2D", OP.L2_POOL_2D, image, (1, 3, 2, 4), "Pool2DOptions", padding=SAME, strideW=2, strideH=2, filterWidth=2, filterHeight=3)
    one("SPACE_TO_BATCH_ND", OP.SPACE_TO_BATCH_ND, image, (4, 4, 3, 4), constants=(i32(2, 2), np.array([[1, 1], [0, 2]], np.int32)))
    one("BATCH_TO_SPACE_ND", OP.BATCH_TO_SPACE_ND, f32(4, 4, 3, 2), (1, 6, 5, 2), constants=(i32(2, 2), np.array([[1, 1], [0, 1]], np.int32)))
    for mode, word in ((0, "reflect"), (1, "symmetric")):
        one(f"MIRROR_PAD_{word}_deep", OP.MIRROR_PAD, x, (4, 6, 4), "MirrorPadOptions",
            constants=(np.array([[1, 1], [1, 2], [0, 0]], np.int32),), mode=mode)


def slices():
    x = f32(4, 5, 6)
    two = np.array(2, np.int32)
    one("STRIDED_SLICE_new_axis", OP.STRIDED_SLICE, x, (4, 1, 5, 6), "StridedSliceOptions", constants=(i32(0, 0), i32(0, 0), i32(1, 1)),
        beginMask=1, endMask=1, newAxisMask=2)
    one("STRIDED_SLICE_ellipsis", OP.STRIDED_SLICE, x, (4, 5), "StridedSliceOptions", constants=(i32(0, -2), i32(0, -1), i32(1, 1)),
        ellipsisMask=1, shrinkAxisMask=2)
    one("STRIDED_SLICE_ellipsis_new", OP.STRIDED_SLICE, x, (2, 5, 6, 1), "StridedSliceOptions", constants=(i32(1, 0, 0), i32(3, 0, 0), i32(1, 1, 1)),
        ellipsisMask=2, newAxisMask=4)
    one("STRIDED_SLICE_computed", OP.STRIDED_SLICE, (x, i32(1, 2), i32(3, 5)), (0, 0, 6), "StridedSliceOptions", constants=(i32(1, 2),))
    one("STRIDED_SLICE_computed_shrink", OP.STRIDED_SLICE, (x, i32(2), i32(3)), (5, 6), "StridedSliceOptions", constants=(i32(1),), shrinkAxisMask=1)
    one("SLICE_computed", OP.SLICE, (x, i32(1, 0, 2)), (0, 5, 3), constants=(i32(2, -1, 3),))
    one("SLICE_all_computed", OP.SLICE, (x, i32(1, 0, 2), i32(2, -1, 3)), (0, 0, 0))
    one("RESHAPE_computed", OP.RESHAPE, (x, i32(10, 12)), (0, 0))
    one("TILE_computed", OP.TILE, (f32(2, 3), i32(2, 1)), (0, 0))


def recurrent():
    for name, time_major, peep, coupled, clip in (("plain", False, False, False, 0), ("time_major", True, False, False, 0),
                                                  ("peephole", False, True, False, 0), ("coupled", False, False, True, 0),
                                                  ("coupled_peephole", True, True, True, 0), ("clipped", False, False, False, 0.1)):
        batch, steps, inputs, hidden = 2, 5, 3, 4
        m = Model()
        x = f32(*((steps, batch, inputs) if time_major else (batch, steps, inputs)))
        ins = m.tensor("x", "float32", x.shape)
        constant = lambda n, *shape: m.tensor(n, "float32", shape, f32(*shape, scale=0.5))
        left = lambda made: -1 if coupled else made()
        w = [left(lambda: constant("wi", hidden, inputs))] + [constant(f"w{g}", hidden, inputs) for g in "fco"]
        r = [left(lambda: constant("ri", hidden, hidden))] + [constant(f"r{g}", hidden, hidden) for g in "fco"]
        p = ([left(lambda: constant("pi", hidden))] + [constant(f"p{g}", hidden) for g in "fo"]) if peep else [-1, -1, -1]
        b = [left(lambda: constant("bi", hidden))] + [constant(f"b{g}", hidden) for g in "fco"]
        state = [m.tensor(n, "float32", (batch, hidden)) for n in ("h", "c")]
        for at in state:
            m.graph.tensors[at].isVariable = True
        y = m.tensor("y", "float32", (*x.shape[:2], hidden))
        m.op(OP.UNIDIRECTIONAL_SEQUENCE_LSTM, [ins, *w, *r, *p, *b, -1, -1, *state, -1, -1, -1, -1], [y],
             "UnidirectionalSequenceLSTMOptions", fusedActivationFunction=4, timeMajor=time_major, cellClip=float(clip))
        case(f"UNIDIRECTIONAL_SEQUENCE_LSTM_{name}", m.bytes([ins], [y]), {"x": x}, 1e-5, 1e-6)
    for activation, word in ((4, "tanh"), (1, "relu")):
        m = Model()
        x = f32(2, 5, 3)
        ins, y = m.tensor("x", "float32", x.shape), m.tensor("y", "float32", (2, 5, 4))
        state = m.tensor("h", "float32", (2, 4))
        m.graph.tensors[state].isVariable = True
        weights = [m.tensor(n, "float32", s, f32(*s, scale=0.5)) for n, s in (("w", (4, 3)), ("r", (4, 4)), ("b", (4,)))]
        m.op(OP.UNIDIRECTIONAL_SEQUENCE_RNN, [ins, *weights, state], [y], "SequenceRNNOptions", fusedActivationFunction=activation)
        case(f"UNIDIRECTIONAL_SEQUENCE_RNN_{word}", m.bytes([ins], [y]), {"x": x}, 1e-5, 1e-6)


def both_ways():
    """One layer in each direction; a second input of its own for the backward one, or for both with weights. LiteRT reads
    one without weights where time comes first only."""
    batch, time, inputs, hidden = 2, 5, 3, 4
    forms = (("plain", False, False, ""), ("time_major", True, False, ""), ("merged", False, True, ""), ("merged_time_major", True, True, ""),
             ("second", True, False, "alone"), ("second_merged", True, True, "alone"), ("second_joined", True, False, "joined"), ("second_joined_merged", False, True, "joined"))
    for name, time_major, merged, second in forms:
        shape = lambda size: (time, batch, size) if time_major else (batch, time, size)
        feeds = {"x": f32(*shape(inputs))} | ({"x2": f32(*shape(inputs))} if second else {})

        def layer(code, kind, weights, order, options):
            m = Model()
            ins = {n: m.tensor(n, "float32", v.shape) for n, v in feeds.items()}
            slots = {n: m.tensor(n, "float32", s, f32(*s, scale=0.5)) for n, s in weights.items() if second == "joined" or not n.startswith("aux")}
            for n in order:
                if n.startswith("state"):
                    slots[n] = m.tensor(n, "float32", (batch, hidden))
                    m.graph.tensors[slots[n]].isVariable = True
            outs = [m.tensor("y", "float32", shape(2 * hidden))] if merged else [m.tensor(n, "float32", shape(hidden)) for n in ("y", "z")]
            m.op(code, [{**ins, **slots}.get(n, -1) for n in order], outs, kind, mergeOutputs=merged, timeMajor=time_major, **options)
            case(f"{kind.removesuffix('Options')}_{name}", m.bytes(list(ins.values()), outs), feeds, 1e-5, 1e-6)

        for activation in (4, RELU) if name == "plain" else (4,):
            sides = {"w": (hidden, inputs), "r": (hidden, hidden), "b": (hidden,), "aux": (hidden, inputs)}
            weights = {f"{n}{d}": s for d in "fb" for n, s in sides.items()}
            order = ["x", "wf", "rf", "bf", "statef", "wb", "rb", "bb", "stateb", "x2", "auxf", "auxb"]
            outer, name = name, name + ("_relu" if activation == RELU else "")
            layer(OP.BIDIRECTIONAL_SEQUENCE_RNN, "BidirectionalSequenceRNNOptions", weights, order, {"fusedActivationFunction": activation})
            name = outer
        if merged and not time_major:
            # LiteRT leaves half of what it gives unwritten.
            continue
        for peep, coupled in ((False, False), (True, False), (True, True)) if name in ("plain", "second_joined") else ((False, False),):
            gates = "fco" if coupled else "ifco"
            peeps = [g for g in gates if g != "c"] if peep else ""
            weights = {}
            for d in "fb":
                weights |= {f"w{g}{d}": (hidden, inputs) for g in gates} | {f"r{g}{d}": (hidden, hidden) for g in gates}
                weights |= {f"p{g}{d}": (hidden,) for g in peeps} | {f"b{g}{d}": (hidden,) for g in gates} | {f"aux{g}{d}": (hidden, inputs) for g in gates}
            order = ["x"]
            for d in "fb":
                order += [f"w{g}{d}" for g in "ifco"] + [f"r{g}{d}" for g in "ifco"] + [f"p{g}{d}" for g in "ifo"] + [f"b{g}{d}" for g in "ifco"] + ["", ""]
            order += ["statehf", "statecf", "statehb", "statecb", "x2"] + [f"aux{g}{d}" for d in "fb" for g in "ifco"]
            options = {"fusedActivationFunction": 4, "cellClip": 0.4 if peep else 0.0}
            outer, name = name, name + ("_peephole" if peep else "") + ("_coupled" if coupled else "")
            layer(OP.BIDIRECTIONAL_SEQUENCE_LSTM, "BidirectionalSequenceLSTMOptions", weights, order, options)
            name = outer


def low_rank_in_time():
    """What the memory holds is zero in a first run."""
    for rank, bias, activation, quantised_weights in ((1, True, 0, False), (2, False, RELU, False), (2, True, 0, False), (1, True, RELU, True)):
        filters, steps, inputs = 6, 4, 5
        m = Model()
        x = f32(3, inputs)
        ins, y = m.tensor("x", "float32", x.shape), m.tensor("y", "float32", (3, filters // rank))
        whole = lambda *shape: rng.integers(-127, 128, shape).astype(np.int8)
        weights = lambda n, *shape: m.tensor(n, "int8", shape, whole(*shape), (0.01, 0)) if quantised_weights else m.tensor(n, "float32", shape, f32(*shape))
        w, t = weights("w", filters, inputs), weights("t", filters, steps)
        b = m.tensor("b", "float32", (filters // rank,), f32(filters // rank)) if bias else -1
        state = m.tensor("s", "float32", (3, filters * steps))
        m.graph.tensors[state].isVariable = True
        m.op(OP.SVDF, [ins, w, t, b, state], [y], "SVDFOptions", rank=rank, fusedActivationFunction=activation)
        # LiteRT rounds the values to eight bits where the weights are.
        near = (1e-2, 5e-2) if quantised_weights else (1e-5, 1e-6)
        case(f"SVDF_rank_{rank}{'_bias' if bias else ''}{'_relu' if activation else ''}{'_hybrid' if quantised_weights else ''}", m.bytes([ins], [y]), {"x": x}, *near)


def steps():
    """Layers that do one step, from a state that is zero."""
    batch, inputs, hidden = 2, 3, 4
    m = Model()
    feeds = {"x": f32(batch, inputs)}
    ins = m.tensor("x", "float32", (batch, inputs))
    constant = lambda n, *shape: m.tensor(n, "float32", shape, f32(*shape, scale=0.5))
    w, r, b = ([constant(f"{n}{g}", *shape) for g in "ifco"] for n, shape in (("w", (hidden, inputs)), ("r", (hidden, hidden)), ("b", (hidden,))))
    state = [m.tensor(n, "float32", (batch, hidden)) for n in ("h", "c")]
    for at in state:
        m.graph.tensors[at].isVariable = True
    y = m.tensor("y", "float32", (batch, hidden))
    m.op(OP.LSTM, [ins, *w, *r, -1, -1, -1, *b, -1, -1, *state, -1, -1, -1, -1], [y], "LSTMOptions", fusedActivationFunction=4, kernelType=0)
    case("LSTM", m.bytes([ins], [y]), feeds, 1e-5, 1e-6)
    m = Model()
    ins, y = m.tensor("x", "float32", (batch, inputs)), m.tensor("y", "float32", (batch, hidden))
    weights = [constant("w", hidden, inputs), constant("r", hidden, hidden), constant("b", hidden)]
    state = m.tensor("h", "float32", (batch, hidden))
    m.graph.tensors[state].isVariable = True
    m.op(OP.RNN, [ins, *weights, state], [y], "RNNOptions", fusedActivationFunction=4)
    case("RNN", m.bytes([ins], [y]), feeds, 1e-5, 1e-6)


def control():
    for value in (True, False):
        m = Model()
        c, a, b, y = m.tensor("c", "bool", ()), m.tensor("a", "float32", (2, 3)), m.tensor("b", "float32", (2, 3)), m.tensor("y", "float32", (2, 3))
        m.op(OP.IF, [c, a, b], [y], "IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2)
        for code, kind in ((OP.ADD, "AddOptions"), (OP.MUL, "MulOptions")):
            m.subgraph()
            ta, tb, ty = (m.tensor(n, "float32", (2, 3)) for n in "aby")
            m.op(code, [ta, tb], [ty], kind)
            m.ends([ta, tb], [ty])
        case(f"IF_{value}", m.bytes([c, a, b], [y]), {"c": np.array(value), "a": f32(2, 3), "b": f32(2, 3)}, 1e-6, 1e-6)
    # while i < n: x = tanh(x @ w) + x[i]; i += 1, as a converted Keras layer has it.
    m = Model()
    names = (("i", "int32", ()), ("x", "float32", (4, 3)))
    ins = [m.tensor(*n) for n in names]
    outs = [m.tensor(f"{n}_out", t, s) for n, t, s in names]
    m.op(OP.WHILE, ins, outs, "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    m.subgraph()
    i, x = (m.tensor(*n) for n in names)
    go = m.tensor("go", "bool", ())
    m.op(OP.LESS, [i, m.tensor("n", "int32", (), np.array(4, np.int32))], [go], "LessOptions")
    m.ends([i, x], [go])
    m.subgraph()
    i, x = (m.tensor(*n) for n in names)
    row, product, wave, total, nexti = (m.tensor(n, "float32", s) for n, s in (("row", (1, 3)), ("p", (4, 3)), ("t", (4, 3)), ("x2", (4, 3)), ("", ())))
    m.graph.tensors[nexti].type, m.graph.tensors[nexti].name = TYPES["int32"], "i2"
    zero, begin = m.tensor("zero", "int32", (), np.array(0, np.int32)), m.tensor("begin", "int32", (2,))
    m.op(OP.PACK, [i, zero], [begin], "PackOptions", valuesCount=2, axis=0)
    m.op(OP.SLICE, [x, begin, m.tensor("size", "int32", (2,), i32(1, 3))], [row], "SliceOptions")
    m.op(OP.FULLY_CONNECTED, [x, m.tensor("w", "float32", (3, 3), f32(3, 3)), -1], [product], "FullyConnectedOptions")
    m.op(OP.TANH, [product], [wave])
    m.op(OP.ADD, [wave, row], [total], "AddOptions")
    m.op(OP.ADD, [i, m.tensor("one", "int32", (), np.array(1, np.int32))], [nexti], "AddOptions")
    m.ends([i, x], [nexti, total])
    for start in (0, 2, 9):
        case(f"WHILE_from_{start}", m.bytes(ins, outs), {"i": np.array(start, np.int32), "x": f32(4, 3)}, 1e-5, 1e-5)


def detectors():
    boxes = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [1, 10.1, 0, 11.1], [0, 100, 1, 101]], np.float32)
    scores = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)
    limit, overlap, least = np.array(4, np.int32), np.float32(0.5), np.float32(0.4)
    one("NON_MAX_SUPPRESSION_V4", OP.NON_MAX_SUPPRESSION_V4, (boxes, scores), (4,), constants=(limit, overlap, least), outputs=2, out_types=("int32", "int32"),
        out_shapes=((4,), ()))
    for sigma in (0.0, 0.5):
        one(f"NON_MAX_SUPPRESSION_V5_{sigma}", OP.NON_MAX_SUPPRESSION_V5, (boxes, scores), (4,),
            constants=(limit, np.float32(1.0 if sigma else 0.5), np.float32(0.0), np.float32(sigma)),
            outputs=3, out_types=("int32", "float32", "int32"), out_shapes=((4,), (4,), ()))
    count, classes = 12, 3
    centers = np.stack([rng.uniform(0.2, 0.8, count), rng.uniform(0.2, 0.8, count), np.full(count, 0.3), np.full(count, 0.3)], 1).astype(np.float32)
    builder = flatbuffers.flexbuffers.Builder()
    # The regular form leaves the rest of its outputs unwritten where a box may tell several classes.
    for regular, each in ((False, 1), (False, 2), (True, 1)):
        builder.Clear()
        builder.MapFromElements({
            "max_detections": 5, "max_classes_per_detection": each, "detections_per_class": 4, "use_regular_nms": regular,
            "nms_score_threshold": 0.3, "nms_iou_threshold": 0.5, "num_classes": classes, "y_scale": 10.0, "x_scale": 10.0,
            "h_scale": 5.0, "w_scale": 5.0,
        })
        m = Model()
        feeds = {"boxes": f32(1, count, 4), "scores": rng.uniform(0, 1, (1, count, classes + 1)).astype(np.float32)}
        ins = [m.tensor(n, "float32", a.shape) for n, a in feeds.items()]
        anchors = m.tensor("anchors", "float32", centers.shape, centers)
        outs = [m.tensor(n, "float32", s) for n, s in (("where", (1, 5, 4)), ("class", (1, 5)), ("score", (1, 5)), ("number", (1,)))]
        m.op(OP.CUSTOM, [*ins, anchors], outs, custom="TFLite_Detection_PostProcess", custom_options=builder.Finish())
        case(f"TFLite_Detection_PostProcess_{'regular' if regular else 'fast'}_{each}", m.bytes(ins, outs), feeds, 1e-5, 1e-6)


def spectra():
    m = Model()
    x = f32(1, 3, 1, 16)
    ins = m.tensor("x", "float32", x.shape)
    waves = m.tensor("waves", "complex64", (1, 3, 1, 9))
    size, real, imag = m.tensor("size", "float32", waves_shape := (1, 3, 1, 9)), m.tensor("real", "float32", waves_shape), m.tensor("imag", "float32", waves_shape)
    m.op(OP.RFFT2D, [ins, m.tensor("lengths", "int32", (2,), i32(1, 16))], [waves], "Rfft2dOptions")
    for code, out in ((OP.COMPLEX_ABS, size), (OP.REAL, real), (OP.IMAG, imag)):
        m.op(code, [waves], [out])
    case("RFFT2D", m.bytes([ins], [size, real, imag]), {"x": x}, 1e-5, 1e-5)


def sparse():
    dense = np.zeros((4, 6), np.float32)
    dense[0, 1], dense[2, 0], dense[2, 5], dense[3, 3] = 1.5, -2, 3, 0.25
    m = Model()
    x = f32(2, 6)
    ins, y = m.tensor("x", "float32", x.shape), m.tensor("y", "float32", (2, 4))
    values = dense[dense != 0]
    w = m.tensor("w", "float32", dense.shape, values)
    rows, columns = schema.DimensionMetadataT(), schema.DimensionMetadataT()
    rows.format, rows.denseSize = 0, 4
    columns.format = 1
    columns.arraySegmentsType = columns.arrayIndicesType = 3
    columns.arraySegments, columns.arrayIndices = schema.Uint8VectorT(), schema.Uint8VectorT()
    columns.arraySegments.values = np.concatenate([[0], np.cumsum((dense != 0).sum(1))]).astype(np.uint8)
    columns.arrayIndices.values = np.nonzero(dense)[1].astype(np.uint8)
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder, sparsity.blockMap, sparsity.dimMetadata = [0, 1], [], [rows, columns]
    m.graph.tensors[w].sparsity = sparsity
    full = m.tensor("full", "float32", dense.shape)
    m.op(OP.DENSIFY, [w], [full], "DensifyOptions")
    m.op(OP.FULLY_CONNECTED, [ins, full, -1], [y], "FullyConnectedOptions")
    case("DENSIFY", m.bytes([ins], [y]), {"x": x}, 1e-5, 1e-6)


def refused():
    m = Model()
    x, a, y = (m.tensor(name, "float32", (2, 3)) for name in ("x", "a", "y"))
    m.op(OP.CUSTOM, [x], [a], custom="Frobnicate")
    m.op(OP.HASHTABLE_LOOKUP, [a, m.tensor("k", "int32", (2,), i32(1, 2)), m.tensor("t", "float32", (2, 3), f32(2, 3))], [y, m.tensor("h", "uint8", (2,))])
    case("refused", m.bytes([x], [y]), {}, error="tflite.Frobnicate (not implemented); tflite.HASHTABLE_LOOKUP (not implemented)")
    m = Model()
    x, y = m.tensor("x", "float32", (1, 2 ** 28)), m.tensor("y", "float32", (1, 2 ** 28 + 2))
    m.op(OP.MIRROR_PAD, [x, m.tensor("p", "int32", (2, 2), np.array([[0, 0], [1, 1]], np.int32))], [y], "MirrorPadOptions", mode=0)
    case("mirror_of_many", m.bytes([x], [y]), {}, error="written out, are too large")
    m = Model()
    x, w, y = m.tensor("x", "float32", (2, 5, 3)), m.tensor("w", "float32", (2 ** 29, 3)), m.tensor("y", "float32", (2, 5, 4))
    m.op(OP.UNIDIRECTIONAL_SEQUENCE_RNN, [x, w, w, w, w], [y], "SequenceRNNOptions", fusedActivationFunction=4)
    case("cells_without_end", m.bytes([x, w], [y]), {}, error="written out, are too large")
    m = Model()
    x, y = m.tensor("x", "float32", (2,)), m.tensor("y", "float32", (2,))
    m.op(OP.ABS, [x], [y])
    good = m.bytes([x], [y])
    case("cut_off", good[: len(good) // 2], {}, error="TensorFlow Lite file")


floats()
halves()
quantised(np.int8)
quantised(np.uint8)
for family in (picked, slices, recurrent, control, detectors, spectra, sparse, steps, both_ways, low_rank_in_time):
    family()
refused()
write("tflite", CASES)
