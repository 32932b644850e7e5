"""Books to test, the rows they see, and ways to compare them."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from rarecorrect.certify import certified_threshold, stratified_thresholds
from rarecorrect.ledger import LedgerEntry, level_to_spend
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(600, 3))
LABELS = RNG.integers(0, 3, size=600)
CALIBRATION = RNG.normal(size=(1000, 3))
CALIBRATION_LABELS = RNG.integers(0, 3, size=1000)


def make_rule(name, to=1, seed=0, **options):
    """A linear rule in a direction of its own."""
    coef = np.random.default_rng(seed).normal(size=3)
    scale = TailScale.from_scores(CALIBRATION @ coef + 0.1)
    return Rule(name, to, None, scale, coef=coef, intercept=0.1, **options)


def certify(book, max_damage=0.05, rows=CALIBRATION, strata=None, mark="rows"):
    """The book with a damage certificate from calibration rows, through the ledger."""
    labels = CALIBRATION_LABELS[: len(rows)]
    scores = book.decide(rows, labels, strata).score
    level = level_to_spend(book.entries, "damage", mark, 0.95, ledger=True)
    if strata is None:
        found = {None: certified_threshold(scores, max_damage, level)}
    else:
        found = stratified_thresholds(scores, strata, max_damage, level)
    covered = frozenset(book.identities)
    entry = LedgerEntry("damage", found, covered, mark, 1 - level, np.sort(scores))
    return book.certified_by(entry)


def book_of(*rules, **options):
    return certify(RuleBook().extend(*rules), **options)


def two_rules():
    return make_rule("a", to=1, seed=1), make_rule("b", to=2, seed=2)


def changed(book, strata=None):
    return set(book.fires(Z, LABELS, strata)[0].tolist())


def assert_same_decisions(one, other):
    a, b = one.decide(Z, LABELS), other.decide(Z, LABELS)
    assert_array_equal(a.winner, b.winner)
    assert a.score.tobytes() == b.score.tobytes()
    assert a.threshold.tobytes() == b.threshold.tobytes()
