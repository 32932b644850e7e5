"""What was known when: labels that came late, and rows whose time is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rarecorrect_tabular.desk_backtest import backtest_file
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns, Survey, survey
from rarecorrect_tabular.transactions import TransactionFile

MODEL = DeskModel.of_score("score")
COLUMNS = DeskColumns("label", "day", label_time="known")
PLAN = DeskPlan(detector=None, max_damage=0.02)


def rows() -> pd.DataFrame:
    """40 days; frauds, all missed, become known after 20 days, others on the next."""
    n = 4000
    rng = np.random.default_rng(0)
    fraud = rng.random(n) < 0.02
    frame = pd.DataFrame({"a": rng.normal(size=n) + 4 * fraud, "b": rng.normal(size=n)})
    frame["score"] = rng.uniform(0, 0.4, n)
    frame["day"] = np.arange(n) // 100
    frame["label"] = fraud.astype(float)
    return frame.assign(known=frame["day"] + np.where(fraud, 20, 1))


def stored(frame: pd.DataFrame, folder: Path) -> TransactionFile:
    frame.to_parquet(folder / "rows.parquet")
    return TransactionFile.open(folder / "rows.parquet")


def surveyed(frame: pd.DataFrame, folder: Path) -> Survey:
    return survey(stored(frame, folder), COLUMNS, MODEL)


def with_a_stray_row(frame: pd.DataFrame, day: int) -> pd.DataFrame:
    stray = frame.iloc[:1].assign(day=day, label=0.0)
    return pd.concat([frame, stray], ignore_index=True)


def test_a_label_is_known_from_its_day_on(tmp_path: Path) -> None:
    frame = rows()
    found = surveyed(frame, tmp_path)
    for last in (39, 29, 10):
        known = ~np.isnan(found.as_of(last).label)
        expected = (frame["day"] <= last) & (frame["known"] <= last)
        assert known.tolist() == expected.tolist()


def test_a_label_without_its_time_is_known(tmp_path: Path) -> None:
    found = surveyed(rows().assign(known=np.nan), tmp_path)
    assert not np.isnan(found.as_of(39).label).any()


def test_dates_are_not_compared_with_numbers_of_days(tmp_path: Path) -> None:
    frame = rows()
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["day"], unit="D")
    with pytest.raises(ValueError, match=r"both numbers of days; they hold 2024-01-01"):
        surveyed(frame, tmp_path)


def test_a_backtest_learns_from_no_later_label(tmp_path: Path) -> None:
    """Wrong labels that came after the cut, day 29, change nothing that is learnt."""
    frame = rows()
    later = (frame["known"] > 29) & (frame["day"] <= 29)
    assert (frame["label"][later] == 1).sum() > 10
    fits = []
    for label in (frame["label"], frame["label"].mask(later, 0)):
        file = stored(frame.assign(label=label), tmp_path)
        fits.append(backtest_file(file, COLUMNS, MODEL, PLAN, test_days=10).fit)
    one, other = (fit.corrector for fit in fits)
    scores = (c.trace(frame[["a", "b", "score"]])["score"] for c in (one, other))
    np.testing.assert_array_equal(*scores)
    assert one.rules_.threshold() == other.rules_.threshold()


def test_a_row_that_cannot_be_scored_is_not_the_last(tmp_path: Path) -> None:
    frame = rows()
    known = np.isnan(surveyed(frame, tmp_path).label)
    stray = with_a_stray_row(frame, 5000)
    stray.loc[len(frame), "score"] = np.nan
    found = surveyed(stray, tmp_path)
    assert np.isnan(found.label)[:-1].tolist() == known.tolist() and known.any()


def test_a_stray_last_day_is_said_and_not_judged(tmp_path: Path) -> None:
    file = stored(with_a_stray_row(rows(), 5000), tmp_path)
    with (
        pytest.warns(UserWarning, match=r"the last day, 5000 \(1 rows\), lies 4,961"),
        pytest.raises(ValueError, match="up to 5000 only 1 has rows"),
    ):
        backtest_file(file, COLUMNS, MODEL, PLAN, test_days=10)
