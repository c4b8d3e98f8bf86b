"""Networks that say what an image or a clip shows."""
import numpy as np
from builder import G, model


@model
def mobilenetv2():
    g = G("mobilenetv2")
    x = g.inp("x", [1, 3, 160, 160])
    x = g.conv(x, 3, 32, 3, 2, act="relu6")
    c = 32
    for t, o, n, s in [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]:
        for i in range(n):
            st = s if i == 0 else 1
            e = c * t
            y = x
            if t > 1:
                y = g.conv(y, c, e, 1, act="relu6")
            y = g.conv(y, e, e, 3, st, g=e, act="relu6")
            y = g.conv(y, e, o, 1)
            x = g.op("Add", x, y) if st == 1 and c == o else y
            c = o
    x = g.conv(x, 320, 640, 1, act="relu6")
    x = g.op("Flatten", g.op("GlobalAveragePool", x))
    x = g.op("Gemm", x, g.w(200, 640), g.w(200), transB=1)
    return g.model(x)


@model
def mobilenetv3(name="mobilenetv3", hs="hswish"):
    g = G(name)
    x = g.inp("x", [1, 3, 160, 160])
    x = g.conv(x, 3, 16, 3, 2, act=hs)
    c = 16
    for k, e, o, se, a, s in [
        (3, 16, 16, 1, "relu", 2),
        (3, 72, 24, 0, "relu", 2),
        (3, 88, 24, 0, "relu", 1),
        (5, 96, 40, 1, hs, 2),
        (5, 240, 40, 1, hs, 1),
        (5, 240, 40, 1, hs, 1),
        (5, 120, 48, 1, hs, 1),
        (5, 144, 48, 1, hs, 1),
        (5, 288, 96, 1, hs, 2),
        (5, 576, 96, 1, hs, 1),
        (5, 576, 96, 1, hs, 1),
    ]:
        y = g.conv(x, c, e, 1, act=a)
        y = g.conv(y, e, e, k, s, g=e, act=a)
        if se:
            y = g.se(y, e, max(8, e // 4))
        y = g.conv(y, e, o, 1)
        x = g.op("Add", x, y) if s == 1 and c == o else y
        c = o
    x = g.conv(x, 96, 576, 1, act=hs)
    x = g.op("GlobalAveragePool", x)
    x = g.op("Flatten", x)
    x = g.act(g.op("Gemm", x, g.w(512, 576), g.w(512), transB=1), hs)
    x = g.op("Gemm", x, g.w(200, 512), g.w(200), transB=1)
    return g.model(x)


@model
def mobilenetv3_old():
    return mobilenetv3("mobilenetv3_old", "hswish_old")


@model
def efficientnet():
    g = G("efficientnet")
    x = g.inp("x", [1, 3, 160, 160])
    x = g.conv(x, 3, 32, 3, 2, act="silu")
    c = 32
    for t, o, n, s, k in [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 2, 2, 5),
        (6, 320, 1, 1, 3),
    ]:
        for i in range(n):
            st = s if i == 0 else 1
            e = c * t
            y = x
            if t > 1:
                y = g.conv(y, c, e, 1, act="silu")
            y = g.conv(y, e, e, k, st, g=e, act="silu")
            y = g.se(y, e, max(4, c // 4), "silu", "sig")
            y = g.conv(y, e, o, 1)
            x = g.op("Add", x, y) if st == 1 and c == o else y
            c = o
    x = g.conv(x, 320, 640, 1, act="silu")
    x = g.op("Flatten", g.op("GlobalAveragePool", x))
    x = g.op("Gemm", x, g.w(200, 640), g.w(200), transB=1)
    return g.model(x)


@model
def vit():
    g = G("vit")
    d, L, H = 192, 65, 3
    x = g.inp("x", [1, 3, 128, 128])
    x = g.conv(x, 3, d, 16, 16, p=[0] * 4)
    x = g.op("Transpose", g.op("Reshape", x, g.ic(1, d, L - 1)), perm=[0, 2, 1])
    x = g.op("Concat", g.w(1, 1, d), x, axis=1)
    x = g.op("Add", x, g.w(1, L, d))
    for _ in range(2):
        x = g.op("Add", x, g.mha(g.ln(x, d), L, d, H))
        y = g.ln(x, d)
        x = g.op("Add", x, g.lin(g.lin(y, d, 4 * d, "gelu"), 4 * d, d))
    x = g.ln(x, d)
    x = g.op("Gather", x, g.c(np.int64(0)), axis=1)
    return g.model(g.op("Gemm", x, g.w(100, d), g.w(100), transB=1))


@model
def resnet18():
    g = G("resnet18")
    x = g.inp("x", [1, 3, 112, 112])
    x = g.conv(x, 3, 32, 7, 2, act="relu")
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    c = 32
    for o, s in [(32, 1), (64, 2), (128, 2), (256, 2)]:
        for i in range(2):
            st = s if i == 0 else 1
            y = g.conv(g.conv(x, c, o, 3, st, act="relu"), o, o, 3)
            if st > 1 or c != o:
                x = g.conv(x, c, o, 1, st, p=[0] * 4)
            x = g.act(g.op("Add", y, x), "relu")
            c = o
    return g.model(g.op("Gemm", g.op("Flatten", g.op("GlobalAveragePool", x)), g.w(100, 256), g.w(100), transB=1))


@model
def cnn3d():
    g = G("cnn3d")
    x = g.inp("x", [1, 3, 8, 48, 48])
    c = 3
    for o, p in [(16, [1, 2, 2]), (32, [2, 2, 2]), (64, [2, 2, 2])]:
        x = g.conv(x, c, o, [3, 3, 3], p=[1] * 6, act="relu")
        x = g.op("MaxPool", x, kernel_shape=p, strides=p)
        c = o
    x = g.op("GlobalAveragePool", x)
    return g.model(g.op("Gemm", g.op("Flatten", x), g.w(10, 64), g.w(10), transB=1))


@model
def r2plus1d():
    g = G("r2plus1d")
    x = g.inp("x", [1, 3, 8, 40, 40])
    c = 3
    for o, s in [(16, 1), (32, 2), (64, 2)]:
        x = g.conv(x, c, o, [1, 3, 3], [1, s, s], p=[0, 1, 1] * 2, act="relu")
        x = g.conv(x, o, o, [3, 1, 1], [s, 1, 1], p=[1, 0, 0] * 2, act="relu")
        c = o
    x = g.op("AveragePool", x, kernel_shape=[2, 2, 2], strides=[2, 2, 2])
    return g.model(g.op("ReduceMean", x, g.ic(2, 3, 4)))


@model
def mobileface():
    g = G("mobileface")
    x = g.inp("x", [1, 3, 112, 112])
    P = lambda c: ("prelu", c)
    x = g.conv(x, 3, 32, 3, 2, act=P(32))
    x = g.conv(x, 32, 32, 3, g=32, act=P(32))
    c = 32
    for t, o, n, s in [(2, 32, 3, 2), (4, 64, 1, 2), (2, 64, 3, 1), (4, 64, 1, 2), (2, 64, 2, 1)]:
        for i in range(n):
            e = c * t
            st = s if i == 0 else 1
            y = g.conv(x, c, e, 1, act=P(e))
            y = g.conv(y, e, e, 3, st, g=e, act=P(e))
            y = g.conv(y, e, o, 1)
            x = g.op("Add", x, y) if st == 1 and c == o else y
            c = o
    x = g.conv(x, 64, 256, 1, act=P(256))
    x = g.conv(x, 256, 256, 7, g=256, p=[0] * 4)
    return g.model(g.op("Flatten", g.conv(x, 256, 128, 1)))


@model
def prelu_bn():
    g = G("prelu_bn")
    x = g.inp("x", [1, 3, 64, 64])
    c = 3
    for o in [32, 64, 64]:
        x = g.bn(x, c)
        x = g.conv(x, c, o, 3, act=("prelu", o))
        c = o
        x = g.op("Add", x, g.conv(x, c, c, 3, act=("prelu", c)))
    return g.model(g.conv(x, c, 8, 3, 2))


@model
def mixer():
    g = G("mixer")
    d, L = 128, 64
    x = g.inp("x", [1, 3, 64, 64])
    x = g.conv(x, 3, d, 8, 8, p=[0] * 4)
    x = g.op("Transpose", g.op("Reshape", x, g.ic(1, d, L)), perm=[0, 2, 1])
    for _ in range(4):
        y = g.op("Transpose", g.ln(x, d), perm=[0, 2, 1])
        y = g.lin(g.lin(y, L, 128, "gelu_op"), 128, L)
        x = g.op("Add", x, g.op("Transpose", y, perm=[0, 2, 1]))
        x = g.op("Add", x, g.lin(g.lin(g.ln(x, d), d, 256, "gelu_op"), 256, d))
    return g.model(g.op("ReduceMean", g.ln(x, d), g.ic(1)))


@model
def convnext():
    g = G("convnext")
    x = g.inp("x", [1, 3, 96, 96])
    x = g.conv(x, 3, 48, 4, 4, p=[0] * 4)
    c = 48
    for o in [48, 96, 192]:
        if o != c:
            x = g.op("Transpose", x, perm=[0, 2, 3, 1])
            x = g.op("Transpose", g.ln(x, c), perm=[0, 3, 1, 2])
            x = g.conv(x, c, o, 2, 2, p=[0] * 4)
            c = o
        for _ in range(2):
            y = g.conv(x, c, c, 7, g=c)
            y = g.op("Transpose", y, perm=[0, 2, 3, 1])
            y = g.lin(g.lin(g.ln(y, c), c, 4 * c, "gelu"), 4 * c, c)
            y = g.op("Mul", y, g.w(c))
            x = g.op("Add", x, g.op("Transpose", y, perm=[0, 3, 1, 2]))
    return g.model(g.op("ReduceMean", x, g.ic(2, 3)))


@model
def shufflenet():
    g = G("shufflenet")
    x = g.inp("x", [1, 3, 128, 128])
    x = g.conv(x, 3, 24, 3, 2, act="relu")
    x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    c = 24
    H = 32
    for o, n in [(48, 3), (96, 4), (192, 2)]:
        b = o // 2
        l = g.conv(g.conv(x, c, c, 3, 2, g=c), c, b, 1, act="relu")
        r = g.conv(g.conv(g.conv(x, c, b, 1, act="relu"), b, b, 3, 2, g=b), b, b, 1, act="relu")
        x = g.op("Concat", l, r, axis=1)
        H //= 2
        c = o
        for _ in range(n):
            x = g.op(
                "Reshape",
                g.op("Transpose", g.op("Reshape", x, g.ic(1, 2, b, H, H)), perm=[0, 2, 1, 3, 4]),
                g.ic(1, c, H, H),
            )
            l, r = g.op("Split", x, n=2, axis=1, num_outputs=2)
            r = g.conv(g.conv(g.conv(r, b, b, 1, act="relu"), b, b, 3, g=b), b, b, 1, act="relu")
            x = g.op("Concat", l, r, axis=1)
    return g.model(g.op("ReduceMean", x, g.ic(2, 3)))


@model
def densenet():
    g = G("densenet")
    x = g.inp("x", [1, 3, 64, 64])
    x = g.conv(x, 3, 24, 3, act="relu")
    c = 24
    bn = lambda x, c: g.act(
        g.op("BatchNormalization", x, g.w(c, scale=1.0), g.w(c), g.w(c), g.ones(c)), "relu"
    )
    for b in range(3):
        for _ in range(4):
            x = g.op("Concat", x, g.conv(g.conv(bn(x, c), c, 48, 1, act="relu"), 48, 12, 3), axis=1)
            c += 12
        if b < 2:
            x = g.conv(bn(x, c), c, c // 2, 1)
            c //= 2
            x = g.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return g.model(g.op("ReduceMean", bn(x, c), g.ic(2, 3)))
