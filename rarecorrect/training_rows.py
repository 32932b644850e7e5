"""Rows that must not certify: signs that something was learnt from them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from rarecorrect.exceptions import TrainingRowsWarning

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

# "Far above": an error rate under half of the stated one, by more than chance.
_FAR = 0.5
_CHANCE = 1e-4
MANY_TAUGHT = 0.1
_MOSTLY_DISTINCT = 0.9


def warn_about_training_rows(right: int, n: int, legacy_accuracy: float | None) -> None:
    """Warn if the legacy model does far better on these rows than it is known to.

    Parameters
    ----------
    right, n : int
        Rows on which it is right, and all rows that it should not have seen.
    legacy_accuracy : float or None
        What it is known to reach in service; None: nothing is said.

    Warns
    -----
    TrainingRowsWarning

    Examples
    --------
    >>> warn_about_training_rows(980, 1000, legacy_accuracy=0.97)
    """
    if legacy_accuracy is None or n == 0:
        return
    wrong, expected = n - right, 1 - legacy_accuracy
    if wrong / n < _FAR * expected and binom.cdf(wrong, n, expected) < _CHANCE:
        warnings.warn(
            f"the legacy model is right on {100 * right / n:.2f} % of these rows, far "
            f"above legacy_accuracy={legacy_accuracy:g}: were they used to train it?  "
            "Then the certificate is void; pass rows that it has not seen",
            TrainingRowsWarning,
            stacklevel=4,
        )


def row_keys(Z: npt.NDArray[Any]) -> FloatArray:
    """One number a row, the same for the same row in any batch.

    A sum of the features with weights that no whole numbers cancel, so rows that differ
    have other numbers, also where all features count something.

    Parameters
    ----------
    Z : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows,)

    Examples
    --------
    >>> row_keys(np.array([[1.0, 2.0], [2.0, 1.0]])).round(3).tolist()
    [5.843, 5.58]
    """
    Z = np.ascontiguousarray(Z)  # the order of a sum depends on how rows lie in memory
    weights = np.sqrt(np.arange(Z.shape[1]) + np.pi)
    with np.errstate(invalid="ignore", over="ignore"):
        keys = np.asarray(np.einsum("ij,j->i", Z, weights, dtype=np.float64))
    bad = ~np.isfinite(keys)  # rows that are not finite are known by the other features
    left = np.where(np.isfinite(Z[bad]), Z[bad], 0.0)
    keys[bad] = np.einsum("ij,j->i", left, weights, dtype=np.float64)
    return keys


def places_of(keys: FloatArray, known: FloatArray, dtype: Any = float) -> Indices:
    """Where rows are among known rows, by their keys; no known row is found twice.

    Features that a model computes differ in the last digits from batch to batch, so
    keys need only agree to nine digits, or six where features are float32.

    Parameters
    ----------
    keys : ndarray of shape (n_rows,)
        Of the rows to find, see :func:`row_keys`.
    known : ndarray of shape (n_known,)
    dtype : dtype, default=float
        Of the features.

    Returns
    -------
    ndarray of int of shape (n_rows,)
        -1 for a row that is not there (any more).

    Examples
    --------
    >>> places_of(np.array([7.0, 3.0, 3.0, 5.0]), np.array([3.0, 1.0, 5.0])).tolist()
    [-1, 0, -1, 2]
    """
    order = np.argsort(known, kind="stable")
    rising, found = known[order], np.full(keys.size, -1, dtype=np.intp)
    near = (1e-9 if np.dtype(dtype).itemsize > 4 else 1e-6) * (1 + np.abs(keys))
    starts, next_free = np.searchsorted(rising, keys - near), 0
    for i in np.argsort(keys, kind="stable"):
        at = max(int(starts[i]), next_free)
        if at < rising.size and rising[at] <= keys[i] + near[i]:
            found[i], next_free = order[at], at + 1
    return found


def warn_about_taught_rows(share: float) -> None:
    """Warn if many rows that are to certify are rows that rules were learnt from.

    Parameters
    ----------
    share : float
        Share of the rows that rules were learnt from.

    Warns
    -----
    TrainingRowsWarning

    Examples
    --------
    >>> warn_about_taught_rows(0.05)
    """
    if share > MANY_TAUGHT:
        warnings.warn(
            f"rules were learnt from {100 * share:.0f} % of these rows, so they look "
            "less wrong than new ones and the certificate is void; pass rows that fit "
            "did not see (of those of fit, only calibration_indices_ may certify)",
            TrainingRowsWarning,
            stacklevel=4,
        )


def known_share(known: FloatArray, keys: FloatArray, dtype: Any = float) -> float:
    """Share of rows that are among known rows.

    Parameters
    ----------
    known : ndarray of shape (n_known,)
        Keys, see :func:`row_keys`.
    keys : ndarray of shape (n_rows,)
        Of the rows.
    dtype : dtype, default=float
        Of the features; with float32, keys need to agree in fewer digits.

    Returns
    -------
    float
        0 where rows are alike anyway: then equal ones need not be the same.

    Examples
    --------
    >>> known_share(np.array([0.7, 9.0]), np.array([0.5, 0.7, 3.0, 4.0]))
    0.25
    """
    if not keys.size or np.unique(keys).size < _MOSTLY_DISTINCT * keys.size:
        return 0.0
    found = np.isin(_rounded(keys, dtype), _rounded(known, dtype))
    return float(found.mean())


def _rounded(keys: FloatArray, dtype: Any) -> FloatArray:
    """Keys without the last digits, in which features differ from batch to batch."""
    mantissa, exponent = np.frexp(keys)
    bits = 30 if np.dtype(dtype).itemsize > 4 else 22
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent)
