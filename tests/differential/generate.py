"""Seed -> a random model of 2 to 12 operators and its inputs."""
import numpy as np

import elementwise
import flow
import layers
import quantised
import shapes
from graph import Graph, Skip

TABLE = elementwise.TABLE + shapes.TABLE + layers.TABLE + quantised.TABLE + flow.TABLE
OPSETS = [7, 8, 9, 10, 11, 11, 12, 13, 13, 14, 15, 16, 17, 17, 18, 19, 20, 21, 22, 23, 24]


def grow(g, count, nested=False):
    """Adds operators until there are `count` more."""
    rows = [row for row in TABLE if row[1] <= g.opset]
    weights = np.array([row[2] for row in rows], float)
    weights /= weights.sum()
    done = 0
    for _ in range(40 * count):
        if done >= count:
            return
        name, _, _, add = rows[int(g.rng.choice(len(rows), p=weights))]
        marks = len(g.values), len(g.nodes)
        try:
            add(g)
            done += 1
        except Skip:
            # What was added on the way computes nothing that is kept.
            g.values[marks[0]:] = [v for v in g.values[marks[0]:] if v.name in g.inputs]
            g.nodes[marks[1]:] = [n for n in g.nodes[marks[1]:] if n.op_type == "Constant"]
    raise Skip


def generate(seed):
    """A model and its feeds; None for the rare seed that comes to nothing."""
    rng = np.random.default_rng(seed)
    g = Graph(rng, int(rng.choice(OPSETS)), "float16" if rng.random() < 0.08 else "float32")
    g.input(g.array(g.float, g.choose([(1, 4, 6, 6), (2, 3, 8, 8), (3, 4), (2, 5, 4), (6,), (1, 3, 5, 7), (2, 4, 8)])))
    try:
        grow(g, g.whole(2, 12))
    except Skip:
        pass
    return g.model()
