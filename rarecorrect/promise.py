"""What is promised and what is not, in words that need no statistics."""

from __future__ import annotations

import math
from collections.abc import Container, Hashable

from rarecorrect.certify import Certificate
from rarecorrect.fit_report import FitReport
from rarecorrect.off_switch import is_disabled
from rarecorrect.rulebook import RuleBook


def promises(report: FitReport) -> list[str]:
    """Every certificate in force in one sentence; where there are several, a last one.

    Parameters
    ----------
    report : FitReport
        Of a fitted corrector.

    Returns
    -------
    list of str
        Empty where nothing is certified, or ``RARECORRECT_DISABLE`` is set: then
        nothing is changed either.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> import numpy as np
    >>> from rarecorrect import ErrorCorrector
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(1000, 2)), np.repeat(["yes", "no"], [20, 980])
    >>> X[:20] += 5
    >>> model = DummyClassifier().fit([[0.0, 0.0]], ["no"])
    >>> report = ErrorCorrector(model, random_state=0).fit(X, y).report_
    >>> import textwrap
    >>> print(textwrap.fill(promises(report)[0], 72))
    Of the decisions that the model in service gets right, the correction
    changes at most 1 % (1 in 100), for cases like the 490 that it was
    tested on; a test of this kind is wrong about that at most 4 times in
    100.
    """
    if not report.book.certified or is_disabled():
        return []
    does = _verb(report)
    told = []
    for entry in report.book.entries_in_force:
        sure = {s: c for s, c in entry.certificates.items() if c.certified}
        told += [_sentence(c, s, report.per, does) for s, c in sure.items()]
        if len(sure) > 1:
            wrong = 1 - math.prod(_level(c) for c in sure.values())
            told.append(
                f"All {len(sure)} of these statements hold at once, except at most "
                f"{_in_hundred(wrong)}."
            )
    return told


def certificate_lines(book: RuleBook) -> list[str]:
    """Every certificate in force in a line of its own, over budgets and strata.

    Parameters
    ----------
    book : RuleBook

    Returns
    -------
    list of str

    Examples
    --------
    >>> certificate_lines(RuleBook())
    []
    """
    return [
        f"{found}" if stratum is None else f"{stratum}: {found}"
        for entry in book.entries_in_force
        for stratum, found in entry.certificates.items()
    ]


def limits(report: FitReport) -> list[tuple[str, str]]:
    """What is not promised: a few words each, and a sentence or two.

    Parameters
    ----------
    report : FitReport
        Of a fitted corrector.

    Returns
    -------
    list of (str, str)

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from rarecorrect import ErrorCorrector
    >>> X, y = np.arange(1000.0)[:, None], np.arange(1000) > 980
    >>> model = DummyClassifier().fit([[0.0]], [False])
    >>> report = ErrorCorrector(model, random_state=0).fit(X, y).report_
    >>> [words for words, _ in limits(report)][:3]
    ['No other time', 'No single case', 'No gain']
    """
    found = [
        (
            "No other time",
            "It speaks of cases like those that it was tested on. When the world "
            "changes, more right decisions can be changed than is said here: test "
            "again on the latest cases whose outcome is known.",
        ),
        ("No single case", _not_single(report)),
        (
            "No gain",
            "How many errors will be repaired is an estimate, not a promise.",
        ),
        (
            "Not on cases that were used",
            "It is void if the model in service was trained on the cases of the test, "
            "or if their outcome was looked at to choose the correction.",
        ),
        ("No certainty", "The test itself may be wrong, as often as is said above."),
    ]
    if any(c.unit == "rows" for c in report.certificates):
        found.append(
            (
                "Cases that hang together",
                "Cases are taken to be independent of each other. Several of one "
                "customer are not, unless the test was told so.",
            )
        )
    return found + _assumptions(report)


def promised_damage(report: FitReport, stratum: Hashable = None) -> float:
    """Largest share of right decisions that may be changed, as certified.

    Parameters
    ----------
    report : FitReport
    stratum : label or None, default=None
        Class or segment; None: the whole, which is promised what the worst class or
        segment is.

    Returns
    -------
    float
        NaN where nothing is promised; 0 where nothing is changed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from rarecorrect import ErrorCorrector
    >>> X, y = np.arange(1000.0)[:, None], np.arange(1000) > 980
    >>> model = DummyClassifier().fit([[0.0]], [False])
    >>> report = ErrorCorrector(model, random_state=0).fit(X, y).report_
    >>> promised_damage(report), promised_damage(report, "some class")
    (0.01, nan)
    """
    entry = report.book.entry("damage")
    if entry is None or not report.book.certified or is_disabled():
        return math.nan
    held = entry.certificates
    if stratum is None and None not in held:
        return max(_damage(c, report) for c in held.values())
    found = held.get(stratum)
    return math.nan if found is None else _damage(found, report)


def actions_of(book: RuleBook) -> set[str]:
    """What rules in service do.

    Parameters
    ----------
    book : RuleBook

    Returns
    -------
    set of str
        ``"relabel"``, ``"flag"``, both or none.

    Examples
    --------
    >>> actions_of(RuleBook())
    set()
    """
    return {rule.action for rule in book.active}


