"""Independent rows of the population, out of groups and weighted samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.array_api import as_numpy

FloatArray = npt.NDArray[np.float64]


def thin(
    weights: npt.ArrayLike, n: int, random_state: int | np.random.Generator | None
) -> npt.NDArray[np.bool_]:
    """Keep row ``i`` with probability ``w_i / max(w)``: a sample of the population.

    Parameters
    ----------
    weights : array-like of shape (n,)
        Known inverse sampling rates, up to a factor; positive and finite.
    n : int
        Number of rows.
    random_state : int, Generator or None

    Returns
    -------
    ndarray of bool of shape (n,)
        Rows that stay.

    Raises
    ------
    ValueError
        For weights that are not positive and finite, or not `n`.

    References
    ----------
    S. Park et al., "PAC prediction sets under covariate shift", arXiv:2106.09848.

    Examples
    --------
    >>> kept = thin([1.0, 1.0, 0.001], 3, random_state=0)
    >>> kept.tolist()
    [True, True, False]
    """
    w = as_numpy(weights, dtype=float)
    _check_weights(w, n)
    top = w.max(initial=0.0)
    return np.asarray(np.random.default_rng(random_state).random(n) * top < w)


def one_per_group(
    groups: npt.ArrayLike, n: int, random_state: int | np.random.Generator | None
) -> npt.NDArray[np.intp]:
    """Positions of one random row of every group.

    Parameters
    ----------
    groups : array-like of shape (n,)
        Group of every row.
    n : int
        Number of rows.
    random_state : int, Generator or None

    Returns
    -------
    ndarray of int of shape (n_groups,)
        Sorted.

    Raises
    ------
    ValueError
        If there are not `n` groups.

    Examples
    --------
    >>> one_per_group(["a", "a", "b"], 3, random_state=0).size
    2
    """
    labels = as_numpy(groups)
    same_length(labels, n, "groups")
    order = np.random.default_rng(random_state).permutation(n)
    _, first = np.unique(labels[order], return_index=True)
    return np.asarray(np.sort(order[first]))


def independent(
    values: FloatArray,
    groups: npt.ArrayLike | None,
    sampling_weight: npt.ArrayLike | None,
    random_state: int | np.random.Generator | None,
) -> FloatArray:
    """One row of every group, then thinned to the population.

    In this order: of many rows of a group that is rare in the population one would
    nearly always survive the thinning.  What is drawn does not depend on the order of
    the rows.

    Parameters
    ----------
    values : ndarray of float of shape (n,)
    groups, sampling_weight : array-like of shape (n,) or None
    random_state : int, Generator or None

    Returns
    -------
    ndarray of float of shape (n_kept,)

    Raises
    ------
    ValueError
        For weights that are not positive and finite, or lengths that differ.

    Examples
    --------
    >>> independent(np.array([3.0, 3.0, 1.0]), ["a", "a", "b"], None, 0).tolist()
    [1.0, 3.0]
    """
    n, rng = values.size, np.random.default_rng(random_state)
    names = np.zeros(n) if groups is None else as_numpy(groups)
    weights = (
        np.ones(n) if sampling_weight is None else as_numpy(sampling_weight, float)
    )
    same_length(names, n, "groups")
    _check_weights(weights, n)
    codes = np.unique(names, return_inverse=True)[1]
    order = np.lexsort((codes, weights, values))
    if groups is not None:
        order = order[one_per_group(codes[order], n, rng)]
    if sampling_weight is not None:
        order = order[thin(weights[order], order.size, rng)]
    return values[order]


def _check_weights(weights: npt.NDArray[Any], n: int) -> None:
    same_length(weights, n, "sampling_weight")
    bad = ~(np.isfinite(weights) & (weights > 0))
    if bad.any():
        raise ValueError(
            "sampling weights must be positive and finite, got "
            f"{weights[bad][0]} in row {int(np.flatnonzero(bad)[0])}; leave such rows "
            "out"
        )


def same_length(values: npt.NDArray[Any], n: int, name: str) -> None:
    """Refuse an array that has not one entry per score.

    Parameters
    ----------
    values : ndarray
    n : int
        Number of scores.
    name : str
        For the message.

    Raises
    ------
    ValueError
        If the shape is not ``(n,)``.

    Examples
    --------
    >>> same_length(np.zeros(2), 3, "days")
    Traceback (most recent call last):
        ...
    ValueError: days must have one entry per score: expected 3, got (2,)
    """
    if values.shape != (n,):
        raise ValueError(
            f"{name} must have one entry per score: expected {n}, got {values.shape}"
        )
