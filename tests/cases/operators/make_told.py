"""Makes told.json: extents and branches that only a run tells, where the engine cannot plan the whole graph: `python make_told.py`.

Inputs have more elements than an input that a plan may take for a constant."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import case, model, write

CASES = []
rng = np.random.default_rng(83)
NEAR = dict(rtol=1e-5, atol=1e-6)
INT64, FLOAT = TensorProto.INT64, TensorProto.FLOAT


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def node(op, inputs, outputs, domain="", **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), domain=domain, **attributes)


def add(name, nodes, inputs, constants, outputs, opset=17, domains=(), **tolerance):
    CASES.append(case(name, model(nodes, inputs, constants, outputs.split(), opset, domains), inputs, **(tolerance or NEAR)))


def found():
    """As heads of detectors end: as many rows as are found, sorted, cut and filled to a number."""
    for name, least in (("some", 1.0), ("none", 9.0), ("all", -9.0)):
        x = f32(8, 4)
        constants = {"least": np.float32(least), "zero": np.int64(0), "one": ints(1), "last": ints(1), "axis": ints(0), "most": ints(5), "row": ints(0), "rows": ints(0)}
        head = [
            node("ReduceMax", "x", "best", axes=[1], keepdims=0),
            node("Greater", "best least", "hit"),
            node("NonZero", "hit", "at"),
            node("Transpose", "at", "rows_at", perm=[1, 0]),
            node("Squeeze", "rows_at one", "picked"),
            node("Gather", "best picked", "scores", axis=0),
            node("Shape", "scores", "count"),
            node("Min", "count most", "k"),
            node("TopK", "scores k", "top order", axis=0),
            node("Gather", "picked order", "y_at", axis=0),
            node("Gather", "x y_at", "boxes", axis=0),
        ]
        fill = [
            node("Sub", "most k", "missing"),
            node("Concat", "row row missing row", "pads", axis=0),
            node("Pad", "boxes pads", "filled"),
        ]
        add(f"TopK_of_found_{name}", head, {"x": x}, constants, "top boxes")
        add(f"Pad_of_found_{name}", head + fill, {"x": x}, constants, "filled top")


def by_values():
    """Numbers that are computed from data become extents."""
    x = np.abs(f32(3, 6)) + 1
    count = [node("ReduceMax", "x", "m", keepdims=0), node("Cast", "m", "n", to=INT64), node("Add", "n one", "k"), node("Unsqueeze", "k axis", "k1")]
    constants = {"one": np.int64(1), "zero": np.int64(0), "axis": ints(0), "ones": ints(1), "two": ints(2)}
    for name, nodes in {
        "Tile": [node("Concat", "k1 ones", "times", axis=0), node("Tile", "x times", "y")],
        "Expand": [node("Concat", "k1 ones ones", "shape", axis=0), node("Expand", "x shape", "y")],
        "ConstantOfShape": [node("Concat", "k1 two", "shape", axis=0), node("ConstantOfShape", "shape", "y")],
        "Resize": [node("Shape", "x", "s"), node("Mul", "s k1", "sizes"), node("Unsqueeze", "x axes", "x4"), node("Concat", "two_ones sizes", "all", axis=0),
                   node("Resize", "x4 none none all", "y", mode="nearest")],
        "Reshape": [node("Concat", "k1 ones", "times", axis=0), node("Tile", "x times", "t"), node("Concat", "k1 rest", "shape", axis=0), node("Reshape", "t shape", "y")],
        "Pad": [node("Concat", "zeros k1 zeros zeros", "pads", axis=0), node("Pad", "x pads", "y")],
        "Range": [node("Range", "zero k one", "y")],
    }.items():
        for each in nodes:
            each.input[:] = ["" if i == "none" else i for i in each.input]
        more = {"axes": ints(0, 1), "two_ones": ints(1, 1), "rest": ints(-1), "zeros": ints(0)}
        add(f"{name}_by_data", count + nodes, {"x": x}, {**constants, **more}, "y")


def lengths():
    """A mask as long as the longest of a batch, as text to speech makes it."""
    nodes = [
        node("ReduceSum", "x axis", "sums", keepdims=0),
        node("Cast", "sums", "lengths", to=INT64),
        node("ReduceMax", "lengths", "most", keepdims=0),
        node("Range", "zero most one", "steps"),
        node("Unsqueeze", "steps front", "row"),
        node("Unsqueeze", "lengths axis", "column"),
        node("Less", "row column", "mask"),
        node("Cast", "mask", "y", to=FLOAT),
        node("Unsqueeze", "y axis", "wide"),
        node("CumSum", "x axis_0", "ends"),
        node("Unsqueeze", "ends behind", "ends3"),
        node("Cast", "row", "row_f", to=FLOAT),
        node("Less", "row_f ends3", "path"),
        node("Cast", "path", "p", to=FLOAT),
        node("Mul", "p wide", "z"),
    ]
    constants = {"axis": ints(1), "axis_0": np.int64(1), "front": ints(0), "behind": ints(2), "zero": np.int64(0), "one": np.int64(1)}
    add("Range_of_lengths", nodes, {"x": np.abs(f32(2, 9))}, constants, "y z")


def compared():
    """Whether nothing, or how much, was found."""
    nodes = [
        node("ReduceMax", "x", "best", axes=[1], keepdims=0), node("Greater", "best least", "hit"), node("NonZero", "hit", "at"), node("Squeeze", "at front", "i"),
        node("Size", "i", "n"), node("Shape", "i", "s"), node("Gather", "s zero", "m", axis=0),
        node("Equal", "n zero", "none"), node("Equal", "m zero", "none_too"), node("Not", "none", "some"),
        node("Equal", "m all", "every"), node("Where", "none seven n", "w"), node("Equal", "m less", "never"), node("Mul", "m seven", "sevenfold"), node("Equal", "sevenfold seven", "just_one"),
    ]
    for name, least in (("none", 9.0), ("one", None), ("some", 0.5), ("all", -9.0)):
        x = f32(6, 4)
        top = np.sort(x.max(axis=1))
        constants = {"least": np.float32((top[-1] + top[-2]) / 2 if least is None else least), "front": ints(0), "zero": np.int64(0), "all": np.int64(6), "seven": np.int64(7), "less": np.int64(-1)}
        last = nodes[:7] + [node("Neg", "m", "from_end"), node("Unsqueeze", "from_end front", "start"), node("Slice", "x start end front", "y"), node("Slice", "x front start front", "z")]
        add(f"Slice_from_the_end_by_{name}", last, {"x": x}, {**constants, "end": ints(2**62)}, "y z")
        add(f"Equal_count_of_{name}", nodes, {"x": x}, constants, "none none_too some every w never just_one")


def branches():
    """Boxes of each class apart, but for an `If` that there may be none, as torchvision exports it."""
    for name, least in (("some", 0.3), ("none", 9.0)):
        empty = helper.make_graph([helper.make_node("Constant", [], ["e"], value=numpy_helper.from_array(np.zeros(0, np.int64)))], "none", [], [helper.make_tensor_value_info("e", INT64, ["a"])])
        inner = [
            node("Unsqueeze", "moved front", "b3"),
            node("Unsqueeze", "s two_fronts", "s3"),
            node("NonMaxSuppression", "b3 s3 many iou", "selected"),
            node("Gather", "selected two", "column", axis=1),
            node("Squeeze", "column side", "kept_here"),
        ]
        some = helper.make_graph(inner, "some", [], [helper.make_tensor_value_info("kept_here", INT64, ["b"])])
        nodes = [
            node("Greater", "scores least", "hit"), node("NonZero", "hit", "at"), node("Squeeze", "at front", "i"),
            node("Gather", "boxes i", "b0", axis=0), node("Shape", "b0", "shape0"), node("Reshape", "b0 shape0", "b"), node("Gather", "scores i", "s", axis=0), node("Gather", "labels i", "l", axis=0),
            node("ReduceMax", "b", "far", keepdims=0), node("Cast", "l", "lf", to=FLOAT), node("Mul", "lf far", "off"), node("Unsqueeze", "off side", "off1"), node("Add", "b off1", "moved"),
            node("Shape", "b", "shape"), node("ReduceProd", "shape", "size", keepdims=0), node("Equal", "size zero", "nothing"),
            helper.make_node("If", ["nothing"], ["kept"], then_branch=empty, else_branch=some),
            node("Gather", "b kept", "y", axis=0), node("Gather", "s kept", "ys", axis=0), node("Cast", "i", "z", to=FLOAT),
        ]
        if name == "none":
            # What is greatest of nothing is for nobody to say.
            nodes = [n for n in nodes if n.op_type != "ReduceMax"]
            nodes = [node("Mul", "lf width", "off") if n.output[0] == "off" else n for n in nodes]
        corners = np.abs(f32(10, 2)) * 5
        inputs = {"boxes": np.concatenate([corners, corners + 1 + np.abs(f32(10, 2)) * 3], 1).astype(np.float32), "scores": np.abs(f32(10)), "labels": rng.integers(0, 3, 10)}
        constants = {"least": np.float32(least), "front": ints(0), "side": ints(1), "two_fronts": ints(0, 1), "many": ints(100), "iou": np.array([0.3], np.float32), "two": ints(2),
                     "zero": np.int64(0), "width": np.float32(50)}
        add(f"If_of_found_{name}", nodes, inputs, {k: v for k, v in constants.items() if any(k in n.input for n in nodes + inner)}, "y ys z")


def filled_branches():
    """What a branch finds is filled to a number there."""
    for name, least in (("some", 0.3), ("none", 9.0)):
        nothing = helper.make_graph([helper.make_node("Constant", [], ["e"], value=numpy_helper.from_array(np.full((4, 4), -1, np.float32)))], "none", [], [helper.make_tensor_value_info("e", FLOAT, [4, 4])])
        inner = [
            node("Unsqueeze", "b front", "b3"), node("Unsqueeze", "s two_fronts", "s3"), node("NonMaxSuppression", "b3 s3 many iou", "selected"),
            node("Gather", "selected two", "kept", axis=1), node("Gather", "b kept", "rows", axis=0), node("Shape", "kept", "count"), node("Sub", "many count", "missing"),
            node("Concat", "front front missing front", "pads", axis=0), node("Pad", "rows pads", "filled"),
        ]
        some = helper.make_graph(inner, "some", [], [helper.make_tensor_value_info("filled", FLOAT, [4, 4])])
        nodes = [
            node("Greater", "scores least", "hit"), node("NonZero", "hit", "at"), node("Squeeze", "at front", "i"), node("Gather", "boxes i", "b", axis=0), node("Gather", "scores i", "s", axis=0),
            node("Size", "s", "n"), node("Equal", "n zero", "nothing"), helper.make_node("If", ["nothing"], ["y"], then_branch=nothing, else_branch=some), node("Neg", "y", "z"),
        ]
        corners = np.abs(f32(10, 2)) * 5
        inputs = {"boxes": np.concatenate([corners, corners + 1 + np.abs(f32(10, 2)) * 3], 1).astype(np.float32), "scores": np.abs(f32(10))}
        constants = {"least": np.float32(least), "front": ints(0), "two_fronts": ints(0, 1), "many": ints(4), "iou": np.array([0.3], np.float32), "two": np.int64(2), "zero": np.int64(0)}
        add(f"If_fills_found_{name}", nodes, inputs, constants, "y z")


def text():
    """Words that are made alike and told apart, beside numbers: a pipeline of tables."""
    nodes = [
        node("StringNormalizer", "words", "low", case_change_action="LOWER", locale="C"),
        node("Reshape", "low column", "low1"),
        node("OneHotEncoder", "low1", "hot", domain="ai.onnx.ml", cats_strings=["red", "green", "blue"], zeros=1),
        node("Reshape", "hot three", "flat"),
        node("Concat", "x flat", "y", axis=1),
    ]
    words = np.array(["Red", "blue", "GREEN", "grey", "RED"] * 4, object)
    add("StringNormalizer_beside_numbers", nodes, {"words": words, "x": f32(20, 2)}, {"column": ints(-1, 1), "three": ints(-1, 3)}, "y", domains=[("ai.onnx.ml", 3)])


if __name__ == "__main__":
    found()
    by_values()
    lengths()
    compared()
    branches()
    filled_branches()
    text()
    write("told", CASES)
