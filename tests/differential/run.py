"""`python run.py --engine PATH [--seeds FROM TO] [--keep FOLDER]`: random graphs on nearside against ONNX Runtime.

In: seeds. Out: a line of counts, and for each failure its smallest graph; the exit code is 1 if there is one. With
--keep, each failure is written as a case of tests/cases/operators."""
import argparse
import collections
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime.capi.onnxruntime_pybind11_state as state

import shrink
from generate import generate
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
    if made is None:
        return seed, None, None
    try:
        return seed, made, judge(args.engine, *made)
    except REFUSED:
        # A branch that is not taken may be one that ONNX Runtime refuses as a whole.
        return seed, None, None


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
