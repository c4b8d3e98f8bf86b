"""A model and its feeds -> nothing, or how nearside's answer differs from ONNX Runtime's.

The one decision: what may differ is measured, not guessed. ONNX Runtime answers again with floats moved by a few
roundings; where its own answer moves, ours may, element by element, by a multiple of that and a small base."""
import os
import subprocess
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

from graph import reference

BASE = {"float32": (2e-5, 1e-5), "float16": (4e-3, 2e-3), "float64": (2e-5, 1e-5)}
STEPS = {"float32": (1e-6, 1e-6, 1e-5), "float16": (5e-4, 5e-4, 1e-3)}
FACTOR = 10


def moved(array, step, rng):
    if array.dtype.kind != "f" or not array.size:
        return array
    return (array * (1 + step * rng.uniform(-1, 1, array.shape))).astype(array.dtype)


def neighbours(proto, feeds, half):
    """ONNX Runtime's answers to almost the same question."""
    for at, step in enumerate(STEPS["float16" if half else "float32"]):
        rng = np.random.default_rng(at)
        near = onnx.ModelProto()
        near.CopyFrom(proto)
        for tensor in near.graph.initializer:
            array = numpy_helper.to_array(tensor)
            # Whole numbers are meant: exponents, scales of a resize.
            if array.dtype.kind == "f" and array.size > 1:
                tensor.CopyFrom(numpy_helper.from_array(moved(array, step, rng), tensor.name))
        try:
            yield reference(near, {n: moved(a, step, rng) for n, a in feeds.items()})
        except Exception:
            continue


def answer(binary, proto, feeds, seconds=60):
    """nearside's outputs by name, or its complaint."""
    with tempfile.TemporaryDirectory() as folder:
        model, given, got = (os.path.join(folder, n) for n in ("model.onnx", "in.npz", "out.npz"))
        onnx.save(proto, model)
        np.savez(given, **feeds)
        command = [binary, "run", model, "--quiet", "--output", got] + (["--input", given] if feeds else [])
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env={**os.environ, "RUST_BACKTRACE": "0"})
        except subprocess.TimeoutExpired:
            return None, f"not done in {seconds} s"
        if done.returncode:
            return None, done.stderr.strip() or f"exit code {done.returncode}"
        with np.load(got) as file:
            return {n: file[n] for n in file.files}, None


def difference(name, got, wanted, near, half=False):
    if got is None:
        return f"{name}: no such output"
    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"{name}: {got.dtype} {got.shape} instead of {wanted.dtype} {wanted.shape}"
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    spread = np.zeros(b.shape)
    for other in near:
        if name not in other or other[name].shape != b.shape:
            # Where a hair changes the shape, no value can be told.
            return None
        with np.errstate(invalid="ignore"):
            spread = np.fmax(spread, np.abs(other[name].astype(np.float64) - b))
    rtol, atol = BASE.get(str(wanted.dtype), (0, 0))
    finite = b[np.isfinite(b)]
    if half:
        # A half on the way rounds more coarsely than the result is.
        rtol, atol = max(rtol, BASE["float16"][0]), max(atol, BASE["float16"][1])
    allowed = rtol * np.abs(b) + atol * (np.abs(finite).max() if finite.size else 0) + FACTOR * spread + (1e-6 if rtol else 0)
    with np.errstate(invalid="ignore"):
        right = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= allowed))
    if right.all():
        return None
    # A value that lies on the edge of a step falls to either side: comparisons, roundings.
    if wanted.dtype.kind in "biu" and near and (~right).mean() <= 0.01:
        return None
    at = tuple(int(i) for i in np.argwhere(~right)[0]) if b.ndim else ()
    return f"{name}{list(at)} is {a[at]:.9g} instead of {b[at]:.9g}; {int((~right).sum())} of {b.size} are wrong"


def judge(binary, proto, feeds):
    """`None` when right, else (kind, text); the kinds are "error" and "wrong"."""
    wanted = reference(proto, feeds)
    got, complaint = answer(binary, proto, feeds)
    if complaint:
        return "error", complaint
    casts = [a.i for n in proto.graph.node if n.op_type == "Cast" for a in n.attribute if a.name == "to"]
    types = [t.data_type for t in proto.graph.initializer] + [v.type.tensor_type.elem_type for v in [*proto.graph.input, *proto.graph.output]]
    half = onnx.TensorProto.FLOAT16 in casts + types
    near = None
    for name, value in wanted.items():
        if not difference(name, got.get(name), value, []):
            continue
        near = list(neighbours(proto, feeds, half)) if near is None else near
        text = difference(name, got.get(name), value, near, half and wanted[name].dtype.kind == "f")
        if text:
            return "wrong", text
    return None
