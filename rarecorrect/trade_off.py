"""What one more alert a day buys: budgets side by side, to choose after looking."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.utils import check_consistent_length

from rarecorrect.alert_budget import whole_days
from rarecorrect.certify import Band, Certificate, check_share, sidak_level
from rarecorrect.metrics import clopper_pearson
from rarecorrect.rulebook import RuleBook

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

IN_FORCE = "in force"


def trade_off(
    book: RuleBook,
    scores: npt.ArrayLike,
    time: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
    changes_a_day: Iterable[float] = (5, 10, 25, 50, 100),
    max_damage: Iterable[float] = (0.001, 0.002, 0.005, 0.01, 0.02),
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Budgets side by side, with damages that are certified for all of them at once.

    Changes are counted on traffic, errors on those left out of each other's detectors,
    and the damage is that of a simultaneous :class:`~rarecorrect.certify.Band` over the
    calibration rows of the certificate in force: it holds for whichever line is chosen,
    and for why it is chosen.

    Parameters
    ----------
    book : RuleBook
        Of a fitted corrector, with a damage certificate that covers the active rules.
    scores : array-like of shape (n_rows,)
        Of recent traffic: the column ``score`` of ``corrector.trace(X)``.
    time : array-like of shape (n_rows,)
        Days as numbers, or datetime64.
    strata : array-like of shape (n_rows,), optional
        Class or segment of every row, where the book has a threshold for each: the
        column ``before`` of the trace with ``per="class"``.
    changes_a_day : iterable of float, default=(5, 10, 25, 50, 100)
        Each makes a line: the lowest threshold with so many changes a day, on average.
    max_damage : iterable of float, default=(0.001, 0.002, 0.005, 0.01, 0.02)
        Each makes a line: the lowest threshold whose bound is no larger.
    confidence_level : float, default=0.95
        Of all damages in the table together, in (0, 1).

    Returns
    -------
    DataFrame
        By falling threshold: ``stratum`` (None: the whole), ``budget``, ``threshold``,
        ``changes_a_day`` (mean) and ``most_changes``; ``caught``, ``caught_low``,
        ``caught_high``: share of left-out errors above the threshold, with its nominal
        interval, NaN where that is not known; ``one_more``: what each further change a
        day added to ``caught`` since the line before; ``damage_at_most``, 1 where too
        few rows calibrated to say anything.

    Raises
    ------
    ValueError
        Without a damage certificate of right decisions, for rows of which only those at
        the top were labelled, scores or times that are missing, budgets out of range.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from rarecorrect import ErrorCorrector
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(6000, 2)), np.repeat([1, 0], [30, 5970])
    >>> X[:30] += 3
    >>> model = DummyClassifier().fit([[0.0, 0.0]], [0])
    >>> corrector = ErrorCorrector(model, random_state=0).fit(X, y)
    >>> recent = rng.normal(size=(6000, 2))
    >>> scores = corrector.trace(recent)["score"]
    >>> table = trade_off(
    ...     corrector.rules_, scores, np.arange(6000) // 200, changes_a_day=[0.2, 1]
    ... )
    >>> shown = ["budget", "changes_a_day", "caught", "damage_at_most"]
    >>> print(table[shown].round(4).head(4).to_string(index=False))
     budget  changes_a_day  caught  damage_at_most
      0.2 %         0.0000  0.5000          0.0019
    0.2/day         0.2000  0.8667          0.0039
      0.5 %         0.5333  0.9333          0.0050
      1/day         0.9667  1.0000          0.0079
    """
    values, days = _checked(scores, time)
    entry = book.entry("damage")
    if entry is None:
        raise ValueError(
            "no damage certificate covers the active rules, and its rows are what this "
            "table is made of: fit with max_damage, or certify(X, y)"
        )
    found = entry.certificates
    for certificate in found.values():
        _refuse_parts(certificate)
    labels = _strata_of(strata, values.size, tuple(found))
    level = sidak_level(confidence_level, max(1, len(found)))
    caps, shares = _budgets(changes_a_day, max_damage)
    n_days = np.unique(days).size
    parts = []
    for stratum, certificate in found.items():
        band = Band.of(certificate.units, level)
        inside = np.ones(values.size, bool) if labels is None else labels == stratum
        mine = values[inside]
        lines = {f"{c:g}/day": _highest(mine, int(c * n_days)) for c in caps}
        lines |= {f"{100 * d:g} %": band.threshold(d) for d in shares}
        lines |= {IN_FORCE: book.threshold(stratum)}
        left_out = _left_out(book, stratum)
        parts.append(_lines(lines, mine, days[inside], n_days, left_out, band, stratum))
    return pd.concat(parts, ignore_index=True)


