"""Trees as arrays: checked node by node, because libraries follow them unchecked."""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from rarecorrect._files.archive import read_json
from rarecorrect._files.checks import check_names, require
from rarecorrect._files.reading import Reader
from rarecorrect._files.values import Form

Array = npt.NDArray[Any]
Parts = dict[str, Any]

FOREST = ExtraTreesClassifier
_MOST_JOBS = 1024
# what decides; versions of scikit-learn differ in the rest
_FOREST_NODES = {"left_child", "right_child", "feature", "threshold"}
_TREE_NUMBERS = {
    "left_children": "i",
    "right_children": "i",
    "split_indices": "i",
    "default_left": "i",
    "split_conditions": "if",
    "base_weights": "if",
    "loss_changes": "if",
    "sum_hessian": "if",
}
_HISTOGRAM_NODES = {"left", "right", "feature_idx", "num_threshold", "is_leaf", "value"}


def _take_forest(forest: ExtraTreesClassifier) -> Parts:
    states = [tree.tree_.__getstate__() for tree in forest.estimators_]
    return {
        "parameters": _parameters(forest),
        "n_features": forest.n_features_in_,
        "depths": [int(state["max_depth"]) for state in states],
        "values": np.concatenate([state["values"] for state in states]),
        **_columns([state["nodes"] for state in states]),
    }


def _make_forest(parts: Parts, reader: Reader) -> ExtraTreesClassifier:
    n_features = _n_features(parts, reader)
    # a forest of one tree, on two rows: everything but its nodes is as it should be
    forest = ExtraTreesClassifier(1, random_state=0)
    forest.fit(np.zeros((2, n_features)), [False, True])
    [first] = forest.estimators_
    kind = type(first.tree_)
    dtype = first.tree_.__getstate__()["nodes"].dtype
    nodes = _nodes(parts, dtype, _FOREST_NODES)
    values, depths = parts["values"], parts["depths"]
    require(
        values.dtype == np.float64 and values.shape == (sum(map(len, nodes)), 1, 2),
        "there are not two values for every node",
    )
    require(np.isfinite(values).all(), "values are not finite")
    require(len(depths) == len(nodes), "there is not a depth for every tree")
    forest.estimators_, start = [], 0
    for tree, depth in zip(nodes, depths, strict=True):
        inner = tree["left_child"] != -1
        _check_children(tree["left_child"], tree["right_child"], inner)
        _check_columns(tree["feature"][inner], n_features)
        made = copy.copy(first)
        made.tree_ = kind(n_features, np.array([2], dtype=np.intp), 1)
        own = np.ascontiguousarray(values[start : start + len(tree)])
        start += len(tree)
        made.tree_.__setstate__(
            {
                "max_depth": int(depth),
                "node_count": len(tree),
                "nodes": tree,
                "values": own,
            }
        )
        forest.estimators_.append(made)
    return _with(forest, parts["parameters"])


def _take_histograms(model: HistGradientBoostingClassifier) -> Parts:
    [predictors] = zip(*model._predictors, strict=True)
    return {
        "parameters": _parameters(model),
        "n_features": model.n_features_in_,
        "baseline": float(model._baseline_prediction[0, 0]),
        **_columns([predictor.nodes for predictor in predictors]),
    }


def _make_histograms(parts: Parts, reader: Reader) -> HistGradientBoostingClassifier:
    n_features = _n_features(parts, reader)
    model = HistGradientBoostingClassifier(max_iter=1, early_stopping=False)
    model.fit(np.zeros((2, n_features)), [False, True])
    [[first]] = model._predictors
    nodes = _nodes(parts, first.nodes.dtype, _HISTOGRAM_NODES)
    model._predictors = []
    for tree in nodes:
        inner = tree["is_leaf"] == 0
        left, right = tree["left"].astype(np.int64), tree["right"].astype(np.int64)
        _check_children(left, right, inner)
        _check_columns(tree["feature_idx"][inner], n_features)
        require(not tree["is_categorical"].any(), "features are numbers, no categories")
        made = copy.copy(first)
        made.nodes = tree
        model._predictors.append([made])
    require(np.isfinite(parts["baseline"]), "the baseline is not finite")
    model._baseline_prediction = np.array([[parts["baseline"]]])
    return _with(model, parts["parameters"])


def _take_xgboost(model: Any) -> Parts:
    text = bytes(model.get_booster().save_raw("json"))
    given = {k: v for k, v in model.get_params().items() if _is_plain(v)}
    return {
        "parameters": given,
        "n_features": model.n_features_in_,
        "model": np.frombuffer(text, np.uint8),
    }


