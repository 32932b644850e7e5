"""Rules compete for rows: scores, the winner, and who is above a threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.array_api import as_numpy, beside, is_elsewhere, namespace_of, take
from rarecorrect.moments import project, row_blocks
from rarecorrect.rule import KeptErrors, Rule

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_OVERFLOWS = 1e37  # sums of this size may leave the range of float32
_VANISHES = 1e-18  # smaller squares may leave it, too
_FEWEST_ROWS = 1024  # that are worth a first look in float32
_BLOCK_NUMBERS = 2**18  # of it: a megabyte, which a cache holds
_FEW = 1 / 64  # of the rows of a block: cheaper looked at again than bounded again


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What some rules say about some rows.

    Attributes
    ----------
    winner : ndarray of int of shape (n_rows,)
        Position of the rule with the largest score, -1 where none is effective or
        all are mute.
    score : ndarray of shape (n_rows,)
        That score on the common scale, ``m(x)``; ``-inf`` where there is none.
    threshold : ndarray of shape (n_rows,)
        Threshold of the row's stratum.

    Examples
    --------
    >>> found = Decisions(np.array([0, 0]), np.array([2.5, 3.5]), np.array([3.0, 3.0]))
    >>> found.fires.tolist()
    [False, True]
    """

    winner: npt.NDArray[np.intp]
    score: FloatArray
    threshold: FloatArray

    @classmethod
    def of(
        cls,
        rules: Sequence[Rule],
        Z: Array,
        labels: Array,
        thresholds: FloatArray,
    ) -> Decisions:
        """Let rules compete for rows.

        Parameters
        ----------
        rules : sequence of Rule
        Z : ndarray of shape (n_rows, n_features)
            A row that is not finite never fires.
        labels : ndarray of shape (n_rows,)
            Legacy labels.
        thresholds : ndarray of shape (n_rows,)
            On the common scale.

        Returns
        -------
        Decisions
        """
        n = len(labels)
        best, winner = np.full(n, -np.inf), np.full(n, -1, dtype=np.intp)
        raw = _raw_scores(rules, Z, labels)
        for i, rule in enumerate(rules):
            scaled = rule.scaled(raw[:, i])
            # NaN compares false: a row that cannot be scored is never changed
            better = (scaled > np.maximum(best, rule.worth)) & rule.effective(labels)
            best[better], winner[better] = scaled[better], i
        return cls(winner, best, thresholds)

    @property
    def fires(self) -> npt.NDArray[np.bool_]:
        """Of every row: whether it is changed or flagged."""
        return np.asarray(self.score > self.threshold)


def judged(rule: Rule, beside: Sequence[Rule], errors: KeptErrors) -> Rule:
    """Return a rule whose left-out scores, rising, are -inf where another one wins.

    An error is repaired only by a rule with its true label.  Rules with another label
    did not learn from it, so the scores that they give it serve as they are.  A flag
    is a flag, whichever rule sets it.

    Parameters
    ----------
    rule : Rule
    beside : sequence of Rule
        Rules that it competes with; it may be among them.
    errors : KeptErrors
        Those that it was learnt from, in the order of its left-out scores.

    Returns
    -------
    Rule

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> scale = TailScale.from_scores([0.0, 1.0])
    >>> rule = Rule("to 1", 1, None, scale, left_out=np.array([3.0, 2.0]))
    >>> judged(rule, [rule], KeptErrors(np.eye(2), np.zeros(2))).left_out.tolist()
    [2.0, 3.0]
    """
    score = rule.left_out
    if rule.action == "relabel":
        rivals = [other for other in beside if other.to != rule.to]
        nothing = np.zeros(len(errors.labels))
        best = Decisions.of(rivals, errors.Z, errors.labels, nothing).score
        score = np.where(best >= score, -np.inf, score)  # NaN, not known, stays
    rising = np.argsort(score, kind="stable")
    strata = None if errors.strata is None else errors.strata[rising]
    return replace(rule, left_out=score[rising], left_out_strata=strata)


