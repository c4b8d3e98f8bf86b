"""Makes tiles.json: attention as models spell it out, and windows of 3 x 3, over the borders of the GPU kernels' tiles.

`python make_tiles.py` (needs numpy, onnx, onnxruntime)."""
import numpy as np
from onnx import helper

from case import case, model, write

rng = np.random.default_rng(17)
CASES = []
node = helper.make_node


def f32(*shape, scale=1.0):
    # Sixteenths are short in JSON.
    return (np.round(rng.standard_normal(shape) * scale * 16) / 16).astype(np.float32)


def attention(name, q, k, v, middle=(), feeds=None, constants=None, flipped=False, before=(), after=(), result="y", outputs=None):
    """`middle`, `before`, `after`: (operator, further inputs) applied to the scores, the keys and values, the result."""
    feeds = {"q": f32(*q), "k": f32(*k), "v": f32(*v), **(feeds or {})}
    constants = {"scale": np.float32(q[-1] ** -0.5), **(constants or {})}
    nodes, keys, values = [], "k", "v"
    for at, (op, more) in enumerate(before):
        nodes += [node(op, [keys, *more], [f"k{at}"]), node(op, [values, *more], [f"v{at}"])]
        keys, values = f"k{at}", f"v{at}"
    if not flipped:
        order = list(range(len(q) - 2)) + [len(q) - 1, len(q) - 2]
        nodes.append(node("Transpose", [keys], ["kt"], perm=order))
        keys = "kt"
    nodes.append(node("MatMul", ["q", keys], ["s"]))
    nodes.append(node("Mul", ["s", "scale"], ["s0"]))
    last = "s0"
    for at, (op, inputs) in enumerate(middle):
        nodes.append(node(op, [last if i == "*" else i for i in inputs], [f"s{at + 1}"]))
        last = f"s{at + 1}"
    nodes.append(node("Softmax", [last], ["p"], axis=-1))
    nodes.append(node("MatMul", ["p", values], ["o"]))
    last = "o"
    for at, (op, inputs, attributes) in enumerate(after):
        nodes.append(node(op, [last if i == "*" else i for i in inputs], [f"o{at}"], **attributes))
        last = f"o{at}"
    nodes.append(node("Identity", [last], ["y"]))
    CASES.append(case(f"Attention_{name}", model(nodes, feeds, constants, outputs or ["y"]), feeds, 1e-4, 1e-5))


def attentions():
    masked = [("Add", ["*", "m"])]
    attention("tiles", (1, 2, 37, 16), (1, 2, 41, 16), (1, 2, 41, 8), masked, {"m": f32(1, 1, 37, 41)})
    attention("odd", (2, 2, 9, 6), (2, 2, 33, 6), (2, 2, 33, 5), masked, {"m": f32(2, 1, 1, 33)})
    attention("flat", (3, 10, 12), (3, 34, 12), (3, 34, 12))
    attention("token", (1, 2, 1, 8), (1, 2, 130, 8), (1, 2, 130, 8), masked, {"m": f32(1, 1, 1, 130)})
    attention("tokens", (2, 2, 3, 5), (2, 2, 65, 5), (2, 2, 65, 7))
    # Repeated for groups of queries.
    for name, steps in [("grouped", 9), ("grouped_token", 1)]:
        shape = {"axis": np.array([2]), "wide": np.array([2, 2, 3, 20, 8]), "heads": np.array([2, 6, 20, 8])}
        repeated = [("Unsqueeze", ["axis"]), ("Expand", ["wide"]), ("Reshape", ["heads"])]
        attention(name, (2, 6, steps, 8), (2, 2, 20, 8), (2, 2, 20, 8), masked, {"m": f32(2, 1, steps, 20)}, shape, before=repeated)
    seen = np.tril(np.ones((12, 12), dtype=bool))
    attention("causal", (1, 2, 12, 8), (1, 2, 12, 8), (1, 2, 12, 8), [("Where", ["seen", "*", "lowest"])],
              constants={"seen": seen, "lowest": np.float32(np.finfo(np.float32).min)})
    attention("capped", (1, 2, 9, 8), (1, 2, 40, 8), (1, 2, 40, 8), [("Div", ["*", "cap"]), ("Tanh", ["*"]), ("Mul", ["*", "cap"]), *masked],
              {"m": f32(1, 2, 9, 40)}, {"cap": np.float32(3)})
    attention("columns", (1, 1, 9, 8), (1, 1, 10, 8), (1, 1, 10, 140))
    attention("columns_token", (1, 1, 1, 8), (1, 1, 10, 8), (1, 1, 10, 300))
    # A whole tile of keys that nobody sees, and some that somebody does.
    for name, steps in [("hidden", 8), ("hidden_token", 2)]:
        mask = np.zeros((1, 1, steps, 70), np.float32)
        mask[..., :66] = -np.inf
        mask[..., 0, 3] = 0
        attention(name, (1, 2, steps, 8), (1, 2, 70, 8), (1, 2, 70, 8), masked, {"m": mask})
    attention("keys_across", (2, 2, 9, 8), (2, 2, 8, 12), (2, 2, 12, 8), flipped=True)
    attention("shares", (1, 2, 9, 8), (1, 2, 12, 8), (1, 2, 12, 8), outputs=["y", "p"])
    attention("merged", (2, 2, 9, 8), (2, 2, 12, 8), (2, 2, 12, 8), after=[
        ("Transpose", ["*"], {"perm": [0, 2, 1, 3]}), ("Reshape", ["*", "shape"], {}), ("Add", ["*", "bias"], {}), ("Relu", ["*"], {})],
        constants={"shape": np.array([2, 9, 16]), "bias": f32(16)})


