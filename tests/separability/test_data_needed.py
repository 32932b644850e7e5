"""What more labels would buy: the measured gain, chance, and the ways out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.certify import rows_needed
from rarecorrect.separability import data_needed


def rows(n, shift=0.0, p=20, seed=0):
    return np.random.default_rng(seed).normal(shift, 1, size=(n, p))


def test_errors_that_differ_are_told_from_chance():
    found = data_needed(rows(4000), rows(60, 0.8, seed=1))
    assert found.low > found.chance
    assert found.gain == pytest.approx(0.85, abs=0.15)
    assert "chance reaches" in str(found) and found.verdict in str(found)


def test_errors_like_right_decisions_are_not():
    found = data_needed(rows(4000), rows(60, 0.0, seed=1))
    assert found.low <= found.chance < 0.2
    assert "look for other features" in found.verdict
    few = data_needed(rows(4000), rows(4, 0.0, seed=1))
    assert "4 errors cannot tell" in few.verdict


def test_the_estimate_agrees_with_new_errors():
    right, errors = rows(6000), rows(50, 0.6, seed=1)
    found = data_needed(right, errors, max_damage=0.05)
    fresh, background = rows(5000, 0.6, seed=2), rows(20_000, seed=3)
    Z = np.concatenate([right, errors])
    fitted = FisherDetector().fit(Z, np.arange(len(Z)) >= len(right))
    cut = np.quantile(fitted.decision_function(background), 0.95)
    assert found.gain == pytest.approx(
        np.mean(fitted.decision_function(fresh) > cut), abs=0.12
    )
    assert found.low < np.mean(fitted.decision_function(fresh) > cut) < found.high


def test_more_errors_help_where_there_are_many_columns():
    found = data_needed(
        rows(6000, p=60), rows(160, 0.3, p=60, seed=1), detector=GaussianNB()
    )
    gains = [gain for _, gain in found.by_errors]
    assert [n for n, _ in found.by_errors] == [40, 80, 128]
    assert gains[-1] > gains[0]
    assert found.per_doubling > 2 * found.per_doubling_error
    assert "label more" in found.verdict


def test_more_calibration_rows_use_more_of_the_budget():
    found = data_needed(rows(4000), rows(60, 0.5, seed=1), confidence_level=0.9)
    assert found.rows_needed == rows_needed(0.01, 0.9) == found.by_rows[0][0]
    used = [share for _, share, _ in found.by_rows]
    gains = [gain for _, _, gain in found.by_rows]
    assert used == sorted(used) and used[-1] > 0.75
    assert gains == sorted(gains) and gains[0] < gains[-1] <= found.gain


def test_any_detector_serves_and_the_seed_decides():
    right, errors = rows(2000, p=4), 3 * rows(30, p=4, seed=1)
    bayes = GaussianNB()
    found = data_needed(right, errors, detector=bayes, max_damage=0.02)
    assert found.gain > data_needed(right, errors, max_damage=0.02).gain
    again = data_needed(right, errors, detector=bayes, max_damage=0.02)
    assert again == found
    assert again != data_needed(
        right, errors, detector=bayes, max_damage=0.02, random_state=1
    )


@pytest.mark.parametrize(
    ("n_right", "n_errors", "budget", "confidence", "message"),
    [
        (1000, 1, 0.01, 0.95, "got 1 error; it takes 2 to leave one out"),
        (608, 9, 0.01, 0.95, "got 608 right decisions; it takes 609: 600 to see a dam"),
        (600, 600, 0.01, 0.95, "takes 1,200: .* 600 to stand in .* fewer errors or a"),
        (926, 9, 0.01, 0.99, "it takes 927: 918 to see"),
        (599, 9, 1e-4, 0.95, "60,000 to see a damage of 0.01 % .* larger max_damage"),
        (599, 9, 1.5, 0.95, r"max_damage must lie in \(0, 1\), got 1.5"),
    ],
)
def test_too_few_rows_are_refused_with_the_way_out(
    n_right, n_errors, budget, confidence, message
):
    options = {"max_damage": budget, "confidence_level": confidence}
    with pytest.raises(ValueError, match=message):
        data_needed(rows(n_right, p=2), rows(n_errors, p=2), **options)


def test_a_small_budget_is_seen_with_enough_rows():
    right, errors = rows(60_010, p=2), rows(10, 12, p=2, seed=1)
    found = data_needed(right, errors, max_damage=1e-4)
    assert found.n_right == 60_010
    assert found.gain == 1 == found.by_rows[0][2]


def test_the_passed_rows_are_counted():
    assert data_needed(rows(45_000, p=2), rows(3, 5, p=2)).n_right == 45_000


def test_the_fewest_rows_that_are_taken_show_budget_chance_and_certificate():
    right, errors = rows(918 + 200, p=4), rows(200, 9, p=4, seed=1)
    found = data_needed(right, errors, confidence_level=0.99)
    assert [gain for _, _, gain in found.by_rows] == [1, 1, 1, 1]
    same = data_needed(rows(600 + 600, p=2), rows(600, p=2, seed=1))
    assert 0.005 < same.chance < 0.05
    assert "look for other features" in same.verdict


def test_a_slope_of_nothing_is_no_reason_to_label_more():
    found = data_needed(rows(2000, p=4), rows(60, 9, p=4, seed=1))
    assert {gain for _, gain in found.by_errors} == {1.0}
    some = replace(found, per_doubling=1e-16, per_doubling_error=0.0)
    assert "add little" in found.verdict and "add little" in some.verdict
    assert "add +0 points" in str(replace(found, per_doubling=-1e-16))
    worth = replace(found, per_doubling=0.03, per_doubling_error=0.01)
    assert "label more" in worth.verdict
    assert "add little" in replace(worth, per_doubling_error=0.02).verdict


def test_two_errors_have_no_slope():
    said = str(data_needed(rows(1000, p=4), rows(2, 9, p=4, seed=1)))
    assert "by errors        1: 100 %\n" in said and "nan" not in said
    assert "twice as many add" in str(data_needed(rows(1000, p=4), rows(3, p=4)))


def test_columns_must_agree():
    with pytest.raises(ValueError, match="Z_right has 3 columns and Z_errors 4"):
        data_needed(rows(1000, p=3), rows(5, p=4))


def test_it_takes_what_a_corrector_reads(outbreak):
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    corrector.fit(outbreak.X, outbreak.y)
    reading = corrector.features_.read(outbreak.X)
    wrong = reading.labels != outbreak.y
    found = data_needed(
        reading.features[~wrong], reading.features[wrong], max_damage=0.05
    )
    assert found.low > found.chance


def test_the_verdict_asks_for_more_than_chance_and_for_a_tenth():
    found = data_needed(rows(2000, p=4), rows(60, 9, p=4, seed=1))
    assert found.separable and found.verdict.startswith("separable from these features")
    little = replace(found, gain=0.09, low=0.05, chance=0.01)
    assert little.beyond_chance and little.separable is False
    assert "fewer than 10 % of the errors" in little.verdict
    assert replace(little, gain=0.1).separable is True
    assert replace(little, low=0.01).beyond_chance is False
    few = replace(little, low=0.01, n_errors=19)
    assert few.separable is None and "label 1 more at least" in few.verdict


def test_the_verdict_says_how_many_more_would_help():
    found = data_needed(rows(2000, p=4), rows(60, 9, p=4, seed=1))
    rising = {"per_doubling": 0.06, "per_doubling_error": 0.01}
    more = replace(found, gain=0.5, **rising)
    assert "60 more errors would add about 6 points" in more.verdict
    assert "add about 4 points" in replace(found, gain=0.96, **rising).verdict
    not_yet = replace(more, gain=0.05, low=0.0, chance=0.02)
    assert "not told from chance; but 60 more errors would add" in not_yet.verdict
    few = replace(found, n_errors=12)
    assert "label 8 more errors to see" in few.verdict


def test_the_verdict_says_where_more_calibration_rows_add_little():
    found = data_needed(rows(2000, p=4), rows(60, 9, p=4, seed=1))
    assert "more than 299 calibration rows" in found.verdict
    steps = ((299, 0.3, 0.5), (598, 0.3, 0.6), (1495, 0.6, 0.7), (5980, 0.8, 0.71))
    assert "than 1,495 calibration rows" in replace(found, by_rows=steps).verdict