def above_raw_threshold(
    rules: Sequence[Rule], Z: Array, labels: Array, thresholds: FloatArray
) -> npt.NDArray[np.bool_]:
    """Rows that some rule may fire on, without the common scale of all.

    Parameters
    ----------
    rules : sequence of Rule
    Z : ndarray of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,)
        Legacy labels.
    thresholds : ndarray of shape (n_rows,)
        On the common scale; few distinct ones.

    Returns
    -------
    ndarray of bool of shape (n_rows,)
        All rows that fire, and a few that do not.

    Examples
    --------
    >>> above_raw_threshold((), np.zeros((2, 1)), np.zeros(2), np.zeros(2)).tolist()
    [False, False]
    """
    above = np.zeros(thresholds.size, dtype=bool)
    if not rules or np.isposinf(thresholds).all():
        return above
    distinct, codes = thresholds[:1], None
    if (thresholds != distinct).any():  # a sort is dearer than the product
        distinct, codes = np.unique(thresholds, return_inverse=True)
    limits = np.array(
        [[_raw_limit(rule, t) for rule in rules] for t in distinct.tolist()]
    )
    least = limits.min(axis=0)
    rows = _suspects(rules, Z, least)
    raw = _raw_scores(rules, as_numpy(take(Z, rows)), labels[rows], least)
    exceeds = raw > (limits[0] if codes is None else limits[codes[rows]])
    for i in np.flatnonzero(exceeds.any(axis=0)).tolist():
        above[rows] |= exceeds[:, i] & rules[i].effective(labels[rows])
    return above


def linear_forms(rules: Sequence[Rule], n_features: int) -> FloatArray:
    """Weights of all rules side by side, zeros for one that is not linear.

    Parameters
    ----------
    rules : sequence of Rule
    n_features : int

    Returns
    -------
    ndarray of shape (n_features, n_rules)

    Examples
    --------
    >>> linear_forms((), n_features=3).shape
    (3, 0)
    """
    forms = np.zeros((n_features, len(rules)))
    for i, rule in enumerate(rules):
        if rule.coef is not None:
            forms[:, i] = rule.coef
    return forms


def raw_limits(rules: Sequence[Rule], labels: Array, threshold: float) -> FloatArray:
    """Products with the linear forms at or below which no rule fires on such a row.

    Parameters
    ----------
    rules : sequence of Rule
    labels : ndarray of shape (1,)
        The legacy label of the row.
    threshold : float
        On the common scale.

    Returns
    -------
    ndarray of shape (n_rules,)
        A little below the exact ones; infinite for a rule that is not effective, minus
        infinite for one that is not linear.

    Examples
    --------
    >>> raw_limits((), np.array([0]), 3.0).size
    0
    """
    limits = np.full(len(rules), np.inf)
    for i, rule in enumerate(rules):
        if rule.effective(labels).all() and threshold < np.inf:
            linear = rule.coef is not None
            limits[i] = _raw_limit(rule, threshold) if linear else -np.inf
            limits[i] -= rule.intercept
    return limits


