"""Bounds that hold at every threshold at once, so that one may choose after looking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaln

from rarecorrect.certify.exact_rule import check_share
from rarecorrect.certify.sampling import FloatArray
from rarecorrect.certify.thresholds import check_scores, thresholds_above

_LARGEST = 0.2  # share of the rows above a threshold
_ALL_UP_TO = 200  # counts; beyond, each is 1 % larger than the one before
_NEGLIGIBLE = 1e-17


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Upper bounds of the damage at many thresholds, all valid at once.

    Attributes
    ----------
    thresholds : ndarray of shape (n_points,)
        Falling.
    n_above : ndarray of int of shape (n_points,)
        Calibration rows above each.
    at_most : ndarray of shape (n_points,)
        Damage at each, at the most: rising.
    n_calibration : int
    confidence_level : float
        Share of calibration samples for which all bounds hold.

    Examples
    --------
    >>> scores = np.random.default_rng(0).normal(size=2000)
    >>> band = Band.of(scores)
    >>> [round(float(t), 2) for t in (band.threshold(0.01), band.threshold(0.05))]
    [2.52, 1.74]
    """

    thresholds: FloatArray
    n_above: npt.NDArray[np.intp]
    at_most: FloatArray
    n_calibration: int
    confidence_level: float

    @classmethod
    def of(cls, scores: npt.ArrayLike, confidence_level: float = 0.95) -> Band:
        """Band from scores of calibration rows.

        Parameters
        ----------
        scores : array-like of shape (n,)
            As for :func:`~rarecorrect.certify.certified_threshold`.
        confidence_level : float, default=0.95
            In (0, 1).

        Returns
        -------
        Band
            At thresholds between calibration scores, from above the largest down to a
            fifth of the rows; without points for fewer than five rows.

        Raises
        ------
        ValueError
            For NaN scores, or a level outside (0, 1).
        """
        values = np.sort(check_scores(scores))[::-1]
        counts = _counts(values.size)
        at_most = _bounds(values.size, 1 - band_level(values.size, confidence_level))
        thresholds = thresholds_above(values, counts)
        # tied, or moved up to a wider gap: fewer lie above than the count allows
        above = np.searchsorted(-values, -thresholds, side="left")
        return cls(thresholds, above, at_most, values.size, float(confidence_level))

    def threshold(self, max_damage: float) -> float:
        """Lowest threshold whose damage is at most a budget, chosen at any time.

        Parameters
        ----------
        max_damage : float
            In (0, 1).

        Returns
        -------
        float
            ``inf`` where there is none.
        """
        budget = check_share(max_damage, "max_damage")
        held = np.flatnonzero(self.at_most <= budget)
        return float(self.thresholds[held[-1]]) if held.size else np.inf

    def damage(self, threshold: float) -> float:
        """Damage at a threshold, at the most, however it was chosen.

        Parameters
        ----------
        threshold : float
            From these scores, from others, or by taste.

        Returns
        -------
        float
            1.0 below the lowest threshold of the band: nothing is known there.

        Examples
        --------
        >>> band = Band.of(np.arange(1000.0))
        >>> round(band.damage(995.5), 4), band.damage(500.0), band.damage(np.inf)
        (0.0128, 1.0, 0.0)
        """
        if threshold == np.inf:
            return 0.0
        place = int(np.searchsorted(-self.thresholds, -threshold, side="left"))
        return float(self.at_most[place]) if place < self.at_most.size else 1.0


def band_level(n: int, confidence_level: float = 0.95) -> float:
    r"""Level at which each point must hold so that the whole band does.

    The damage above the :math:`(k+1)`-th largest of `n` scores is distributed as the
    :math:`(k+1)`-th smallest of `n` uniform variables.  The probability that all of
    them stay under their bounds is computed exactly, through a Poisson process.

    Parameters
    ----------
    n : int
        Number of calibration rows.
    confidence_level : float, default=0.95
        Of the band, in (0, 1).

    Returns
    -------
    float
        In (0, 1), above `confidence_level`.

    Raises
    ------
    ValueError
        For a level outside (0, 1).

    References
    ----------
    A. Moscovich, B. Nadler, "Fast calculation of boundary crossing probabilities for
    Poisson processes", Statistics and Probability Letters 123 (2017).

    Examples
    --------
    >>> round(1 - band_level(1000, 0.95), 4)
    0.0042
    """
    return _band_level(n, check_share(confidence_level, "confidence_level"))


@lru_cache(maxsize=64)
def _band_level(n: int, confidence_level: float) -> float:
    if not _counts(n).size:
        return confidence_level
    delta = 1 - confidence_level
    low, high = (
        np.log(delta / n),
        np.log(delta),
    )  # Bonferroni: too strict; none: too lax
    while high - low > 1e-4:
        middle = (low + high) / 2
        if _all_hold(n, float(np.exp(middle))) >= confidence_level:
            low = middle
        else:
            high = middle
    return float(-np.expm1(low))


def _counts(n: int) -> npt.NDArray[np.intp]:
    """Numbers of rows above a threshold that the band speaks of."""
    largest = int(_LARGEST * n)
    wanted = list(range(min(largest, _ALL_UP_TO)))
    while wanted and wanted[-1] < largest - 1:
        wanted.append(min(largest - 1, wanted[-1] + max(1, wanted[-1] // 100)))
    return np.array(wanted, dtype=np.intp)


def _bounds(n: int, delta: float) -> FloatArray:
    """Damage with `k` of `n` above, at the most, each at probability `delta`."""
    k = _counts(n)
    return np.asarray(betaincinv(k + 1.0, n - k, 1 - delta))


def _all_hold(n: int, delta: float) -> float:
    """Probability that all order statistics stay under their bounds.

    The ``(k+1)``-th smallest of `n` uniform variables is at most ``b_k`` iff more than
    `k` of them are: a Poisson process of rate `n` is followed from bound to bound, what
    falls behind is dropped, and the rest is conditioned on `n` points in all.
    """
    state, first, at = (
        np.ones(1),
        0,
        0.0,
    )  # probabilities of first, first + 1, ... points
    for k, bound in zip(_counts(n).tolist(), _bounds(n, delta).tolist(), strict=True):
        state = np.convolve(state, _poisson(n * (bound - at)))
        behind = max(0, k + 1 - first)
        state, first, at = state[behind:], first + behind, bound
        kept = np.flatnonzero(state > _NEGLIGIBLE)
        if not kept.size:
            return 0.0
        state, first = state[kept[0] : kept[-1] + 1], first + int(kept[0])
    left = n - first - np.arange(state.size)
    state, left = state[left >= 0], left[left >= 0]
    rest = n * (1 - at)
    log_share = left * np.log(rest) - rest - gammaln(left + 1)
    log_all = n * np.log(n) - n - gammaln(n + 1)
    return float(np.sum(state * np.exp(log_share - log_all)))


def _poisson(mean: float) -> FloatArray:
    """Probabilities of 0, 1, ... points, up to what is negligible."""
    points = np.arange(int(mean + 9 * np.sqrt(mean) + 30))
    return np.asarray(np.exp(points * np.log(mean) - mean - gammaln(points + 1)))
