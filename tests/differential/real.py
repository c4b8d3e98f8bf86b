"""`python real.py --engine PATH --models FOLDER`: real models on nearside against ONNX Runtime.

In: tests/cases/real-models.json and a folder with those of the files that one has, under any name. Out: a line a
model; those that the folder lacks are skipped, with the repository that holds them."""
import argparse
import hashlib
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime

from graph import OPTIONS
from judge import answer

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {"float": "float32", "double": "float64"}


def feeds(session, sizes, seed):
    rng, given = np.random.default_rng(seed), {}
    for i in session.get_inputs():
        other = sizes.get("*", 1)
        shape = [d if isinstance(d, int) else sizes.get(d, sizes.get(f"{i.name}:{at}", other)) for at, d in enumerate(i.shape)]
        name = i.type[len("tensor("):-1]
        dtype = np.dtype(TYPES.get(name, name))
        if f"{i.name}=" in sizes:
            given[i.name] = np.array(sizes[f"{i.name}="], dtype).reshape(shape)
        elif dtype.kind == "f":
            # Pictures lie in 0..1, sound and states in -1..1.
            given[i.name] = rng.uniform(-(seed % 2), 1, shape).astype(dtype)
        else:
            given[i.name] = rng.integers(0, sizes.get("max", 2), shape).astype(dtype)
    return given


def wrong(name, got, wanted):
    if got is None or got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"{name}: another type or shape"
    a, b = got.astype(np.float64), wanted.astype(np.float64)
    off = np.where((a == b) | np.isnan(a) & np.isnan(b), 0, np.abs(a - b))
    finite = np.abs(b[np.isfinite(b)])
    allowed = 1e-3 * np.abs(b) + 1e-3 * finite.max(initial=0) + 1e-5
    return None if (off <= allowed).all() else f"{name}: off by {np.nanmax(off):.3g}"


def check(engine, path, row):
    session = onnxruntime.InferenceSession(path, OPTIONS, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    for seed, sizes in enumerate(row["sizes"]):
        given = feeds(session, sizes, seed)
        wanted = dict(zip(names, session.run(names, given)))
        got, complaint = answer(engine, onnx.load(path), given, 300)
        said = complaint or next(filter(None, (wrong(n, got.get(n), w) for n, w in wanted.items())), None)
        if said:
            return f"{sizes}: {said}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--models", required=True)
    args = parser.parse_args()
    there = {}
    for folder, _, files in os.walk(args.models):
        for file in files:
            if file.endswith(".onnx"):
                path = os.path.join(folder, file)
                with open(path, "rb") as data:
                    there[hashlib.file_digest(data, "sha256").hexdigest()] = path
    counts = {"right": 0, "wrong": 0, "skipped": 0}
    with open(os.path.join(HERE, "..", "cases", "real-models.json")) as file:
        rows = json.load(file)["models"]
    for row in rows:
        path = there.get(row["sha256"])
        said = path and check(args.engine, path, row)
        verdict = "skipped" if not path else "wrong" if said else "right"
        counts[verdict] += 1
        print(f"{verdict:8}{row['model']}", said or (f"(in {row['repository']} at {row['commit'][:10]}: {row['path']})" if not path else ""), flush=True)
    print(", ".join(f"{n} {v}" for v, n in counts.items()))
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
