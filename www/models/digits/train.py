"""Trains the demo's digit model on scikit-learn's digits and writes everything that is committed.

In: sklearn.datasets.load_digits (1797 real handwritten digits, 8x8, 0..16).
Out: 1/model.onnx, accuracy.json, and tests/cases/digits.json (held-out images with their labels and
the probabilities that ONNX Runtime computes for them: the reference of the other test runners).

The one decision: the last fifth of the rows is held out as one block, not at random. The set is in
the order of its thirteen writers, so most held-out digits come from hands that training never saw.
"""
import json
import pathlib
import time

import numpy as np
import onnx
import onnxruntime
from sklearn.datasets import load_digits

from augment import augment
from net import Net

SEED, COPIES, EPOCHS, BATCH = 7, 40, 24, 128
HELD_OUT = 0.2
HERE = pathlib.Path(__file__).resolve().parent
CASES = HERE.parents[2] / "tests" / "cases" / "digits.json"


def main():
    started = time.time()
    rng = np.random.default_rng(SEED)
    data = load_digits()
    images, labels = data.images.astype(np.float32), data.target
    cut = round(len(images) * (1 - HELD_OUT))
    train_x, train_y = images[:cut], labels[:cut]
    test_x, test_y = images[cut:], labels[cut:]

    # The untouched rows count twice, so that the net stays true to the data set itself.
    pool_x = np.concatenate([train_x, train_x] + [augment(train_x, rng) for _ in range(COPIES)])
    pool_y = np.tile(train_y, COPIES + 2)
    soft = (np.eye(10, dtype=np.float32) * 0.95 + 0.005)[pool_y]
    print(f"{len(pool_x)} training images from {cut} rows, {time.time() - started:.0f} s")

    net = Net(rng)
    steps = EPOCHS * (len(pool_x) // BATCH)
    done = 0
    for epoch in range(EPOCHS):
        order, losses = rng.permutation(len(pool_x)), []
        for i in range(0, len(pool_x) - BATCH + 1, BATCH):
            pick = order[i : i + BATCH]
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * done / steps))
            losses.append(net.step(pool_x[pick][:, None] / 16, soft[pick], rate, rng))
            done += 1
        right = (net.forward(test_x[:, None] / 16).argmax(1) == test_y).mean()
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}  held-out {right:.4f}  {time.time() - started:.0f} s")

    model = net.onnx({
        "data": "scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0)",
        "input": "image: ink per 4x4 block of a 32x32 bitmap, divided by 16 (0..1)",
        "licence": "MIT OR Apache-2.0",
    })
    path = HERE / "1" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path)
    report(path, cut, train_x, train_y, test_x, test_y)


def report(path, cut, train_x, train_y, test_x, test_y):
    """Accuracy and cases from the file as written, run by ONNX Runtime, not by the trainer's own code."""
    runtime = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    run = lambda x: runtime.run(None, {"image": x[:, None] / np.float32(16)})[0]
    prob = run(test_x)
    guess = prob.argmax(1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (test_y, guess), 1)
    bent = augment(test_x, np.random.default_rng(SEED + 1))
    accuracy = {
        "data": "scikit-learn load_digits, 1797 rows",
        "train": {"rows": [0, cut], "accuracy": round(float((run(train_x).argmax(1) == train_y).mean()), 4)},
        "heldOut": {"rows": [cut, cut + len(test_x)], "count": len(test_x), "right": int((guess == test_y).sum()),
                    "accuracy": round(float((guess == test_y).mean()), 4)},
        "heldOutBent": {"accuracy": round(float((run(bent).argmax(1) == test_y).mean()), 4),
                        "note": "the same held-out rows, each turned, slanted and inked at random once"},
        "confusion": confusion.tolist(),
        "model": {"bytes": path.stat().st_size, "parameters": int(sum(np.prod(i.dims) for i in onnx.load(path).graph.initializer))},
        "seed": SEED,
    }
    (HERE / "accuracy.json").write_text(dump(accuracy))
    print(json.dumps(accuracy["heldOut"]), json.dumps(accuracy["heldOutBent"]))

    # The first four held-out rows of each class, in the order of the data set.
    picks = sorted(i for c in range(10) for i in np.flatnonzero(test_y == c)[:4])
    cases = [{"row": cut + int(i), "label": int(test_y[i]), "image": test_x[i].astype(int).ravel().tolist(),
              "probabilities": [float(f"{v:.7g}") for v in prob[i]]} for i in picks]
    CASES.parent.mkdir(parents=True, exist_ok=True)
    CASES.write_text(dump({
        "model": "digits", "version": "1", "input": "image", "shape": [1, 1, 8, 8], "divideBy": 16, "output": "probabilities",
        "reference": f"onnxruntime {onnxruntime.__version__} CPU, at training time", "rtol": 1e-3, "atol": 1e-5, "cases": cases}))


def dump(value):
    """JSON with one line a row of numbers: readable in a diff."""
    text = json.dumps(value, indent=1)
    import re
    return re.sub(r"\[\s*([-\d.e,\s+]+?)\s*\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n"


if __name__ == "__main__":
    main()
