"""What was done with every row, and by which rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.corrections import Corrections
from rarecorrect.features import Reading
from rarecorrect.ranking import tail_ranks
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook

Array = npt.NDArray[Any]


def trace_frame(
    book: RuleBook,
    reading: Reading,
    strata: Array | None,
    classes: Array,
    index: Any = None,
) -> pd.DataFrame:
    """One row per case: before, after, and why.

    Parameters
    ----------
    book : RuleBook
    reading : Reading
    strata : ndarray of shape (n_rows,) or None
        Class or segment of every row, where thresholds differ.
    classes : ndarray of shape (n_classes,)
        All labels, for the type of ``after``.
    index : index, optional
        Of the frame; default: 0, 1, ...

    Returns
    -------
    DataFrame
        See :meth:`rarecorrect.ErrorCorrector.trace`.

    Examples
    --------
    >>> reading = Reading(np.array([0, 1]), None, np.zeros((2, 3)))
    >>> found = trace_frame(RuleBook(), reading, None, np.array([0, 1]))
    >>> print(found[["before", "after", "changed", "score"]])
       before  after  changed  score
    0       0      0    False   -inf
    1       1      1    False   -inf
    """
    asked = (reading.features, reading.labels, strata)
    found = book.decide(*asked)
    shadow, hidden = book.decide_in_shadow(*asked)
    rows = np.flatnonzero(found.fires)
    after = Corrections(book, reading, rows, found.winner[rows]).labels(classes)
    flagging = _pick(book.rules, "action", found.winner) == "flag"
    rank = np.full(len(after), np.nan)
    rank[found.fires] = tail_ranks(found.score[found.fires], book.calibration_scores)
    entry = book.entry(book.budgets[0])
    # -inf minus -inf: no rule speaks, so the margin is -inf too
    silent = np.isneginf(found.score)
    margin = np.subtract(
        found.score, found.threshold, out=np.full(len(after), -np.inf), where=~silent
    )
    return pd.DataFrame(
        {
            "before": reading.labels,
            "after": after,
            "changed": found.fires & ~flagging,
            "flagged": found.fires & flagging,
            "rule": _pick(book.rules, "name", found.winner),
            "proposed": _pick(book.rules, "to", found.winner),
            "score": found.score,
            "margin": margin,
            "tail_rank": rank,
            "shadow_rule": _pick(
                shadow, "name", np.where(hidden.fires, hidden.winner, -1)
            ),
            "certificate": None if entry is None else entry.name,
        },
        index=index,
    )


def _pick(rules: tuple[Rule, ...], what: str, winner: npt.NDArray[np.intp]) -> Array:
    """An attribute of the winning rules; None where there is no winner (-1)."""
    values = np.empty(len(rules) + 1, dtype=object)
    values[:-1] = [getattr(rule, what) for rule in rules]
    return values[winner]
