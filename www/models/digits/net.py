"""A small convolutional net in numpy: forward, backward, Adam, and its export to ONNX.

In: images [n,1,8,8] float32 in 0..1. Out: ten class scores (logits); the ONNX file adds softmax.

The one decision: numpy instead of a training framework. Thirty-eight thousand parameters train in a
minute or two on one core, and set-up needs nothing but the packages of requirements.txt.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

C1, C2, HIDDEN = 16, 32, 64


def patches(x):
    """[n,c,h,w] -> [n,h,w,c*9]: the zero-padded 3x3 neighbourhood of every pixel."""
    n, c, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, w, c * 9)


def unpatch(grad, shape):
    """The transpose of `patches`: sums each neighbourhood's gradient back onto its pixels."""
    n, c, h, w = shape
    grad = grad.reshape(n, h, w, c, 3, 3)
    padded = np.zeros((n, c, h + 2, w + 2), grad.dtype)
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + h, j : j + w] += grad[..., i, j].transpose(0, 3, 1, 2)
    return padded[:, :, 1:-1, 1:-1]


class Net:
    def __init__(self, rng):
        def he(fan_in, *shape):
            return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)

        flat = C2 * 4 * 4
        self.p = {
            "conv1.w": he(9, C1, 9), "conv1.b": np.zeros(C1, np.float32),
            "conv2.w": he(C1 * 9, C2, C1 * 9), "conv2.b": np.zeros(C2, np.float32),
            "fc1.w": he(flat, HIDDEN, flat), "fc1.b": np.zeros(HIDDEN, np.float32),
            "fc2.w": he(HIDDEN, 10, HIDDEN), "fc2.b": np.zeros(10, np.float32),
        }
        self.m = {k: np.zeros_like(v) for k, v in self.p.items()}
        self.v = {k: np.zeros_like(v) for k, v in self.p.items()}
        self.steps = 0

    def forward(self, x, rng=None, drop=0.0):
        """Logits, with what backward needs kept in self.tape. Dropout only when rng is given."""
        p, n = self.p, len(x)
        a1 = patches(x)
        h1 = np.maximum(a1 @ p["conv1.w"].T + p["conv1.b"], 0).transpose(0, 3, 1, 2)
        a2 = patches(h1)
        h2 = np.maximum(a2 @ p["conv2.w"].T + p["conv2.b"], 0).transpose(0, 3, 1, 2)
        cells = h2.reshape(n, C2, 4, 2, 4, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, C2, 4, 4, 4)
        best = cells.argmax(-1)
        flat = cells.max(-1).reshape(n, -1)
        h3 = np.maximum(flat @ p["fc1.w"].T + p["fc1.b"], 0)
        keep = None
        if rng is not None and drop > 0:
            keep = (rng.random(h3.shape) >= drop).astype(np.float32) / (1 - drop)
            h3 = h3 * keep
        self.tape = (a1, h1, a2, h2, best, flat, h3, keep)
        return h3 @ p["fc2.w"].T + p["fc2.b"]

    def step(self, x, target, rate, rng, drop=0.25, decay=1e-4):
        """One Adam step on the cross-entropy to `target` (soft labels). Returns the loss."""
        p, n = self.p, len(x)
        prob = softmax(self.forward(x, rng, drop))
        a1, h1, a2, h2, best, flat, h3, keep = self.tape
        loss = -(target * np.log(prob + 1e-9)).sum() / n
        g = {}
        d = (prob - target) / n
        g["fc2.w"], g["fc2.b"] = d.T @ h3, d.sum(0)
        d = (d @ p["fc2.w"]) * (h3 > 0)
        if keep is not None:
            d = d * keep
        g["fc1.w"], g["fc1.b"] = d.T @ flat, d.sum(0)
        d = (d @ p["fc1.w"]).reshape(n, C2, 4, 4)
        cells = np.zeros((n, C2, 4, 4, 4), np.float32)
        np.put_along_axis(cells, best[..., None], d[..., None], -1)
        d = cells.reshape(n, C2, 4, 4, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, C2, 8, 8)
        d = (d * (h2 > 0)).transpose(0, 2, 3, 1)
        g["conv2.w"], g["conv2.b"] = np.tensordot(d, a2, ((0, 1, 2), (0, 1, 2))), d.sum((0, 1, 2))
        d = unpatch(d @ p["conv2.w"], h1.shape)
        d = (d * (h1 > 0)).transpose(0, 2, 3, 1)
        g["conv1.w"], g["conv1.b"] = np.tensordot(d, a1, ((0, 1, 2), (0, 1, 2))), d.sum((0, 1, 2))
        self.steps += 1
        for k in p:
            self.m[k] = 0.9 * self.m[k] + 0.1 * g[k]
            self.v[k] = 0.999 * self.v[k] + 0.001 * g[k] ** 2
            m, v = self.m[k] / (1 - 0.9**self.steps), self.v[k] / (1 - 0.999**self.steps)
            p[k] = (p[k] - rate * (m / (np.sqrt(v) + 1e-8) + decay * p[k])).astype(np.float32)
        return float(loss)

    def onnx(self, notes):
        """The net as an ONNX model: `image` [batch,1,8,8] -> `probabilities` [batch,10]."""
        p = dict(self.p)
        p["conv1.w"] = p["conv1.w"].reshape(C1, 1, 3, 3)
        p["conv2.w"] = p["conv2.w"].reshape(C2, C1, 3, 3)
        same = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        nodes = [
            helper.make_node("Conv", ["image", "conv1.w", "conv1.b"], ["c1"], "conv1", **same),
            helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
            helper.make_node("Conv", ["r1", "conv2.w", "conv2.b"], ["c2"], "conv2", **same),
            helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
            helper.make_node("MaxPool", ["r2"], ["p2"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Flatten", ["p2"], ["f"], "flatten", axis=1),
            helper.make_node("Gemm", ["f", "fc1.w", "fc1.b"], ["g1"], "fc1", transB=1),
            helper.make_node("Relu", ["g1"], ["r3"], "relu3"),
            helper.make_node("Gemm", ["r3", "fc2.w", "fc2.b"], ["g2"], "fc2", transB=1),
            helper.make_node("Softmax", ["g2"], ["probabilities"], "softmax", axis=1),
        ]
        graph = helper.make_graph(
            nodes, "digits",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
            [numpy_helper.from_array(v, k) for k, v in p.items()])
        model = helper.make_model(graph, producer_name="nearside-digits",
                                  opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, notes)
        onnx.checker.check_model(model, full_check=True)
        return model


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)
