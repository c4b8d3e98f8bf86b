"""Makes model.onnx and prefill_inputs.npz: a small decoder as exporters write them, whose attention is one operator.

Its weights are random; each layer has another form of com.microsoft's GroupQueryAttention. The tests let it take steps on
the GPU and on the CPU, and compare. Run it in an environment with tests/requirements.txt: python make.py
"""
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from decoders import MICROSOFT, constant, constants, nodes, op, random, weight, write  # noqa: E402

VOCABULARY, HIDDEN, HEADS, KV, SIZE, PLACES = 48, 24, 4, 2, 16, 96
#: Of each layer: turned by halves over a cap; pairs at given positions within a window; packed, with sinks.
LAYERS = [
    {"do_rotary": 1, "softcap": 5.0},
    {"do_rotary": 1, "rotary_interleaved": 1, "local_window_size": 24},
    {"do_rotary": 1, "scale": 0.5},
]


def tables(layer, half):
    angles = np.outer(np.arange(PLACES), 1 / 100 ** (np.arange(half) / half))
    return [constant(f"{name}.{layer}", made(angles).astype(np.float32)) for name, made in (("cos", np.cos), ("sin", np.sin))]


def attention(layer, x, attributes):
    packed = layer == 2
    widths = [HEADS * SIZE, KV * SIZE, KV * SIZE]
    if packed:
        states = [op("MatMul", [x, weight(f"qkv.{layer}", HIDDEN, sum(widths))], [f"states.{layer}"]), "", ""]
    else:
        states = [op("MatMul", [x, weight(f"{n}.{layer}", HIDDEN, w)], [f"{n}_states.{layer}"]) for n, w in zip("qkv", widths)]
    past = [f"past_key_values.{layer}.{n}" for n in ("key", "value")]
    inputs = [*states, *past, "ends", "total", *tables(layer, SIZE // 2)]
    if layer == 1:
        inputs.append("position_ids")
    if layer == 2:
        inputs += ["", "", constant("sinks", random.standard_normal(HEADS).astype(np.float32))]
    outputs = [f"attended.{layer}", f"present.{layer}.key", f"present.{layer}.value"]
    op("GroupQueryAttention", inputs, outputs, MICROSOFT, num_heads=HEADS, kv_num_heads=KV, **attributes)
    return op("MatMul", [outputs[0], weight(f"o.{layer}", HEADS * SIZE, HIDDEN)], [f"projected.{layer}"])


def build():
    ones = constant("ones", np.ones(HIDDEN, np.float32))
    op("ReduceSum", ["attention_mask", constant("axis", np.array([1]))], ["filled"], keepdims=0)
    op("Sub", ["filled", constant("one", np.array(1))], ["last"])
    op("Cast", ["last"], ["ends"], to=TensorProto.INT32)
    op("Shape", ["attention_mask"], ["mask_shape"])
    op("Gather", ["mask_shape", "one"], ["length"])
    op("Cast", ["length"], ["total"], to=TensorProto.INT32)
    x = op("Gather", [weight("embedding", VOCABULARY, HIDDEN), "input_ids"], ["embedded"])
    normed = op("SimplifiedLayerNormalization", [x, ones], ["normed"], axis=-1, epsilon=1e-5)
    for layer, attributes in enumerate(LAYERS):
        y = attention(layer, normed, attributes)
        normed, _, _, x = outputs = [f"normed.{layer}", "", "", f"residual.{layer}"]
        op("SkipSimplifiedLayerNormalization", ["embedded" if layer == 0 else f"sum.{layer - 1}", y, ones], outputs, MICROSOFT, epsilon=1e-5)
        gate = op("MatMul", [normed, weight(f"gate.{layer}", HIDDEN, HIDDEN)], [f"gate_of.{layer}"])
        op("Sigmoid", [gate], [f"sigmoid.{layer}"])
        op("Mul", [gate, f"sigmoid.{layer}"], [f"silu.{layer}"])
        down = op("MatMul", [f"silu.{layer}", weight(f"down.{layer}", HIDDEN, HIDDEN)], [f"down_of.{layer}"])
        last = layer == len(LAYERS) - 1
        normed = f"normed_sum.{layer}"
        op("SkipSimplifiedLayerNormalization", [x, down, ones], [normed, "", "", f"sum.{layer}"][: 1 if last else 4], MICROSOFT, epsilon=1e-5)
    op("MatMul", [normed, weight("head", HIDDEN, VOCABULARY)], ["logits"])
    integers = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.INT64, shape)
    floats = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    caches = [f"{layer}.{n}" for layer in range(len(LAYERS)) for n in ("key", "value")]
    inputs = [integers("input_ids", "batch", "steps"), integers("attention_mask", "batch", "total_length"), integers("position_ids", "batch", "steps")]
    inputs += [floats(f"past_key_values.{name}", "batch", KV, "past_length", SIZE) for name in caches]
    outputs = [floats("logits", "batch", "steps", VOCABULARY)]
    outputs += [floats(f"present.{name}", "batch", KV, "total_length", SIZE) for name in caches]
    graph = helper.make_graph(nodes, "decoder", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


if __name__ == "__main__":
    write(HERE, build(), VOCABULARY)
