"""Makes bounds.json: values, shapes and definitions at their ends, and what lies beyond: `python make_bounds.py`."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from case import elements, encoded, model, write
import make_forms as forms
from make_forms import CASES, MS, f32, one, refused

I = np.int64


def slices():
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    for name, start, end, step in (
        ("far_ends", -(2 ** 40), 2 ** 40, 1), ("far_steps", 4, -(2 ** 33), -(2 ** 33)), ("least_step", 3, -1, -(2 ** 63)), ("all_that_is_left", -(2 ** 31), 2 ** 31 - 1, -3),
        ("before_the_first", -(2 ** 31), -(2 ** 63), 1), ("longest_step", -(2 ** 31), 2 ** 63 - 1024, 2 ** 33), ("backwards", 2 ** 62, -(2 ** 62), -2), ("nothing", 9, 0, 1),
    ):
        values = {"s": np.array([start], I), "e": np.array([end], I), "a": np.array([1], I), "t": np.array([step], I)}
        one(f"Slice_{name}", "Slice", {"x": x, **values})
        one(f"Slice_{name}_constant", "Slice", {"x": x}, order=["x", "s", "e", "a", "t"], constants=values)
    still = {"s": np.array([0], I), "e": np.array([1], I), "a": np.array([0], I), "t": np.array([0], I)}
    refused("Slice_without_step", "Slice", {"x": x}, "a step of 0", order=["x", *still], constants=still)
    twice = {"s": np.array([0, 0], I), "e": np.array([1, 1], I), "a": np.array([0, -2], I)}
    refused("Slice_twice", "Slice", {"x": x}, "is given the axis -2 twice", order=["x", *twice], constants=twice)


def sampling():
    x, grid = f32(1, 2, 4, 5), f32(1, 6, 7, 2, scale=1.5)
    for padding in ("zeros", "border", "reflection"):
        for aligned in (0, 1):
            one(f"GridSample_cubic_{padding}_{aligned}", "GridSample", {"x": x, "g": grid}, {"mode": "cubic", "padding_mode": padding, "align_corners": aligned}, opset=20, rtol=1e-4, atol=1e-5)
    far = np.array([[[[-40, 3], [900, -1], [1e4, 1e4], [0.2, -70]]]], np.float32)
    one("GridSample_cubic_border_far", "GridSample", {"x": x, "g": far}, {"mode": "bicubic", "padding_mode": "border"}, opset=16, rtol=1e-4, atol=1e-5)


def hidden():
    """Queries that a mask hides every key from."""
    seen = np.array([[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], bool)
    lowest = np.finfo(np.float32).min
    for name, mask in (("truths", seen), ("infinite", np.where(seen, 0, -np.inf).astype(np.float32)), ("lowest", np.where(seen, 0, lowest).astype(np.float32))):
        for causal in (0, 1):
            four = {"q": f32(2, 2, 3, 4), "k": f32(2, 2, 4, 4), "v": f32(2, 2, 4, 4), "m": mask}
            one(f"Attention_hidden_{name}_{causal}", "Attention", four, {"is_causal": causal}, opset=23, rtol=1e-5, atol=1e-6)
            three = {"q": f32(2, 3, 8), "k": f32(2, 4, 8), "v": f32(2, 4, 8), "m": mask}
            one(f"Attention_hidden_{name}_{causal}_flat", "Attention", three, {"is_causal": causal, "q_num_heads": 2, "kv_num_heads": 2}, opset=24, rtol=1e-5, atol=1e-6)
    three["m"] = np.stack([np.where(seen, 0, -np.inf), np.zeros((3, 4))]).astype(np.float32).reshape(1, 2, 3, 4)
    one("Attention_hidden_by_head_flat", "Attention", three, {"q_num_heads": 2, "kv_num_heads": 2}, opset=23, rtol=1e-5, atol=1e-6)


def numbers():
    for kind in (np.int32, np.int64):
        x = np.array([1, -1, 2, 7], kind)
        one(f"Pow_{kind.__name__}_backwards", "Pow", {"x": x, "by": np.array([-1, -3, -2, -1], kind)})
        one(f"Pow_{kind.__name__}_each", "Pow", {"x": x, "by": np.array([5, 4, 9, 3], kind)})
        one(f"Pow_{kind.__name__}_float", "Pow", {"x": abs(x)}, order=["x", "by"], constants={"by": np.float32(2.5)})
    one("Pow_float_by_int32", "Pow", {"x": f32(4), "by": np.array([0, 1, 2, 3], np.int32)}, opset=15, rtol=1e-5)
    for kind in (np.int64, np.uint32, np.uint64):
        a, b = np.arange(6).reshape(2, 3).astype(kind), np.arange(12).reshape(3, 4).astype(kind)
        one(f"MatMul_constants_{kind.__name__}", "MatMul", {}, order=["a", "b"], constants={"a": a, "b": b})
        one(f"MatMul_by_constant_{kind.__name__}", "MatMul", {"a": a}, order=["a", "b"], constants={"b": b})
    one("Shrink_half_at_its_bound", "Shrink", {"x": np.array([0.3, -0.3, 0.30004883, 0.5, -0.6], np.float16)}, {"lambd": 0.3, "bias": 0.1}, rtol=1e-3)
    for op in ("ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"):
        one(f"{op}_of_nothing", op, {"x": np.zeros((2, 0), np.float32)}, order=["x", "a"], constants={"a": np.array([1], I)}, opset=18)
    one("Conv_without_the_last", "Conv", {"x": f32(1, 2, 5, 5), "w": f32(3, 2, 3, 3)}, order=["x", "w", ""], rtol=1e-5, atol=1e-6)
    one("Clip_without_the_last", "Clip", {"x": f32(5), "low": np.array(0, np.float32)}, order=["x", "low", ""])


def beyond():
    """What nobody can hold, or index."""
    for shape in ((2 ** 33, 1), (2 ** 40, 5), (-2, 5)):
        refused(f"ConstantOfShape_{shape[0]}", "ConstantOfShape", {}, "an extent of", order=["s"], constants={"s": np.array(shape, I)})
    refused("Tile_2_to_40", "Tile", {"x": f32(1, 1)}, "an extent of", order=["x", "s"], constants={"s": np.array([2 ** 40, 2], I)})
    refused("Expand_2_to_40", "Expand", {"x": f32(1, 1)}, "an extent of", order=["x", "s"], constants={"s": np.array([2 ** 40, 2], I)})
    refused("HannWindow_2_to_50", "HannWindow", {}, "a length of", order=["n"], constants={"n": np.array(2 ** 50)})
    refused("Gather_beyond", "Gather", {"x": f32(3)}, "which is not in -3..3", order=["x", "i"], constants={"i": np.array([7])})
    refused("Mod_by_zero", "Mod", {"x": np.array([3, 4])}, "divided by zero", order=["x", "by"], constants={"by": np.array([0])})
    refused("Softmax_axis_7", "Softmax", {"x": f32(2, 3)}, "is given the axis 7", attributes={"axis": 7})
    refused("Flatten_axis_9", "Flatten", {"x": f32(2, 3)}, "is given the axis 9", attributes={"axis": 9})
    refused("Transpose_3_of_2", "Transpose", {"x": f32(2, 3)}, "the permutation", attributes={"perm": [0, 1, 2]})
    refused("Split_scalar", "Split", {"x": np.float32(3)}, "of rank 0", outputs=("y", "z"))
    refused("Gemm_of_rank_3", "Gemm", {"a": f32(1, 2, 3), "b": f32(3, 2)}, "takes one of rank 2")
    refused("Conv_of_a_list", "Conv", {"x": f32(1, 2, 5), "w": f32(4)}, "of ranks 3 and 1")
    refused("Conv_channels", "Conv", {"x": f32(1, 2, 5), "w": f32(4, 3, 2)}, "kernels for 3 channels")
    refused("ConvTranspose_scalar", "ConvTranspose", {"x": f32(1, 2, 5, 5), "w": np.float32(3)}, "of ranks 4 and 0")
    refused("ConvTranspose_channels", "ConvTranspose", {"x": f32(1, 2, 5, 5), "w": f32(3, 2, 2, 2)}, "kernels for 3 channels")
    refused("MaxPool_window_of_2", "MaxPool", {"x": f32(1, 2, 5)}, "for 1 spatial axes", attributes={"kernel_shape": [2, 2]})
    refused("AveragePool_of_rank_2", "AveragePool", {"x": f32(2, 5)}, "rank 3 or more", attributes={"kernel_shape": [2]})
    regions = {"x": f32(1, 1, 4, 4), "r": np.array([[0, 0, 3, 3]], np.float32), "b": np.array([0], I)}
    refused("RoiAlign_of_many_samples", "RoiAlign", regions, "samples of each of", attributes={"output_height": 1, "output_width": 1 << 24, "sampling_ratio": 2})
    refused("MaxPool_far_beyond", "MaxPool", {"x": f32(1, 2, 5)}, "a window of", attributes={"kernel_shape": [2 ** 30], "pads": [2 ** 29, 2 ** 29]})
    refused("Resize_with_3_scales", "Resize", {"x": f32(1, 1, 2, 2)}, "3 scales or sizes for 4 axes", order=["x", "", "s"], constants={"s": np.ones(3, np.float32)})


def definitions():
    """What ONNX Runtime refuses when it loads a file."""
    x = f32(2, 3)
    refused("unknown_attribute", "Relu", {"x": x}, "has the attribute `foo`, which ONNX does not define for it", attributes={"foo": 1})
    refused("attribute_type", "Softmax", {"x": x}, "has the attribute `axis` of another type", attributes={"axis": "1"})
    refused("attribute_lacking", "Concat", {"x": x}, "lacks the attribute `axis`")
    refused("attribute_of_another_set", "Slice", {"x": x}, "has the attribute `starts`", attributes={"starts": [0], "ends": [1]})
    refused("inputs_too_few", "MatMul", {"x": x}, "has 1 inputs and needs 2")
    refused("inputs_too_many", "Relu", {"x": x}, "has 2 inputs, and ONNX defines 1", order=["x", "x"])
    refused("input_left_out", "Add", {"x": x}, "lacks its input 0", order=["", "x"])
    refused("outputs_too_many", "Relu", {"x": x}, "has 2 outputs, and ONNX defines 1", outputs=("y", "z"))
    refused("Conv_int64", "Conv", {"x": np.ones((1, 2, 5), I), "w": np.ones((1, 2, 3), I)}, "has an input 0 of the type Int64; ONNX has it for")
    refused("MatMul_of_text", "MatMul", {"a": np.array([["a"]], object), "b": np.array([["b"]], object)}, "of the type String")
    refused("Concat_mixed", "Concat", {"a": x, "b": np.ones((2, 3), I)}, "of the type Int64 beside one of Float", attributes={"axis": 0})
    refused("Pool_int64", "AveragePool", {"x": np.ones((1, 2, 5), I)}, "of the type Int64", attributes={"kernel_shape": [2]})
    refused("type_through_others", "Relu", {"x": np.array(["a"], object)}, "of the type String", order=["x"])
    refused("microsoft_attribute", "FusedMatMul", {"a": x, "b": f32(3, 2)}, "has the attribute `transC`", attributes={"transC": 1}, domain=MS)
    wide = np.arange(24, dtype=np.float32).reshape(1, 3, 2, 4)
    one("LRN_beyond_all_channels", "LRN", {"x": wide}, {"size": 100001, "alpha": 0.5}, rtol=1e-5, atol=1e-5)
    sides = {"a": np.ones((2, 3), np.float32), "b": np.ones((3, 2), np.uint8), "s": np.ones(5, np.float32)}
    refused("DynamicQuantizeMatMul_scales", "DynamicQuantizeMatMul", sides, "for 2 columns", domain=MS)
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Transpose", ["s"], ["t"]), helper.make_node("Sigmoid", ["t"], ["y"])]
    proto = model(nodes, {"x": x}, {}, ["y"], 17, [])
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    CASES.append({"name": "type_that_follows", "model": encoded(proto), "inputs": {}, "error": "Sigmoid (y): has an input 0 of the type Int64"})


def names():
    """A name with two meanings: of constants of one type and shape the last one counts."""
    x = f32(2)

    def constant(name, *values):
        return ("Constant", [], [name], {"value": numpy_helper.from_array(np.array(values, np.float32))})

    def with_initializers(name, nodes, initializers, error=None, inputs=None):
        nodes = [helper.make_node(op, given, made, **attributes) for op, given, made, attributes in nodes]
        proto = model(nodes, {"x": x}, {}, ["y"])
        proto.graph.initializer.extend(numpy_helper.from_array(np.array(a, np.float32), n) for n, a in initializers)
        proto.graph.input.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in inputs or [])
        if error is None:
            CASES.append(forms.case(name, proto, {"x": x}, 1e-7))
            return
        proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
        CASES.append({"name": name, "model": encoded(proto), "inputs": {}, "error": error})
    add, neg = ("Add", ["x", "c"], ["y"], {}), ("Neg", ["x"], ["c"], {})
    with_initializers("names_Constant_twice", [constant("c", 1, 2), constant("c", 3, 4), add], [])
    with_initializers("names_initializer_twice", [add], [("c", [1, 2]), ("c", [3, 4])])
    with_initializers("names_initializer_and_Constant", [constant("c", 1, 2), add], [("c", [3, 4])])
    inner = helper.make_graph([helper.make_node(*constant("c", 5, 6)[:3], **constant("c", 5, 6)[3]), helper.make_node(*constant("c", 7, 8)[:3], **constant("c", 7, 8)[3]), helper.make_node("Add", ["x", "c"], ["z"])],
                              "inner", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    with_initializers("names_Constant_twice_inside", [("If", ["yes"], ["y"], {"then_branch": inner, "else_branch": inner}), ("Cast", ["one"], ["yes"], {"to": TensorProto.BOOL})][::-1], [("one", 1)], "is produced twice")
    for name, nodes, initializers in (
        ("Constants_of_two_shapes", [constant("c", 1, 2), constant("c", 3), add], []), ("initializers_of_two_shapes", [add], [("c", [1, 2]), ("c", [3])]),
        ("initializer_and_node", [neg, add], [("c", [1, 2])]), ("Constant_and_node", [constant("c", 1, 2), neg, add], []), ("nodes", [neg, neg, add], []),
        ("input_and_node", [("Neg", ["x"], ["x"], {}), ("Neg", ["x"], ["y"], {})], []),
    ):
        with_initializers(f"names_{name}", nodes, initializers, {"initializers_of_two_shapes": "are of different shapes", "initializer_and_node": "is a constant, and"}.get(name, "is produced twice"))
    with_initializers("names_inputs", [("Neg", ["x"], ["y"], {})], [], "two inputs are named `x`", ["x"])


def counted():
    """How many there are is known while running; what is there is not used."""
    x = np.array([[1, 0, 2], [0, 0, 3]], np.float32)
    no, yes = np.array([[False], [False]]), np.array([[True], [True]])
    found = ("NonZero", ["x"], ["n"], {})
    for name, order, picked in (("else", ["w", "n", "c"], no), ("then", ["w", "c", "n"], yes)):
        forms.add(f"NonZero_counted_{name}", [found, ("Where", order, ["y"], {})], {"x": x}, ["y"], {"w": picked, "c": np.array(7, I)})
        forms.add(f"NonZero_counted_{name}_read", [found, ("Where", order, ["z"], {}), ("ReduceSum", ["z", "a"], ["y"], {})], {"x": x}, ["y"], {"w": picked, "c": np.array(7, I), "a": np.array([1], I)})
    forms.add("NonZero_counted_by_zero", [found, ("Mul", ["n", "c"], ["y"], {})], {"x": x}, ["y"], {"c": np.array(0, I)})
    forms.add("NonZero_counted_float_by_zero", [found, ("Cast", ["n"], ["f"], {"to": 1}), ("Mul", ["f", "c"], ["y"], {})], {"x": x}, ["y"], {"c": np.float32(0)})
    forms.add("NonZero_counted_shape", [found, ("Shape", ["n"], ["s"], {}), ("Expand", ["c", "s"], ["y"], {})], {"x": x}, ["y"], {"c": np.float32(2)})
    forms.add("NonZero_counted_twice", [found, ("Abs", ["x"], ["b"], {}), ("NonZero", ["b"], ["m"], {}), ("Where", ["w", "n", "c"], ["z"], {}), ("Concat", ["z", "m"], ["y"], {"axis": 1})], {"x": x}, ["y"], {"w": no, "c": np.array(7, I)})


def ahead():
    """What is computed ahead of a plan is no larger than a plan may hold."""
    nodes = [helper.make_node("Concat", ["none", "by"], ["pads"], axis=0), helper.make_node("Pad", ["x", "pads"], ["y"])]
    feeds = {"by": np.array([7, 2 ** 31 - 9], I)}
    proto = model(nodes, feeds, {"x": f32(3, 5), "none": np.zeros(2, I)}, ["y"])
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    CASES.append({"name": "Pad_ahead_of_a_plan", "model": encoded(proto), "inputs": {n: elements(a) for n, a in feeds.items()}, "error": "over the limit of"})


def unknown():
    """What is open of one input follows from another."""
    for op in ("Conv", "ConvTranspose", "ConvInteger"):
        kind = np.uint8 if op == "ConvInteger" else np.float32
        nodes = [helper.make_node("Compress", ["i", "c"], ["shape"]), helper.make_node("Reshape", ["x", "shape"], ["z"]), helper.make_node(op, ["z", "w"], ["y"])]
        feeds = {"x": f32(12).astype(kind), "i": np.arange(20, dtype=I), "c": np.ones(20, bool)}
        proto = model(nodes, feeds, {"w": np.ones(1, kind)}, ["y"])
        proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT32 if op == "ConvInteger" else TensorProto.FLOAT
        CASES.append({"name": f"{op}_of_open_rank", "model": encoded(proto), "inputs": {n: elements(a) for n, a in feeds.items()}, "error": "takes one of rank 3 or more"})


def conditions():
    """A condition is one truth, neither none nor several."""
    def branch(op):
        return helper.make_graph([helper.make_node(op, ["x"], ["z"])], op, [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    for name, count in (("none", 0), ("two", 2)):
        for given in ("fed", "made", "constant"):
            nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs"))]
            feeds, constants = {"x": f32(3)}, {}
            if given == "made":
                nodes.insert(0, helper.make_node("Greater", ["a", "b"], ["c"]))
                feeds |= {"a": f32(1)}
                constants |= {"b": f32(count)}
            else:
                (feeds if given == "fed" else constants)["c"] = np.ones(count, bool)
            proto = model(nodes, feeds, constants, ["y"])
            proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
            CASES.append({"name": f"If_condition_of_{name}_{given}", "model": encoded(proto), "inputs": {n: elements(a) for n, a in feeds.items()}, "error": "condition"})


def letters():
    for name, equation in (("last_letter", "i\U0010ffff,\U0010ffffk->ik"), ("digits", "12,23->13")):
        refused(f"Einsum_{name}", "Einsum", {"a": f32(2, 3), "b": f32(3, 2)}, "the equation", {"equation": equation})


if __name__ == "__main__":
    CASES.clear()
    for section in (slices, sampling, hidden, numbers, beyond, definitions, names, counted, ahead, conditions, unknown, letters):
        section()
    write("bounds", CASES)
