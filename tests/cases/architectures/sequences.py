"""Networks over text, speech and tables."""
import numpy as np
from builder import G, model
from onnx import TensorProto


def bert(name, layers, d, H, L, vocab=300, B=1):
    g = G(name)
    ids = g.inp("ids", [B, L], TensorProto.INT64)
    m = g.inp("mask", [B, L], TensorProto.INT64)
    mask = g.op(
        "Mul",
        g.op("Sub", g.f(1), g.op("Cast", g.op("Unsqueeze", m, g.ic(1, 2)), to=1)),
        g.f(-10000),
    )
    x = g.op("Gather", g.w(vocab, d), ids)
    x = g.op("Add", x, g.w(1, L, d))
    x = g.ln(x, d)
    for _ in range(layers):
        x = g.ln(g.op("Add", x, g.mha(x, L, d, H, mask, B)), d)
        x = g.ln(g.op("Add", x, g.lin(g.lin(x, d, 4 * d, "gelu"), 4 * d, d)), d)
    return g.model(x)


@model
def berttiny():
    return bert("berttiny", 2, 128, 2, 32)


@model
def bertmini64():
    return bert("bertmini64", 2, 256, 4, 64)


@model
def bert_b8():
    return bert("bert_b8", 2, 128, 2, 32, B=8)


@model
def whisper():
    g = G("whisper")
    d, H, L = 192, 6, 250
    x = g.inp("mel", [1, 80, 500])
    x = g.conv(x, 80, d, [3], 1, act="gelu")
    x = g.conv(x, d, d, [3], [2], act="gelu")
    x = g.op("Add", g.op("Transpose", x, perm=[0, 2, 1]), g.w(L, d))
    for _ in range(2):
        x = g.op("Add", x, g.mha(g.ln(x, d), L, d, H))
        x = g.op("Add", x, g.lin(g.lin(g.ln(x, d), d, 4 * d, "gelu"), 4 * d, d))
    return g.model(g.ln(x, d))


@model
def conformer():
    g = G("conformer")
    d, H, L = 144, 4, 100
    x = g.inp("x", [1, L, 80])
    x = g.lin(x, 80, d)
    half = g.f(0.5)
    for _ in range(4):
        f = lambda x: g.op("Mul", g.lin(g.lin(g.ln(x, d), d, 4 * d, "silu"), 4 * d, d), half)
        x = g.op("Add", x, f(x))
        x = g.op("Add", x, g.mha(g.ln(x, d), L, d, H))
        y = g.op("Transpose", g.ln(x, d), perm=[0, 2, 1])
        y = g.conv(y, d, 2 * d, [1])
        a, b = g.op("Split", y, n=2, axis=1, num_outputs=2)
        y = g.op("Mul", a, g.op("Sigmoid", b))
        y = g.conv(y, d, d, [31], g=d)
        y = g.op("BatchNormalization", y, g.ones(d), g.w(d), g.w(d), g.ones(d))
        y = g.act(y, "silu")
        y = g.conv(y, d, d, [1])
        x = g.op("Add", x, g.op("Transpose", y, perm=[0, 2, 1]))
        x = g.ln(g.op("Add", x, f(x)), d)
    return g.model(x)


@model
def wav2vec():
    g = G("wav2vec")
    x = g.inp("x", [1, 1, 8000])
    c = 1
    for i, (k, s) in enumerate([(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]):
        x = g.conv(x, c, 128, [k], [s], p=[0, 0], bias=i > 0)
        c = 128
        if i == 0:
            x = g.op("InstanceNormalization", x, g.ones(128), g.w(128))
        x = g.act(x, "gelu")
    return g.model(x)


def rnn(name, kind, T_, B, i, hid, layers, bi, seqlens=False):
    g = G(name)
    x = g.inp("x", [T_, B, i])
    D = 2 if bi else 1
    k = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    for _ in range(layers):
        w = g.w(D, k * hid, i, scale=1 / np.sqrt(hid))
        r = g.w(D, k * hid, hid, scale=1 / np.sqrt(hid))
        b = g.w(D, 2 * k * hid)
        a = dict(hidden_size=hid)
        if bi:
            a["direction"] = "bidirectional"
        if kind == "GRU":
            a["linear_before_reset"] = 1
        y = g.op(kind, x, w, r, b, **a)
        x = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ic(T_, B, D * hid))
        i = D * hid
    return g.model(g.lin(x, i, 16))


@model
def lstm():
    return rnn("lstm", "LSTM", 50, 1, 64, 128, 2, False)


@model
def bilstm_b4():
    return rnn("bilstm_b4", "LSTM", 40, 4, 64, 96, 2, True)


@model
def gru():
    return rnn("gru", "GRU", 60, 1, 40, 64, 2, False)


