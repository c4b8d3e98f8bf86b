"""Builds a network out of layers as exporters write them; weights are random and of the usual size."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper, shape_inference

NETWORKS = {}


def model(build):
    """Registers a function that returns a model under its name."""
    NETWORKS[build.__name__] = build
    return build


class G:
    """A graph that grows: every method adds nodes and returns the name of what they make."""

    def __init__(self, name):
        self.name = name
        self.nodes, self.constants, self.inputs = [], [], []
        self.count = 0
        self.r = np.random.default_rng(0)

    def inp(self, name, shape, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def c(self, array):
        self.count += 1
        self.constants.append(numpy_helper.from_array(np.asarray(array), f"w{self.count}"))
        return f"w{self.count}"

    def w(self, *shape, scale=None):
        if scale is None:
            scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        return self.c((self.r.standard_normal(shape) * scale).astype(np.float32))

    def ones(self, size):
        return self.c(np.ones(size, np.float32))

    def ic(self, *values):
        return self.c(np.array(values, np.int64))

    def f(self, value):
        return self.c(np.float32(value))

    def op(self, kind, *inputs, n=1, domain="", **attributes):
        self.count += 1
        outputs = [f"{kind}{self.count}_{index}" for index in range(n)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name=f"{kind}_{self.count}", domain=domain, **attributes))
        return outputs[0] if n == 1 else outputs

    def conv(self, x, i, o, k, st=1, g=1, act=None, p=None, d=1, bias=True):
        kernel = k if isinstance(k, (list, tuple)) else [k, k]
        pads = p if p is not None else [d * (side - 1) // 2 for side in kernel] * 2
        strides = st if isinstance(st, (list, tuple)) else [st] * len(kernel)
        inputs = [x, self.w(o, i // g, *kernel)] + ([self.w(o)] if bias else [])
        y = self.op("Conv", *inputs, kernel_shape=list(kernel), pads=pads, strides=strides, group=g, dilations=[d] * len(kernel))
        return self.act(y, act)

    def act(self, y, kind):
        if isinstance(kind, tuple):
            return self.op("PRelu", y, self.c(self.r.uniform(0.1, 0.4, (kind[1], 1, 1)).astype(np.float32)))
        return y if kind is None else ACTIVATIONS[kind](self, y)

    def lin(self, x, i, o, act=None, bias=True):
        y = self.op("MatMul", x, self.w(i, o, scale=1 / np.sqrt(i)))
        return self.act(self.op("Add", y, self.w(o)) if bias else y, act)

    def gemm(self, x, i, o, act=None):
        return self.act(self.op("Gemm", x, self.w(o, i), self.w(o), transB=1), act)

    def ln(self, x, d, axis=-1):
        gain = (1 + 0.1 * self.r.standard_normal(d)).astype(np.float32)
        return self.op("LayerNormalization", x, self.c(gain), self.w(d), axis=axis, epsilon=1e-5)

    def bn(self, x, c, act=None):
        return self.act(self.op("BatchNormalization", x, self.ones(c), self.w(c), self.w(c), self.ones(c)), act)

    def se(self, x, c, r, inner="relu", gate="hsig"):
        p = self.op("GlobalAveragePool", x)
        p = self.conv(p, c, r, 1, act=inner)
        p = self.conv(p, r, c, 1)
        return self.op("Mul", x, self.act(p, gate))

    def mha(self, x, length, d, heads, mask=None, batch=1):
        def split(t, perm):
            return self.op("Transpose", self.op("Reshape", t, self.ic(batch, length, heads, d // heads)), perm=perm)

        q, k, v = (self.lin(x, d, d) for _ in range(3))
        q, k, v = split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1]), split(v, [0, 2, 1, 3])
        scores = self.op("Div", self.op("MatMul", q, k), self.f((d // heads) ** 0.5))
        if mask:
            scores = self.op("Add", scores, mask)
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        y = self.op("Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), self.ic(batch, length, d))
        return self.lin(y, d, d)

    def model(self, outputs, opset=20, extra=()):
        """`outputs`: names of float32, or (name, type)."""
        outputs = outputs if isinstance(outputs, list) else [outputs]
        typed = [each if isinstance(each, tuple) else (each, TensorProto.FLOAT) for each in outputs]
        infos = [helper.make_tensor_value_info(name, dtype, None) for name, dtype in typed]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, infos, self.constants)
        imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, version) for domain, version in extra]
        made = helper.make_model(graph, opset_imports=imports, ir_version=8 if opset < 21 else 10)
        return shape_inference.infer_shapes(made)


def _hard_swish_of_parts(g, y):
    z = g.op("Clip", g.op("Add", y, g.f(3)), g.f(0), g.f(6))
    return g.op("Div", g.op("Mul", y, z), g.f(6))


def _gelu_of_parts(g, y):
    e = g.op("Add", g.op("Erf", g.op("Div", y, g.f(2**0.5))), g.f(1))
    return g.op("Mul", g.op("Mul", y, e), g.f(0.5))


ACTIVATIONS = {
    "relu6": lambda g, y: g.op("Clip", y, g.f(0), g.f(6)),
    "silu": lambda g, y: g.op("Mul", y, g.op("Sigmoid", y)),
    "sig": lambda g, y: g.op("Sigmoid", y),
    "hswish": lambda g, y: g.op("HardSwish", y),
    "hswish_old": _hard_swish_of_parts,
    "relu": lambda g, y: g.op("Relu", y),
    "hsig": lambda g, y: g.op("HardSigmoid", y, alpha=1 / 6.0),
    "gelu": _gelu_of_parts,
    "gelu_op": lambda g, y: g.op("Gelu", y),
    "lrelu": lambda g, y: g.op("LeakyRelu", y, alpha=0.1),
}
