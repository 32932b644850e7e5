"""One rule more, from moments: the rule that its rows would have given."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rarecorrect.background import Background, Reservoir
from rarecorrect.decisions import Decisions
from rarecorrect.detectors import FisherDetector
from rarecorrect.moments import Moments
from rarecorrect.new_rule import new_rule
from rarecorrect.row_mark import fingerprint_of_rows
from rarecorrect.rulebook import RuleBook

from .helpers import LABELS, Z, make_rule

ROWS, FAR = np.arange(len(Z)), np.array([4.0, 0.0, 4.0])
BACKGROUND = Background.from_rows(Z, LABELS, ROWS)
ERRORS = np.random.default_rng(3).normal(size=(12, 3)) + FAR
BOOK = RuleBook(background=BACKGROUND)


def added(n=12, *, to=2, legacy=0, book=BOOK, **options):
    """A book with a rule from the first errors."""
    legacy_labels = np.full(n, legacy)
    return book.add(ERRORS[:n], np.full(n, to), legacy_labels=legacy_labels, **options)


def taught(but=None):
    """The rows behind the moments: all that are not in the sample."""
    sampled = (Z[:, None, 0] == BACKGROUND.sample[None, :, 0]).any(axis=1)
    return Z[~sampled & ((-1 if but is None else but) != LABELS)]


# --- from moments ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 12])
def test_moments_give_the_detector_that_rows_give(n):
    rows = np.vstack([Z, ERRORS[:n]])
    fitted = FisherDetector().fit(rows, np.arange(len(rows)) >= len(Z))
    made = FisherDetector.from_moments(*map(Moments.from_rows, (Z, ERRORS[:n])))
    assert_allclose(made.coef_, fitted.coef_)
    assert_allclose(made.decision_function(rows), fitted.decision_function(rows))
    assert_array_equal(made.predict(rows), fitted.predict(rows))


def test_moments_know_a_feature_that_is_constant_among_right_decisions():
    flat = Z * [1.0, 1.0, 0.0]
    made = FisherDetector.from_moments(*map(Moments.from_rows, (flat, ERRORS[:1])))
    assert made.decision_function(ERRORS[:1])[0] > made.decision_function(flat).max()


@pytest.mark.parametrize("options", [{"n_clusters": 2}, {"sphere": True}])
def test_what_needs_rows_says_so(options):
    with pytest.raises(ValueError, match="need rows: use fit"):
        FisherDetector.from_moments(*map(Moments.from_rows, (Z, ERRORS)), **options)
    with pytest.raises(ValueError, match="class weights are 600 and 0"):
        FisherDetector.from_moments(Moments.from_rows(Z), Moments.empty(3))


# --- the rule -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 12])
@pytest.mark.parametrize(
    ("to", "action"), [(2, "relabel"), (9, "relabel"), (2, "flag")]
)
def test_a_rule_learns_from_the_rows_that_it_may_change(n, to, action):
    rule = added(n, to=to, action=action).rules[0]
    right = taught(to if action == "relabel" else None)
    rows = np.vstack([right, ERRORS[:n]])
    fitted = FisherDetector().fit(rows, np.arange(len(rows)) >= len(right))
    assert_allclose(rule.coef, fitted.coef_[0])
    assert_allclose(rule.score(Z), fitted.decision_function(Z))
    assert (rule.to, rule.action, rule.n_errors) == (to, action, n)
    assert rule.n_background == len(right)
    share = len(taught()) / len(right)
    assert rule.log_share == pytest.approx(np.log(share))


def heavy(n, seed, *, shift=0.0):
    """Amounts with heavy tails; errors lie in two columns, well inside their range."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(1.5, size=(n, 6)) * [1, 10, 100, 1, 10, 100]
    rows[:, :2] += shift * np.array([1, 10])
    return rows


@pytest.mark.parametrize("n", [1, 12])
def test_robust_columns_see_through_heavy_tails(n):
    rows, labels, every = heavy(5000, 0), np.zeros(5000, dtype=int), np.arange(5000)
    errors, like = heavy(n, 1, shift=6.0), heavy(400, 2, shift=6.0)
    caught = []
    for robust in (False, True):
        background = Background.from_rows(rows, labels, every, robust=robust)
        rule = new_rule(background, errors, np.ones(n), np.zeros(n))
        bar = np.sort(rule.score(heavy(5000, 3)))[-50]
        caught.append(np.mean(rule.score(like) > bar))
        assert (rule.coef is None) == robust
    assert caught[1] > 0.5
    assert caught[1] > caught[0] + 0.1


