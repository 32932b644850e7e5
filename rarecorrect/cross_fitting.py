"""Scores of rows by detectors that were fitted without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

N_FOLDS = 5


class CrossFitted:
    """Detectors that were fitted without one fold each; their mean is one detector.

    Parameters
    ----------
    models : list of classifier
        Fitted.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features)
    intercept_ : ndarray of shape (1,)
        If all models are linear.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(100, 2)), rng.normal(5, 1, size=(10, 2))])
    >>> is_error = np.arange(110) >= 100
    >>> detector, scores = cross_fit(FisherDetector(), Z, is_error)
    >>> detector.coef_.shape, bool(np.corrcoef(detector.score(Z), scores)[0, 1] > 0.9)
    ((1, 2), True)
    """

    def __init__(self, models: list[Any]) -> None:
        self.models = models
        if all(hasattr(m, "coef_") and hasattr(m, "intercept_") for m in models):
            self.coef_ = np.mean([m.coef_ for m in models], axis=0)
            self.intercept_ = np.mean([m.intercept_ for m in models], axis=0)

    def score(self, Z: Array) -> FloatArray:
        """Mean score of the models, high = error.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        if hasattr(self, "coef_"):  # one product for all
            return np.asarray(Z @ self.coef_[0].astype(Z.dtype) + self.intercept_[0])
        return np.asarray(np.mean([detector_score(m, Z) for m in self.models], axis=0))


def cross_fit(
    detector: Any,
    Z: Array,
    is_error: Mask,
    *,
    sample_weight: Array | None = None,
    groups: Array | None = None,
    random_state: int = 0,
) -> tuple[CrossFitted, FloatArray]:
    """Fit a detector without one fold each, and score every row by one without it.

    Parameters
    ----------
    detector : classifier
        Unfitted prototype.
    Z : ndarray of shape (n_rows, n_features)
    is_error : ndarray of bool of shape (n_rows,)
    sample_weight, groups : ndarray of shape (n_rows,), optional
        Rows of one group are left out together.
    random_state : int, default=0
        Seed of the folds; every fold's detector gets one of its own.

    Returns
    -------
    detector : CrossFitted
    scores : ndarray of shape (n_rows,)
        NaN for errors if there is only one (group) of them: without it there is
        nothing to fit.

    Raises
    ------
    ValueError
        If the detector gives NaN scores.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> Z = np.arange(12.0)[:, None]
    >>> detector, scores = cross_fit(FisherDetector(), Z, Z[:, 0] >= 8)
    >>> len(detector.models), bool(scores[8:].min() > scores[:8].max())
    (5, True)
    """
    fold = folds(is_error, groups, np.random.default_rng(random_state))
    scores, models = np.full(len(Z), np.nan), []
    for f in range(fold.max() + 1):
        out = fold == f
        fitted = fit_detector(
            detector, Z, is_error, ~out, sample_weight, random_state + f
        )
        scores[out] = detector_score(fitted, Z[out])
        if bad := int(np.isnan(scores[out]).sum()):
            raise ValueError(
                f"detector {type(detector).__name__} gave {bad} NaN scores"
            )
        models.append(fitted)
    return CrossFitted(models), scores


def cross_scores(
    detector: Any,
    Z: Array,
    is_error: Mask,
    *,
    sample_weight: Array | None = None,
    groups: Array | None = None,
    random_state: int = 0,
) -> FloatArray:
    """Score of every row by a detector that was fitted without it.

    Parameters
    ----------
    detector, Z, is_error, sample_weight, groups, random_state
        As in :func:`cross_fit`.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN for errors if there is only one (group) of them.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(100, 2)), rng.normal(5, 1, size=(10, 2))])
    >>> is_error = np.arange(110) >= 100
    >>> scores = cross_scores(FisherDetector(), Z, is_error)
    >>> bool(np.median(scores[is_error]) > np.quantile(scores[~is_error], 0.95))
    True
    """
    options: dict[str, Any] = {"sample_weight": sample_weight, "groups": groups}
    return cross_fit(detector, Z, is_error, random_state=random_state, **options)[1]


def fit_detector(
    detector: Any,
    Z: Array,
    is_error: Mask,
    rows: Mask | slice = slice(None),
    sample_weight: Array | None = None,
    random_state: int = 0,
    groups: Array | None = None,
) -> Any:
    """Clone of a detector, fitted on some rows; seeded wherever it has no seed.

    One that knows `groups` in ``fit`` gets them.
    """
    fitted = clone(detector)
    free = [
        name
        for name, value in fitted.get_params().items()
        if value is None and name.rpartition("__")[2] == "random_state"
    ]
    fitted.set_params(**dict.fromkeys(free, random_state))
    options = {}
    if sample_weight is not None:
        options["sample_weight"] = sample_weight[rows]
    if groups is not None and has_fit_parameter(fitted, "groups"):
        options["groups"] = groups[rows]
    return fitted.fit(Z[rows], is_error[rows].astype(int), **options)


def detector_score(detector: Any, Z: Array) -> FloatArray:
    """Score of a binary classifier, high = error: decision or log-odds.

    A row that it cannot score is NaN.

    Raises
    ------
    ValueError
        If the detector has no score at all.
    """
    if hasattr(detector, "decision_function"):
        score = np.asarray(detector.decision_function(Z), dtype=float).reshape(len(Z))
    elif hasattr(detector, "predict_proba"):
        p = np.asarray(detector.predict_proba(Z), dtype=float)[:, -1]
        tiny = 1e-15
        score = np.log(np.clip(p, tiny, 1)) - np.log(np.clip(1 - p, tiny, 1))
    else:
        raise ValueError(
            f"detector {type(detector).__name__} has neither decision_function nor "
            "predict_proba; use one that gives scores"
        )
    return score


def folds(is_error: Mask, groups: Array | None, rng: np.random.Generator) -> Indices:
    """Fold of every row; errors and right decisions are spread evenly.

    A single error (or group of errors) is in fold -1: in every training part.
    """
    units = np.arange(is_error.size) if groups is None else _codes(groups)
    error_units = np.unique(units[is_error])
    plain_units = np.setdiff1d(units, error_units)
    if plain_units.size < 2:  # one group holds all right decisions: leave rows out
        return folds(is_error, None, rng)
    of_unit = np.empty(units.max() + 1, dtype=np.intp)
    of_unit[plain_units] = rng.permutation(plain_units.size) % N_FOLDS
    of_unit[error_units] = rng.permutation(error_units.size) % N_FOLDS
    fold = of_unit[units]
    if error_units.size == 1:
        fold[is_error] = -1
    return np.asarray(fold)


def _codes(groups: Array) -> Indices:
    return np.asarray(np.unique(groups, return_inverse=True)[1])
