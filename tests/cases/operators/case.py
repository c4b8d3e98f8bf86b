"""A small ONNX model -> one case of `<family>.json`: its bytes, inputs, and ONNX Runtime's answer.

Only for making cases; needs numpy, onnx and onnxruntime. The makers import this module."""
import base64, json, math, os
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = {"bool": "bool", "object": "string"}


def elements(array):
    array = np.asarray(array)
    kind = WORDS.get(str(array.dtype), str(array.dtype))
    if array.dtype.kind in "UO":
        kind, values = "string", [str(v) for v in array.reshape(-1)]
    elif array.dtype.kind == "f":
        # Nine digits hold any float32 exactly.
        digits = 17 if array.dtype == np.float64 else 9
        values = [float(f"{v:.{digits}g}") for v in array.reshape(-1).astype(np.float64)]
        values = [v if math.isfinite(v) else str(v) for v in values]
    else:
        # A double, which is what JSON's numbers are to JavaScript, holds no more.
        values = [v if abs(v) <= 2**53 else str(v) for v in array.reshape(-1).tolist()]
    return {"type": kind, "dims": list(array.shape), "values": values}


def onnx_type(array):
    return TensorProto.STRING if array.dtype.kind in "UO" else helper.np_dtype_to_tensor_dtype(array.dtype)


def model(nodes, inputs, constants, outputs, opset=17, domains=()):
    """`inputs` and `constants`: name -> array; `outputs`: names (types are left to inference)."""
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(n, onnx_type(a), a.shape) for n, a in inputs.items()],
        [helper.make_empty_tensor_value_info(n) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, v) for d, v in domains]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="")


def typed(proto, results):
    """Writes the types of the outputs, which the engine's signature wants."""
    for value, result in zip(proto.graph.output, results):
        value.CopyFrom(helper.make_tensor_value_info(value.name, onnx_type(np.asarray(result)), result.shape))
    return proto


def encoded(proto):
    return base64.b64encode(proto.SerializeToString()).decode()


def case(name, proto, inputs, rtol=0.0, atol=0.0):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results = session.run(None, inputs)
    names = [o.name for o in session.get_outputs()]
    typed(proto, results)
    return {
        "name": name,
        "model": encoded(proto),
        "inputs": {n: elements(a) for n, a in inputs.items()},
        "outputs": {n: elements(a) for n, a in zip(names, results)},
        "rtol": rtol,
        "atol": atol,
    }


def write(family, cases):
    with open(os.path.join(HERE, f"{family}.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
    print(family, len(cases))
