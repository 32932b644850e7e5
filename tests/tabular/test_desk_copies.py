"""Rows that teach and calibrate, where no id tells that they are the same ones."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rarecorrect_tabular.desk_backtest import backtest_file
from rarecorrect_tabular.desk_copies import Copies
from rarecorrect_tabular.desk_fit import DeskFit, fit_file
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.transactions import TransactionFile

READ = ("score", "amount", "ratio")
PLAN = DeskPlan(detector=None, max_damage=0.01)


def cards(n: int = 8000) -> pd.DataFrame:
    """Transactions of 80 days, and frauds with large ratios that the score passes."""
    rng = np.random.default_rng(0)
    fraud = rng.random(n) < 0.02
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "day": np.sort(rng.integers(0, 80, n)),
            "score": rng.uniform(0, 0.4, n),
            "amount": rng.lognormal(3, 1, n),
            "ratio": rng.normal(0, 1, n) + 4 * fraud,
            "is_fraud": fraud.astype(float),
        }
    )


def fitted(
    rows: pd.DataFrame,
    folder: Path,
    cases: pd.DataFrame | None = None,
    *,
    id: str | None = None,
    run: Any = fit_file,
) -> tuple[Any, list[str]]:
    """What was fitted, and the warnings."""
    rows.to_parquet(folder / "cards.parquet")
    columns = DeskColumns("is_fraud", "day", id=id, features=READ)
    new = None
    if cases is not None:
        cases.to_csv(folder / "cases.csv", index=False)
        new = TransactionFile.open(folder / "cases.csv")
    file = TransactionFile.open(folder / "cards.parquet")
    model = DeskModel.of_score("score")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit = run(file, columns, model, PLAN, cases=new)
    return fit, [str(one.message) for one in found]


def told(fit: DeskFit, about: str) -> list[str]:
    return [text for name, text in fit.lines if name == about]


@pytest.fixture
def late() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A file in which 20 confirmed cases still pass for genuine, and these cases."""
    rows = cards()
    cases = rows[rows["is_fraud"] == 1].tail(20)
    unknown = rows["id"].isin(cases["id"])
    return rows.assign(is_fraud=rows["is_fraud"].where(~unknown, 0.0)), cases


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_case_that_calibrates_is_pointed_out_where_no_id_tells(
    late: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path, dtype: Any
) -> None:
    """Also between csv and parquet; nothing is left out for looking alike."""
    late = tuple(rows.astype(dict.fromkeys(READ, dtype)) for rows in late)
    fit, (warning,) = fitted(late[0], tmp_path, late[1])
    assert warning.startswith(
        "20 rows of cards.parquet that calibrate agree with a case of cases.csv"
    )
    assert "--id" in warning
    told_apart, none = fitted(late[0], tmp_path, late[1], id="id")
    assert none == []
    assert told(told_apart, "cases") == [
        "20 rows of the file are among the new ones: none calibrates"
    ]
    both = [one.corrector.report_.n_calibration for one in (fit, told_apart)]
    assert both[0] == both[1] + 20


def test_a_backtest_points_them_out_too(
    late: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    rows, cases = late
    early = cases.assign(day=10)  # the day of a case is no feature
    moved = rows.assign(day=rows["day"].where(~rows["id"].isin(cases["id"]), 44))
    moved = moved.sort_values("day")
    _, found = fitted(moved, tmp_path, early, run=backtest_file)
    assert any("20 rows of cards.parquet that calibrate agree" in one for one in found)


def test_a_file_that_holds_its_rows_twice_is_pointed_out(tmp_path: Path) -> None:
    rows = cards()
    twice = pd.concat([rows, rows]).sort_values("day", kind="stable")
    fit, (warning,) = fitted(twice, tmp_path)
    n = fit.corrector.report_.n_calibration
    words = f"of {n:,} rows that calibrate agree in every feature: {n // 2:,} with "
    assert warning.startswith(words + "another one of their day.")
    assert "--id" in warning and told(fit, "look alike")
    fit, found = fitted(twice, tmp_path, id="id")
    assert found == [] and not told(fit, "look alike")
    assert fit.corrector.report_.n_calibration == n // 2


def test_transactions_that_look_alike_are_no_reason_to_warn(tmp_path: Path) -> None:
    rows = cards()
    few = rows.assign(amount=rows["amount"].round(-1), score=rows["score"].round(1))
    few["ratio"] = few["ratio"].round()
    fit, found = fitted(few, tmp_path)
    assert found == []
    assert "as rows of different days do in this file" in told(fit, "look alike")[0]


def test_nothing_is_said_where_all_rows_differ(tmp_path: Path) -> None:
    fit, found = fitted(cards(), tmp_path)
    assert found == [] and not told(fit, "look alike")


@pytest.mark.parametrize(
    ("values", "agree"),
    [
        ([0.0, -0.0], True),
        ([np.nan, None], True),
        ([0.1, np.nextafter(0.1, 1)], True),  # a csv read again
        ([float(np.float32(57.16)), 57.16], True),  # float32, and its csv
        ([0.1, 0.1 + 1e-6], False),
        ([np.inf, -np.inf], False),
        (["a", "a"], True),
        (["a", "A"], False),
        ([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02")], False),
    ],
)
def test_what_agrees(values: list[Any], agree: bool) -> None:
    X = pd.DataFrame({"one": values, "two": [7, 7]})
    found = Copies.among(X, np.array([0, 1]), np.array([False, True]))
    assert found.of_taught == int(agree)
