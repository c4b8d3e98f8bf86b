"""Operators that move, pick or join elements: (name, first operator set, weight, how to add one)."""
import numpy as np

from graph import Skip

ANY = ("float32", "float32", "int64", "int32", "bool")


def anything(g, **how):
    return g.pick((g.float, g.float, g.float, "int64", "int32", "bool", "uint8"), **how)


def reshape(g):
    x = anything(g)
    rest, target = x.array.size, []
    for _ in range(g.whole(0, 3)):
        divisors = [d for d in range(1, rest + 1) if rest % d == 0]
        target.append(g.choose(divisors))
        rest //= target[-1]
    target.append(rest)
    if not x.rank and g.chance(0.5):
        target = [1] * g.whole(0, 3)
    shape = list(target)
    if shape and g.chance(0.4):
        shape[g.whole(0, len(shape) - 1)] = -1
    same = [i for i, d in enumerate(target[: x.rank]) if x.shape[i] == d and shape[i] != -1]
    if same and g.chance(0.4):
        shape[g.choose(same)] = 0
    g.emit("Reshape", [x, g.ints(shape, x)])


def flatten(g):
    x = anything(g, ranks=(1, 2, 3, 4))
    g.emit("Flatten", [x], axis=g.whole(0 if g.opset < 11 else -x.rank, x.rank))


def transpose(g):
    x = anything(g, ranks=(2, 3, 4, 5))
    g.emit("Transpose", [x], perm=None if g.chance(0.1) else [int(i) for i in g.rng.permutation(x.rank)])


def axis(g, rank, first_negative=11):
    return g.whole(-rank if g.opset >= first_negative else 0, rank - 1)


def squeeze(g):
    x = anything(g, test=lambda v: 1 in v.shape)
    ones = [i for i, d in enumerate(x.shape) if d == 1]
    axes = sorted(int(a) for a in g.rng.choice(ones, g.whole(1, len(ones)), replace=False))
    if g.opset >= 13:
        g.emit("Squeeze", [x] if g.chance(0.2) else [x, g.constant(np.array(axes))])
    else:
        g.emit("Squeeze", [x], axes=axes if g.chance(0.8) else None)


def unsqueeze(g):
    x = anything(g, ranks=(0, 1, 2, 3))
    made = x.rank + g.whole(1, 2)
    axes = sorted(int(a) for a in g.rng.choice(made, made - x.rank, replace=False))
    if g.opset >= 11 and g.chance(0.3):
        axes = [a - made for a in axes]
    g.unsqueeze(x, axes)


def expand(g):
    x = anything(g)
    target = [d if d != 1 or g.chance(0.5) else g.whole(1, 4) for d in x.shape]
    target = list(g.shape(g.whole(0, 1))) + target
    g.emit("Expand", [x, g.ints(target, x)])


def tile(g):
    x = anything(g, ranks=(1, 2, 3))
    g.emit("Tile", [x, g.ints([g.whole(1, 3) for _ in x.shape])])


def spread(g):
    """What is one element long is made longer, and a product sums up along it."""
    x = g.pick(ranks=(2, 3))
    length = g.whole(2, 6)
    x = g.emit("Slice", [x, g.constant(np.array([0])), g.constant(np.array([1])), g.constant(np.array([x.rank - 1]))])[0]
    shape = [*x.shape[:-1], length]
    kind = g.choose(["Expand", "Tile", "Where", "Add"])
    if kind == "Expand":
        y = g.emit("Expand", [x, g.ints(shape, x)])[0]
    elif kind == "Tile":
        y = g.emit("Tile", [x, g.constant(np.array([1] * (x.rank - 1) + [length]))])[0]
    elif kind == "Where":
        y = g.emit("Where", [g.constant(np.ones((1, length), bool)), x, g.constant(np.zeros(1, g.float))])[0]
    else:
        y = g.emit("Add", [x, g.constant(np.zeros((1, length), g.float))])[0]
    g.emit("MatMul", [y, g.fresh(g.float, (length, g.whole(1, 5)), 0.3)])


def concat(g):
    x = anything(g, ranks=(1, 2, 3, 4))
    at = g.whole(0, x.rank - 1)
    fits = lambda v: v.shape[:at] + v.shape[at + 1:] == x.shape[:at] + x.shape[at + 1:]
    there = [v for v in g.values if v.dtype == x.dtype and v.rank == x.rank and fits(v)]
    parts = [x]
    for _ in range(g.whole(1, 2)):
        shape = list(x.shape)
        shape[at] = g.whole(1, 4)
        parts.append(g.choose(there) if there and g.chance(0.7) else g.fresh(x.dtype, shape))
    g.rng.shuffle(parts)
    g.emit("Concat", parts, axis=at - x.rank if g.opset >= 11 and g.chance(0.3) else at)


