"""CascadeDetector: what each stage and the robust scale are there for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rarecorrect.cross_fitting import cross_scores
from rarecorrect.detectors import CascadeDetector, FisherDetector
from rarecorrect.metrics import gain_at_retention
from rarecorrect.robust import RobustColumns


def cases(seed=0, n_right=4000, n_errors=60):
    """Errors differ in one way from most right decisions, in another from their like.

    A tenth of the right decisions look like errors in the first four columns; these are
    told from errors by the last two, where the others lie far on the other side.
    """
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_right + n_errors, 6))
    like = slice(0, n_right // 10)
    rows[n_right:, :4] += 3
    rows[like, :4] += 3
    rows[like, 4:] -= 1.5
    rows[n_right // 10 : n_right, 4:] += 3
    return rows, np.arange(len(rows)) >= n_right


def gain(detector, seed, retention=0.98):
    rows, is_error = cases(seed)
    scores = detector.decision_function(rows)
    return gain_at_retention(scores, ~is_error, is_error, retention)


def test_a_second_stage_tells_errors_from_their_like():
    rows, is_error = cases()
    one = CascadeDetector(1).fit(rows, is_error)
    three = CascadeDetector(random_state=0).fit(rows, is_error)
    assert len(one.stages_) == 1
    assert len(three.stages_) > 1
    gains = np.array([[gain(d, seed) for d in (one, three)] for seed in range(1, 6)])
    assert (gains[:, 1] > gains[:, 0] + 0.1).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_cuts_come_from_discriminants_that_did_not_see_the_row(weighted):
    rows, is_error = cases(n_right=1000)
    w = np.random.default_rng(1).uniform(0.5, 1.5, len(rows)) if weighted else None
    detector = CascadeDetector(random_state=7).fit(rows, is_error, sample_weight=w)
    order = np.argsort(is_error, kind="stable")  # right decisions first
    Z, errors = detector.scale_(rows[order]), is_error[order]
    w = None if w is None else w[order]
    seed = np.random.RandomState(7).randint(2**31 - 1)
    scores = cross_scores(
        FisherDetector(), Z, errors, sample_weight=w, random_state=seed
    )
    assert len(detector.cuts_) > 0
    weight = np.ones(len(rows)) if w is None else w
    for kind, share in ((~errors, 0.7), (errors, 0.05)):
        below = np.average(
            scores[kind] < detector.cuts_[0] - 1e-9, weights=weight[kind]
        )
        assert below <= share
    at = np.abs(scores - detector.cuts_[0])
    assert at.min() < 1e-9  # it is one of these scores


def test_rows_that_reach_a_later_stage_come_first():
    rows, is_error = cases()
    detector = CascadeDetector(random_state=0).fit(rows, is_error)
    scores = detector.decision_function(rows)
    Z = detector.scale_(rows)
    on = detector.stages_[0].decision_function(Z) >= detector.cuts_[0]
    assert scores[on].min() > scores[~on].max()
    within = detector.stages_[0].decision_function(Z)[~on]
    assert_array_equal(np.argsort(scores[~on]), np.argsort(within))


def test_a_cut_lets_the_asked_share_of_right_decisions_and_most_errors_pass():
    rows, is_error = cases()
    detector = CascadeDetector(2, passing=0.2, random_state=0).fit(rows, is_error)
    fresh, which = cases(1)
    first = detector.stages_[0].decision_function(detector.scale_(fresh))
    passed = first >= detector.cuts_[0]
    assert_allclose(passed[~which].mean(), 0.2, atol=0.04)
    assert passed[which].mean() > 0.9


def test_one_stage_orders_rows_as_fisher_on_scaled_columns():
    rows, is_error = cases()
    detector = CascadeDetector(1).fit(rows, is_error)
    Z = RobustColumns.from_rows(rows)(rows)
    plain = FisherDetector().fit(Z, is_error).decision_function(Z)
    assert_array_equal(np.argsort(detector.decision_function(rows)), np.argsort(plain))


@pytest.mark.parametrize("n_errors", [1, 2])
def test_too_few_errors_place_no_cut(n_errors):
    rows, is_error = cases(n_errors=n_errors)
    detector = CascadeDetector(random_state=0).fit(rows, is_error)
    assert detector.cuts_.size == 0


def test_too_few_right_decisions_make_no_stage():
    rows, is_error = cases(n_right=60, n_errors=10)
    assert CascadeDetector(random_state=0).fit(rows, is_error).cuts_.size == 0


def test_one_row_and_a_row_that_reaches_no_later_stage():
    rows, is_error = cases()
    detector = CascadeDetector(random_state=0).fit(rows, is_error)
    whole = detector.decision_function(rows[:300])
    alone = np.concatenate([detector.decision_function(r[None]) for r in rows[:300]])
    assert_allclose(alone, whole, rtol=1e-9)
    assert detector.predict(np.full((1, 6), -9.0)).tolist() == [False]


def test_units_of_columns_do_not_matter():
    rows, is_error = cases()
    units = np.array([1e-6, 1.0, 1e3, 1e9, 0.3, 5.0])
    plain = CascadeDetector(random_state=0).fit(rows, is_error)
    other = CascadeDetector(random_state=0).fit(rows * units, is_error)
    assert_allclose(
        plain.decision_function(rows),
        other.decision_function(rows * units),
        rtol=1e-5,
        atol=1e-5,
    )


def test_the_background_is_a_part_where_there_is_more():
    rows, is_error = cases()
    part = CascadeDetector(max_background=500, random_state=0).fit(rows, is_error)
    assert part.stages_[0].moments_[0].weight == 500
    assert part.stages_[0].moments_[1].weight == 60


def test_a_handful_of_extreme_rows_changes_little():
    rows, is_error = cases()
    wild = rows.copy()
    wild[500:510, 4:] = 1e7

    def lost(make):
        before, after = (make().fit(r, is_error) for r in (rows, wild))
        apart = [gain(before, s, 0.95) - gain(after, s, 0.95) for s in range(1, 6)]
        return np.mean(apart)

    assert lost(FisherDetector) > 0.08
    assert abs(lost(lambda: CascadeDetector(1))) < 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_stages": 0}, "n_stages must be 1 or more, got 0"),
        ({"passing": 1.0}, r"passing must lie in \(0, 1\), got 1"),
        ({"max_background": 0}, "max_background must be 1 or more, got 0"),
    ],
)
def test_parameters_out_of_range(options, message):
    rows, is_error = cases(n_right=100)
    with pytest.raises(ValueError, match=message):
        CascadeDetector(**options).fit(rows, is_error)


def test_a_column_of_zeros_with_few_amounts_says_whether_there_is_one():
    rng = np.random.default_rng(0)
    column = np.zeros((1000, 1))
    column[:100, 0] = rng.lognormal(3, 1, 100)
    scaled = RobustColumns.from_rows(column)(column)[:, 0]
    assert (scaled[100:] == 0).all()
    assert np.mean(scaled[:100] > 1) > 0.9
    assert scaled.max() <= 5


def test_a_constant_column_stays_at_zero():
    assert (
        RobustColumns.from_rows(np.full((9, 1), 3.0))(np.full((2, 1), 3.0)) == 0
    ).all()


def test_a_weight_of_the_scale_is_a_repetition():
    rng = np.random.default_rng(0)
    rows, w = rng.normal(size=(200, 3)), rng.integers(1, 4, 200)
    rows[:150, 1] = 0
    weighted = RobustColumns.from_rows(rows, w.astype(float))
    repeated = RobustColumns.from_rows(np.repeat(rows, w, axis=0))
    assert_array_equal(weighted.centre, repeated.centre)
    assert_array_equal(weighted.spread, repeated.spread)
