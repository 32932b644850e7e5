"""Rules that can be read aloud, as a bank's rule engine would hold them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from rarecorrect.detectors import AutoDetector, IntervalDetector
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook


def sentences(
    rule: Rule, book: RuleBook, names: Sequence[str], *, per: str | None = None
) -> list[str]:
    """What an active rule does, one sentence for each class or segment it acts in.

    The conditions are rounded so that they never hold where the rule does not fire.
    Where another rule has the higher score, that one decides.

    Parameters
    ----------
    rule : Rule
    book : RuleBook
        The book that it stands in, with its certificates.
    names : sequence of str of length n_features
        What the features are called.
    per : {None, "class", "segment"}, default=None
        What thresholds differ by.

    Returns
    -------
    list of str
        Empty if the detector cannot be read, nothing is certified, or amounts move the
        threshold from row to row.

    Examples
    --------
    >>> from rarecorrect.certify import certified_threshold
    >>> from rarecorrect.detectors import IntervalDetector
    >>> from rarecorrect.ledger import LedgerEntry
    >>> from rarecorrect.tail_scale import TailScale
    >>> Z = np.append(np.arange(5000.0), [9000, 9001])[:, None]
    >>> box = IntervalDetector().fit(Z, Z[:, 0] >= 9000)
    >>> scores = box.decision_function(Z[:5000])
    >>> rule = Rule("to fraud", "fraud", box, TailScale.from_scores(scores), n_errors=2)
    >>> book = RuleBook().extend(rule)
    >>> found = {None: certified_threshold(rule.scaled(scores), 0.01)}
    >>> entry = LedgerEntry("damage", found, book.identities, "rows", 0.05, scores)
    >>> sentences(rule, book.certified_by(entry), ["amount"])[0].split(" [")[0]
    'IF amount > 4961.5 THEN fraud'
    """
    entry = book.entry(book.budgets[0])
    if entry is None or book.value is not None:
        return []
    if rule not in book.active or not _can_be_read(rule):
        return []
    return [
        f"IF {_when(rule, book, stratum, names, per)} THEN {_what(rule)} [learned from "
        f"{rule.n_errors} cases; {_promises(book, stratum)}]"
        for stratum in entry.certificates
        if book.threshold(stratum) < np.inf and _acts_in(rule, stratum, per)
    ]


def _can_be_read(rule: Rule) -> bool:
    ours = isinstance(rule.detector, IntervalDetector | AutoDetector)
    return ours and hasattr(rule.detector, "describe")


def _acts_in(rule: Rule, stratum: Hashable, per: str | None) -> bool:
    return per != "class" or bool(rule.effective(np.array([stratum]))[0])


def _when(
    rule: Rule, book: RuleBook, stratum: Hashable, names: Sequence[str], per: str | None
) -> str:
    cut = max(book.threshold(stratum), rule.worth)
    parts = [str(rule.detector.describe(rule.raw_threshold(cut), names))]
    if per == "class":
        parts.insert(0, f"legacy answer is {stratum}")
    elif rule.from_labels is not None:
        parts.insert(0, f"legacy answer is {' or '.join(map(str, rule.from_labels))}")
    if per == "segment":
        parts.insert(0, f"segment is {stratum}")
    return " and ".join(parts)


def _promises(book: RuleBook, stratum: Hashable) -> str:
    """Certificates of all budgets: of the book, so of all its rules together."""
    held = (entry.certificates for entry in book.entries_in_force)
    found = [str(of.get(stratum, of.get(None))) for of in held]
    together = "all rules together: " if book.n_active > 1 else ""
    return together + "; ".join(found)


def _what(rule: Rule) -> str:
    return f"{rule.to}" if rule.action == "relabel" else f"flag as {rule.to}"
