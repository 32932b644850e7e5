"""From rows to explained cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.explain.contributions import Part, parts_of, remarks
from rarecorrect.explain.nearest import nearest_errors
from rarecorrect.explain.result import Explanations
from rarecorrect.explain.sentences import Teller, box_of
from rarecorrect.explain.usual import Usual
from rarecorrect.features import Reading
from rarecorrect.rulebook import RuleBook
from rarecorrect.tracing import trace_frame

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


def explanations(
    book: RuleBook,
    reading: Reading,
    strata: Array | None,
    classes: Array,
    index: Any = None,
    *,
    names: Sequence[Any],
    usual: Usual,
    reasons: Mapping[Any, str] | None = None,
    top: int = 3,
) -> Explanations:
    r"""Explain every case that is changed or flagged.

    Contributions are counted from one base, the score of the usual right decision
    :math:`\bar z`: its features are the means of the right decisions that the rule may
    change.  They are in the units of the rule's detector (for Fisher's discriminant:
    standard deviations of right decisions) and add up to the score of the case less
    that base:

    - a linear detector: :math:`w_j (z_j - \bar z_j)`;
    - trees and gradient boosting: the SHAP values of the case less those of
      :math:`\bar z`, by XGBoost or LightGBM themselves or by the package ``shap``;
    - a mean over folds: the mean of the contributions;
    - a cascade: of the score at the stage that decides the case, which is linear in the
      robust columns, those of one feature together; the sentence names the stage;
    - several detectors on one scale (``detector="auto"``): each member by itself, since
      the scale bends what they add;
    - a box of conditions: its sentence at the threshold in force, no contributions.

    For any other detector a note says that there are none; so it does where values do
    not add up to the score.

    Parameters
    ----------
    book : RuleBook
    reading : Reading
    strata : ndarray of shape (n_rows,) or None
        Class or segment of every row, where thresholds differ.
    classes : ndarray of shape (n_classes,)
        All labels.
    index : index, optional
        Of the rows; default: 0, 1, ...
    names : sequence of length n_features
        What the features are called.
    usual : Usual
        Of the right decisions that rules were learnt from.
    reasons : mapping from feature to str, optional
        Words that stand for a feature in the sentences.
    top : int, default=3
        Features named in a sentence, at most, of those that raise the score.

    Returns
    -------
    Explanations

    Raises
    ------
    ValueError
        For reasons of unknown features, or a `top` that is not 1 or more.

    References
    ----------
    S. M. Lundberg et al., "From local explanations to global understanding with
    explainable AI for trees", Nature Machine Intelligence 2 (2020),
    doi:10.1038/s42256-019-0138-9.

    Examples
    --------
    The legacy model says "ok" everywhere; one payment looks like the known fraud:

    >>> import textwrap
    >>> from rarecorrect.certify import certified_threshold
    >>> from rarecorrect.detectors import FisherDetector
    >>> from rarecorrect.ledger import LedgerEntry
    >>> from rarecorrect.rule import Rule
    >>> from rarecorrect.tail_scale import TailScale
    >>> rng = np.random.default_rng(0)
    >>> right, fraud = rng.normal(50, 10, size=(700, 1)), np.array([[110.0]])
    >>> detector = FisherDetector().fit(np.vstack([right, fraud]), np.arange(701) > 699)
    >>> scale = TailScale.from_scores(detector.decision_function(right))
    >>> coef, intercept = detector.coef_[0], float(detector.intercept_[0])
    >>> rule = Rule(
    ...     "to fraud", "fraud", detector, scale, coef=coef, intercept=intercept
    ... )
    >>> book, scores = RuleBook().extend(rule), rule.scaled(rule.score(right))
    >>> found = {None: certified_threshold(scores, 0.01)}
    >>> entry = LedgerEntry(
    ...     "damage", found, book.identities, "rows", 0.05, np.sort(scores)
    ... )
    >>> cases = Reading(np.array(["ok", "ok"]), None, np.array([[55.0], [120.0]]))
    >>> found = explanations(
    ...     book.certified_by(entry),
    ...     cases,
    ...     None,
    ...     np.array(["fraud", "ok"]),
    ...     names=["amount"],
    ...     usual=Usual.of(right, np.repeat("ok", 700)),
    ... )
    >>> print(textwrap.fill(str(found), 76))
    Case 1: 'ok' was changed to 'fraud' by rule 'to fraud' (score 17, threshold
    5.73; none of 700 right decisions looked as wrong as this one), above all by
    amount (120, on average 49.8: +7.04); all features together take the raw
    score from -3.02, that of the average right decision, to 4.02
    """
    named = tuple(map(str, names))
    teller = Teller.of(book, named, reasons, top)
    trace = trace_frame(book, reading, strata, classes, index)
    rows = np.flatnonzero(trace["changed"] | trace["flagged"])
    frame, values = trace.iloc[rows].copy(), reading.features[rows].astype(float)
    at = [None] * rows.size if strata is None else strata[rows].tolist()
    parts, base = _add_scores(frame, book, values, usual)
    frame["box"] = [
        teller.box(book[name], x, s)
        for name, x, s in zip(frame["rule"], values, at, strict=True)
    ]
    frame["note"] = list(map(remarks, parts))
    frame["nearest_error"] = _nearest(frame, book, values)
    frame["sentence"] = [
        teller.sentence(*case)
        for case in zip(frame.itertuples(), values, base, parts, at, strict=True)
    ]
    return Explanations(frame, tuple(parts), named, values, base)


def _add_scores(
    frame: pd.DataFrame, book: RuleBook, values: FloatArray, usual: Usual
) -> tuple[list[tuple[Part, ...]], FloatArray]:
    """Raw scores, into the frame; parts and usual features of every case."""
    raw, base = np.empty((len(frame), 2)), np.empty_like(values)
    parts: list[tuple[Part, ...]] = [()] * len(frame)
    for name in frame["rule"].unique():
        mine, rule = np.flatnonzero(frame["rule"] == name), book[name]
        base[mine] = usual.of_rule(rule)
        both = np.vstack([base[mine[:1]], values[mine]])
        scores = rule.score(both)
        raw[mine, 0], raw[mine, 1] = scores[1:], scores[0]
        if box_of(rule) is None:
            for i, of_case in zip(mine, parts_of(rule, both, scores), strict=True):
                parts[i] = of_case
    frame["raw_score"], frame["raw_base"] = raw.T
    return parts, base


def _nearest(frame: pd.DataFrame, book: RuleBook, values: FloatArray) -> Array:
    """Id of the known error that every case resembles most, where it is kept."""
    found = np.full(len(frame), None, dtype=object)
    for name in frame["rule"].unique():
        mine = np.flatnonzero(frame["rule"] == name)
        for i, known in zip(
            mine,
            nearest_errors(book[name], values[mine], book.background),
            strict=True,
        ):
            found[i] = known
    return found
