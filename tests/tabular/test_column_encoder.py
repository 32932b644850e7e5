"""ColumnEncoder: any frame as named numbers, the same after a file."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from rarecorrect import ColumnModel, ErrorCorrector, load, save
from rarecorrect_tabular.column_encoder import ColumnEncoder

N = 600


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"t{i}" for i in range(N)],
            "amount": rng.gamma(2, 30, N),
            "age": rng.integers(18, 90, N).astype(float),
            "online": rng.random(N) < 0.5,
            "country": rng.choice(["FR", "DE", "LI"], N, p=[0.6, 0.395, 0.005]),
            "opened": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
            "ts": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 90 * 86_400, N), unit="s"),
            "empty": [None] * N,
        }
    )
    frame.loc[::10, "age"] = np.nan
    frame.loc[::7, "country"] = None
    frame["score"] = rng.random(N)
    return frame


@pytest.mark.parametrize(
    "amounts",
    [["1,234.50", "12", None], [7.5, 3, "2,000"], ["12,50", "3,10", "-4,00"]],
)
def test_numbers_with_commas_are_no_category(amounts: list[object]) -> None:
    rows = pd.DataFrame({"amount": amounts})
    with pytest.raises(
        ValueError, match=r"'amount' holds numbers with commas, such as"
    ):
        ColumnEncoder().fit(rows)
    for other in (["a, b", "1"], pd.Categorical(["1,2", "3"])):
        kinds = ColumnEncoder().fit(pd.DataFrame({"codes": other})).kinds_
        assert kinds == {"codes": "category"}


COLUMNS = ["id", "amount", "age", "online", "country", "opened", "ts", "empty"]
NAMES = [
    "amount",
    "age",
    "age is missing",
    "online",
    "country = FR",
    "country = DE",
    "country = other",
    "country is missing",
    *(
        f"{part} of opened, {curve}"
        for part in ("hour", "weekday")
        for curve in ("sine", "cosine")
    ),
    "days from opened to ts",
    *(
        f"{part} of ts, {curve}"
        for part in ("hour", "weekday")
        for curve in ("sine", "cosine")
    ),
]


@pytest.fixture(scope="module")
def encoder(payments) -> ColumnEncoder:
    return ColumnEncoder(COLUMNS, time="ts").fit(payments)


def test_every_column_has_the_analysts_name(payments, encoder):
    Z = encoder.transform(payments)
    assert list(Z) == NAMES == list(encoder.get_feature_names_out())
    assert encoder.left_out_ == {
        "id": "no value is frequent, such as in an id",
        "empty": "no value in any row",
    }
    assert np.isfinite(Z.to_numpy()).all()
    shares = Z.filter(like="country").sum(axis=1)
    assert_array_equal(shares, np.ones(N))
    assert_array_equal(Z["country = other"] == 1, payments["country"] == "LI")
    assert_array_equal(Z["age is missing"] == 1, payments["age"].isna())
    assert set(Z.loc[payments["age"].isna(), "age"]) == {payments["age"].median()}
    expected = (payments["ts"] - payments["opened"]) / pd.Timedelta(days=1)
    assert_allclose(Z["days from opened to ts"], expected, rtol=1e-5)


def test_what_was_never_seen_is_other_and_no_error(payments, encoder):
    Z = encoder.transform(payments.assign(country="JP", online=None))
    assert_array_equal(Z["country = other"], np.ones(N))
    assert Z["online"].isna().all()


def test_a_hole_where_there_was_none_stays_a_hole(payments, encoder):
    Z = encoder.transform(payments.assign(amount=np.nan))
    assert Z["amount"].isna().all()
    assert Z.drop(columns="amount").notna().all(axis=None)


def test_dates_do_not_grow_with_the_calendar(payments, encoder):
    later = payments.assign(
        ts=payments["ts"] + pd.Timedelta(weeks=520),
        opened=payments["opened"] + pd.Timedelta(weeks=520),
    )
    assert_allclose(encoder.transform(later), encoder.transform(payments), atol=1e-5)


def test_days_of_a_week_are_a_circle_by_the_clock_on_the_wall():
    monday = pd.date_range("2024-01-01 06:00", periods=8, freq="D", tz="Europe/Paris")
    Z = ColumnEncoder().fit_transform(pd.DataFrame({"at": monday}))
    assert_allclose(Z["hour of at, sine"], 1.0)
    assert_allclose(Z.iloc[0], Z.iloc[7], atol=1e-6)
    steps = np.diff(Z.filter(like="weekday"), axis=0)
    assert_allclose(np.hypot(*steps.T), 2 * np.sin(np.pi / 7), rtol=1e-5)


@pytest.mark.parametrize("kind", ["nullable", "category", "object", "polars", "one"])
def test_other_frames_give_the_same(payments, encoder, kind):
    expected, given = encoder.transform(payments), payments
    if kind == "nullable":
        given = payments.convert_dtypes()
    elif kind == "category":
        given = payments.assign(country=payments["country"].astype("category"))
    elif kind == "object":
        given = payments.astype({"amount": object, "online": object, "opened": object})
    elif kind == "polars":
        columns = {c: payments[c] for c in COLUMNS}
        columns["country"] = (
            payments["country"].astype(object).where(payments["country"].notna(), None)
        )
        given = pl.DataFrame({c: v.tolist() for c, v in columns.items()}, strict=False)
        given = given.with_columns(pl.col("age").fill_nan(None))
    else:
        given, expected = payments[7:8], expected[7:8].reset_index(drop=True)
    assert_allclose(encoder.transform(given), expected, rtol=1e-6)


def test_objects_tell_by_their_values():
    frame = pd.DataFrame(
        {
            "price": [Decimal("1.5"), Decimal("2.5"), None],
            "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2), None],
        }
    )
    encoder = ColumnEncoder().fit(frame)
    assert encoder.kinds_ == {"price": "number", "day": "date"}
    assert_allclose(encoder.transform(frame)["price"], [1.5, 2.5, 2.0])


def test_codes_of_a_category_survive_a_hole():
    codes = pd.DataFrame({"code": pd.Categorical([4, 4, 7, 7])})
    encoder = ColumnEncoder().fit(codes)
    Z = encoder.transform(pd.DataFrame({"code": [4.0, np.nan, 7.0]}))
    assert list(Z) == ["code = 4", "code = 7", "code = other", "code is missing"]
    assert_array_equal(Z, [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]])


def test_rare_values_are_pooled_and_many_are_too():
    frame = pd.DataFrame({"shop": ["a"] * 50 + ["b"] * 30 + ["c"] * 19 + ["d"]})
    assert list(ColumnEncoder(min_frequency=0.02).fit(frame).get_feature_names_out())[
        :-2
    ] == ["shop = a", "shop = b", "shop = c"]
    assert list(ColumnEncoder(max_values=1).fit(frame).get_feature_names_out())[
        :-2
    ] == ["shop = a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.rename(columns={"amount": "amounts"}), "'amount'; did you mean"),
        (lambda f: f.drop(columns="ts"), "no column 'ts'"),
        (lambda f: f.assign(amount=f["amount"].astype(str)), "'amount' held a number"),
        (lambda f: f.assign(opened=f["opened"].astype(str)), "'opened' held a date"),
        (lambda f: f.assign(country=f["opened"]), "'country' held a category"),
        (lambda f: pd.concat([f, f[["age"]]], axis=1), "'age' 2 times"),
    ],
)
def test_what_does_not_fit_is_named(payments, encoder, change, message):
    with pytest.raises(ValueError, match=message):
        encoder.transform(change(payments))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_frequency": 0}, r"min_frequency must lie in \(0, 1\), got 0"),
        ({"max_values": 0}, "max_values must be 1 or more, got 0"),
        ({"columns": ["amuont"]}, "'amuont'; did you mean 'amount'"),
        ({"time": "amount"}, "time='amount' must be a column of dates, got float64"),
        ({"columns": ["id"]}, "no column says anything"),
    ],
)
def test_parameters_that_mean_nothing(payments, wrong, message):
    with pytest.raises(ValueError, match=message):
        ColumnEncoder(**wrong).fit(payments)


def test_an_array_and_a_clone():
    encoder = ColumnEncoder().fit(np.arange(6.0).reshape(3, 2))
    check_is_fitted(encoder)
    assert list(encoder.get_feature_names_out()) == ["x0", "x1"]
    assert not hasattr(clone(encoder), "kinds_")


def test_a_corrector_learns_explains_and_comes_back(payments, tmp_path):
    vendor = ColumnModel("score", threshold=0.97)
    missed = (payments["country"] == "DE") & payments["online"]
    missed &= payments["amount"] < 60
    y = (missed | (payments["score"] >= 0.97)).astype(int)
    corrector = ErrorCorrector(
        vendor,
        features=ColumnEncoder(COLUMNS, time="ts"),
        max_damage=0.05,
        ledger=False,
        random_state=0,
    ).fit(payments, y)
    answers = corrector.predict(payments)
    assert (answers != vendor.predict(payments)).sum() > 5
    assert "country = DE" in str(corrector.explain(payments))
    save(corrector, tmp_path / "fix.rarecorrect")
    again = load(tmp_path / "fix.rarecorrect")
    assert_array_equal(again.predict(payments), answers)
    holes = payments.assign(amount=np.nan)  # none in the fit: the legacy answer
    assert_array_equal(again.predict(holes), vendor.predict(holes))
