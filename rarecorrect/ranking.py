"""Scores of corrected rows: a ranking that agrees with the corrected labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


def tail_ranks(scores: npt.ArrayLike, calibration: FloatArray) -> FloatArray:
    """Share of calibration decisions that look at least as wrong.

    ``(1 + #{calibration >= s}) / (n + 1)``; above the largest one it goes on falling
    as ``exp(-(s - largest))``, so that more extreme rows rank lower.

    Parameters
    ----------
    scores : array-like of shape (n_rows,)
        On the common scale of a rule book.
    calibration : ndarray of shape (n,)
        Rising.

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> tail_ranks([0.5, 2.0], np.array([0.0, 1.0])).round(3).tolist()
    [0.667, 0.123]
    """
    s = np.asarray(scores, dtype=float)
    n = calibration.size
    at_least = n - np.searchsorted(calibration, s, side="left")
    rank = (1.0 + at_least) / (n + 1.0)
    top = calibration[-1] if n else -np.inf
    if np.isfinite(top):
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