@model
def bigru_b8():
    return rnn("bigru_b8", "GRU", 32, 8, 64, 128, 2, True)


@model
def lstm_big():
    return rnn("lstm_big", "LSTM", 20, 1, 192, 384, 1, False)


@model
def rnn_b2():
    return rnn("rnn_b2", "RNN", 50, 2, 64, 128, 1, True)


@model
def lstm_step():
    return rnn("lstm_step", "LSTM", 1, 1, 64, 128, 2, False)


@model
def crnn():
    g = G("crnn")
    x = g.inp("x", [1, 1, 32, 100])
    c = 1
    for o, p in [(32, (2, 2)), (64, (2, 2)), (128, None), (128, (2, 1)), (256, (2, 1))]:
        x = g.conv(x, c, o, 3, act="relu")
        c = o
        if p:
            x = g.op("MaxPool", x, kernel_shape=list(p), strides=list(p))
    x = g.conv(x, 256, 256, 2, p=[0] * 4, act="relu")
    x = g.op("Squeeze", x, g.ic(2))
    x = g.op("Transpose", x, perm=[2, 0, 1])
    i = 256
    for _ in range(2):
        y = g.op(
            "LSTM",
            x,
            g.w(2, 512, i, scale=0.06),
            g.w(2, 512, 128, scale=0.06),
            g.w(2, 1024),
            hidden_size=128,
            direction="bidirectional",
        )
        x = g.op("Reshape", g.op("Transpose", y, perm=[0, 2, 1, 3]), g.ic(-1, 1, 256))
        i = 256
    return g.model(g.op("LogSoftmax", g.lin(x, 256, 37), axis=-1))


