"""Can these errors be corrected at all: the verdict and what explains it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from rarecorrect import ErrorCorrector
from rarecorrect.separability import data_needed, separability_report
from rarecorrect.separability.alone import separable_errors


def rows(n, shift=0.0, p=20, seed=0):
    return np.random.default_rng(seed).normal(shift, 1, size=(n, p))


def test_errors_apart_from_right_decisions():
    found = separability_report(rows(2000), rows(40, 1.5, seed=1))
    assert found.needed.separable is True
    assert found.verdict.startswith("separable from these features")
    assert found.separable_errors == 1
    assert "something in common" in found.explanation
    assert (found.n_errors, found.n_right, found.max_damage) == (40, 2000, 0.01)


def test_errors_drawn_from_right_decisions_are_not_separable():
    Z = rows(2000, p=4)
    found = separability_report(Z, Z[:60])
    assert found.needed.separable is False
    assert found.verdict.startswith("not separable from these features")
    assert "not told from chance" in found.verdict
    assert (
        found.explanation == "the errors lie among right decisions, alone and together"
    )


def test_errors_without_a_common_direction():
    """Each on an axis of its own: one can be told, the next is not told by it."""
    axes = np.vstack([np.eye(30), -np.eye(30)]) * 6
    found = separability_report(rows(3000, p=30), axes + 0.1 * rows(60, p=30, seed=1))
    assert found.needed.separable is False
    assert found.separable_errors == 1
    assert "not in a common direction" in found.explanation


def test_errors_told_by_their_length_only():
    """In two dimensions a direction is never empty: what is far along it is apart."""
    far = np.array([8.0, 0.0]) + 0.1 * rows(30, p=2, seed=1)
    found = separability_report(rows(2000, p=2), far)
    assert found.needed.separable is True and found.separable_errors == 1
    assert "most of them alone stand apart" in found.explanation


def test_errors_told_together_though_not_alone():
    """Just beyond what 1 % of right decisions pass, and before 1 % pass `alpha`."""
    near = np.array([2.5, 0.0]) + 0.1 * rows(60, p=2, seed=1)
    found = separability_report(rows(4000, p=2), near)
    assert found.needed.separable is True and found.separable_errors < 0.2
    assert "though most of them alone lie among right decisions" in found.explanation


def test_a_single_error_gets_the_geometry_and_no_verdict():
    apart = separability_report(rows(700), rows(1, 3.0, seed=1))
    assert apart.needed is None and apart.separable_errors == 1
    assert "one error cannot tell" in apart.verdict and "label 19 more" in apart.verdict
    assert "alone            the error is separable" in str(apart)
    among = separability_report(rows(700, p=2), rows(1, 0.1, p=2, seed=1))
    assert "the error is not separable" in str(among)
    assert among.explanation == "most errors lie among right decisions"


def test_too_few_errors_to_tell():
    found = separability_report(rows(2000), rows(4, seed=1))
    assert found.needed.separable is None
    assert found.verdict == (
        "4 errors cannot tell this gain from chance; label 16 more at least"
    )
    assert "stand apart" in found.explanation
    assert "so few do not tell" in found.explanation
    flat = separability_report(rows(2000, p=2), rows(4, p=2, seed=1))
    assert flat.needed.separable is None and flat.separable_errors < 0.5
    assert flat.explanation == "most errors lie among right decisions"


def test_the_verdict_is_that_of_data_needed():
    right, errors, bayes = rows(1500, p=6), 2 * rows(30, p=6, seed=1), GaussianNB()
    options = {"max_damage": 0.05, "confidence_level": 0.9, "random_state": 3}
    found = separability_report(right, errors, detector=bayes, **options)
    needed = data_needed(right, errors, detector=bayes, **options)
    assert found.needed == needed and found.verdict == needed.verdict
    assert found.right.confidence_level == 0.9
    assert found == separability_report(right, errors, detector=bayes, **options)


def test_constant_columns_count_for_the_verdict():
    """A flag that no right decision ever set: no component, but strong evidence."""
    right = np.hstack([rows(1000, p=3), np.zeros((1000, 1))])
    errors = np.hstack([rows(20, p=3, seed=1), np.ones((20, 1))])
    found = separability_report(right, errors)
    assert found.right.n_components == 3
    assert found.needed.gain == 1 and found.needed.separable is True
    assert "though most of them alone lie among" in found.explanation


def test_columns_that_are_all_constant():
    found = separability_report(np.ones((700, 2)), np.ones((20, 2)))
    assert found.needed.separable is False and found.separable_errors == 0
    assert found.right.n_components == 0


def test_fewer_rows_than_columns():
    right, errors = rows(100, p=150), rows(25, 1.0, p=150, seed=1)
    found = separability_report(right, errors, max_damage=0.1)
    assert found.needed.separable is True and found.right.all_separable
    assert "fill at least" in str(found)


def test_the_print_says_verdict_reason_and_figures():
    found = separability_report(rows(2000), rows(40, 1.5, seed=1))
    lines = str(found).splitlines()
    assert lines[0] == f"verdict          {found.verdict}"
    assert lines[1] == f"because          {found.explanation}"
    assert lines[2:-3] == found.needed.figures()
    assert lines[-3] == (
        "alone            100 % of 40 errors are separable from 99 % of right decisions"
    )
    assert lines[-2] == f"right decisions  fill {found.right}"
    assert f"{found.right.separable_together} drawn at random" in lines[-1]
    flat = str(separability_report(rows(2000, p=2), rows(40, 1.5, p=2, seed=1)))
    assert "union bound" not in flat  # no two of them are sure to be separable


@pytest.mark.parametrize(("budget", "share"), [(0.09, 0.0), (0.14, 1.0)])
def test_an_error_is_separable_from_all_but_the_budget(budget, share):
    """Two deviations away: 1.2 along its direction are passed by 11.5 %."""
    angles = np.linspace(0, 6, 30)
    errors = 2 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert separable_errors(rows(8000, p=2), errors, budget, 0.6) == share


def test_lengths_count_in_deviations_of_right_decisions():
    """Alike in every unit, and the farther the more separable."""
    right, along = rows(4000, p=3), np.outer([1.0, 2.0, 4.0, 8.0], [0, 0, 1])
    shares = [separable_errors(right, y[None], 0.01, 0.8) for y in along]
    assert shares == [0, 0, 1, 1]  # .8 of the length against 2.33
    units = np.array([1.0, 1e3, 1e-3])
    assert separable_errors(right * units + 5, along * units + 5, 0.01, 0.8) == 0.5


def test_one_half_whitens_and_the_other_judges():
    right = np.vstack([rows(500, p=2), 3 * rows(500, p=2, seed=1)])
    far = np.array([[4.0, 0.0]])
    assert separable_errors(right, far, 0.01, 0.8) == 0
    assert separable_errors(right[::-1], 3 * far, 0.01, 0.8) == 1


def test_an_error_at_the_centre_is_separable_from_none():
    right = rows(1000, p=2)
    centre = right[:500].mean(axis=0, keepdims=True)  # of the half that whitens
    assert separable_errors(right, centre, 0.01, 0.8) == 0
    assert separable_errors(np.ones((700, 2)), np.ones((3, 2)), 0.9, 0.8) == 0


def test_what_is_wrong_is_refused_as_in_data_needed():
    with pytest.raises(ValueError, match="got 604 right decisions; it takes 605"):
        separability_report(rows(604), rows(5))
    with pytest.raises(ValueError, match="got 600 right decisions; it takes 601"):
        separability_report(rows(600), rows(1))
    with pytest.raises(ValueError, match="Z_right has 3 columns and Z_errors 4"):
        separability_report(rows(700, p=3), rows(5, p=4))
    with pytest.raises(ValueError, match=r"max_damage must lie in \(0, 1\), got 2"):
        separability_report(rows(700), rows(5), max_damage=2)


def test_it_takes_what_a_corrector_reads(outbreak):
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    reading = corrector.fit(outbreak.X, outbreak.y).features_.read(outbreak.X)
    wrong = reading.labels != outbreak.y
    found = separability_report(
        reading.features[~wrong], reading.features[wrong], max_damage=0.05
    )
    assert found.needed.separable is True
