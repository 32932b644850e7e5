"""Scores of corrected rows: a ranking that agrees with the corrected labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

_LEAD = 1 + 1e-9


def tail_ranks(
    scores: npt.ArrayLike, calibration: FloatArray, *, beyond: bool = False
) -> FloatArray:
    """Share of calibration decisions that look at least as wrong.

    ``(1 + #{calibration >= s}) / (n + 1)``.

    Parameters
    ----------
    scores : array-like of shape (n_rows,)
        On the common scale of a rule book.
    calibration : ndarray of shape (n,)
        Rising.
    beyond : bool, default=False
        Above the largest one go on falling as ``exp(-(s - largest))``: no share, but
        more extreme rows rank lower.

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> tail_ranks([0.5, 2.0], np.array([0.0, 1.0])).round(3).tolist()
    [0.667, 0.333]
    >>> tail_ranks([0.5, 2.0], np.array([0.0, 1.0]), beyond=True).round(3).tolist()
    [0.667, 0.123]
    """
    s = np.asarray(scores, dtype=float)
    n = calibration.size
    at_least = n - np.searchsorted(calibration, s, side="left")
    rank = (1.0 + at_least) / (n + 1.0)
    top = calibration[-1] if n else -np.inf
    if beyond and np.isfinite(top):
        rank *= np.exp(-np.maximum(s - top, 0.0))
    return np.asarray(rank)


def as_probabilities(scores: Array, *, shares: bool) -> FloatArray:
    """Decision values as shares that rank rows in the same way; shares stay shares.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,) or (n_rows, n_classes)
    shares : bool
        Whether they are probabilities already.  Decision values cannot tell: some rows
        lie in [0, 1], and what a row gets must not depend on its company.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)

    Examples
    --------
    >>> as_probabilities(np.array([0.0]), shares=False).tolist()
    [[0.5, 0.5]]
    """
    if shares:
        return np.asarray(scores, dtype=float)
    if scores.ndim == 1:
        return np.column_stack([expit(-scores), expit(scores)])
    return np.asarray(softmax(scores, axis=1))


def corrected_probabilities(
    legacy: FloatArray,
    legacy_codes: npt.NDArray[np.intp],
    n_classes: int,
    rows: npt.NDArray[np.intp],
    to_codes: npt.NDArray[np.intp],
    ranks: FloatArray,
) -> FloatArray:
    """Legacy probabilities, with new ones on changed rows.

    A changed row gets ``1 - rank / 2`` (above one half) for its new label; the other
    labels share ``rank / 2`` in the legacy proportions.

    Parameters
    ----------
    legacy : ndarray of shape (n_rows, n_legacy_classes)
    legacy_codes : ndarray of int of shape (n_legacy_classes,)
        Column of each legacy class among all classes.
    n_classes : int
    rows : ndarray of int
        Changed rows.
    to_codes : ndarray of int of shape (n_changed,)
        Column of each new label.
    ranks : ndarray of shape (n_changed,)
        Tail ranks, in (0, 1].

    Returns
    -------
    ndarray of shape (n_rows, n_classes)

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.6, 0.4]])
    >>> corrected_probabilities(
    ...     p, np.array([0, 1]), 3, np.array([1]), np.array([2]), np.array([0.2])
    ... ).round(2).tolist()
    [[0.9, 0.1, 0.0], [0.06, 0.04, 0.9]]
    """
    found = np.zeros((len(legacy), n_classes))
    found[:, legacy_codes] = legacy
    others = found[rows]
    at = np.arange(rows.size)
    others[at, to_codes] = 0.0
    total = others.sum(axis=1, keepdims=True)
    even = np.ones_like(others)
    even[at, to_codes] = 0.0
    others = np.where(total > 0, others, even)
    others /= np.maximum(others.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    changed = others * (ranks / 2)[:, None]
    changed[at, to_codes] = 1 - ranks / 2
    found[rows] = changed
    return found


def led_by(shares: FloatArray, codes: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Shares whose largest is that of the row's own label.

    Where it is not (a decision threshold, one class against one, a tie), the label is
    lifted just above the largest and the row divided by its sum: among rows of one
    label the order stays, but for ties.

    Parameters
    ----------
    shares : ndarray of shape (n_rows, n_classes)
    codes : ndarray of int of shape (n_rows,)
        Column of each row's label; -1 for a label that has none.

    Returns
    -------
    ndarray of shape (n_rows, n_classes)

    Examples
    --------
    >>> led_by(np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([1, 1])).round(3).tolist()
    [[0.5, 0.5], [0.2, 0.8]]
    """
    rows = np.flatnonzero((codes >= 0) & (shares.argmax(axis=1) != codes))
    lifted = shares[rows]
    lifted[np.arange(rows.size), codes[rows]] = lifted.max(axis=1) * _LEAD
    found = shares.copy()
    found[rows] = lifted / lifted.sum(axis=1, keepdims=True)
    return found
