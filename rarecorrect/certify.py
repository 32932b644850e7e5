r"""Thresholds with a certified bound on the harm they do.

A score is high where a decision looks wrong.  A corrected system changes a decision
iff its score lies strictly above a threshold :math:`t`.  Given the scores
:math:`s_{(1)} \ge s_{(2)} \ge \dots \ge s_{(n)}` of independent *right* decisions that
took no part in anything before, a budget :math:`\varepsilon` and a level
:math:`1-\delta`, Wilks' tolerance limit says: with :math:`k` the largest integer for
which :math:`P(\mathrm{Bin}(n, \varepsilon) \le k) \le \delta`, every :math:`t \ge
s_{(k+1)}` changes more than a share :math:`\varepsilon` of the right decisions in at
most a share :math:`\delta` of all calibration samples, whatever the distribution.

References
----------
S. S. Wilks, "Determination of sample sizes for setting tolerance limits", Annals of
Mathematical Statistics 12 (1941), doi:10.1214/aoms/1177731788.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.stats import binom

FloatArray = npt.NDArray[np.float64]

# Scores this close (relative to their spread) may swap places between batch sizes,
# machines and exports, so a threshold never lies in a smaller gap.
_SMALLEST_GAP = 1e-6


@dataclass(frozen=True, slots=True)
class Certificate:
    """A threshold and what was certified about it.

    A decision is changed iff its score is strictly above `threshold`.

    Attributes
    ----------
    threshold : float
        ``inf`` where nothing can be certified: the rule stays off.
    certified : bool
        Whether the bound holds at `confidence_level`.
    n_calibration : int
        Number of calibration units (rows, groups or days) that stand behind it.
    n_exceeding : int
        Calibration units really above the threshold.
    n_allowed : int
        Units that the exact rule would have allowed above it; -1: none, not
        certifiable.
    max_damage : float
        The budget: largest share of the population that may be changed (for days: the
        largest probability that a further day exceeds its cap).
    confidence_level : float
        Share of calibration samples for which the bound holds, at the least.
    unit : str
        What is counted: ``"rows"``, ``"groups"`` or ``"days"``.
    population : str
        What the calibration units are a sample of, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from rarecorrect.certify import certified_threshold
    >>> c = certified_threshold(np.arange(1000.0), max_damage=0.01)
    >>> c.certified, c.n_allowed, c.threshold
    (True, 4, 995.5)
    >>> print(c)
    changes at most 1 % of right decisions (95 % confidence, 1,000 rows, 4 above)
    """

    threshold: float
    certified: bool
    n_calibration: int
    n_exceeding: int
    n_allowed: int
    max_damage: float
    confidence_level: float
    unit: str = "rows"
    population: str = "right decisions"

    @property
    def budget_used(self) -> float:
        """Mean share of the budget that the exact rule uses with so many units."""
        if not self.certified:
            return 0.0
        return (self.n_allowed + 1) / ((self.n_calibration + 1) * self.max_damage)

    def budget_used_with(self, n: int) -> float:
        """Mean share of the budget that would be used with `n` units.

        Examples
        --------
        >>> from rarecorrect.certify import certified_threshold
        >>> c = certified_threshold(np.arange(1000.0), max_damage=0.01)
        >>> round(c.budget_used, 2), round(c.budget_used_with(20_000), 2)
        (0.5, 0.88)
        """
        k = allowed_exceedances(n, self.max_damage, self.confidence_level)
        return (k + 1) / ((n + 1) * self.max_damage)

    @property
    def comparison(self) -> dict[str, float]:
        """The damage averaged over calibration samples, and bounds on that average.

        ``exact`` is ``(k + 1) / (n + 1)``; ``at_least`` and ``at_most`` are the bounds
        of Tyukin et al. (:func:`rho`, :func:`psi`), which hold for any score as well
        but only on average.  The certificate itself bounds the damage in all but a
        share of calibration samples.
        """
        n, share = self.n_calibration, self.n_exceeding / max(1, self.n_calibration)
        return {
            "exact": self.budget_used * self.max_damage,
            "at_least": rho(share, n),
            "at_most": psi(share, n),
        }

    @property
    def smallest_damage(self) -> float:
        """Smallest budget that so many units could certify at this level."""
        return smallest_damage(self.n_calibration, self.confidence_level)

    def __str__(self) -> str:
        level = f"{100 * self.confidence_level:.4g} %"
        share = f"{100 * self.max_damage:.4g} %"
        wanted = f"{share} of {self.population}"
        certified = f"changes at most {wanted}"
        if self.unit == "days":
            wanted = f"{share} of further days with {self.population}"
            certified = f"at most {wanted}"
        if not self.certified and self.n_allowed >= 0:
            return (
                f"not certifiable: {wanted} at {level} confidence allows "
                f"{self.n_allowed:,} of {self.n_calibration:,} {self.unit} above the "
                f"threshold, but more than {self.n_allowed:,} count as alerts whatever "
                "their score"
            )
        if not self.certified:
            return (
                f"not certifiable: {wanted} at {level} confidence needs "
                f"{rows_needed(self.max_damage, self.confidence_level):,} "
                f"{self.unit}, got {self.n_calibration:,}"
            )
        return (
            f"{certified} ({level} confidence, {self.n_calibration:,} {self.unit}, "
            f"{self.n_exceeding:,} above)"
        )


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

    Examples
    --------
    >>> round(smallest_damage(299), 4)
    0.01
    """
    delta = 1.0 - check_share(confidence_level, "confidence_level")
    return 1.0 if n <= 0 else float(-np.expm1(np.log(delta) / n))


