"""A vendor's score or label column, read as a classifier."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self, cast

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import (
    Tags,
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from rarecorrect.metrics import as_labels

__all__ = ["ColumnModel"]

Column = str | int
Table = nw.DataFrame[Any] | NDArray[Any]


def _has_probabilities(model: ColumnModel) -> bool:
    if model.score_range is None or model.label is not None:
        return False
    return len(model._columns) == 1 or model.score_range[0] >= 0


class ColumnModel(ClassifierMixin, BaseEstimator):
    """Classifier whose decision stands in a column, such as a vendor's score.

    It learns nothing and needs no ``fit``: give it to ``ErrorCorrector`` as the
    legacy model. Exactly one of ``score`` and ``label`` names where the decision
    stands. Only the named columns are read; all others may hold anything.

    Parameters
    ----------
    score : str, int or list of these, default=None
        One column, by name or position: the decision is ``classes_[1]`` where the
        score is at least ``threshold``, else ``classes_[0]``. A list of two or more
        columns, one score per class: the decision is the class of the largest score
        (the first of equal ones). Read it back with ``get_params``: the attribute
        ``score`` is the method of every classifier.
    threshold : float, default=None
        For one score only; None stands for 0.5. It is compared at the precision of
        the column, as ``X["score"] >= threshold`` would be.
    label : str or int, default=None
        Column that holds the decision itself.
    classes : sequence, default=None
        The labels. One score: (negative, positive), by default (0, 1) or, after
        ``fit``, the two labels in ``y``, sorted. A list of scores: one label per
        column in the same order, by default the entries of ``score``. A label
        column: the labels that may occur, by default those that ``fit`` saw.
    score_range : (float, float), default=None
        Lowest and highest possible score. Makes ``predict_proba`` available (for a
        list of scores where the lowest is at least 0). A score outside is an error.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, in the order of the columns of ``predict_proba``.
    n_features_in_ : int
        Number of columns seen by ``fit``, if it was called.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of these columns, where all are strings.

    Examples
    --------
    >>> import pandas as pd
    >>> payments = pd.DataFrame(
    ...     {"country": ["FR", "DE", "FR"], "vendor_score": [120, 830, 960]}
    ... )
    >>> vendor = ColumnModel(
    ...     "vendor_score", threshold=830, score_range=(0, 999), classes=("ok", "fraud")
    ... )
    >>> vendor.predict(payments)
    array(['ok', 'fraud', 'fraud'], dtype='<U5')
    >>> vendor.predict_proba(payments).round(2)
    array([[0.93, 0.07],
           [0.5 , 0.5 ],
           [0.12, 0.88]])
    """

    scores_decide = True  # its threshold lies where two probabilities are equal

    def __init__(
        self,
        score: Column | Sequence[Column] | None = None,
        *,
        threshold: float | None = None,
        label: Column | None = None,
        classes: Sequence[Any] | None = None,
        score_range: tuple[float, float] | None = None,
    ) -> None:
        self.score = score
        self.threshold = threshold
        self.label = label
        self.classes = classes
        self.score_range = score_range

    def fit(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Check the columns and, where ``classes`` is None, learn the labels.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows that hold the column; pandas, polars or another eager frame.
        y : array-like of shape (n_samples,), default=None
            True labels. Read only to find the labels of one score.

        Returns
        -------
        ColumnModel

        Raises
        ------
        ValueError
            A parameter or column is wrong, a score is not finite or out of range, or
            the labels in ``y`` do not fit the column.
        """
        self._check_parameters()
        table = self._table(X, reset=True)
        if y is not None:
            y = as_labels(column_or_1d(y, warn=True), "y")
            assert_all_finite(y, input_name="y")
            check_consistent_length(X, y)
            check_classification_targets(y)
        self._learnt_classes = None
        self._learnt_classes = self._learn_classes(table, y)
        return self

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels of shape (n_classes,), in the order of ``predict_proba``.

        Raises
        ------
        AttributeError
            For a label column, before ``classes`` is given or ``fit`` is called.
        """
        classes = self._known_classes()
        if classes is None:
            raise AttributeError(
                "the labels of a label column are not known yet: "
                "pass classes=, or call fit with rows that hold them all"
            )
        return classes

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the decision that stands in the column.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows that hold the column.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, out of ``classes_`` where that is known.

        Raises
        ------
        ValueError
            The column is missing, a score is not finite or out of range, or a label
            is missing or not in ``classes_``.
        """
        self._check_parameters()
        table = self._table(X)
        if self.label is not None:
            return self._labels(table)
        labels: NDArray[Any] = self.classes_[self._winner(self._scores(table))]
        return labels

    @available_if(lambda self: self.label is None)
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the scores as confidence in the decision.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows that hold the column. Not available for a label column.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One score: score - threshold, above 0 iff the decision is positive (a
            score at the threshold gives the smallest normal number). Two scores:
            second - first. More: the scores.

        Raises
        ------
        ValueError
            As in :meth:`predict`.
        """
        self._check_parameters()
        columns = self._scores(self._table(X))
        scores = columns.astype(np.float64)
        if scores.shape[1] > 2:
            return scores
        if scores.shape[1] == 2:
            return scores[:, 1] - scores[:, 0]
        distance = scores[:, 0] - float(self._limit(columns))
        # 0 would read as a negative decision.
        return np.where(distance == 0, np.finfo(np.float64).tiny, distance)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the scores as shares of 1: a ranking, not calibrated probabilities.

        One score: linear from the lowest score (0) to the threshold (1/2) and from
        there to the highest score (1). A list of scores: each one divided by their
        sum. The largest share is always that of the decision.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows that hold the column. Available where ``score_range`` is given.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        ValueError
            As in :meth:`predict`.
        """
        self._check_parameters()
        columns = self._scores(self._table(X))
        scores, winner = columns.astype(np.float64), self._winner(columns)
        if scores.shape[1] == 1:
            low, high = cast("tuple[float, float]", self.score_range)
            knots = [low, float(self._limit(columns)), high]
            positive = np.interp(scores[:, 0], knots, [0.0, 0.5, 1.0])
            shares = np.column_stack([1 - positive, positive])
        else:
            total = scores.sum(axis=1, keepdims=True)
            shares = np.full(scores.shape, 1 / scores.shape[1])
            np.divide(scores, total, out=shares, where=total > 0)
        return _let_winner_lead(shares, winner)

    @property
    def score(self) -> Callable[..., float]:
        """Method ``score(X, y, sample_weight=None)``: accuracy of the decisions.

        The parameter of the same name is read with ``get_params``.
        """
        accuracy: Callable[..., float] = super().score
        return accuracy

    @score.setter
    def score(self, column: Column | Sequence[Column] | None) -> None:
        # As a plain attribute the parameter would hide the method of every
        # classifier, and cross_val_score would call a column name.
        self.__dict__["score"] = column

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            No effect: no parameter is an estimator.

        Returns
        -------
        dict
            Values by name.
        """
        return {**super().get_params(deep), "score": vars(self)["score"]}

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: there is nothing to learn."""
        return True

    def __sklearn_tags__(self) -> Tags:
        """Return the tags of a classifier that needs no fit."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = len(self._columns) != 1
        tags.classifier_tags.poor_score = True
        tags.requires_fit = False
        return tags

    @property
    def _columns(self) -> list[Column]:
        """Score columns; empty for a label column."""
        score = vars(self)["score"]
        if isinstance(score, (list, tuple)):
            return list(score)
        return [] if score is None else [score]

    @property
    def _threshold(self) -> float:
        return 0.5 if self.threshold is None else self.threshold

    def _known_classes(self) -> NDArray[Any] | None:
        if self.classes is not None:
            return as_labels(self.classes, "classes")
        learnt: NDArray[Any] | None = getattr(self, "_learnt_classes", None)
        if learnt is not None or self.label is not None:
            return learnt
        several = len(self._columns) > 1
        return as_labels(self._columns if several else [0, 1], "classes")

    def _learn_classes(
        self, table: Table, y: NDArray[Any] | None
    ) -> NDArray[Any] | None:
        """Return the labels that the rows tell, None where they are known without."""
        if self.label is not None:
            return np.unique(self._labels(table))
        self._scores(table)
        if y is None or self.classes is not None:
            return None
        found = np.unique(y)
        if len(self._columns) > 1:
            if not np.isin(found, self.classes_).any():
                raise ValueError(
                    f"no label of y, {found.tolist()}, is among the score columns "
                    f"{self._columns}: pass classes=, one label per column"
                )
            return None
        if found.size != 2:
            raise ValueError(
                "Only binary classification is supported. One score, but y has "
                f"{found.size} class labels, {found.tolist()}; "
                "pass classes=(negative, positive)"
            )
        return found

    def _table(self, X: Any, *, reset: bool = False) -> Table:
        """Return X as a narwhals frame or an array, checked against ``fit``."""
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if not isinstance(frame, nw.DataFrame):
            array: NDArray[Any] = validate_data(
                self, X, reset=reset, dtype=None, ensure_all_finite=False
            )
            return array
        if reset or hasattr(self, "n_features_in_"):
            validate_data(self, X, reset=reset, skip_check_array=True)
        return frame

    def _scores(self, table: Table) -> NDArray[np.floating[Any]]:
        columns = [_read_score(table, c, self.score_range) for c in self._columns]
        return np.column_stack(columns)

    def _limit(self, scores: NDArray[np.floating[Any]]) -> np.floating[Any]:
        """Return the threshold at the precision of the scores."""
        limit: np.floating[Any] = scores.dtype.type(self._threshold)
        return limit

    def _winner(self, scores: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        if scores.shape[1] > 1:
            return np.asarray(scores.argmax(axis=1))
        return np.asarray(scores[:, 0] >= self._limit(scores), dtype=np.intp)

    def _labels(self, table: Table) -> NDArray[Any]:
        column = cast("Column", self.label)
        values = _read(table, column)
        if isinstance(values, nw.Series):
            values = values.to_numpy()
        labels, classes = as_labels(values, f"column {column!r}"), self._known_classes()
        if classes is None:
            return labels
        codes = pd.Index(classes).get_indexer(pd.Index(labels))
        if (unknown := np.flatnonzero(codes < 0)).size:
            raise ValueError(
                f"label {labels[unknown[0]].item()!r} in row {unknown[0]} of column "
                f"{column!r} is not among the classes {classes.tolist()}: add it"
            )
        decided: NDArray[Any] = classes[codes]
        return decided

    def _check_parameters(self) -> None:
        if (vars(self)["score"] is None) == (self.label is None):
            raise ValueError(
                "give exactly one of score and label, got "
                f"score={vars(self)['score']!r} and label={self.label!r}"
            )
        n_scores = len(self._columns)
        named: list[Any] = self._columns or [self.label]
        for column in named:
            if not isinstance(column, (str, Integral)) or isinstance(column, bool):
                raise ValueError(f"a column is a name or a position, got {column!r}")
        if self.threshold is not None and n_scores != 1:
            raise ValueError(
                f"threshold={self.threshold} goes with one score column, got "
                f"{n_scores}: leave it None"
            )
        if not np.isfinite(self._threshold):
            raise ValueError(f"threshold must be finite, got {self.threshold}")
        if isinstance(vars(self)["score"], (list, tuple)) and n_scores < 2:
            raise ValueError(f"a list of scores needs two or more, got {self._columns}")
        self._check_classes(n_scores)
        if self.score_range is not None:
            self._check_score_range(n_scores)

    def _check_classes(self, n_scores: int) -> None:
        classes = self._known_classes()
        if classes is None:
            return
        expected = max(n_scores, 2) if n_scores else classes.size
        if classes.size != expected or np.unique(classes).size != expected:
            raise ValueError(
                f"classes must hold {expected} distinct labels, got {classes.tolist()}"
            )

    def _check_score_range(self, n_scores: int) -> None:
        low, high = cast("tuple[float, float]", self.score_range)
        inside = n_scores != 1 or low <= self._threshold <= high
        if not (n_scores and np.isfinite([low, high]).all() and low < high and inside):
            raise ValueError(
                "score_range is (lowest, highest) possible score, with the threshold "
                f"in between, got {self.score_range} with "
                f"threshold={self._threshold} and {n_scores} score columns"
            )


def _read(table: Table, column: Column) -> Any:
    """Return one column of an array or frame, or say which ones there are."""
    if isinstance(column, str):
        if not isinstance(table, nw.DataFrame):
            raise ValueError(
                f"column {column!r} is a name and X is an array: pass a frame, or the "
                "position of the column"
            )
        if column not in table.columns:
            names = [name for name in table.columns if isinstance(name, str)]
            close = difflib.get_close_matches(column, names, cutoff=0.5)
            raise ValueError(f"column {column!r} is not in X, close matches: {close}")
        return table.get_column(column)
    n_columns = table.shape[1]
    if not -n_columns <= column < n_columns:
        raise ValueError(f"there is no column {column}: X has {n_columns} columns")
    return table[:, int(column)]


def _read_score(
    table: Table, column: Column, score_range: tuple[float, float] | None
) -> NDArray[np.floating[Any]]:
    values = _read(table, column)
    if isinstance(values, nw.Series):
        if not (values.dtype.is_numeric() or values.dtype == nw.Boolean):
            raise ValueError(
                f"column {column!r} holds {values.dtype}, but a score is a number: "
                "convert it before"
            )
        # Integers and booleans with missing values would become objects.
        values = values if values.dtype.is_float() else values.cast(nw.Float64)
        values = values.to_numpy()
    floats = [np.float64, np.float32, np.float16]
    score: NDArray[np.floating[Any]] = check_array(
        values, ensure_2d=False, dtype=floats, ensure_all_finite=False
    )
    if (bad := np.flatnonzero(~np.isfinite(score))).size:
        raise ValueError(
            f"column {column!r} holds {np.isnan(score).sum()} NaN and "
            f"{np.isinf(score).sum()} infinite scores, the first one in row {bad[0]}: "
            "fill them or leave these rows out before"
        )
    if score_range is not None:
        low, high = score_range
        if (outside := np.flatnonzero((score < low) | (score > high))).size:
            raise ValueError(
                f"score {score[outside[0]]} in row {outside[0]} of column {column!r} "
                f"lies outside score_range=({low}, {high})"
            )
    return score


def _let_winner_lead(
    shares: NDArray[np.float64], winner: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Settle ties, such as a score at the threshold, by the last bit."""
    tied = np.flatnonzero(shares.argmax(axis=1) != winner)
    shares[tied, winner[tied]] = np.nextafter(shares[tied].max(axis=1), 2.0)
    return shares
