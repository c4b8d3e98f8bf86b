"""ai.onnx.ml operators and pipelines -> `ml.json`.

Needs numpy, onnx, onnxruntime, scikit-learn and skl2onnx. ONNX Runtime runs on two threads: how it
splits trees among threads decides ties of float32 sums (src/model/ops/ml/tree/aggregate.rs).
A map, or a sequence of maps, is stored as the table that stands for it in the engine."""
import base64
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from case import elements, model, typed, write

ML = "ai.onnx.ml"
RNG = np.random.default_rng(3)
F, D, L, I = np.float32, np.float64, np.int64, np.int32
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def answers(proto, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {o.name: r for o, r in zip(session.get_outputs(), session.run(None, inputs))}


def table(result):
    """A sequence of maps as rows of its values, in the order of the first map's keys."""
    if not isinstance(result, list):
        return np.asarray(result)
    keys = list(result[0])
    return np.array([[row[k] for k in keys] for row in result], F)


# Cases keep nine digits of a float32; this is less than half of its last bit.
EXACT = 1e-8


def stored(name, proto, inputs, results, rtol=EXACT, atol=0.0):
    return {
        "name": name,
        "model": base64.b64encode(proto.SerializeToString()).decode(),
        "inputs": {n: elements(a) for n, a in inputs.items()},
        "outputs": {n: elements(a) for n, a in results.items()},
        "rtol": rtol,
        "atol": atol,
    }


CASES = []


def one(name, op, inputs, opset=3, outputs=1, close=False, **attributes):
    """A single node on `inputs`."""
    attributes = {k: v for k, v in attributes.items() if v is not None}
    tolerance = CLOSE if close else {}
    if attributes.get("post_transform") == "PROBIT":
        # Its inverse error function cancels in float32: the last bit of a logarithm is 1e-4 here.
        tolerance = {"rtol": 1e-3, "atol": 2e-3}
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, list(inputs), names, domain=ML, **attributes)
    proto = model([node], inputs, {}, names, domains=[(ML, opset)])
    results = answers(proto, inputs)
    proto = typed(proto, [results[n] for n in names])
    CASES.append(stored(name, proto, inputs, results, **tolerance))


def x(*shape, dtype=F, scale=2.0):
    return (RNG.standard_normal(shape) * scale).astype(dtype)


def strings(*values):
    return np.array(values, dtype=object)