def test_moments_of_robust_columns_give_the_cascade_of_one_stage():
    rows, errors = heavy(3000, 0), heavy(12, 1, shift=6.0)
    background = Background.from_rows(
        rows, np.zeros(3000, dtype=int), np.arange(3000), robust=True
    )
    made = new_rule(background, errors, np.ones(12), np.zeros(12)).detector
    columns = background.columns
    both = np.vstack([rows, errors])
    moments, _ = background.but(1)
    stage = FisherDetector.from_moments(moments, Moments.from_rows(columns(errors)))
    linear = stage.decision_function(columns(both))
    found = made.decision_function(both)
    assert_array_equal(
        np.argsort(found, kind="stable"), np.argsort(linear, kind="stable")
    )
    assert_array_equal(found > 0, linear > 0)


def test_the_scale_comes_from_rows_that_the_detector_did_not_see():
    """Of few rows with many features, those that taught look far less wrong."""
    rng = np.random.default_rng(0)
    rows, error = rng.normal(size=(120, 60)), rng.normal(size=(1, 60)) + 0.5
    labels = np.zeros(120, dtype=int)
    rule = new_rule(Background.from_rows(rows, labels, np.arange(120)), error, [1], [0])
    new = rule.scale(rule.score(rng.normal(size=(4000, 60))))
    assert 0.25 < np.mean(new > np.log(2)) < 0.75  # half are above the median


def test_left_out_errors_are_scored_without_themselves():
    rule = added(2, to=9).rules[0]
    scores = []
    for i in (0, 1):
        rest = Moments.from_rows(ERRORS[1 - i : 2 - i])
        without = FisherDetector.from_moments(Moments.from_rows(taught()), rest)
        scores.append(without.decision_function(ERRORS[i : i + 1])[0])
    assert_allclose(rule.left_out, np.sort(rule.scaled(scores)))
    assert np.isnan(added(1).rules[0].left_out).all()
    assert added(1).rules[0].worth == -np.inf
    assert np.isfinite(added(12).rules[0].worth)


def test_left_out_errors_that_another_rule_wins_are_not_caught():
    loud = make_rule("loud", to=7, log_share=99.0)
    assert np.isneginf(added(12, book=BOOK.extend(loud)).rules[-1].left_out).all()
    for kind in ({"to": 2}, {"to": 7, "state": "shadow"}):
        friend = make_rule("loud", log_share=99.0, **kind)
        assert np.isfinite(added(12, book=BOOK.extend(friend)).rules[-1].left_out).all()


def test_a_rule_counts_as_one_of_average_frequency():
    book = added(3, to=9)
    assert book.rules[0].log_share == pytest.approx(0.0)
    book = added(3, to=8, book=book)
    assert book.rules[1].log_share == pytest.approx(-np.log(2))
    assert added(3, to=7, book=book.disable_all()).rules[2].log_share == 0.0


def test_a_rule_catches_others_like_its_error():
    rule = added(1).rules[0]
    like = np.random.default_rng(5).normal(size=(100, 3)) + FAR
    score = Decisions.of([rule], like, np.zeros(100, dtype=int), np.zeros(100)).score
    right = np.sort(rule.scaled(rule.score(Z)))
    assert np.mean(score > right[-6]) > 0.8


def test_words_and_names():
    book = added(1, note="ring 7", author="ann", state="draft")
    rule = book.rules[0]
    assert (rule.name, rule.note, rule.author) == ("to 2", "ring 7", "ann")
    assert rule.state == "draft"
    assert rule.created.endswith("+00:00")
    assert (book.event.what, book.event.author) == ("add to 2", "ann")
    names = [r.name for r in added(1, book=added(1, book=added(1)))]
    assert names == ["to 2", "to 2 (2)", "to 2 (3)"]
    with pytest.raises(ValueError, match=r"unique, got \['x'\]"):
        added(1, name="x", book=added(1, name="x"))


