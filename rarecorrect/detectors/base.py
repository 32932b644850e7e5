"""What all detectors share: two classes, of which the larger label marks errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from rarecorrect._compat import check_sample_weight
from rarecorrect.array_api import as_numpy, beside, namespace_of

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


class BinaryDetector(ClassifierMixin, BaseEstimator, ABC):
    """Base of detectors: a subclass fits and scores rows that were checked here.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    n_features_in_ : int

    Examples
    --------
    >>> class FirstColumn(BinaryDetector):
    ...     def _check_parameters(self):
    ...         pass
    ...     def _fit(self, X, is_error, w):
    ...         self.bound_ = X[is_error, 0].min()
    ...     def _score(self, X):
    ...         return X[:, 0] - self.bound_
    >>> detector = FirstColumn().fit([[0.0], [1.0], [7.0]], ["ok", "ok", "wrong"])
    >>> detector.decision_function([[3.0], [9.0]]).tolist()
    [-4.0, 2.0]
    >>> detector.predict([[3.0], [9.0]]).tolist()
    ['ok', 'wrong']
    """

    def fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: Any = None
    ) -> Self:
        """Fit to right decisions and errors.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Features; float32 stays float32.
        y : array-like of shape (n_rows,)
            Two classes; the larger label marks errors.
        sample_weight : array-like of shape (n_rows,), optional
            Weight ``k`` counts a row ``k`` times, but for what is drawn at random.  So
            they should add up to about the number of rows: shrinkage goes by it.

        Returns
        -------
        BinaryDetector
            The same object.

        Raises
        ------
        ValueError
            For one class only, rows that are not finite, or parameters out of range.
        """
        self._check_parameters()
        self._fit(*self._checked(X, y, sample_weight))
        return self

    def decision_function(self, X: npt.ArrayLike) -> FloatArray:
        """Score of every row, high = error.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
            With ``array_api_dispatch``, an array of the library and device of `X`.
        """
        check_is_fitted(self)
        xp, _ = namespace_of(X)
        rows = validate_data(self, X, reset=False, dtype=[xp.float64, xp.float32])
        if self._rows_stay:
            return self._score(rows)
        scores: FloatArray = beside(self._score(as_numpy(rows)), rows)
        return scores

    def predict(self, X: npt.ArrayLike) -> Array:
        """Label of every row: ``decision_function > 0`` marks errors.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
            With ``array_api_dispatch``, labels that are numbers lie where `X` does.
        """
        positive = as_numpy(self.decision_function(X)) > 0
        labels: Array = beside(self.classes_[positive.astype(int)], X)
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    @property
    def _rows_stay(self) -> bool:
        """Whether rows of other libraries are worked on where they are."""
        return False

    @abstractmethod
    def _check_parameters(self) -> None:
        """Raise a ValueError for a parameter out of range."""

    def _check_at_least_one(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")

    @abstractmethod
    def _fit(self, X: Array, is_error: Mask, w: FloatArray | None) -> None:
        """Learn from rows; those of weight 0 are still among them."""

    @abstractmethod
    def _score(self, X: Array) -> FloatArray:
        """Score of every row, high = error."""

    def _checked(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        reset: bool = True,
        classes: Any = None,
    ) -> tuple[Array, Mask, FloatArray | None]:
        """Rows, which of them are errors, and their weights if there are any."""
        xp, _ = namespace_of(X)
        rows, labels = validate_data(
            self, X, y, reset=reset, dtype=[xp.float64, xp.float32]
        )
        if not self._rows_stay:
            rows = as_numpy(rows)
        labels = as_numpy(labels)
        check_classification_targets(labels)
        if reset:
            known = labels if classes is None else as_numpy(classes)
            self.classes_ = unique_labels(known)
        if self.classes_.size != 2:
            raise ValueError(
                "Only binary classification is supported: a detector needs right "
                f"decisions and errors, two classes; got {self.classes_.size} class(es)"
            )
        unknown = set(np.unique(labels).tolist()) - set(self.classes_.tolist())
        if unknown:
            raise ValueError(f"labels {unknown} are not in classes {self.classes_}")
        w = None
        if sample_weight is not None:
            w = check_sample_weight(
                as_numpy(sample_weight),
                labels,
                dtype=np.float64,
                ensure_non_negative=True,
            )
        return rows, labels == self.classes_[1], w


def rows_that_teach(
    is_error: Mask,
    w: FloatArray | None,
    *,
    max_background: int | None = None,
    rng: Any = None,
) -> Indices:
    """Right decisions, at most so many at random, then errors; none of weight 0.

    Parameters
    ----------
    is_error : ndarray of bool of shape (n_rows,)
    w : ndarray of shape (n_rows,) or None
        Weights.
    max_background : int, optional
        Right decisions to draw where there are more; by default, all.
    rng : RandomState, optional
        Needed with `max_background`.

    Returns
    -------
    ndarray of int of shape (n_used,)
        Positions.

    Raises
    ------
    ValueError
        If a class has no row with a positive weight.

    Examples
    --------
    >>> rows_that_teach(np.array([True, False, False]), np.array([1.0, 0.0, 2.0]))
    array([2, 0])
    """
    there = np.ones(is_error.size, dtype=bool) if w is None else w > 0
    right, errors = np.flatnonzero(~is_error & there), np.flatnonzero(is_error & there)
    if min(errors.size, right.size) == 0:
        raise ValueError(
            "a detector needs rows of two classes with positive weight; there are "
            f"{right.size} right decisions and {errors.size} errors"
        )
    if max_background is not None and right.size > max_background:
        right = np.sort(rng.choice(right, max_background, replace=False))
    return np.concatenate([right, errors])


def weights_of(rows: Indices, w: FloatArray | None) -> FloatArray:
    """Weights of some rows.

    Parameters
    ----------
    rows : ndarray of int of shape (n_used,)
        Positions.
    w : ndarray of shape (n_rows,) or None

    Returns
    -------
    ndarray of shape (n_used,)
        1 for every row where there are no weights.

    Examples
    --------
    >>> weights_of(np.array([2, 0]), None).tolist()
    [1.0, 1.0]
    """
    return np.ones(rows.size) if w is None else w[rows]


def balanced(w: FloatArray, is_error: Mask) -> FloatArray:
    """Weights that give each class half of their sum.

    Parameters
    ----------
    w : ndarray of shape (n_rows,)
        Weights, positive for a row of each class.
    is_error : ndarray of bool of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> balanced(np.ones(4), np.array([True, False, False, False])).round(2).tolist()
    [2.0, 0.67, 0.67, 0.67]
    """
    shares = np.where(is_error, w / w[is_error].sum(), w / w[~is_error].sum())
    return np.asarray(shares * w.sum() / 2)
