"""What the makers of small decoders share: a graph that grows node by node, random weights, and the feeds of a first step."""
import numpy as np
from onnx import helper, numpy_helper, save

MICROSOFT = "com.microsoft"
random = np.random.default_rng(7)
nodes, constants = [], []


def constant(name, array):
    constants.append(numpy_helper.from_array(np.asarray(array), name))
    return name


def weight(name, *shape):
    return constant(name, (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32))


def op(kind, inputs, outputs, domain="", **attributes):
    nodes.append(helper.make_node(kind, inputs, outputs, domain=domain, **attributes))
    return outputs[0]


def write(folder, model, vocabulary, steps=12):
    """model.onnx and prefill_inputs.npz: so many tokens, and caches in which nothing is yet."""
    save(model, folder / "model.onnx")
    feeds = {"input_ids": random.integers(0, vocabulary, (1, steps)), "attention_mask": np.ones((1, steps), np.int64), "position_ids": np.arange(steps)[None]}
    for value in model.graph.input:
        if value.name.startswith("past"):
            extents = [d.dim_value or {"batch": 1}.get(d.dim_param, 0) for d in value.type.tensor_type.shape.dim]
            feeds[value.name] = np.zeros(extents, np.float32)
    np.savez(folder / "prefill_inputs.npz", **feeds)
