"""Label from the top: the same certificate from a hundredth of the labels.

The exact rule needs the number of right decisions and the few highest scores among
them, nothing else.  So the highest rows are labelled, in falling order, until enough
right ones are found; their number in all is bounded from a random sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import hypergeom

from rarecorrect.array_api import as_numpy
from rarecorrect.certify.certificate import Certificate
from rarecorrect.certify.exact_rule import (
    allowed_exceedances,
    check_share,
    rows_needed,
)
from rarecorrect.certify.sampling import FloatArray, same_length
from rarecorrect.certify.thresholds import certified_threshold, check_scores

Indices = npt.NDArray[np.intp]

_SAMPLE = 400
_FOR_NUMBER = 0.2  # of the error probability: that the number of right rows is wrong


@dataclass(frozen=True, slots=True, eq=False)
class LabelingPlan:
    """Which rows to label next.

    Attributes
    ----------
    rows : ndarray of int
        Places of the rows, the most urgent first; empty: nothing more is needed.
    reason : str
        Why these.
    n_right : int
        Right decisions among all rows, at least; 0: not known yet.
    n_needed : int
        How many of the highest right decisions must be known; 0: not known yet, or
        nothing can be certified.

    Examples
    --------
    >>> plan = LabelingPlan(np.array([4, 2]), "the highest scores", 990, 2)
    >>> plan.rows.tolist()
    [4, 2]
    """

    rows: Indices
    reason: str
    n_right: int = 0
    n_needed: int = 0


def plan(
    scores: npt.ArrayLike,
    right: npt.ArrayLike | None = None,
    *,
    max_damage: float,
    confidence_level: float = 0.95,
    n_right: int | None = None,
    random_state: int = 0,
) -> LabelingPlan:
    """Say which rows to label next, for the cheapest certificate.

    First a random sample, which bounds the number of right decisions from below; then
    rows in falling order of their scores, until :func:`from_top` has enough.

    Parameters
    ----------
    scores : array-like of shape (n_rows,)
        Scores of rows that served nothing else, high = looks wrong.
    right : array-like of shape (n_rows,), optional
        Whether the legacy decision is right; NaN or None: not labelled yet.
    max_damage : float
        Budget, in (0, 1).
    confidence_level : float, default=0.95
        In (0, 1).  A fifth of the error probability goes to the number of right rows.
    n_right : int, optional
        Number of right decisions among the rows, at least, if known for certain: no
        sample is needed then, and the whole error probability goes to the damage.
    random_state : int, default=0
        Of the sample: the same in all calls.

    Returns
    -------
    LabelingPlan

    Raises
    ------
    ValueError
        For NaN scores, lengths that differ, or an `n_right` that cannot be.

    Examples
    --------
    A model that is right on 98 % of 20,000 rows; 1,000 labels would be enough for a
    sample of the rows, and buy a budget three times as large:

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.random(20_000) < 0.98
    >>> scores = rng.normal(size=20_000) + 2 * ~truth
    >>> right = np.full(20_000, np.nan)
    >>> while (todo := plan(scores, right, max_damage=0.001)).rows.size:
    ...     right[todo.rows] = truth[todo.rows]  # somebody looks at these
    >>> int(np.sum(~np.isnan(right)))
    447
    >>> print(from_top(scores, right, max_damage=0.001).n_calibration)
    19145
    """
    asked = _Question.checked(
        scores, right, max_damage, confidence_level, n_right, random_state
    )
    missing = asked.sample[~asked.known[asked.sample]]
    if missing.size:
        words = f"a random sample of {asked.sample.size:,} rows bounds the number of "
        return LabelingPlan(missing, words + "right decisions")
    n, k = asked.n_right, asked.n_allowed
    if k < 0:
        needed = rows_needed(max_damage, asked.level)
        return LabelingPlan(
            np.empty(0, dtype=np.intp),
            f"nothing to label: {n:,} right decisions at least, but {needed:,} are "
            f"needed for {100 * max_damage:g} %; pass more rows or a larger budget",
            n,
        )
    found = asked.right_from_top
    if found.size > k:
        return LabelingPlan(np.empty(0, dtype=np.intp), "enough is known", n, k + 1)
    # those below the first gap are right or wrong, too, and known ones cost nothing
    unknown = asked.order[~asked.known[asked.order]]
    words = (
        f"the highest {k + 1:,} right decisions are needed, {found.size:,} are known"
    )
    return LabelingPlan(unknown[: k + 1 - found.size], words, n, k + 1)


def from_top(
    scores: npt.ArrayLike,
    right: npt.ArrayLike,
    *,
    max_damage: float,
    confidence_level: float = 0.95,
    n_right: int | None = None,
    random_state: int = 0,
    population: str = "right decisions",
) -> Certificate:
    """Certificate from rows that were labelled from the top.

    Parameters
    ----------
    scores, right, max_damage, confidence_level, n_right, random_state
        As in :func:`plan`.
    population : str, default="right decisions"
        What is counted, in words, for the record.

    Returns
    -------
    Certificate
        Its level is that of the exact rule; with that of the number of right rows, the
        error probabilities add up to that of `confidence_level`.  Its ``units`` are the
        scores of the right decisions that are known to be the highest; the others,
        which nobody needs to know, stand as ``-inf``.

    Raises
    ------
    ValueError
        If rows are missing that :func:`plan` asks for, or as there.

    Examples
    --------
    >>> right = [True, False, None, None, None, None, None, None]
    >>> scores = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0]
    >>> c = from_top(scores, right, max_damage=0.4, n_right=6)
    >>> c.n_allowed, c.n_calibration, c.threshold > 9
    (0, 6, True)
    """
    options = {"max_damage": max_damage, "confidence_level": confidence_level}
    todo = plan(scores, right, n_right=n_right, random_state=random_state, **options)
    if todo.rows.size:
        raise ValueError(
            f"{todo.reason}; label {todo.rows.size:,} more rows, the first is row "
            f"{todo.rows[0]} (plan says which)"
        )
    asked = _Question.checked(
        scores, right, max_damage, confidence_level, n_right, random_state
    )
    known = asked.scores[asked.right_from_top]
    units = np.full(asked.n_right, -np.inf)
    units[: known.size] = known[: asked.n_right]
    found = certified_threshold(units, max_damage, asked.level)
    sure = 1.0 if n_right is not None else _number_level(confidence_level)
    words = f"{population} (at least {asked.n_right:,} of {asked.scores.size:,} rows"
    words += f" at {100 * sure:.4g} %" if sure < 1 else ""
    words += ", labelled from the top)"
    return replace(found, population=words, n_confidence=sure)


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Rows, and what is known of them."""

    scores: FloatArray
    known: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]
    order: Indices
    sample: Indices
    n_right: int
    n_allowed: int
    level: float

    @classmethod
    def checked(
        cls,
        scores: npt.ArrayLike,
        right: npt.ArrayLike | None,
        max_damage: float,
        confidence_level: float,
        n_right: int | None,
        random_state: int,
    ) -> _Question:
        values = check_scores(scores)
        n = values.size
        known, is_right = _labels(right, n)
        check_share(confidence_level, "confidence_level")
        delta = 1 - confidence_level
        if n_right is not None:
            if not 0 <= n_right <= n or np.sum(known & ~is_right) > n - n_right:
                raise ValueError(
                    f"n_right={n_right:,} of {n:,} rows cannot be, with "
                    f"{int(np.sum(known & ~is_right)):,} known to be wrong"
                )
            sample, level = np.empty(0, dtype=np.intp), confidence_level
        else:
            draws = np.random.default_rng(random_state).permutation(n)
            sample, level = draws[:_SAMPLE], 1 - (1 - _FOR_NUMBER) * delta
            sure, n_right = _number_level(confidence_level), 0
            if known[sample].all():
                n_right = fewest_right(n, sample.size, is_right[sample].sum(), sure)
        k = allowed_exceedances(n_right, max_damage, level)
        order = np.argsort(-values, kind="stable")
        return cls(values, known, is_right, order, sample, n_right, k, level)

    @property
    def right_from_top(self) -> Indices:
        """Right rows above the first that is not labelled, in falling order."""
        gaps = np.flatnonzero(~self.known[self.order])
        above = self.order if not gaps.size else self.order[: gaps[0]]
        return above[self.right[above]]


