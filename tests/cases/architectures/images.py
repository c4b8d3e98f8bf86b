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
