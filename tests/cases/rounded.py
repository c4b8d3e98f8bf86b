"""How far a float16 model is from its reference where each operator's result is rounded to float16: the reason of the
rows `half_tolerances` in gpu.json.

`python rounded.py MODELS NAME [CASE]` (needs numpy, onnx, onnxruntime). ONNX Runtime's CPU provider computes float16 models
in float32 and drops most roundings between operators, so the references have few. Here the model is made float32, and
each of its float16 results is rounded to 11 bits by float32 arithmetic (Veltkamp's splitting)."""
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import AttributeProto, TensorProto, helper, numpy_helper

HALF, SINGLE = TensorProto.FLOAT16, TensorProto.FLOAT


def widened(tensor):
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)


def rounding(model):
    graph = onnx.shape_inference.infer_shapes(model).graph
    halves = {v.name for v in [*graph.value_info, *graph.output] if v.type.tensor_type.elem_type == HALF}
    graph = model.graph
    del graph.value_info[:]
    for tensor in graph.initializer:
        if tensor.data_type == HALF:
            tensor.CopyFrom(widened(tensor))
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type == HALF:
            value.type.tensor_type.elem_type = SINGLE
    graph.initializer.append(numpy_helper.from_array(np.float32(2**13 + 1), "splitter"))
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and attribute.t.data_type == HALF:
                attribute.t.CopyFrom(widened(attribute.t))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == HALF:
                attribute.i = SINGLE
        nodes.append(node)
        for at, name in enumerate(node.output):
            if node.op_type != "Constant" and name in halves:
                exact, large, rest = name + ".exact", name + ".large", name + ".rest"
                node.output[at] = exact
                nodes.append(helper.make_node("Mul", [exact, "splitter"], [large]))
                nodes.append(helper.make_node("Sub", [large, exact], [rest]))
                nodes.append(helper.make_node("Sub", [large, rest], [name]))
    del graph.node[:]
    graph.node.extend(nodes)
    return model


folder, prefix = os.path.join(sys.argv[1], sys.argv[2]), sys.argv[3] + "_" if len(sys.argv) > 3 else ""
feeds, wanted = (dict(np.load(os.path.join(folder, f"{prefix}{kind}.npz"))) for kind in ("inputs", "outputs"))
feeds = {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in feeds.items()}
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
proto = rounding(onnx.load(os.path.join(folder, "model.onnx"))).SerializeToString()
session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
for output, got in zip(session.get_outputs(), session.run(None, feeds)):
    reference = np.abs(wanted[output.name].astype(np.float64))
    off, most = np.abs(got - wanted[output.name].astype(np.float64)), reference.max()
    rows = [(1e-3, 1e-4), (1e-3, 5e-4), (1e-2, 1e-2)]
    beyond = {f"{r} {a}": int((off > r * reference + a * most).sum()) for r, a in rows}
    print(output.name, "farthest", off.max() / most, "of the range; of", off.size, "beyond", beyond)
