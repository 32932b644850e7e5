"""What the legacy model thinks: its labels, scores and inner features, in one pass.

One walk through one model: parts that read it would each read it again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.utils import column_or_1d

from rarecorrect._compat import safe_indexing
from rarecorrect.array_api import (
    as_numpy,
    beside,
    is_elsewhere,
    namespace_of,
    widest_float,
)
from rarecorrect.legacy_model import keeps_fitted_state

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_LAYERS = ("margin", "contributions", "leaves")  # of trees, without "layer:"
_NAMES = (
    "input",
    "logits",
    "decision",
    "step:<name>",
    "hidden:<i>",
    "layer:<name>",
    *_LAYERS,
)
_WIDEST_SPARSE_INPUT = 1000
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass of the legacy model says about some rows.

    Attributes
    ----------
    labels : ndarray of shape (n_rows,)
        Decisions of the legacy model.
    scores : ndarray of shape (n_rows, n_classes) or (n_rows,), or None
        ``predict_proba`` of the model, or else its ``decision_function``, or None.
    features : array of shape (n_rows, n_features)
        Rows that hold a value that is not finite are never changed.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = LogisticRegression().fit(X, ["no", "no", "yes", "yes"])
    >>> reading = FeatureExtractor(model, "input").fit(X).read(X[1:3])
    >>> reading.labels.tolist(), reading.scores.shape, reading.features.tolist()
    (['no', 'yes'], (2, 2), [[-1.0], [1.0]])
    """

    labels: Array
    scores: Array | None
    features: Array


