"""Logistic regression that looks twice at the right decisions hardest to tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from rarecorrect.certify import check_share
from rarecorrect.detectors.base import (
    BinaryDetector,
    balanced,
    rows_that_teach,
    weights_of,
)
from rarecorrect.moments import Moments, project

FloatArray = npt.NDArray[np.float64]


class LogisticDetector(BinaryDetector):
    """Balanced logistic regression with hard negatives, folded into one linear form.

    Columns are standardised and the two classes weigh the same.  A threshold that few
    right decisions may pass is set by those most alike the errors; so after each pass
    the highest-scoring right decisions get more weight, and the fit is repeated from
    where it stood.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the penalty's strength, as in scikit-learn.
    n_passes : int, default=3
        Fits after the first one; 0: plain balanced logistic regression.
    hard_share : float, default=0.05
        Share of right decisions, in (0, 1), that get more weight in a pass.
    hard_weight : float, default=10.0
        Their weight beside the others' 1.
    max_iter : int, default=1000
        Of the solver, in every pass.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    coef_ : ndarray of shape (1, n_features)
    intercept_ : ndarray of shape (1,)
        Of the columns as they come; the score is a log-odds at equal class weights.
    n_iter_ : int
        Of the solver, in all passes.
    n_features_in_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1010, 4)); X[1000:] += 4
    >>> detector = LogisticDetector().fit(X, np.arange(1010) >= 1000)
    >>> bool(detector.decision_function(X[1000:]).min() > 0)
    True
    """

    def __init__(
        self,
        C: float = 1.0,
        n_passes: int = 3,
        hard_share: float = 0.05,
        hard_weight: float = 10.0,
        max_iter: int = 1000,
    ) -> None:
        self.C = C
        self.n_passes = n_passes
        self.hard_share = hard_share
        self.hard_weight = hard_weight
        self.max_iter = max_iter

    def _check_parameters(self) -> None:
        check_share(self.hard_share, "hard_share")
        if self.n_passes < 0 or self.hard_weight < 1:
            raise ValueError(
                f"n_passes must be 0 or more and hard_weight 1 or more, got "
                f"{self.n_passes} and {self.hard_weight}"
            )

    def _fit(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: Any
    ) -> None:
        used = rows_that_teach(is_error, w)
        self._fit_passes(X[used], is_error[used], weights_of(used, w))

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        return np.asarray(project(X, self.coef_[0]) + self.intercept_[0])

    def _fit_passes(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: FloatArray
    ) -> None:
        moments = Moments.from_rows(X, w)
        scale = np.sqrt(moments.variance)
        scale[scale <= 1e-12 * np.maximum(np.abs(moments.mean), 1e-300)] = 1.0
        centre = moments.mean.astype(X.dtype)
        Z = (X - centre) / scale.astype(X.dtype)
        model = LogisticRegression(C=self.C, max_iter=self.max_iter, warm_start=True)
        hard, self.n_iter_ = np.ones(len(X)), 0
        for i in range(self.n_passes + 1):
            model.fit(Z, is_error, sample_weight=balanced(w * hard, is_error))
            self.n_iter_ += int(model.n_iter_.max())
            if i < self.n_passes:
                score = np.where(is_error, -np.inf, Z @ model.coef_[0])
                hard = np.where(
                    _highest(score, w, self.hard_share), self.hard_weight, 1
                )
        self.coef_ = model.coef_.astype(np.float64) / scale
        self.intercept_ = model.intercept_ - self.coef_ @ centre


def _highest(score: FloatArray, w: FloatArray, share: float) -> npt.NDArray[np.bool_]:
    """Rows whose scores are above that of a share of the weight of all finite ones."""
    order = np.argsort(-score, kind="stable")
    above = np.cumsum(np.where(np.isfinite(score), w, 0.0)[order])
    cut = score[order][np.searchsorted(above, share * above[-1])]
    return np.asarray(score > cut)
