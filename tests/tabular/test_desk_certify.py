"""``rarecorrect tabular certify``: the same rules, tested on fresh rows."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from rarecorrect import ErrorCorrector, NotCertifiedWarning, load, save
from rarecorrect.certify import daily_threshold
from rarecorrect_tabular import transactions
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.desk_fit import fit_file
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.transactions import TransactionFile, whole_days

from .test_desk_fit import COLUMNS, FEATURES, FISHER, SCORE, cards

READ = [*FEATURES, "score"]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("past") / "past.parquet"
    cards().to_parquet(path)
    return path


@pytest.fixture(scope="module")
def recent() -> pd.DataFrame:
    return cards(12_000, seed=1)


def fix_of(
    past: Path, folder: Path, columns: DeskColumns = COLUMNS, **changes: Any
) -> Path:
    plan: DeskPlan = replace(FISHER, **changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        found = fit_file(TransactionFile.open(past), columns, SCORE, plan)
    save(found.corrector, folder / "fix.rarecorrect")
    return folder / "fix.rarecorrect"


def certify(fix: Path, rows: pd.DataFrame, *more: str, out: str = "new") -> Result:
    data = fix.parent / "recent.parquet"
    rows.to_parquet(data)
    words = ["--corrector", str(fix), "--data", str(data), *more]
    out = str(fix.parent / f"{out}.rarecorrect")
    return CliRunner().invoke(tabular, ["certify", *words, "--out", out])


def new(fix: Path) -> ErrorCorrector:
    return load(fix.parent / "new.rarecorrect")


def told(done: Result) -> str:
    return " ".join(done.output.split())


@pytest.mark.parametrize("size", [700, 200_000])
@pytest.mark.parametrize("time_margin", [0.0, 0.5])
def test_whole_labels_certify_in_blocks(
    past: Path,
    recent: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    time_margin: float,
) -> None:
    fix = fix_of(past, tmp_path, time_margin=time_margin)
    monkeypatch.setattr(transactions, "BLOCK_ROWS", size)
    rows = recent.copy()
    rows.loc[[5, 900], "amount"] = np.nan
    done = certify(fix, rows, "--label", "is_fraud")
    assert done.exit_code == 0, done.output
    assert "left out amount is missing (2 rows)" in told(done)
    good = rows[rows["amount"].notna()]
    expected = load(fix).certify(good[READ], good["is_fraud"].astype(int))
    assert new(fix).rules_.threshold() == expected.rules_.threshold() < np.inf
    found = new(fix).rules_.certificate()
    assert found.max_damage == pytest.approx(0.005 / (1 + time_margin))
    assert str(found) in done.output and str(found) == str(
        expected.rules_.certificate()
    )
    assert [event.what for event in new(fix).rules_.history] == ["fit", "certify"]


def test_the_same_rows_again_cost_more_and_say_so(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    """Into the same file, which only --out may change."""
    fix = fix_of(past, tmp_path)
    done = certify(fix, recent, "--label", "is_fraud", out="fix")
    assert done.exit_code == 0, done.output
    assert "damage: 4 % of the 5 %" in told(done) and "; 1 % is left" in told(done)
    done = certify(fix, recent, "--label", "is_fraud", out="fix")
    assert done.exit_code == 0, done.output
    assert "damage: 0.5 % of the 5 %" in told(done), told(done)
    assert "4 % went before; 0.5 % is left" in told(done)
    assert len(load(fix).rules_.entries) == 3


def test_too_few_rows_say_what_is_missing(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    """The attempt is in the ledger, so the file is written; its certificate stays."""
    fix = fix_of(past, tmp_path)
    done = certify(fix, recent[:300], "--label", "is_fraud")
    assert done.exit_code == 1, done.output
    assert "needs 643 rows, got 300" in told(done)
    assert "the certificate in force stays" in told(done)
    assert new(fix).rules_.certified and len(new(fix).rules_.entries) == 2
    assert new(fix).rules_.threshold() == load(fix).rules_.threshold()


def test_what_was_never_certified_is_told_in_options(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    fix = fix_of(past, tmp_path, max_damage=0.0001, alert_budget="8/day")
    done = certify(fix, recent[:2000], "--label", "is_fraud", "--time", "time")
    words = told(done)
    assert done.exit_code == 1 and not new(fix).rules_.certified, words
    assert "more rows, or fit with a damage of 0.0" in words, words
    assert "max_damage" not in words and "certify(X" not in words, words


def test_missing_labels_are_asked_for_by_the_list(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    fix = fix_of(past, tmp_path)
    rows = recent.assign(is_fraud=np.nan)
    done = certify(fix, rows, "--label", "is_fraud")
    assert done.exit_code == 2 and "review-list --label is_fraud` says" in told(done)
    assert not (tmp_path / "new.rarecorrect").exists()


@pytest.mark.parametrize("unit", [None, "customer_id"])
def test_an_alert_budget_is_certified_on_whole_days(
    past: Path, recent: pd.DataFrame, tmp_path: Path, unit: str | None
) -> None:
    fix = fix_of(past, tmp_path, alert_budget="8/day")
    more = [] if unit is None else ["--alert-unit", unit]
    done = certify(fix, recent.drop(columns="is_fraud"), "--time", "time", *more)
    assert done.exit_code == 0, done.output
    assert "80 whole days of recent.parquet" in told(done)
    scores = load(fix).trace(recent[READ])["score"].to_numpy()
    day = whole_days(recent["time"])
    if unit is not None:
        parts = [pd.Series(day), recent[unit].reset_index(drop=True)]
        highest = pd.Series(scores).groupby(parts).max()
        scores = highest.to_numpy()
        day = highest.index.get_level_values(0).to_numpy()
    again = daily_threshold(scores, day, 8, confidence_level=0.96)
    (found,) = new(fix).rules_.entry("alerts").certificates.values()
    assert found.threshold == pytest.approx(again.threshold)
    old, kept = (c.rules_.entry("damage").certificates for c in (load(fix), new(fix)))
    assert kept[None].threshold == old[None].threshold  # and its certificate stays


def test_a_share_of_traffic_and_the_damage_at_once(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    fix = fix_of(past, tmp_path, alert_budget=0.02)
    rows = recent.copy()
    rows.loc[7, "amount"], rows.loc[9, "time"] = np.nan, pd.NaT
    done = certify(fix, rows, "--label", "is_fraud", "--time", "time")
    assert done.exit_code == 0, done.output
    assert told(done).count("left out amount is missing (1 rows)") == 1
    assert "left out time is missing (1 rows)" in told(done)
    good = rows.drop(index=7)
    expected = load(fix).certify(good[READ], good["is_fraud"].astype(int))
    expected.certify(good.drop(index=9)[READ])
    assert new(fix).rules_.threshold() == expected.rules_.threshold() < np.inf
    assert "damage: 4 % of" in told(done) and "alerts: 4 % of" in told(done)


@pytest.mark.parametrize("direction", ["both", "clear"])
def test_a_budget_for_each_direction_takes_whole_labels(
    past: Path, recent: pd.DataFrame, tmp_path: Path, direction: str
) -> None:
    """Who only clears needs the labels of alerts alone."""
    fix = fix_of(past, tmp_path, direction=direction, clear_damage=0.1)
    rows, alarm = recent.copy(), (recent["score"] >= 0.5).to_numpy()
    if direction == "clear":
        rows.loc[~alarm, "is_fraud"] = np.nan
    done = certify(fix, rows, "--label", "is_fraud")
    assert done.exit_code == 0, done.output
    used = recent[alarm] if direction == "clear" else recent
    expected = load(fix).certify(used[READ], used["is_fraud"].astype(int))
    one, two = (c.rules_.entry("damage").certificates for c in (new(fix), expected))
    assert {s: str(c) for s, c in one.items()} == {s: str(c) for s, c in two.items()}
    assert one[1].certified and f"false alarms: {one[1]}" in told(done)

    rows.loc[np.flatnonzero(alarm)[:3], "is_fraud"] = np.nan
    done = certify(fix, rows, "--label", "is_fraud", out="gaps")
    assert done.exit_code == 2 and "3 of " in told(done)
    assert "label all of them" in told(done)
    assert not (tmp_path / "gaps.rarecorrect").exists()
    words = ["--corrector", str(fix), "--data", str(tmp_path / "recent.parquet")]
    words += ["--label", "is_fraud", "--out", str(tmp_path / "todo.csv")]
    done = CliRunner().invoke(tabular, ["review-list", *words])
    assert done.exit_code == 2 and "tabular certify --label" in told(done)
    assert ("of all alerts" in told(done)) == (direction == "clear")


@pytest.mark.parametrize(
    ("plan", "more", "words"),
    [
        ({}, [], "name a column: --label for the damage"),
        ({}, ["--time", "time"], "has no alert budget"),
        ({"max_damage": None, "alert_budget": 0.02}, ["--label", "is_fraud"], "--time"),
        ({}, ["--label", "is_fraud", "--alert-unit", "customer_id"], "goes with"),
        ({}, ["--label", "fraud"], "is_fraud"),
    ],
)
def test_columns_without_a_budget_are_refused(
    past: Path,
    recent: pd.DataFrame,
    tmp_path: Path,
    plan: dict[str, Any],
    more: list[str],
    words: str,
) -> None:
    fix = fix_of(past, tmp_path, **plan)
    done = certify(fix, recent[:500], *more)
    assert done.exit_code == 2 and words in told(done), told(done)
    assert not (tmp_path / "new.rarecorrect").exists()


def test_rows_in_the_place_of_groups_are_warned_of(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    columns = replace(COLUMNS, groups="customer_id")
    fix = fix_of(past, tmp_path, columns, max_damage=0.05)
    done = certify(fix, recent, "--label", "is_fraud", out="fix")
    assert done.exit_code == 0 and "counts customers, say (--groups)" in told(done)
    done = certify(fix, recent[::2], "--label", "is_fraud")
    assert done.exit_code == 0 and "--groups" not in done.output


@pytest.mark.parametrize("budget", [0.02, "8/day"])
def test_a_file_without_a_day_is_refused(
    past: Path, recent: pd.DataFrame, tmp_path: Path, budget: Any
) -> None:
    fix = fix_of(past, tmp_path, alert_budget=budget)
    done = certify(fix, recent.assign(time=pd.NaT), "--time", "time")
    assert done.exit_code == 2 and "no row of 'recent.parquet' decides" in told(done)
    assert not (tmp_path / "new.rarecorrect").exists()


def test_no_list_is_made_for_an_alert_budget_alone(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    fix, data = fix_of(past, tmp_path, max_damage=None, alert_budget=0.02), "a.parquet"
    recent[:500].to_parquet(tmp_path / data)
    words = ["--corrector", str(fix), "--data", str(tmp_path / data)]
    words += ["--out", str(tmp_path / "todo.csv")]
    done = CliRunner().invoke(tabular, ["review-list", *words])
    assert done.exit_code == 2 and "tabular certify --time" in told(done)


def test_out_may_not_be_the_data(
    past: Path, recent: pd.DataFrame, tmp_path: Path
) -> None:
    fix = fix_of(past, tmp_path)
    data = tmp_path / "recent.parquet"
    recent[:500].to_parquet(data)
    words = ["--corrector", str(fix), "--data", str(data), "--label", "is_fraud"]
    done = CliRunner().invoke(tabular, ["certify", *words, "--out", str(data)])
    assert done.exit_code == 2 and "would overwrite what --data reads" in told(done)
    assert len(pd.read_parquet(data)) == 500
