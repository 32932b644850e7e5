from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate

from rarecorrect.time_windows import TimeWindows

DAYS = np.arange(140)


def splits(windows: TimeWindows, time, groups=None):
    return list(windows.split(np.zeros(len(time)), groups=groups, time=time))


def first_and_last(time, rows):
    return int(time[rows].min()), int(time[rows].max())


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    whole=st.booleans(),
    test_size=st.integers(1, 20),
    n_splits=st.integers(1, 4),
    train_size=st.none() | st.integers(1, 30),
    gap=st.integers(0, 8),
    label_delay=st.integers(0, 8),
    embargo=st.integers(0, 8),
    with_groups=st.booleans(),
)
def test_nothing_leaks_from_the_test_window_into_training(
    seed,
    whole,
    test_size,
    n_splits,
    train_size,
    gap,
    label_delay,
    embargo,
    with_groups,
):
    rng = np.random.default_rng(seed)
    time = rng.integers(0, 100, 300) if whole else rng.uniform(0, 100, 300)
    groups = rng.integers(0, 150, 300) if with_groups else None
    windows = TimeWindows(
        test_size,
        n_splits,
        train_size=train_size,
        gap=gap,
        label_delay=label_delay,
        embargo=embargo,
    )
    try:
        folds = splits(windows, time, groups)
    except ValueError as error:
        assume("holds no row" not in str(error))
        raise
    assert len(folds) == n_splits
    for number, (train, test) in enumerate(folds):
        end = time.max() - (n_splits - 1 - number) * test_size
        start = time.max() - (n_splits - number) * test_size
        np.testing.assert_array_equal(
            test, np.flatnonzero((time > start) & (time <= end))
        )
        known_until = start - max(gap, label_delay)
        assert time[train].max() <= known_until
        assert time[train].max() < time[test].min() - max(gap, label_delay)
        expected = time <= known_until
        if train_size is not None:
            expected &= time > known_until - train_size
        for earlier in range(number):
            earlier_end = time.max() - (n_splits - 1 - earlier) * test_size
            expected &= ~((time > earlier_end) & (time <= earlier_end + embargo))
        if groups is not None:
            assert not set(groups[train]) & set(groups[test])
            expected &= ~np.isin(groups, groups[test])
        np.testing.assert_array_equal(train, np.flatnonzero(expected))


def test_days_of_the_new_fraud_type_protocol():
    # Learn from days 75 to 104, wait 7 days for labels, test on days 112 to 139.
    windows = TimeWindows(28, 1, train_size=30, label_delay=7)
    ((train, test),) = splits(windows, DAYS)
    assert first_and_last(DAYS, train) == (75, 104)
    assert first_and_last(DAYS, test) == (112, 139)


def test_the_larger_of_gap_and_label_delay_counts():
    last_days = [
        splits(TimeWindows(10, 1, gap=gap, label_delay=delay), DAYS)[0][0].max()
        for gap, delay in [(0, 0), (3, 0), (0, 3), (3, 5), (5, 3)]
    ]
    assert last_days == [129, 126, 126, 124, 124]


def test_embargo_is_left_out_of_later_training_only():
    folds = splits(TimeWindows(20, 3, embargo=5), DAYS)
    assert set(range(100)) - set(folds[1][0]) == set()
    assert set(range(120)) - set(folds[2][0]) == set(range(100, 105))
    assert [list(test) for _, test in folds] == [
        list(range(first, first + 20)) for first in (80, 100, 120)
    ]


@pytest.mark.parametrize(
    ("params", "n_splits"),
    [
        ({"test_size": 28, "train_size": 28}, 4),
        ({"test_size": 28, "train_size": 29}, 3),
        ({"test_size": 28, "train_size": 21, "label_delay": 7}, 4),
        ({"test_size": 70}, 1),
    ],
)
def test_without_n_splits_every_window_with_complete_training(params, n_splits):
    windows = TimeWindows(**params)
    folds = splits(windows, DAYS)
    assert len(folds) == n_splits == windows.get_n_splits(time=DAYS)
    if "train_size" in params:
        assert {len(train) for train, _ in folds} == {params["train_size"]}


def test_fractional_times_are_not_counted_as_whole_units():
    time = DAYS.astype(float)
    assert TimeWindows(28, train_size=28).get_n_splits(time=time) == 3


def test_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(140)
    windows = TimeWindows(28, 3, gap=2)
    for (train, test), (train_2, test_2) in zip(
        splits(windows, DAYS), splits(windows, DAYS[order]), strict=True
    ):
        assert set(order[train_2]) == set(train)
        assert set(order[test_2]) == set(test)


def dates() -> pd.Series:
    return pd.Series(pd.date_range("2024-01-01", periods=140, freq="D"))


@pytest.mark.parametrize(
    "time",
    [
        dates(),
        dates().dt.tz_localize("Asia/Tokyo"),
        dates().to_numpy().astype("datetime64[s]"),
        list(dates()),
        pd.DatetimeIndex(dates()),
        pl.Series(dates().to_list()),
        dates().set_axis(np.arange(140)[::-1]),
    ],
    ids=["series", "zoned", "numpy", "list", "index", "polars", "own index"],
)
def test_datetimes_give_the_same_windows_as_days(time):
    expected = splits(TimeWindows(28, 1, train_size=30, label_delay=7), DAYS)
    windows = TimeWindows(
        "28D", 1, train_size=timedelta(30), label_delay=np.timedelta64(7, "D"), gap=0.0
    )
    for rows, rows_expected in zip(splits(windows, time)[0], expected[0], strict=True):
        np.testing.assert_array_equal(rows, rows_expected)


