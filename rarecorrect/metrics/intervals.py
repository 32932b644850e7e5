"""How sure one may be of a share."""

from __future__ import annotations

import math

from scipy.special import betaincinv


def clopper_pearson(
    successes: int, trials: int, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Return the exact two-sided interval of a binomial share.

    Parameters
    ----------
    successes, trials : int
        Counts, ``0 <= successes <= trials``.
    confidence_level : float, default=0.95
        Coverage in (0, 1); each side leaves out at most half of the rest.

    Returns
    -------
    low, high : float
        Ends of the interval in [0, 1]; both NaN when there are no trials.

    Raises
    ------
    ValueError
        Counts or level out of range.

    References
    ----------
    Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26:404 (1934). doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> low, high = clopper_pearson(3, 100)
    >>> print(f"{low:.4f} {high:.4f}")
    0.0062 0.0852
    """
    if not 0 <= successes <= trials:
        raise ValueError(
            f"successes must lie in 0 ... trials={trials}, got {successes}"
        )
    if not 0 < confidence_level < 1:
        raise ValueError(f"confidence_level must lie in (0, 1), got {confidence_level}")
    if trials == 0:
        return math.nan, math.nan
    tail, failures = (1 - confidence_level) / 2, trials - successes
    low = betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return float(low), float(high)
