"""``rarecorrect tabular fit``: windows, labels as they are, budgets, files that lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from rarecorrect import NotCertifiedWarning, load
from rarecorrect.certify import daily_threshold
from rarecorrect.simulate import FraudType, card_transactions
from rarecorrect_tabular import desk_traffic, transactions
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.desk_backtest import backtest_file
from rarecorrect_tabular.desk_fit import fit_file
from rarecorrect_tabular.desk_model import Desk, DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan, choose_windows
from rarecorrect_tabular.desk_survey import DeskColumns, survey
from rarecorrect_tabular.transactions import TransactionFile, whole_days

N_DAYS = 80
FEATURES = (
    "amount",
    "night",
    "amount_ratio",
    "seconds_since_last",
    "customer_count_1d",
)
COLUMNS = DeskColumns("is_fraud", "time", id="transaction_id", features=FEATURES)
SCORE = DeskModel.of_score("score", score_range=(0, 1))
FISHER = DeskPlan(detector=None, max_damage=0.005)


def cards(n: int = 16_000, seed: int = 0) -> pd.DataFrame:
    """A model that knows high amounts, and a new kind that it passes."""
    kinds = (
        FraudType("1", "high_amount", start_day=0, rate=0.01),
        FraudType("2", "card_testing", start_day=20, rate=0.01),
    )
    frame = card_transactions(n, n_days=N_DAYS, fraud_types=kinds, random_state=seed)
    rng = np.random.default_rng(seed)
    known = frame["fraud_type"] == "1"
    alarm = known | (rng.random(n) < 0.005)
    frame["score"] = np.where(alarm, rng.uniform(0.5, 1, n), rng.uniform(0, 0.5, n))
    frame["is_fraud"] = frame["is_fraud"].astype(float)
    return frame.drop(columns=["fraud_type", "label_day", "terminal_id"])


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return cards()


def stored(frame: pd.DataFrame, folder: Path, ending: str = "parquet") -> Path:
    path = folder / f"cards.{ending}"
    if ending == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def options(path: Path, out: Path, *more: str) -> list[str]:
    named = [x for name in FEATURES for x in ("--features", name)]
    return [
        "fit", "--data", str(path), "--label", "is_fraud", "--time", "time",
        "--score-column", "score", "--score-range", "0", "1", "--detector", "fisher",
        "--id", "transaction_id", "--out", str(out), *named, *more,
    ]  # fmt: skip


def run(path: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(tabular, options(path, out, *more))


def fitted(frame: pd.DataFrame, folder: Path, **changes: Any) -> Any:
    plan = DeskPlan(**{"detector": None, "max_damage": 0.005} | changes)
    file = TransactionFile.open(stored(frame, folder))
    return fit_file(file, COLUMNS, SCORE, plan)


def test_a_scale_without_a_threshold_is_refused(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    points = stored(frame.assign(score=1000 * frame["score"]), tmp_path)
    words = options(points, tmp_path / "fix.rarecorrect")
    place = words.index("--score-range")
    del words[place : place + 3]
    refused = CliRunner().invoke(tabular, words)
    assert refused.exit_code == 2 and "--threshold" in refused.output
    assert not (tmp_path / "fix.rarecorrect").exists()
    done = CliRunner().invoke(tabular, [*words, "--threshold", "500"])
    assert done.exit_code == 0, done.output
    # by name: its columns would fill the screen
    assert "features (ColumnEncoder)" in done.output


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_csv_that_is_not_divided_by_commas_says_so(
    frame: pd.DataFrame, tmp_path: Path, mark: str
) -> None:
    path = tmp_path / "cards.csv"
    frame.head().to_csv(path, sep=mark, index=False)
    with pytest.raises(ValueError, match=r"divided by .*, not by commas"):
        TransactionFile.open(path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_becomes_a_corrector(
    frame: pd.DataFrame, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "fix.rarecorrect"
    more = ["--max-damage", "0.005", "--detector", "logistic"]
    done = run(stored(frame, tmp_path, ending), out, *more)
    assert done.exit_code == 0, done.output
    for words in ("16,000 rows of 80 days", "changes at most 0.5 %", "accuracy"):
        assert words in done.output
    new = cards(seed=1)
    after = load(out).predict(new[[*FEATURES, "score"]])
    before = (new["score"] >= 0.5).to_numpy()
    truth = new["is_fraud"].to_numpy()
    missed = (truth == 1) & ~before
    assert (after[missed] == 1).mean() > 0.5
    assert (after != before)[truth == before].mean() < 0.01


def test_blocks_do_not_change_what_is_learnt(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"max_damage": None, "alert_budget": "8/day"}
    whole = fitted(frame, tmp_path, **plan).corrector
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 700)
    parts = fitted(frame, tmp_path, **plan).corrector
    X = frame[[*FEATURES, "score"]]
    pd.testing.assert_frame_equal(
        whole.trace(X).drop(columns="certificate"),
        parts.trace(X).drop(columns="certificate"),
    )


@pytest.mark.parametrize("most", [1_000_000, 500])
def test_an_alert_budget_is_that_of_all_traffic(
    frame: pd.DataFrame, tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the highest rows of each day are kept."""
    monkeypatch.setattr(desk_traffic, "_MOST_TRAFFIC", most)
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 3000)
    frame = frame.copy()
    frame.loc[frame["day"] >= 73, "is_fraud"] = np.nan
    found = fitted(frame, tmp_path, max_damage=None, alert_budget="8/day")
    certificate = found.corrector.rules_.entry("alerts").certificates[None]
    assert certificate.unit == "days" and certificate.certified
    day = whole_days(frame["time"])
    recent = day >= found.windows.start
    scores = found.corrector.trace(frame[[*FEATURES, "score"]])["score"].to_numpy()
    again = daily_threshold(scores[recent], day[recent], 8, confidence_level=0.96)
    assert certificate.threshold == pytest.approx(again.threshold)
    assert certificate.n_calibration == np.unique(day[recent]).size
    assert any("alert budget only" in text for _, text in found.lines)