def sidak_level(confidence_level: float, n_parts: int) -> float:
    """Level for each of `n_parts` disjoint parts such that all hold at once.

    Examples
    --------
    >>> rows_needed(0.01, sidak_level(0.95, 7))
    490
    """
    return float(check_share(confidence_level, "confidence_level") ** (1 / n_parts))


def certified_threshold(
    scores: npt.ArrayLike,
    max_damage: float,
    confidence_level: float = 0.95,
    *,
    groups: npt.ArrayLike | None = None,
    sampling_weight: npt.ArrayLike | None = None,
    random_state: int | np.random.Generator | None = 0,
    population: str = "right decisions",
) -> Certificate:
    """Lowest threshold whose damage is certified by the exact rule.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores of right calibration decisions, high = looks wrong.  ``-inf`` marks a
        decision that no rule can change.  The score must have been fixed without these
        rows.
    max_damage : float
        Budget, in (0, 1).
    confidence_level : float, default=0.95
        In (0, 1).
    groups : array-like of shape (n,), optional
        Customer, terminal ... of every row.  Rows of one group are not independent, so
        the rule is applied to one random row of each: it speaks of a random row of a
        random group.
    sampling_weight : array-like of shape (n,), optional
        Known inverse sampling rates.  Row ``i`` is kept with probability ``w_i /
        max(w)`` (thinning), which makes the kept rows a sample of the population.
        With `groups`, the weight of a group: the same in all of its rows.
    random_state : int, Generator or None, default=0
        For the choice of rows with `groups` or `sampling_weight`.
    population : str, default="right decisions"
        What the rows are a sample of, in words, for the record.

    Returns
    -------
    Certificate
        With ``threshold = inf`` and ``certified = False`` where nothing can be
        certified.

    Raises
    ------
    ValueError
        For NaN scores, weights that are not positive and finite, lengths that differ.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores = rng.normal(size=2000)
    >>> c = certified_threshold(scores, max_damage=0.05)
    >>> c.n_allowed, c.n_exceeding
    (83, 83)
    >>> bool(np.mean(scores > c.threshold) < 0.05)
    True
    >>> certified_threshold(scores[:20], max_damage=0.05).threshold
    inf
    """
    values, unit = _check_scores(scores), "rows"
    if groups is not None or sampling_weight is not None:
        values = _independent(values, groups, sampling_weight, random_state)
        unit = "rows" if groups is None else "groups"
    return _certificate(values, max_damage, confidence_level, unit, population)


