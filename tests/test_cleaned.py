"""CleanedDetector: hidden errors in the background teach it less."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import (
    AutoDetector,
    CleanedDetector,
    FisherDetector,
    TreesDetector,
)
from rarecorrect.metrics import gain_at_retention

HIDDEN = 60


def contaminated(seed=0, n_errors=20):
    """Errors in a small region; three times as many lie there unknown."""
    rng = np.random.default_rng(seed)
    right = rng.normal(size=(3000, 4))
    region = [2.5, 2.5, 0, 0] + 0.3 * rng.normal(size=(HIDDEN + n_errors, 4))
    rows = np.concatenate([right, region])
    return rows, np.arange(len(rows)) >= 3000 + HIDDEN


def gain(detector, seed=1):
    rng = np.random.default_rng(seed)
    right, errors = rng.normal(size=(5000, 4)), rng.normal(size=(500, 4)) * 0.3
    errors += [2.5, 2.5, 0, 0]
    rows = np.concatenate([right, errors])
    is_error = np.arange(len(rows)) >= 5000
    score = detector.decision_function(rows)
    return gain_at_retention(score, ~is_error, is_error, 0.995)


def test_what_is_left_out_are_the_hidden_errors():
    rows, is_error = contaminated()
    share = HIDDEN / np.sum(~is_error)
    cleaned = CleanedDetector(TreesDetector(50), share, random_state=0)
    cleaned.fit(rows, is_error)
    plain = TreesDetector(50, random_state=0).fit(rows, is_error)
    assert cleaned.n_left_out_ == HIDDEN
    hidden = rows[3000 : 3000 + HIDDEN]
    # the last fit never saw them as right, so it takes them for errors
    assert np.mean(cleaned.decision_function(hidden) > 0) > 0.8
    assert np.mean(plain.decision_function(hidden) > 0) < 0.1
    assert gain(cleaned) > gain(plain)


def test_weights_reach_the_detector_and_rows_of_none_are_not_there():
    rows, is_error = contaminated()
    w = np.ones(len(rows))
    w[:1000] = 0
    weighted = CleanedDetector(random_state=0).fit(rows, is_error, sample_weight=w)
    without = CleanedDetector(random_state=0).fit(rows[1000:], is_error[1000:])
    assert_allclose(
        weighted.decision_function(rows), without.decision_function(rows), atol=1e-9
    )


def test_a_single_error_and_two_right_rows_are_enough():
    rows = np.array([[0.0], [1.0], [5.0]])
    detector = CleanedDetector(share=0.9, random_state=0).fit(rows, [0, 0, 1])
    assert detector.n_left_out_ == 1
    assert detector.predict(rows)[2] == 1


@pytest.mark.parametrize("share", [0.0, 1.0, "some"])
def test_shares_out_of_range(share):
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\), got"):
        CleanedDetector(share=share).fit(*contaminated())


def test_auto_tries_it_where_errors_may_be_hidden():
    rows, is_error = contaminated()
    for share, tried in ((0.0, False), (0.02, True)):
        auto = AutoDetector(max_damage=0.03, contamination=share, random_state=0)
        names = {c.name for c in auto.fit(rows, is_error).candidates_}
        assert ("trees, cleaned" in names) == tried
    with pytest.raises(ValueError, match=r"contamination must lie in \[0, 1\), got 1"):
        AutoDetector(contamination=1).fit(rows, is_error)


def test_a_corrector_tells_auto_what_it_assumes(outbreak):
    options = {"max_damage": 0.05, "random_state": 0, "confusions": [2]}
    corrector = ErrorCorrector(
        outbreak.model, detector="auto", contamination=0.02, **options
    ).fit(outbreak.X, outbreak.y)
    [rule] = corrector.rules_
    assert rule.detector.contamination == 0.02
    assert rule.detector.max_damage == pytest.approx(0.07)


def test_it_is_fisher_that_is_cleaned_by_default():
    rows, is_error = contaminated()
    default = CleanedDetector(random_state=0).fit(rows, is_error)
    fisher = CleanedDetector(FisherDetector(), random_state=0).fit(rows, is_error)
    assert_allclose(default.decision_function(rows), fisher.decision_function(rows))
    plain = FisherDetector().fit(rows, is_error)
    assert not np.allclose(default.detector_.coef_, plain.coef_)