class FeatureExtractor:
    """Reads labels, scores and named inner features off a fitted classifier.

    Parameters
    ----------
    estimator : classifier
        Fitted; never changed.  Pipelines and ``FrozenEstimator`` are looked into.
    features : str, callable, transformer or list of these, default="auto"
        ``"input"``: the columns of `X` as numbers.  ``"logits"``: centred log
        probabilities (log-odds for two classes), or decision values where there are no
        probabilities.  ``"decision"``: ``decision_function``.  ``"step:<name>"``: the
        output of a pipeline's step.  ``"hidden:<i>"``: activations of hidden layer `i`
        of a scikit-learn multi-layer perceptron, negative `i` from the end.
        ``"layer:<name>"``: a layer of a model that has ``read_layers(X, names)``, which
        gives its scores and a dict of tables in one pass, such as ``TorchModel``.
        ``"margin"``, ``"contributions"``, ``"leaves"``: those of a ``TreeModel``.  A
        callable: ``Z = f(X)``.  A transformer: used as it is if fitted, else a clone
        is fitted on fitting rows.  A list: all of them side by side.  ``"auto"``: last
        hidden layer + logits for a perceptron; input + logits where `X` is numeric;
        else the last pipeline step's input + logits; else logits.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the model; where it does not tell them, those that it predicted.
    names_ : list of str
        Name of every column of the features.
    sources_ : list
        What `features` stands for on this model.
    labels_from_scores_ : bool
        Whether labels are read off the scores of the same pass.  ``False`` where
        ``classes_[argmax(score)]`` was not what ``predict`` says on every row of
        :meth:`fit`: then the model is called twice.  So it is where a model has a
        ``threshold`` of its own, which these rows need not show, unless it says that
        its ``scores_decide``.
    one_score_per_class_ : bool
        Whether scores hold a column for each class, or one value for two classes.
        ``False`` for a ``SVC`` that decides one class against one, and without scores.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> extractor = FeatureExtractor(model).fit(X)
    >>> extractor.names_
    ['x0', 'x1', 'x2', 'x3', 'logit[0]', 'logit[1]', 'logit[2]']
    >>> extractor.read(X).features.shape
    (150, 7)
    """

    def __init__(self, estimator: Any, features: Any = "auto") -> None:
        self.estimator = estimator
        self.features = features

    def fit(self, X: Any) -> Self:
        """Resolve the names on `X` and learn from all of its rows.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)

        Returns
        -------
        FeatureExtractor

        Raises
        ------
        ValueError
            For a name that this model does not have, a column that is not numeric, or
            features that are infinite.
        """
        self.fit_read(X, lambda labels: np.arange(len(labels)))
        return self

    def fit_read(self, X: Any, fitting_rows: Callable[[Array], Indices]) -> Reading:
        """Fit and read in one pass of the model.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)
        fitting_rows : callable
            From legacy labels to the positions that imputation and transformers may
            learn from: never calibration rows.

        Returns
        -------
        Reading
            Of all rows of `X`.

        Raises
        ------
        ValueError
            As in :meth:`fit`.
        """
        model = _unwrapped(self.estimator)
        self._model, self._steps = model, getattr(model, "steps", None)
        self._head = _head_of(model)
        walk = self._walk(X)
        self.sources_ = self._resolve(X, walk)
        scores = self._scores(walk)
        labels = self._predicted(X)
        self.classes_ = as_numpy(getattr(self.estimator, "classes_", np.unique(labels)))
        self.labels_from_scores_ = (
            scores is not None
            and _own_threshold(self._head) is None
            and np.array_equal(self._labels_of(scores), labels)
        )
        self.one_score_per_class_ = scores is not None and self._fits_classes(scores)
        rows = fitting_rows(labels)
        self._transformers = {
            i: _fitted_transformer(source, X, rows)
            for i, source in enumerate(self.sources_)
            if hasattr(source, "transform")
        }
        parts = self._parts(X, walk, scores)
        self.names_ = [
            name
            for source, (_, names) in zip(self.sources_, parts, strict=True)
            for name in self._names_by_steps(source, names)
        ]
        Z = as_numpy(_side_by_side(parts))
        self._fit_imputer(Z, rows)
        return Reading(labels, scores, self._imputed(Z))

    @property
    def parts_(self) -> tuple[Any, ...]:
        """All that features come from: model, names, whatever was fitted for them."""
        return (
            self._model,
            *self.sources_,
            *self.names_,
            *self._transformers.values(),
            self._imputer,
        )

    @property
    def learnt_(self) -> list[str]:
        """What was fitted on the rows of :meth:`fit`, in words; mostly nothing."""
        fitted = [
            type(source).__name__
            for i, source in enumerate(self.sources_)
            if i in self._transformers and not keeps_fitted_state(source)
        ]
        return fitted + ["the medians of missing values"] * self.fills_missing_

    @property
    def fills_missing_(self) -> bool:
        """Whether missing values are filled with medians, and marked in columns."""
        return self._imputer is not None

    def read(self, X: Any) -> Reading:
        """Labels, scores and features of `X`, in one pass of the model where possible.

        Parameters
        ----------
        X : array-like, frame or sparse matrix of shape (n_rows, n_columns)

        Returns
        -------
        Reading
            Its features lie where `X` does if they are mostly columns of `X`, or of
            steps and transformers that leave them there.
        """
        walk = self._walk(X)
        scores = self._scores(walk)
        if self.labels_from_scores_ and scores is not None:
            labels = self._labels_of(scores)
        else:
            labels = self._predicted(X)
        Z = _side_by_side(self._parts(X, walk, scores))
        return Reading(labels, scores, self._imputed(Z))

    def _resolve(self, X: Any, walk: dict[str, Any]) -> list[Any]:
        wanted = self.features
        if isinstance(wanted, str) and wanted == "auto":
            return self._automatic(X, walk)
        sources = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
        if not sources:
            raise ValueError("features must name at least one source, got []")
        for source in sources:
            self._check_source(source)
        return sources

    def _automatic(self, X: Any, walk: dict[str, Any]) -> list[Any]:
        logits = ["logits"] if _has_scores(self.estimator) else []
        if hasattr(self._head, "coefs_") and len(self._head.coefs_) > 1:
            return ["hidden:-1", *logits]
        if _is_numeric(X):
            return ["input", *logits]
        if self._steps and _is_numeric(walk["head"]):
            return ["head", *logits]
        if not logits:
            raise ValueError(
                "features='auto' found nothing numeric: X is not, and the legacy model "
                "has neither predict_proba nor decision_function; pass features="
                "a callable or a transformer that turns X into numbers"
            )
        return logits

    def _check_source(self, source: Any) -> None:
        if callable(source) or hasattr(source, "transform"):
            return
        kind = source.partition(":")[0] if isinstance(source, str) else None
        if kind == "step":
            self._check_step(source)
        elif kind == "hidden":
            _hidden_layer(self._head, source)
        elif kind in ("logits", "decision"):
            if not _has_scores(self.estimator, decision_only=kind == "decision"):
                raise ValueError(
                    f"features={source!r}: the legacy model "
                    f"{type(self._model).__name__} has no such scores; use 'input'"
                )
        elif source != "input" and not _is_layer(source):  # _layers looked for these
            raise ValueError(
                f"features must be 'auto' or made of {', '.join(_NAMES)}, callables "
                f"and transformers, got {source!r}"
            )

    def _check_step(self, source: str) -> None:
        known = [name for name, _ in (self._steps or [])][:-1]
        if source.partition(":")[2] not in known:
            raise ValueError(
                f"features={source!r}: no such step before the last one; "
                f"the legacy model has {known or 'no steps'}"
            )

    def _walk(self, X: Any) -> dict[str, Any]:
        """Outputs of the pipeline's steps, and the input of the model's head."""
        found: dict[str, Any] = {}
        for name, step in (self._steps or [])[:-1]:
            # samplers of imbalanced-learn act in fit only
            if hasattr(step, "transform"):
                X = step.transform(X)
            found[f"step:{name}"] = X
        found["head"] = X
        given = self.features
        wanted = given if isinstance(given, list | tuple) else [given]
        layers = [source for source in wanted if _is_layer(source)]
        if layers:
            found |= self._layers(X, layers)
        return found

    def _layers(self, X: Any, sources: list[str]) -> dict[str, Any]:
        """Layers of the head by name, and its scores, read in the same pass."""
        if not hasattr(self._head, "read_layers"):
            raise ValueError(
                f"features={sources[0]!r}: {type(self._head).__name__} has no "
                "read_layers; wrap a torch network in TorchModel, boosted trees in "
                "TreeModel"
            )
        names = {source: source.removeprefix("layer:") for source in sources}
        scores, tables = self._head.read_layers(X, list(names.values()))
        return {"scores": scores} | {s: tables[name] for s, name in names.items()}

    def _scores(self, walk: dict[str, Any]) -> Array | None:
        if "scores" in walk:
            return as_numpy(walk["scores"])
        head = self._steps[-1][1] if self._steps else self.estimator
        if hasattr(head, "predict_proba"):
            return as_numpy(head.predict_proba(walk["head"]))
        if hasattr(head, "decision_function"):
            return as_numpy(head.decision_function(walk["head"]))
        return None

    def _predicted(self, X: Any) -> Array:
        # some boosting libraries predict a column of shape (n_rows, 1)
        labels: Array = column_or_1d(as_numpy(self.estimator.predict(X)))
        return labels

    def _fits_classes(self, scores: Array) -> bool:
        n_classes = len(self.classes_)
        if scores.ndim == 1:  # decision values
            return n_classes == 2 and not hasattr(self.estimator, "predict_proba")
        return scores.shape[1:] == (n_classes,)

    def _labels_of(self, scores: Array) -> Array:
        if scores.ndim == 1:
            codes = (scores > 0).astype(int)
        else:
            codes = np.argmax(scores, axis=1)
        if codes.size and codes.max() >= len(self.classes_):
            return np.empty(0)  # scores and classes do not fit together
        return np.asarray(self.classes_[codes])

    def _parts(
        self, X: Any, walk: dict[str, Any], scores: Array | None
    ) -> list[tuple[Array, Sequence[str]]]:
        return [
            self._part(i, source, X, walk, scores)
            for i, source in enumerate(self.sources_)
        ]

    def _part(
        self, i: int, source: Any, X: Any, walk: dict[str, Any], scores: Array | None
    ) -> tuple[Array, Sequence[str]]:
        if i in self._transformers:
            return _as_numbers(self._transformers[i].transform(X), f"feature{i}")
        if callable(source):
            return _as_numbers(source(X), getattr(source, "__name__", f"feature{i}"))
        if source == "input":
            return _as_numbers(X, "x")
        if source in walk:
            return _as_numbers(walk[source], source)
        if source.startswith("hidden:"):
            return _as_numbers(_activations(self._head, source, walk["head"]), source)
        head = self._steps[-1][1] if self._steps else self.estimator
        if source == "decision" and hasattr(head, "predict_proba"):
            scores = as_numpy(head.decision_function(walk["head"]))
            return _logits(scores, False, self.classes_, "decision")
        assert scores is not None  # _check_source saw to it
        proba = hasattr(head, "predict_proba")
        return _logits(scores, proba, self.classes_, "logit")

    def _names_by_steps(self, source: Any, names: Sequence[str]) -> Sequence[str]:
        """``head[scaler__amount]``: neither ``head[3]`` nor a column of `X`."""
        steps = [name for name, _ in self._steps or []][:-1]
        ends = {"head": len(steps)} | {f"step:{n}": i + 1 for i, n in enumerate(steps)}
        end = ends.get(source, 0) if isinstance(source, str) else 0
        if not end or not len(names):
            return names
        found = names
        if hasattr(self._model, "feature_names_in_"):  # else they would be made up
            with suppress(AttributeError, ValueError):  # a step cannot say
                found = self._model[:end].get_feature_names_out()
        if len(found) != len(names) or str(found[0]).startswith(f"{source}["):
            return names
        return [f"{source}[{name}]" for name in found]

    def _fit_imputer(self, Z: Array, rows: Indices) -> None:
        self._imputer = None
        fitting = Z[rows]
        if np.isinf(fitting).any():
            bad = np.flatnonzero(np.isinf(fitting).any(axis=0))
            raise ValueError(
                f"features {[self.names_[j] for j in bad[:5]]} hold infinite values; "
                "clip them or pass other features="
            )
        if np.isnan(fitting).any():
            imputer = SimpleImputer(
                strategy="median", add_indicator=True, keep_empty_features=True
            )
            # whatever scikit-learn is told globally: features are arrays here
            self._imputer = imputer.set_output(transform="default").fit(fitting)
            names = np.array(self.names_, dtype=object)
            self.names_ = [str(n) for n in self._imputer.get_feature_names_out(names)]

    def _imputed(self, Z: Array) -> Array:
        if self._imputer is None:
            return Z
        Z = as_numpy(Z)
        infinite = np.isinf(Z).any(axis=1)
        filled = np.asarray(self._imputer.transform(np.where(np.isinf(Z), 0.0, Z)))
        filled[infinite] = np.nan
        return filled


