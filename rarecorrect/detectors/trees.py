"""Randomised trees on a small background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils import check_random_state

from rarecorrect.detectors.base import (
    BinaryDetector,
    balanced,
    rows_that_teach,
    weights_of,
)
from rarecorrect.detectors.fisher import FisherDetector

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_TIE_BREAK = 1e-3
_LOOK_EVERY = 8  # trees
_WORTH_A_COPY = 0.8  # of the rows, at most, are left
_ROUNDING = 1e-9  # of some hundred sums


class TreesDetector(BinaryDetector):
    """Extremely randomised trees; a linear score breaks their ties.

    Errors are few, so a random part of the right decisions is background enough, and
    the fit costs the same however many there are.  A forest gives many rows the same
    share of its trees; a thousandth of a Fisher discriminant, in units of its standard
    deviation, orders these.

    Parameters
    ----------
    n_estimators : int, default=200
        Trees.
    min_samples_leaf : int, default=1
    max_features : float or str, default="sqrt"
        As in scikit-learn.
    max_background : int, default=10_000
        Right decisions used, a random part where there are more.
    n_jobs : int or None, default=None
        Trees at once, as in scikit-learn.
    random_state : int, RandomState or None, default=None
        For the trees and for that part.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    trees_ : ExtraTreesClassifier
        Fitted with classes of equal weight.
    linear_ : FisherDetector
        Fitted on the same rows.
    n_features_in_ : int

    References
    ----------
    P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine Learning
    63:3 (2006), doi:10.1007/s10994-006-6226-1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1010, 4)); X[1000:, :2] *= 5
    >>> detector = TreesDetector(random_state=0).fit(X, np.arange(1010) >= 1000)
    >>> bool(np.median(detector.decision_function(X[1000:])) > 0)
    True
    """

    def __init__(
        self,
        n_estimators: int = 200,
        min_samples_leaf: int = 1,
        max_features: float | str = "sqrt",
        max_background: int = 10_000,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.max_background = max_background
        self.n_jobs = n_jobs
        self.random_state = random_state

    def parts(self) -> tuple[ExtraTreesClassifier, FloatArray]:
        """The trees, and the tie-breaker, which is linear in the features.

        Returns
        -------
        trees : ExtraTreesClassifier
            Their share of votes for an error is one term of the score.
        weights : ndarray of shape (n_features,)
            What a unit of every feature adds to the other.
        """
        return self.trees_, self.linear_.coef_[0] * (_TIE_BREAK / self._unit)

    def _check_parameters(self) -> None:
        self._check_at_least_one("max_background")

    def _fit(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: Any
    ) -> None:
        rng = check_random_state(self.random_state)
        used = rows_that_teach(is_error, w, max_background=self.max_background, rng=rng)
        rows, is_error, w = X[used], is_error[used], weights_of(used, w)
        self.trees_ = ExtraTreesClassifier(
            self.n_estimators,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            n_jobs=self.n_jobs,
            random_state=rng,
        ).fit(rows, is_error, sample_weight=balanced(w, is_error))
        self.linear_ = FisherDetector().fit(rows, is_error, sample_weight=w)
        self._unit = _standard_deviation(self.linear_.decision_function(rows), w) or 1.0

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        """Share of the trees' votes less one half, and the tie-breaker."""
        share = self.trees_.predict_proba(X)[:, 1] - 0.5
        return np.asarray(share + self._tie_break(X))

    def _tie_break(self, X: npt.NDArray[Any]) -> FloatArray:
        linear = self.linear_.decision_function(X) / self._unit
        return np.asarray(_TIE_BREAK * linear)


def _standard_deviation(values: FloatArray, w: FloatArray) -> float:
    far = values - np.average(values, weights=w)
    return float(np.sqrt(np.average(far**2, weights=w)))


def upper_bounds(
    forests: Sequence[TreesDetector],
    X: npt.NDArray[Any],
    decided: Callable[[FloatArray, Indices], Mask],
) -> FloatArray:
    """Upper bounds of the mean score of forests; most rows need few of the trees.

    A tree that has not voted yet is taken to vote for an error.  Rare errors are in few
    leaves, so after some trees most rows cannot reach a high score any more.

    Parameters
    ----------
    forests : sequence of TreesDetector
        Fitted.
    X : ndarray of shape (n_rows, n_features)
    decided : callable
        Told bounds and the rows that they belong to, says which need no closer one.

    Returns
    -------
    ndarray of shape (n_rows,)
        The score itself, but for rounding, of rows that were never decided.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1010, 4)); X[1000:, :2] *= 5
    >>> forest = TreesDetector(random_state=0).fit(X, np.arange(1010) >= 1000)
    >>> bound = upper_bounds([forest], X, lambda high, rows: high < 0.1)
    >>> bool((bound >= forest.decision_function(X)).all()), int((bound < 0.1).sum())
    (True, 1000)
    """
    ties = [forest._tie_break(X) for forest in forests]
    bound: FloatArray = 0.5 + np.mean(ties, axis=0)
    high, rows, left = bound.copy(), np.arange(len(X)), X.astype(np.float32)
    trees = [
        (tree, 1 / (len(forests) * len(forest.trees_.estimators_)))
        for forest in forests
        for tree in forest.trees_.estimators_
    ]
    for n_voted, (tree, weight) in enumerate(trees, start=1):
        high -= weight * tree.predict_proba(left, check_input=False)[:, 0]
        if n_voted % _LOOK_EVERY == 0 or n_voted == len(trees):
            bound[rows] = high + _ROUNDING
            still = ~decided(bound[rows], rows)
            if still.mean() < _WORTH_A_COPY:
                high, rows, left = high[still], rows[still], left[still]
        if not rows.size:
            break
    return bound