def split(g):
    x = anything(g, ranks=(1, 2, 3, 4), test=lambda v: max(v.shape) >= 2)
    at = g.choose([i for i, d in enumerate(x.shape) if d >= 2])
    count = g.whole(2, min(x.shape[at], 3))
    cuts = sorted(g.rng.choice(np.arange(1, x.shape[at]), count - 1, replace=False))
    sizes = [int(v) for v in np.diff([0, *cuts, x.shape[at]])]
    even = x.shape[at] % count == 0 and g.chance(0.4)
    if g.opset < 13:
        return g.emit("Split", [x], count, axis=at, split=None if even else sizes)
    if even:
        return g.emit("Split", [x], count, axis=at, num_outputs=count if g.opset >= 18 else None)
    g.emit("Split", [x, g.constant(np.array(sizes))], count, axis=at)


def cut(g, x):
    """Starts, ends, axes and steps of a slice."""
    axes = sorted(int(a) for a in g.rng.choice(x.rank, g.whole(1, x.rank), replace=False))
    starts, ends, steps = [], [], []
    for a in axes:
        d = x.shape[a]
        low = g.whole(0, d - 1)
        high = g.whole(low + 1, d)
        step = g.choose([1, 1, 1, 2, 3])
        if g.opset >= 10 and g.chance(0.2):
            starts.append(high - 1 if g.chance(0.5) else -1)
            ends.append(low - 1 if low else -d - 1 if g.chance(0.5) else -(2 ** 31))
            steps.append(-step)
            continue
        starts.append(low - d if g.chance(0.3) else low)
        ends.append(g.choose([high, high, 2 ** 31 - 1, 2 ** 63 - 1, high - d if high < d else high]))
        steps.append(step)
    return starts, ends, axes, steps


def slice_(g):
    x = anything(g, ranks=(1, 2, 3, 4))
    starts, ends, axes, steps = cut(g, x)
    if g.opset < 10:
        return g.emit("Slice", [x], starts=starts, ends=ends, axes=axes)
    inputs = [x, g.ints(starts), g.ints(ends), g.ints(axes)]
    if any(s != 1 for s in steps) or g.chance(0.3):
        inputs.append(g.ints(steps))
    g.emit("Slice", inputs)