def _suspects(rules: Sequence[Rule], Z: Any, limits: FloatArray) -> Indices | slice:
    """Rows that may exceed a raw limit of some rule.

    In float32 a product is cheaper than in float64, and its error is bounded by
    ``(p + 1) eps sum |z| |w|`` for p features: what stays below a limit by more than
    that needs no second look.  The sum is bounded in turn by the length of a block of
    rows or, where columns are of different sizes, by the lengths of its columns.
    """
    n_rows, n_features = Z.shape
    xp, _ = namespace_of(Z)
    linear = all(rule.coef is not None for rule in rules)
    cheaper = is_elsewhere(Z) or Z.dtype == np.float32
    if not linear or not cheaper or n_rows < _FEWEST_ROWS:
        return slice(None)
    weights = linear_forms(rules, n_features)
    with np.errstate(over="ignore"):
        narrow = xp.asarray(beside(weights, Z), dtype=Z.dtype)
    if not bool(xp.all(xp.isfinite(narrow))):
        return slice(None)
    least = limits - [rule.intercept for rule in rules]
    rounding = 2 * (n_features + 1) * float(xp.finfo(Z.dtype).eps)
    by_length, by_column = np.linalg.norm(weights, axis=0), np.abs(weights)
    found = np.zeros(n_rows, dtype=bool)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN is suspect
        for part in row_blocks(n_rows, max(1, _BLOCK_NUMBERS // max(1, n_features))):
            block = Z[part, :]
            size = _length(block) * by_length  # brings the block into the cache
            product = block @ narrow
            below = _at_most(product, least - rounding * _in_range(size))
            if _n_false(below) > _FEW * block.shape[0]:
                size = _column_lengths(block) @ by_column
                below = _at_most(product, least - rounding * _in_range(size))
            found[part] = _rows_with_false(below)
    return np.flatnonzero(found)


def _in_range(size: FloatArray) -> FloatArray:
    """Sizes of sums; infinite where these may leave the range of float32."""
    return np.where(size < _OVERFLOWS, size, np.inf)


def _at_most(product: Any, bounds: FloatArray) -> Any:
    """Where products are at most their bounds; NaN is not."""
    xp, _ = namespace_of(product)
    # rounded as the product is: a bound that this moves past a product is smaller than
    # the sums behind it, of whose error half is in reserve
    return product <= xp.asarray(beside(bounds, product), dtype=product.dtype)


def _n_false(flags: Any) -> int:
    xp, _ = namespace_of(flags)
    n_flags: int = math.prod(flags.shape)
    return n_flags - int(xp.count_nonzero(flags))


def _rows_with_false(flags: Any) -> npt.NDArray[np.bool_]:
    """Rows with a flag that is not set; mostly there are few, or none."""
    xp, _ = namespace_of(flags)
    n_rows, n_columns = flags.shape
    n_false = _n_false(flags)
    if n_false > n_rows:
        return np.asarray(~as_numpy(xp.all(flags, axis=1)))
    found = np.zeros(n_rows, dtype=bool)
    if n_false:
        places = xp.nonzero(xp.reshape(~flags, (-1,)))[0]
        found[as_numpy(places) // n_columns] = True
    return found


def _length(block: Any) -> float:
    """Euclidean length of all entries; squares of the smallest may vanish."""
    xp, _ = namespace_of(block)
    flat = xp.reshape(block, (-1,))
    # entries as small as this in every feature are as long together
    return math.sqrt(float(flat @ flat)) + _VANISHES * math.sqrt(block.shape[1])


def _column_lengths(block: Any) -> FloatArray:
    """Of each column, at least its largest entry that is finite.

    Rows that hold another one are known by their product.
    """
    xp, _ = namespace_of(block)

    def lengths(entries: Any) -> Array:
        if xp is not np:
            return as_numpy(xp.linalg.vector_norm(entries, axis=0))
        squares: Array = np.einsum("ij,ij->j", entries, entries)  # without a copy
        return np.sqrt(squares)

    found = lengths(block)
    if not np.isfinite(found).all():
        found = lengths(xp.where(xp.isfinite(block), block, xp.zeros_like(block)))
    return np.asarray(found.astype(float) + _VANISHES)


def _raw_scores(
    rules: Sequence[Rule], Z: Array, labels: Array, least: FloatArray | None = None
) -> FloatArray:
    """Raw scores of all rules, shape (n_rows, n_rules); NaN where `Z` is not finite.

    All linear rules cost one matrix product.  Others are asked where they are
    effective, and only up to where they are known to exceed their `least` or not.
    """
    if not rules:
        return np.empty((len(Z), 0))
    others = [i for i, rule in enumerate(rules) if rule.coef is None]
    with np.errstate(invalid="ignore", over="ignore"):  # rows that become NaN
        scores = project(Z, linear_forms(rules, Z.shape[1]))
        scores += [rule.intercept for rule in rules]
    if not others and np.isfinite(scores).all():
        return scores
    finite = np.isfinite(Z).all(axis=1)
    scores[~finite] = np.nan
    for i in others:
        asked = finite & rules[i].effective(labels)
        scores[:, i] = np.nan
        if asked.any():
            part = Z if asked.all() else Z[asked]
            rule = rules[i]
            scores[asked, i] = (
                rule.score(part) if least is None else rule.upper_bound(part, least[i])
            )
    return scores


def _raw_limit(rule: Rule, threshold: float) -> float:
    """A little under the raw score where a rule fires: few rows are looked at again."""
    limit = rule.raw_threshold(max(threshold, rule.worth))  # mute below its worth
    if not math.isfinite(limit):
        return limit
    # a large offset that weights bring back to the limit leaves fewer digits of a score
    return limit - 1e-9 * max(1.0, abs(limit)) - 1e-12 * abs(rule.intercept)