def deed(actions: Container[str], flagged: str = "flagged") -> str:
    """What is done to a decision, in a word; ``"changed"`` where nothing is.

    Parameters
    ----------
    actions : container of str
        See :func:`actions_of`.
    flagged : str, default="flagged"
        The word for a flag.

    Returns
    -------
    str

    Examples
    --------
    >>> deed({"flag", "relabel"}, flagged="sent to review")
    'changed or sent to review'
    """
    words = {"relabel": "changed", "flag": flagged}
    done = [word for action, word in words.items() if action in actions]
    return " or ".join(done) or "changed"


def percent(share: float, digits: int = 3) -> str:
    """A share as a percentage with so many digits that count.

    Parameters
    ----------
    share : float
    digits : int, default=3

    Returns
    -------
    str
        A dash where it is NaN.

    Examples
    --------
    >>> percent(0.25), percent(0.000712, 2), percent(float("nan"))
    ('25 %', '0.071 %', '-')
    """
    return "-" if math.isnan(share) else f"{100 * share:.{digits}g} %"


def _damage(found: Certificate, report: FitReport) -> float:
    """A share of what was counted as a share of right decisions."""
    if not found.certified:
        return 0.0  # no threshold, so the legacy answer is kept
    if found.population.startswith("traffic"):
        return found.max_damage / (report.terms.legacy_accuracy or 1.0)
    return found.max_damage / (1 - report.terms.contamination)


def _sentence(found: Certificate, stratum: Hashable, per: str | None, does: str) -> str:
    share = f"{percent(found.max_damage, 4)}{_one_in(found.max_damage)}"
    tested = f"{found.n_calibration:,}"
    if found.unit == "days":
        said = (
            f"At most {share} of days like the {tested} that it was tested on have "
            f"{found.population}"
        )
    else:
        like = "cases" if found.unit == "rows" else f"cases of {found.unit}"
        said = (
            f"Of {_whose(found, stratum, per)}, the correction {does} at most {share}, "
            f"for {like} like the {tested} that it was tested on"
        )
    wrong = _in_hundred(1 - _level(found))
    return f"{said}; a test of this kind is wrong about that at most {wrong}."


def _whose(found: Certificate, stratum: Hashable, per: str | None) -> str:
    if found.population.startswith("traffic"):
        return "all cases"
    right = "gets right"
    if found.population.startswith("decisions taken for right"):
        right = "is taken to get right"
    where = "" if stratum is None else f" “{stratum}”"
    if per == "segment" and where:
        return f"the decisions in{where} that the model in service {right}"
    return f"the decisions{where} that the model in service {right}"


def _verb(report: FitReport) -> str:
    actions = actions_of(report.book)
    if actions == {"flag"}:
        return "sends to review"
    return "changes or sends to review" if len(actions) > 1 else "changes"


def _level(found: Certificate) -> float:
    """Confidence in all: error probabilities of a bound and of its number add up."""
    return found.confidence_level - (1 - found.n_confidence)


def _one_in(share: float) -> str:
    n = 1 / share
    return f" (1 in {round(n):,})" if n > 1.5 and abs(n - round(n)) < 1e-6 * n else ""


def _in_hundred(share: float) -> str:
    """How often, rounded up: who promises says rather too much than too little."""
    of = 100 if share > 0.01 - 1e-9 else 1000
    return f"{math.ceil(10 * of * share - 1e-6) / 10:g} times in {of:,}"


def _not_single(report: FitReport) -> str:
    within = {None: "all cases", "class": "each class", "segment": "each segment"}
    smaller = {
        None: "One class or one group of customers can lose more.",
        "class": "A part of a class can lose more.",
        "segment": "A part of a segment can lose more.",
    }
    return (
        f"It is a share over {within[report.per]}, and says nothing of one decision or "
        f"one person. {smaller[report.per]}"
    )


def _assumptions(report: FitReport) -> list[tuple[str, str]]:
    """What certificates take for granted, in their own words."""
    found: list[tuple[str, str]] = []
    if math.isnan(promised := promised_damage(report)):
        return found  # without a promise nothing is taken for granted
    worst = percent(promised)
    if_so = f"if it is so, at most {worst} of right decisions are changed."
    terms, populations = report.terms, {c.population for c in report.certificates}
    if terms.contamination and any("assumed" in words for words in populations):
        found.append(
            (
                "Hidden errors are an assumption",
                f"Up to {percent(terms.contamination)} of the decisions taken for "
                "right are assumed to be errors that nobody has found yet. Nobody has "
                f"tested that; {if_so}",
            )
        )
    if terms.legacy_accuracy and any("accuracy" in words for words in populations):
        found.append(
            (
                "The accuracy is an assumption",
                "That the model in service is right in at least "
                f"{percent(terms.legacy_accuracy)} of all cases was said, not tested; "
                f"{if_so}",
            )
        )
    return found