def _own_threshold(model: Any) -> float | None:
    """Where a model decides two classes, if elsewhere than at the likelier one.

    The rows of a fit may all lie on the same side of both: a fraud desk learns from
    missed frauds, and no false alarm is among its rows.
    """
    head = _head_of(model)
    if getattr(head, "scores_decide", False):
        return None
    found = (getattr(head, name, None) for name in ("threshold", "best_threshold_"))
    return next((float(value) for value in found if isinstance(value, Real)), None)


def _head_of(model: Any) -> Any:
    """The last step of a pipeline, or the model."""
    model = _unwrapped(model)
    steps = getattr(model, "steps", None)
    return _unwrapped(steps[-1][1] if steps else model)


def _unwrapped(model: Any) -> Any:
    while type(model).__name__ == "FrozenEstimator":
        model = model.estimator
    return model


def _is_layer(source: Any) -> bool:
    return isinstance(source, str) and (
        source in _LAYERS or source.startswith("layer:")
    )


def _fitted_transformer(source: Any, X: Any, rows: Indices) -> Any:
    if keeps_fitted_state(source):
        return source
    return clone(source).fit(safe_indexing(X, rows))


def _has_scores(model: Any, *, decision_only: bool = False) -> bool:
    if decision_only:
        return hasattr(model, "decision_function")
    return hasattr(model, "predict_proba") or hasattr(model, "decision_function")