def test_alarms_that_are_cleared_take_no_alert(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    found = fitted(
        frame, tmp_path, direction="both", clear_damage=0.2, alert_budget="8/day"
    )
    certificate = found.corrector.rules_.entry("alerts").certificates[None]
    day, passed = whole_days(frame["time"]), (frame["score"] < 0.5).to_numpy()
    new = passed & (day >= found.windows.start)
    scores = found.corrector.trace(frame[[*FEATURES, "score"]])["score"].to_numpy()
    level = certificate.confidence_level
    again = daily_threshold(scores[new], day[new], 8, confidence_level=level)
    assert certificate.threshold == pytest.approx(again.threshold)
    later = backtest_file(
        TransactionFile.open(tmp_path / "cards.parquet"),
        COLUMNS,
        SCORE,
        replace(FISHER, direction="both", clear_damage=0.2, alert_budget="1/day"),
        test_days=14,
    )
    text = "\n".join(later.lines())
    assert "missed frauds: more than 1 changes" in text
    assert "false alarms: more than" not in text


def test_too_few_days_are_said(frame: pd.DataFrame, tmp_path: Path) -> None:
    short = frame[frame["day"] >= 60]
    out = tmp_path / "fix.rarecorrect"
    done = run(stored(short, tmp_path), out, "--alert-budget", "8/day")
    assert done.exit_code == 1, done.output
    assert "19 whole days" in done.output and "needs 31: pass 12 days" in done.output
    assert not load(out).rules_.certified


def test_labels_that_are_missing_do_not_calibrate(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    late = frame.copy()
    late.loc[late["day"] >= 70, "is_fraud"] = np.nan
    found = fitted(late, tmp_path)
    assert found.windows.end - found.windows.first == 69
    rows = (late["day"] >= 70).sum()
    told = dict(found.lines)["labels"]
    assert told == f"complete up to 2024-03-10; {rows:,} later rows serve nothing yet"
    calibrated = found.corrector.report_.n_calibration
    assert calibrated < late["day"].between(40, 69).sum()


def test_one_missing_label_is_not_a_complete_day(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    gap = frame.copy()
    last = np.flatnonzero(gap["day"] == N_DAYS - 1)
    gap.loc[last[0], "is_fraud"] = np.nan
    found = fitted(gap, tmp_path)
    assert found.windows.end == found.windows.last - 1
    # unless nobody will ever know it
    gap["declined"] = 0
    gap.loc[last[0], "declined"] = 1
    columns = DeskColumns("is_fraud", "time", decided="declined", features=FEATURES)
    file = TransactionFile.open(stored(gap, tmp_path))
    again = fit_file(file, columns, SCORE, FISHER)
    assert again.windows.end == again.windows.last
    assert any("1 rows (0.01 %) have no outcome" in text for _, text in again.lines)


def test_declined_rows_do_not_calibrate_whatever_their_label(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    marked = frame.assign(declined=np.arange(len(frame)) % 2)
    columns = DeskColumns("is_fraud", "time", decided="declined", features=FEATURES)
    found = survey(TransactionFile.open(stored(marked, tmp_path)), columns, SCORE)
    assert np.isnan(found.label[1::2]).all() and not np.isnan(found.label[::2]).any()
    assert not found.right[1::2].any()


def test_labels_from_the_future_are_not_known(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    known = frame.assign(known=frame["time"] + pd.Timedelta(days=7))
    columns = DeskColumns("is_fraud", "time", label_time="known", features=FEATURES)
    found = survey(TransactionFile.open(stored(known, tmp_path)), columns, SCORE)
    later = frame["day"].to_numpy() > N_DAYS - 1 - 7
    np.testing.assert_array_equal(np.isnan(found.label), later)


def test_no_day_with_all_labels_is_told_with_what_is_missing(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    n = len(frame)
    holes = frame.assign(is_fraud=frame["is_fraud"].where(np.arange(n) % 20 > 0))
    holes["known"] = frame["time"]
    holes.loc[1::20, "known"] += pd.Timedelta(days=900)
    done = run(stored(holes, tmp_path), tmp_path / "f.rarecorrect")
    text = " ".join(done.output.split())
    assert done.exit_code == 2 and "800 of 16,000 rows have no outcome yet" in text
    by_day = frame.iloc[::20]["day"].value_counts().sort_index()
    assert f"the fewest {by_day.min()} of " in text and "--decided" in text
    more = ["--label-time", "known"]
    done = run(stored(holes, tmp_path), tmp_path / "f.rarecorrect", *more)
    text = " ".join(done.output.split())
    assert "1,600 of 16,000 rows have no outcome yet, 800 since theirs" in text


def test_new_cases_are_all_that_is_learnt(frame: pd.DataFrame, tmp_path: Path) -> None:
    missed = frame[(frame["is_fraud"] == 1) & (frame["score"] < 0.5)]
    cases = tmp_path / "cases.csv"
    right = frame[(frame["is_fraud"] == 1) & (frame["score"] >= 0.5)].head(3)
    pd.concat([missed.head(20), right]).to_csv(cases, index=False)
    out = tmp_path / "fix.rarecorrect"
    more = ["--errors", str(cases), "--max-damage", "0.005"]
    done = run(stored(frame, tmp_path), out, *more)
    assert done.exit_code == 0, done.output
    assert "20 errors" in done.output
    assert "3 left out: the model is right on them" in done.output
    pd.concat([right]).to_csv(cases, index=False)
    done = run(stored(frame, tmp_path), out, *more)
    assert done.exit_code == 2 and "right on all 3 cases" in done.output


def test_both_directions_have_their_own_budgets(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="class 1|1 right|of 1"):
        found = fitted(frame, tmp_path, direction="both", clear_damage=0.01)
    certificates = found.corrector.rules_.entry("damage").certificates
    assert certificates[0].certified and certificates[0].max_damage == 0.005
    assert not certificates[1].certified  # some 60 caught frauds, and 1 % needs 389


@pytest.mark.parametrize(("n_caught", "certified"), [(299, True), (298, False)])
def test_who_only_clears_needs_299_caught_frauds(
    tmp_path: Path, n_caught: int, certified: bool
) -> None:
    """No answer 0 is ever changed, so all confidence goes into the other one."""
    rng = np.random.default_rng(0)
    n = 4000
    frame = pd.DataFrame({"time": np.arange(n) // 100, "amount": rng.normal(size=n)})
    frame["score"], frame["is_fraud"] = rng.uniform(0, 0.5, n), 0.0
    late = rng.permutation(np.flatnonzero(frame["time"] >= 20))[:n_caught]
    early = rng.permutation(np.flatnonzero(frame["time"] < 20))
    false, caught = early[:100], [*late, *early[100:200]]
    frame.loc[caught, "is_fraud"] = 1.0
    frame.loc[[*caught, *false], "score"] = 0.9
    frame.loc[false, "amount"] += 20
    columns = DeskColumns("is_fraud", "time", features=("amount",))
    plan = DeskPlan("clear", detector=None, ledger=False, calibrate_from=20)
    file = TransactionFile.open(stored(frame, tmp_path))
    if certified:
        corrector = fit_file(file, columns, SCORE, plan).corrector
        certificates = corrector.rules_.entry("damage").certificates
        assert set(certificates) == {1} and certificates[1].n_calibration == 299
        assert certificates[1].confidence_level == 0.95
        rows = frame.assign(amount=25.0)[["amount", "score"]]
        answers = (rows["score"] >= 0.5).to_numpy()
        assert (corrector.predict(rows) == 0).all() and answers.any()
        assert "changes at most 1 % of right decisions with 1" in str(corrector.report_)
        return
    with pytest.warns(NotCertifiedWarning, match="298 right"):
        assert not fit_file(file, columns, SCORE, plan).corrector.rules_.certified


def test_customers_do_not_teach_and_calibrate(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "fix.rarecorrect"
    more = ["--groups", "customer_id", "--max-damage", "0.2"]
    done = run(stored(frame, tmp_path), out, *more)
    assert done.exit_code == 0, done.output
    certificate = load(out).rules_.certificate()
    assert certificate.unit == "groups"
    assert 20 < certificate.n_calibration <= frame["customer_id"].nunique() / 2 + 20


def test_windows_without_fraud_are_pointed_out(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    quiet = frame.copy()
    quiet.loc[quiet["day"] >= 40, "is_fraud"] = 0.0
    with pytest.warns(UserWarning, match="no fraud among"):
        fitted(quiet, tmp_path)


def test_empty_days_are_told_and_do_no_harm(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    closed = frame[~frame["day"].isin([60, 61, 70])]
    found = fitted(closed, tmp_path)
    assert (
        "77 days" in found.lines[0][1] and "3 days without a row" in found.lines[0][1]
    )
    assert found.corrector.rules_.certified


def test_rows_that_cannot_be_used_are_counted(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    bad = pd.concat([frame, frame.iloc[[5, 6]]], ignore_index=True)
    bad.loc[0, "score"] = np.nan
    bad.loc[1, "score"] = 1.5
    bad.loc[2, "time"] = pd.NaT
    bad.loc[3, "amount"] = np.inf
    found = fitted(bad, tmp_path)
    aside = dict(found.lines)["set aside"]
    for words in (
        "id seen before (2)", "score is missing (1)", "time is missing (1)",
        "score lies outside 0 to 1 (1)",
    ):  # fmt: skip
        assert words in aside


def test_rows_that_are_there_twice_change_nothing(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    once = fitted(frame, tmp_path).corrector
    twice = pd.concat([frame, frame.sample(3000, random_state=0)], ignore_index=True)
    again = fitted(twice, tmp_path)
    assert "id seen before (3,000)" in dict(again.lines)["set aside"]
    assert again.corrector.rules_.threshold() == once.rules_.threshold()
    assert again.corrector.report_.n_calibration == once.report_.n_calibration


@pytest.mark.parametrize("empty", [np.nan, None])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_without_a_value_changes_nothing(
    frame: pd.DataFrame, tmp_path: Path, ending: str, empty: Any
) -> None:
    columns = DeskColumns("is_fraud", "time", features=(*FEATURES, "empty"))
    path = stored(frame.assign(empty=empty), tmp_path, ending)
    found = fit_file(TransactionFile.open(path), columns, SCORE, FISHER).corrector
    assert found.rules_.certified
    X = frame.assign(empty=empty)[[*FEATURES, "empty", "score"]]
    plain = fitted(frame, tmp_path).corrector
    np.testing.assert_array_equal(
        found.predict(X), plain.predict(X.drop(columns="empty"))
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": {"score": "scor"}}, "no column 'score'; did you mean 'scor'?"),
        ({"columns": {"amount": "ammount"}}, "no column 'amount'; did you mean 'amm"),
        ({"columns": {"time": "tyme"}}, "no column 'time'; did you mean 'tyme'?"),
    ],
)
def test_renamed_columns_are_named_before_anything_is_written(
    frame: pd.DataFrame, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    out = tmp_path / "fix.rarecorrect"
    done = run(stored(frame.rename(**change), tmp_path), out)
    assert done.exit_code == 2 and words in done.output, done.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("is_fraud", 3.0, "must hold 0 and 1"),
        ("is_fraud", np.nan, "no day has complete labels"),
        ("is_fraud", 0.0, "no missed fraud among 16,000 labelled rows"),
        ("time", "soon", "neither dates"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(
    frame: pd.DataFrame, tmp_path: Path, column: str, value: Any, words: str
) -> None:
    out = tmp_path / "fix.rarecorrect"
    done = run(stored(frame.assign(**{column: value}), tmp_path), out)
    assert done.exit_code == 2 and words in done.output, done.output
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--alert-budget", "25/week"], "a text like 25/day, got '25/week'"),
        (["--features", "is_fraud"], "the label 'is_fraud' cannot be a feature"),
        (["--calibrate-from", "2030-01-01"], "leaves no day before it"),
        (["--model", "none.json"], "one of --score-column and --model"),
        (["--both", "--alert-budget", "25/day"], "--max-damage, too"),
        (["--alert-budget", "25"], "a text like 25/day, got '25'"),
        (["--trained-until", "May"], "'May' is no day: write a date such as"),
    ],
)
def test_bad_options_are_refused(
    frame: pd.DataFrame, tmp_path: Path, more: list[str], words: str
) -> None:
    done = run(stored(frame, tmp_path), tmp_path / "fix.rarecorrect", *more)
    assert done.exit_code == 2 and words in done.output, done.output


def test_windows_follow_the_alert_budget(frame: pd.DataFrame, tmp_path: Path) -> None:
    found = survey(TransactionFile.open(stored(frame, tmp_path)), COLUMNS, SCORE)
    plain = choose_windows(found, FISHER)
    assert plain.end - plain.start + 1 == 30
    capped = choose_windows(found, DeskPlan(alert_budget="25/day"))
    assert capped.last - capped.start + 1 == int(1.6 * 31)
    day = int(whole_days(pd.Series(["2024-03-01"]))[0])
    assert choose_windows(found, DeskPlan(calibrate_from=day)).start == day


def test_days_that_the_model_was_trained_on_do_not_calibrate(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    found = survey(TransactionFile.open(stored(frame, tmp_path)), COLUMNS, SCORE)
    first = found.days[0]
    early = choose_windows(found, DeskPlan(trained_until=int(first) + 10))
    assert early == choose_windows(found, FISHER)  # they are background anyway
    for plan in ({}, {"alert_budget": "25/day"}):
        late = choose_windows(found, DeskPlan(trained_until=int(first) + 69, **plan))
        assert late.start == first + 70
    out, path = tmp_path / "fix.rarecorrect", tmp_path / "cards.parquet"
    done = run(path, out, "--max-damage", "0.005", "--trained-until", "2024-03-10")
    assert done.exit_code == 0, done.output
    assert "calibration on 2024-03-11 to" in done.output
    assert "up to 2024-03-10: these days do not calibrate" in done.output
    more = ["--calibrate-from", "2024-03-01"]
    done = run(path, out, "--trained-until", "2024-03-10", *more)
    assert done.exit_code == 2 and "a certificate is void" in done.output
    done = run(path, out, "--trained-until", "2024-06-01")
    assert done.exit_code == 2 and "no day is left that can calibrate" in done.output


def test_trees_of_a_library_are_a_model_too(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    xgboost = pytest.importorskip("xgboost")
    known = frame[frame["day"] < 20]
    names = list(FEATURES)
    table = xgboost.DMatrix(known[names], known["is_fraud"])
    trees = xgboost.train({"objective": "binary:logistic"}, table, 10)
    path, out = tmp_path / "trees.json", tmp_path / "fix.rarecorrect"
    trees.save_model(path)
    arguments = options(stored(frame, tmp_path), out, "--max-damage", "0.005")
    cut = arguments.index("--score-column")
    arguments[cut : cut + 5] = ["--model", str(path)]
    done = CliRunner().invoke(tabular, arguments)
    assert done.exit_code == 0, done.output
    scores = tmp_path / "alerts.parquet"
    arguments = [
        "score", "--corrector", str(out), "--data", str(tmp_path / "cards.parquet"),
        "--out", str(scores),
    ]  # fmt: skip
    done = CliRunner().invoke(tabular, arguments)
    assert done.exit_code == 2 and "--model" in done.output, done.output
    done = CliRunner().invoke(tabular, [*arguments, "--model", str(path)])
    assert done.exit_code == 0, done.output
    assert pd.read_parquet(scores)["changed"].all()


def test_trees_keep_the_threshold_of_their_fit(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """The file holds it: it is named once, in the fit."""
    lightgbm = pytest.importorskip("lightgbm")
    known = frame[frame["day"] < 20]
    table = lightgbm.Dataset(known[list(FEATURES)], known["is_fraud"])
    trees = lightgbm.train({"objective": "binary", "verbose": -1}, table, 10)
    path, out = tmp_path / "trees.txt", tmp_path / "fix.rarecorrect"
    trees.save_model(path)
    scored = trees.predict(frame[list(FEATURES)])
    limit = "0.03"
    arguments = options(stored(frame, tmp_path), out, "--threshold", limit)
    cut = arguments.index("--score-column")
    arguments[cut : cut + 5] = ["--model", str(path)]
    done = CliRunner().invoke(tabular, arguments)
    assert done.exit_code == 0, done.output
    data, scores = tmp_path / "cards.parquet", tmp_path / "alerts.parquet"
    asked = ["--corrector", str(out), "--data", str(data), "--model", str(path)]
    for verb, more in (
        ("certify", ["--label", "is_fraud", "--out", str(out)]),
        ("score", ["--out", str(scores), "--all"]),
        ("review-list", ["--out", str(tmp_path / "todo.csv")]),
        ("budgets", ["--time", "time"]),
        ("report", ["--out", str(tmp_path / "page.html"), "--label", "is_fraud"]),
    ):
        done = CliRunner().invoke(tabular, [verb, *asked, *more])
        assert done.exit_code == 0, done.output
    answers = (scored >= float(limit)).astype(int)
    assert pd.read_parquet(scores)["legacy"].tolist() == answers.tolist()
    for threshold in (None, 0.5, 0.031):  # forgotten, or wrong
        other = DeskModel.of_trees(path, threshold).model
        with pytest.raises(ValueError, match=r"threshold is .*of the fit was 0\.03:"):
            load(out, estimator=other)


def test_an_alert_budget_leaves_the_harm_of_clearing_bounded(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    plan = {"direction": "clear", "max_damage": None, "clear_damage": 0.2}
    found = fitted(frame, tmp_path, **plan, alert_budget="25/day").corrector
    assert found.max_damage == {1: 0.2} and found.rules_.budgets == ("damage", "alerts")


def test_ways_out_are_options(frame: pd.DataFrame, tmp_path: Path) -> None:
    out = tmp_path / "fix.rarecorrect"
    for more, words in (
        (["--clear-only"], "set --clear-damage 0."),
        (["--max-damage", "0.0001"], "set --max-damage 0."),
    ):
        done = run(stored(frame, tmp_path), out, *more)
        told = " ".join(done.output.split())
        assert done.exit_code == 1 and told.count(words) == 2, told
        assert "or --no-ledger (" in told
        assert "max_damage" not in told and "ledger=" not in told


def test_a_model_that_no_library_saved_is_told_how(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "model.joblib").write_bytes(b"anything")
    with pytest.raises(ValueError, match=r"booster_\.save_model\('trees.txt'\)"):
        DeskModel.of_trees(tmp_path / "model.joblib")


def test_trees_have_no_answer_to_an_infinite_value(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """XGBoost refuses all rows for one of them."""
    xgboost = pytest.importorskip("xgboost")
    rows = frame[list(FEATURES)].head(2000)
    table = xgboost.DMatrix(rows, frame["score"].head(2000) >= 0.5)
    trees = xgboost.train({"objective": "binary:logistic"}, table, 10)
    trees.save_model(tmp_path / "trees.json")
    model = DeskModel.of_trees(tmp_path / "trees.json")
    answers = model.answers(rows)
    alerts = np.flatnonzero(answers)
    assert alerts.size and (model.flaws(rows) == "").all()
    spoilt = rows.copy()
    spoilt.iloc[alerts[0], 0] = np.inf
    assert model.flaws(spoilt)[alerts[0]] == "amount is infinite"
    answers[alerts[0]] = 0
    np.testing.assert_array_equal(model.answers(spoilt), answers)
    assert model.answers(spoilt.iloc[alerts[:1]]).tolist() == [0]
    with pytest.raises(ValueError, match="'amount' holds values of String"):
        model.answers(rows.assign(amount="much"))


def test_a_new_case_is_not_a_right_decision_too(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """In the file it still passes for genuine, or for unknown."""
    missed = frame[(frame["is_fraud"] == 1) & (frame["score"] < 0.5)].tail(20)
    cases = tmp_path / "cases.csv"
    missed.to_csv(cases, index=False)
    late = frame.copy()
    late.loc[missed.index, "is_fraud"] = 0.0
    more = ["--errors", str(cases), "--max-damage", "0.005"]
    counts = []
    for data in (late, frame):  # as if genuine, and as it is
        out = tmp_path / "fix.rarecorrect"
        assert run(stored(data, tmp_path), out, *more).exit_code == 0
        report = load(out).report_
        counts.append((report.n_errors, report.n_calibration, report.n_background))
    assert counts[0] == counts[1] and counts[0][0] == 20


def test_days_that_calibrate_choose_no_feature(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Only before them does this column grow with the day."""
    row = np.arange(len(frame))
    late = row[frame["day"] >= 50]
    row[late] = np.random.default_rng(0).permutation(late - late[0])
    aside = ("is_fraud", "time", "day", "transaction_id", "customer_id")
    columns = DeskColumns("is_fraud", "time", drop=aside)
    file = TransactionFile.open(stored(frame.assign(row=row), tmp_path))
    found = fit_file(file, columns, SCORE, FISHER)
    assert found.windows.start == whole_days(frame["time"])[late[0]]
    assert "row: they only tell the day" in dict(found.lines)["left out"]


def test_a_column_that_says_nothing_is_named(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    note = [f"note {i}" for i in range(len(frame))]
    file = TransactionFile.open(stored(frame.assign(note=note), tmp_path))
    columns = replace(COLUMNS, features=(*FEATURES, "note"))
    found = fit_file(file, columns, SCORE, FISHER)
    assert "no feature       note: no value is frequent" in str(found)
    assert Desk(found.corrector).left_out.keys() == {"note"}


def test_columns_left_out_are_not_asked_for_later(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    numbered = frame.assign(row=np.arange(len(frame)))
    read = {*FEATURES, "score", "row", "is_fraud", "time"}
    aside = tuple(name for name in frame if name not in read)
    columns = DeskColumns("is_fraud", "time", drop=aside)
    file = TransactionFile.open(stored(numbered, tmp_path))
    found = fit_file(file, columns, SCORE, FISHER)
    assert "row: they only tell the day" in dict(found.lines)["left out"]
    assert set(found.corrector.feature_names_in_) == {*FEATURES, "score"}


def test_alerts_are_counted_by_customer(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threshold is that of the highest score of each customer on each day."""
    cards = frame.assign(customer_id=frame["customer_id"] % 40)
    cards.loc[cards.index[::7], "customer_id"] = np.nan  # each is somebody else
    path = stored(cards, tmp_path)
    thresholds = []
    for rows in (131_072, 700):
        monkeypatch.setattr(transactions, "BLOCK_ROWS", rows)
        columns = DeskColumns(
            "is_fraud", "time", alert_unit="customer_id", features=FEATURES
        )
        plan = DeskPlan(detector=None, max_damage=None, alert_budget="3/day")
        found = fit_file(TransactionFile.open(path), columns, SCORE, plan)
        certificate = found.corrector.rules_.entry("alerts").certificates[None]
        thresholds.append(certificate.threshold)
    day = whole_days(cards["time"])
    scores = found.corrector.trace(cards[[*FEATURES, "score"]])["score"].to_numpy()
    who = cards["customer_id"].fillna(pd.Series(-1.0 - np.arange(len(cards))))
    table = pd.DataFrame({"day": day, "who": who, "score": scores})
    best = table[day >= found.windows.start].groupby(["day", "who"])["score"].max()
    again = daily_threshold(
        best.to_numpy(), best.index.get_level_values("day"), 3, confidence_level=0.96
    )
    assert thresholds == [pytest.approx(again.threshold)] * 2
    by_row = fitted(frame, tmp_path, max_damage=None, alert_budget="3/day")
    rows = by_row.corrector.rules_.entry("alerts").certificates[None]
    assert certificate.certified and certificate.threshold < rows.threshold
    assert "several of one customer_id" in dict(found.lines)["alerts"]
    done = run(path, tmp_path / "fix.rarecorrect", "--alert-unit", "customer_id")
    assert done.exit_code == 2 and "a number a day, such as 25/day" in done.output
