"""Budgets side by side: what the table counts, and what it promises at once."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

sys.path.insert(0, str(Path(__file__).parent))

from simulation.trials import Case, Trial, examine

from rarecorrect import ErrorCorrector
from rarecorrect.certify import Band, alert_threshold, certified_threshold
from rarecorrect.ledger import LedgerEntry
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale
from rarecorrect.trade_off import IN_FORCE, trade_off

LEFT_OUT = np.array([-1.0, 1.0, 2.0, 3.0])


def book_of(certificates, **changes):
    """One rule whose left-out errors are known, certified on any scores."""
    scale = TailScale.from_scores([0.0, 1.0])
    options = {"worth": -np.inf, "left_out": LEFT_OUT} | changes
    book = RuleBook((Rule("to 1", 1, None, scale, **options),))
    entry = LedgerEntry("damage", certificates, book.identities, "rows", 0.05)
    return book.certified_by(entry)


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).normal(size=4000)


def test_lines_are_counts_of_the_scores(scores):
    book = book_of({None: certified_threshold(scores, 0.01)})
    days = np.arange(4000) % 20
    table = trade_off(book, scores, days, changes_a_day=[1, 5], max_damage=[0.05])
    assert set(table["budget"]) == {"1/day", "5/day", "5 %", IN_FORCE}
    assert table["threshold"].is_monotonic_decreasing
    band, before = Band.of(scores), (0.0, 0.0)
    for row in table.itertuples():
        per_day = np.bincount(days[scores > row.threshold], minlength=20)
        assert row.changes_a_day == per_day.mean()
        assert row.most_changes == per_day.max()
        assert row.caught == np.mean(row.threshold < LEFT_OUT)
        assert row.damage_at_most == band.damage(row.threshold)
        gained = row.caught - before[1]
        np.testing.assert_allclose(
            row.one_more * (row.changes_a_day - before[0]), gained
        )
        before = row.changes_a_day, row.caught
    by = table.set_index("budget")
    assert by.loc["5/day", "changes_a_day"] == 5
    assert by.loc["5 %", "threshold"] == band.threshold(0.05)
    assert by.loc["5 %", "damage_at_most"] <= 0.05
    assert by.loc[IN_FORCE, "threshold"] == book.threshold()
    assert by.loc[IN_FORCE, "damage_at_most"] > 0.01  # the price of looking


def test_errors_below_the_worth_of_a_rule_are_not_caught(scores):
    book = book_of({None: certified_threshold(scores, 0.01)}, worth=1.5)
    table = trade_off(book, scores, np.zeros(4000), changes_a_day=[3000])
    assert table["caught"].iloc[-1] == 0.5
    assert table["damage_at_most"].iloc[-1] == 1  # so far down nothing is known


def test_each_class_has_lines_of_its_own(scores):
    found = {
        label: certified_threshold(scores[label::2], 0.01, 0.98) for label in (0, 1)
    }
    strata = np.array([0, 0, 0, 1])
    book = book_of(found, left_out_strata=strata)
    labels, days = np.arange(4000) % 2, np.arange(4000) // 200
    table = trade_off(book, scores, days, strata=labels, changes_a_day=[2])
    for label, part in table.groupby("stratum"):
        line = part.set_index("budget").loc["2/day"]
        assert line["changes_a_day"] == 2
        mine = LEFT_OUT[strata == label]
        assert line["caught"] == np.mean(mine > line["threshold"])
    with pytest.raises(ValueError, match="pass strata="):
        trade_off(book, scores, days)


def test_what_is_not_known_is_not_told(scores):
    certificate = certified_threshold(scores, 0.01)
    for unknown in ({"left_out": np.array([np.nan])}, {"left_out": np.empty(0)}):
        table = trade_off(book_of({None: certificate}, **unknown), scores, scores)
        assert table["caught"].isna().all() and table["one_more"].isna().all()
    weighed = replace(book_of({None: certificate}), value=0)
    with pytest.raises(ValueError, match="no damage certificate covers"):
        trade_off(weighed, scores, scores)
    few = trade_off(book_of({None: certified_threshold([1.0], 0.01)}), scores, scores)
    assert (few["damage_at_most"] == 1).all() and IN_FORCE not in set(few["budget"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": [0.0]}, "inconsistent numbers of samples"),
        ({"scores": [np.nan], "time": [0.0]}, "1 of 1 scores are NaN"),
        ({"changes_a_day": [0]}, "changes_a_day must be above 0, got 0"),
        ({"max_damage": [1.5]}, r"max_damage must lie in \(0, 1\), got 1.5"),
    ],
)
def test_bad_input_is_named(scores, change, words):
    book = book_of({None: certified_threshold(scores, 0.01)})
    given = {"scores": scores, "time": np.zeros(4000)} | change
    with pytest.raises(ValueError, match=words):
        trade_off(book, **given)


def test_rows_that_are_not_right_decisions_make_no_table(scores):
    traffic = alert_threshold(scores, 0.01, legacy_accuracy=0.9)
    with pytest.raises(ValueError, match="certified on traffic"):
        trade_off(book_of({None: traffic}), scores, scores)
    top = replace(certified_threshold(scores, 0.01), n_confidence=0.99)
    with pytest.raises(ValueError, match="labelled from the top"):
        trade_off(book_of({None: top}), scores, scores)


def test_a_fitted_corrector_has_a_table():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 2)), np.repeat([1, 0], [30, 3970])
    X[:30] += 3
    model = DummyClassifier().fit([[0.0, 0.0]], [0])
    corrector = ErrorCorrector(model, random_state=0, max_damage=0.01).fit(X, y)
    recent = rng.normal(size=(4000, 2))
    days = np.arange(4000) // 100
    trace = corrector.trace(recent)
    table = trade_off(corrector.rules_, trace["score"], days).set_index("budget")
    assert table.loc[IN_FORCE, "changes_a_day"] == trace["changed"].sum() / 40


def promises(n, rng):
    """Uniform scores: the damage of a threshold t is 1 - t.

    Lines are cut where the very rows that calibrate say so, which looking means.
    """
    scores = rng.random(n)
    book = book_of({None: certified_threshold(scores, 0.05)})
    table = trade_off(book, scores, np.arange(n) % 20, changes_a_day=[0.1, 0.5, 1, 5])
    damage = np.clip(1 - table["threshold"].to_numpy(), 0, 1)
    broken = bool((damage > table["damage_at_most"].to_numpy()).any())
    yield Trial("table", float(damage[-1]), broken, (0.0, 0.05), -1)
    alone = np.linspace(0.005, 0.15, 30)
    each = [1 - certified_threshold(scores, eps).threshold for eps in alone]
    broken = bool((np.array(each) > alone).any())
    yield Trial("alone", float(each[-1]), broken, (0.0, 0.05), -1, must_fail=True)


def test_all_lines_hold_at_once_and_single_certificates_do_not():
    case = Case(
        "table", "uniform", 1000, 0.05, 0.95, lambda rng: promises(1000, rng), 200
    )
    for finding in examine(case, case.quick):
        assert finding.as_expected, str(finding)
