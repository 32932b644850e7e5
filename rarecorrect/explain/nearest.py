"""Which of the errors that a rule was learnt from a case resembles most."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances_argmin

from rarecorrect.background import Background
from rarecorrect.rule import Rule

FloatArray = npt.NDArray[np.float64]


def nearest_errors(
    rule: Rule, Z: FloatArray, background: Background | None
) -> list[Any]:
    """Ids of the nearest errors that were kept with a rule.

    Distances are Euclidean, every column in standard deviations of right decisions;
    columns that do not vary among them do not count.  Where rules read robust columns,
    so do distances.

    Parameters
    ----------
    rule : Rule
    Z : ndarray of shape (n_cases, n_features)
    background : Background or None

    Returns
    -------
    list of length n_cases
        None where the errors, their ids or the spread of right decisions were not kept.

    Examples
    --------
    >>> from rarecorrect.rule import KeptErrors
    >>> from rarecorrect.tail_scale import TailScale
    >>> kept = KeptErrors(np.array([[4.0, 0.0], [0.0, 900.0]]), np.array([0, 0]))
    >>> rule = Rule(
    ...     "to 1",
    ...     1,
    ...     None,
    ...     TailScale.from_scores([0.0, 1.0]),
    ...     case_ids=("amount", "hour"),
    ...     errors=kept,
    ... )
    >>> rows = np.random.default_rng(0).normal(0, [1.0, 100.0], size=(500, 2))
    >>> background = Background.from_rows(rows, np.zeros(500), np.arange(500))
    >>> nearest_errors(rule, np.array([[3.0, 100.0], [1.0, 800.0]]), background)
    ['amount', 'hour']
    """
    if rule.errors is None or not rule.case_ids or background is None:
        return [None] * len(Z)
    spread = np.sqrt(background.but(None)[0].variance)
    counts = spread > 0
    read = background.columns or np.asarray
    cases, known = (
        np.asarray(read(rows), dtype=float)[:, counts] / spread[counts]
        for rows in (Z, rule.errors.Z)
    )
    found = pairwise_distances_argmin(cases, known)
    return [rule.case_ids[i] for i in found]