def simple():
    numbers = [F, D, L, I]
    for dtype in numbers:
        word = np.dtype(dtype).name
        one(f"scaler-{word}", "Scaler", {"x": x(5, 3, dtype=dtype, scale=9)}, opset=1, close=True,
            offset=[0.5, -1.25, 3.0], scale=[0.3, 2.0, -0.1])
        for norm in ["MAX", "L1", "L2"]:
            table_ = x(6, 4, dtype=dtype, scale=4)
            table_[2] = 0
            table_[3] = -np.abs(table_[3])
            one(f"normalizer-{norm.lower()}-{word}", "Normalizer", {"x": table_}, opset=1, close=True, norm=norm)
    one("scaler-one-for-all", "Scaler", {"x": x(2, 3, 4)}, opset=1, close=True, offset=[1.5], scale=[0.5])
    one("scaler-vector", "Scaler", {"x": x(3)}, opset=1, close=True, offset=[0.5, -1.25, 3.0], scale=[0.3, 2.0, -0.1])
    one("normalizer-vector", "Normalizer", {"x": x(5)}, opset=1, close=True, norm="L2")
    one("binarizer", "Binarizer", {"x": np.array([[-1, 0.5, 0.50001], [2, 0.4999, 0]], F)}, opset=1, threshold=0.5)
    one("binarizer-default", "Binarizer", {"x": x(2, 3, 4)}, opset=1)
    nan = np.nan
    holes = np.array([[1, nan, 3], [nan, 5, nan], [7, 8, -0.0]], F)
    one("imputer-nan-by-column", "Imputer", {"x": holes}, opset=1,
        imputed_value_floats=[10.0, 20.0, 30.0], replaced_value_float=nan)
    one("imputer-nan-one", "Imputer", {"x": holes}, opset=1, imputed_value_floats=[-1.0], replaced_value_float=nan)
    one("imputer-zero", "Imputer", {"x": holes}, opset=1, imputed_value_floats=[9.0], replaced_value_float=0.0)
    one("imputer-int", "Imputer", {"x": np.array([[1, -7], [-7, 2]], L)}, opset=1,
        imputed_value_int64s=[50, 60], replaced_value_int64=-7)
    one("imputer-other-length", "Imputer", {"x": holes}, opset=1,
        imputed_value_floats=[1.0, 2.0], replaced_value_float=nan)
    for dtype, word in [(F, "float32"), (L, "int64"), (D, "float64"), (I, "int32")]:
        data = np.arange(12).reshape(3, 4).astype(dtype)
        one(f"array-feature-extractor-{word}", "ArrayFeatureExtractor", {"x": data, "y": np.array([2, 0, 2], L)}, opset=1)
    one("array-feature-extractor-string", "ArrayFeatureExtractor",
        {"x": strings("a", "b", "c", "d").reshape(2, 2), "y": np.array([1], L)}, opset=1)
    one("array-feature-extractor-vector", "ArrayFeatureExtractor", {"x": x(4), "y": np.array([[3, 1]], L)}, opset=1)
    one("array-feature-extractor-cube", "ArrayFeatureExtractor", {"x": x(2, 3, 4), "y": np.array([3, 0], L)}, opset=1)
    one("feature-vectorizer", "FeatureVectorizer",
        {"a": x(3, 2), "b": x(3, 4), "c": x(3, 1)}, opset=1, inputdimensions=[2, 4, 1])
    for dtype in [D, L, I]:
        one(f"feature-vectorizer-{np.dtype(dtype).name}", "FeatureVectorizer",
            {"a": x(3, 2, dtype=dtype, scale=9), "b": x(3, 1, dtype=dtype, scale=9)}, opset=1, inputdimensions=[2, 1])
    one("feature-vectorizer-cut-and-fill", "FeatureVectorizer", {"a": x(3, 4), "b": x(3, 2)},
        opset=1, inputdimensions=[2, 5])
    one("feature-vectorizer-vectors", "FeatureVectorizer", {"a": x(3), "b": x(2)}, opset=1, inputdimensions=[3, 2])


def encoders():
    one("one-hot-string", "OneHotEncoder", {"x": strings("b", "zz", "a").reshape(3, 1)}, opset=1,
        cats_strings=["a", "b", "c"])
    one("one-hot-int", "OneHotEncoder", {"x": np.array([[7, 3], [9, -1]], L)}, opset=1, cats_int64s=[3, 7, -1])
    one("one-hot-float", "OneHotEncoder", {"x": np.array([1.9, -0.5, 2.0, 3.0], F)}, opset=1, cats_int64s=[0, 1, 2])
    one("one-hot-double", "OneHotEncoder", {"x": np.array([[1.0, 2.0]], D)}, opset=1, cats_int64s=[2, 1], zeros=0)
    for direction in [strings("x", "none", "z"), np.array([1, 2, 9], L)]:
        word = "string" if direction.dtype == object else "int"
        one(f"category-mapper-{word}", "CategoryMapper", {"x": direction}, opset=1,
            cats_strings=["x", "y", "z"], cats_int64s=[1, 2, 3], default_int64=-5, default_string="?")
        one(f"label-encoder-1-{word}", "LabelEncoder", {"x": direction}, opset=1,
            classes_strings=["x", "y", "z"], default_int64=-5, default_string="?")
    keys = {"strings": ["a", "b", "c"], "int64s": [5, 6, -7], "floats": [0.5, 0.0, -1.5]}
    values = {"strings": ["p", "q", "r"], "int64s": [10, 20, 30], "floats": [0.1, 0.2, 0.3]}
    inputs = {
        "strings": strings("c", "a", "?", "b").reshape(2, 2),
        "int64s": np.array([[5, -7], [0, 6]], L),
        "floats": np.array([[0.5, -0.0], [3, -1.5]], F),
    }
    for opset in [2, 4]:
        for k, keys_ in keys.items():
            for v, values_ in values.items():
                default = {"strings": {"default_string": "none"}, "int64s": {"default_int64": -9}, "floats": {"default_float": 7.5}}[v]
                given = default if (opset + len(k) + len(v)) % 2 else {}
                one(f"label-encoder-{opset}-{k}-{v}", "LabelEncoder", {"x": inputs[k]}, opset=opset,
                    **{f"keys_{k}": keys_, f"values_{v}": values_}, **given)
    one("label-encoder-nan", "LabelEncoder", {"x": np.array([np.nan, 1], F)}, opset=4,
        keys_floats=[np.nan, 1.0], values_strings=["missing", "one"])
    one("label-encoder-twice", "LabelEncoder", {"x": np.array([1, 2], L)}, opset=4,
        keys_int64s=[1, 1, 2], values_int64s=[10, 11, 12])
    tensor = lambda values_, name: numpy_helper.from_array(np.array(values_), name)
    one("label-encoder-tensors", "LabelEncoder", {"x": np.array([1.5, 2.5, 9.0], D)}, opset=4,
        keys_tensor=tensor(np.array([2.5, 1.5], D), "k"), values_tensor=tensor(np.array([4.0, 6.0], D), "v"),
        default_tensor=tensor(np.array([-1.0], D), "d"))
    one("label-encoder-tensor-values", "LabelEncoder", {"x": strings("b", "x")}, opset=4,
        keys_strings=["a", "b"], values_tensor=tensor(np.array([4, 6], np.int16), "v"),
        default_tensor=tensor(np.array([-1], np.int16), "d"))


TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"]


def linear():
    data = x(6, 3, scale=1)
    for transform in TRANSFORMS:
        word = transform.lower()
        scale = 0.01 if transform == "PROBIT" else 1.0
        middle = 0.5 if transform == "PROBIT" else 0.1
        for targets in [1, 3]:
            one(f"linear-regressor-{targets}-{word}", "LinearRegressor", {"x": data}, opset=1, close=True, targets=targets,
                coefficients=(x(3 * targets, scale=scale)).tolist(), intercepts=[middle] * targets, post_transform=transform)
        one(f"linear-classifier-3-{word}", "LinearClassifier", {"x": data}, opset=1, outputs=2, close=True,
            coefficients=x(9, scale=scale).tolist(), intercepts=[middle, middle, middle], classlabels_ints=[4, 5, 9],
            post_transform=transform, multi_class=1)
        if transform != "PROBIT":
            one(f"linear-classifier-2-{word}", "LinearClassifier", {"x": data}, opset=1, outputs=2, close=True,
                coefficients=x(3, scale=scale).tolist(), intercepts=[middle], classlabels_strings=["no", "yes"],
                post_transform=transform)
    one("linear-regressor-no-intercept", "LinearRegressor", {"x": data}, opset=1, close=True, targets=2,
        coefficients=x(6).tolist())
    for dtype in [D, L, I]:
        one(f"linear-classifier-{np.dtype(dtype).name}", "LinearClassifier", {"x": x(4, 3, dtype=dtype, scale=5)}, opset=1,
            outputs=2, close=True, coefficients=x(6).tolist(), intercepts=[0.2, 0.1], classlabels_ints=[0, 1])
    one("linear-classifier-vector", "LinearClassifier", {"x": x(3)}, opset=1, outputs=2, close=True,
        coefficients=x(6).tolist(), intercepts=[0.2, 0.1], classlabels_strings=["a", "b"])


