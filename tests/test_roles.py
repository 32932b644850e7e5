"""Who does what: no row, and no group, both teaches and calibrates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rarecorrect.certify import rows_needed, sidak_level
from rarecorrect.roles import Side, SplitPlan, held_out


def roles_of(right, *, side=None, seen=None, strata=None, seed=0, **plan):
    options = {"max_damage": 0.05, "confidence_level": 0.95, **plan}
    unseen = np.ones(len(right), bool) if seen is None else ~seen
    return SplitPlan(**options).roles(
        right,
        unseen=unseen,
        strata=strata,
        side=side or Side(),
        rng=np.random.default_rng(seed),
    )


def rights(n_right, n_errors=10):
    """Errors spread evenly among right decisions."""
    right = np.ones(n_right + n_errors, dtype=bool)
    right[:: len(right) // n_errors][:n_errors] = False
    return right


SIDES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 1000),
        "grouped": st.booleans(),
        "timed": st.booleans(),
        "masked": st.booleans(),
        "partly_seen": st.booleans(),
        "shuffle": st.booleans(),
        "fraction": st.sampled_from(["auto", 0.3]),
    }
)


@given(SIDES)
def test_no_row_and_no_group_has_two_roles(drawn):
    rng = np.random.default_rng(drawn["seed"])
    n = 400
    right = rng.random(n) < 0.9
    groups = rng.integers(0, 120, size=n) if drawn["grouped"] else None
    mask = rng.random(n) < 0.5 if drawn["masked"] else None
    seen = rng.random(n) < 0.3 if drawn["partly_seen"] else np.zeros(n, bool)
    if groups is not None:
        seen = np.isin(groups, groups[seen][:20])  # seen or not by whole groups
    side = Side(
        groups=groups,
        time=rng.integers(0, 30, size=n) if drawn["timed"] else None,
        calibration_mask=mask,
    )
    found = roles_of(
        right,
        side=side,
        seen=seen,
        seed=drawn["seed"],
        shuffle=drawn["shuffle"],
        fraction=drawn["fraction"],
    )
    wrong = np.sort(np.r_[found.errors, found.apart])
    assert_array_equal(wrong, np.flatnonzero(~right))
    teaching = np.r_[found.errors, found.background]
    assert not set(teaching) & set(found.calibration)
    assert right[found.calibration].all()
    assert right[found.background].all()
    assert not seen[found.calibration].any()
    if mask is not None:
        assert mask[found.calibration].all()
    if groups is None:
        assert found.apart.size == 0
        assert teaching.size + found.calibration.size == n
    else:
        assert not set(groups[teaching]) & set(groups[found.calibration])


@pytest.mark.parametrize(
    ("n_right", "share"),
    [
        (59, 0.0),  # 48 of them at the most, 59 are needed
        (74, 0.8),  # 59.2 are needed, all that may be taken
        (100, 0.8),
        (140, 1.5 * 59 / 140),
        (177, 0.5),
        (5000, 0.5),
    ],
)
def test_auto_holds_out_what_the_certificate_needs(n_right, share):
    found = roles_of(rights(n_right))
    assert found.calibration.size == round(share * n_right)
    if share:
        assert found.calibration.size >= rows_needed(0.05, 0.95)


def test_a_fraction_is_taken_as_it_is():
    assert roles_of(rights(1000), fraction=0.123).calibration.size == 123


def test_an_alert_budget_alone_holds_out_half():
    assert roles_of(rights(1000), max_damage=None).calibration.size == 500


def test_strata_each_get_enough():
    strata = np.r_[np.zeros(800), np.ones(200)]
    right = np.ones(1000, dtype=bool)
    found = roles_of(right, strata=strata, max_damage=0.05)
    needed = rows_needed(0.05, sidak_level(0.95, 2))
    assert min(np.bincount(strata[found.calibration].astype(int))) >= needed


def test_strata_that_can_never_be_certified_do_not_hold_rows_back():
    strata = np.r_[np.zeros(990), np.ones(10)]
    found = roles_of(np.ones(1000, dtype=bool), strata=strata)
    assert found.calibration.size == 500


def test_seen_rows_are_background_and_all_others_calibrate():
    right, seen = rights(500), np.arange(510) < 300
    found = roles_of(right, seen=seen)
    assert_array_equal(found.background, np.flatnonzero(right & seen))
    assert_array_equal(found.calibration, np.flatnonzero(right & ~seen))


def test_a_mask_says_which_right_rows_calibrate():
    right, mask = rights(500), np.arange(510) % 3 == 0
    found = roles_of(right, side=Side(calibration_mask=mask))
    assert_array_equal(found.calibration, np.flatnonzero(right & mask))
    assert_array_equal(found.errors, np.flatnonzero(~right))


@pytest.mark.parametrize("kind", ["none", "days", "dates"])
def test_without_shuffling_the_latest_rows_calibrate(kind):
    right = rights(500)
    time = np.random.default_rng(0).permutation(510)
    order = time
    if kind == "none":
        time, order = None, np.arange(510)
    elif kind == "dates":
        time = np.datetime64("2024-01-01") + time
    found = roles_of(right, side=Side(time=time), shuffle=False)
    assert found.calibration.size == 250
    assert order[found.calibration].min() > order[found.background].max()


def test_without_shuffling_a_group_goes_by_its_latest_row():
    time = np.arange(100)
    groups = np.r_[np.repeat(np.arange(49), 2), 0, 1]  # groups 0 and 1 come again
    found = roles_of(
        np.ones(100, bool),
        side=Side(time=time, groups=groups),
        shuffle=False,
        fraction=0.1,
    )
    assert set(groups[found.calibration]) == {0, 1, 46, 47, 48}


def test_another_seed_holds_out_other_rows_the_same_seed_the_same():
    right = rights(500)
    one, again, other = (roles_of(right, seed=s).calibration for s in (1, 1, 2))
    assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.9])
def test_held_out_takes_the_same_share_of_every_label(fraction):
    y = np.repeat(["a", "b", "c"], [100, 10, 1])
    rng = np.random.default_rng(0)
    counts = np.array(
        [
            [out[y == label].sum() for label in "abc"]
            for out in (
                held_out(y, fraction, Side(), shuffle=True, rng=rng)
                for _ in range(2000)
            )
        ]
    )
    expected = fraction * np.array([100, 10, 1])
    assert (np.abs(counts - expected) < 1).all()
    # rare labels too, on average: within five standard errors of at most 1/2
    assert np.abs(counts.mean(axis=0) - expected).max() < 5 * 0.5 / np.sqrt(2000)


def test_a_group_with_errors_calibrates_as_often_as_any_other():
    groups = np.repeat(np.arange(200), 5)
    right = np.ones(1000, dtype=bool)
    right[: 100 * 5 : 5] = False  # half of the groups hold one error
    counts = np.zeros(2)
    for seed in range(50):
        roles = roles_of(right, side=Side(groups=groups), seed=seed, fraction=0.5)
        taken = np.unique(groups[roles.calibration])
        counts += [(taken < 100).sum(), (taken >= 100).sum()]
        assert not set(groups[roles.errors]) & set(taken)
        assert set(groups[roles.apart]) <= set(taken)
        assert roles.errors.size + roles.apart.size == 100
    assert 0.9 < counts[0] / counts[1] < 1.1


def share_of_errors(roles, right):
    return np.mean(~right[roles.traffic])


def test_traffic_has_errors_in_their_share():
    rng = np.random.default_rng(3)
    right = rng.random(20_000) < 0.8
    for options in (
        {},
        {"fraction": 0.1},
        {"side": Side(groups=np.arange(20_000))},
        {"side": Side(groups=np.repeat(np.arange(5000), 4))},
        {"seen": np.arange(20_000) < 15_000},
        {"seen": np.arange(20_000) < 5_000},
        {"side": Side(calibration_mask=rng.random(20_000) < 0.3)},
        {"shuffle": False},
    ):
        found = roles_of(right, max_damage=0.001, **options)
        n = found.traffic.size
        assert n > 1000
        assert np.isin(found.calibration, found.traffic).all()
        assert abs(share_of_errors(found, right) - 0.2) < 5 * np.sqrt(0.16 / n)


def test_traffic_of_the_latest_rows_has_the_latest_errors():
    time = np.arange(1000)
    right = time < 800  # a new kind of error, in the last fifth only
    right[800::2] = True
    found = roles_of(right, side=Side(time=time), shuffle=False, fraction=0.2)
    assert_array_equal(found.traffic, np.arange(found.calibration.min(), 1000))


def test_traffic_has_whole_groups_only():
    groups = np.arange(900) % 300
    right = np.random.default_rng(0).random(900) < 0.5
    found = roles_of(right, side=Side(groups=groups))
    assert 3 * np.unique(groups[found.traffic]).size == found.traffic.size


def test_held_out_takes_whole_groups():
    groups = np.arange(90) % 30
    rng = np.random.default_rng(0)
    out = held_out(np.zeros(90), 0.3, Side(groups=groups), shuffle=True, rng=rng)
    assert out.sum() == 27
    assert not set(groups[out]) & set(groups[~out])


def test_held_out_takes_the_latest_without_shuffling():
    time = np.random.default_rng(0).permutation(50)
    rng = np.random.default_rng(0)
    out = held_out(np.zeros(50), 0.3, Side(time=time), shuffle=False, rng=rng)
    assert_array_equal(np.sort(time[out]), np.arange(35, 50))
