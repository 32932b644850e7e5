"""Certified thresholds against oracles written from the definitions."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import beta

from rarecorrect.certify import (
    Certificate,
    alert_threshold,
    allowed_exceedances,
    certified_threshold,
    daily_threshold,
    one_per_group,
    psi,
    rho,
    rows_needed,
    sidak_level,
    smallest_damage,
    stratified_thresholds,
    thin,
)

NORMAL = np.random.default_rng(0).normal(size=2000)


def tail_of_binomial(k, n, share):
    """P(Bin(n, share) <= k), summed term by term."""
    return sum(
        math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(k + 1)
    )


def spread_of(scores):
    finite = scores[np.isfinite(scores)]
    return np.subtract(*np.quantile(finite, [0.95, 0.05])) if finite.size else 0.0


# --- the exact rule -------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 10, 58, 59, 60, 200, 700])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_k_is_the_largest_that_the_binomial_allows(n, share, level):
    k = allowed_exceedances(n, share, level)
    delta = 1 - level
    assert k == -1 or tail_of_binomial(k, n, share) <= delta
    assert tail_of_binomial(k + 1, n, share) > delta


@pytest.mark.parametrize("share", [0.0003, 0.001, 0.01, 0.012, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.96, 0.99, 0.9999])
def test_rows_needed_is_the_least_that_certifies(share, level):
    n = rows_needed(share, level)
    assert allowed_exceedances(n, share, level) == 0
    assert allowed_exceedances(n - 1, share, level) == -1


@pytest.mark.parametrize(
    ("share", "level", "n"),
    [
        (0.01, 0.95, 299),
        (0.001, 0.95, 2995),
        (0.1, 0.95, 29),
        (0.01, sidak_level(0.95, 7), 490),
    ],
)
def test_rows_needed_as_published(share, level, n):
    assert rows_needed(share, level) == n


@pytest.mark.parametrize("n", [1, 29, 269, 299, 5000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.96])
def test_smallest_damage_is_the_least_that_n_rows_certify(n, level):
    least = smallest_damage(n, level)
    assert allowed_exceedances(n, least * 1.0001, level) >= 0
    assert allowed_exceedances(n, least * 0.9999, level) == -1
    assert smallest_damage(0, level) == 1.0


@pytest.mark.parametrize(
    ("expected", "used"), [(3, 0.33), (10, 0.50), (50, 0.78), (200, 0.88), (1000, 0.95)]
)
def test_share_of_the_budget_used_as_published(expected, used):
    found = certified_threshold(np.arange(float(expected * 100)), 0.01)
    assert_allclose(found.budget_used, used, atol=0.006)


def test_the_damage_of_the_order_statistic_is_a_beta():
    n, share, level = 1000, 0.02, 0.95
    k = allowed_exceedances(n, share, level)
    assert beta.sf(share, k + 1, n - k) <= 1 - level < beta.sf(share, k + 2, n - k - 1)


@pytest.mark.parametrize(("n", "share"), [(100, 0.05), (400, 0.02)])
def test_the_damage_stays_within_the_budget_as_often_as_promised(n, share):
    rng = np.random.default_rng(1)
    k, runs = allowed_exceedances(n, share, 0.9), 1000
    over = sum(
        1 - certified_threshold(rng.random(n), share, 0.9).threshold > share
        for _ in range(runs)
    )
    low, high = (tail_of_binomial(j, n, share) for j in (k - 1, k))
    noise = 4 * math.sqrt(runs * high * (1 - high))
    assert runs * low - noise < over < runs * high + noise
    assert high <= 0.1


# --- thresholds -----------------------------------------------------------------------


def draw(n, seed, digits, n_low, n_high, squeezed):
    """Scores with ties, near ties, rows that no rule can change, and infinite ones."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=n), digits)
    if squeezed:  # gaps too small to put a threshold in
        scores[: n // 2] = 1.0 + 1e-9 * np.arange(n // 2)
    scores[rng.permutation(n)[:n_low]] = -np.inf
    scores[rng.permutation(n)[:n_high]] = np.inf
    return scores


ANY_SCORES = st.builds(
    draw,
    n=st.integers(1, 400),
    seed=st.integers(0, 10_000),
    digits=st.sampled_from([0, 1, 2, 12]),
    n_low=st.sampled_from([0, 0, 3, 250, 400]),
    n_high=st.sampled_from([0, 0, 1, 20]),
    squeezed=st.booleans(),
)


@given(ANY_SCORES, st.sampled_from([0.01, 0.05, 0.3]), st.sampled_from([0.5, 0.95]))
def test_the_threshold_is_the_lowest_that_is_safe_and_clear_of_scores(
    scores, share, level
):
    found = certified_threshold(scores, share, level)
    k = allowed_exceedances(scores.size, share, level)
    down = np.sort(scores)[::-1]
    assert (found.n_allowed, found.n_calibration) == (k, scores.size)
    if k < 0 or down[k] == np.inf:
        assert (found.threshold, found.certified) == (np.inf, False)
        assert found.n_exceeding == 0
        return
    assert found.certified
    assert found.n_exceeding == np.sum(scores > found.threshold) <= k
    assert found.threshold >= down[k]
    if down[k] == -np.inf:
        assert found.threshold == -np.inf
        return
    gap = 1e-6 * spread_of(scores)
    finite = np.unique(scores[np.isfinite(scores)])
    assert np.abs(finite - found.threshold).min() >= 0.499 * gap
    # no lower place is safe and clear: every gap passed over is too small
    passed = finite[(finite >= down[k]) & (finite < found.threshold)]
    assert (np.diff(passed) < gap).all()
    above = finite[finite > found.threshold]
    if above.size:
        assert_allclose(found.threshold, (passed[-1] + above[0]) / 2)


def test_half_way_to_the_next_larger_score():
    scores = np.r_[np.zeros(900), np.arange(1.0, 101.0)]
    found = certified_threshold(scores, 0.01)
    assert (found.n_allowed, found.n_exceeding, found.threshold) == (4, 4, 96.5)


def test_ties_move_the_threshold_up_never_down():
    scores = np.r_[np.zeros(990), np.full(10, 7.0)]
    found = certified_threshold(scores, 0.01)
    assert found.n_exceeding == 0
    assert found.threshold > 7.0


def test_tiny_gaps_are_passed_over():
    near = 5 + 1e-9 * np.arange(4)
    scores = np.r_[np.linspace(0, 1, 996), near]
    found = certified_threshold(scores, 0.01)
    assert found.n_allowed == 4
    assert 1 < found.threshold < 5  # four are allowed, and all four are near each other
    squeezed = certified_threshold(np.r_[scores, 5 - 1e-9, 5 - 2e-9], 0.01)
    assert squeezed.n_allowed == 4
    assert squeezed.n_exceeding == 0
    assert squeezed.threshold >= near[-1] + 1e-6 * spread_of(scores) / 2


@pytest.mark.parametrize("top", [0.0, 3.0, -3.0, 1e8])
def test_at_k_zero_the_threshold_clears_the_largest_score(top):
    scores = top - np.linspace(0, 2, 299)
    found = certified_threshold(scores, 0.01)
    step = max(1e-6 * spread_of(scores), 1e-6 * abs(top), 1e-12)
    assert found.n_allowed == 0
    assert_allclose(found.threshold - top, step, rtol=1e-6)


def test_rows_that_no_rule_can_change_stay_in_n():
    some = np.r_[np.full(900, -np.inf), np.arange(100.0)]
    found = certified_threshold(some, 0.01)
    assert (found.n_calibration, found.n_allowed, found.threshold) == (1000, 4, 95.5)
    few = np.r_[np.full(998, -np.inf), 1.0, 2.0]
    assert certified_threshold(few, 0.01).threshold == -np.inf


@given(st.integers(0, 1000), st.sampled_from([0.01, 0.1]))
def test_order_does_not_matter(seed, share):
    shuffled = np.random.default_rng(seed).permutation(NORMAL)
    assert certified_threshold(shuffled, share) == certified_threshold(NORMAL, share)


@given(st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_the_threshold_moves_with_the_scores(scale, shift):
    plain = certified_threshold(NORMAL, 0.05)
    moved = certified_threshold(NORMAL * scale + shift, 0.05)
    assert_allclose(moved.threshold, plain.threshold * scale + shift, rtol=1e-6)
    assert moved.n_exceeding == plain.n_exceeding


def test_a_larger_budget_or_less_confidence_never_raises_the_threshold():
    budgets = [
        certified_threshold(NORMAL, s).threshold for s in (0.001, 0.01, 0.1, 0.5)
    ]
    levels = [
        certified_threshold(NORMAL, 0.01, c).threshold for c in (0.999, 0.95, 0.5)
    ]
    assert budgets == sorted(budgets, reverse=True)
    assert levels == sorted(levels, reverse=True)
    assert budgets[0] == np.inf


def test_too_few_rows_certify_nothing_and_say_so():
    found = certified_threshold(NORMAL[:298], 0.01)
    assert (found.threshold, found.certified, found.n_allowed) == (np.inf, False, -1)
    assert found.budget_used == 0
    assert_allclose(found.smallest_damage, smallest_damage(298, 0.95))
    assert str(found) == (
        "not certifiable: 1 % of right decisions at 95 % confidence needs 299 rows, "
        "got 298"
    )
    assert certified_threshold([], 0.01).certified is False


# --- groups, weights ------------------------------------------------------------------


def test_groups_count_once():
    groups = np.arange(2000) // 10
    found = certified_threshold(NORMAL, 0.05, groups=groups)
    assert (found.n_calibration, found.unit) == (200, "groups")
    assert found.n_allowed == allowed_exceedances(200, 0.05, 0.95)
    again = certified_threshold(NORMAL, 0.05, groups=groups)
    other = certified_threshold(NORMAL, 0.05, groups=groups, random_state=1)
    assert again == found
    assert other.threshold != found.threshold


@pytest.mark.parametrize("kind", [str, int])
def test_one_row_of_each_group_each_row_equally_likely(kind):
    groups = np.array([5, 5, 5, 9, 5]).astype(kind)
    picks = Counter(
        row for seed in range(800) for row in one_per_group(groups, 5, seed).tolist()
    )
    assert picks.pop(3) == 800
    assert sorted(picks) == [0, 1, 2, 4]
    assert min(picks.values()) > 140


def test_equal_weights_change_nothing():
    plain = certified_threshold(NORMAL, 0.01)
    assert (
        certified_threshold(NORMAL, 0.01, sampling_weight=np.full(2000, 7.0)) == plain
    )


def test_thinning_restores_the_population():
    rng = np.random.default_rng(5)
    rare = rng.random(40_000) < 0.5  # a tenth of the population, half of the sample
    scores = rng.normal(size=40_000) + 3 * rare
    weight = np.where(rare, 2.0, 18.0)
    kept = thin(weight, 40_000, 0)
    assert kept[~rare].all()
    assert abs(rare[kept].mean() - 0.1) < 0.01
    found = certified_threshold(scores, 0.05, sampling_weight=weight)
    assert abs(found.n_calibration - kept.sum()) < 5 * np.sqrt(2 * 40_000 / 10)
    damage = np.average(scores > found.threshold, weights=weight)
    ignored = certified_threshold(scores, 0.05)
    assert 0.03 < damage < 0.05
    assert np.average(scores > ignored.threshold, weights=weight) < 0.02


def test_groups_and_weights_together_count_groups_that_are_left():
    groups, weight = np.arange(2000) // 2, np.where(np.arange(2000) < 1000, 1e-9, 1.0)
    found = certified_threshold(NORMAL, 0.05, groups=groups, sampling_weight=weight)
    assert (found.n_calibration, found.unit) == (500, "groups")


def test_a_rare_group_of_many_rows_is_thinned_once():
    groups = np.repeat(np.arange(1000), 20)
    weight = np.where(groups % 2 == 0, 1.0, 0.1)  # odd groups: a tenth of their rate
    scores = np.where(groups % 2 == 0, 0.0, 1.0) + np.linspace(0, 0.5, groups.size)
    found = certified_threshold(scores, 0.2, groups=groups, sampling_weight=weight)
    assert abs(found.n_calibration - 550) < 5 * np.sqrt(500 * 0.1 * 0.9)
    # odd groups are a share of 50/550 of the population, so a budget of 20 % has them
    assert found.threshold < 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_order_of_the_rows_does_not_matter(weighted, grouped):
    rng = np.random.default_rng(8)
    scores = rng.normal(size=2000)
    options = {
        "groups": rng.integers(0, 600, 2000) if grouped else None,
        "sampling_weight": rng.uniform(1, 9, 2000) if weighted else None,
    }
    mixed = rng.permutation(2000)
    moved = {k: None if v is None else v[mixed] for k, v in options.items()}
    one = certified_threshold(scores, 0.05, **options)
    assert certified_threshold(scores[mixed], 0.05, **moved) == one


def test_the_threshold_stays_out_of_a_gap_of_rounding_where_most_scores_are_tied():
    top = 1 + 1e-13 * np.arange(20)
    found = certified_threshold(np.r_[np.zeros(980), top], 0.05)
    assert found.n_exceeding in (0, 20)


def test_the_average_damage_lies_between_the_bounds_for_comparison():
    found = certified_threshold(NORMAL, 0.05)
    bounds = found.comparison
    assert bounds["at_least"] <= bounds["exact"] <= bounds["at_most"]
    assert bounds["exact"] == pytest.approx((found.n_allowed + 1) / 2001)
    assert bounds["exact"] < found.max_damage < bounds["at_most"]


def test_more_rows_use_more_of_the_budget():
    found = certified_threshold(NORMAL, 0.01)
    assert found.budget_used_with(2000) == found.budget_used
    shares = [found.budget_used_with(n) for n in (1000, 2000, 8000, 100_000)]
    assert shares == sorted(shares)
    assert shares[-1] > 0.9


# --- strata ---------------------------------------------------------------------------


def test_each_stratum_gets_its_own_certificate_at_sidaks_level():
    strata = np.array(["a", "b", "c"])[np.arange(2000) % 3]
    found = stratified_thresholds(NORMAL, strata, 0.05)
    level = 0.95 ** (1 / 3)
    assert list(found) == ["a", "b", "c"]
    for label, certificate in found.items():
        alone = certified_threshold(NORMAL[strata == label], 0.05, level)
        assert certificate.threshold == alone.threshold
        assert certificate.confidence_level == level
        assert certificate.population == f"right decisions with {label!r}"


def test_a_small_stratum_is_off_and_does_not_stop_the_others():
    found = stratified_thresholds(NORMAL, np.arange(2000) < 20, 0.05)
    assert not found[True].certified
    assert found[False].certified


def test_strata_take_their_own_groups_and_weights():
    strata, groups = np.arange(2000) % 2, np.arange(2000) // 4
    found = stratified_thresholds(NORMAL, strata, 0.1, groups=groups)
    assert {c.n_calibration for c in found.values()} == {500}
    light = np.where(strata == 0, 1.0, 5.0)  # equal within each stratum
    plain = stratified_thresholds(NORMAL, strata, 0.1)
    assert stratified_thresholds(NORMAL, strata, 0.1, sampling_weight=light) == plain


# --- alerts ---------------------------------------------------------------------------


def test_an_alert_rate_is_the_exact_rule_on_traffic():
    found = alert_threshold(NORMAL, 0.01)
    assert found.threshold == certified_threshold(NORMAL, 0.01).threshold
    assert found.population == "traffic"


def test_without_labels_the_rate_times_the_accuracy_bounds_the_damage():
    found = alert_threshold(NORMAL, 0.05, legacy_accuracy=0.8)
    assert found.threshold == certified_threshold(NORMAL, 0.04).threshold
    assert_allclose(found.max_damage, 0.04)  # of traffic; the words say what it bounds
    assert str(found).startswith(
        "changes at most 4 % of traffic, so at most 5 % of right decisions if the "
        "legacy accuracy is at least 0.8,"
    )


def test_thinned_traffic_is_a_sample_of_the_population():
    weight = np.where(np.arange(2000) < 1000, 1e-9, 1.0)
    found = alert_threshold(NORMAL, 0.01, sampling_weight=weight)
    assert found.threshold == certified_threshold(NORMAL[1000:], 0.01).threshold


def day_maxima(scores, days, cap):
    """The (cap + 1)-th largest score of every day, in plain Python."""
    by_day = {}
    for score, day in zip(scores, days, strict=True):
        by_day.setdefault(day, []).append(score)
    ranked = [sorted(found, reverse=True) for found in by_day.values()]
    return np.array([s[cap] if len(s) > cap else -np.inf for s in ranked])


@given(
    seed=st.integers(0, 1000),
    n_days=st.integers(1, 60),
    cap=st.integers(0, 12),
    digits=st.sampled_from([1, 12]),
)
def test_days_are_the_units_of_a_daily_cap(seed, n_days, cap, digits):
    rng = np.random.default_rng(seed)
    days = rng.integers(0, n_days, size=500)
    scores = np.round(rng.normal(size=500), digits)
    scores[rng.random(500) < 0.01] = np.inf
    found = daily_threshold(scores, days, cap)
    expected = certified_threshold(day_maxima(scores, days, cap), 0.10)
    assert found.threshold == expected.threshold
    assert (found.unit, found.max_damage) == ("days", 0.10)
    assert found.n_calibration == np.unique(days).size
    if found.certified:
        over = Counter(days[scores > found.threshold].tolist()).values()
        assert sum(alerts > cap for alerts in over) == found.n_exceeding
        assert found.n_exceeding <= found.n_allowed


@pytest.mark.parametrize(("n_days", "certified"), [(28, False), (29, True)])
def test_a_daily_cap_needs_29_days(n_days, certified):
    days = np.repeat(np.arange(n_days), 50)
    scores = np.random.default_rng(0).normal(size=days.size)
    assert daily_threshold(scores, days, 5).certified is certified


def test_days_may_be_dates_in_any_order():
    days = np.repeat(np.arange(40), 25)
    scores = np.random.default_rng(0).normal(size=1000)
    order = np.random.default_rng(1).permutation(1000)
    dates = np.datetime64("2024-02-01") + days[order]
    assert daily_threshold(scores[order], dates, 3) == daily_threshold(scores, days, 3)


# --- bounds to compare with -----------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "n", "value"),
    [(0.9, 50, 0.674), (0.9, 100, 0.733), (0.9, 1000, 0.841), (0.5, 100, 0.346)],
)
def test_rho_as_published(share, n, value):
    assert_allclose(rho(share, n), value, atol=5e-4)


@pytest.mark.parametrize(
    ("share", "n", "value"),
    [(0.01, 1000, 0.070), (0.05, 100, 0.221), (0.05, 1000, 0.110), (0.10, 100, 0.271)],
)
def test_psi_as_published(share, n, value):
    assert_allclose(psi(share, n), value, atol=5e-4)


@given(st.floats(0, 1), st.integers(1, 5000))
def test_rho_and_psi_enclose_the_share(share, n):
    assert 0 <= rho(share, n) <= share <= psi(share, n) <= 1


# --- wrong input ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 1.5, -0.1, math.nan])
@pytest.mark.parametrize("name", ["max_damage", "confidence_level"])
def test_shares_lie_between_zero_and_one(name, value):
    arguments = {"max_damage": 0.01, "confidence_level": 0.95, name: value}
    message = rf"{name} must lie in \(0, 1\), got {value}"
    with pytest.raises(ValueError, match=message):
        certified_threshold(NORMAL, **arguments)
    with pytest.raises(ValueError, match=message):
        rows_needed(**arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: certified_threshold([1, math.nan, 2], 0.5), "1 of 3.*NaN.*row 1"),
        (lambda s: certified_threshold([[1.0]], 0.5), r"one dimension.*\(1, 1\)"),
        (lambda s: certified_threshold(s, 0.1, groups=[1]), "groups.*2000"),
        (lambda s: certified_threshold(s, 0.1, sampling_weight=[1]), "sampling_weight"),
        (lambda s: certified_threshold(s, 0.1, sampling_weight=0 * s), "positive.*0.0"),
        (lambda s: certified_threshold(s, 0.1, sampling_weight=s / 0.0), "finite"),
        (lambda s: stratified_thresholds(s, [1], 0.1), "strata.*2000"),
        (lambda s: daily_threshold(s, [1], 5), "days.*2000"),
        (lambda s: daily_threshold(s, s, -1), "0 or more, got -1"),
        (lambda s: daily_threshold(s, s, 2.5), "whole number.*2.5"),
        (lambda s: daily_threshold(s, s, 5, exceed_probability=2), "got 2"),
        (lambda s: alert_threshold(s, 25), "got 25"),
        (lambda s: alert_threshold(s, 0.1, legacy_accuracy=97), "legacy_accuracy.*97"),
        (lambda s: sidak_level(1.0, 3), "confidence_level.*1.0"),
    ],
)
def test_wrong_input_is_quoted(call, message):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=message):
        call(NORMAL)