def test_the_same_errors_give_the_same_rule_and_others_another():
    one, again, other = (added(n).rules[0].digest for n in (3, 3, 4))
    assert one == again != other


# --- the background -------------------------------------------------------------------


def test_no_row_is_both_in_the_sample_and_in_the_moments():
    assert len(BACKGROUND.sample) == 120
    assert BACKGROUND.weight == 480
    whole = BACKGROUND.but(None)[0]
    expected = Moments.from_rows(taught())
    assert_allclose(whole.mean, expected.mean)
    assert_allclose(whole.scatter, expected.scatter)


def test_rows_that_are_not_finite_or_weigh_nothing_are_not_there():
    strange, weight = Z.copy(), np.ones(600)
    strange[::2, 1], weight[:300] = np.nan, 0.0
    found = Background.from_rows(strange, LABELS, ROWS, sample_weight=weight)
    assert found.weight + len(found.sample) == 150
    assert np.isfinite(found.but(None)[0].scatter).all()
    assert Background.from_rows(Z, LABELS, ROWS[:1]) is None
    assert Background.from_rows(np.zeros((9, 3000)), np.zeros(9), np.arange(9)) is None


def test_rare_labels_share_their_moments():
    wide = np.random.default_rng(0).normal(size=(300, 1100))
    labels = np.repeat([0, 1, 2, 3], [150, 100, 30, 20])
    found = Background.from_rows(wide, labels, np.arange(300))
    assert set(found.moments) == {0, 1, None}
    kept, sample = found.but(3)
    assert kept.weight == found.weight
    assert len(sample) == np.sum(found.sample_labels != 3) < len(found.sample)


def test_a_reservoir_is_all_rows_or_a_part_that_is_known_again():
    whole = Reservoir.from_rows(Z, LABELS, ROWS[::2], strata=LABELS)
    part = Reservoir.from_rows(Z, LABELS, ROWS[::2], strata=LABELS, most_rows=100)
    assert_array_equal(whole.Z, Z[::2])
    assert len(part.Z) == len(part.labels) == 100
    assert_array_equal(part.labels, part.strata)
    assert part.mark == whole.mark == fingerprint_of_rows(Z[::2])
    assert Reservoir.from_rows(Z, LABELS, ROWS[:0]) is None


def test_a_reservoir_keeps_groups_whole():
    groups = ROWS // 5
    part = Reservoir.from_rows(Z, LABELS, ROWS, groups=groups, most_rows=100)
    assert np.unique(np.bincount(part.groups)[np.unique(part.groups)]).tolist() == [5]
    assert len(part.Z) == 100


# --- wrong input ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("book", "Z_errors", "y", "labels", "message"),
    [
        (RuleBook(), ERRORS, [2] * 12, [0] * 12, "take rules_ of a fitted"),
        (BOOK.under(("damage",), "x"), ERRORS, [2] * 12, [0] * 12, "knows no right"),
        (BOOK, ERRORS[:2], [2, 1], [0, 0], r"got \[1, 2\]; call add once per label"),
        (BOOK, ERRORS[:2], [2, 2], [0, 2], "says 2 on error 1 already"),
        (BOOK, ERRORS[0], [2], [0], r"\(n_errors, 3\), got \(3,\); a single error is"),
        (BOOK, ERRORS[:1, :2], [2], [0], r"got \(1, 2\)"),
        (BOOK, ERRORS[:0], [], [], r"got \(0, 3\)"),
        (BOOK, ERRORS[:2], [2], [0, 0], "2 errors need .* got 1 and 2"),
        (BOOK, ERRORS[:1] * np.nan, [2], [0], "features of error 0 are not finite"),
        (BOOK, ERRORS[:1], ["b"], ["a"], "Mix of label input types"),
    ],
)
def test_what_cannot_be_learnt_is_quoted(book, Z_errors, y, labels, message):
    with pytest.raises(ValueError, match=message):
        book.add(Z_errors, y, legacy_labels=labels)


def test_a_label_that_all_right_decisions_have_cannot_be_told():
    one = Background.from_rows(Z, np.zeros(600, dtype=int), ROWS)
    with pytest.raises(
        ValueError, match="no right decisions with another label than 0"
    ):
        RuleBook(background=one).add(ERRORS[:1], [0], legacy_labels=[5])