def focus(g):
    """Every second row and column, joined: what detectors begin with."""
    x = g.pick(ranks=(4,), test=lambda v: v.shape[2] >= 2 and v.shape[3] >= 2)
    if g.opset < 10:
        raise Skip
    parts = []
    for a, b in ((0, 0), (1, 0), (0, 1), (1, 1)):
        end = [x.shape[2] // 2 * 2, x.shape[3] // 2 * 2]
        y = g.emit("Slice", [x, g.ints([a]), g.ints([end[0]]), g.ints([2]), g.ints([2])], keep=False)[0]
        parts.append(g.emit("Slice", [y, g.ints([b]), g.ints([end[1]]), g.ints([3]), g.ints([2])], keep=False)[0])
    g.emit("Concat", parts, axis=1)


def shuffle(g):
    x = g.pick(ranks=(4,), test=lambda v: v.shape[1] % 2 == 0)
    n, c, h, w = x.shape
    y = g.emit("Reshape", [x, g.ints([n, 2, c // 2, h, w], x)])[0]
    y = g.emit("Transpose", [y], perm=[0, 2, 1, 3, 4])[0]
    g.emit("Reshape", [y, g.ints([n, c, h, w], x)])


def indices(g, shape, length, negative=True):
    low = -length if negative and g.opset >= 11 and g.chance(0.3) else 0
    array = g.rng.integers(low, length, shape)
    array = array.astype("int32" if g.chance(0.3) else "int64")
    return g.constant(array) if g.outer or g.chance(0.6) else g.input(array)


def gather(g):
    x = anything(g, ranks=(1, 2, 3, 4))
    at = axis(g, x.rank)
    g.emit("Gather", [x, indices(g, g.shape(g.whole(0, 2), 1, 4), x.shape[at])], axis=at)


def gather_elements(g):
    x = anything(g, ranks=(1, 2, 3))
    at = axis(g, x.rank)
    shape = list(x.shape)
    shape[at] = g.whole(1, 5)
    g.emit("GatherElements", [x, indices(g, shape, x.shape[at])], axis=at)


def nd_indices(g, x, depth, shape):
    columns = [g.rng.integers(0, d, shape) for d in x.shape[:depth]]
    return np.stack(columns, -1).astype("int64")


def gather_nd(g):
    x = anything(g, ranks=(1, 2, 3))
    depth = g.whole(1, x.rank)
    array = nd_indices(g, x, depth, g.shape(g.whole(1, 2), 1, 4))
    g.emit("GatherND", [x, g.constant(array) if g.chance(0.6) else g.input(array)])


def scatter_elements(g):
    x = g.pick(ranks=(1, 2, 3))
    at = axis(g, x.rank)
    shape = tuple(g.whole(1, d) for d in x.shape)
    along = np.argsort(g.rng.random(x.shape), axis=at)
    array = along[tuple(slice(0, n) for n in shape)].astype("int64")
    op = "ScatterElements" if g.opset >= 11 else "Scatter"
    reduction = g.choose([None, "add", "mul"]) if g.opset >= 16 else None
    g.emit(op, [x, g.constant(array), g.fresh(g.float, shape)], axis=at, reduction=reduction)


def scatter_nd(g):
    x = g.pick(ranks=(1, 2, 3))
    depth = g.whole(1, x.rank)
    rows = int(np.prod(x.shape[:depth]))
    flat = g.rng.choice(rows, g.whole(1, min(rows, 5)), replace=False)
    array = np.stack(np.unravel_index(flat, x.shape[:depth]), -1).astype("int64")
    reduction = g.choose([None, "add"]) if g.opset >= 16 else None
    indices = g.constant(array) if g.chance(0.6) else g.input(array)
    g.emit("ScatterND", [x, indices, g.fresh(g.float, (len(flat), *x.shape[depth:]))], reduction=reduction)


def pad(g):
    x = g.pick((g.float, g.float, "int64") if g.opset >= 12 else (g.float,), ranks=(1, 2, 3, 4))
    mode = g.choose(["constant", "constant", "reflect", "edge"])
    room = [min(2, d - 1) if mode == "reflect" else 2 for d in x.shape]
    pads = [g.whole(0, r) for r in room] + [g.whole(0, r) for r in room]
    if mode == "constant" and g.chance(0.2):
        pads[g.whole(0, len(pads) - 1)] = -1 if min(x.shape) > 2 else 0
    if g.opset < 11:
        return g.emit("Pad", [x], pads=pads, mode=mode, value=0.5 if mode == "constant" else None)
    inputs = [x, g.ints(pads)]
    if mode == "constant" and g.chance(0.5):
        inputs.append(g.constant(np.array(1.5).astype(x.dtype)))
    g.emit("Pad", inputs, mode=mode)


def depth_to_space(g):
    x = g.pick(ranks=(4,), test=lambda v: v.shape[1] % 4 == 0)
    g.emit("DepthToSpace", [x], blocksize=2, mode=g.choose(["DCR", "CRD"]) if g.opset >= 11 else None)


def space_to_depth(g):
    x = g.pick(ranks=(4,), test=lambda v: v.shape[2] % 2 == 0 and v.shape[3] % 2 == 0)
    g.emit("SpaceToDepth", [x], blocksize=2)


def shape(g):
    x = anything(g, ranks=(1, 2, 3, 4))
    g.emit("Shape", [x], start=g.whole(0, x.rank - 1) if g.opset >= 15 and g.chance(0.3) else None)


def constant_of_shape(g):
    from onnx import numpy_helper
    x = anything(g, ranks=(1, 2, 3))
    value = numpy_helper.from_array(g.array(g.choose([g.float, "int64", "bool"]), (1,)))
    g.emit("ConstantOfShape", [g.ints(x.shape, x)], value=value if g.chance(0.8) else None)


def range_(g):
    dtype = g.choose(["int64", "int64", "int32", "float32"])
    limit = g.whole(2, 8)
    c = lambda v: g.constant(np.array(v, dtype))
    end = c(limit)
    if dtype == "int64" and g.chance(0.5):
        x = anything(g, ranks=(1, 2, 3))
        end = g.emit("Gather", [g.emit("Shape", [x])[0], g.constant(np.array(0))], axis=0)[0]
    y = g.emit("Range", [c(0), end, c(g.choose([1, 1, 2]))])[0]
    if dtype != g.float and g.chance(0.6):
        from graph import element_type
        g.emit("Cast", [y], to=element_type(np.zeros((), g.float)))


def nonzero(g):
    g.emit("NonZero", [g.pick(("bool", "float32", "int64"), ranks=(1, 2, 3), test=lambda v: v.array.any())])


def compress(g):
    x = anything(g, ranks=(1, 2, 3))
    at = g.whole(0, x.rank - 1)
    mask = g.rng.random(x.shape[at]) < 0.6
    mask[0] = True
    g.emit("Compress", [x, g.input(mask) if g.chance(0.4) else g.constant(mask)], axis=at)


def topk(g):
    x = g.pick(ranks=(1, 2, 3), test=lambda v: len(np.unique(v.array)) == v.array.size)
    at = axis(g, x.rank)
    k = g.whole(1, x.shape[at])
    extra = dict(largest=g.whole(0, 1), sorted=1) if g.opset >= 11 else {}
    if g.opset < 10:
        return g.emit("TopK", [x], 2, axis=at, k=k)
    g.emit("TopK", [x, g.ints([k], x)], 2, axis=at, **extra)


def arg(op):
    def add(g):
        x = g.pick(ranks=(1, 2, 3, 4))
        last = g.whole(0, 1) if g.opset >= 12 else None
        g.emit(op, [x], axis=axis(g, x.rank), keepdims=g.whole(0, 1), select_last_index=last)
    return op, 7, 1, add


def cumsum(g):
    x = g.pick((g.float, "int64", "int32"), ranks=(1, 2, 3))
    at = g.constant(np.array(axis(g, x.rank), "int64"))
    g.emit("CumSum", [x, at], exclusive=g.whole(0, 1), reverse=g.whole(0, 1))


def one_hot(g):
    depth = g.whole(2, 5)
    x = g.choose([v for v in g.values if v.dtype == "int64" and v.rank in (1, 2)] or [None])
    x = x or g.input(g.rng.integers(0, depth, g.shape(g.whole(1, 2))))
    values = g.constant(np.array([0, 1], g.choose(["float32", "int64"])))
    g.emit("OneHot", [x, g.constant(np.array(depth)), values], axis=g.choose([-1, 0, 1]))


def trilu(g):
    x = anything(g, ranks=(2, 3))
    inputs = [x] if g.chance(0.5) else [x, g.constant(np.array(g.whole(-2, 2)))]
    g.emit("Trilu", inputs, upper=g.whole(0, 1))


def eye_like(g):
    g.emit("EyeLike", [g.pick(ranks=(2,))], k=g.whole(-1, 1))


def reverse(g):
    x = g.pick(ranks=(2, 3))
    lengths = g.rng.integers(1, x.shape[0] + 1, x.shape[1])
    g.emit("ReverseSequence", [x, g.constant(lengths)], time_axis=0, batch_axis=1)


TABLE = [
    ("Reshape", 7, 6, reshape), ("Flatten", 9, 2, flatten), ("Transpose", 7, 6, transpose), ("Squeeze", 7, 3, squeeze),
    ("Unsqueeze", 7, 3, unsqueeze), ("Expand", 8, 3, expand), ("Tile", 7, 1, tile), ("spread", 10, 1, spread), ("Concat", 7, 5, concat),
    ("Split", 7, 4, split), ("Slice", 7, 6, slice_), ("focus", 10, 1, focus), ("shuffle", 7, 2, shuffle),
    ("Gather", 7, 5, gather), ("GatherElements", 11, 2, gather_elements), ("GatherND", 12, 2, gather_nd),
    ("ScatterElements", 9, 2, scatter_elements), ("ScatterND", 11, 2, scatter_nd), ("Pad", 7, 4, pad),
    ("DepthToSpace", 7, 1, depth_to_space), ("SpaceToDepth", 7, 1, space_to_depth), ("Shape", 7, 2, shape),
    ("ConstantOfShape", 9, 2, constant_of_shape), ("Range", 11, 2, range_), ("NonZero", 9, 1, nonzero),
    ("Compress", 9, 1, compress), ("TopK", 7, 2, topk), arg("ArgMax"), arg("ArgMin"), ("CumSum", 11, 1, cumsum),
    ("OneHot", 9, 1, one_hot), ("Trilu", 14, 1, trilu), ("EyeLike", 9, 1, eye_like), ("ReverseSequence", 10, 1, reverse),
]