def _frame(X: Any) -> Any:
    """`X` as a narwhals frame, or None if it is no frame."""
    if hasattr(X, "columns") or hasattr(X, "__dataframe__"):
        return nw.from_native(X, eager_only=True, pass_through=False)
    return None


def _is_numeric(X: Any) -> bool:
    frame = _frame(X)
    if frame is not None:
        return all(_numeric_column(c.dtype) for c in frame.iter_columns())
    if sp.issparse(X):
        return bool(X.shape[1] <= _WIDEST_SPARSE_INPUT)
    if is_elsewhere(X):
        return bool(X.ndim == 2)
    array = np.asarray(X)
    return array.ndim == 2 and array.dtype.kind in "biuf"


def _numeric_column(dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype == nw.Boolean)


def _as_numbers(X: Any, prefix: str) -> tuple[Any, Sequence[str]]:
    """`X` as a float array of two dimensions, with the names of its columns."""
    frame = _frame(X)
    if frame is not None:
        bad = [c.name for c in frame.iter_columns() if not _numeric_column(c.dtype)]
        if bad:
            raise ValueError(
                f"columns {bad[:5]} are not numeric; name features that are, such as "
                "'logits' or 'step:<name>', or pass a transformer"
            )
        columns = [c.cast(nw.Float64).to_numpy() for c in frame.iter_columns()]
        return np.column_stack(columns), [str(c.name) for c in frame.iter_columns()]
    if is_elsewhere(X) and X.ndim == 2:
        xp, _ = namespace_of(X)
        if X.dtype not in (xp.float32, xp.float64):
            X = xp.asarray(X, dtype=widest_float(X))
        return X, _numbered(prefix, X.shape[1])
    array = as_numpy(X.toarray() if sp.issparse(X) else X)
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        try:
            array = array.astype(float).reshape(array.shape[0], -1)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"features {prefix!r} must be a table of numbers, got dtype "
                f"{array.dtype} and shape {array.shape}"
            ) from error
    if array.dtype.kind != "f":
        array = array.astype(float)
    return array, _numbered(prefix, array.shape[1])


