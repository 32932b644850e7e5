"""TailScale: strictly increasing on the whole line, exact where data are dense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from rarecorrect.tail_scale import TailScale


def draw(n, seed, digits, scale):
    """Heavy tails, and many ties where few digits are left."""
    return np.round(np.random.default_rng(seed).standard_t(2, size=n) * scale, digits)


SCORES = st.builds(
    draw,
    n=st.integers(1, 300),
    seed=st.integers(0, 10_000),
    digits=st.integers(0, 6),
    scale=st.sampled_from([1.0, 30.0]),
)
MORE = st.lists(st.floats(-1e4, 1e4), max_size=10).map(np.array)


def tail_rank(scores, value):
    return -np.log((1 + np.sum(scores >= value)) / (len(scores) + 1))


def where_the_tail_starts(scores):
    """The 98 % point, the 30th largest, or the median, as the method says."""
    s = np.sort(scores)
    if s.size < 60:
        return s[(s.size - 1) // 2]
    u = np.quantile(s, 0.98, method="lower")
    return u if np.sum(s > u) >= 30 else s[-30]


@given(SCORES)
def test_it_is_minus_the_log_tail_rank_up_to_the_tail(scores):
    scale, u = TailScale.from_scores(scores), where_the_tail_starts(scores)
    body = np.unique(scores[scores <= u])
    assert_allclose(scale(body), [tail_rank(scores, v) for v in body], atol=1e-12)
    assert scale.knots[-1] == u


@given(SCORES, MORE)
def test_it_is_strictly_increasing_on_the_whole_line(scores, more):
    scale = TailScale.from_scores(scores)
    values = np.unique(np.round(np.r_[scores, more, -1e5, 1e5], 3))
    assert (np.diff(scale(values)) > 0).all()


@given(SCORES, MORE)
def test_inverse_gives_the_score_back(scores, more):
    scale = TailScale.from_scores(scores)
    found = [scale.inverse(g) for g in scale(more)]
    assert_allclose(found, more, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [10, 59, 60, 400, 1499, 1501, 5000])
def test_the_tail_goes_on_with_the_mean_excess(n):
    scores = np.random.default_rng(n).exponential(size=n)
    scale, u = TailScale.from_scores(scores), where_the_tail_starts(scores)
    excess = np.mean(scores[scores > u] - u)
    assert_allclose(scale(u + 7 * excess), scale(u) + 7)
    assert_allclose(scale(scores.min() - 3 * scores.std()), scale(scores.min()) - 3)


def test_rows_above_all_that_were_seen_are_told_apart():
    scale = TailScale.from_scores(np.arange(1000.0))
    assert (np.diff(scale(np.array([999.0, 1000.0, 1e4, 1e8]))) > 0).all()


@pytest.mark.parametrize("value", [0.0, -3.0, 1e6])
def test_equal_scores_get_a_steep_scale(value):
    scale = TailScale.from_scores(np.full(100, value))
    slope = 1 / (1e-6 * max(1, abs(value)))
    step = 1e-3 * max(1, abs(value))
    assert_allclose(scale(value + step) - scale(value), step * slope, rtol=1e-6)
    assert_allclose(scale(value) - scale(value - step), step * slope, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e6])
def test_the_unit_of_the_scores_does_not_matter(unit):
    scores = np.random.default_rng(0).standard_t(3, size=500)
    probes = np.linspace(-20, 20, 50)
    one, other = TailScale.from_scores(scores), TailScale.from_scores(scores * unit)
    assert_allclose(other(probes * unit), one(probes), rtol=1e-6)


def test_missing_stays_missing_and_infinite_stays_infinite():
    scale = TailScale.from_scores(np.arange(100.0))
    found = scale(np.array([np.nan, np.inf, -np.inf]))
    assert np.isnan(found[0])
    assert found[1:].tolist() == [np.inf, -np.inf]
    assert (scale.inverse(np.inf), scale.inverse(-np.inf)) == (np.inf, -np.inf)


def test_it_stays_small_and_close_on_many_rows():
    scores = np.random.default_rng(0).normal(size=50_000)
    scale = TailScale.from_scores(scores)
    assert scale.knots.size <= 1024
    body = np.quantile(scores, np.linspace(0, 0.98, 200), method="lower")
    exact = [tail_rank(scores, v) for v in body]
    assert_allclose(scale(body), exact, atol=0.005)


@given(SCORES, st.integers(0, 1000))
def test_a_weight_counts_a_score_so_many_times(scores, seed):
    times = np.random.default_rng(seed).integers(1, 4, size=len(scores))
    weighted = TailScale.from_scores(scores, times)
    repeated = TailScale.from_scores(np.repeat(scores, times))
    assert_allclose(weighted.knots, repeated.knots)
    assert_allclose(weighted.values, repeated.values)
    assert_allclose(weighted.slope_above, repeated.slope_above)
    assert_allclose(weighted.slope_below, repeated.slope_below)


def test_order_does_not_matter():
    scores = np.random.default_rng(0).normal(size=500)
    a, b = TailScale.from_scores(scores), TailScale.from_scores(scores[::-1])
    assert a(scores).tobytes() == b(scores).tobytes()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "at least one score.*got 0"),
        ([1, np.nan], "got 2 scores, 1 of them not finite"),
        ([1, np.inf, -np.inf], "2 of them not finite"),
    ],
)
def test_scores_must_be_there_and_finite(scores, message):
    with pytest.raises(ValueError, match=message):
        TailScale.from_scores(scores)
