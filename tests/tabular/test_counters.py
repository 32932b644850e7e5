"""Columns that only tell the day are no features, unless somebody asks for them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rarecorrect.files import load
from rarecorrect.simulate import FEATURES, card_transactions
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.counters import columns_that_tell_time


def test_what_grows_with_the_day_is_found():
    rng = np.random.default_rng(0)
    days = np.sort(rng.integers(0, 30, 500))
    X = pd.DataFrame(
        {
            "row": np.arange(500),
            "backwards": -np.arange(500.0),
            "month": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
            "with gaps": np.where(np.arange(500) % 7, np.arange(500), np.nan),
            "amount": rng.lognormal(size=500),
            "trend": 0.05 * days + rng.normal(size=500),
            "constant": 1,
            "channel": "web",
            "empty": np.nan,
        }
    )
    found = columns_that_tell_time(X, days, list(X))
    assert found == ["row", "backwards", "month", "with gaps"]
    assert columns_that_tell_time(X, np.zeros(500, dtype=int), list(X)) == []


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    cards = card_transactions(30_000, random_state=0)
    cards = cards[cards["day"] >= 60].assign(counter=lambda c: range(len(c)))
    cards["score"] = 0.01
    path = tmp_path_factory.mktemp("desk") / "month.parquet"
    columns = [*FEATURES, "is_fraud", "time", "score", "counter"]
    cards[columns].to_parquet(path)
    return path


def fit(month, out, *options):
    command = ["fit", "--data", month, "--label", "is_fraud", "--time", "time"]
    command += ["--score-column", "score", "--detector", "fisher", "--out", out]
    found = CliRunner().invoke(
        tabular, [*map(str, command), "--max-damage", "0.01", *options]
    )
    return found, load(out).features_.names_ if found.exit_code < 2 else None


def test_a_counter_is_left_out_and_named(month, tmp_path):
    found, names = fit(month, tmp_path / "fix.rarecorrect")
    assert "counter: they only tell the day" in found.output
    assert "amount" in names and "counter" not in names


def test_who_names_a_counter_gets_it(month, tmp_path):
    options = ("--features", "counter", "--features", "amount")
    found, names = fit(month, tmp_path / "fix.rarecorrect", *options)
    assert "they only tell the day" not in found.output
    assert names == ["counter", "amount"]


def test_counters_alone_are_refused(month, tmp_path):
    drop = [part for name in (*FEATURES, "score") for part in ("--drop", name)]
    found, _ = fit(month, tmp_path / "fix.rarecorrect", *drop)
    assert (
        found.exit_code == 2 and "all columns grow or fall with the day" in found.output
    )
