"""Labels from the top: as few as can be, and the certificate of all rows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import hypergeom

from rarecorrect.certify import certified_threshold, from_top, plan
from rarecorrect.certify.from_top import fewest_right


def draw(n=5000, accuracy=0.95, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < accuracy
    return rng.normal(size=n) + 1.5 * ~truth, truth


def labelled(scores, truth, **options):
    """Labels as far as the plan asks for them."""
    right = np.full(scores.size, np.nan)
    while (todo := plan(scores, right, **options)).rows.size:
        assert np.isnan(right[todo.rows]).all()
        right[todo.rows] = truth[todo.rows]
    return right


def test_where_the_number_is_known_the_certificate_is_that_of_all_labels():
    scores, truth = draw()
    options = {"max_damage": 0.01, "n_right": int(truth.sum())}
    right = labelled(scores, truth, **options)
    found, whole = (
        from_top(scores, right, **options),
        certified_threshold(scores[truth], 0.01),
    )
    assert (found.n_allowed, found.n_exceeding) == (whole.n_allowed, whole.n_exceeding)
    # the lower neighbour that says how wide the scores spread is not known
    at = np.sort(scores[truth])[::-1]
    k = found.n_allowed
    assert at[k] < found.threshold <= at[max(0, k - 1)]
    # not one label more: the last one asked for is the (k+1)-th right decision
    lowest = np.nanmin(np.where(np.isnan(right), np.nan, scores))
    assert lowest == at[k]


def test_the_number_of_right_rows_is_bounded_from_a_sample():
    scores, truth = draw()
    right = labelled(scores, truth, max_damage=0.01)
    found = from_top(scores, right, max_damage=0.01)
    assert found.n_calibration < truth.sum()
    assert np.sum(~np.isnan(right)) < 600
    assert "of 5,000 rows at 99 %, labelled from the top" in str(found)
    assert found.confidence_level == pytest.approx(0.96)


@pytest.mark.parametrize("n_sample, seen", [(40, 40), (40, 37), (40, 0)])
def test_fewer_right_rows_would_be_too_unlikely(n_sample, seen):
    n, level = 300, 0.95
    found = fewest_right(n, n_sample, seen, level)
    assert hypergeom.sf(seen - 1, n, found, n_sample) > 1 - level
    if found > seen:
        assert hypergeom.sf(seen - 1, n, found - 1, n_sample) <= 1 - level


def test_labels_may_be_bool_float_or_none():
    scores = np.arange(8.0)[::-1]
    for right in ([True, False, None], [1.0, 0.0, np.nan], [1, 0, None]):
        given = right + [right[-1]] * 5
        assert from_top(scores, given, max_damage=0.4, n_right=6).n_allowed == 0


def test_what_is_missing_is_named():
    scores, truth = draw()
    with pytest.raises(ValueError, match="a random sample of 400 rows"):
        from_top(scores, np.full(5000, np.nan), max_damage=0.01)
    right = labelled(scores, truth, max_damage=0.01)
    highest = int(np.argmax(scores))
    right[highest] = np.nan
    if highest not in plan(scores, None, max_damage=0.01).rows:
        with pytest.raises(ValueError, match=f"the first is row {highest} "):
            from_top(scores, right, max_damage=0.01)


def test_too_few_rows_are_said_to_be_too_few_before_anybody_labels_the_top():
    scores, truth = draw(500)
    todo = plan(scores, np.where(np.arange(500) < 500, truth, 0), max_damage=0.001)
    assert todo.rows.size == 0 and "pass more rows or a larger budget" in todo.reason
    assert not from_top(scores, truth, max_damage=0.001).certified


def test_a_number_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="n_right=9 of 8 rows cannot be"):
        plan(np.arange(8.0), max_damage=0.1, n_right=9)
    with pytest.raises(ValueError, match="with 1 known to be wrong"):
        plan(np.arange(8.0), [0] + [None] * 7, max_damage=0.1, n_right=8)


def test_the_same_sample_is_asked_for_every_time():
    scores, _ = draw()
    first, again = (plan(scores, max_damage=0.01).rows for _ in range(2))
    assert_array_equal(first, again)
    other = plan(scores, max_damage=0.01, random_state=1).rows
    assert not np.array_equal(first, other)
