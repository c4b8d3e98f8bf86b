"""Makes rare.json: com.microsoft's operators that few published models have: `python make_rare.py`."""
import numpy as np

from case import write
from make_forms import CASES, MS, f32, one, refused, rng

I, NEAR = np.int64, {"rtol": 1e-5, "atol": 1e-5}


def i32(*values):
    return np.array(values, np.int32)


def rare(name, op, feeds, attributes=None, order=None, outputs=("y",), **more):
    one(f"{op}{name}", op, feeds, attributes or {}, outputs, MS, order, **more)


def small():
    rare("", "SampleOp", {"x": f32(2, 3)})
    x = np.arange(40, dtype=np.float32).reshape(2, 5, 4)
    for axis, size, step in ((-1, 3, 1), (1, 2, 2), (0, 1, 1), (1, 5, 3)):
        rare(f"_axis_{axis}_of_{size}", "UnfoldTensor", {"x": x}, {"dim": axis, "size": size, "step": step})
    rare("_int64", "UnfoldTensor", {"x": x.astype(I)}, {"size": 2})
    refused("UnfoldTensor_too_long", "UnfoldTensor", {"x": x}, "windows of 9", {"size": 9}, domain=MS)
    costs = np.abs(f32(7, 9))
    rare("", "DynamicTimeWarping", {"x": costs})
    rare("_batch", "DynamicTimeWarping", {"x": costs[None, :3]})
    rare("_of_zeros", "DynamicTimeWarping", {"x": np.zeros((3, 4), np.float32)})
    rare("_row", "DynamicTimeWarping", {"x": costs[:1]})
    rare("_column", "DynamicTimeWarping", {"x": costs[:, :1]})


def tokens():
    ids = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4], [0, 1, 0, 1, 0]], I)
    for size in (1, 2, 3, 5, 6):
        rare(f"_{size}", "NGramRepeatBlock", {"i": ids, "s": f32(3, 6)}, {"ngram_size": size})
    refused("NGramRepeatBlock_beyond", "NGramRepeatBlock", {"i": ids, "s": f32(3, 4)}, "the token 4 of 4", {"ngram_size": 2}, domain=MS)
    for kind in (np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64):
        rare(f"_{kind.__name__}", "MurmurHash3", {"x": np.array([[3, 4, 0]], kind)}, {"seed": 7})
        rare(f"_{kind.__name__}_signed", "MurmurHash3", {"x": np.array([3, 2 ** 30], kind)}, {"positive": 0})
    words = np.array(["foo", "bar baz, which is longer", "", "é", "12345", "123456", "1234567"], object)
    rare("_text", "MurmurHash3", {"x": words}, {"seed": -1 & 0xFFFFFFFF})
    rare("_text_signed", "MurmurHash3", {"x": words.reshape(1, 7)}, {"positive": 0})


