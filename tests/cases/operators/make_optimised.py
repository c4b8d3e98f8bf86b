"""Makes optimised.json: what ONNX Runtime's optimiser writes, gates of language models, and what it takes to plan them:
`python make_optimised.py`."""
import numpy as np
from onnx import TensorProto, helper

from case import case, encoded, model, write
import make_forms as forms
from make_forms import CASES, MS, f32, one, refused

I = np.int64
NEAR = dict(rtol=1e-5, atol=1e-6)


def written_out():
    """Defaults that an optimiser writes out, and activations that it fuses."""
    w, r = f32(1, 3, 4), f32(1, 3, 3)
    one("RNN_default_activations", "RNN", {"x": f32(5, 2, 4), "w": w, "r": r}, {"hidden_size": 3, "activations": ["Tanh", "Tanh"]}, outputs=("y", "z"), **NEAR)
    one("RNN_default_activations_reverse", "RNN", {"x": f32(5, 2, 4), "w": w, "r": r}, {"hidden_size": 3, "activations": ["Tanh", "Tanh"], "direction": "reverse"}, outputs=("y", "z"), **NEAR)
    ways = [("Elu", {"alpha": 0.7}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}), ("LeakyRelu", {"alpha": 0.2}), ("Relu", {}), ("Selu", {"alpha": 1.6, "gamma": 1.1}),
            ("Sigmoid", {}), ("Softplus", {}), ("Softsign", {}), ("Tanh", {}), ("ThresholdedRelu", {"alpha": 0.4})]
    for name, how in ways:
        attributes = {"activation": name, **{f"activation_{k}": v for k, v in how.items()}}
        one(f"FusedGemm_{name}", "FusedGemm", {"x": f32(3, 4)}, attributes, order=["x", "w", "b"], constants={"w": f32(4, 5), "b": f32(5)}, domain=MS, **NEAR)


