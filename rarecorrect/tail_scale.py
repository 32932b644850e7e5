"""One common scale for scores of different detectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_MAX_KNOTS = 1024


@dataclass(frozen=True, slots=True)
class TailScale:
    r"""Strictly increasing map from a score to minus the log of its tail rank.

    Scores of several detectors can be compared after it: equal values mean "as rare
    among right decisions".  On the distinct scores :math:`v` of `n` right decisions
    :math:`g(v) = -\log\frac{1 + \#\{s \ge v\}}{n + 1}`, linear in between, up to
    :math:`u`, the 98 % point (or the 30th largest where fewer than 30 lie above it,
    the median under 60 rows).  Above :math:`u` it goes on as :math:`g(u) + (v - u) /
    \text{mean excess}`, the tail of an exponential law, so that scores above all that
    were seen are still told apart; below the smallest score with slope ``1 / sd``.

    Attributes
    ----------
    knots : ndarray of shape (n_knots,)
        Scores, strictly increasing; the last one is :math:`u`.
    values : ndarray of shape (n_knots,)
        ``g`` at the knots, strictly increasing.
    slope_above, slope_below : float
        Slopes outside the knots, positive.

    Notes
    -----
    At most 1,024 knots are kept, evenly spread over ``g``: any strictly increasing map
    serves, and the map must be small enough to be saved with a rule.

    Examples
    --------
    >>> scale = TailScale.from_scores(np.arange(100.0))
    >>> [round(float(g), 2) for g in scale(np.array([50.0, 90.0, 99.0]))]
    [0.68, 2.51, 3.11]
    >>> bool(scale(np.array([99.0]))[0] < scale(np.array([1e6]))[0])
    True
    >>> round(scale.inverse(scale(np.array([50.5]))[0]), 6)
    50.5
    """

    knots: FloatArray = field(repr=False)
    values: FloatArray = field(repr=False)
    slope_above: float
    slope_below: float

    @classmethod
    def from_scores(
        cls, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None
    ) -> TailScale:
        """Fit to the scores of right decisions that the detector was not fitted on.

        Parameters
        ----------
        scores : array-like of shape (n,)
            At least one, all finite.
        weights : array-like of shape (n,), optional
            Positive; weight ``k`` counts a score ``k`` times.

        Returns
        -------
        TailScale

        Raises
        ------
        ValueError
            If there is no score or one is not finite.
        """
        s = np.asarray(scores, dtype=float)
        if s.size == 0 or not np.isfinite(s).all():
            raise ValueError(
                f"a scale needs at least one score, all finite; got {s.size} scores, "
                f"{int(np.count_nonzero(~np.isfinite(s)))} of them not finite"
            )
        w = np.ones(s.size) if weights is None else np.asarray(weights, dtype=float)
        if np.ptp(w) == 0:  # a plain sort takes a third of the time
            s = np.sort(s)
        else:
            order = np.argsort(s, kind="stable")
            s, w = s[order], w[order]
        up_to = np.cumsum(w)
        n = up_to[-1]
        first = _firsts(s)
        distinct = s[first]
        g = -np.log((1.0 + n - (up_to - w)[first]) / (n + 1.0))
        u = _where_the_tail_starts(s, up_to)
        inside = distinct <= u
        knots, values = _thin_out(distinct[inside], g[inside])
        above = s > u
        mean_excess = np.average(s[above] - u, weights=w[above]) if above.any() else 0.0
        sd = np.sqrt(np.average((s - np.average(s, weights=w)) ** 2, weights=w))
        return cls(knots, values, _slope(mean_excess, u), _slope(sd, u))

    def __call__(self, scores: npt.ArrayLike) -> FloatArray:
        """Return ``g`` of `scores`; NaN stays NaN, infinities stay infinite.

        Parameters
        ----------
        scores : array-like of any shape

        Returns
        -------
        ndarray of the same shape
        """
        s = np.asarray(scores, dtype=float)
        low, high = self.knots[0], self.knots[-1]
        inside = np.interp(s, self.knots, self.values)
        above = np.maximum(s - high, 0.0) * self.slope_above
        below = np.minimum(s - low, 0.0) * self.slope_below
        return np.asarray(inside + above + below)

    def inverse(self, value: float) -> float:
        """Return the score whose ``g`` is `value`: a threshold on the raw scale.

        Parameters
        ----------
        value : float
            Infinities stay infinite.

        Returns
        -------
        float
        """
        if math.isinf(value):
            return float(value)
        if value > self.values[-1]:
            beyond = (value - self.values[-1]) / self.slope_above
            return float(self.knots[-1] + beyond)
        if value < self.values[0]:
            return float(self.knots[0] + (value - self.values[0]) / self.slope_below)
        return float(np.interp(value, self.values, self.knots))


def _slope(spread: float, u: float) -> float:
    """One over a spread; steep where all scores are equal but for rounding."""
    equal = spread <= 1e-12 * abs(u)
    return float(1 / (1e-6 * max(1.0, abs(u)) if equal else spread))


def _where_the_tail_starts(ascending: FloatArray, up_to: FloatArray) -> float:
    """The 98 % point, the 30th largest or the median; `up_to`: running weight."""
    n = float(up_to[-1])

    def at(position: float) -> int:
        return int(np.searchsorted(up_to, max(position, 0.0), side="right"))

    if n < 60:
        return float(ascending[at((n - 1) // 2)])
    start = np.searchsorted(ascending, ascending[at(np.floor(0.98 * (n - 1)))], "right")
    if n - up_to[start - 1] < 30:
        return float(ascending[at(n - 30)])
    return float(ascending[start - 1])


def _thin_out(knots: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    if knots.size <= _MAX_KNOTS:
        return knots, values
    wanted = np.linspace(values[0], values[-1], _MAX_KNOTS)
    at = np.searchsorted(values, wanted)
    kept = at[_firsts(at)]
    return knots[kept], values[kept]


def _firsts(ascending: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Where each distinct value starts; ``np.unique`` would sort once more."""
    return np.flatnonzero(np.append(True, ascending[1:] != ascending[:-1]))