def windows():
    """Enough channels and tiles that tiles are multiplied; sizes that no tile divides."""
    for name, batch, size, channels, pads, activated in [
        ("same", 2, (9, 7), (32, 33), [1, 1, 1, 1], True), ("valid", 1, (13, 15), (32, 32), [0, 0, 0, 0], False),
        ("uneven", 1, (10, 14), (36, 32), [0, 1, 2, 0], False),
    ]:
        feeds = {"x": f32(batch, channels[0], *size)}
        # Numbers of few bits: a float16 holds them.
        weights = (rng.integers(-64, 64, (channels[1], channels[0], 3, 3)) / 256).astype(np.float32)
        nodes = [node("Conv", ["x", "w", "b"], ["c"], pads=pads), node("Relu" if activated else "Identity", ["c"], ["y"])]
        proto = model(nodes, feeds, {"w": weights, "b": f32(channels[1])}, ["y"])
        CASES.append(case(f"Conv_tiles_{name}", proto, feeds, 1e-4, 1e-4))


def halves():
    """Constants that a float16 holds, in the kernels that read them."""
    w = lambda *shape: (rng.integers(-512, 512, shape) / 128).astype(np.float16).astype(np.float32)
    for name, a, b in [("row", (1, 32), (32, 24)), ("rows", (5, 32), (32, 24)), ("large", (40, 32), (32, 44)), ("odd", (7, 33), (33, 11))]:
        feeds = {"a": f32(*a)}
        for turned in (0, 1):
            c = w(*(b[::-1] if turned else b))
            proto = model([node("Gemm", ["a", "b"], ["y"], transB=turned)], feeds, {"b": c}, ["y"])
            CASES.append(case(f"Halves_{name}{'_turned' * turned}", proto, feeds, 1e-4, 1e-4))
    feeds = {"x": f32(1, 8, 6, 6)}
    for name, shape, more in [("pointwise", (33, 8, 1, 1), {}), ("window", (8, 8, 3, 3), {"pads": [1] * 4}), ("strided", (6, 8, 5, 5), {"strides": [2, 2]}),
                              ("depthwise", (32, 1, 3, 3), {"group": 8})]:
        proto = model([node("Conv", ["x", "w"], ["y"], **more)], feeds, {"w": w(*shape)}, ["y"])
        CASES.append(case(f"Halves_{name}", proto, feeds, 1e-4, 1e-4))
    feeds = {"i": np.array([[3, -1, 0], [7, 2, 30]])}
    CASES.append(case("Halves_Gather", model([node("Gather", ["t", "i"], ["y"])], feeds, {"t": w(31, 12)}, ["y"]), feeds))
    feeds = {"x": f32(4, 64)}
    nodes = [node("Mul", ["x", "c"], ["m"]), node("Add", ["m", "d"], ["a"]), node("IsNaN", ["d"], ["n"]), node("Where", ["n", "x", "a"], ["y"])]
    CASES.append(case("Halves_elements", model(nodes, feeds, {"c": w(4, 64), "d": w(64, 4).T.copy()}, ["y"]), feeds, 1e-5, 1e-5))
    table = w(16, 20)
    feeds = {"x": f32(20)}
    nodes = [node("Transpose", ["t"], ["turned"]), node("Add", ["t", "x"], ["y"])]
    CASES.append(case("Halves_given", model(nodes, feeds, {"t": table}, ["y", "turned"]), feeds, 1e-5, 1e-5))


attentions()
windows()
halves()
write("tiles", CASES)
