"""IntervalDetector: every threshold is a box, and the box is what it says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rarecorrect.detectors import IntervalDetector


def payments(n_errors=5, seed=0):
    """Errors are large payments at night; six more columns say nothing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(3000 + n_errors, 8))
    rows[:, 0] = rng.exponential(50, len(rows))
    rows[:, 1] = rng.uniform(0, 24, len(rows))
    rows[3000:, 0] = rng.uniform(120, 160, n_errors)
    rows[3000:, 1] = rng.uniform(1, 4, n_errors)
    return rows, np.arange(len(rows)) >= 3000


def inside(rows, conditions):
    found = np.ones(len(rows), dtype=bool)
    for c in conditions:
        column = rows[:, c.column]
        found &= column > c.bound if c.above else column < c.bound
    return found


def test_it_finds_the_columns_that_matter_from_five_errors():
    rows, is_error = payments()
    detector = IntervalDetector().fit(rows, is_error)
    found = {(c.column, c.above) for c in detector.conditions()}
    assert (0, True) in found and (1, False) in found
    right = detector.decision_function(rows[~is_error])
    # a tenth of five errors is none: the box holds all of them
    assert np.mean(right > 0) < 0.02
    assert (detector.decision_function(rows[is_error]) >= 0).all()


@given(st.floats(-3, 6), st.integers(0, 20))
def test_a_threshold_is_a_box(threshold, seed):
    rows, is_error = payments(seed=seed)
    detector = IntervalDetector().fit(rows, is_error)
    score = detector.decision_function(rows)
    clear = np.abs(score - threshold) > 1e-9  # the last bits of a bound
    box = inside(rows, detector.conditions(threshold))
    assert_array_equal(box[clear], (score > threshold)[clear])


def test_a_higher_threshold_is_a_smaller_box():
    rows, is_error = payments()
    detector = IntervalDetector().fit(rows, is_error)
    boxes = [inside(rows, detector.conditions(t)) for t in (-2.0, 0.0, 1.0, 3.0)]
    for larger, smaller in pairwise(boxes):
        assert (larger | ~smaller).all()
    assert boxes[0].sum() > boxes[2].sum() > boxes[3].sum()


def test_it_reads_aloud():
    rows, is_error = payments()
    detector = IntervalDetector(max_conditions=2).fit(rows, is_error)
    names = ["amount", "hour", *"abcdef"]
    text = detector.describe(0.0, names)
    parts = text.split(" and ")
    assert sorted(p.split(" ")[0] for p in parts) == ["amount", "hour"]
    assert {p.split(" ")[1] for p in parts} == {">", "<"}
    assert detector.describe(-np.inf, names) == "always"
    assert "x0 > " in detector.describe()


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_conditions_than_allowed(limit):
    rows, is_error = payments(n_errors=40)
    detector = IntervalDetector(max_conditions=limit).fit(rows, is_error)
    assert 1 <= len(detector.conditions()) <= limit


def test_a_column_alone_is_not_joined_by_noise():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5200, 20))
    rows[5000:, 3] += 9
    detector = IntervalDetector().fit(rows, np.arange(5200) >= 5000)
    assert [c.column for c in detector.conditions()] == [3]


def test_constant_columns_leave_nothing_to_say():
    rows = np.ones((50, 3))
    detector = IntervalDetector().fit(rows, np.arange(50) >= 45)
    assert np.ptp(detector.decision_function(rows)) == 0


def test_a_small_background_gives_nearly_the_same_box():
    rows, is_error = payments(n_errors=50)
    whole = IntervalDetector(max_conditions=1).fit(rows, is_error).conditions()
    part = IntervalDetector(max_conditions=1, max_background=1000, random_state=0)
    part.fit(rows, is_error)
    assert part.conditions()[0].column == whole[0].column
    assert abs(part.conditions()[0].bound / whole[0].bound - 1) < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_conditions": 0}, "max_conditions must be 1 or more, got 0"),
        ({"max_background": 0}, "max_background must be 1 or more, got 0"),
        ({"max_damage": 2.0}, r"max_damage must lie in \(0, 1\), got 2.0"),
    ],
)
def test_parameters_out_of_range(options, message):
    rows, is_error = payments()
    with pytest.raises(ValueError, match=message):
        IntervalDetector(**options).fit(rows, is_error)


def test_a_flag_that_no_right_decision_has_is_a_condition():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2010, 3))
    rows[:, 0] = np.arange(2010) >= 2000
    detector = IntervalDetector(random_state=0).fit(rows, rows[:, 0] == 1)
    score = detector.decision_function(rows)
    assert score[2000:].min() > score[:2000].max()
    assert detector.describe(-1.0, ["flag", "x", "y"]).startswith("flag > 0.99")
