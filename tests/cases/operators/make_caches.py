"""Makes caches.json: com.microsoft's attention over a cache that is filled in place, by beams too: `python make_caches.py`."""
import numpy as np

from onnx import TensorProto, helper

from case import case, model, write
from make_forms import CASES, MS, f32, one, refused, rng

NEAR = {"rtol": 1e-5, "atol": 1e-6}
HEADS, SIZE, ROOM = 2, 4, 6
MULTI = ["q", "k", "v", "bias", "mask", "add", "pk", "pv", "filled", "beams"]
DECODER = ["q", "k", "v", "mask", "add", "pk", "pv", "filled", "width", "beams", "bias"]


def i32(*values):
    return np.array(values, np.int32)


def feeds(filled, queries=1, keys=None, batch=2, **more):
    keys = queries if keys is None else keys
    sides = {"q": f32(batch, queries, HEADS * SIZE), "k": f32(batch, keys, HEADS * SIZE), "v": f32(batch, keys, HEADS * SIZE)}
    return {**sides, "pk": f32(batch, HEADS, ROOM, SIZE), "pv": f32(batch, HEADS, ROOM, SIZE), "filled": i32(filled), **more}


def names(order, given):
    return [n if n in given else "" for n in order]


def multi(name, given, outputs=("y", "present_key", "present_value"), constants=(), **attributes):
    fixed = {n: given[n] for n in constants}
    fed = {n: a for n, a in given.items() if n not in fixed}
    node = helper.make_node("MultiHeadAttention", names(MULTI, given), list(outputs), domain=MS, num_heads=HEADS, **attributes)
    proto = model([node], fed, fixed, [], domains=[(MS, 1)])
    # ONNX Runtime infers no type of the scores.
    proto.graph.output.extend(helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs)
    CASES.append(case(f"MultiHeadAttention_{name}", proto, fed, **NEAR))


def decoder(name, given, outputs=("y", "present_key", "present_value"), **attributes):
    one(f"DecoderMaskedMultiHeadAttention_{name}", "DecoderMaskedMultiHeadAttention", given, {"num_heads": HEADS, **attributes}, outputs, MS, names(DECODER, given), **NEAR)


def bits(*shape):
    mask = rng.integers(0, 2, shape).astype(np.int32)
    mask[..., 0] = 1
    return mask


def multi_head():
    for filled in (0, 3, 5):
        multi(f"shared_{filled}", feeds(filled))
        multi(f"shared_{filled}_scores", feeds(filled), ("y", "present_key", "present_value", "scores"))
    multi("shared_constant", feeds(2), constants=["filled"])
    multi("shared_scalar", {**feeds(2), "filled": np.array(2, np.int32)})
    multi("shared_bias", feeds(2, bias=f32(3 * HEADS * SIZE)))
    for causal in (0, 1):
        multi(f"shared_steps_{causal}", feeds(2, 3), unidirectional=causal)
        multi(f"shared_steps_{causal}_scores", feeds(2, 3), ("y", "present_key", "present_value", "scores"), unidirectional=causal)
        multi(f"shared_filled_up_{causal}", feeds(3, 3), unidirectional=causal)
    multi("shared_one_query_of_keys", feeds(1, 1, 3))
    for queries in (1, 2):
        end = 3 + queries
        multi(f"shared_mask_{queries}", feeds(3, queries, mask=bits(2, end)))
        multi(f"shared_mask_ends_{queries}", feeds(3, queries, mask=i32(end, 2)))
        multi(f"shared_mask_by_query_{queries}", feeds(3, queries, mask=bits(2, queries, end)), unidirectional=1)
        multi(f"shared_added_{queries}", feeds(3, queries, add=f32(1, HEADS, queries, end)))
    beams = rng.integers(0, 2, (2, 2, ROOM)).astype(np.int32)
    for filled in (0, 3, 5):
        multi(f"shared_beams_{filled}", feeds(filled, batch=4, beams=beams))
    multi("shared_beams_mask", feeds(3, batch=4, beams=beams, mask=bits(4, 4)))
    # Told of one step at a time.
    multi("shared_beams_steps", feeds(3, 2, batch=4, beams=beams))
    grows = feeds(3, batch=4, beams=beams)
    del grows["filled"]
    multi("beams_of_a_cache_that_grows", grows)
    cross = {"q": f32(2, 2, HEADS * SIZE), "k": f32(2, HEADS, 5, SIZE), "v": f32(2, HEADS, 5, SIZE), "filled": i32(3), "beams": np.zeros((2, 1, ROOM), np.int32)}
    multi("filled_without_a_cache", cross, ["y"])


def one_at_a_time():
    shared = {"past_present_share_buffer": 1}
    beams = rng.integers(0, 2, (1, 2, ROOM)).astype(np.int32)
    for filled in (0, 4):
        decoder(f"{filled}", feeds(filled), **shared)
        decoder(f"{filled}_beams", feeds(filled, width=i32(2), beams=beams, bias=f32(3 * HEADS * SIZE)), **shared)
    decoder("mask", feeds(2, mask=bits(2, 3)), **shared)
    decoder("scaled", feeds(2), scale=0.3, **shared)
    cross = {"q": f32(2, 1, HEADS * SIZE), "k": f32(2, HEADS, 5, SIZE), "v": f32(2, HEADS, 5, SIZE)}
    decoder("cross", cross, ["y"])
    decoder("cross_mask", {**cross, "mask": bits(2, 5)}, ["y"])


def beyond():
    def no(name, given, error, **attributes):
        refused(f"MultiHeadAttention_{name}", "MultiHeadAttention", given, error, {"num_heads": HEADS, **attributes}, domain=MS, order=names(MULTI, given), outputs=("y", "present_key", "present_value"))
    half = feeds(3)
    del half["pv"], half["filled"]
    no("past_of_keys_alone", half, "keys or of values alone")
    for name, filled, queries in (("full", 6, 1), ("negative", -1, 1), ("overrun", 4, 3), ("far", 2 ** 31 - 1, 1)):
        no(f"shared_{name}", feeds(filled, queries), "is given")
        no(f"shared_{name}_mask", feeds(filled, queries, mask=bits(2, 4)), "past_sequence_length")
    for name, beam in (("beyond", 2), ("negative", -1)):
        beams = np.full((2, 2, ROOM), beam, np.int32)
        no(f"shared_beams_{name}", feeds(3, batch=4, beams=beams), "is given")
        refused(f"MultiHeadAttention_shared_beams_{name}_constant", "MultiHeadAttention", {n: a for n, a in feeds(3, batch=4).items()}, "is given", {"num_heads": HEADS}, domain=MS,
                order=["q", "k", "v", "", "", "", "pk", "pv", "filled", "beams"], constants={"beams": beams}, outputs=("y", "present_key", "present_value"))
    no("shared_beams_of_others", feeds(3, batch=4, beams=bits(1, 2, ROOM)), "cache_indirection")
    no("shared_beams_too_short", feeds(3, batch=4, beams=bits(2, 2, ROOM - 1)), "cache_indirection")


if __name__ == "__main__":
    multi_head()
    one_at_a_time()
    beyond()
    write("caches", CASES)
