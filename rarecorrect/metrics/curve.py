"""Gain against retention, at every threshold and at one retention."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from rarecorrect.metrics.checks import check_mask, check_retention, share


def gain_retention_curve(
    scores: ArrayLike, right: ArrayLike, repairable: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return gain against retention for every threshold on a score.

    A row fires iff its score is above the threshold, as in a certificate. The steps
    are exact: one point per distinct score, rows of equal score fire together.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        High = change this decision. -inf and NaN never fire.
    right : array-like of bool of shape (n_samples,)
        The legacy decision is right: to change it is damage.
    repairable : array-like of bool of shape (n_samples,)
        The change would repair an error. Gain is a share of these rows. Errors that
        are to count although no threshold repairs them: mark them here, with a
        score of -inf.

    Returns
    -------
    retention : ndarray of shape (n_points,)
        Share of right rows that do not fire, falling from 1; NaN without right rows.
    gain : ndarray of shape (n_points,)
        Share of repairable rows that fire, rising from 0; NaN without such rows.
    thresholds : ndarray of shape (n_points,)
        Falling from inf, where nothing fires, to -inf, where every finite score
        does.

    Raises
    ------
    ValueError
        Lengths differ, or a row is both right and repairable.
    TypeError
        ``right`` or ``repairable`` is no boolean mask.

    Examples
    --------
    >>> retention, gain, thresholds = gain_retention_curve(
    ...     scores=[5.0, 4.0, 4.0, 1.0],
    ...     right=[False, True, False, True],
    ...     repairable=[True, False, True, False],
    ... )
    >>> for point in zip(thresholds, retention, gain):
    ...     print("{:4.1f} {:.1f} {:.1f}".format(*point))
     inf 1.0 0.0
     4.0 1.0 0.5
     1.0 0.5 1.0
    -inf 0.0 1.0
    """
    score = np.asarray(column_or_1d(scores), dtype=np.float64)
    damaging = check_mask(right, "right", score.size)
    repairing = check_mask(repairable, "repairable", score.size)
    if (clash := np.flatnonzero(damaging & repairing)).size:
        raise ValueError(
            f"{clash.size} rows are both right and repairable, the first is row "
            f"{clash[0]}: a right decision cannot be repaired"
        )
    may_fire = np.flatnonzero(score > -np.inf)  # False for NaN as well
    order = may_fire[np.argsort(-score[may_fire], kind="stable")]
    falling = score[order]
    is_end = np.append(falling[1:] != falling[:-1], True)[: falling.size]
    block_ends = np.flatnonzero(is_end)

    def fired(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.append(0, np.cumsum(rows[order], dtype=np.int64)[block_ends])

    retention = share(damaging.sum() - fired(damaging), damaging.sum())
    gain = share(fired(repairing), repairing.sum())
    # A block fires above the next lower score; the last block above -inf.
    thresholds = np.append(np.inf, np.append(falling, -np.inf)[block_ends + 1])
    return retention, gain, thresholds


def gain_at_retention(
    scores: ArrayLike,
    right: ArrayLike,
    repairable: ArrayLike,
    retention: float = 0.99,
) -> float:
    """Return the largest gain whose realised retention is at least ``retention``.

    It reads the rows' own curve: detector quality at equal realised damage, not what
    a threshold certified beforehand would bring.

    Parameters
    ----------
    scores, right, repairable : array-like of shape (n_samples,)
        As in :func:`gain_retention_curve`.
    retention : float, default=0.99
        Least share of right decisions to keep, in [0, 1].

    Returns
    -------
    float
        Gain in [0, 1]; NaN when no row is repairable or none is right.

    Raises
    ------
    ValueError
        ``retention`` out of range, or as in :func:`gain_retention_curve`.

    Examples
    --------
    >>> gain_at_retention(
    ...     [5.0, 4.0, 3.0], [False, True, False], [True, False, True], retention=0.99
    ... )
    0.5
    """
    check_retention(retention)
    kept, gain, _ = gain_retention_curve(scores, right, repairable)
    if np.isnan(kept[0]):
        return math.nan
    return float(gain[kept >= retention].max())