@functools.cache  # a row alone must not pay for hundreds of names
def _numbered(prefix: str, n_columns: int) -> tuple[str, ...]:
    inner = "{}{}" if prefix == "x" else "{}[{}]"
    return tuple(inner.format(prefix, j) for j in range(n_columns))


def _hidden_layer(head: Any, source: str) -> int:
    n_hidden = len(getattr(head, "coefs_", [0])) - 1
    text = source.partition(":")[2]
    try:
        layer = int(text)
    except ValueError:
        layer = n_hidden
    if not -n_hidden <= layer < n_hidden:
        raise ValueError(
            f"features={source!r}: {type(head).__name__} has {n_hidden} hidden layers; "
            "use hidden:<i> with a scikit-learn multi-layer perceptron and 0 <= i < "
            f"{n_hidden}"
        )
    return layer % n_hidden


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda a: a,
    "logistic": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
}


def _activations(head: Any, source: str, X: Any) -> Array:
    activation = _ACTIVATIONS[head.activation]
    found = as_numpy(_as_numbers(X, "x")[0])
    for layer in range(_hidden_layer(head, source) + 1):
        found = activation(found @ head.coefs_[layer] + head.intercepts_[layer])
    return found


def _logits(
    scores: Array, probabilities: bool, classes: Array, word: str
) -> tuple[Array, Sequence[str]]:
    found = np.asarray(scores, dtype=float).reshape(len(scores), -1)
    if probabilities:
        found = np.log(np.clip(found, SMALLEST_PROBABILITY, None))
        if found.shape[1] == 2:
            found = (found[:, 1] - found[:, 0])[:, None]
        else:
            found = found - found.mean(axis=1, keepdims=True)
    k = found.shape[1]
    labels = list(classes[-k:]) if k <= len(classes) else list(range(k))
    return found, [f"{word}[{label}]" for label in labels]


def _side_by_side(parts: list[tuple[Any, Sequence[str]]]) -> Any:
    arrays = [array for array, _ in parts]
    if len(arrays) == 1:
        return arrays[0]
    widest = max(arrays, key=lambda a: a.shape[1])
    if is_elsewhere(widest):
        xp, _ = namespace_of(widest)
        there = [xp.asarray(beside(a, widest), dtype=widest.dtype) for a in arrays]
        return xp.concat(there, axis=1)
    # float32 inputs stay float32: a few float64 logits must not double the memory
    dtype = widest.dtype if widest.dtype.kind == "f" else np.dtype(float)
    return np.hstack([as_numpy(a).astype(dtype, copy=False) for a in arrays])
