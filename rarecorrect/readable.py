"""Rules that can be read aloud, as a bank's rule engine would hold them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook


def sentences(rule: Rule, book: RuleBook, names: Sequence[str]) -> list[str]:
    """What an active rule does, one sentence for each threshold in force.

    Parameters
    ----------
    rule : Rule
    book : RuleBook
        The book that it stands in, with its certificates.
    names : sequence of str of length n_features
        What the features are called.

    Returns
    -------
    list of str
        Empty if the detector cannot be read, or nothing is certified.

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
    >>> book = RuleBook().add(rule)
    >>> found = {None: certified_threshold(rule.scaled(scores), 0.01)}
    >>> entry = LedgerEntry("damage", found, book.identities, "rows", 0.05, scores)
    >>> sentences(rule, book.certified_by(entry), ["amount"])[0].split(" [")[0]
    'IF amount > 4961.5 THEN fraud'
    """
    entry = book.entry(book.budgets[0])
    if entry is None or rule not in book.active:
        return []
    if not hasattr(rule.detector, "describe"):
        return []
    return [
        f"IF {_when(rule, book, stratum, names)} THEN {_what(rule)} "
        f"[learned from {rule.n_errors} cases; {certificate}]"
        for stratum, certificate in entry.certificates.items()
        if book.threshold(stratum) < np.inf
    ]


def _when(rule: Rule, book: RuleBook, stratum: Hashable, names: Sequence[str]) -> str:
    cut = max(book.threshold(stratum), rule.worth)
    box = str(rule.detector.describe(rule.raw_threshold(cut), names))
    if rule.from_labels is None:
        return box
    return f"legacy answer is {' or '.join(map(str, rule.from_labels))} and {box}"


def _what(rule: Rule) -> str:
    return f"{rule.to}" if rule.action == "relabel" else f"flag as {rule.to}"