def _make_xgboost(parts: Parts, reader: Reader) -> Any:
    n_features = _n_features(parts, reader)
    require(parts["model"].dtype == np.uint8, "the model is no bytes")
    stored = read_json(parts["model"].tobytes(), "the model")
    _check_booster(stored, n_features)
    require(all(map(_is_plain, parts["parameters"].values())), "parameters are not")
    model = _with(_xgboost()(), parts["parameters"])
    model.load_model(bytearray(_rebuilt(stored, n_features)))
    return model


def _rebuilt(stored: Parts, n_features: int) -> bytes:
    """A booster of today's XGBoost with the trees of another.

    XGBoost crashes on files that are not as it writes them, so it gets none of the
    stored text: only the numbers that decide, in a model of its own.
    """
    made = json.loads(_smallest_booster(n_features))
    learner, model = made["learner"], made["learner"]["gradient_booster"]["model"]
    score = stored["learner"]["learner_model_param"]["base_score"]
    learner["learner_model_param"]["base_score"] = _base_score(score, made)
    [empty] = model["trees"]
    trees = stored["learner"]["gradient_booster"]["model"]["trees"]
    model["trees"] = [
        empty | _tree_numbers(tree, number, empty) for number, tree in enumerate(trees)
    ]
    model["gbtree_model_param"]["num_trees"] = str(len(trees))
    model["tree_info"] = [0] * len(trees)
    model["iteration_indptr"] = list(range(len(trees) + 1))
    return json.dumps(made).encode()


def _tree_numbers(tree: Parts, number: int, empty: Parts) -> Parts:
    n, root = len(tree["left_children"]), empty["parents"]
    left, right = tree["left_children"], tree["right_children"]
    parents = root * n
    for i in np.flatnonzero(np.array(left) != -1).tolist():
        parents[left[i]] = parents[right[i]] = i
    found = {
        "id": number,
        "parents": parents,
        "split_type": [0] * n,
        "tree_param": empty["tree_param"] | {"num_nodes": str(n)},
    }
    for name, kinds in _TREE_NUMBERS.items():
        values = np.array(tree[name])
        require(values.shape == (n,) and values.dtype.kind in kinds, f"{name} are not")
        found[name] = values.tolist()
    return found


def _base_score(text: Any, made: Parts) -> str:
    require(type(text) is str, "the base score is no text")
    value = float(text.strip("[]"))
    require(0 < value < 1, f"the base score {value} is no probability")
    like = made["learner"]["learner_model_param"]["base_score"]
    return f"[{value!r}]" if like.startswith("[") else repr(value)


@cache
def _smallest_booster(n_features: int) -> bytes:
    """A booster of one leaf, as this version of XGBoost writes it."""
    model = _xgboost()(n_estimators=1, n_jobs=1)
    model.fit(np.zeros((2, n_features)), [0, 1])
    return bytes(model.get_booster().save_raw("json"))


def _check_booster(stored: Any, n_features: int) -> None:
    learner = stored["learner"]
    shape = learner["learner_model_param"]
    require(
        shape["num_feature"] == str(n_features)
        and shape["num_class"] == "0"
        and shape["num_target"] == "1"
        and learner["objective"]["name"] == "binary:logistic"
        and learner["gradient_booster"]["name"] == "gbtree",
        "the model does not tell two classes by these features",
    )
    model = learner["gradient_booster"]["model"]
    count, trees = model["gbtree_model_param"], model["trees"]
    n_trees = len(trees)
    require(
        count["num_trees"] == str(n_trees)
        and count["num_parallel_tree"] == "1"
        and model["tree_info"] == [0] * n_trees
        and model["iteration_indptr"] == list(range(n_trees + 1)),
        f"the model does not hold its {n_trees} trees one after the other",
    )
    for number, tree in enumerate(trees):
        _check_boosted_tree(tree, number, n_features)