def test_a_certificate_reads_as_a_sentence():
    found = certified_threshold(np.arange(1000.0), 0.01, population="right answers")
    assert isinstance(found, Certificate)
    assert str(found) == (
        "changes at most 1 % of right answers (95 % confidence, 1,000 rows, 4 above)"
    )
    with pytest.raises(AttributeError):
        found.threshold = 0.0


def test_the_same_rows_and_seed_give_the_same_choice():
    weight = np.random.default_rng(0).random(100) + 0.01
    assert_array_equal(thin(weight, 100, 3), thin(weight, 100, 3))
    assert_array_equal(one_per_group([1, 1, 2], 3, 3), one_per_group([1, 1, 2], 3, 3))


def test_a_daily_certificate_speaks_of_days():
    days = np.repeat(np.arange(40), 50)
    scores = np.random.default_rng(0).normal(size=2000)
    found = str(daily_threshold(scores, days, cap=3))
    assert found.startswith(
        "at most 10 % of further days with more than 3 alerts (95 %"
    )
    few = str(daily_threshold(scores[:500], days[:500], cap=3))
    assert few.startswith("not certifiable: 10 % of further days with more than 3 al")
    assert few.endswith("needs 29 days, got 10")


# --- what was counted -----------------------------------------------------------------


def test_units_are_the_scores_that_were_counted():
    rows = certified_threshold(NORMAL, 0.05)
    assert_array_equal(rows.units, np.sort(NORMAL))
    groups = np.arange(2000) // 4
    grouped = certified_threshold(NORMAL, 0.05, groups=groups)
    assert grouped.units.size == grouped.n_calibration == 500
    drawn = groups[np.isin(NORMAL, grouped.units)]
    assert np.unique(drawn).size == 500
    thinned = certified_threshold(NORMAL, 0.05, sampling_weight=1.0 + groups % 2)
    assert thinned.units.size == thinned.n_calibration < 2000
    assert np.isin(thinned.units, NORMAL).all()