def images():
    x = f32(2, 3, 5, 7)
    boxes = np.array([[0, 0, 1, 1], [0.1, 0.3, 0.8, 0.6], [0.9, 0.2, 0.3, 0.9], [-0.4, 0.2, 0.6, 1.3]], np.float32)
    for mode in ("bilinear", "nearest"):
        for size in ((3, 4), (1, 1), (6, 9)):
            rare(f"_{mode}_{size[0]}_{size[1]}", "CropAndResize", {"x": x, "b": boxes, "i": i32(0, 1, 1, 0)}, {"mode": mode, "extrapolation_value": 2.5},
                 ["x", "b", "i", "s"], constants={"s": i32(*size)}, **NEAR)
    rare("_size_given", "CropAndResize", {"x": x, "b": boxes, "i": i32(0, 1, 1, 0), "s": i32(2, 3)}, **NEAR)
    refused("CropAndResize_of_another_image", "CropAndResize", {"x": x, "b": boxes, "i": i32(0, 1, 2, 0)}, "the image 2 of 2", order=["x", "b", "i", "s"], constants={"s": i32(2, 2)}, domain=MS)
    w, b = f32(3, 2, 3, 3), f32(2)
    for name, pads, attributes in (("", (1, 1, 1, 1), {}), ("_uneven", (0, 2, 1, 0), {"strides": [2, 3]}), ("_more", (1, 0, 1, 2), {"strides": [2, 2], "output_padding": [1, 1]}), ("_dilated", (1, 2, 3, 1), {"dilations": [2, 2]})):
        for given in ("constant", "fed"):
            value = {"p": np.array(pads, I)}
            rare(f"{name}_{given}", "ConvTransposeWithDynamicPads", {"x": x, **(value if given == "fed" else {})}, attributes, ["x", "w", "p", "b"], constants={"w": w, "b": b, **(value if given == "constant" else {})}, **NEAR)
    refused("ConvTransposeWithDynamicPads_too_many", "ConvTransposeWithDynamicPads", {"x": x}, "cut off of", order=["x", "w", "p"], constants={"w": w, "p": np.array([9, 9, 9, 9], I)}, domain=MS)


    refused("ConvTransposeWithDynamicPads_scalar", "ConvTransposeWithDynamicPads", {"x": x}, "of ranks 4 and 0", order=["x", "w", "p"], constants={"w": np.float32(3), "p": np.zeros(4, I)}, domain=MS)
    refused("ConvTransposeWithDynamicPads_channels", "ConvTransposeWithDynamicPads", {"x": x}, "kernels for 2 channels", order=["x", "w", "p"], constants={"w": f32(2, 2, 3, 3), "p": np.zeros(4, I)}, domain=MS)


