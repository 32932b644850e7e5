"""What errors that were left out of a fit say of a rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rarecorrect import clock
from rarecorrect.metrics import clopper_pearson
from rarecorrect.off_switch import is_disabled
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.separability import ENOUGH_TO_TELL, is_separable

FloatArray = npt.NDArray[np.float64]


def cross_validated_gain(
    rule: Rule, threshold: float | FloatArray
) -> tuple[float, float, float]:
    """Share of left-out errors above a threshold, with its nominal 95 % interval.

    Errors that another rule would win are not above any.  Errors took part in fitting
    each other's detectors, so the Clopper-Pearson interval is nominal.

    Parameters
    ----------
    rule : Rule
    threshold : float or ndarray of shape (n_errors,)
        On the common scale: one for all, or one for each left-out error.

    Returns
    -------
    gain, low, high : float
        All NaN where nothing could be left out.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> from rarecorrect.tail_scale import TailScale
    >>> scale = TailScale.from_scores(np.arange(100.0))
    >>> left_out = np.array([1.0, 4.0, 5.0, 6.0])
    >>> rule = Rule("to fraud", "fraud", FisherDetector(), scale, left_out=left_out)
    >>> gain, low, high = cross_validated_gain(rule, 3.0)
    >>> gain, round(low, 2), round(high, 2)
    (0.75, 0.19, 0.99)
    """
    scores = rule.left_out
    if scores.size == 0 or np.isnan(scores).any():
        return (np.nan, np.nan, np.nan)
    caught = int(np.sum(scores > np.maximum(threshold, rule.worth)))
    low, high = clopper_pearson(caught, scores.size)
    return (caught / scores.size, low, high)


def rule_line(rule: Rule, book: RuleBook) -> str:
    """Say what a rule repairs, by errors left out, at the threshold in force.

    Parameters
    ----------
    rule : Rule
        Of the book.
    book : RuleBook

    Returns
    -------
    str

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> rule = Rule("to 1", 1, None, TailScale.from_scores([0.0, 1.0]), n_errors=1)
    >>> rule_line(rule, RuleBook((rule,)))
    'to 1 [active, from 1 errors] gain not estimated'
    """
    state = rule.state_on(clock.today())
    text = f"{rule.name} [{state}, from {rule.n_errors} errors]"
    found = rule_gain(rule, book)
    if found is None:
        why = "switched off" if is_disabled() else "thresholds differ"
        return f"{text} gain not estimated: {why}"
    gain, low, high = found
    if np.isnan(gain):
        return f"{text} gain not estimated"
    done = "flags" if rule.action == "flag" else "repairs"
    return (
        f"{text} {done} {100 * gain:.0f} % of left-out errors "
        f"({100 * low:.0f}-{100 * high:.0f} %, nominal, cross-validated)"
    )


def separability_verdict(rule: Rule, book: RuleBook) -> str:
    """Say whether the errors of a rule can be corrected, by errors left out.

    Parameters
    ----------
    rule : Rule
        Of the book.
    book : RuleBook

    Returns
    -------
    str
        Empty where the rule is not certified or nothing could be left out.

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> rule = Rule("to 1", 1, None, TailScale.from_scores([0.0, 1.0]), n_errors=1)
    >>> separability_verdict(rule, RuleBook((rule,)))
    ''
    """
    entry, found = book.entry("damage"), rule_gain(rule, book)
    if entry is None or found is None or np.isnan(found[0]):
        return ""
    certified = [c.max_damage for c in entry.certificates.values() if c.certified]
    if not certified:
        return ""
    verdict = is_separable(*found[:2], max(certified), rule.left_out.size)
    if verdict is None:
        missing = ENOUGH_TO_TELL - rule.left_out.size
        return (
            f"{rule.left_out.size} errors cannot tell this gain from chance; label "
            f"{missing} more at least"
        )
    if verdict:
        return "separable from these features"
    return "not separable from these features: separability_report says why"


def rule_gain(rule: Rule, book: RuleBook) -> tuple[float, float, float] | None:
    """Share of left-out errors that a rule catches at the thresholds in force.

    Parameters
    ----------
    rule : Rule
        Of the book.
    book : RuleBook

    Returns
    -------
    gain, low, high : float
        See :func:`cross_validated_gain`; None where thresholds differ, by stratum or
        by the amount at stake, and nobody recorded which of them an error falls under,
        and while ``RARECORRECT_DISABLE`` switches all rules off.

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> rule = Rule("to 1", 1, None, TailScale.from_scores([0.0, 1.0]), n_errors=1)
    >>> rule_gain(rule, RuleBook((rule,)))
    (nan, nan, nan)
    """
    if book.value is not None or is_disabled():
        return None
    strata, entry = rule.left_out_strata, book.entry("damage")
    threshold: float | FloatArray = book.threshold()
    if strata is not None:
        of = {s: book.threshold(s) for s in set(strata.tolist())}
        threshold = np.array([of[s] for s in strata.tolist()])
    elif entry is not None and None not in entry.certificates:
        return None
    return cross_validated_gain(rule, threshold)
