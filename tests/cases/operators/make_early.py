"""Makes early.json: what early converters wrote, and files that declare less than others: `python make_early.py`."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import case, encoded, model, write

MS = "com.microsoft"
rng = np.random.default_rng(23)
CASES = []


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def add(name, nodes, feeds, outputs, constants=None, rtol=1e-6, atol=1e-6, opset=17, change=None):
    """`nodes`: (type, inputs, outputs, attributes[, domain]) in order; `change` works on the model."""
    nodes = [helper.make_node(n[0], n[1], n[2], domain=n[4] if len(n) > 4 else "", **n[3]) for n in nodes]
    proto = model(nodes, feeds, constants or {}, outputs, opset, [(MS, 1)])
    if change:
        change(proto)
    CASES.append(case(name, proto, feeds, rtol, atol))
    return proto


def transforms():
    x = f32(2, 6, 1)
    for length in (4, 6, 9):
        n = np.int64(length)
        add(f"DFT_17_{length}", [("DFT", ["x", "n"], ["y"], {"axis": 1})], {"x": x}, ["y"], {"n": n}, rtol=1e-5, atol=1e-5)
        add(f"DFT_20_{length}", [("DFT", ["x", "n", "axis"], ["y"], {})], {"x": x}, ["y"], {"n": n, "axis": np.int64(-2)}, 1e-5, 1e-5, 20)
        add(f"DFT_20_{length}_onesided", [("DFT", ["x", "n"], ["y"], {"onesided": 1})], {"x": x}, ["y"], {"n": n}, 1e-5, 1e-5, 20)
        add(f"DFT_20_{length}_inverse", [("DFT", ["x", "n"], ["y"], {"inverse": 1})], {"x": f32(2, 6, 2)}, ["y"], {"n": n}, 1e-5, 1e-5, 20)
    add("DFT_20_told_by_a_run", [("DFT", ["x", "n", "axis"], ["y"], {})], {"x": f32(3, 5, 2), "n": np.array(4), "axis": np.array(0)}, ["y"], {}, 1e-5, 1e-5, 20)


def dropouts():
    x = f32(3, 4)
    for opset in (7, 10, 12):
        add(f"Dropout_{opset}_mask", [("Dropout", ["x"], ["y", "mask"], {} if opset > 11 else {"ratio": 0.3})], {"x": x}, ["y", "mask"], opset=opset)
    # What is left is doubled, what is not is nothing, and the mask says which.
    nodes = [
        ("Dropout", ["x", "ratio", "trains"], ["y", "mask"], {"seed": 5}),
        ("Mul", ["x", "two"], ["twice"], {}),
        ("Where", ["mask", "twice", "zero"], ["wanted"], {}),
        ("Equal", ["y", "wanted"], ["same"], {}),
        ("Cast", ["mask"], ["share"], {"to": TensorProto.FLOAT}),
        ("ReduceMean", ["share"], ["mean"], {"keepdims": 0}),
        ("Less", ["mean", "most"], ["some"], {}),
        ("Greater", ["mean", "least"], ["others"], {}),
    ]
    constants = {"ratio": np.float32(0.5), "trains": np.array(True), "two": np.float32(2), "zero": np.float32(0), "most": np.float32(0.7), "least": np.float32(0.3)}
    add("Dropout_trains", nodes, {"x": f32(40, 50)}, ["same", "some", "others"], constants)


def experiments():
    picture = f32(2, 3, 7, 8)
    for name, kind, attributes in [
        ("Affine", "Affine", {"alpha": 0.5, "beta": -2.0}),
        ("Crop", "Crop", {"border": [1, 2, 3, 1]}),
        ("Crop_size", "Crop", {"border": [1, 2, 0, 0], "scale": [3, 4]}),
        ("ImageScaler", "ImageScaler", {"scale": 0.25, "bias": [0.5, -1.0, 3.0]}),
        ("ParametricSoftplus", "ParametricSoftplus", {"alpha": 1.5, "beta": 2.0}),
        ("ScaledTanh", "ScaledTanh", {"alpha": 1.5, "beta": 0.7}),
    ]:
        add(f"{name}_experiment", [(kind, ["x"], ["y"], attributes)], {"x": picture}, ["y"], opset=8)
    scale = {"scale": f32(8), "bias": f32(8)}
    add("LayerNormalization_early", [("LayerNormalization", ["x", "scale", "bias"], ["y"], {"axis": -1, "epsion": 1e-3})], {"x": f32(2, 8)}, ["y"], scale, 1e-5, 1e-5, 11)


def products():
    u8 = lambda *shape: rng.integers(0, 256, shape).astype(np.uint8)
    zero = {"az": np.uint8(3), "bz": np.uint8(200)}
    for name, a, b in [("matrix_vector", (3, 4), (4,)), ("vector_matrix", (4,), (4, 5)), ("stack_vector", (2, 3, 4), (4,)), ("vector_stack", (4,), (2, 4, 3)), ("vectors", (4,), (4,))]:
        add(f"MatMulInteger_{name}", [("MatMulInteger", ["a", "b", "az", "bz"], ["y"], {})], {"a": u8(*a), "b": u8(*b)}, ["y"], zero, 0.0, 0.0)


def forms():
    add("GatherND_constant_from_the_end", [("GatherND", ["x", "at"], ["y"], {})], {"x": f32(3, 2)}, ["y"], {"at": np.array([[-1], [0]])})
    add("GatherND_constant_pairs", [("GatherND", ["x", "at"], ["y"], {})], {"x": f32(3, 2, 4)}, ["y"], {"at": np.array([[-1, 1], [0, -2]])})
    add("Cast_flags_to_text", [("Cast", ["x"], ["text"], {"to": TensorProto.STRING}), ("Cast", ["text"], ["y"], {"to": TensorProto.INT32})], {"x": np.array([[True], [False]])}, ["text", "y"])
    x = f32(2, 3, 8)
    weights = {"w": f32(8, 24, scale=0.3), "b": f32(24), "past": f32(2, 2, 2, 4, 4)}
    for rows in (1, 2):
        feeds = {"x": x, "mask": np.zeros((rows, 1), np.int32)}
        node = ("Attention", ["x", "w", "b", "mask", "past"], ["y", "present"], {"num_heads": 2, "unidirectional": 1}, MS)
        add(f"Attention_mask_of_one_{rows}", [node], feeds, ["y", "present"], weights, 1e-5, 1e-5)

    def branch(name, value):
        return helper.make_graph([helper.make_node("Mul", [value, "two"], [name])], name, [], [helper.make_empty_tensor_value_info(name)])

    either = ("If", ["which"], ["y"], {"then_branch": branch("then", "a"), "else_branch": branch("else", "b")})
    behind = [("ReduceMax", ["y"], ["most"], {"keepdims": 1}), ("Sub", ["y", "most"], ["z"], {}), ("Shape", ["y"], ["size"], {})]
    compared = [("ReduceSum", ["a"], ["sum"], {"keepdims": 0}), ("Greater", ["sum", "zero"], ["which"], {})]
    for word, sign in (("then", 1), ("else", -1)):
        feeds = {"a": sign * np.abs(f32(1, 5)), "b": f32(3, 5)}
        add(f"If_of_other_lengths_{word}", compared + [either] + behind, feeds, ["y", "z", "size"], {"zero": np.float32(0), "two": np.float32(2)})

    boxes = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11]]], np.float32)
    feeds = {"boxes": boxes, "scores": np.array([[[0.9, 0.75, 0.6]]], np.float32)}
    share = {"share": np.array([0.5], np.float32)}
    for name, order, constants in [("no", ["boxes", "scores", "most", "share"], {"most": np.array([0]), **share}), ("untold", ["boxes", "scores", "", "share"], share), ("two", ["boxes", "scores", "most", "share"], {"most": np.array([2]), **share})]:
        add(f"NonMaxSuppression_{name}_boxes", [("NonMaxSuppression", order, ["y"], {})], feeds, ["y"], constants)


def files():
    def nothing_declared(proto):
        for output in proto.graph.output:
            output.ClearField("type")

    # `case` declares what ONNX Runtime gives; here nothing does.
    feeds = {"x": f32(2, 3)}
    nodes = [("Shape", ["x"], ["size"], {}), ("Greater", ["x", "zero"], ["above"], {}), ("Mul", ["x", "x"], ["square"], {})]
    proto = add("outputs_of_no_type", nodes, feeds, ["size", "above", "square"], {"zero": np.float32(0)})
    nothing_declared(proto)
    CASES[-1]["model"] = encoded(proto)
    add("output_twice", [("Neg", ["x"], ["y"], {})], feeds, ["y"])
    proto = model([helper.make_node("Neg", ["x"], ["y"])], feeds, {}, ["y", "y"])
    for output in proto.graph.output:
        output.CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3]))
    CASES[-1]["model"] = encoded(proto)

    def sparse(kind):
        def change(proto):
            values = numpy_helper.from_array(np.array([1.5, -2, 4], kind), "s")
            flat = numpy_helper.from_array(np.array([1, 5, 7], np.int64), "at")
            pairs = numpy_helper.from_array(np.array([[0, 1], [1, 1], [1, 3]], np.int64), "at")
            proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, flat, [2, 4]))
            node = helper.make_node("Constant", [], ["t"], sparse_value=helper.make_sparse_tensor(values, pairs, [2, 4]))
            proto.graph.node.insert(0, node)
        return change

    for kind in (np.float32, np.float64, np.int64, np.int8):
        feeds = {"x": f32(2, 4).astype(kind)}
        add(f"sparse_{kind.__name__}", [("Add", ["x", "s"], ["y"], {}), ("Cast", ["t"], ["u"], {"to": TensorProto.FLOAT})], feeds, ["y", "u"], change=sparse(kind))


transforms()
dropouts()
experiments()
products()
forms()
files()
write("early", CASES)