def stratified_thresholds(
    scores: npt.ArrayLike,
    strata: npt.ArrayLike,
    max_damage: float,
    confidence_level: float = 0.95,
    *,
    groups: npt.ArrayLike | None = None,
    sampling_weight: npt.ArrayLike | None = None,
    random_state: int | None = 0,
    population: str = "right decisions",
) -> dict[Any, Certificate]:
    r"""One certificate for each class or segment, all valid at once.

    The strata are disjoint, so Sidak's level :math:`(1-\delta)^{1/C}` is exact.
    Pooled damage then holds under every change of the mix of strata.

    Parameters
    ----------
    scores, max_damage, confidence_level, groups, sampling_weight, random_state, \
population
        As in :func:`certified_threshold`.
    strata : array-like of shape (n,)
        Class or segment of every row.

    Returns
    -------
    dict
        From stratum to :class:`Certificate`; strata without enough rows are off.

    Examples
    --------
    >>> found = stratified_thresholds(np.arange(1000.0), np.arange(1000) % 2, 0.01)
    >>> {label: round(c.threshold, 2) for label, c in found.items()}
    {0: 998.0, 1: 999.0}
    """
    values, labels = _check_scores(scores), np.asarray(strata)
    _same_length(labels, values.size, "strata")
    found = list(dict.fromkeys(sorted(labels.tolist(), key=_sort_key)))
    level = sidak_level(confidence_level, max(1, len(found)))
    whole = {"groups": groups, "sampling_weight": sampling_weight}
    arrays = {k: None if v is None else np.asarray(v) for k, v in whole.items()}
    certificates = {}
    for label in found:
        inside = labels == label
        parts = {k: None if v is None else v[inside] for k, v in arrays.items()}
        certificates[label] = certified_threshold(
            values[inside],
            max_damage,
            level,
            random_state=random_state,
            population=f"{population} with {label!r}",
            **parts,
        )
    return certificates


def alert_threshold(
    scores: npt.ArrayLike,
    max_rate: float,
    confidence_level: float = 0.95,
    *,
    groups: npt.ArrayLike | None = None,
    sampling_weight: npt.ArrayLike | None = None,
    random_state: int | np.random.Generator | None = 0,
    legacy_accuracy: float | None = None,
) -> Certificate:
    """Threshold for which at most a share `max_rate` of traffic is changed.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores of recent traffic, labelled or not, that served nothing else; ``inf``
        counts a row as an alert wherever the threshold lies.
    max_rate : float
        Largest share of traffic changed, in (0, 1).
    confidence_level : float, default=0.95
        In (0, 1).
    groups, sampling_weight, random_state
        As in :func:`certified_threshold`.
    legacy_accuracy : float, optional
        A lower bound ``A`` of the legacy model's accuracy on this traffic.  If given,
        `max_rate` is read as a damage budget: ``P(change) <= max_rate * A`` implies
        ``damage <= max_rate``, without any label.

    Returns
    -------
    Certificate

    Examples
    --------
    >>> alert_threshold(np.arange(10_000.0), max_rate=0.001).n_allowed
    4
    """
    options: dict[str, Any] = {
        "groups": groups,
        "sampling_weight": sampling_weight,
        "random_state": random_state,
        "population": "traffic",
    }
    if legacy_accuracy is None:
        return certified_threshold(scores, max_rate, confidence_level, **options)
    rate = max_rate * check_share(legacy_accuracy, "legacy_accuracy")
    found = certified_threshold(scores, rate, confidence_level, **options)
    words = (
        f"traffic, so at most {100 * max_rate:.4g} % of right decisions if the legacy "
        f"accuracy is at least {legacy_accuracy:g},"
    )
    return replace(found, population=words)


