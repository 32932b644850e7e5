"""How risky a terminal is, from the frauds that are known at each moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

RISK_WINDOWS = (1, 7, 30)
LABEL_DELAY = 7

_ONE_BIT = 1e-7  # days: far below a second, far above the rounding of a sum


def terminal_risk(
    terminal: npt.ArrayLike,
    time: npt.ArrayLike,
    known_fraud: npt.ArrayLike,
    *,
    windows: Sequence[float] = RISK_WINDOWS,
    delay: float = LABEL_DELAY,
) -> npt.NDArray[np.float32]:
    """Share of known frauds among a terminal's earlier transactions.

    For a transaction at time ``t`` and a window of ``w`` days, the rows of the same
    terminal in ``(t - delay - w, t - delay]`` count: younger ones have no label yet.
    A share of no rows is 0.

    Frauds of a type that nobody knows must not be in `known_fraud`, ever: they look
    genuine to whoever computes these columns, and a share that contains them would
    tell a detector what it is meant to find.

    Parameters
    ----------
    terminal : array-like of shape (n_rows,)
    time : array-like of shape (n_rows,)
        In days; rows in any order.
    known_fraud : array-like of bool of shape (n_rows,)
        Frauds that are known once `delay` is over.
    windows : sequence of float, default=(1, 7, 30)
        Days.
    delay : float, default=7
        Days until a label is known.

    Returns
    -------
    ndarray of float32 of shape (n_rows, n_windows)

    References
    ----------
    Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for Credit
    Card Fraud Detection - Practical Handbook", 2022, chapter 3.

    Examples
    --------
    A fraud on day 0 is known on day 7, and out of the 1-day window on day 8:

    >>> risk = terminal_risk([1, 1, 1], [0.0, 7.5, 8.5], [True, False, False])
    >>> risk.tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    days = np.asarray(time, dtype=float)
    fraud = np.asarray(known_fraud, dtype=bool)
    _, codes = np.unique(np.asarray(terminal), return_inverse=True)
    order = np.lexsort((days, codes))
    # one line of time on which terminals follow each other: windows never overlap
    span = float(np.ptp(days)) + delay + max(windows) + 1 if days.size else 1.0
    line = codes[order] * span + (days[order] - (days.min() if days.size else 0.0))
    frauds = np.concatenate([[0], np.cumsum(fraud[order])])
    end = _up_to(line, line - delay)
    found = np.empty((days.size, len(windows)), dtype=np.float32)
    for j, window in enumerate(windows):
        start = _up_to(line, line - (delay + window))
        known = frauds[end] - frauds[start]
        found[order, j] = known / np.maximum(end - start, 1)
    return found


def _up_to(line: Array, limit: Array) -> Array:
    """Number of rows at or before each limit; sums of floats differ in the last bit."""
    return np.searchsorted(line, limit + _ONE_BIT, side="right")
