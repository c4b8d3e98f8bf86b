"""Networks from an image to another, to a map, or to boxes."""
import numpy as np
from builder import G, model
from onnx import TensorProto


@model
def unet():
    g = G("unet")
    x = g.inp("x", [1, 3, 96, 96])
    sk = []
    c = 3
    for o in [16, 32, 64]:
        x = g.conv(g.conv(x, c, o, 3, act="relu"), o, o, 3, act="relu")
        sk.append((x, o))
        x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        c = o
    x = g.conv(x, c, 128, 3, act="relu")
    c = 128
    for s, o in reversed(sk):
        x = g.op("ConvTranspose", x, g.w(c, o, 2, 2, scale=0.1), g.w(o), kernel_shape=[2, 2], strides=[2, 2])
        x = g.op("Concat", s, x, axis=1)
        x = g.conv(g.conv(x, 2 * o, o, 3, act="relu"), o, o, 3, act="relu")
        c = o
    return g.model(g.op("Sigmoid", g.conv(x, c, 1, 1)))


@model
def unet_bilinear():
    g = G("unet_bilinear")
    x = g.inp("x", [1, 3, 96, 96])
    sk = []
    c = 3
    for o in [16, 32, 64]:
        x = g.conv(x, c, o, 3, act="lrelu")
        sk.append((x, o))
        x = g.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        c = o
    for s, o in reversed(sk):
        x = g.op(
            "Resize",
            x,
            "",
            g.c(np.array([1, 1, 2, 2], np.float32)),
            mode="linear",
            coordinate_transformation_mode="align_corners",
        )
        x = g.op("Concat", s, x, axis=1)
        x = g.conv(x, c + o, o, 3, act="lrelu")
        c = o
    return g.model(g.op("Tanh", g.conv(x, c, 3, 3)))