def daily_threshold(
    scores: npt.ArrayLike,
    days: npt.ArrayLike,
    cap: int,
    *,
    exceed_probability: float = 0.10,
    confidence_level: float = 0.95,
) -> Certificate:
    """Threshold for which a further day has more than `cap` alerts only rarely.

    Days are the units: ``t_d`` is the ``(cap + 1)``-th largest score of day ``d``, and
    the exact rule runs on the ``t_d``.  It assumes that days are exchangeable.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Scores of all traffic of whole days; ``inf`` counts a row as an alert always.
    days : array-like of shape (n,)
        Day (or any other unit of time) of every row.
    cap : int
        Alerts a day, 0 or more.
    exceed_probability : float, default=0.10
        Largest probability that a further day exceeds the cap.
    confidence_level : float, default=0.95
        In (0, 1).  At the defaults, 29 days are needed.

    Returns
    -------
    Certificate
        With ``unit="days"`` and ``max_damage = exceed_probability``.

    Examples
    --------
    >>> days = np.repeat(np.arange(30), 100)
    >>> scores = np.tile(np.arange(100.0), 30) + np.linspace(0, 0.5, 3000)
    >>> c = daily_threshold(scores, days, cap=5)
    >>> bool(np.bincount(days[scores > c.threshold]).max() <= 5)
    True
    """
    values, labels = _check_scores(scores), np.asarray(days)
    _same_length(labels, values.size, "days")
    if cap < 0 or int(cap) != cap:
        raise ValueError(f"cap must be a whole number of alerts, 0 or more, got {cap}")
    _, codes = np.unique(labels, return_inverse=True)
    order = np.lexsort((-values, codes))
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sizes = np.diff(starts, append=values.size)
    per_day = np.full(starts.size, -np.inf)
    over = sizes > cap
    per_day[over] = values[order[starts[over] + int(cap)]]
    return _certificate(
        per_day,
        exceed_probability,
        confidence_level,
        "days",
        f"more than {int(cap)} alerts",
    )


def thin(
    weights: npt.ArrayLike, n: int, random_state: int | np.random.Generator | None
) -> npt.NDArray[np.bool_]:
    """Keep row ``i`` with probability ``w_i / max(w)``: a sample of the population.

    Examples
    --------
    >>> kept = thin([1.0, 1.0, 0.001], 3, random_state=0)
    >>> kept.tolist()
    [True, True, False]
    """
    w = np.asarray(weights, dtype=float)
    _check_weights(w, n)
    top = w.max(initial=0.0)
    return np.asarray(np.random.default_rng(random_state).random(n) * top < w)


def one_per_group(
    groups: npt.ArrayLike, n: int, random_state: int | np.random.Generator | None
) -> npt.NDArray[np.intp]:
    """Positions of one random row of every group.

    Examples
    --------
    >>> one_per_group(["a", "a", "b"], 3, random_state=0).size
    2
    """
    labels = np.asarray(groups)
    _same_length(labels, n, "groups")
    order = np.random.default_rng(random_state).permutation(n)
    _, first = np.unique(labels[order], return_index=True)
    return np.asarray(np.sort(order[first]))


def rho(share: float, n: int) -> float:
    r"""Lower bound of Tyukin et al. on a probability seen as `share` of `n` rows.

    :math:`\rho(a, d) = \sup_{0<e<1} (a-e)_+ (1 - 2 e^{-2 d e^2})_+`.  For comparison
    only: it averages over calibration samples.

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

    Examples
    --------
    >>> round(psi(0.01, 1000), 3)
    0.07
    """

    def value(e: float) -> float:
        return 2 * math.exp(-2 * n * e * e) + min(1.0, share + e)

    return min(1.0, _minimum(value))


