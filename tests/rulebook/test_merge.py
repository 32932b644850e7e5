"""Two books in one: both ledgers, and no certificate that neither of them had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rarecorrect.rulebook import RuleBook

from .helpers import (
    CALIBRATION,
    CALIBRATION_LABELS,
    assert_same_decisions,
    book_of,
    certify,
    changed,
    make_rule,
    two_rules,
)


def test_books_certified_apart_are_not_certified_together():
    a, b = two_rules()
    both = book_of(a).merge(book_of(b))
    assert [rule.name for rule in both] == ["a", "b"]
    assert not both.certified
    assert changed(both) == set()
    assert certify(both, mark="fresh").certified


def test_the_reason_is_that_damages_add_up():
    """At its own threshold each keeps the budget; together they may not."""
    a, b = make_rule("a", to=7, seed=1), make_rule("b", to=8, seed=2)
    one, other = book_of(a), book_of(b)
    rows = [set(k.fires(CALIBRATION, CALIBRATION_LABELS)[0]) for k in (one, other)]
    allowed = one.certificate().n_allowed
    assert max(map(len, rows)) <= allowed < len(rows[0] | rows[1])


def test_a_certificate_stays_where_it_covers_all_that_is_active():
    book = book_of(*two_rules())
    less = book.remove("a")
    for both in (book.merge(less), less.merge(book)):
        assert {rule.name for rule in both} == {"a", "b"}
        assert both.certified
        assert changed(both) == changed(book)
    quiet = book.merge(book_of(make_rule("c", state="shadow")))
    assert quiet.certificate() is book.certificate()


def test_of_two_certificates_the_one_that_covers_all_stays():
    a, b = two_rules()
    one, whole = book_of(a, max_damage=0.3), book_of(a, b)
    for both in (one.merge(whole), whole.merge(one)):
        assert both.certificate() is whole.certificate()
        assert_same_decisions(both, whole)


def test_a_certificate_of_another_origin_does_not_come_along():
    a, b = two_rules()
    here = certify(RuleBook(origin="here").extend(a))
    there = certify(RuleBook(origin="there").extend(a, b))
    both = here.merge(there)
    assert both.origin == "here"
    assert not both.certified


def test_what_either_has_spent_is_spent_and_shared_entries_once():
    book = book_of(*two_rules())
    one, other = certify(book, mark="one"), certify(book, mark="other")
    both = one.merge(other)
    assert [entry.fingerprint for entry in both.entries] == ["rows", "one", "other"]
    again = certify(both, mark="other")
    assert again.entries[-1].delta == pytest.approx(0.005)


def test_the_same_rule_is_there_once_and_another_of_its_name_is_refused():
    a, b = two_rules()
    assert [r.name for r in book_of(a, b).merge(book_of(b))] == ["a", "b"]
    for other in (
        replace(a, intercept=9.0),
        a.with_state("retired"),
        replace(a, expires="2999-01-01"),
    ):
        with pytest.raises(ValueError, match="rule 'a' differs between the books"):
            book_of(a).merge(RuleBook((other,)))
    words = replace(a, note="seen by two")
    assert book_of(a).merge(RuleBook((words,)))["a"] is not words


def test_books_of_other_features_are_refused():
    one, two = (RuleBook(feature_names=names) for names in (("x", "y"), ("x", "z")))
    with pytest.raises(ValueError, match=r"'y' here and 'z' there in place 1; merge"):
        one.merge(two)
    with pytest.raises(ValueError, match=r"None here and 'y' there in place 1"):
        RuleBook(feature_names=("x",)).merge(one)
    assert one.merge(RuleBook()).feature_names == ("x", "y")
    assert RuleBook().merge(one).feature_names == ("x", "y")


def test_a_merge_is_undone_like_any_edit():
    a, b = two_rules()
    book = book_of(a)
    both = book.merge(book_of(b, mark="other"), author="ann")
    assert both.event.author == "ann"
    assert_same_decisions(both.undo(), book)
    assert len(both.undo().entries) == 2
    assert np.isfinite(both.undo().threshold())