def svm():
    data = x(7, 3, scale=1)
    kernels = {"LINEAR": [0.0, 0.0, 0.0], "POLY": [0.5, 0.3, 3.0], "RBF": [0.4, 0.0, 0.0], "SIGMOID": [0.2, 0.1, 0.0]}
    for kernel, params in kernels.items():
        word = kernel.lower()
        shared = {"kernel_type": kernel, "kernel_params": params, "support_vectors": x(5 * 3, scale=1).tolist()}
        one(f"svm-regressor-{word}", "SVMRegressor", {"x": data}, opset=1, close=True, n_supports=5,
            coefficients=x(5).tolist(), rho=[0.3], **shared)
        one(f"svm-one-class-{word}", "SVMRegressor", {"x": data}, opset=1, n_supports=5, one_class=1,
            coefficients=x(5).tolist(), rho=[0.3], **shared)
        one(f"svm-classifier-3-{word}", "SVMClassifier", {"x": data}, opset=1, outputs=2, close=True,
            coefficients=x(10).tolist(), rho=[0.1, -0.2, 0.3], vectors_per_class=[2, 1, 2],
            classlabels_ints=[7, 8, 9], **shared)
        one(f"svm-classifier-3-probabilities-{word}", "SVMClassifier", {"x": data}, opset=1, outputs=2, close=True,
            coefficients=x(10).tolist(), rho=[0.1, -0.2, 0.3], vectors_per_class=[2, 1, 2],
            prob_a=[-1.5, -1.0, -0.5], prob_b=[0.1, -0.1, 0.0], classlabels_strings=["r", "g", "b"], **shared)
        for transform in ["NONE", "LOGISTIC", "SOFTMAX"]:
            one(f"svm-classifier-2-{word}-{transform.lower()}", "SVMClassifier", {"x": data}, opset=1, outputs=2, close=True,
                coefficients=x(5).tolist(), rho=[0.1], vectors_per_class=[2, 3], classlabels_ints=[3, 4],
                post_transform=transform, **shared)
    one("svm-classifier-2-probabilities", "SVMClassifier", {"x": data}, opset=1, outputs=2, close=True,
        coefficients=x(5).tolist(), rho=[0.1], vectors_per_class=[2, 3], classlabels_ints=[0, 1], prob_a=[-1.0], prob_b=[0.2],
        **shared)
    one("svm-regressor-linear-form", "SVMRegressor", {"x": data}, opset=1, close=True, n_supports=0,
        coefficients=x(3).tolist(), rho=[0.3], kernel_params=[0.0, 0.0, 0.0])
    for classes in [2, 3]:
        for sign in ["mixed", "positive"]:
            weights = x(3 * classes, scale=1)
            weights = np.abs(weights) if sign == "positive" else weights
            one(f"svm-classifier-linear-form-{classes}-{sign}", "SVMClassifier", {"x": data}, opset=1, outputs=2, close=True,
                coefficients=weights.tolist(), rho=[0.3], kernel_params=[0.0, 0.0, 0.0],
                classlabels_ints=list(range(classes)), post_transform="SOFTMAX")
    one("svm-classifier-int", "SVMClassifier", {"x": x(4, 3, dtype=L, scale=3)}, opset=1, outputs=2, close=True,
        coefficients=x(5).tolist(), rho=[0.1], vectors_per_class=[2, 3], classlabels_ints=[0, 1], **shared)


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def forest(trees, features, depth, targets, modes=MODES[:1], weights=None, every_target=False, whole=False, missing=False):
    """Full random trees as the flat lists of the operator sets 1 to 4; `targets`: those that leaves vote for."""
    lists = {k: [] for k in ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true"]}
    leaves = {k: [] for k in ["treeids", "nodeids", "ids", "weights"]}
    weights = weights or (lambda: float(F(RNG.standard_normal())))
    for tree in range(trees):
        inner = 2 ** depth - 1
        for node in range(2 ** (depth + 1) - 1):
            leaf = node >= inner
            threshold = float(RNG.integers(-2, 3)) if whole else float(F(RNG.standard_normal()))
            row = [tree, node, 0 if leaf else int(RNG.integers(features)), 0.0 if leaf else threshold,
                   "LEAF" if leaf else modes[int(RNG.integers(len(modes)))],
                   0 if leaf else 2 * node + 1, 0 if leaf else 2 * node + 2,
                   int(missing and not leaf and RNG.integers(2))]
            for key, value in zip(lists, row):
                lists[key].append(value)
            if leaf:
                for target in (targets if every_target else [targets[int(RNG.integers(len(targets)))]]):
                    for key, value in zip(leaves, [tree, node, target, weights()]):
                        leaves[key].append(value)
    if not missing:
        del lists["missing_value_tracks_true"]
    return {f"nodes_{k}": v for k, v in lists.items()}, leaves


def lists(prefix, leaves):
    return {f"{prefix}_{k}": v for k, v in leaves.items()}


def tree_regressors():
    data = x(8, 4, scale=1)
    for aggregate in ["SUM", "AVERAGE", "MIN", "MAX"]:
        for targets in [1, 3]:
            nodes, leaves = forest(5, 4, 3, list(range(targets)))
            one(f"tree-regressor-{aggregate.lower()}-{targets}", "TreeEnsembleRegressor", {"x": data}, close=True, n_targets=targets,
                aggregate_function=aggregate, base_values=[0.25, -1.0, 0.5][:targets], **nodes, **lists("target", leaves))
    for transform in TRANSFORMS:
        for targets in [1, 2]:
            small = lambda: float(F(0.1 + 0.05 * RNG.random()))
            nodes, leaves = forest(3, 4, 2, list(range(targets)), weights=small, every_target=True)
            one(f"tree-regressor-{transform.lower()}-{targets}", "TreeEnsembleRegressor", {"x": data}, close=True, n_targets=targets,
                post_transform=transform, **nodes, **lists("target", leaves))
    for mode in MODES:
        nodes, leaves = forest(4, 3, 3, [0], modes=[mode], whole=True)
        grid = RNG.integers(-3, 4, (9, 3)).astype(F)
        one(f"tree-regressor-{mode.lower()}", "TreeEnsembleRegressor", {"x": grid}, close=True, n_targets=1, **nodes, **lists("target", leaves))
    nodes, leaves = forest(6, 3, 4, [0], modes=MODES, whole=True, missing=True)
    grid = RNG.integers(-3, 4, (12, 3)).astype(F)
    grid[RNG.random((12, 3)) < 0.4] = np.nan
    one("tree-regressor-modes-and-missing", "TreeEnsembleRegressor", {"x": grid}, close=True, n_targets=1, **nodes, **lists("target", leaves))
    nodes, leaves = forest(6, 3, 3, [0])
    one("tree-regressor-missing-to-no", "TreeEnsembleRegressor", {"x": grid}, close=True, n_targets=1, **nodes, **lists("target", leaves))
    nodes, leaves = forest(5, 4, 3, [0, 1], whole=True)
    one("tree-regressor-float64", "TreeEnsembleRegressor", {"x": x(6, 4, dtype=D)}, close=True, n_targets=2,
        **nodes, **lists("target", leaves))
    nodes, leaves = forest(5, 4, 3, [0, 1])
    as_tensors = {k: v for k, v in nodes.items() if k != "nodes_values"}
    as_tensors["nodes_values_as_tensor"] = numpy_helper.from_array(np.array(nodes["nodes_values"], D), "v")
    weights = {k: v for k, v in lists("target", leaves).items() if k != "target_weights"}
    weights["target_weights_as_tensor"] = numpy_helper.from_array(np.array(leaves["weights"], D), "w")
    one("tree-regressor-tensors", "TreeEnsembleRegressor", {"x": x(6, 4, dtype=D)}, close=True, n_targets=2,
        base_values_as_tensor=numpy_helper.from_array(np.array([0.1, 0.2], D), "b"), **as_tensors, **weights)
    nodes, leaves = forest(3, 4, 2, [0])
    fewer = {k: v[:-3] for k, v in leaves.items()}
    nodes["nodes_values"] = [3.5 if m == "LEAF" else v for m, v in zip(nodes["nodes_modes"], nodes["nodes_values"])]
    for targets in [1, 2]:
        one(f"tree-regressor-leaf-without-weight-{targets}", "TreeEnsembleRegressor", {"x": data}, close=True, n_targets=targets,
            **nodes, **lists("target", fewer))
    nodes, leaves = forest(120, 4, 1, [0], weights=lambda: float(F(RNG.standard_normal() * 100)))
    for rows in [1, 40, 70]:
        one(f"tree-regressor-order-{rows}", "TreeEnsembleRegressor", {"x": x(rows, 4, scale=1)}, n_targets=1, **nodes, **lists("target", leaves))


def tree_classifiers():
    data = x(8, 4, scale=1)
    positive = lambda: float(F(0.3 * RNG.random()))
    kinds = {
        "three": ([0, 1, 2], 3, None), "three-few": ([0, 2], 3, None),
        "two-votes": ([0, 1], 2, None), "two-votes-positive": ([0, 1], 2, positive),
        "one-vote-0": ([0], 2, None), "one-vote-0-positive": ([0], 2, positive),
        "one-vote-1": ([1], 2, None), "one-vote-1-positive": ([1], 2, positive),
    }
    for kind, (votes, classes, weights) in kinds.items():
        # With one base value and votes for both, ONNX Runtime leaves the second score unwritten.
        for base in [0, 2] if kind.startswith("two") else sorted({0, 1 if classes == 2 else 0, classes}):
            for transform in ["NONE", "LOGISTIC", "SOFTMAX"] + (["SOFTMAX_ZERO"] if base == 0 else []):
                nodes, leaves = forest(4, 4, 2, votes, weights=weights)
                labels = {"classlabels_strings": ["u", "v", "w"][:classes]} if base else {"classlabels_int64s": [5, 3, 8][:classes]}
                one(f"tree-classifier-{kind}-base{base}-{transform.lower()}", "TreeEnsembleClassifier", {"x": data}, outputs=2, close=True,
                    base_values=[0.2, -0.1, 0.3][:base] or None, post_transform=transform, **labels, **nodes, **lists("class", leaves))
    nodes, leaves = forest(3, 4, 2, [0])
    one("tree-classifier-one-class", "TreeEnsembleClassifier", {"x": data}, outputs=2, close=True, classlabels_int64s=[7],
        base_values=[0.1], **nodes, **lists("class", leaves))
    small = lambda: float(F(0.1 + 0.05 * RNG.random()))
    nodes, leaves = forest(3, 4, 2, [0, 1, 2], weights=small, every_target=True)
    one("tree-classifier-probit", "TreeEnsembleClassifier", {"x": data}, outputs=2, close=True, post_transform="PROBIT",
        classlabels_int64s=[0, 1, 2], **nodes, **lists("class", leaves))
    for dtype in [D, L, I]:
        nodes, leaves = forest(5, 4, 3, [0, 1, 2], whole=True)
        one(f"tree-classifier-{np.dtype(dtype).name}", "TreeEnsembleClassifier", {"x": x(6, 4, dtype=dtype)}, outputs=2, close=True,
            classlabels_int64s=[0, 1, 2], **nodes, **lists("class", leaves))
    # Fiftieths, in trees enough to tie: the order of adding shows in every bit.
    nodes, leaves = forest(100, 4, 1, [0, 1, 2, 3], weights=lambda: float(F(RNG.integers(1, 50) / 50)), every_target=True)
    for rows in [1, 40, 70]:
        one(f"tree-classifier-order-{rows}", "TreeEnsembleClassifier", {"x": x(rows, 4, scale=1)}, outputs=2,
            classlabels_int64s=[0, 1, 2, 3], **nodes, **lists("class", leaves))


def tree_ensembles():
    """Operator set 5: two hand-made trees, one with a test of membership."""
    for dtype in [F, D]:
        tensor = lambda values, kind=dtype: numpy_helper.from_array(np.array(values, kind), "t")
        word = np.dtype(dtype).name
        shape = dict(
            nodes_featureids=[0, 1, 2], nodes_modes=tensor([0, 6, 3], np.uint8), nodes_splits=tensor([0.3, 0, 1.5]),
            nodes_truenodeids=[1, 0, 3], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[2, 1, 4], nodes_falseleafs=[1, 1, 1],
            nodes_missing_value_tracks_true=[0, 1, 0], membership_values=tensor([2, 7, 40, np.nan]), tree_roots=[0, 2],
            leaf_targetids=[0, 1, 0, 1, 0], leaf_weights=tensor([1.5, -2.0, 0.25, 3.0, -0.75]), n_targets=2)
        data = np.array([[0, 2, 1], [0, 3, 2], [1, 2, 2], [0.3, 40, 1.5], [0, np.nan, np.nan], [np.nan, 7, 9]], dtype)
        for aggregate in range(4):
            one(f"tree-ensemble-{word}-aggregate{aggregate}", "TreeEnsemble", {"x": data}, opset=5, close=True, aggregate_function=aggregate, **shape)
        for transform in range(4):
            one(f"tree-ensemble-{word}-transform{transform}", "TreeEnsemble", {"x": data}, opset=5, close=True, post_transform=transform, **shape)
        one(f"tree-ensemble-{word}-leaf", "TreeEnsemble", {"x": data}, opset=5, n_targets=1, tree_roots=[0], nodes_featureids=[0],
            nodes_modes=tensor([0], np.uint8), nodes_splits=tensor([0.0]), nodes_truenodeids=[0], nodes_trueleafs=[1],
            nodes_falsenodeids=[0], nodes_falseleafs=[1], leaf_targetids=[0], leaf_weights=tensor([4.5]))


def maps():
    nodes, leaves = forest(4, 3, 2, [0, 1, 2])
    tree = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "scores"], domain=ML, classlabels_strings=["u", "v", "w"],
                            **nodes, **lists("class", leaves))
    for word, attribute, key in [("string", {"classlabels_strings": ["u", "v", "w"]}, TensorProto.STRING),
                                 ("int", {"classlabels_int64s": [3, 5, 8]}, TensorProto.INT64)]:
        data = {"x": x(4, 3)}
        zipped = helper.make_node("ZipMap", ["scores"], ["map"], domain=ML, **attribute)
        proto = model([tree, zipped], data, {}, ["label", "map"], domains=[(ML, 3)])
        proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("label", TensorProto.STRING, [None]))
        of = helper.make_map_type_proto(key, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        proto.graph.output[1].CopyFrom(helper.make_value_info("map", helper.make_sequence_type_proto(of)))
        results = {n: table(r) for n, r in answers(proto, data).items()}
        CASES.append(stored(f"zip-map-{word}", proto, data, results, **CLOSE))
    vocabulary = ["a", "b", "c", "d"]
    nodes = [helper.make_node("DictVectorizer", ["x"], ["row"], domain=ML, string_vocabulary=vocabulary),
             helper.make_node("Normalizer", ["row"], ["y"], domain=ML, norm="L1")]
    proto = model(nodes, {"x": x(1, 4)}, {}, ["y"], domains=[(ML, 1)])
    of = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    proto.graph.input[0].CopyFrom(helper.make_value_info("x", of))
    results = answers(proto, {"x": {"b": 2.0, "d": 0.5}})
    typed(proto, results.values())
    CASES.append(stored("dict-vectorizer", proto, {"x": np.array([[0, 2, 0, 0.5]], F)}, results, **CLOSE))


def pipelines():
    """What scikit-learn and skl2onnx really write."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import (ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
                                  IsolationForest, RandomForestClassifier, RandomForestRegressor)
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Binarizer, MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder, StandardScaler
    from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM
    from sklearn.tree import DecisionTreeClassifier

    rows = x(120, 4, scale=1)
    two, three = (rows[:, 0] * rows[:, 1] > 0).astype(L), (rows[:, 0] > 0).astype(L) + (rows[:, 1] > 0.3)
    words = np.array(["low", "mid", "high"])[three]
    amount = rows[:, 0] ** 2 + rows[:, 2]
    some = rows[:9]

    def pipeline(name, estimator, target, data=rows, fed=None, types=None, zipmap=False, loose=False):
        estimator.fit(data, target)
        final = estimator[-1] if hasattr(estimator, "steps") else estimator
        options = {id(final): {"zipmap": zipmap}} if hasattr(final, "predict_proba") else None
        proto = convert_sklearn(estimator, initial_types=types or [("x", FloatTensorType([None, data.shape[1]]))],
                                options=options, target_opset={"": 17, ML: 3})
        fed = {"x": some} if fed is None else fed
        results = {n: table(r) for n, r in answers(proto, fed).items()}
        CASES.append(stored(f"sklearn-{name}", proto, fed, results, **({"rtol": 1e-3, "atol": 1e-4} if loose else CLOSE)))

    pipeline("decision-tree", DecisionTreeClassifier(max_depth=4, random_state=0), words)
    pipeline("random-forest-2", RandomForestClassifier(5, max_depth=4, random_state=0), two)
    pipeline("random-forest-3-zipmap", RandomForestClassifier(5, max_depth=4, random_state=0), words, zipmap=True)
    pipeline("random-forest-regressor", RandomForestRegressor(5, max_depth=4, random_state=0), amount)
    pipeline("extra-trees-2-targets", ExtraTreesRegressor(4, max_depth=4, random_state=0), np.stack([amount, -amount], 1))
    pipeline("gradient-boosting-2", GradientBoostingClassifier(n_estimators=5, random_state=0), two)
    pipeline("gradient-boosting-3", GradientBoostingClassifier(n_estimators=4, random_state=0), words)
    pipeline("gradient-boosting-regressor", GradientBoostingRegressor(n_estimators=5, random_state=0), amount)
    holes = rows.copy()
    holes[RNG.random(holes.shape) < 0.2] = np.nan
    pipeline("isolation-forest", IsolationForest(n_estimators=4, max_samples=16, random_state=0), None, loose=True)
    pipeline("logistic-2", make_pipeline(StandardScaler(), LogisticRegression()), two)
    pipeline("logistic-3-zipmap", make_pipeline(MinMaxScaler(), Normalizer(), LogisticRegression()), three, zipmap=True)
    pipeline("imputer-ridge", make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), amount, data=holes, fed={"x": holes[:9]})
    pipeline("binarizer-tree", make_pipeline(Binarizer(threshold=0.1), DecisionTreeClassifier(max_depth=3, random_state=0)), three)
    pipeline("svc-rbf", make_pipeline(StandardScaler(), SVC(kernel="rbf")), words, loose=True)
    pipeline("svc-poly-2", SVC(kernel="poly", degree=2), two, loose=True)
    pipeline("nu-svc", NuSVC(kernel="sigmoid", nu=0.3), two, loose=True)
    pipeline("linear-svc", LinearSVC(random_state=0), three)
    pipeline("svr", SVR(), amount, loose=True)
    pipeline("one-class-svm", OneClassSVM(), None, loose=True)

    cities = np.array([["rome", "x"], ["oslo", "y"], ["rome", "y"], ["kyiv", "x"]] * 5, dtype=object)
    flag = np.arange(20) % 2
    texts = [("s", StringTensorType([None, 2]))]
    pipeline("one-hot-strings", make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()), flag, data=cities,
             fed={"s": np.array([["oslo", "x"], ["nowhere", "y"]], dtype=object)}, types=texts)
    pipeline("ordinal-strings", make_pipeline(OrdinalEncoder(), DecisionTreeClassifier(max_depth=3, random_state=0)), flag,
             data=cities, fed={"s": cities[:4]}, types=texts)
    import pandas
    frame = pandas.DataFrame({"city": cities[:, 0], "n": np.arange(20), "v": rows[:20, 0]})
    columns = ColumnTransformer([("c", OneHotEncoder(), ["city"]), ("n", StandardScaler(), ["n", "v"])])
    pipeline("columns", make_pipeline(columns, RandomForestClassifier(3, max_depth=3, random_state=0)), flag, data=frame, zipmap=True,
             fed={"city": cities[:3, :1], "n": np.array([[1], [7], [19]], L), "v": rows[:3, :1]},
             types=[("city", StringTensorType([None, 1])), ("n", Int64TensorType([None, 1])), ("v", FloatTensorType([None, 1]))])


for make in [simple, encoders, linear, svm, tree_regressors, tree_classifiers, tree_ensembles, maps, pipelines]:
    make()
write("ml", CASES)