def _lines(
    lines: dict[str, float],
    scores: FloatArray,
    days: Array,
    n_days: int,
    left_out: FloatArray,
    band: Band,
    stratum: Hashable,
) -> pd.DataFrame:
    """One line for each threshold that is finite, the strictest first."""
    rows, before = [], (0.0, 0.0)
    for name, threshold in sorted(lines.items(), key=lambda line: -line[1]):
        if threshold == np.inf:
            continue
        counts = np.unique(days[scores > threshold], return_counts=True)[1]
        changes = float(counts.sum() / n_days)
        caught, low, high = _caught(left_out, threshold)
        more = changes - before[0]
        rows.append(
            {
                "stratum": stratum,
                "budget": name,
                "threshold": threshold,
                "changes_a_day": changes,
                "most_changes": int(counts.max(initial=0)),
                "caught": caught,
                "caught_low": low,
                "caught_high": high,
                "one_more": (caught - before[1]) / more if more else np.nan,
                "damage_at_most": band.damage(threshold),
            }
        )
        before = changes, caught
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    "stratum",
    "budget",
    "threshold",
    "changes_a_day",
    "most_changes",
    "caught",
    "caught_low",
    "caught_high",
    "one_more",
    "damage_at_most",
]


def _highest(scores: FloatArray, most: int) -> float:
    """Lowest threshold that so many scores exceed at the most."""
    if most >= scores.size:
        return -np.inf
    return float(np.partition(scores, scores.size - 1 - most)[scores.size - 1 - most])


def _left_out(book: RuleBook, stratum: Hashable) -> FloatArray:
    """Scores of left-out errors; NaN among them where they are not known."""
    if book.value is not None:  # nobody recorded the amounts of errors
        return np.array([np.nan])
    found = []
    for rule in book.active:
        scores = np.where(rule.left_out > rule.worth, rule.left_out, -np.inf)
        if np.isnan(rule.left_out).any():  # a single error: nothing is left to learn
            scores = np.array([np.nan])
        elif stratum is not None and rule.left_out_strata is not None:
            scores = scores[rule.left_out_strata == stratum]
        elif stratum is not None:
            scores = np.array([np.nan])
        found.append(scores)
    return np.concatenate(found) if found else np.empty(0)


def _caught(left_out: FloatArray, threshold: float) -> tuple[float, float, float]:
    if left_out.size == 0 or np.isnan(left_out).any():
        return (np.nan, np.nan, np.nan)
    caught = int(np.sum(left_out > threshold))
    return (caught / left_out.size, *clopper_pearson(caught, left_out.size))


def _checked(scores: npt.ArrayLike, time: npt.ArrayLike) -> tuple[FloatArray, Array]:
    values, days = np.asarray(scores, dtype=float), whole_days(time)
    check_consistent_length(values, days)
    if bad := int(np.isnan(values).sum()):
        raise ValueError(f"{bad} of {values.size} scores are NaN; leave these rows out")
    return values, days


def _budgets(
    changes_a_day: Iterable[float], max_damage: Iterable[float]
) -> tuple[list[float], list[float]]:
    caps = list(dict.fromkeys(changes_a_day))
    for cap in caps:
        if not 0 < cap < np.inf:
            raise ValueError(f"changes_a_day must be above 0, got {cap!r}")
    return caps, [check_share(d, "max_damage") for d in dict.fromkeys(max_damage)]


def _refuse_parts(found: Certificate) -> None:
    if found.population.startswith("traffic"):
        raise ValueError(
            "the damage was certified on traffic by the legacy accuracy; this table "
            "needs right decisions: certify(X, y)"
        )
    if found.n_confidence < 1:
        raise ValueError(
            "the damage was certified on rows labelled from the top: the others have "
            "no score below which they could be counted; certify on labelled rows"
        )


def _strata_of(
    strata: npt.ArrayLike | None, n: int, known: tuple[Hashable, ...]
) -> Array | None:
    if None in known:
        return None
    if strata is None:
        raise ValueError(
            f"the book has a threshold for each of {list(known)}: pass strata=, the "
            "class or segment of every row"
        )
    labels = np.asarray(strata)
    check_consistent_length(labels, np.empty(n))
    return labels
