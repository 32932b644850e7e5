"""How many calibration units may lie above a threshold, and how many it takes."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
from scipy.stats import binom


def allowed_exceedances(n: int, max_damage: float, confidence_level: float) -> int:
    r"""Largest ``k`` with :math:`P(\mathrm{Bin}(n, \varepsilon) \le k) \le \delta`.

    Parameters
    ----------
    n : int
        Number of calibration units.
    max_damage : float
        Budget, in (0, 1).
    confidence_level : float
        In (0, 1).

    Returns
    -------
    int
        -1 where not even ``k = 0`` is allowed: nothing can be certified.

    Raises
    ------
    ValueError
        For a share outside (0, 1).

    Examples
    --------
    >>> allowed_exceedances(298, 0.01, 0.95), allowed_exceedances(299, 0.01, 0.95)
    (-1, 0)
    """
    max_damage = check_share(max_damage, "max_damage")
    delta = 1.0 - check_share(confidence_level, "confidence_level")
    if n <= 0:
        return -1
    k = int(binom.ppf(delta, n, max_damage)) + 2
    while k >= 0 and binom.cdf(k, n, max_damage) > delta:
        k -= 1
    return k


def rows_needed(max_damage: float, confidence_level: float = 0.95) -> int:
    """Least number of calibration units for which the exact rule certifies at all.

    Parameters
    ----------
    max_damage : float
        Budget, in (0, 1).
    confidence_level : float, default=0.95
        In (0, 1).

    Returns
    -------
    int
        Of rows, groups or days, whatever is counted.

    Raises
    ------
    ValueError
        For a share outside (0, 1).

    Examples
    --------
    >>> rows_needed(0.01), rows_needed(0.001)
    (299, 2995)
    """
    max_damage = check_share(max_damage, "max_damage")
    delta = 1.0 - check_share(confidence_level, "confidence_level")
    n = max(1, math.floor(math.log(delta) / math.log1p(-max_damage)) - 1)
    while allowed_exceedances(n, max_damage, confidence_level) < 0:
        n += 1
    return n


def smallest_damage(n: int, confidence_level: float = 0.95) -> float:
    """Smallest budget that `n` calibration units can certify; 1.0 for ``n = 0``.

    Parameters
    ----------
    n : int
        Number of calibration units.
    confidence_level : float, default=0.95
        In (0, 1).

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ValueError
        For a `confidence_level` outside (0, 1).

    Examples
    --------
    >>> round(smallest_damage(299), 4)
    0.01
    """
    delta = 1.0 - check_share(confidence_level, "confidence_level")
    return 1.0 if n <= 0 else float(-np.expm1(np.log(delta) / n))


def sidak_level(confidence_level: float, n_parts: int) -> float:
    """Level for each of `n_parts` disjoint parts such that all hold at once.

    Parameters
    ----------
    confidence_level : float
        Of all together, in (0, 1).
    n_parts : int
        Classes or segments, 1 or more.

    Returns
    -------
    float
        ``confidence_level ** (1 / n_parts)``.

    Raises
    ------
    ValueError
        For a `confidence_level` outside (0, 1).

    References
    ----------
    Z. Sidak, "Rectangular confidence regions for the means of multivariate normal
    distributions", Journal of the American Statistical Association 62 (1967).

    Examples
    --------
    >>> rows_needed(0.01, sidak_level(0.95, 7))
    490
    """
    return float(check_share(confidence_level, "confidence_level") ** (1 / n_parts))


def check_share(value: float, name: str) -> float:
    """Return `value` if it lies in (0, 1); raise a ValueError that names it if not.

    Parameters
    ----------
    value : float
    name : str
        For the message.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `value` is no number or lies outside (0, 1).

    Examples
    --------
    >>> check_share(1.5, "max_damage")
    Traceback (most recent call last):
        ...
    ValueError: max_damage must lie in (0, 1), got 1.5
    """
    if not isinstance(value, Real) or not 0 < value < 1:
        raise ValueError(f"{name} must lie in (0, 1), got {value!r}")
    return float(value)