def packed():
    # ONNX Runtime's CPU kernel leaves a part of what it gives unwritten where the weights are not transposed.
    for kind in (0, 1):
        k, n = 32, 6
        codes = rng.integers(0, 256, k * n // 2).astype(np.uint8)
        rare(f"_{kind}", "MatMulBnb4", {"a": f32(2, 3, k)}, {"K": k, "N": n, "block_size": 16, "quant_type": kind}, ["a", "b", "m"],
             constants={"b": codes, "m": np.abs(f32(k * n // 16))}, **NEAR)
    refused("MatMulBnb4_of_truths", "MatMulBnb4", {"a": np.ones((2, 32), bool)}, "a product of Bool", {"K": 32, "N": 6, "block_size": 16, "quant_type": 1}, order=["a", "b", "m"],
            constants={"b": codes, "m": np.ones(12, np.float32)}, domain=MS)
    # Every code.
    codes = np.array([16 * (2 * i) + 2 * i + 1 for i in range(8)], np.uint8)
    for kind in (0, 1):
        rare(f"_{kind}_codes", "MatMulBnb4", {"a": np.eye(16, dtype=np.float32)}, {"K": 16, "N": 1, "block_size": 16, "quant_type": kind}, ["a", "b", "m"], constants={"b": codes, "m": np.ones(1, np.float32)}, rtol=1e-6)


def experts():
    count, size, inner = 4, 6, 5
    for name, each, attributes, biased in (
        ("relu", 2, {}, True), ("relu_normalised", 2, {"normalize_routing_weights": 1}, True), ("one", 1, {}, True), ("gelu", 2, {"activation_type": "gelu"}, True),
        ("silu", 3, {"activation_type": "silu"}, True), ("identity", 4, {"activation_type": "identity"}, False), ("gates", 2, {"activation_type": "swiglu", "swiglu_fusion": 1}, True),
        ("gates_bounded", 2, {"activation_type": "swiglu", "swiglu_fusion": 1, "activation_alpha": 1.702, "activation_beta": 1.0, "swiglu_limit": 0.7}, True),
    ):
        wide = inner * (2 if "gates" in name else 1)
        weights = {"w": f32(count, wide, size), "v": f32(count, size, inner)} | ({"b": f32(count, wide), "c": f32(count, size)} if biased else {})
        order = ["x", "p", "w", "b" if biased else "", "v", "c" if biased else ""]
        order = order if biased else order[:5]
        for tokens in ((7, size), (2, 3, size), (1, size)) if name == "relu" else ((7, size),):
            scores = f32(int(np.prod(tokens[:-1])), count)
            rare(f"_{name}" + ("" if tokens[0] == 7 else f"_{tokens[0]}"), "MoE", {"x": f32(*tokens), "p": scores}, {"k": each, **attributes}, order, constants=weights, rtol=1e-4, atol=1e-5)
    refused("MoE_more_than_there_are", "MoE", {"x": f32(2, 6), "p": f32(2, 4)}, "5 of 4 experts", {"k": 5}, domain=MS, order=["x", "p", "w", "", "v"], constants={"w": f32(4, 5, 6), "v": f32(4, 6, 5)})
    refused("MoE_three_layers", "MoE", {"x": f32(2, 6), "p": f32(2, 4)}, "a third layer is not implemented", domain=MS, order=["x", "p", "w", "", "v", "", "u"], constants={"w": f32(4, 5, 6), "v": f32(4, 6, 5), "u": f32(4, 5, 6)})


def positions():
    half, longest = 6, 9
    tables = {"cos": np.cos(f32(longest, half)), "sin": np.sin(f32(longest, half))}
    for layout, sections in ((0, (2, 3, 1)), (0, (6, 0, 0)), (1, (2, 2, 2)), (1, (3, 2, 1))):
        for interleaved in (0, 1):
            at = rng.integers(0, longest, (3, 2, 4)).astype(I)
            attributes = {"mrope_section": list(sections), "mrope_layout": layout, "interleaved": interleaved}
            word = f"_{layout}_{''.join(map(str, sections))}_{interleaved}"
            order = ["x", "at", "cos", "sin"]
            rare(word, "MRotaryEmbedding", {"x": f32(2, 4, 2 * 2 * half), "at": at}, {**attributes, "num_heads": 2}, order, constants=tables, **NEAR)
            rare(f"{word}_heads", "MRotaryEmbedding", {"x": f32(2, 3, 4, 2 * half), "at": at}, attributes, order, constants=tables, **NEAR)
            rare(f"{word}_in_part", "MRotaryEmbedding", {"x": f32(2, 4, 2 * 16), "at": at}, {**attributes, "num_heads": 2, "rotary_embedding_dim": 2 * half}, order, constants=tables, **NEAR)


    beyond = {"x": f32(2, 3, 4, 2 * half)}
    refused("MRotaryEmbedding_beyond_constant", "MRotaryEmbedding", beyond, "is given the index 9", {"mrope_section": [2, 2, 2]}, order=["x", "at", "cos", "sin"], constants={"at": np.full((3, 2, 4), 9, I), **tables}, domain=MS)
    refused("MRotaryEmbedding_beyond", "MRotaryEmbedding", {**beyond, "at": np.full((3, 2, 4), 9, I)}, "is given", {"mrope_section": [2, 2, 2]}, order=["x", "at", "cos", "sin"], constants=tables, domain=MS)


def embeddings():
    width = 4
    for kind in (np.uint8, np.int8):
        table = lambda rows: rng.integers(0, 100, (rows, width) if rows else width).astype(kind)
        scale = lambda: np.float32(rng.uniform(0.01, 0.05))
        zero = lambda: np.array(rng.integers(0, 50), kind)
        names = ["word", "position", "segment", "gamma", "beta"]
        constants = {n: table({"word": 7, "position": 5, "segment": 2}.get(n, 0)) for n in names} | {f"{n}_scale": scale() for n in names} | {f"{n}_zero": zero() for n in names}
        feeds = {"ids": i32([1, 2, 6], [0, 3, 3]), "segments": i32([0, 0, 1], [0, 1, 1]), "mask": i32([1, 1, 0], [1, 1, 1])}
        order = ["ids", "segments", *names, "mask", *(f"{n}_scale" for n in names), *(f"{n}_zero" for n in names)]
        rare(f"_{kind.__name__}", "QEmbedLayerNormalization", feeds, {}, order, ("y", "kept"), constants=constants, **NEAR)
        less = [n if n.split("_")[0] not in ("segment", "segments", "mask") else "" for n in order]
        rare(f"_{kind.__name__}_without_segments", "QEmbedLayerNormalization", {"ids": feeds["ids"]}, {}, less, ("y", "kept"), constants={n: a for n, a in constants.items() if n in less}, **NEAR)


if __name__ == "__main__":
    for section in (small, tokens, images, packed, experts, positions, embeddings):
        section()
    write("rare", CASES)