def yolo(name, v8):
    g = G(name)
    x = g.inp("x", [1, 3, 160, 160])
    C = [16, 32, 64, 128]
    x = g.conv(x, 3, 16, 6 if not v8 else 3, 2, p=[2] * 4 if not v8 else None, act="silu")

    def c3(x, c, n):
        a = g.conv(x, c, c // 2, 1, act="silu")
        b = g.conv(x, c, c // 2, 1, act="silu")
        for _ in range(n):
            a = g.op("Add", a, g.conv(g.conv(a, c // 2, c // 2, 1, act="silu"), c // 2, c // 2, 3, act="silu"))
        return g.conv(g.op("Concat", a, b, axis=1), c, c, 1, act="silu")

    def c2f(x, c, n):
        y = g.conv(x, c, c, 1, act="silu")
        a, b = g.op("Split", y, n=2, axis=1, num_outputs=2)
        L = [a, b]
        for _ in range(n):
            L.append(
                g.op("Add", L[-1], g.conv(g.conv(L[-1], c // 2, c // 2, 3, act="silu"), c // 2, c // 2, 3, act="silu"))
            )
        return g.conv(g.op("Concat", *L, axis=1), c + n * c // 2, c, 1, act="silu")

    blk = c2f if v8 else c3
    fe = []
    c = 16
    for o in [32, 64, 128, 256]:
        x = blk(g.conv(x, c, o, 3, 2, act="silu"), o, 1)
        c = o
        fe.append(x)
    y = g.conv(x, 256, 128, 1, act="silu")
    p = [y]
    for _ in range(3):
        p.append(g.op("MaxPool", p[-1], kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]))
    x = g.conv(g.op("Concat", *p, axis=1), 512, 256, 1, act="silu")
    up = lambda x: g.op(
        "Resize",
        x,
        "",
        g.c(np.array([1, 1, 2, 2], np.float32)),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    a = g.conv(x, 256, 128, 1, act="silu")
    b = c3(g.conv(g.op("Concat", up(a), fe[2], axis=1), 256, 128, 1), 128, 1)
    b1 = g.conv(b, 128, 64, 1, act="silu")
    cc = c3(g.conv(g.op("Concat", up(b1), fe[1], axis=1), 128, 64, 1), 64, 1)
    outs = []
    tot = 0
    for f, ch, s, stv in [(cc, 64, 20, 8.0), (b, 128, 10, 16.0), (x, 256, 5, 32.0)]:
        if not v8:
            y = g.conv(f, ch, 3 * 25, 1)
            y = g.op("Transpose", g.op("Reshape", y, g.ic(1, 3, 25, s, s)), perm=[0, 1, 3, 4, 2])
            y = g.op("Sigmoid", y)
            xy, wh, cf = g.op("Split", y, g.ic(2, 2, 21), n=3, axis=4)
            two = g.f(2)
            xy = g.op("Mul", g.op("Add", g.op("Mul", xy, two), g.w(1, 3, s, s, 2)), g.f(stv))
            wh = g.op("Mul", g.op("Pow", g.op("Mul", wh, two), two), g.w(1, 3, s, s, 2))
            outs.append(g.op("Reshape", g.op("Concat", xy, wh, cf, axis=4), g.ic(1, 3 * s * s, 25)))
        else:
            bx = g.conv(g.conv(f, ch, 64, 3, act="silu"), 64, 64, 1)
            cl = g.conv(g.conv(f, ch, 40, 3, act="silu"), 40, 20, 1)
            outs.append(g.op("Reshape", g.op("Concat", bx, cl, axis=1), g.ic(1, 84, s * s)))
            tot += s * s
    if not v8:
        return g.model(g.op("Concat", *outs, axis=1))
    y = g.op("Concat", *outs, axis=2)
    bx, cl = g.op("Split", y, g.ic(64, 20), n=2, axis=1)
    d = g.op("Softmax", g.op("Transpose", g.op("Reshape", bx, g.ic(1, 4, 16, tot)), perm=[0, 2, 1, 3]), axis=1)
    d = g.op("Conv", d, g.c(np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1)))
    d = g.op("Reshape", d, g.ic(1, 4, tot))
    lt, rb = g.op("Split", d, n=2, axis=1, num_outputs=2)
    an = g.w(1, 2, tot)
    a = g.op("Sub", an, lt)
    b = g.op("Add", an, rb)
    ctr = g.op("Div", g.op("Add", a, b), g.f(2))
    d = g.op("Mul", g.op("Concat", ctr, g.op("Sub", b, a), axis=1), g.w(1, tot))
    return g.model(g.op("Concat", d, g.op("Sigmoid", cl), axis=1))


@model
def yolov5():
    return yolo("yolov5", False)


@model
def yolov8():
    return yolo("yolov8", True)


@model
def espcn():
    g = G("espcn")
    x = g.inp("x", [1, 1, 96, 96])
    x = g.act(g.conv(x, 1, 64, 5), "relu")
    x = g.op("Tanh", g.conv(x, 64, 32, 3))
    x = g.conv(x, 32, 9, 3)
    return g.model(g.op("DepthToSpace", x, blocksize=3, mode="CRD"))


@model
def srresnet():
    g = G("srresnet")
    x = g.inp("x", [1, 3, 48, 48])
    x = g.conv(x, 3, 32, 9, act=("prelu", 1))
    s = x
    for _ in range(4):
        x = g.op("Add", x, g.conv(g.conv(x, 32, 32, 3, act=("prelu", 32)), 32, 32, 3))
    x = g.op("Add", x, s)
    x = g.conv(x, 32, 128, 3)
    x = g.op("DepthToSpace", x, blocksize=2, mode="CRD")
    x = g.act(x, ("prelu", 32))
    return g.model(g.conv(x, 32, 3, 9))


@model
def diffusion():
    g = G("diffusion")
    x = g.inp("x", [1, 64, 24, 24])
    t = g.inp("t", [1, 128])
    c = 64

    def gn(x, c, H):
        y = g.op(
            "Reshape",
            g.op(
                "InstanceNormalization",
                g.op("Reshape", x, g.ic(0, 8, -1)),
                g.ones(8),
                g.c(np.zeros(8, np.float32)),
            ),
            g.ic(1, c, H, H),
        )
        return g.op("Add", g.op("Mul", y, g.w(c, 1, 1, scale=1.0)), g.w(c, 1, 1))

    for _ in range(2):
        y = g.conv(g.act(gn(x, c, 24), "silu"), c, c, 3)
        e = g.op("Unsqueeze", g.op("Gemm", g.act(t, "silu"), g.w(c, 128), g.w(c), transB=1), g.ic(2, 3))
        y = g.op("Add", y, e)
        y = g.conv(g.act(gn(y, c, 24), "silu"), c, c, 3)
        x = g.op("Add", x, y)
        z = g.op("Transpose", g.op("Reshape", gn(x, c, 24), g.ic(1, c, 576)), perm=[0, 2, 1])
        z = g.mha(z, 576, c, 4)
        x = g.op("Add", x, g.op("Reshape", g.op("Transpose", z, perm=[0, 2, 1]), g.ic(1, c, 24, 24)))
    return g.model(x)


@model
def groupnorm():
    g = G("groupnorm")
    x = g.inp("x", [1, 32, 32, 32])
    for _ in range(3):
        x = g.op(
            "Add",
            x,
            g.conv(
                g.act(g.op("GroupNormalization", x, g.ones(32), g.w(32), num_groups=8), "silu"),
                32,
                32,
                3,
            ),
        )
    return g.model(x, opset=21)


@model
def deeplab():
    g = G("deeplab")
    x = g.inp("x", [1, 3, 128, 128])
    x = g.conv(g.conv(x, 3, 16, 3, 2, act="relu6"), 16, 32, 3, 2, act="relu6")
    x = g.conv(x, 32, 64, 3, 2, act="relu6")
    L = [g.conv(x, 64, 32, 1, act="relu")]
    for d in [2, 4, 6]:
        L.append(g.conv(g.conv(x, 64, 64, 3, g=64, d=d, act="relu"), 64, 32, 1, act="relu"))
    p = g.conv(g.op("GlobalAveragePool", x), 64, 32, 1, act="relu")
    L.append(g.op("Resize", p, "", "", g.ic(1, 32, 16, 16), mode="linear"))
    x = g.conv(g.op("Concat", *L, axis=1), 160, 32, 1, act="relu")
    x = g.conv(x, 32, 21, 1)
    x = g.op("Resize", x, "", "", g.ic(1, 21, 128, 128), mode="linear")
    return g.model([(g.op("ArgMax", x, axis=1), TensorProto.INT64)])


@model
def poseheat():
    g = G("poseheat")
    x = g.inp("x", [1, 3, 128, 96])
    x = g.conv(g.conv(x, 3, 32, 3, 2, act="relu"), 32, 64, 3, 2, act="relu")
    x = g.conv(x, 64, 128, 3, 2, act="relu")
    c = 128
    for _ in range(2):
        x = g.op("ConvTranspose", x, g.w(c, 64, 4, 4, scale=0.05), kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4)
        x = g.act(
            g.op("BatchNormalization", x, g.ones(64), g.w(64), g.w(64), g.ones(64)),
            "relu",
        )
        c = 64
    return g.model(g.conv(x, 64, 17, 1))


@model
def capsules():
    """A head's pose as stage-wise regression has it: two streams of separable convolutions, attention, capsules that are routed."""
    g = G("capsules")
    x = g.inp("x", [1, 3, 64, 64])

    def separable(x, i, o, act):
        y = g.conv(g.conv(x, i, i, 3, g=i), i, o, 1)
        y = g.op("BatchNormalization", y, g.ones(o), g.w(o), g.w(o), g.ones(o))
        return g.op(act, y)

    streams = []
    for act, pool in (("Relu", "AveragePool"), ("Tanh", "MaxPool")):
        y = g.op(pool, separable(x, 3, 16, act), kernel_shape=[2, 2], strides=[2, 2])
        maps = []
        for i, o in ((16, 32), (32, 64), (64, 128)):
            y = separable(separable(y, i, o, act), o, o, act)
            if o < 128:
                y = g.op(pool, y, kernel_shape=[2, 2], strides=[2, 2])
            maps.append(g.op(act, g.conv(y, o, 64, 1)))
        streams.append(maps)
    maps = [g.op("Mul", *pair) for pair in zip(*streams)]
    maps[0] = g.op("AveragePool", maps[0], kernel_shape=[2, 2], strides=[2, 2])
    flat = lambda t, *dims: g.op("Reshape", t, g.op("Concat", g.op("Unsqueeze", g.op("Gather", g.op("Shape", t), g.c(np.int64(0))), axes=[0]), *map(g.ic, dims), axis=0))
    weights = []
    for one in maps:
        off = g.op("Sub", one, g.op("ReduceMean", one, axes=[1], keepdims=1))
        weights.append(flat(g.op("ReduceMean", g.op("Mul", off, off), axes=[1], keepdims=1), -1))
    shared = flat(g.op("Sigmoid", g.gemm(g.op("Concat", *weights, axis=1), 192, 35)), 7, 5)
    rows = g.op("Concat", *(g.op("Reshape", g.op("Transpose", one, perm=[0, 2, 3, 1]), g.ic(-1, 64, 64)) for one in maps), axis=1)
    parts = []
    for one in weights:
        part = g.op("MatMul", shared, flat(g.op("Sigmoid", g.gemm(one, 64, 960)), 5, 192))
        total = g.op("Add", g.op("ReduceSum", part, axes=[-1], keepdims=1), g.f(1e-8))
        parts.append(g.op("Div", g.op("MatMul", part, rows), total))
    capsules = g.op("Unsqueeze", g.op("Unsqueeze", g.op("Concat", *parts, axis=1), axes=[1]), axes=[3])
    seen = g.op("Squeeze", g.op("MatMul", capsules, g.w(3, 21, 64, 16, scale=0.1)), axes=[3])
    logits = g.op("Cast", g.op("ConstantOfShape", g.ic(1, 3, 21)), to=TensorProto.FLOAT)
    for turn in range(2):
        exps = g.op("Exp", logits)
        share = g.op("Unsqueeze", g.op("Div", exps, g.op("ReduceSum", exps, axes=[1])), axes=[2])
        y = g.op("MatMul", share, seen)
        norm = g.op("ReduceSum", g.op("Pow", y, g.f(2)), axes=[-1], keepdims=1)
        squash = g.op("Mul", g.op("Div", norm, g.op("Add", norm, g.f(1))), y)
        y = g.op("Div", squash, g.op("Add", g.op("Sqrt", norm), g.f(1e-8)))
        if turn == 0:
            agree = g.op("MatMul", seen, g.op("Transpose", y, perm=[0, 1, 3, 2]))
            logits = g.op("Add", logits, g.op("Squeeze", agree, axes=[3]))
    y = g.op("Squeeze", y, axes=[2])
    poses = []
    for stage in range(3):
        one = flat(g.op("Slice", y, axes=[1], starts=[stage], ends=[stage + 1]), -1)
        cut = lambda start, end: g.op("Slice", one, axes=[1], starts=[start], ends=[end])
        steps = g.op("Tanh", g.gemm(cut(0, 4), 4, 3))
        shifts = g.op("Tanh", g.gemm(cut(4, 8), 4, 3))
        chances = flat(g.gemm(cut(8, 2**63 - 1), 8, 9, "relu"), 3, 3)
        for bin_ in range(3):
            chance = g.op("Gather", chances, g.c(np.int64(bin_)), axis=2)
            poses.append(g.op("Mul", g.op("Add", shifts, g.f(bin_)), chance))
        poses.append(g.op("Div", poses.pop(), g.op("Mul", g.op("Add", steps, g.f(1)), g.f(3))))
    total = poses[0]
    for one in poses[1:]:
        total = g.op("Add", total, one)
    return g.model([g.op("Mul", total, g.f(99)), y], opset=9)
