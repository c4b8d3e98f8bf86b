"""Makes model.onnx and prefill_inputs.npz: a small decoder whose attention is ONNX's own, and in one layer linear.

Its weights are random. The first layer hides what comes later by itself, the second by a mask of truths, beside a cap; the
third keeps a state of fixed size and has a convolution before it. The tests let it take steps on the GPU and on the CPU,
and compare. Run it in an environment with tests/requirements.txt: python make.py
"""
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from decoders import MICROSOFT, constant, constants, nodes, op, weight, write  # noqa: E402

VOCABULARY, HIDDEN, HEADS, KV, SIZE, TAPS = 48, 24, 4, 2, 16, 4


def projected(layer, name, x, width):
    return op("MatMul", [x, weight(f"{name}.{layer}", HIDDEN, width)], [f"{name}_states.{layer}"])


def attention(layer, x, mask, **attributes):
    states = [projected(layer, n, x, w * SIZE) for n, w in zip("qkv", (HEADS, KV, KV))]
    past = [f"past_key_values.{layer}.{n}" for n in ("key", "value")]
    present = [f"present.{layer}.{n}" for n in ("key", "value")]
    return op("Attention", [*states, mask, *past], [f"attended.{layer}", *present], q_num_heads=HEADS, kv_num_heads=KV, **attributes)


def linear(layer, x):
    wide = projected(layer, "qkv", x, (HEADS + 2 * KV) * SIZE)
    op("Transpose", [wide], [f"lines.{layer}"], perm=[0, 2, 1])
    kernel = weight(f"kernel.{layer}", (HEADS + 2 * KV) * SIZE, 1, TAPS)
    outputs = [f"seen.{layer}", f"present.{layer}.lines"]
    op("CausalConvWithState", [f"lines.{layer}", kernel, "", f"past_key_values.{layer}.lines"], outputs, MICROSOFT, activation="silu")
    op("Transpose", [f"seen.{layer}"], [f"seen_back.{layer}"], perm=[0, 2, 1])
    parts = [f"{n}.of.{layer}" for n in "qkv"]
    op("Split", [f"seen_back.{layer}", constant(f"parts.{layer}", np.array([HEADS, KV, KV]) * SIZE)], parts, axis=2)
    op("LpNormalization", [parts[1]], [f"key.of.{layer}"], axis=-1)
    gate = op("Neg", [op("Softplus", [projected(layer, "gate", x, KV)], [f"soft.{layer}"])], [f"decay.{layer}"])
    rate = op("Sigmoid", [projected(layer, "rate", x, KV)], [f"beta.{layer}"])
    inputs = [parts[0], f"key.of.{layer}", parts[2], f"past_key_values.{layer}.state", gate, rate]
    outputs = [f"attended.{layer}", f"present.{layer}.state"]
    return op("LinearAttention", inputs, outputs, MICROSOFT, q_num_heads=HEADS, kv_num_heads=KV, update_rule="gated_delta")


def build():
    op("Shape", ["attention_mask"], ["mask_shape"])
    op("Gather", ["mask_shape", constant("one", np.array(1))], ["total"])
    op("Range", [constant("zero", np.array(0)), "total", "one"], ["places"])
    op("Unsqueeze", ["position_ids", constant("axes", np.array([1, 3]))], ["rows"])
    op("LessOrEqual", ["places", "rows"], ["seen"])
    x = op("Gather", [weight("embedding", VOCABULARY, HIDDEN), "input_ids"], ["embedded"])
    ones = constant("ones", np.ones(HIDDEN, np.float32))
    for layer in range(3):
        normed = op("RMSNormalization", [x, ones], [f"normed.{layer}"], axis=-1, epsilon=1e-5)
        if layer == 0:
            y = attention(layer, normed, "", is_causal=1)
        elif layer == 1:
            y = attention(layer, normed, "seen", softcap=5.0)
        else:
            y = linear(layer, normed)
        y = op("MatMul", [y, weight(f"o.{layer}", HEADS * SIZE, HIDDEN)], [f"projected.{layer}"])
        x = op("Add", [x, y], [f"sum.{layer}"])
    op("MatMul", [x, weight("head", HIDDEN, VOCABULARY)], ["logits"])
    integers = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.INT64, shape)
    floats = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    inputs = [integers("input_ids", "batch", "steps"), integers("attention_mask", "batch", "total_length"), integers("position_ids", "batch", "steps")]
    caches = {f"{layer}.{n}": [KV, "{}_length", SIZE] for layer in range(2) for n in ("key", "value")}
    caches |= {"2.state": [KV, SIZE, SIZE], "2.lines": [(HEADS + 2 * KV) * SIZE, TAPS - 1]}
    shape = lambda cache, when: [d.format(when) if isinstance(d, str) else d for d in cache]
    inputs += [floats(f"past_key_values.{name}", "batch", *shape(cache, "past")) for name, cache in caches.items()]
    outputs = [floats("logits", "batch", "steps", VOCABULARY)]
    outputs += [floats(f"present.{name}", "batch", *shape(cache, "total")) for name, cache in caches.items()]
    graph = helper.make_graph(nodes, "decoder", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


if __name__ == "__main__":
    write(HERE, build(), VOCABULARY)
