"""The lowest thresholds that the exact rule certifies."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.array_api import as_numpy
from rarecorrect.certify.budget import Budget, budget_of
from rarecorrect.certify.certificate import Certificate
from rarecorrect.certify.exact_rule import (
    allowed_exceedances,
    check_share,
    sidak_level,
)
from rarecorrect.certify.sampling import FloatArray, independent, same_length

# Scores this close (relative to their spread) may swap places between batch sizes,
# machines and exports, so a threshold never lies in a smaller gap.
_SMALLEST_GAP = 1e-6


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
    values, unit = check_scores(scores), "rows"
    if groups is not None or sampling_weight is not None:
        values = independent(values, groups, sampling_weight, random_state)
        unit = "rows" if groups is None else "groups"
    return _certificate(values, max_damage, confidence_level, unit, population)


def stratified_thresholds(
    scores: npt.ArrayLike,
    strata: npt.ArrayLike,
    max_damage: Budget,
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
    scores : array-like of shape (n,)
        As in :func:`certified_threshold`.
    strata : array-like of shape (n,)
        Class or segment of every row.
    max_damage : float or mapping from label to float
        Budgets, in (0, 1); strata that are not named have the smallest one.
    confidence_level, groups, sampling_weight, random_state, population
        As in :func:`certified_threshold`.

    Returns
    -------
    dict
        From stratum to :class:`Certificate`; strata without enough rows are off.

    Raises
    ------
    ValueError
        As :func:`certified_threshold`.

    Examples
    --------
    >>> found = stratified_thresholds(np.arange(1000.0), np.arange(1000) % 2, 0.01)
    >>> {label: round(c.threshold, 2) for label, c in found.items()}
    {0: 998.0, 1: 999.0}
    """
    values, labels = check_scores(scores), as_numpy(strata)
    same_length(labels, values.size, "strata")
    found = list(dict.fromkeys(sorted(labels.tolist(), key=_sort_key)))
    level = sidak_level(confidence_level, max(1, len(found)))
    whole = {"groups": groups, "sampling_weight": sampling_weight}
    arrays = {k: None if v is None else as_numpy(v) for k, v in whole.items()}
    certificates = {}
    for label in found:
        inside = labels == label
        parts = {k: None if v is None else v[inside] for k, v in arrays.items()}
        certificates[label] = certified_threshold(
            values[inside],
            budget_of(max_damage, label),
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
        Of traffic, or of right decisions where `legacy_accuracy` is given.

    Raises
    ------
    ValueError
        As :func:`certified_threshold`, and for shares outside (0, 1).

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

    Raises
    ------
    ValueError
        For NaN scores, lengths that differ, a `cap` that is no whole number.

    Examples
    --------
    >>> days = np.repeat(np.arange(30), 100)
    >>> scores = np.tile(np.arange(100.0), 30) + np.linspace(0, 0.5, 3000)
    >>> c = daily_threshold(scores, days, cap=5)
    >>> bool(np.bincount(days[scores > c.threshold]).max() <= 5)
    True
    """
    values, labels = check_scores(scores), as_numpy(days)
    same_length(labels, values.size, "days")
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


def _certificate(
    values: FloatArray,
    max_damage: float,
    confidence_level: float,
    unit: str,
    population: str,
) -> Certificate:
    k = allowed_exceedances(values.size, max_damage, confidence_level)
    units = np.sort(values)
    threshold = math.inf if k < 0 else float(thresholds_above(units[::-1], k))
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
        units=units,
    )


def thresholds_above(descending: FloatArray, counts: npt.ArrayLike) -> FloatArray:
    """Half-way between ``s_(k+1)`` and the next larger score, in a gap wide enough.

    Parameters
    ----------
    descending : ndarray of shape (n,)
        Scores, falling.
    counts : array-like of int
        Values of ``k``.

    Returns
    -------
    ndarray of the shape of `counts`

    Examples
    --------
    >>> thresholds_above(np.array([5.0, 3.0, 2.0]), [1, 2]).tolist()
    [4.0, 2.5]
    """
    lowest = descending[np.asarray(counts, dtype=np.intp)]
    # -inf: the budget covers every row that a rule can change
    found = np.array(lowest, dtype=float)
    finite = descending[np.isfinite(descending)]
    ladder = np.unique(finite[finite >= np.min(lowest, initial=np.inf)])
    if not ladder.size:
        return found
    spread = _spread(finite)
    gaps = np.diff(ladder)
    wide = np.flatnonzero(gaps >= _SMALLEST_GAP * spread)
    top = float(ladder[-1])
    above_all = top + max(_SMALLEST_GAP * spread, _SMALLEST_GAP * abs(top), 1e-12)
    middles = np.append(ladder[wide] + gaps[wide] / 2, above_all)
    at = np.searchsorted(wide, np.searchsorted(ladder, lowest))
    return np.where(np.isinf(lowest), found, middles[at])


def _spread(finite: FloatArray) -> float:
    """Between the 5 and 95 % points, or of all where nine tenths are tied."""
    spread = float(np.subtract(*np.quantile(finite, [0.95, 0.05])))
    return spread if spread > 0 else float(np.ptp(finite))


def check_scores(scores: npt.ArrayLike) -> FloatArray:
    """Return scores as numbers.

    Parameters
    ----------
    scores : array-like of shape (n,)

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ValueError
        For NaN, or another number of dimensions.

    Examples
    --------
    >>> check_scores([1, float("inf")]).tolist()
    [1.0, inf]
    """
    values = as_numpy(scores, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"scores must have one dimension, got shape {values.shape}")
    bad = np.isnan(values)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {values.size} calibration scores are NaN (first in "
            f"row {int(np.flatnonzero(bad)[0])}): a detector must score every row"
        )
    return values


def _sort_key(label: Hashable) -> tuple[str, Any]:
    return (type(label).__name__, label)
