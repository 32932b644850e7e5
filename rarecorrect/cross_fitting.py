"""Scores of rows by detectors that were fitted without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from rarecorrect.moments import project

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

N_FOLDS = 5
_FEW = 100


class CrossFitted:
    """Detectors that were fitted without one fold each; their mean is one detector.

    Parameters
    ----------
    models : list of classifier
        Fitted.
    rows : ndarray of shape (n_rows, n_features)
        Some, to see whether the models are linear: to have ``coef_`` is not enough.

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

    def __init__(self, models: list[Any], rows: Array) -> None:
        self.models = models
        forms = [linear_form(model, rows) for model in models]
        coefs = [coef for coef, _ in forms if coef is not None]
        if len(coefs) == len(models):
            self.coef_ = np.mean(coefs, axis=0)[None, :]
            self.intercept_ = np.array([np.mean([offset for _, offset in forms])])

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
            return np.asarray(project(Z, self.coef_[0]) + self.intercept_[0])
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
    fits = _fits_left_out(detector, Z, is_error, fold, sample_weight, random_state)
    for f, fitted in enumerate(fits):
        out = fold == f
        scores[out] = detector_score(fitted, Z[out])
        if bad := int(np.isnan(scores[out]).sum()):
            raise ValueError(
                f"detector {type(detector).__name__} gave {bad} NaN scores"
            )
        models.append(fitted)
    return CrossFitted(models, Z[:_FEW]), scores


def _fits_left_out(
    detector: Any,
    Z: Array,
    is_error: Mask,
    fold: Indices,
    sample_weight: Array | None,
    random_state: int,
) -> Iterator[Any]:
    """Detectors fitted without each fold; one that knows how makes one pass of it."""
    if hasattr(detector, "fit_left_out"):
        yield from detector.fit_left_out(Z, is_error, fold, sample_weight)
        return
    for f in range(fold.max() + 1):
        seed = random_state + f
        yield fit_detector(detector, Z, is_error, fold != f, sample_weight, seed)


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
    _, scores = cross_fit(
        detector,
        Z,
        is_error,
        sample_weight=sample_weight,
        groups=groups,
        random_state=random_state,
    )
    return scores


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

    Parameters
    ----------
    detector : classifier
        Unfitted prototype.
    Z : ndarray of shape (n_rows, n_features)
    is_error : ndarray of bool of shape (n_rows,)
    rows : ndarray of bool of shape (n_rows,), default=slice(None)
        Those to fit on.
    sample_weight : ndarray of shape (n_rows,), optional
    random_state : int, default=0
    groups : ndarray of shape (n_rows,), optional

    Returns
    -------
    classifier

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> Z = np.arange(4.0)[:, None]
    >>> fitted = fit_detector(LogisticRegression(), Z, Z[:, 0] > 1)
    >>> fitted.random_state, fitted.classes_.tolist()
    (0, [0, 1])
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

    Parameters
    ----------
    detector : classifier
        Fitted.
    Z : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If the detector has no score at all.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> Z = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> fitted = GaussianNB().fit(Z, [0, 0, 1, 1])
    >>> abs(detector_score(fitted, np.array([[2.5]])).round(6)).tolist()
    [0.0]
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


def linear_form(detector: Any, Z: Array) -> tuple[FloatArray | None, float]:
    """Weights and offset of a detector whose score is linear in `Z`, else None.

    It is not enough that a detector has ``coef_``: the form is compared with its
    scores on rows of `Z`.

    Parameters
    ----------
    detector : classifier
        Fitted.
    Z : ndarray of shape (n_rows, n_features)

    Returns
    -------
    coef : ndarray of shape (n_features,) or None
    intercept : float

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> Z = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LogisticRegression().fit(Z, [0, 0, 1, 1])
    >>> coef, intercept = linear_form(model, Z)
    >>> bool(np.allclose(Z @ coef + intercept, model.decision_function(Z)))
    True
    """
    coef = np.asarray(getattr(detector, "coef_", np.empty((0, 0))))
    if coef.shape != (1, Z.shape[1]) or not hasattr(detector, "intercept_"):
        return None, 0.0
    weights = coef[0].astype(float)
    offset = float(np.ravel(detector.intercept_)[0])
    rows = Z[:_FEW].astype(float)  # float32 noise would hide that it is linear
    mine, its = rows @ weights + offset, detector_score(detector, rows)
    if not np.allclose(mine, its, rtol=1e-4, atol=1e-4 * (1 + np.abs(its).max())):
        return None, 0.0
    return weights, offset


def folds(is_error: Mask, groups: Array | None, rng: np.random.Generator) -> Indices:
    """Fold of every row; errors and right decisions are spread evenly.

    A single error (or group of errors) is in fold -1: in every training part.

    Parameters
    ----------
    is_error : ndarray of bool of shape (n_rows,)
    groups : ndarray of shape (n_rows,) or None
        Rows of one group share a fold.
    rng : Generator

    Returns
    -------
    ndarray of int of shape (n_rows,)

    Examples
    --------
    >>> is_error = np.arange(12) >= 10
    >>> fold = folds(is_error, None, np.random.default_rng(0))
    >>> np.bincount(fold[:10]).tolist(), len(set(fold[10:].tolist()))
    ([2, 2, 2, 2, 2], 2)
    """
    units = np.arange(is_error.size)
    if groups is not None:
        units = np.unique(groups, return_inverse=True)[1]
    error_units = np.unique(units[is_error])
    plain_units = np.setdiff1d(units, error_units)
    of_unit = np.empty(units.max() + 1, dtype=np.intp)
    of_unit[plain_units] = rng.permutation(plain_units.size) % N_FOLDS
    of_unit[error_units] = rng.permutation(error_units.size) % N_FOLDS
    fold = of_unit[units]
    if error_units.size == 1:
        fold[is_error] = -1
    if groups is not None and np.unique(fold[~is_error]).size < 2:
        # a fold holds all right decisions: leave rows out
        return folds(is_error, None, rng)
    return np.asarray(fold)