def check_share(value: float, name: str) -> float:
    """Return `value` if it lies in (0, 1); raise a ValueError that names it if not.

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


def _independent(
    values: FloatArray,
    groups: npt.ArrayLike | None,
    sampling_weight: npt.ArrayLike | None,
    random_state: int | np.random.Generator | None,
) -> FloatArray:
    """One row of every group, then thinned to the population.

    In this order: of many rows of a group that is rare in the population one would
    nearly always survive the thinning.  What is drawn does not depend on the order of
    the rows.
    """
    n, rng = values.size, np.random.default_rng(random_state)
    names = np.zeros(n) if groups is None else np.asarray(groups)
    weights = (
        np.ones(n) if sampling_weight is None else np.asarray(sampling_weight, float)
    )
    _same_length(names, n, "groups")
    _check_weights(weights, n)
    codes = np.unique(names, return_inverse=True)[1]
    order = np.lexsort((codes, weights, values))
    if groups is not None:
        order = order[one_per_group(codes[order], n, rng)]
    if sampling_weight is not None:
        order = order[thin(weights[order], order.size, rng)]
    return values[order]


def _check_weights(weights: npt.NDArray[Any], n: int) -> None:
    _same_length(weights, n, "sampling_weight")
    bad = ~(np.isfinite(weights) & (weights > 0))
    if bad.any():
        raise ValueError(
            "sampling weights must be positive and finite, got "
            f"{weights[bad][0]} in row {int(np.flatnonzero(bad)[0])}; leave such rows "
            "out"
        )


def _certificate(
    values: FloatArray,
    max_damage: float,
    confidence_level: float,
    unit: str,
    population: str,
) -> Certificate:
    k = allowed_exceedances(values.size, max_damage, confidence_level)
    threshold = math.inf if k < 0 else _threshold_above(np.sort(values)[::-1], k)
    return Certificate(
        threshold=threshold,
        certified=threshold < math.inf,
        n_calibration=int(values.size),
        n_exceeding=int(np.count_nonzero(values > threshold)),
        n_allowed=k,
        max_damage=float(max_damage),
        confidence_level=float(confidence_level),
        unit=unit,
        population=population,
    )


def _threshold_above(descending: FloatArray, k: int) -> float:
    """Half-way between ``s_(k+1)`` and the next larger score, in a gap wide enough."""
    lowest = descending[k]
    if np.isinf(lowest):  # -inf: the budget covers every row that a rule can change
        return float(lowest)
    finite = descending[np.isfinite(descending)]
    spread = _spread(finite)
    ladder = np.unique(finite[finite >= lowest])
    gaps = np.diff(ladder)
    wide = np.flatnonzero(gaps >= _SMALLEST_GAP * spread)
    if wide.size:
        i = wide[0]
        return float(ladder[i] + gaps[i] / 2)
    top = float(ladder[-1])
    return top + max(_SMALLEST_GAP * spread, _SMALLEST_GAP * abs(top), 1e-12)


def _spread(finite: FloatArray) -> float:
    """Between the 5 and 95 % points, or of all where nine tenths are tied."""
    spread = float(np.subtract(*np.quantile(finite, [0.95, 0.05])))
    return spread if spread > 0 else float(np.ptp(finite))


def _minimum(function: Any) -> float:
    """Minimum over (0, 1): the best point of a grid, then refined around it."""
    grid = np.linspace(0, 1, 2001)
    best = int(np.argmin([function(e) for e in grid]))
    low, high = grid[max(0, best - 1)], grid[min(2000, best + 1)]
    found = minimize_scalar(function, bounds=(low, high), method="bounded")
    return min(float(found.fun), float(function(grid[best])))


def _check_scores(scores: npt.ArrayLike) -> FloatArray:
    values = np.asarray(scores, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"scores must have one dimension, got shape {values.shape}")
    bad = np.isnan(values)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {values.size} calibration scores are NaN (first in "
            f"row {int(np.flatnonzero(bad)[0])}): a detector must score every row"
        )
    return values


def _same_length(values: npt.NDArray[Any], n: int, name: str) -> None:
    if values.shape != (n,):
        raise ValueError(
            f"{name} must have one entry per score: expected {n}, got {values.shape}"
        )


def _sort_key(label: Hashable) -> tuple[str, Any]:
    return (type(label).__name__, label)
