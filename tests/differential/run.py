"""`python run.py --engine PATH [--seeds FROM TO] [--optimised] [--keep FOLDER]`: random graphs on nearside against ONNX Runtime.

In: seeds. Out: a line of counts, and for each failure its smallest graph; the exit code is 1 if there is one. With
--optimised each graph is taken as ONNX Runtime's optimiser writes it; with --keep, each failure is written as a case of
tests/cases/operators."""
import argparse
import collections
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as state

import shrink
from generate import generate
from graph import quiet_options
from judge import judge

REFUSED = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.NotImplemented, state.RuntimeException)
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cases", "operators"))


def keep(folder, seed, proto, feeds):
    from case import case
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{seed}.json"), "w") as file:
        json.dump(case(f"seed_{seed}", proto, feeds, 1e-5, 1e-5), file, separators=(",", ":"))


def one(seed, args):
    made = generate(seed)
    try:
        made = optimised(*made) if made and args.optimised else made
        if made is None:
            return seed, None, None
        return seed, made, judge(args.engine, *made)
    except REFUSED:
        # A branch that is not taken may be one that ONNX Runtime refuses as a whole.
        return seed, None, None


def optimised(proto, feeds):
    """What ONNX Runtime makes of a graph before it runs it, with its own fused operators; None where nothing is left, and
    of halves, between which it puts casts that round where nearside computes on in float32."""
    kinds = {v.type.tensor_type.elem_type for v in [*proto.graph.input, *proto.graph.output]} | {t.data_type for t in proto.graph.initializer}
    if onnx.TensorProto.FLOAT16 in kinds:
        return None
    with tempfile.TemporaryDirectory() as folder:
        options = quiet_options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = os.path.join(folder, "model.onnx")
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        proto = onnx.load(options.optimized_model_filepath)
    names = {i.name for i in proto.graph.input}
    return (proto, {n: a for n, a in feeds.items() if n in names}) if proto.graph.node else None


def report(seed, made, verdict, args):
    small = shrink.shrink(*made, lambda p, f: judge(args.engine, p, f))
    operators = "+".join(n.op_type for n in small[0].graph.node if n.op_type != "Constant")
    said = judge(args.engine, *small) or verdict
    print(f"\nseed {seed}: {verdict[0]} [{operators}] {said[1][:1500]}\n{shrink.text(*small)}", flush=True)
    if args.keep:
        keep(args.keep, seed, *small)
    return f"{verdict[0]} {operators}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 600))
    parser.add_argument("--optimised", action="store_true")
    parser.add_argument("--keep")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    np.seterr(all="ignore")
    since, failures, passed, empty = time.time(), collections.Counter(), 0, 0
    with ThreadPoolExecutor(args.jobs) as pool:
        for seed, made, verdict in pool.map(lambda s: one(s, args), range(*args.seeds)):
            if made is None:
                empty += 1
            elif verdict is None:
                passed += 1
            else:
                failures[report(seed, made, verdict, args)] += 1
    for what, count in failures.most_common():
        print(f"{count:4} {what}")
    failed = sum(failures.values())
    print(f"{passed} passed, {failed} failed, {empty} empty in {time.time() - since:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
