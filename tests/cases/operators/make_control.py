"""Makes control.json: loops, branches and sequences: `python make_control.py` (needs numpy, onnx, onnxruntime)."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import case, elements, encoded, model, write

F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
CASES = []


def n(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def v(name, kind=F, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def body(nodes, inputs, outputs, **constants):
    arrays = [numpy_helper.from_array(np.asarray(a), k) for k, a in constants.items()]
    return helper.make_graph(nodes, "body", inputs, outputs, arrays)


def add(name, nodes, feeds, constants, outputs, opset=17, rtol=1e-6):
    feeds, constants = ({k: np.asarray(a) for k, a in d.items()} for d in (feeds, constants))
    try:
        CASES.append(case(name, model(nodes, feeds, constants, outputs, opset), feeds, rtol))
    except Exception as error:
        print("no reference:", name, str(error)[:300])


def refuse(name, nodes, feeds, constants, outputs, error):
    proto = model(nodes, feeds, constants, [], 17)
    proto.graph.output.extend(outputs)
    CASES.append({"name": name, "model": encoded(proto), "inputs": {k: elements(a) for k, a in feeds.items()}, "error": error})


i64 = lambda *values: np.array(values, np.int64)
one = lambda value: np.array(value, np.int64)
yes, no = np.array(True), np.array(False)
x = np.arange(6, dtype=np.float32).reshape(2, 3)
HEAD = [v("i", I, []), v("go", B, [])]


def loops():
    # y += x, and the running sums as a scan output; the trip count is an input, so data steers.
    sums = body([n("Identity", "go", "again"), n("Add", "y x", "y2"), n("Identity", "y2", "each")],
                HEAD + [v("y", F, [2, 3])], [v("again", B, []), v("y2", F, [2, 3]), v("each", F, [2, 3])])
    for name, trips in (("trips", 4), ("zero_trips", 0), ("negative_trips", -3)):
        add(f"Loop_{name}", [n("Loop", "m c x", "last all", body=sums)], {"x": x, "m": one(trips), "c": yes}, {}, ["last", "all"])
    add("Loop_false_at_once", [n("Loop", "m c x", "last all", body=sums)], {"x": x, "m": one(4), "c": no}, {}, ["last", "all"])
    add("Loop_constant_trips",
        [helper.make_node("Loop", ["m", "", "x"], ["last", "all"], body=sums), n("Neg", "last", "after")],
        {"x": x}, {"m": one(3)}, ["after", "all"])
    for opset in (7, 11, 13, 21):
        add(f"Loop_opset_{opset}", [n("Loop", "m c x", "last all", body=sums)], {"x": x, "m": one(2), "c": yes}, {}, ["last", "all"], opset)
    # while sum(y) < 40: y *= 2
    grows = body([n("Mul", "y two", "y2"), n("ReduceSum", "y2", "s", keepdims=0), n("Less", "s most", "again")],
                 HEAD + [v("y", F, [2, 3])], [v("again", B, []), v("y2", F, [2, 3])],
                 two=np.float32(2), most=np.float32(40))
    add("Loop_condition_only", [helper.make_node("Loop", ["", "c", "x"], ["y"], body=grows)], {"x": x, "c": yes}, {}, ["y"])
    # The carried value grows by a row a turn, and the turn's number is in it.
    rows = body([n("Cast", "i", "f", to=F), n("Add", "x f", "r"), n("Concat", "y r", "y2", axis=0), n("Identity", "go", "again")],
                HEAD + [v("y", F, [None, 3])], [v("again", B, []), v("y2", F, [None, 3])])
    add("Loop_growing", [n("Loop", "m c x", "y", body=rows), n("ReduceSum", "y", "s", keepdims=0)],
        {"x": x, "m": one(5), "c": yes}, {}, ["y", "s"])
    # Picks the turn's row of an outer value; what the body reads is an outer constant.
    pick = body([n("Gather", "x i", "row", axis=0), n("Mul", "row k", "each"), n("Identity", "go", "again")],
                HEAD, [v("again", B, []), v("each", F, [3])])
    add("Loop_gathers_by_turn", [n("Loop", "m c", "all", body=pick)], {"x": x, "m": one(2), "c": yes}, {"k": np.float32(3)}, ["all"])
    slices = body([n("Add", "i one", "end"), n("Unsqueeze", "i zero", "a"), n("Unsqueeze", "end zero", "b"),
                   n("Slice", "x a b one_axis", "cut"), n("Squeeze", "cut one_axis", "each"), n("Identity", "go", "again")],
                  HEAD, [v("again", B, []), v("each", F, [2])], one=one(1), zero=i64(0), one_axis=i64(1))
    add("Loop_slices_by_turn", [n("Loop", "m c", "all", body=slices)], {"x": x, "m": one(3), "c": yes}, {}, ["all"])
    add("Loop_empty_scan_declared", [n("Loop", "m c", "all", body=pick)], {"x": x, "m": one(0), "c": yes}, {"k": np.float32(3)}, ["all"])
    open_dims = body([n("Gather", "x i", "each", axis=0), n("Identity", "go", "again")], HEAD, [v("again", B, []), v("each", F, ["n"])])
    add("Loop_empty_scan_open", [n("Loop", "m c", "all", body=open_dims)], {"x": x, "m": one(0), "c": yes}, {}, ["all"])
    rank_one = body([n("Identity", "go", "again"), n("Add", "y i", "y2")], [v("i", I, [1]), v("go", B, [1]), v("y", I, [1])],
                    [v("again", B, [1]), v("y2", I, [1])])
    add("Loop_conditions_of_rank_one", [n("Loop", "m c y", "z", body=rank_one)], {"m": i64(4), "c": np.array([True]), "y": i64(5)}, {}, ["z"])


def nested():
    # for i: for j: if j == i stop, else y += i*10+j; a Loop inside an If inside a Loop, reading three scopes.
    inner = body([n("Equal", "j i", "same"), n("Not", "same", "on"), n("Cast", "i", "fi", to=F), n("Cast", "j", "fj", to=F),
                  n("Mul", "fi ten", "t"), n("Add", "t fj", "u"), n("Add", "z u", "z1"), n("Add", "z1 bias", "z2")],
                 [v("j", I, []), v("jgo", B, []), v("z", F, [])], [v("on", B, []), v("z2", F, [])])
    even = body([n("Loop", "m yes y", "w", body=inner)], [], [v("w", F, [])])
    odd = body([n("Neg", "y", "w2")], [], [v("w2", F, [])])
    outer = body([n("Mod", "i two", "r"), n("Cast", "r", "is_odd", to=B),
                  n("If", "is_odd", "y2", then_branch=odd, else_branch=even), n("Identity", "go", "again"), n("Identity", "y2", "each")],
                 HEAD + [v("y", F, [])], [v("again", B, []), v("y2", F, []), v("each", F, [])], two=one(2), yes=yes)
    feeds = {"m": one(6), "c": yes, "y0": np.float32(1), "bias": np.float32(0.5)}
    add("Loop_If_Loop", [n("Loop", "m c y0", "y all", body=outer)], feeds, {"ten": np.float32(10)}, ["y", "all"])
    # The branches give different shapes: known only when it runs.
    short, long = body([n("ReduceSum", "y", "a", keepdims=1)], [], [v("a", F, None)]), body([n("Concat", "y y", "b", axis=1)], [], [v("b", F, None)])
    shapes = body([n("Mod", "i two", "r"), n("Cast", "r", "is_odd", to=B), n("If", "is_odd", "y2", then_branch=short, else_branch=long),
                   n("Identity", "go", "again")], HEAD + [v("y", F, [None, None])], [v("again", B, []), v("y2", F, [None, None])], two=one(2))
    for trips in (2, 3):
        add(f"Loop_If_shapes_{trips}", [n("Loop", "m c x", "y", body=shapes)], {"x": x, "m": one(trips), "c": yes}, {}, ["y"])
    # Inside a Scan.
    total = body([n("Loop", "m yes row", "r", body=body([n("Add", "a a", "a2"), n("Identity", "g", "g2")],
                  [v("k", I, []), v("g", B, []), v("a", F, [3])], [v("g2", B, []), v("a2", F, [3])])), n("Add", "s r", "s2"), n("Identity", "s2", "out")],
                 [v("s", F, [3]), v("row", F, [3])], [v("s2", F, [3]), v("out", F, [3])], yes=yes, m=one(2))
    for direction in (0, 1):
        add(f"Scan_Loop_{direction}", [n("Scan", "s0 x", "s1 ys", body=total, num_scan_inputs=1, scan_input_directions=[direction],
            scan_output_directions=[direction], scan_output_axes=[1])], {"x": x, "s0": np.zeros(3, np.float32)}, {}, ["s1", "ys"])


def sequences():
    three = {k: np.full((2, w), w, np.float32) for k, w in zip("abc", (1, 2, 3))}
    build = n("SequenceConstruct", "a b c", "s")
    add("Sequence_concat", [build, n("ConcatFromSequence", "s", "y", axis=-1)], three, {}, ["y"])
    add("Sequence_at_length", [build, n("SequenceAt", "s p", "y"), n("SequenceLength", "s", "l")], {**three, "p": one(-2)}, {}, ["y", "l"])
    add("Sequence_erase_insert", [build, n("SequenceErase", "s p", "t"), n("SequenceInsert", "t a", "u"), n("SequenceInsert", "u b p", "w"),
        n("ConcatFromSequence", "w", "y", axis=1), n("SequenceErase", "w", "q"), n("SequenceLength", "q", "l")], {**three, "p": one(1)}, {}, ["y", "l"])
    same = {k: np.full((2, 2), w, np.float32) for k, w in zip("abc", (1, 2, 3))}
    for axis in (0, 1, -1):
        add(f"Sequence_stack_{axis}", [build, n("ConcatFromSequence", "s", "y", axis=axis, new_axis=1)], same, {}, ["y"])
    add("Sequence_empty", [n("SequenceEmpty", "", "s"), n("SequenceInsert", "s a", "t"), n("SequenceLength", "s", "l"), n("SequenceAt", "t z", "y")],
        {"a": x}, {"z": one(0)}, ["l", "y"])
    for name, lengths, more in (("each", None, {}), ("flat", None, {"keepdims": 0}), ("by_two", one(2), {}), ("lengths", i64(1, 4, 1), {})):
        wide = np.arange(12, dtype=np.float32).reshape(2, 6)
        feeds = {"x": wide}
        split = n("SplitToSequence", "x" if lengths is None else "x k", "s", axis=1, **more)
        constants = {"z": one(-1)} if lengths is None else {"z": one(-1), "k": lengths}
        add(f"SplitToSequence_{name}", [split, n("SequenceAt", "s z", "y"), n("SequenceLength", "s", "l")], feeds, constants, ["y", "l"])
    # A sequence is carried: rows of growing width, joined behind the loop.
    kind = helper.make_tensor_sequence_value_info
    collect = body([n("Add", "i one", "w"), n("Unsqueeze", "w zero", "d"), n("Concat", "two d", "shape", axis=0), n("Expand", "k shape", "t"),
                    n("SequenceInsert", "s t", "s2"), n("Identity", "go", "again")],
                   HEAD + [kind("s", F, None)], [v("again", B, []), kind("s2", F, None)], one=one(1), zero=i64(0), two=i64(2))
    add("Loop_sequence", [n("SequenceEmpty", "", "e"), n("Loop", "m c e", "s", body=collect), n("ConcatFromSequence", "s", "y", axis=1)],
        {"m": one(4), "c": yes, "k": np.float32(7)}, {}, ["y"])
    # A branch gives a sequence of another length.
    left = body([n("SequenceConstruct", "a b", "l")], [], [kind("l", F, None)])
    right = body([n("SequenceConstruct", "b", "r")], [], [kind("r", F, None)])
    for value in (yes, no):
        add(f"If_sequence_{value}", [n("If", "c", "s", then_branch=left, else_branch=right), n("SequenceLength", "s", "n")],
            {"c": value, "a": x, "b": x}, {}, ["n"])


def refused():
    forever = body([n("Identity", "go", "again"), n("Add", "y y", "y2")], HEAD + [v("y", F, [1])], [v("again", B, []), v("y2", F, [1])])
    small = {"y": np.ones(1, np.float32), "c": yes}
    refuse("Loop_without_end", [helper.make_node("Loop", ["", "c", "y"], ["z"], body=forever)], small, {}, [v("z", F, [1])], "have used up the iterations")
    doubling = body([n("Identity", "go", "again"), n("Concat", "y y", "y2", axis=0)], HEAD + [v("y", F, [None])], [v("again", B, []), v("y2", F, [None])])
    refuse("Loop_without_measure", [helper.make_node("Loop", ["", "c", "y"], ["z"], body=doubling)], small, {}, [v("z", F, [None])], "over the limit of")
    refuse("SequenceAt_outside", [n("SequenceConstruct", "y", "s"), n("SequenceAt", "s p", "z")], {"y": small["y"], "p": one(1)}, {}, [v("z", F, [1])],
           "position 1 is outside of a sequence of 1")
    refuse("Sequence_as_tensor", [n("SequenceConstruct", "y", "s"), n("Neg", "s", "z")], {"y": small["y"]}, {}, [v("z", F, [1])], "a sequence is given where a tensor is needed")
    refuse("Loop_body_of_another_shape", [n("Loop", "m c", "z", body=forever)], {"m": one(1), "c": yes}, {}, [v("z", F, [1])], "a body with other inputs or outputs")


for family in (loops, nested, sequences, refused):
    family()
write("control", CASES)
