"""Several rules with no-op rules among them, and the best of 20 candidates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from rarecorrect.certify import Certificate, certified_threshold
from rarecorrect.ledger import LedgerEntry, level_to_spend
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale
from simulation.trials import Case, Trial, bracket

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
DELTA = 1 - LEVEL

LABELS, LABEL_SHARES = np.array(["a", "b", "c"]), (0.5, 0.3, 0.2)
N_FEATURES = 8
N_FITTING = 300
N_FRESH = 500

N_CANDIDATES = 20
N_ERRORS = 2000
SHIFT_OF_ERRORS = 1.5


def cases() -> Iterator[Case]:
    """All cases of rule books and candidates."""
    for n, eps in ((100, 0.05), (300, 0.1), (1000, 0.02), (5000, 0.01)):
        once = partial(several_rules, n, eps)
        setting = "4 rules, 3 labels"
        yield Case("several rules", setting, n, eps, LEVEL, once, 300 * (n == 1000))
    for n, eps in ((300, 0.1), (1000, 0.05)):
        once = partial(candidates, n, eps)
        setting = f"best of {N_CANDIDATES}"
        yield Case("candidates", setting, n, eps, LEVEL, once, 300 * (n == 300))


def several_rules(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """One threshold for rules with different labels, weights, tails and actions."""
    book = RuleBook().extend(*_rules(rng))
    with_idle = RuleBook().extend(*_idle_rules(rng, "before"), *book)
    with_idle = with_idle.extend(*_idle_rules(rng, "after"))
    Z, labels = _rows(n, rng)
    book, found = _certified(book, Z, labels, eps)
    with_idle, also = _certified(with_idle, Z, labels, eps)
    damage = changed_share(book, found.threshold)
    allowed = bracket(found, reach=changed_share(book, -np.inf))
    yield Trial("one threshold", damage, damage > eps, allowed, found.n_allowed)
    same = found == also and _same_decisions(book, with_idle, rng)
    yield Trial("no-op rules change it", damage, not same, (0.0, 0.0), also.n_allowed)


def changed_share(book: RuleBook, threshold: float) -> float:
    """Exact share of rows changed by rules that look at one normal feature each."""
    kept = 0.0
    for label, share in zip(LABELS, LABEL_SHARES, strict=True):
        mute = 1.0
        for rule in book.active:
            if rule.effective(np.array([label]))[0]:
                mute *= norm.cdf(rule.raw_threshold(max(threshold, rule.worth)))
        kept += share * mute
    return float(1 - kept)


def candidates(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """20 detectors of equal quality; the one that catches most errors is taken."""
    scores = rng.normal(size=(N_CANDIDATES, n))
    looked_at = [certified_threshold(s, eps, LEVEL) for s in scores]
    yield _best("chosen by calibration results", looked_at, eps, rng, must_fail=True)

    through_ledger: list[Certificate] = []
    entries: tuple[LedgerEntry, ...] = ()
    for s in scores:
        level = level_to_spend(entries, "damage", "these rows", LEVEL, ledger=True)
        found = certified_threshold(s, eps, level)
        entry = LedgerEntry(
            "damage", {None: found}, frozenset(), "these rows", 1 - level
        )
        entries = (*entries, entry)
        through_ledger.append(found)
    yield _best("the same through the ledger", through_ledger, eps, rng)
    worst = max(float(norm.sf(c.threshold)) for c in through_ledger)
    yield Trial(
        "any of 20 in the ledger",
        worst,
        worst > eps,
        (0, DELTA),
        through_ledger[0].n_allowed,
    )

    on_fitting_rows = np.quantile(rng.normal(size=(N_CANDIDATES, n)), 1 - eps, axis=1)
    chosen = int(np.argmax(_caught(on_fitting_rows, rng)))
    found = certified_threshold(scores[chosen], eps, LEVEL)
    damage = float(norm.sf(found.threshold))
    yield Trial(
        "chosen on fitting rows", damage, damage > eps, bracket(found), found.n_allowed
    )


def _best(
    form: str,
    certificates: list[Certificate],
    eps: float,
    rng: np.random.Generator,
    *,
    must_fail: bool = False,
) -> Trial:
    thresholds = np.array([c.threshold for c in certificates])
    best = certificates[int(np.argmax(_caught(thresholds, rng)))]
    damage = float(norm.sf(best.threshold))
    allowed = (0, DELTA)
    return Trial(form, damage, damage > eps, allowed, best.n_allowed, must_fail)


def _caught(thresholds: FloatArray, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Errors that each candidate catches at its own threshold."""
    return np.asarray(rng.binomial(N_ERRORS, norm.sf(thresholds - SHIFT_OF_ERRORS)))


def _rows(n: int, rng: np.random.Generator) -> tuple[FloatArray, npt.NDArray[np.str_]]:
    return rng.normal(size=(n, N_FEATURES)), rng.choice(LABELS, n, p=LABEL_SHARES)


def _rules(rng: np.random.Generator) -> list[Rule]:
    return [
        _rule("b to a", "a", 0, rng, from_labels=("b",)),
        _rule("a to b", "b", 1, rng, from_labels=("a",), log_share=0.7),
        _rule("to c", "c", 2, rng, worth=2.0, log_share=-0.5),
        _rule("look at b", "b", 3, rng, from_labels=("b",), action="flag"),
    ]


def _idle_rules(rng: np.random.Generator, where: str) -> list[Rule]:
    """Rules that are never effective, with high scores."""
    return [
        _rule(f"{where}: b to b", "b", 4, rng, from_labels=("b",), log_share=5.0),
        _rule(f"{where}: never", "a", 5, rng, from_labels=("z",), log_share=9.0),
    ]


def _rule(
    name: str, to: str, column: int, rng: np.random.Generator, **options: Any
) -> Rule:
    """Score = one feature, so that a product with more columns keeps its last bits."""
    scale = TailScale.from_scores(rng.normal(size=N_FITTING))
    coef = np.eye(N_FEATURES)[column]
    return Rule(name, to, None, scale, identity=name, coef=coef, **options)


def _certified(
    book: RuleBook, Z: FloatArray, labels: npt.NDArray[np.str_], eps: float
) -> tuple[RuleBook, Certificate]:
    found = certified_threshold(book.decide(Z, labels).score, eps, LEVEL)
    entry = LedgerEntry(
        "damage", {None: found}, frozenset(book.identities), "rows", DELTA
    )
    return book.certified_by(entry), found


def _same_decisions(book: RuleBook, other: RuleBook, rng: np.random.Generator) -> bool:
    Z, labels = _rows(N_FRESH, rng)
    (rows, winner), (its_rows, its_winner) = (b.fires(Z, labels) for b in (book, other))
    names = [book.active[i].name for i in winner]
    its_names = [other.active[i].name for i in its_winner]
    return np.array_equal(rows, its_rows) and names == its_names
