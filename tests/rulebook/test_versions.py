"""Any verbs and their undos: nothing is lost, nothing shared is touched."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rarecorrect.background import Background
from rarecorrect.rulebook import RuleBook

from .helpers import (
    CALIBRATION,
    LABELS,
    Z,
    assert_same_decisions,
    book_of,
    certify,
    changed,
    make_rule,
    two_rules,
)

BACKGROUND = Background.from_rows(Z, LABELS, np.arange(len(Z)))
PAST, FUTURE = "2020-01-01", "2999-01-01"
NAMES = ("extend", "add", "remove", "state", "approve", "expire", "merge", "disable")
VERBS = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "certify", "under"]),
        st.integers(0, 5),
        st.sampled_from(["draft", "shadow", "active", "retired"]),
    ),
    max_size=8,
)


def start():
    """A certified book that can learn."""
    return certify(RuleBook(background=BACKGROUND).extend(*two_rules()))


def act(book, verb, number, state, step):
    """One edit, whatever the book holds."""
    if verb == "extend" or not book.rules:
        rule = make_rule(f"new {step}", to=number % 3, seed=number, state=state)
        return book.extend(rule)
    name = book.rules[number % len(book)].name
    match verb:
        case "add":
            error = np.random.default_rng(step).normal(size=(1 + number, 3)) + 4
            labels = np.full(1 + number, number % 2)
            y = np.full(1 + number, 2)
            return book.add(error, y, legacy_labels=labels, state=state)
        case "remove":
            return book.remove(name)
        case "state":
            return book.with_state(name, state)
        case "approve":
            return book.with_state(name, "draft").approve(name, by="b")
        case "expire":
            return book.with_expiry(name, [PAST, FUTURE, ""][number % 3])
        case "merge":
            other = book_of(make_rule(f"merged {step}", seed=number), mark="other")
            return book.merge(other)
        case "disable":
            return book.disable_all()
        case "under":
            return book.under(book.budgets, ["", "elsewhere"][number % 2])
        case _:
            rows = CALIBRATION[: 200 * (number + 1)]
            return certify(book, rows=rows, mark=str(number))


def walk(verbs):
    """Books before and after each verb; approving a rule that expired is refused."""
    books = [start()]
    for step, verb in enumerate(verbs):
        try:
            books.append(act(books[-1], *verb, step))
        except ValueError as error:
            assert "is retired" in str(error) or "knows no right" in str(error)
    return books


def same(one, other):
    """The same version, but for the ledger and what was undone."""
    assert one.rules == other.rules  # the same objects: rules have no other equality
    assert one.current == other.current
    assert one.history == other.history
    assert one.certificate_name == other.certificate_name
    assert_same_decisions(one, other)
    return True


@given(VERBS)
def test_any_verbs_and_their_undos_give_back_the_very_book(verbs):
    books = walk(verbs)
    first, last = books[0], books[-1]
    n = len(last.earlier) - len(first.earlier)
    back = last
    seen = {len(book.earlier): book for book in books}
    for depth in range(len(last.earlier), len(last.earlier) - n - 1, -1):
        if depth in seen:
            book = seen[depth]
            assert back.rules == book.rules
            assert back.history == book.history
            assert_same_decisions(back.under(book.budgets, book.origin), book)
        assert len(back.entries) == len(last.entries)  # what is spent stays spent
        back = back.undo() if depth > len(last.earlier) - n else back
    assert same(back.under(first.budgets, first.origin), first)
    for _ in range(n):
        back = back.redo()
    assert back.rules == last.rules
    assert back.history == last.history
    assert_same_decisions(back.under(last.budgets, last.origin), last)


@given(VERBS)
def test_to_undo_and_redo_is_to_do_nothing(verbs):
    for book in walk(verbs):
        if book.earlier and not book.later:
            again = book.undo().redo()
            assert again.rules == book.rules
            assert again.earlier[:-1] == book.earlier[:-1]
            assert again.later == ()
            assert again.entries == book.entries
            assert again.event is book.event


@given(VERBS)
def test_the_ledger_never_shrinks(verbs):
    books = walk(verbs)
    for before, after in pairwise(books):
        assert after.entries[: len(before.entries)] == before.entries
    undone = books[-1]
    while undone.earlier:
        undone = undone.undo()
        assert undone.entries == books[-1].entries


@given(VERBS)
def test_a_certificate_is_in_force_where_it_covers_all_that_is_active(verbs):
    for book in walk(verbs):
        covered = [e for e in book.current if book.identities <= e.covered]
        assert book.entry("damage") in (covered or [None])
        assert (book.threshold() < np.inf) == any(e.certifies for e in covered)
        if changed(book):
            assert book.identities <= book.entry("damage").covered


@given(VERBS)
def test_adding_never_touches_the_other_rules(verbs):
    book = walk(verbs)[-1].under(("damage",), "")
    more = book.add([[9.0, 9.0, 9.0]], [2], legacy_labels=[0])
    assert len(more) == len(book) + 1
    for before, after in zip(book, more, strict=False):
        assert after is before
    assert more.background is book.background
    assert more.undo().rules is book.rules


def test_an_edit_forgets_what_was_undone():
    book = book_of(*two_rules()).disable_all()
    assert book.undo().redo().n_active == 0
    with pytest.raises(ValueError, match="nothing to redo"):
        book.undo().with_state("a", "shadow").redo()
    with pytest.raises(ValueError, match="nothing to redo"):
        book.redo()


def test_what_is_spent_between_stays_spent_after_redo():
    book = book_of(*two_rules()).disable_all()
    back = book.undo()
    assert len(back.redo().entries) == len(book.entries)
    other = certify(back, mark="fresh").undo()
    assert len(other.entries) == len(book.entries) + 1


def test_history_names_every_event():
    book = book_of(*two_rules()).with_state("a", "shadow", author="ann")
    book = book.remove("b").disable_all()
    assert [event.what for event in book.history] == [
        "empty",
        "add a, b",
        "certify",
        "shadow a",
        "remove b",
        "disable all",
    ]
    assert [event.n_active for event in book.history] == [0, 2, 2, 1, 0, 0]
    assert [event.n_rules for event in book.history] == [0, 2, 2, 2, 1, 1]
    assert book.history[3].author == "ann"
    held = [event.certificate is not None for event in book.history]
    assert held == [False, False, True, True, False, False]
    assert book.history[2].certificate == book.entries[0].name
    assert book.undo().history == book.history[:-1]
    assert "shadow a by ann: 1 of 2 rules active, certificate" in str(book.history[3])


def test_history_keeps_what_was_true_then():
    book = book_of(*two_rules()).with_expiry("a", FUTURE).with_expiry("b", PAST)
    assert [event.n_active for event in book.history[-2:]] == [2, 1]


def test_books_share_what_they_have_in_common():
    book = book_of(*two_rules())
    other = book.with_state("a", "shadow")
    assert other["a"].coef is book["a"].coef
    assert other["b"] is book["b"]
    assert book["a"].state == "active"
    with pytest.raises(AttributeError):
        book.rules = ()


def test_a_book_survives_pickling():
    book = book_of(*two_rules()).remove("a")
    again = pickle.loads(pickle.dumps(book))
    assert_same_decisions(again, book)
    assert_same_decisions(again.undo(), book.undo())
    assert changed(again.undo())
    assert again.history == book.history


def test_thousands_of_versions_are_pickled_copied_and_undone():
    first = many = book_of(*two_rules())
    for step in range(3000):
        many = many.with_state("a", "shadow" if step % 2 else "active")
    assert len(many.history) == len(first.history) + 3000
    in_bytes = pickle.dumps(many)
    assert len(in_bytes) - len(pickle.dumps(first)) < 3000 * 400
    for again in (pickle.loads(in_bytes), copy.deepcopy(many)):
        assert again.history == many.history
        for _ in range(3000):
            again = again.undo()
        assert_same_decisions(again, first)