def _check_boosted_tree(tree: Parts, number: int, n_features: int) -> None:
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    inner, n = left != -1, len(left)
    size = tree["tree_param"]
    require(
        tree["id"] == number
        and size["num_nodes"] == str(n)
        and size["num_feature"] == str(n_features)
        and size["size_leaf_vector"] in ("0", "1"),
        f"tree {number} is none of two classes and these features",
    )
    require(left.dtype == right.dtype == np.int64, "children are no numbers")
    _check_children(left, right, inner)
    children = np.concatenate([left[inner], right[inner]])
    whole = (right[~inner] == -1).all() and np.unique(children).size == children.size
    require(whole and children.size == n - 1, f"tree {number} is not one tree")
    _check_columns(np.array(tree["split_indices"])[inner], n_features)
    require(not any(tree["split_type"]), "features are numbers, no categories")
    for name in ("parents", "split_type", *_TREE_NUMBERS):
        require(len(tree[name]) == n, f"{name} are not {n}")
    for name in ("", "_nodes", "_segments", "_sizes"):
        require(not tree[f"categories{name}"], "features are numbers, no categories")


def _with(model: Any, parameters: Parts) -> Any:
    """A model with the parameters that were stored: those that it has, all or some."""
    check_names(parameters, (), model.get_params(deep=False))
    jobs = parameters.get("n_jobs")
    require(
        jobs is None or (type(jobs) is int and -1 <= jobs <= _MOST_JOBS),
        f"{jobs!r} is no number of jobs",
    )
    require(type(parameters.get("verbose", 0)) is int, "verbose is no number")
    return model.set_params(**parameters)


def n_features_of(booster: Any) -> int:
    """Number of features that a boosted model reads."""
    return int(booster.n_features_in_)


def _parameters(model: Any) -> Parts:
    return dict(sorted(model.get_params(deep=False).items()))


def _is_plain(value: Any) -> bool:
    return type(value) in (bool, int, float, str)


def _columns(trees: list[Array]) -> Parts:
    """The nodes of all trees, field by field, one tree after the other."""
    nodes = np.concatenate(trees)
    fields = nodes.dtype.names or ()
    return {
        "sizes": np.array([len(tree) for tree in trees]),
        "nodes": {name: np.ascontiguousarray(nodes[name]) for name in fields},
    }


def _nodes(parts: Parts, dtype: np.dtype[Any], needed: set[str]) -> list[Array]:
    """Nodes of every tree; a field that scikit-learn does not know is left out."""
    sizes, fields = parts["sizes"], parts["nodes"]
    check_names(fields, needed, fields)
    require(sizes.dtype == np.int64 and sizes.ndim == 1, "sizes are no numbers")
    require(sizes.size > 0 and sizes.min() > 0, "a tree has no nodes")
    n = int(sizes.astype(object).sum())
    require(all(field.shape == (n,) for field in fields.values()), f"not {n} nodes")
    whole = np.zeros(n, dtype=dtype)
    for name in dtype.names or ():
        if name in fields:
            require(fields[name].dtype == dtype[name], f"{name} is no {dtype[name]}")
            whole[name] = fields[name]
    return np.split(whole, np.cumsum(sizes)[:-1])


def _check_children(left: Array, right: Array, inner: Array) -> None:
    """Children come after their parents: every way down ends, at a node."""
    at = np.flatnonzero(inner)
    for child in (left[inner], right[inner]):
        require(((child > at) & (child < len(left))).all(), "a node has no such child")


def _check_columns(columns: Array, n_features: int) -> None:
    require(
        ((columns >= 0) & (columns < n_features)).all(), "a node reads no such feature"
    )


def _n_features(parts: Parts, reader: Reader) -> int:
    check_names(parts, {"parameters", "n_features"}, parts)
    n_features = parts["n_features"]
    require(
        type(n_features) is int and reader.n_features == n_features,
        f"it reads {n_features!r} features of {reader.n_features}",
    )
    return int(n_features)


@cache
def _xgboost() -> Any:
    require(
        find_spec("xgboost"),
        "it was boosted with XGBoost, which is not installed: "
        "pip install 'rarecorrect[boosting]'",
    )
    from xgboost import XGBClassifier

    return XGBClassifier


def _tells_wrong_from_right(model: Any) -> bool:
    classes = getattr(model, "classes_", np.empty(0))
    return classes.dtype == bool and classes.shape == (2,)


def _is_plain_booster(model: Any) -> bool:
    try:
        text = bytes(model.get_booster().save_raw("json"))
        _check_booster(read_json(text, "the model"), n_features_of(model))
    except Exception:  # not fitted, or of another kind
        return False
    return True


FORMS = [
    Form(ExtraTreesClassifier, _take_forest, _make_forest, _tells_wrong_from_right),
    Form(
        HistGradientBoostingClassifier,
        _take_histograms,
        _make_histograms,
        _tells_wrong_from_right,
    ),
    Form(
        "xgboost.sklearn.XGBClassifier", _take_xgboost, _make_xgboost, _is_plain_booster
    ),
]