def fewest_right(n: int, n_sample: int, seen: int, confidence_level: float) -> int:
    """Lower bound of the number of right rows, from a sample without replacement.

    Parameters
    ----------
    n : int
        Rows in all.
    n_sample : int
        Rows drawn.
    seen : int
        Right ones among them.
    confidence_level : float
        In (0, 1).

    Returns
    -------
    int
        The smallest number for which so many in the sample are not too unlikely.

    Examples
    --------
    >>> fewest_right(20_000, 400, 398, 0.99)
    19587
    """
    low, high = seen, n - (n_sample - seen)  # as many as were seen, at least
    while low < high:
        middle = (low + high) // 2
        if hypergeom.sf(seen - 1, n, middle, n_sample) > 1 - confidence_level:
            high = middle
        else:
            low = middle + 1
    return low


def _number_level(confidence_level: float) -> float:
    """Confidence in the number of right rows."""
    return 1 - _FOR_NUMBER * (1 - confidence_level)


def _labels(
    right: npt.ArrayLike | None, n: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows are labelled, and which of these are right."""
    if right is None:
        return np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    given = as_numpy(right, dtype=object)
    same_length(given, n, "right")
    known = ~pd.isna(given)
    is_right = np.zeros(n, dtype=bool)
    is_right[known] = given[known].astype(bool)
    return known, is_right