def test_units_of_strata_and_days():
    halves = np.arange(2000) % 2
    found = stratified_thresholds(NORMAL, halves, 0.05)
    for half, made in found.items():
        assert_array_equal(made.units, np.sort(NORMAL[halves == half]))
    days = np.arange(2000) // 50
    made = daily_threshold(NORMAL, days, cap=3)
    fourth = np.sort(NORMAL.reshape(40, 50), axis=1)[:, -4]
    assert_array_equal(made.units, np.sort(fourth))


def test_what_was_not_certified_was_counted_too():
    made = certified_threshold(NORMAL[:20], 0.05)
    assert not made.certified
    assert_array_equal(made.units, np.sort(NORMAL[:20]))


# --- what a further window will show --------------------------------------------------


@pytest.mark.parametrize(("n", "eps", "window"), [(300, 0.05, 200), (1000, 0.01, 5000)])
def test_a_further_window_rarely_shows_more_than_predicted(n, eps, window):
    rng = np.random.default_rng(0)
    over = exact = 0
    for _ in range(2000):
        scores = rng.random(n)
        c = certified_threshold(scores, eps)
        most = c.most_in_window(window)
        over += np.sum(rng.random(window) > c.threshold) > most
        bare = np.sort(scores)[::-1][c.n_allowed]
        exact += np.sum(rng.random(window) > bare) > most
    # at s_(k+1) itself the prediction is exact, up to whole numbers
    assert over / 2000 < 0.05 and 0.02 < exact / 2000 < 0.065


def test_nothing_is_predicted_where_nothing_fires():
    off = certified_threshold(NORMAL[:20], 0.01)
    assert off.most_in_window(1000) == 0
    with pytest.raises(ValueError, match="window must be 0 units or more, got -1"):
        off.most_in_window(-1)