def nested():
    """Names and extents of nested graphs that are nobody's outside of them."""
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("Add", ["s", "x"], ["a"], name="x"), helper.make_node("Tanh", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"], name="b")]
    body = helper.make_graph(nodes, "body", [info("s", 1, [3]), info("x", 1, ["rows"])], [info("b", 1, [3]), info("c", 1, ["other"])])
    node = helper.make_node("Scan", ["first", "all"], ["last", "each"], body=body, num_scan_inputs=1)
    feeds = {"first": f32(3), "all": f32(4, 3)}
    CASES.append(case("Scan_names", model([node], feeds, {}, ["last", "each"]), feeds, **NEAR))
    x = np.where(f32(2, 3, 4) > 0, 1, 0).astype(np.float32)
    count = int(x.sum())
    nodes = [helper.make_node("NonZero", ["x"], ["n"]), helper.make_node("Reshape", ["n", "to"], ["y"])]
    CASES.append(case("NonZero_Reshape", model(nodes, {"x": x}, {"to": np.array([count, 3], I)}, ["y"]), {"x": x}))


def gates():
    x, gate = f32(2, 3, 8), f32(2, 3, 8)
    ms = dict(domain=MS, **NEAR)
    one("GatedAdd", "GatedAdd", {"x": x, "b": gate, "g": f32(2, 3, 1)}, **ms)
    for activation in ("silu", "swish", "sigmoid"):
        one(f"GatedRMSNorm_{activation}", "GatedRMSNorm", {"x": x, "s": f32(4), "g": gate}, {"activation": activation, "epsilon": 1e-4}, **ms)
    one("ScaledSiLU", "ScaledSiLU", {"x": x}, {"alpha": 1.7}, **ms)
    one("ScaledSiLU_given", "ScaledSiLU", {"x": x, "s": np.array(0.6, np.float32)}, **ms)
    four = f32(2, 3, 2, 4)
    one("BranchwiseRMSNorm", "BranchwiseRMSNorm", {"x": four, "s": f32(2, 4)}, **ms)
    one("BranchwiseRMSNorm_plain", "BranchwiseRMSNorm", {"x": four}, {"epsilon": 1e-3}, **ms)
    one("BranchwiseRMSNorm_one_scale", "BranchwiseRMSNorm", {"x": four, "s": f32(4)}, **ms)
    for name, scale in (("all", f32(8)), ("each", f32(2, 4)), ("one", f32(4))):
        one(f"BranchwiseRMSNorm_flat_{name}", "BranchwiseRMSNorm", {"x": x, "s": scale}, {"num_branches": 2}, **ms)
    one("LinearAttentionGate", "LinearAttentionGate", {"a": f32(2, 3, 4), "t": f32(4), "d": -abs(f32(4)), "b": f32(2, 3, 4)}, outputs=("y", "z"), **ms)
    one("LinearAttentionGate_decay", "LinearAttentionGate", {"a": f32(2, 3, 4), "t": f32(4), "d": -abs(f32(4))}, **ms)
    for name, by in (("stream", f32(2, 3, 2)), ("column", f32(2, 3, 2, 1)), ("element", f32(2, 3, 2, 4))):
        one(f"HyperConnectionPreMix_{name}", "HyperConnectionPreMix", {"x": four, "m": by}, {"reduction_scale": 0.5}, **ms)
        one(f"HyperConnectionPostMix_{name}", "HyperConnectionPostMix", {"x": four, "b": f32(2, 3, 4), "m": by}, **ms)
    one("HyperConnectionPreMix_flat", "HyperConnectionPreMix", {"x": x, "m": f32(2, 3, 8)}, {"num_branches": 2}, **ms)
    one("HyperConnectionPostMix_mixed", "HyperConnectionPostMix", {"x": four, "b": f32(2, 3, 4), "m": f32(2, 3, 2), "w": f32(2, 3, 2, 2)}, **ms)
    one("HyperConnectionPostMix_flat", "HyperConnectionPostMix", {"x": x, "b": f32(2, 3, 4), "m": f32(2, 3, 2)}, {"num_branches": 2}, **ms)
    rng = np.random.default_rng(3)
    whole = lambda *s: rng.integers(-3000, 3000, s).astype(np.int16)
    one("MatMulInteger16", "MatMulInteger16", {"a": whole(2, 3, 4), "b": whole(4, 5)}, domain=MS)


def points():
    """To one pixel."""
    x = f32(1, 2, 5, 6)
    for name, sizes in (("both", [1, 2, 1, 1]), ("rows", [1, 2, 1, 9]), ("columns", [1, 2, 3, 1])):
        one(f"Resize_point_{name}", "Resize", {"x": x}, {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"}, order=["x", "", "", "s"], constants={"s": np.array(sizes, I)}, **NEAR)
    one("Resize_point_scales", "Resize", {"x": x}, {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel"}, order=["x", "", "s"], constants={"s": np.array([1, 1, 0.2, 1.7], np.float32)}, **NEAR)


def broadcasts():
    """What is made longer, along an axis that a product then sums up."""
    a, b, c = f32(4, 1), f32(6, 8), f32(1, 2, 4, 1)
    near = dict(rtol=1e-5, atol=1e-5)
    to = {"e": np.array([4, 6], I)}
    for name, op, extra in (("MatMul", "MatMul", {}), ("Gemm", "Gemm", {}), ("Einsum", "Einsum", {"equation": "ab,bc->ac"})):
        several(f"Expand_{name}", [("Expand", ["a", "e"], ["x"], {}), (op, ["x", "b"], ["y"], extra)], {"a": a, "b": b}, to, **near)
    several("Expand_MatMul_second", [("Expand", ["a", "e"], ["x"], {}), ("MatMul", ["b", "x"], ["y"], {})], {"a": f32(1, 4), "b": f32(3, 6)}, {"e": np.array([6, 4], I)}, **near)
    several("Expand_MatMul_batches", [("Expand", ["c", "e"], ["x"], {}), ("MatMul", ["x", "b"], ["y"], {})], {"c": c, "b": f32(1, 2, 6, 8)}, {"e": np.array([1, 2, 4, 6], I)}, **near)
    several("Tile_MatMul", [("Tile", ["a", "e"], ["x"], {}), ("MatMul", ["x", "b"], ["y"], {})], {"a": a, "b": b}, {"e": np.array([1, 6], I)}, **near)
    several("Where_MatMul", [("Where", ["t", "a", "z"], ["x"], {}), ("MatMul", ["x", "b"], ["y"], {})], {"a": a, "b": b}, {"t": np.ones((1, 6), bool), "z": np.zeros(1, np.float32)}, **near)
    whole = lambda *s: np.arange(np.prod(s)).reshape(s).astype(np.int32)
    several("Expand_MatMul_int32", [("Expand", ["a", "e"], ["x"], {}), ("MatMul", ["x", "b"], ["y"], {})], {"a": whole(4, 1), "b": whole(6, 8)}, to)


def several(name, nodes, feeds, constants, **more):
    nodes = [helper.make_node(op, i, o, **attributes) for op, i, o, attributes in nodes]
    CASES.append(case(name, model(nodes, feeds, constants, ["y"]), feeds, **more))


def beyond():
    """What ONNX Runtime refuses, and once ended a run, or the process."""
    x = f32(3, 3)
    refused("Trilu_of_nothing", "Trilu", {"x": x}, "takes one value", order=["x", "k"], constants={"k": np.zeros(0, I)})
    refused("BatchNormalization_of_a_list", "BatchNormalization", {"x": f32(4)}, "of shape [4] for 1 channels", order=["x", "s", "b", "m", "v"], constants={k: abs(f32(4)) for k in "sbmv"})
    refused("Pow_of_nothing", "Pow", {"x": f32(3)}, "an extent of", order=["x", "b"], constants={"b": np.zeros((3, 0), np.float32)})
    refused("Pad_reflects_too_much", "Pad", {"x": f32(2, 3)}, "reflected of 3", {"mode": "reflect"}, order=["x", "p"], constants={"p": np.array([0, 3, 0, 0], I)})
    refused("Range_of_too_many", "Range", {"x": np.array(2 ** 30, I)}, "over the limit", order=["z", "x", "o"], constants={"z": np.array(0, I), "o": np.array(1, I)})


if __name__ == "__main__":
    written_out()
    nested()
    gates()
    points()
    broadcasts()
    beyond()
    write("optimised", CASES)
