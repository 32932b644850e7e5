"""RuleBook: immutable, exact to undo, and never more in force than was certified."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from rarecorrect.certify import certified_threshold
from rarecorrect.cross_fitting import detector_score, linear_form
from rarecorrect.ledger import LedgerEntry
from rarecorrect.rule import Rule, effective
from rarecorrect.rulebook import RuleBook
from rarecorrect.tail_scale import TailScale

from .helpers import (
    CALIBRATION,
    CALIBRATION_LABELS,
    LABELS,
    Z,
    assert_same_decisions,
    book_of,
    certify,
    changed,
    make_rule,
    two_rules,
)

# --- what a rule does -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"to": 1}, [True, False, True]),
        ({"to": 1, "from_labels": (0,)}, [True, False, False]),
        ({"to": 1, "from_labels": (1,)}, [False, False, False]),
        ({"to": 9, "from_labels": (0, 2)}, [True, False, True]),
        ({"to": 1, "action": "flag"}, [True, True, True]),
        ({"to": 1, "action": "flag", "from_labels": (1,)}, [False, True, False]),
    ],
)
def test_where_a_rule_is_effective(options, expected):
    rule = make_rule("a", **options)
    assert rule.effective(np.array([0, 1, 2])).tolist() == expected


@pytest.mark.parametrize("dtype", ["<U5", object])
def test_labels_may_be_strings_of_any_dtype(dtype):
    labels = np.array(["ok", "fraud", "ok"], dtype=dtype)
    assert effective(labels, ("ok",), "fraud", "relabel").tolist() == [
        True,
        False,
        True,
    ]
    assert effective(labels, None, "new", "relabel").all()


def test_the_largest_effective_score_wins():
    rules = (*two_rules(), make_rule("c", to=0, seed=3, from_labels=(2,)))
    found = RuleBook(rules).decide(Z, LABELS)
    scaled = np.column_stack([r.scaled(Z @ r.coef + r.intercept) for r in rules])
    for i, rule in enumerate(rules):
        scaled[~rule.effective(LABELS), i] = -np.inf
    assert_allclose(found.score, scaled.max(axis=1))
    speaks = np.isfinite(found.score)
    assert_array_equal(found.winner[speaks], scaled[speaks].argmax(axis=1))
    assert (found.winner[~speaks] == -1).all()


def test_a_rule_that_is_not_effective_suppresses_no_other():
    loud = make_rule("loud", to=1, log_share=100.0)
    quiet = make_rule("quiet", to=2, seed=2, from_labels=(1,))
    book = RuleBook((loud, quiet))
    ones = np.ones(600, dtype=int)
    assert (book.decide(Z, ones).winner == 1).all()


def test_a_rule_is_mute_below_its_worth():
    plain = make_rule("a")
    scaled = plain.scaled(plain.score(Z))
    middle = float(np.median(scaled))
    found = RuleBook((make_rule("a", worth=middle),)).decide(Z, LABELS)
    speaks = (scaled > middle) & (LABELS != 1)
    assert_array_equal(np.isfinite(found.score), speaks)
    assert_allclose(found.score[speaks], scaled[speaks])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_never_changed(value):
    tree = DecisionTreeClassifier(random_state=0).fit(Z, Z[:, 0] > 1)
    scale = TailScale.from_scores(detector_score(tree, CALIBRATION))
    book = book_of(*two_rules(), Rule("tree", 0, tree, scale), max_damage=0.3)
    strange = Z.copy()
    strange[::7, 1] = value
    found = book.decide(strange, LABELS)
    rows = book.fires(strange, LABELS)[0]
    assert np.isneginf(found.score[::7]).all()
    assert not set(rows) & set(range(0, 600, 7))
    others = np.setdiff1d(np.arange(600), np.arange(0, 600, 7))
    assert_allclose(found.score[others], book.decide(Z, LABELS).score[others])


@given(
    shares=st.lists(st.floats(-5, 5), min_size=1, max_size=4),
    max_damage=st.sampled_from([0.01, 0.05, 0.3, 0.9]),
    by_label=st.booleans(),
    from_one=st.booleans(),
)
def test_comparing_raw_scores_first_changes_nothing(
    shares, max_damage, by_label, from_one
):
    rules = [
        make_rule(
            str(i),
            to=i % 3,
            seed=i,
            log_share=share,
            from_labels=(0,) if from_one else None,
        )
        for i, share in enumerate(shares)
    ]
    strata = CALIBRATION_LABELS if by_label else None
    book = book_of(*rules, max_damage=max_damage, strata=strata)
    mine = LABELS if by_label else None
    found = book.decide(Z, LABELS, mine)
    rows, winner = book.fires(Z, LABELS, mine)
    assert_array_equal(rows, np.flatnonzero(found.fires))
    assert_array_equal(winner, found.winner[found.fires])


# --- certificates ---------------------------------------------------------------------


def test_a_certified_book_keeps_its_promise_on_the_rows_it_was_calibrated_on():
    book = book_of(*two_rules())
    rows, _ = book.fires(CALIBRATION, CALIBRATION_LABELS)
    certificate = book.certificate()
    assert rows.size == certificate.n_exceeding <= certificate.n_allowed
    assert_allclose(certificate.confidence_level, 0.96)


@pytest.mark.parametrize(
    "verb",
    [
        lambda b: b.remove("a"),
        lambda b: b.with_state("a", "retired"),
        lambda b: b.with_state("a", "shadow"),
        lambda b: b.extend(make_rule("c", state="draft")),
        lambda b: b.extend(make_rule("c", state="shadow")).with_state("c", "retired"),
    ],
)
def test_taking_rules_out_of_service_keeps_the_certificate(verb):
    book = book_of(*two_rules())
    less = verb(book)
    assert less.certified
    assert less.certificate() is book.certificate()
    assert less.threshold() == book.threshold()
    assert changed(less) <= changed(book)
    assert len(less.entries) == 1


@pytest.mark.parametrize(
    "verb",
    [
        lambda b: b.extend(make_rule("c")),
        lambda b: b.extend(make_rule("c", state="shadow")).with_state("c", "active"),
        lambda b: b.remove("a").extend(make_rule("a", to=2, seed=5)),
    ],
)
def test_a_rule_that_was_not_certified_turns_the_book_off(verb):
    book = book_of(*two_rules())
    more = verb(book)
    assert not more.certified
    assert more.threshold() == np.inf
    assert changed(more) == set()
    assert more.certificate() is None
    again = certify(more)
    assert again.certified
    assert changed(again)
    assert [e.delta for e in again.entries] == pytest.approx([0.04, 0.005])


KNOTS = np.linspace(-3, 3, 50)


@pytest.mark.parametrize(
    "change",
    [
        {"from_labels": None},
        {"from_labels": (0, 2)},
        {"to": 2},
        {"action": "flag"},
        {"log_share": 6.0},
        {"worth": 0.5},
        {"intercept": 5.0},
        {"coef": np.array([0.0, 0.0, 9.0])},
        {"coef": None, "detector": LogisticRegression().fit(Z, LABELS == 0)},
        {"scale": TailScale(KNOTS, KNOTS, 1.0, 1.0)},
        {"scale": TailScale(KNOTS, 2 * KNOTS, 1.0, 1.0)},
        {"scale": TailScale(2 * KNOTS, KNOTS, 1.0, 1.0)},
        {"scale": TailScale(KNOTS, KNOTS + 1.0, 2.0, 1.0)},
        {"scale": TailScale(KNOTS, KNOTS + 1.0, 1.0, 2.0)},
    ],
    ids=lambda change: " ".join(change),
)
def test_a_rule_that_decides_otherwise_is_another_rule(change):
    start = TailScale(KNOTS, KNOTS + 1.0, 1.0, 1.0)
    rule = replace(make_rule("a", seed=1, from_labels=(0,)), scale=start)
    book = book_of(rule)
    assert changed(book)
    altered = book.remove("a").extend(replace(rule, **change))
    assert not altered.certified
    assert changed(altered) == set()
    assert certify(altered, mark="fresh").certified


@pytest.mark.parametrize(
    "change",
    [
        {"note": "seen by two", "author": "me", "created": "today", "name": "b"},
        {"state": "active", "n_errors": 7, "case_ids": (1, 2)},
        {"to": np.int64(1), "from_labels": (np.int64(0),)},
        {"coef": make_rule("a", seed=1).coef.copy()},
    ],
    ids=lambda change: " ".join(change),
)
def test_words_about_a_rule_are_free(change):
    rule = make_rule("a", seed=1, from_labels=(0,))
    book = book_of(rule)
    same = book.remove("a").extend(replace(rule, **change))
    assert same.certified
    assert_same_decisions(same, book)


def test_a_rule_from_a_file_is_the_same_rule():
    rule = make_rule("a", seed=1, from_labels=(0,))
    book = book_of(rule)
    again = book.remove("a").extend(pickle.loads(pickle.dumps(rule)))
    assert again.certified
    assert_same_decisions(again, book)


def test_certificates_hold_where_they_were_made_and_nowhere_else():
    book = certify(RuleBook(origin="here").extend(*two_rules()))
    moved = book.under(book.budgets, "there")
    assert not moved.certified
    assert moved.certificate() is None
    assert changed(moved) == set()
    assert_same_decisions(moved.under(book.budgets, "here"), book)
    both = certify(moved, max_damage=0.3, mark="there")
    assert both.certified
    assert not both.under(book.budgets, "here").certified
    assert [e.delta for e in both.entries] == pytest.approx([0.04, 0.04])


def test_other_terms_are_no_version():
    book = book_of(*two_rules())
    stricter = book.under(("damage", "alerts"), book.origin)
    assert not stricter.certified
    assert changed(stricter) == set()
    assert stricter.history == book.history
    assert_same_decisions(stricter.under(book.budgets, book.origin), book)


def test_a_rule_comes_back_into_service_under_its_certificate():
    book = book_of(*two_rules())
    back = book.with_state("a", "retired").with_state("a", "active")
    assert_same_decisions(back, book)


def test_rules_that_never_act_leave_certificate_and_predictions_as_they_are():
    book = book_of(*two_rules())
    idle = [
        make_rule("never predicted", to=0, seed=7, from_labels=(99,), log_share=50.0),
        make_rule("already so", to=2, seed=8, from_labels=(2,), log_share=50.0),
        make_rule("mute", seed=9, worth=np.inf),
    ]
    more = book_of(*two_rules(), *idle)
    assert more.certificate() == book.certificate()
    assert_same_decisions(more, book)


def test_one_threshold_bounds_all_rules_together():
    rules = [make_rule(str(i), to=i % 3, seed=i) for i in range(6)]
    book = book_of(*rules, max_damage=0.02)
    rows, _ = book.fires(CALIBRATION, CALIBRATION_LABELS)
    assert rows.size <= book.certificate().n_allowed


def test_strata_have_thresholds_of_their_own_and_unknown_ones_none():
    book = book_of(*two_rules(), strata=CALIBRATION_LABELS)
    assert book.threshold(0) != book.threshold(1)
    found = book.decide(Z, LABELS, LABELS)
    assert_array_equal(found.threshold, [book.threshold(s) for s in LABELS.tolist()])
    unknown = np.full(600, 77)
    assert changed(book, unknown) == set()
    assert changed(book, LABELS)


def alerts(book, threshold):
    found = certified_threshold([threshold] * 1000, 0.1)
    covered = frozenset(book.identities)
    return LedgerEntry("alerts", {None: found}, covered, "traffic", 0.05)


def test_of_several_budgets_the_strictest_counts():
    book = certify(RuleBook(budgets=("damage", "alerts")).extend(*two_rules()))
    assert not book.certified
    assert book.threshold() == np.inf  # one budget is missing
    loose, strict = (book.certified_by(alerts(book, t)) for t in (-50.0, 50.0))
    assert loose.threshold() == book.entry("damage").certificates[None].threshold
    assert strict.threshold() == pytest.approx(50.0, abs=1e-3)
    assert loose.certified
    assert strict.certified


def test_a_budget_without_strata_holds_in_every_stratum():
    book = RuleBook(budgets=("damage", "alerts")).extend(*two_rules())
    book = certify(book, strata=CALIBRATION_LABELS)
    both = book.certified_by(alerts(book, 50.0))
    assert all(both.threshold(s) == pytest.approx(50.0, abs=1e-3) for s in range(3))


def test_a_new_certificate_takes_the_place_of_the_old_one():
    book = book_of(*two_rules(), max_damage=0.05)
    wider = certify(book, max_damage=0.3, mark="fresh")
    assert wider.threshold() < book.threshold()
    assert len(wider.entries) == 2
    assert_same_decisions(wider.undo(), book)


def test_shadow_rules_are_watched_and_change_nothing():
    book = book_of(*two_rules())
    shadowed = book.with_state("a", "shadow")
    rules, found = shadowed.decide_in_shadow(Z, LABELS)
    assert [rule.name for rule in rules] == ["a"]
    assert set(np.flatnonzero(found.fires)) >= changed(book) - changed(shadowed)
    assert not changed(shadowed) - changed(book)


def test_no_rules_change_nothing():
    for book in (RuleBook(), certify(RuleBook()), book_of(*two_rules()).disable_all()):
        assert changed(book) == set()
        assert not book.certified
        assert np.isneginf(book.decide(Z, LABELS).score).all()


# --- detectors ------------------------------------------------------------------------


def test_a_linear_detector_is_folded_only_if_its_scores_are_linear():
    y = Z[:, 0] > 0
    model = LogisticRegression().fit(Z, y)
    coef, intercept = linear_form(model, Z)
    assert_allclose(Z @ coef + intercept, model.decision_function(Z))

    class Curved(LogisticRegression):
        def decision_function(self, rows):
            return super().decision_function(rows) ** 3

    assert linear_form(Curved().fit(Z, y), Z)[0] is None
    assert linear_form(DecisionTreeClassifier().fit(Z, y), Z)[0] is None


def test_probabilities_serve_as_scores_where_there_is_nothing_else():
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(Z, Z[:, 0] > 0.5)
    p = tree.predict_proba(Z)[:, 1]
    scores = detector_score(tree, Z)
    assert np.isfinite(scores).all()
    assert (np.sign(np.diff(scores)) == np.sign(np.diff(p))).all()


def test_a_detector_without_a_score_is_named():
    class Odd:
        pass

    with pytest.raises(ValueError, match="detector Odd has neither"):
        detector_score(Odd(), Z)


# --- wrong input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda b: b.extend(make_rule("a")), ValueError, r"unique, got \['a'\]"),
        (lambda b: b.remove("z"), KeyError, r"no rule 'z'; there are \['a', 'b'\]"),
        (lambda b: b.with_state("z", "active"), KeyError, "no rule 'z'"),
        (lambda b: b.with_state("a", "on"), ValueError, "draft.*retired, got 'on'"),
        (lambda b: make_rule("c", action="drop"), ValueError, "got 'drop'"),
        (
            lambda b: make_rule("to \udcff"),
            ValueError,
            r"'\\udcff' is half a character",
        ),
        (lambda b: RuleBook().undo(), ValueError, "nothing to undo"),
        (lambda b: RuleBook(budgets=()), ValueError, r"one or both of .*, got \(\)"),
        (lambda b: RuleBook(budgets=("x",)), ValueError, r"alerts'\), got \('x',\)"),
        (lambda b: b.under((), ""), ValueError, "without a budget nothing"),
    ],
)
def test_wrong_verbs_are_quoted(call, error, message):
    with pytest.raises(error, match=message):
        call(book_of(*two_rules()))
