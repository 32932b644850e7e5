"""Bounds on the average damage from the literature, for comparison only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar


def rho(share: float, n: int) -> float:
    r"""Lower bound of Tyukin et al. on a probability seen as `share` of `n` rows.

    :math:`\rho(a, d) = \sup_{0<e<1} (a-e)_+ (1 - 2 e^{-2 d e^2})_+`.  For comparison
    only: it averages over calibration samples.

    Parameters
    ----------
    share : float
        Observed share, in [0, 1].
    n : int
        Number of rows behind it.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    I. Y. Tyukin et al., Information Sciences 678:120856 (2024), arXiv:2402.00899.

    Examples
    --------
    >>> round(rho(0.9, 100), 3)
    0.733
    """

    def value(e: float) -> float:
        return max(share - e, 0.0) * max(0.0, 1 - 2 * math.exp(-2 * n * e * e))

    return -_minimum(lambda e: -value(e))


def psi(share: float, n: int) -> float:
    r"""Upper bound of Tyukin et al. on a probability seen as `share` of `n` rows.

    :math:`\psi(a, d) = \min(1, \inf_{0<e<1} 2 e^{-2 d e^2} + \min(1, a+e))`.  For
    comparison only; see :func:`rho` for the reference.

    Parameters
    ----------
    share : float
        Observed share, in [0, 1].
    n : int
        Number of rows behind it.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> round(psi(0.01, 1000), 3)
    0.07
    """

    def value(e: float) -> float:
        return 2 * math.exp(-2 * n * e * e) + min(1.0, share + e)

    return min(1.0, _minimum(value))


def _minimum(function: Any) -> float:
    """Minimum over (0, 1): the best point of a grid, then refined around it."""
    grid = np.linspace(0, 1, 2001)
    best = int(np.argmin([function(e) for e in grid]))
    low, high = grid[max(0, best - 1)], grid[min(2000, best + 1)]
    found = minimize_scalar(function, bounds=(low, high), method="bounded")
    return min(float(found.fun), float(function(grid[best])))