def test_nanoseconds_are_not_rounded():
    time = np.datetime64("2024-01-01", "ns") + np.arange(10)
    ((train, test),) = splits(TimeWindows("3ns", 1, gap="2ns", label_delay=0.0), time)
    assert list(train) == [0, 1, 2, 3, 4]
    assert list(test) == [7, 8, 9]
    ((train, test),) = splits(TimeWindows("3ns", 1, gap=0.0), time)
    assert list(train) == [0, 1, 2, 3, 4, 5, 6]
    assert list(test) == [7, 8, 9]


@pytest.mark.parametrize(
    ("params", "time", "message"),
    [
        ({"test_size": 0}, DAYS, r"test_size must be .* larger than 0, got 0"),
        ({"test_size": np.inf}, DAYS, r"test_size must be a finite span.* got inf"),
        ({"test_size": np.nan}, DAYS, r"test_size must be a finite span.* got nan"),
        ({"test_size": 5, "gap": -1}, DAYS, r"gap must be .* 0 or more, got -1"),
        ({"test_size": 5, "train_size": 0}, DAYS, "train_size .* got 0"),
        ({"test_size": 5, "n_splits": 0}, DAYS, "n_splits must be .* got 0"),
        ({"test_size": 5, "n_splits": 2.0}, DAYS, "n_splits must be .* got 2.0"),
        ({"test_size": "7D"}, DAYS, "test_size='7D' is not a number.*unit of time"),
        ({"test_size": 7}, dates(), "test_size=7 has no unit.*'7D'"),
        ({"test_size": "7 apples"}, dates(), "test_size must be .* got '7 apples'"),
        ({"test_size": "NaT"}, dates(), "test_size must be .* got 'NaT'"),
        ({"test_size": 100}, DAYS, "from 0 to 139 is too short.*test_size=100"),
        ({"test_size": 5}, np.r_[DAYS, np.nan], "time is missing in row 140"),
        (
            {"test_size": 5},
            np.r_[np.inf, DAYS],
            "time must be finite, got .*inf.*row 0",
        ),
        ({"test_size": 5}, [], "at least one value, got none"),
        (
            {"test_size": 70, "n_splits": 2},
            DAYS,
            r"training window 1 of 2, \(-inf, -1\]",
        ),
        (
            {"test_size": "28D", "n_splits": 10**4},
            dates(),
            r"test window 1 of 10000, \(1257-",
        ),
        (
            {"test_size": 10, "n_splits": 3},
            np.r_[0:100, 120:140],
            r"test window 1 of 3, \(109, 119\], holds no row.*smaller",
        ),
    ],
)
def test_errors_quote_the_value_and_name_the_way_out(params, time, message):
    windows = TimeWindows(**params)
    with pytest.raises(ValueError, match=message):
        splits(windows, time)


def test_a_hole_in_time_is_no_error_where_no_window_needs_it():
    time = np.r_[0:100, 120:140]
    folds = splits(TimeWindows(10, 2), time)
    assert first_and_last(time, folds[0][0]) == (0, 99)
    assert first_and_last(time, folds[0][1]) == (120, 129)


def test_text_is_not_a_time():
    with pytest.raises(TypeError, match=r"got '2024-01-01' in row 0.*to_datetime"):
        splits(TimeWindows("1D"), ["2024-01-01", "2024-01-02"])


def test_missing_time_names_the_way_out():
    with pytest.raises(ValueError, match=r"needs time=.*metadata routing"):
        next(TimeWindows(5).split(DAYS))
    with pytest.raises(ValueError, match="needs time="):
        TimeWindows(5).get_n_splits(DAYS)


def test_time_is_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        TimeWindows(5).split(DAYS, None, None, DAYS)


def test_groups_that_leave_no_training_rows_and_missing_groups():
    with pytest.raises(ValueError, match=r"training window 1 of 1.*finer groups"):
        splits(TimeWindows(10, 1), DAYS, groups=np.zeros(140))
    with pytest.raises(ValueError, match="groups is missing in row 3"):
        splits(TimeWindows(10, 1), DAYS, groups=["a", "b", "c", None] * 35)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(TimeWindows(10).split(np.zeros(3), time=DAYS))


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    return {
        "X": X,
        "y": (X[:, 0] + rng.normal(size=400) > 0).astype(int),
        "time": rng.permutation(np.linspace(0, 100, 400)),
        "customer": rng.integers(0, 300, 400),
    }


def test_cross_validate_routes_time_and_groups(table):
    windows = TimeWindows(10, 3, label_delay=5)
    expected = splits(windows, table["time"], table["customer"])
    with sklearn.config_context(enable_metadata_routing=True):
        result = cross_validate(
            LogisticRegression(),
            table["X"],
            table["y"],
            cv=windows,
            params={"time": table["time"], "groups": table["customer"]},
            return_indices=True,
        )
    for side, which in enumerate(("train", "test")):
        for rows, fold in zip(result["indices"][which], expected, strict=True):
            np.testing.assert_array_equal(rows, fold[side])


def test_grid_search_routes_time_under_another_name(table):
    with sklearn.config_context(enable_metadata_routing=True):
        windows = TimeWindows(20).set_split_request(time="when")
        search = GridSearchCV(
            LogisticRegression(), {"C": [0.1, 1.0]}, cv=clone(windows, safe=False)
        )
        search.fit(table["X"], table["y"], when=table["time"])
    assert search.n_splits_ == TimeWindows(20).get_n_splits(time=table["time"]) == 4


def test_without_routing_the_list_of_splits_works(table):
    windows = TimeWindows(20, 2)
    folds = list(windows.split(table["X"], time=table["time"]))
    result = cross_validate(LogisticRegression(), table["X"], table["y"], cv=folds)
    assert len(result["test_score"]) == 2


def test_repr_shows_the_parameters():
    assert "label_delay='7D'" in repr(TimeWindows("28D", label_delay="7D"))
