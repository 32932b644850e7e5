"""LogisticDetector and TreesDetector: what they add to the models inside."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect.detectors import LogisticDetector, TreesDetector
from rarecorrect.metrics import gain_at_retention


def rows_with_a_decoy(seed=0, n_right=6000, n_errors=60):
    """A tenth of the right rows look like errors in all columns but the last."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_right + n_errors, 6))
    rows[: n_right // 10, :5] += 2.5
    rows[n_right:, :5] += 2.5
    rows[n_right:, 5] += 1.5
    rows[:, 0] = 1000 + 50 * rows[:, 0]
    return rows, np.arange(len(rows)) >= n_right


def gain(detector, seed, retention):
    rows, is_error = rows_with_a_decoy(seed)
    score = detector.decision_function(rows)
    return gain_at_retention(score, ~is_error, is_error, retention)


def test_without_passes_it_is_balanced_logistic_regression():
    rows, is_error = rows_with_a_decoy()
    ours = LogisticDetector(n_passes=0).fit(rows, is_error)
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    ).fit(rows, is_error)
    expected = theirs.decision_function(rows)
    assert_allclose(ours.decision_function(rows), expected, atol=0.02, rtol=0.02)
    assert ours.coef_.shape == (1, 6)


def test_hard_negatives_pay_in_the_tail():
    rows, is_error = rows_with_a_decoy()
    plain = LogisticDetector(n_passes=0).fit(rows, is_error)
    hard = LogisticDetector().fit(rows, is_error)
    gains = np.array(
        [[gain(d, seed, 0.99) for d in (plain, hard)] for seed in range(1, 6)]
    )
    assert (gains[:, 1] >= gains[:, 0]).all()
    assert gains[:, 1].mean() > gains[:, 0].mean() + 0.02


def test_a_weight_is_a_repetition():
    rows, is_error = rows_with_a_decoy(n_right=500, n_errors=20)
    w = np.random.default_rng(0).integers(0, 4, size=len(rows))
    weighted = LogisticDetector().fit(rows, is_error, sample_weight=w)
    repeated = LogisticDetector().fit(
        np.repeat(rows, w, axis=0), np.repeat(is_error, w)
    )
    assert_allclose(
        weighted.decision_function(rows),
        repeated.decision_function(rows),
        rtol=0.01,
        atol=0.02,
    )


def test_a_constant_column_does_no_harm():
    rows, is_error = rows_with_a_decoy()
    wide = np.column_stack([rows, np.full(len(rows), 1e6)])
    plain = LogisticDetector().fit(rows, is_error).decision_function(rows)
    found = LogisticDetector().fit(wide, is_error).decision_function(wide)
    assert np.corrcoef(plain, found)[0, 1] > 0.9999


def test_trees_order_rows_that_a_forest_ties():
    rows, is_error = rows_with_a_decoy()
    detector = TreesDetector(n_estimators=20, random_state=0).fit(rows, is_error)
    share = detector.trees_.predict_proba(rows)[:, 1]
    score = detector.decision_function(rows)
    assert np.unique(score).size > 5 * np.unique(share).size
    # ties alone are broken: no step of the forest is turned round
    apart = np.abs(share[:1000, None] - share[None, :1000]) > 0.025
    order = np.sign(share[:1000, None] - share[None, :1000])
    found = np.sign(score[:1000, None] - score[None, :1000])
    assert_array_equal(order[apart], found[apart])


def test_trees_see_what_no_line_can():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4100, 4))
    rows[4000:, :2] *= 5  # errors lie around the right decisions, on all sides
    is_error = np.arange(4100) >= 4000
    trees = TreesDetector(random_state=0).fit(rows[::2], is_error[::2])
    line = LogisticDetector().fit(rows[::2], is_error[::2])
    gains = [
        gain_at_retention(
            d.decision_function(rows[1::2]), ~is_error[1::2], is_error[1::2], 0.95
        )
        for d in (trees, line)
    ]
    assert gains[0] > gains[1] + 0.3


def test_the_background_of_trees_is_a_part():
    rows, is_error = rows_with_a_decoy()
    part = TreesDetector(5, max_background=500, random_state=0).fit(rows, is_error)
    assert part.trees_.estimators_[0].tree_.n_node_samples[0] == 560
    forest = ExtraTreesClassifier(5, random_state=0).fit(rows, is_error)
    assert forest.estimators_[0].tree_.n_node_samples[0] == 6060


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (LogisticDetector(n_passes=-1), "n_passes must be 0 or more"),
        (LogisticDetector(hard_weight=0.5), "hard_weight 1 or more"),
        (LogisticDetector(hard_share=1), r"hard_share must lie in \(0, 1\), got 1"),
        (TreesDetector(max_background=0), "max_background must be 1 or more, got 0"),
    ],
)
def test_parameters_out_of_range(detector, message):
    rows, is_error = rows_with_a_decoy(n_right=100)
    with pytest.raises(ValueError, match=message):
        detector.fit(rows, is_error)


@pytest.mark.parametrize("detector", [LogisticDetector(), TreesDetector(5)])
def test_rows_of_weight_zero_are_not_there(detector):
    rows, is_error = rows_with_a_decoy(n_right=100)
    with pytest.raises(ValueError, match="0 errors"):
        detector.fit(rows, is_error, sample_weight=~is_error * 1.0)
