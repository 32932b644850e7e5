"""What XGBoost, LightGBM and forests of scikit-learn know of a row beside its label."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Layers = dict[str, Callable[[Any], Array]]

_XGBOOST_OBJECTIVES = ("binary:logistic", "multi:softprob", "multi:softmax")
_LIGHTGBM_OBJECTIVES = ("binary", "cross_entropy", "multiclass", "multiclassova")


class Trees(Protocol):
    """Trees of one library, read through its own functions.

    Attributes
    ----------
    names : list of str or None
        Columns that the trees were trained on, None where they do not know.
    n_columns : int
    n_classes : int
    layers : dict of str to callable
        Those that they can tell of rows: ``"margin"``, raw scores of shape (n_rows,
        n_scores), one score for two classes; ``"contributions"``, SHAP values of shape
        (n_rows, n_scores, n_columns), without the constant; ``"leaves"``, the number of
        the leaf in every tree, of shape (n_rows, n_trees).
    """

    names: list[str] | None
    n_columns: int
    n_classes: int

    @property
    def layers(self) -> Layers:
        """What they can tell of rows, by name."""
        ...

    def probabilities(self, X: Any) -> Array:
        """Probabilities of shape (n_rows, n_classes), or (n_rows,) of the second."""
        ...


def trees_of(model: Any) -> Trees:
    """Trees of a native booster, or of a classifier that has some.

    Parameters
    ----------
    model : Booster or classifier
        Fitted.

    Returns
    -------
    Trees

    Raises
    ------
    ValueError
        For anything else, or a booster that is no classifier.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    >>> list(trees_of(tree).layers)
    ['leaves']
    """
    library = next(
        (
            name
            for parent in type(model).__mro__
            if (name := parent.__module__.partition(".")[0]) in ("xgboost", "lightgbm")
        ),
        None,
    )
    if library == "xgboost":
        return XGBoostTrees(model)
    if library == "lightgbm":
        return LightGBMTrees(model)
    if hasattr(model, "apply") and hasattr(model, "predict_proba"):
        return ScikitTrees(model)
    raise ValueError(
        f"{type(model).__name__} has no trees that can be read: pass a booster of "
        "XGBoost or LightGBM, one of their classifiers, a forest of scikit-learn, or a "
        "pipeline that ends in one; any other classifier needs no TreeModel"
    )


class XGBoostTrees:
    """Trees of XGBoost.

    Parameters
    ----------
    model : xgboost.Booster or XGBClassifier
        A booster uses all of its trees, a classifier those up to its best iteration,
        as their own ``predict`` does.
    """

    def __init__(self, model: Any) -> None:
        is_booster = not hasattr(model, "get_booster")
        self._booster = model if is_booster else model.get_booster()
        self._missing = np.nan if is_booster else model.missing
        best = None if is_booster else getattr(model, "best_iteration", None)
        self._range = (0, 0 if best is None else best + 1)
        settings = json.loads(self._booster.save_config())["learner"]
        self._objective = settings["objective"]["name"]
        if not hasattr(model, "predict_proba"):
            _check_objective(self._objective, _XGBOOST_OBJECTIVES, "XGBoost")
        if settings["learner_train_param"]["booster"] == "gblinear":
            raise ValueError("this booster of XGBoost is linear: it has no trees")
        self.names = _names_seen(model) or self._booster.feature_names
        self.n_columns = self._booster.num_features()
        self.n_classes = max(2, int(settings["learner_model_param"]["num_class"]))

    @property
    def layers(self) -> Layers:
        """All of them."""
        return _all_layers(self)

    def probabilities(self, X: Any) -> Array:
        """Probabilities as the booster gives them."""
        if self._objective == "multi:softmax":  # it predicts labels
            return _softmax(self.margins(X))
        return self._predict(X)

    def margins(self, X: Any) -> FloatArray:
        """Log-odds of two classes, scores of more."""
        return _table(self._predict(X, output_margin=True))

    def contributions(self, X: Any) -> FloatArray:
        """SHAP values of every score."""
        found = np.asarray(self._predict(X, pred_contribs=True), dtype=float)
        return found.reshape(len(found), -1, self.n_columns + 1)[:, :, :-1]

    def leaves(self, X: Any) -> npt.NDArray[np.int64]:
        """Leaf of every tree."""
        found = self._predict(X, pred_leaf=True)
        return found.reshape(len(found), -1).astype(np.int64)

    def _predict(self, X: Any, **what: bool) -> Array:
        from xgboost import DMatrix
        from xgboost.core import XGBoostError

        try:
            rows = DMatrix(X, missing=self._missing, enable_categorical=True)
            found = self._booster.predict(
                rows, iteration_range=self._range, validate_features=False, **what
            )
        except XGBoostError as error:  # its text goes on with a list of addresses
            first = str(error).partition("\n")[0].rpartition(": F")[-1]
            raise ValueError(f"XGBoost cannot read these rows: {first}") from error
        return np.asarray(found)


class LightGBMTrees:
    """Trees of LightGBM, up to the best iteration where there is one.

    Parameters
    ----------
    model : lightgbm.Booster or LGBMClassifier
    """

    def __init__(self, model: Any) -> None:
        self._booster = getattr(model, "booster_", model)
        head = self._booster.model_to_string(num_iteration=1).splitlines()
        line = next((x for x in head if x.startswith("objective=")), "objective=custom")
        objective, *settings = line.partition("=")[2].split()
        if not hasattr(model, "predict_proba"):
            _check_objective(objective, _LIGHTGBM_OBJECTIVES, "LightGBM")
        # binary and one-against-all scores are steeper than log-odds by this factor
        steep = [float(s[8:]) for s in settings if s.startswith("sigmoid:")]
        self._scale = steep[0] if steep else 1.0
        names = self._booster.feature_name()
        numbered = names == [f"Column_{j}" for j in range(len(names))]
        self.names = _names_seen(model) or (None if numbered else names)
        self.n_columns = len(names)
        self.n_classes = max(2, self._booster.num_model_per_iteration())

    @property
    def layers(self) -> Layers:
        """All of them."""
        return _all_layers(self)

    def probabilities(self, X: Any) -> Array:
        """Probabilities as the booster gives them."""
        return self._predict(X)

    def margins(self, X: Any) -> FloatArray:
        """Log-odds of two classes, scores of more."""
        return _table(self._predict(X, raw_score=True)) * self._scale

    def contributions(self, X: Any) -> FloatArray:
        """SHAP values of every score."""
        found = np.asarray(self._predict(X, pred_contrib=True), dtype=float)
        found = found.reshape(len(found), -1, self.n_columns + 1)
        return found[:, :, :-1] * self._scale

    def leaves(self, X: Any) -> npt.NDArray[np.int64]:
        """Leaf of every tree."""
        found = self._predict(X, pred_leaf=True)
        return found.reshape(len(found), -1).astype(np.int64)

    def _predict(self, X: Any, **what: bool) -> Array:
        return np.asarray(self._booster.predict(X, **what))


class ScikitTrees:
    """Trees of scikit-learn with ``apply``, which know nothing but their leaves.

    Parameters
    ----------
    model : classifier
        Such as a random forest.  What each column adds to its answer takes the package
        ``shap``, and is no layer.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.n_columns = model.n_features_in_
        self.n_classes = len(model.classes_)
        self.names = _names_seen(model)

    def probabilities(self, X: Any) -> Array:
        """Probabilities of the classes."""
        return np.asarray(self._model.predict_proba(X))

    @property
    def layers(self) -> Layers:
        """Leaves."""
        return {"leaves": self.leaves}

    def leaves(self, X: Any) -> npt.NDArray[np.int64]:
        """Leaf of every tree."""
        found = np.asarray(self._model.apply(X))
        return found.reshape(len(found), -1).astype(np.int64)


def _names_seen(model: Any) -> list[str] | None:
    """Columns as a classifier of scikit-learn's kind saw them, if it did."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _check_objective(found: str, known: tuple[str, ...], library: str) -> None:
    if found not in known:
        raise ValueError(
            f"this booster of {library} has the objective {found!r}, which does not "
            f"tell classes apart ({', '.join(known)} do); store its score as a column "
            "and use ColumnModel(column, threshold=...)"
        )


def _all_layers(trees: XGBoostTrees | LightGBMTrees) -> Layers:
    return {
        "margin": trees.margins,
        "contributions": trees.contributions,
        "leaves": trees.leaves,
    }


def _table(scores: Array) -> FloatArray:
    return np.asarray(scores, dtype=float).reshape(len(scores), -1)


def _softmax(scores: FloatArray) -> FloatArray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