def forest(name, trees, depth, feat, classes, kind, B=1):
    g = G(name)
    x = g.inp("x", [B, feat])
    r = g.r
    A = {k: [] for k in "treeids nodeids featureids modes values truenodeids falsenodeids".split()}
    ct, cn, ci, cw = [], [], [], []
    for t in range(trees):
        n = 2 ** (depth + 1) - 1
        for i in range(n):
            leaf = i >= 2**depth - 1
            A["treeids"].append(t)
            A["nodeids"].append(i)
            A["featureids"].append(0 if leaf else int(r.integers(feat)))
            A["modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            A["values"].append(0.0 if leaf else float(np.float32(r.uniform(0, 1))))
            A["truenodeids"].append(0 if leaf else 2 * i + 1)
            A["falsenodeids"].append(0 if leaf else 2 * i + 2)
            if leaf:
                if kind == "rf":
                    p = r.dirichlet(np.ones(classes)) / trees
                    for c in range(classes):
                        ct.append(t)
                        cn.append(i)
                        ci.append(c)
                        cw.append(float(np.float32(p[c])))
                else:
                    ct.append(t)
                    cn.append(i)
                    ci.append(t % classes)
                    cw.append(float(np.float32(r.normal() * 0.1)))
    att = {"nodes_" + k: v for k, v in A.items()}
    if kind == "reg":
        y = g.op(
            "TreeEnsembleRegressor",
            x,
            domain="ai.onnx.ml",
            n_targets=classes,
            target_treeids=ct,
            target_nodeids=cn,
            target_ids=ci,
            target_weights=cw,
            **att,
        )
        outs = [y]
    else:
        l, y = g.op(
            "TreeEnsembleClassifier",
            x,
            n=2,
            domain="ai.onnx.ml",
            classlabels_int64s=list(range(classes)),
            class_treeids=ct,
            class_nodeids=cn,
            class_ids=ci,
            class_weights=cw,
            post_transform="NONE" if kind == "rf" else "SOFTMAX",
            **att,
        )
        outs = [(l, TensorProto.INT64), y]
    return g.model(outs, extra=[("ai.onnx.ml", 3)])


@model
def rf_small():
    return forest("rf_small", 10, 4, 13, 3, "rf")


@model
def rf_big():
    return forest("rf_big", 20, 6, 64, 10, "rf")


@model
def gbdt():
    return forest("gbdt", 60, 3, 30, 3, "gb")


@model
def gbdt_b100():
    return forest("gbdt_b100", 30, 5, 30, 2, "gb", B=100)


@model
def reg_trees():
    return forest("reg_trees", 30, 6, 20, 1, "reg")


@model
def tcn():
    g = G("tcn")
    x = g.inp("x", [1, 40, 300])
    x = g.conv(x, 40, 64, [1])
    for d in [1, 2, 4, 8, 16]:
        y = g.conv(x, 64, 64, [3], d=d, p=[2 * d, 0], act="relu")
        y = g.conv(y, 64, 64, [3], d=d, p=[2 * d, 0], act="relu")
        x = g.act(g.op("Add", x, y), "relu")
    return g.model(g.conv(x, 64, 10, [1]))


@model
def convtasnet():
    g = G("convtasnet")
    x = g.inp("x", [1, 1, 4000])
    e = g.conv(x, 1, 128, [16], [8], p=[0, 0], act="relu")
    T_ = 499
    y = g.conv(e, 128, 64, [1])
    for d in [1, 2, 4, 8, 1, 2, 4, 8]:
        z = g.conv(y, 64, 128, [1], act=None)
        z = g.op("PRelu", z, g.c(np.full((1, 1), 0.25, np.float32)))
        z = g.op(
            "LayerNormalization", z, g.c(np.ones((128, T_), np.float32)), g.c(np.zeros((128, T_), np.float32)), axis=1
        )
        z = g.conv(z, 128, 128, [3], g=128, d=d, p=[d, d])
        z = g.op("PRelu", z, g.c(np.full((1, 1), 0.25, np.float32)))
        y = g.op("Add", y, g.conv(z, 128, 64, [1]))
    m = g.op("Sigmoid", g.conv(y, 64, 128, [1]))
    return g.model(g.op("ConvTranspose", g.op("Mul", e, m), g.w(128, 1, 16, scale=0.1), kernel_shape=[16], strides=[8]))


@model
def vocoder():
    g = G("vocoder")
    x = g.inp("mel", [1, 80, 40])
    x = g.conv(x, 80, 128, [7])
    c = 128
    for s, k in [(8, 16), (8, 16)]:
        x = g.op(
            "ConvTranspose",
            g.act(x, "lrelu"),
            g.w(c, c // 2, k, scale=0.05),
            g.w(c // 2),
            kernel_shape=[k],
            strides=[s],
            pads=[(k - s) // 2] * 2,
        )
        c //= 2
        for d in [1, 3]:
            x = g.op("Add", x, g.conv(g.act(x, "lrelu"), c, c, [3], d=d))
    return g.model(g.op("Tanh", g.conv(g.act(x, "lrelu"), c, 1, [7])))


@model
def mlp():
    g = G("mlp")
    x = g.inp("x", [1, 32])
    x = g.act(g.op("Gemm", x, g.w(64, 32), g.w(64), transB=1), "relu")
    x = g.act(g.op("Gemm", x, g.w(64, 64), g.w(64), transB=1), "relu")
    return g.model(g.op("Softmax", g.op("Gemm", x, g.w(3, 64), g.w(3), transB=1)))


@model
def mlp_b256():
    g = G("mlp_b256")
    x = g.inp("x", [256, 784])
    x = g.act(g.op("Gemm", x, g.w(256, 784), g.w(256), transB=1), "relu")
    return g.model(g.op("Softmax", g.op("Gemm", x, g.w(10, 256), g.w(10), transB=1)))


@model
def decoder():
    d, H, P = 128, 4, 32
    g = G("decoder")
    x = g.inp("x", [1, 1, d])
    outs = []
    for l in range(4):
        pk = g.inp(f"pk{l}", [1, H, P, d // H])
        pv = g.inp(f"pv{l}", [1, H, P, d // H])
        y = g.ln(x, d)
        sp = lambda t: g.op("Transpose", g.op("Reshape", t, g.ic(1, 1, H, d // H)), perm=[0, 2, 1, 3])
        q, k, v = [sp(g.lin(y, d, d)) for _ in range(3)]
        k = g.op("Concat", pk, k, axis=2)
        v = g.op("Concat", pv, v, axis=2)
        outs += [k, v]
        a = g.op(
            "Softmax",
            g.op("Mul", g.op("MatMul", q, g.op("Transpose", k, perm=[0, 1, 3, 2])), g.f(0.17)),
            axis=-1,
        )
        o = g.op("Reshape", g.op("Transpose", g.op("MatMul", a, v), perm=[0, 2, 1, 3]), g.ic(1, 1, d))
        x = g.op("Add", x, g.lin(o, d, d))
        x = g.op("Add", x, g.lin(g.lin(g.ln(x, d), d, 512, "gelu"), 512, d))
    return g.model([g.lin(g.ln(x, d), d, 1000)] + outs)


@model
def logreg():
    g = G("logreg")
    x = g.inp("x", [1, 20])
    l, p = g.op(
        "LinearClassifier",
        x,
        n=2,
        domain="ai.onnx.ml",
        coefficients=[float(v) for v in g.r.normal(size=60)],
        intercepts=[0.1, 0.2, 0.3],
        classlabels_ints=[0, 1, 2],
        multi_class=0,
        post_transform="SOFTMAX",
    )
    p = g.op("Normalizer", p, domain="ai.onnx.ml", norm="L1")
    return g.model([(l, TensorProto.INT64), p], extra=[("ai.onnx.ml", 1)])
