"""Who put a rule into service, until when, and what that changed."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pytest

from rarecorrect import clock
from rarecorrect.rulebook import RuleBook

from .helpers import (
    CALIBRATION,
    CALIBRATION_LABELS,
    LABELS,
    Z,
    assert_same_decisions,
    book_of,
    changed,
    make_rule,
    two_rules,
)


@pytest.fixture
def day(monkeypatch):
    """Set the date."""

    def set_to(date):
        monkeypatch.setattr(clock, "now", lambda: f"{date}T23:59:59+00:00")

    return set_to


# --- approval -------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["draft", "shadow"])
def test_a_rule_that_was_approved_is_active_and_says_by_whom(state):
    book = book_of(make_rule("a", author="ann", state=state)).approve("a", by="bob")
    assert (book["a"].state, book["a"].approver) == ("active", "bob")
    assert (book.event.what, book.event.author) == ("approve a", "bob")
    assert not book.certified  # it was not certified as a draft


def test_a_certificate_made_before_covers_what_is_approved_after():
    book = book_of(*two_rules())
    back = book.with_state("a", "draft").approve("a", by="bob")
    assert_same_decisions(back, book)
    assert back.certificate() is book.certificate()


@pytest.mark.parametrize(
    ("rule", "by", "message"),
    [
        ({"state": "draft", "author": "ann"}, "ann", "'ann' is the author of rule 'a'"),
        ({"state": "draft", "author": "ann"}, " Ann ", "let somebody else approve"),
        ({"state": "draft", "author": "ann"}, "", "by='' is nobody"),
        ({"state": "shadow"}, "  ", "is nobody"),
        ({"state": "active"}, "bob", "rule 'a' is active, and only draft or shadow"),
        ({"state": "retired"}, "bob", "rule 'a' is retired"),
        ({"state": "draft", "expires": "2020-01-01"}, "bob", "retired.*with_expiry"),
    ],
)
def test_an_approval_needs_four_eyes_and_a_rule_that_waits(rule, by, message):
    with pytest.raises(ValueError, match=message):
        RuleBook((make_rule("a", **rule),)).approve("a", by=by)


# --- expiry ---------------------------------------------------------------------------


def test_a_rule_expires_by_itself_on_the_day_after(day):
    book = book_of(*two_rules()).with_expiry("a", "2026-03-31")
    day("2026-03-31")
    both = changed(book)
    assert [rule.name for rule in book.active] == ["a", "b"]
    day("2026-04-01")  # the very book, that was asked before
    assert [rule.name for rule in book.active] == ["b"]
    assert changed(book) < both
    assert changed(book) == changed(book.with_state("a", "retired"))
    assert book.certified  # less is in service than was certified


def test_a_shadow_rule_expires_too(day):
    book = book_of(*two_rules()).with_state("a", "shadow")
    book = book.with_expiry("a", dt.date(2026, 3, 31))
    for date, n in (("2026-03-31", 1), ("2026-04-01", 0)):
        day(date)
        assert len(book.decide_in_shadow(Z, LABELS)[0]) == n


def test_a_rule_may_be_kept_after_all(day):
    day("2026-04-01")
    book = book_of(*two_rules())
    late = book.with_expiry("a", "2026-03-31")
    assert late.n_active == 1
    assert_same_decisions(late.with_expiry("a", ""), book)


def test_a_rule_that_expires_in_the_middle_of_a_call_changes_no_other(monkeypatch):
    """A winner is a place in the whole book: it means the same rule afterwards."""
    book = book_of(*two_rules()).with_expiry("a", "2026-03-31")
    monkeypatch.setattr(clock, "now", lambda: "2026-03-31T23:59:59+00:00")
    rows, winner = book.fires(Z, LABELS)
    decided = book.decide(Z, LABELS).winner
    monkeypatch.setattr(clock, "now", lambda: "2026-04-01T00:00:00+00:00")
    assert {book.rules[i].name for i in winner} == {"a", "b"}
    after, left = book.fires(Z, LABELS)
    assert {book.rules[i].name for i in left} == {"b"}
    assert (decided[rows] == winner).all()
    assert (book.decide(Z, LABELS).winner[after] == left).all()


def test_winners_count_all_rules_whatever_their_state():
    a, b = two_rules()
    book = book_of(make_rule("idle", state="retired"), a, b)
    _, winner = book.fires(Z, LABELS)
    assert set(winner.tolist()) == {1, 2}
    found = book.decide(CALIBRATION, CALIBRATION_LABELS)
    assert set(found.winner.tolist()) <= {-1, 1, 2}


@pytest.mark.parametrize("date", ["soon", "2026-3-1", "20260331", "2026-02-30"])
def test_what_is_no_day_is_quoted(date):
    with pytest.raises(ValueError, match=f"a day like '2026-03-31'.*got '{date}'"):
        book_of(*two_rules()).with_expiry("a", date)


# --- what changed ---------------------------------------------------------------------


def test_a_difference_names_all_that_changed():
    a, b = two_rules()
    before = book_of(a, b)
    after = before.remove("b").with_state("a", "shadow").with_expiry("a", "2999-01-01")
    after = after.extend(make_rule("c", seed=3))
    found = before.diff(after)
    assert (found.added, found.removed) == (("c",), ("b",))
    assert found.states == {"a": ("active", "shadow")}
    assert found.fields == {"a": {"expires": ("", "2999-01-01")}}
    assert found.thresholds == {None: (before.threshold(), None)}
    assert found.certificates == (before.entries[0].name, None)
    text = str(found).splitlines()
    assert text[:4] == [
        "+ c",
        "- b",
        "~ a: active -> shadow",
        "~ a: expires '' -> '2999-01-01'",
    ]
    assert text[4].endswith("-> off")
    assert text[5] == f"certificate: {before.entries[0].name} -> none"
    assert json.loads(json.dumps(found.to_dict()))["thresholds"]["None"][1] is None


def test_a_rule_that_decides_otherwise_has_another_digest():
    a, b = two_rules()
    before = book_of(a, b)
    louder = before.remove("b").extend(replace(b, intercept=9.0))
    assert set(before.diff(louder).fields["b"]) == {"digest"}


def test_the_difference_of_strata_is_told_by_stratum():
    before = book_of(*two_rules(), strata=CALIBRATION_LABELS)
    found = before.diff(before.extend(make_rule("c", seed=3)))
    assert set(found.thresholds) >= {0, 1, 2}
    assert found.thresholds[1] == (before.threshold(1), None)


def test_a_book_does_not_differ_from_itself():
    book = book_of(*two_rules())
    assert not book.diff(book)
    assert not book.diff(book.with_state("a", "draft").undo())
    assert str(book.diff(book)) == "no difference"
    assert book.diff(book.disable_all())


def test_what_is_at_stake_is_a_difference():
    book = book_of(*two_rules())
    found = book.diff(book.under(book.budgets, book.origin, 2))
    assert found and found.value == (None, 2)
    assert "at stake: nothing -> feature 2" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["value"] == [None, 2]


def test_a_certificate_alone_is_a_difference():
    book = book_of(*two_rules())
    other = replace(book, current=(replace(book.current[0], fingerprint="x"),))
    assert other.threshold() == book.threshold() < np.inf
    assert book.diff(other)
