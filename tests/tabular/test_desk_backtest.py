"""``rarecorrect tabular backtest``: what was promised, and what happened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rarecorrect import NotCertifiedWarning
from rarecorrect.simulate import FraudType, card_transactions
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.desk_backtest import Backtest, backtest_file
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.transactions import TransactionFile

FEATURES = (
    "amount",
    "night",
    "amount_ratio",
    "seconds_since_last",
    "customer_count_1d",
)
COLUMNS = DeskColumns("is_fraud", "time", features=FEATURES)
MODEL = DeskModel.of_score("score")
PLAN = DeskPlan(detector=None, max_damage=0.01)


def cards(seed: int = 0) -> pd.DataFrame:
    kind = FraudType("1", "card_testing", start_day=0, rate=0.02)
    n = 16_000
    frame = card_transactions(n, n_days=80, fraud_types=[kind], random_state=seed)
    score = np.random.default_rng(seed).uniform(0, 0.51, n)
    frame["is_fraud"] = frame["is_fraud"].astype(float)
    return frame.assign(score=score).drop(columns=["fraud_type", "label_day"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backtest") / "cards.parquet"
    cards().to_parquet(path)
    return path


@pytest.fixture(scope="module")
def found(path: Path) -> Backtest:
    return backtest_file(TransactionFile.open(path), COLUMNS, MODEL, PLAN, test_days=14)


def test_counts_are_those_of_the_corrector(found: Backtest) -> None:
    frame = cards()
    test = frame[frame["day"] >= 66]
    before = (test["score"] >= 0.5).astype(int).to_numpy()
    after = found.fit.corrector.predict(test[[*FEATURES, "score"]])
    truth = test["is_fraud"].to_numpy()
    counts = found.days["missed frauds"].sum()
    assert counts["rows"] == len(test)
    assert counts["right"] == (before == truth).sum()
    assert counts["damaged"] == ((before == truth) & (after != before)).sum()
    missed = (before == 0) & (truth == 1)
    assert counts["errors"] == missed.sum()
    assert counts["repaired"] == (missed & (after == 1)).sum() > 0
    assert counts["changed"] == (after != before).sum()


def test_nothing_of_the_test_days_is_learnt(found: Backtest, tmp_path: Path) -> None:
    """Other labels there, or on days whose labels come too late, change nothing."""
    other = cards()
    rng = np.random.default_rng(3)
    late = other["day"] >= 66 - 7
    other.loc[late, "is_fraud"] = rng.integers(0, 2, late.sum()).astype(float)
    other.to_parquet(tmp_path / "other.parquet")
    file = TransactionFile.open(tmp_path / "other.parquet")
    again = backtest_file(file, COLUMNS, MODEL, PLAN, test_days=14)
    rules = found.fit.corrector.rules_
    assert again.fit.corrector.rules_.threshold() == rules.threshold()
    X = cards(1)[[*FEATURES, "score"]]
    np.testing.assert_array_equal(
        again.fit.corrector.predict(X), found.fit.corrector.predict(X)
    )
    changed = again.days["missed frauds"]["damaged"]
    assert changed.sum() != found.days["missed frauds"]["damaged"].sum()


def test_money_is_counted_beside_cases(path: Path) -> None:
    """Amounts that are missing or negative count nothing."""
    frame = cards()
    rng = np.random.default_rng(1)
    frame["money"] = rng.lognormal(3, 2, len(frame))
    frame.loc[rng.random(len(frame)) < 0.1, "money"] = np.nan
    frame.loc[rng.random(len(frame)) < 0.1, "money"] *= -1
    file = path.with_name("money.parquet")
    frame.to_parquet(file)
    data = TransactionFile.open(file)
    later = backtest_file(data, COLUMNS, MODEL, PLAN, test_days=14, amount="money")
    test = frame[frame["day"] >= 66]
    money = np.maximum(test["money"].fillna(0), 0)
    missed = (test["is_fraud"] == 1) & (test["score"] < 0.5)
    hit = missed & (later.fit.corrector.predict(test[[*FEATURES, "score"]]) == 1)
    counts = later.days["missed frauds"].sum()
    assert counts["amount of errors"] == pytest.approx(money[missed].sum())
    assert counts["amount repaired"] == pytest.approx(money[hit].sum())
    share = money[hit].sum() / money[missed].sum()
    told = "\n".join(later.lines())
    assert f"in amounts repaired ({share:.0%}; whole days drawn: " in told
    assert (
        "amount of errors"
        not in backtest_file(data, COLUMNS, MODEL, PLAN, test_days=14).days[
            "missed frauds"
        ]
    )


def test_a_label_confirmed_after_the_fit_is_not_used(
    found: Backtest, tmp_path: Path
) -> None:
    """Whatever it says; one confirmed in time is used, however short it took."""
    frame = cards()
    # labels of the last 2 days are not known at the end of the file either
    cut = frame["time"].dt.normalize().max() - pd.Timedelta(days=2 + 14)
    frame["known"] = frame["time"] + pd.Timedelta(days=2)
    rng = np.random.default_rng(5)
    late = (rng.random(len(frame)) < 0.002) & (frame["time"] < cut)
    frame.loc[late, "known"] = cut + pd.Timedelta(days=1)
    columns = DeskColumns("is_fraud", "time", label_time="known", features=FEATURES)
    fits = []
    for flipped in (False, True):
        other = frame.copy()
        if flipped:
            other.loc[late, "is_fraud"] = 1 - other.loc[late, "is_fraud"]
        other.to_parquet(tmp_path / "cards.parquet")
        file = TransactionFile.open(tmp_path / "cards.parquet")
        fits.append(backtest_file(file, columns, MODEL, PLAN, test_days=14).fit)
    day = (cut - pd.Timestamp("1970-01-01")).days
    # two days, not the delay of seven
    assert fits[0].windows.last == day and day - 7 < fits[0].windows.end <= day - 2
    thresholds = [fit.corrector.rules_.threshold() for fit in fits]
    assert thresholds[0] == thresholds[1] < np.inf
    assert fits[0].corrector.report_.n_errors == fits[1].corrector.report_.n_errors
    # without a time of its own a label takes the delay
    frame["known"] = pd.NaT
    frame.to_parquet(tmp_path / "cards.parquet")
    file = TransactionFile.open(tmp_path / "cards.parquet")
    again = backtest_file(file, columns, MODEL, PLAN, test_days=14)
    rules = again.fit.corrector.rules_
    assert rules.threshold() == found.fit.corrector.rules_.threshold()


def test_days_without_traffic_and_weeks_without_fraud(tmp_path: Path) -> None:
    frame = cards()
    frame = frame[~frame["day"].isin([40, 68, 69, 75])]
    frame.loc[frame["day"] >= 66, "is_fraud"] = 0.0
    frame.to_parquet(tmp_path / "quiet.parquet")
    file = TransactionFile.open(tmp_path / "quiet.parquet")
    later = backtest_file(file, COLUMNS, MODEL, PLAN, test_days=14, amount="amount")
    table = later.table(7)
    assert table["days"].tolist() == [5, 6] and (table["errors"] == 0).all()
    assert table["recall"].isna().all() and not table["realised damage"].isna().any()
    told = "\n".join(later.lines())
    assert "missed frauds: 0 of 0 repaired\n" in told
    assert "nothing was at stake" in told


def test_a_promise_that_breaks_is_counted(found: Backtest, tmp_path: Path) -> None:
    table = found.table(7)
    assert table["days"].tolist() == [7, 7] and not table["over"].any()
    assert (table["promised damage"] == 0.01).all()
    # from day 73 on, ordinary rows look like the fraud that was learnt
    drifted = cards()
    like = drifted[drifted["is_fraud"] == 1].iloc[:300]
    genuine = np.flatnonzero((drifted["day"] >= 73) & (drifted["is_fraud"] == 0))[:300]
    columns = list(FEATURES)
    drifted.loc[genuine[: len(like)], columns] = like[columns].to_numpy()
    drifted.to_parquet(tmp_path / "drift.parquet")
    file = TransactionFile.open(tmp_path / "drift.parquet")
    later = backtest_file(file, COLUMNS, MODEL, PLAN, test_days=14)
    assert later.table(7)["over"].tolist() == [False, True]
    assert "over in 1 of 2 windows" in "\n".join(later.lines(7))


def test_days_above_the_cap_are_counted(path: Path) -> None:
    plan = DeskPlan(detector=None, max_damage=None, alert_budget="3/day")
    file = TransactionFile.open(path)
    later = backtest_file(file, COLUMNS, MODEL, plan, test_days=14)
    counts = later.days["missed frauds"]["changed"]
    above = int((counts > 3).sum())
    assert later.table(14)["days above cap"].tolist() == [above]
    text = "\n".join(later.lines())
    assert f"more than 3 changes on {above} of 14 days" in text
    assert "no damage was promised" in text and "precision at 3 new alerts" in text
    assert later.table()["promised damage"].isna().all()
    assert "14 days, promised on 10 % of days at most" in text
    sure = replace(plan, confidence_level=0.999)  # takes 66 days
    with pytest.warns(NotCertifiedWarning, match="alert budget is not certified"):
        later = backtest_file(file, COLUMNS, MODEL, sure, test_days=14)
    text = "\n".join(later.lines())
    assert "14 days, and nothing was promised" in text and "10 % of days" not in text


def test_too_few_caught_frauds_promise_nothing_and_clear_nothing(path: Path) -> None:
    plan = DeskPlan("clear", detector=None)
    file = TransactionFile.open(path)
    with pytest.warns(NotCertifiedWarning, match="right calibration rows .* not 1 %"):
        later = backtest_file(file, COLUMNS, MODEL, plan, test_days=14)
    told = "\n".join(later.lines())
    assert "not certified: " in told
    frame = cards()
    alerts = ((frame["day"] >= 66) & (frame["score"] >= 0.5)).sum()
    assert f"0 of {alerts} alerts cleared (0.0 % fewer)" in told


def test_the_command_writes_its_table(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "weeks.csv"
    named = [x for name in FEATURES for x in ("--features", name)]
    arguments = [
        "backtest", "--data", str(path), "--label", "is_fraud", "--time", "time",
        "--score-column", "score", "--detector", "fisher", "--max-damage", "0.01",
        "--test-days", "14", "--out", str(out), *named, "--amount", "amount",
    ]  # fmt: skip
    done = CliRunner().invoke(tabular, arguments)
    assert done.exit_code == 0, done.output
    assert "promised damage 1 %" in done.output and "2024-03-07" in done.output
    assert "in amounts repaired" in done.output
    assert len(pd.read_csv(out)) == 2
    done = CliRunner().invoke(tabular, [*arguments, "--every", "day"])
    assert done.exit_code == 0 and len(pd.read_csv(out)) == 14


def test_what_cannot_be_judged_is_refused(path: Path, tmp_path: Path) -> None:
    file = TransactionFile.open(path)
    with pytest.raises(ValueError, match="no day is left before 90 test days"):
        backtest_file(file, COLUMNS, MODEL, PLAN, test_days=90)
    cases = tmp_path / "cases.csv"
    cards().tail(50).to_csv(cases, index=False)
    with pytest.raises(ValueError, match=r"cases\.csv holds a case of 2024-03-20"):
        late = TransactionFile.open(cases)
        backtest_file(file, COLUMNS, MODEL, PLAN, cases=late, test_days=14)
    early = cards().head(2000).assign(known=cards()["time"].max())
    early.to_csv(cases, index=False)
    cards().assign(known=cards()["time"]).to_parquet(tmp_path / "known.parquet")
    file = TransactionFile.open(tmp_path / "known.parquet")
    columns = DeskColumns("is_fraud", "time", label_time="known", features=FEATURES)
    with pytest.raises(ValueError, match="a case confirmed on 2024-03-20"):
        late = TransactionFile.open(cases)
        backtest_file(file, columns, MODEL, PLAN, cases=late, test_days=14)


def test_days_above_the_cap_are_counted_by_customer(path: Path) -> None:
    columns = DeskColumns(
        "is_fraud", "time", alert_unit="customer_id", features=FEATURES
    )
    plan = DeskPlan(detector=None, max_damage=None, alert_budget="3/day")
    later = backtest_file(
        TransactionFile.open(path), columns, MODEL, plan, test_days=14
    )
    test = cards()[lambda rows: rows["day"] >= 66].reset_index(drop=True)
    before = (test["score"] >= 0.5).to_numpy()
    after = later.fit.corrector.predict(test[[*FEATURES, "score"]])
    raised = test[(after == 1) & ~before]
    customers = raised.groupby("day")["customer_id"].nunique()
    counts = later.days["missed frauds"]["alerts"]
    assert counts[counts > 0].tolist() == customers.tolist()
    above = int((customers > 3).sum())
    assert later.table(14)["days above cap"].tolist() == [above]
    assert f"more than 3 alerts on {above} of 14 days" in "\n".join(later.lines())
