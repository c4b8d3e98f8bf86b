"""Makes sequences.json: recurrent layers of all forms that have kernels, and branches that are planned:
`python make_sequences.py` (needs numpy, onnx, onnxruntime)."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import case, model, write

RNG = np.random.default_rng(7)
CASES = []
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32) * np.float32(0.5)


def recurrent(name, op, sizes, direction="forward", weights="constants", **more):
    """`sizes`: steps, batch, inputs, hidden. `more`: attributes, and of `lengths`, `state`, `peepholes` which there are."""
    steps, batch, inputs, hidden = sizes
    directions = 2 if direction == "bidirectional" else 1
    rows = GATES[op] * hidden
    arrays = {"X": floats(steps, batch, inputs), "W": floats(directions, rows, inputs), "R": floats(directions, rows, hidden)}
    if more.pop("bias", True):
        arrays["B"] = floats(directions, 2 * rows)
    if more.pop("lengths", False):
        # None at all, all of them, and some.
        arrays["lengths"] = RNG.permutation([0, steps, *RNG.integers(1, steps, batch - 2)]).astype(np.int32)
    if more.pop("state", False):
        arrays["h"] = floats(directions, batch, hidden)
        if op == "LSTM":
            arrays["c"] = floats(directions, batch, hidden)
    if more.pop("peepholes", False):
        arrays["P"] = floats(directions, 3 * hidden)
    names = ["X", "W", "R", "B", "lengths", "h"] + (["c", "P"] if op == "LSTM" else [])
    outputs = more.pop("outputs", ["Y", "Y_h", "Y_c"] if op == "LSTM" else ["Y", "Y_h"])
    node = helper.make_node(op, [n if n in arrays else "" for n in names], outputs, hidden_size=hidden, direction=direction, **more)
    fixed = {n: a for n, a in arrays.items() if n in ("W", "R", "B", "P") and weights == "constants"}
    feeds = {n: a for n, a in arrays.items() if n not in fixed}
    CASES.append(case(name, model([node], feeds, fixed, [o for o in outputs if o]), feeds, 1e-5, 1e-6))


for op in GATES:
    for direction in ("forward", "reverse", "bidirectional"):
        recurrent(f"{op}_{direction}", op, (5, 3, 7, 10), direction, state=True)
        recurrent(f"{op}_{direction}_lengths", op, (6, 4, 3, 5), direction, state=True, lengths=True)
    recurrent(f"{op}_plain", op, (4, 1, 6, 8), bias=False)
    recurrent(f"{op}_one_step", op, (1, 1, 33, 36), state=True)
    recurrent(f"{op}_weights_given", op, (3, 2, 4, 6), "bidirectional", weights="inputs", state=True)
    recurrent(f"{op}_last_only", op, (3, 2, 4, 6), outputs=["", "Y_h"])
    recurrent(f"{op}_one_input", op, (9, 1, 1, 3))
for late in (0, 1):
    recurrent(f"GRU_late_{late}", "GRU", (4, 3, 5, 9), "bidirectional", state=True, linear_before_reset=late)
    recurrent(f"GRU_late_{late}_lengths", "GRU", (4, 3, 5, 9), "reverse", lengths=True, linear_before_reset=late)
recurrent("LSTM_peepholes", "LSTM", (4, 2, 5, 7), "bidirectional", state=True, peepholes=True)
recurrent("LSTM_clip", "LSTM", (4, 2, 5, 7), state=True, clip=0.3)
recurrent("LSTM_coupled", "LSTM", (4, 2, 5, 7), state=True, input_forget=1)
recurrent("LSTM_usual_in_lower_case", "LSTM", (3, 2, 5, 7), activations=["sigmoid", "tanh", "tanh"])
# More sums than are held at a time.
recurrent("LSTM_many_steps", "LSTM", (700, 1, 1, 24), "bidirectional", outputs=["", "Y_h"])


def branches(name, then_nodes, else_nodes, constants, condition):
    """What runs depends on the sum of the input."""
    def graph(nodes, output):
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["condition"]),
        helper.make_node("If", ["condition"], ["y"], then_branch=graph(then_nodes, "t"), else_branch=graph(else_nodes, "e")),
    ]
    x = np.abs(floats(1, 4, 6)) * np.float32(1 if condition else -1)
    CASES.append(case(f"{name}_{'then' if condition else 'else'}", model(nodes, {"x": x}, {"zero": np.float32(0), **constants}, ["y"]), {"x": x}, 1e-5, 1e-6))


for condition in (True, False):
    branches("If_of_a_convolution", [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1]),
        helper.make_node("Relu", ["a"], ["t"]),
    ], [
        helper.make_node("MatMul", ["x", "m"], ["b"]),
        helper.make_node("Add", ["b", "n"], ["e"]),
    ], {"w": floats(4, 4, 3), "m": floats(6, 6), "n": floats(6)}, condition)
    branches("If_of_one_operator", [
        helper.make_node("Mul", ["x", "x"], ["t"]),
    ], [
        helper.make_node("Neg", ["x"], ["e"]),
    ], {}, condition)
write("sequences", CASES)
