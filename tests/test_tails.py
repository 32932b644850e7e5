"""The largest scores of every part, merged in every way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rarecorrect.certify import ScoreTails, daily_threshold

SCORES = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([-np.inf, 0.0, 1.0, 2.5, 7.0, np.inf])
    ),
    max_size=40,
)


@given(SCORES, SCORES, SCORES, st.integers(1, 5))
def test_tails_of_ordered_unequal_parts_merge_associatively(a, b, c, most):
    def tails(rows):
        days = np.array([day for day, _ in rows], dtype=int)
        return ScoreTails.of([score for _, score in rows], days, most)

    left = tails(a).merge(tails(b)).merge(tails(c))
    right = tails(a).merge(tails(b).merge(tails(c)))
    whole = tails(a + b + c)
    for found in (left, right):
        assert found.scores.tolist() == whole.scores.tolist()
        assert found.parts.tolist() == whole.parts.tolist()


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 7))
def test_a_daily_threshold_needs_no_more_than_the_tails(seed, cap, n_parts):
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 40, 600)  # some have fewer rows than the cap
    days[days == 3] = 4
    scores = rng.normal(size=600).round(1)  # with ties
    parts = np.array_split(np.arange(600), n_parts)
    tails = [ScoreTails.of(scores[part], days[part], cap + 1) for part in parts]
    merged = tails[0]
    for part in tails[1:]:
        merged = merged.merge(part)
    whole = daily_threshold(scores, days, cap)
    found = daily_threshold(merged.scores, merged.parts, cap)
    assert found == whole
    assert found.units.tolist() == whole.units.tolist()


def test_nothing_to_keep_is_refused():
    with pytest.raises(ValueError, match="most must be 1 or more, got 0"):
        ScoreTails.of([1.0], [0], 0)
