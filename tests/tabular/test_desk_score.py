"""``rarecorrect tabular score`` and ``review-list``: every row has its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from rarecorrect import ErrorCorrector, load, save
from rarecorrect.simulate import FraudType, card_transactions
from rarecorrect_tabular import transactions
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.desk_fit import fit_file
from rarecorrect_tabular.desk_model import Desk as ScoringDesk
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_score import ScorePlan, score_file
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.transactions import TransactionFile

FEATURES = (
    "amount",
    "night",
    "amount_ratio",
    "seconds_since_last",
    "customer_count_1d",
)
READ = [*FEATURES, "score"]


def cards(n: int, n_days: int, seed: int) -> pd.DataFrame:
    kind = FraudType("1", "card_testing", start_day=0, rate=0.02)
    frame = card_transactions(n, n_days=n_days, fraud_types=[kind], random_state=seed)
    score = np.random.default_rng(seed).uniform(0, 0.51, n)
    return frame.assign(score=score).drop(columns=["fraud_type", "label_day"])


@dataclass
class Desk:
    """A corrector in a file, and a day's transactions to score."""

    folder: Path
    corrector: ErrorCorrector
    today: pd.DataFrame

    def score(
        self, rows: pd.DataFrame, *more: str, ending: str = "parquet", out: str = ""
    ) -> tuple[Result, pd.DataFrame]:
        data, written = self.folder / f"today.{ending}", self.folder / (out or "a.csv")
        written.unlink(missing_ok=True)
        if ending == "csv":
            rows.to_csv(data, index=False)
        else:
            rows.to_parquet(data)
        done = self.run("score", data, written, *more)
        if not written.exists():
            return done, pd.DataFrame()
        is_csv = written.suffix == ".csv"
        found = pd.read_csv(written) if is_csv else pd.read_parquet(written)
        texts = found["reason"].astype("string").fillna("")
        return done, found.assign(reason=texts)

    def run(self, verb: str, data: Path, out: Path, *more: str) -> Result:
        fix = str(self.folder / "fix.rarecorrect")
        arguments = ["--corrector", fix, "--data", str(data), "--out", str(out)]
        return CliRunner().invoke(tabular, [verb, *arguments, *more])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    cards(12_000, 60, 0).to_parquet(folder / "month.parquet")
    file = TransactionFile.open(folder / "month.parquet")
    columns = DeskColumns("is_fraud", "time", features=FEATURES)
    model = DeskModel.of_score("score", score_range=(0, 1))
    found = fit_file(file, columns, model, DeskPlan(detector=None, max_damage=0.01))
    save(found.corrector, folder / "fix.rarecorrect")
    return Desk(folder, found.corrector, cards(3000, 6, 1))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("out", ["a.csv", "a.parquet"])
def test_alerts_are_what_the_corrector_changes(
    desk: Desk, ending: str, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 700)
    more = ["--id", "transaction_id", "--all"]
    done, found = desk.score(desk.today, *more, ending=ending, out=out)
    assert done.exit_code == 0, done.output
    trace = desk.corrector.trace(desk.today[READ])
    for name, column in (("legacy", "before"), ("corrected", "after")):
        assert found[name].tolist() == trace[column].tolist()
    ids = desk.today["transaction_id"].astype(str)
    assert found["transaction_id"].astype(str).tolist() == ids.tolist()
    assert found["changed"].tolist() == trace["changed"].tolist()
    np.testing.assert_allclose(found["score"], trace["score"])
    np.testing.assert_allclose(found["tail_rank"], trace["tail_rank"])
    assert set(found.loc[found["changed"], "rule"]) == {"0 to 1"}
    assert (found["reason"] == "").all()

    done, alerts = desk.score(desk.today, "--id", "transaction_id", out=out)
    assert alerts["changed"].all() and len(alerts) == trace["changed"].sum() > 5
    assert f"{len(alerts):,} raised to fraud" in done.output


@pytest.mark.parametrize("detector", ["auto", None])
def test_alerts_alone_are_byte_for_byte_those_among_all_rows(
    detector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TransactionFile.open(write(tmp_path / "month.parquet", cards(12_000, 60, 0)))
    columns = DeskColumns("is_fraud", "time", features=FEATURES)
    plan = DeskPlan(detector=detector, max_damage=0.01)
    fix = fit_file(file, columns, DeskModel.of_score("score"), plan).corrector
    today = TransactionFile.open(write(tmp_path / "day.parquet", cards(4000, 6, 1)))
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 1000)
    found = {}
    for name, every, jobs in (("all", True, 1), ("one", False, 1), ("two", False, 2)):
        asked = ScorePlan("transaction_id", all_rows=every, jobs=jobs)
        score_file(ScoringDesk(fix), today, tmp_path / f"{name}.csv", asked)
        found[name] = (tmp_path / f"{name}.csv").read_text().splitlines()
    changed = [line for line in found["all"] if ",True," in line]
    assert found["one"] == found["two"] == [found["all"][0], *changed]
    assert len(changed) > 5


def write(path: Path, rows: pd.DataFrame) -> Path:
    rows.to_parquet(path)
    return path


def test_shadow_changes_no_decision(desk: Desk) -> None:
    done, found = desk.score(desk.today, "--shadow", "--all")
    assert done.exit_code == 0 and "would be raised" in done.output
    assert (found["corrected"] == found["legacy"]).all() and not found["changed"].any()
    changed = desk.corrector.trace(desk.today[READ])["changed"]
    assert found["would_change"].tolist() == changed.tolist()


def spoilt(column: str, value: Any) -> Callable[[pd.DataFrame, Any], pd.DataFrame]:
    def spoil(rows: pd.DataFrame, places: Any) -> pd.DataFrame:
        kind = object if isinstance(value, str) else float
        values = rows[column].astype(kind)
        values.iloc[places] = value
        return rows.assign(**{column: values})

    return spoil


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("amount", np.nan, "amount is missing"),
        ("amount", np.inf, "amount is infinite"),
        ("amount", "12,50", "amount is no number"),
        ("score", np.nan, "score is missing"),
        ("score", 1.01, "score lies outside 0 to 1"),
        ("score", -np.inf, "score is infinite"),
        ("score", "high", "score is no number"),
        ("transaction_id", 0, "id seen before"),
    ],
)
def test_a_row_that_cannot_be_scored_keeps_the_legacy_answer(
    desk: Desk, column: str, value: Any, reason: str
) -> None:
    trace = desk.corrector.trace(desk.today[READ])
    places = np.flatnonzero(trace["changed"])[:3]
    rows = spoilt(column, value)(desk.today, places)
    more = ["--id", "transaction_id", "--all"]
    done, found = desk.score(rows, *more, ending="csv")
    assert done.exit_code == 1, done.output
    assert f"{reason} (3 rows)" in done.output
    bad = found.iloc[places]
    assert (bad["reason"] == reason).all() and not bad["changed"].any()
    assert (bad["corrected"] == bad["legacy"]).all()
    score = pd.to_numeric(rows["score"], errors="coerce").iloc[places]
    assert bad["legacy"].tolist() == (score >= 0.5).astype(int).tolist()
    # all others are what they would have been
    rest = found.drop(index=places)
    assert rest["corrected"].tolist() == trace["after"].drop(index=places).tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="amount"), "no column 'amount'"),
        (lambda f: f.rename(columns={"score": "scores"}), "did you mean 'scores'?"),
        (lambda f: f.assign(amount=f["time"]), "'amount' held numbers in the fit"),
        (lambda f: f.iloc[:0], "has no rows"),
    ],
)
def test_a_wrong_file_is_refused_and_the_old_output_stays(
    desk: Desk, change: Callable[[pd.DataFrame], pd.DataFrame], words: str
) -> None:
    data, out = desk.folder / "wrong.parquet", desk.folder / "kept.csv"
    change(desk.today).to_parquet(data)
    out.write_text("yesterday")
    done = desk.run("score", data, out)
    assert done.exit_code == 2 and words in done.output, done.output
    assert out.read_text() == "yesterday"
    assert not list(desk.folder.glob("*.part.*")) + list(desk.folder.glob(".*part*"))


@pytest.mark.parametrize("verb", ["score", "review-list", "backtest"])
def test_no_command_overwrites_what_it_reads(desk: Desk, verb: str) -> None:
    data, link = desk.folder / "kept.parquet", desk.folder / "link.parquet"
    desk.today.to_parquet(data)
    link.unlink(missing_ok=True)
    link.symlink_to(data)
    before = data.read_bytes()
    files = ["--data", str(data), "--out", str(link)]
    needed = ["--corrector", str(desk.folder / "fix.rarecorrect")]
    if verb == "backtest":
        needed = ["--label", "is_fraud", "--time", "time", "--score-column", "score"]
    done = CliRunner().invoke(tabular, [verb, *files, *needed])
    words = " ".join(done.output.split())
    assert done.exit_code == 2 and "would overwrite what --data reads" in words, words
    assert data.read_bytes() == before


def test_a_score_that_is_no_probability_is_no_score(desk: Desk, tmp_path: Path) -> None:
    """Fitted without a threshold or a range, so on scores from 0 to 1."""
    columns = DeskColumns("is_fraud", "time", features=FEATURES)
    month = TransactionFile.open(desk.folder / "month.parquet")
    plan = DeskPlan(detector=None, max_damage=0.01)
    fix = fit_file(month, columns, DeskModel.of_score("score"), plan).corrector
    rows = spoilt("score", 51.0)(desk.today, [0, 7])
    data, out = write(tmp_path / "today.parquet", rows), tmp_path / "a.parquet"
    asked = ScorePlan("transaction_id", all_rows=True)
    tally = score_file(ScoringDesk(fix), TransactionFile.open(data), out, asked)
    assert tally.reasons == {"score lies outside 0 to 1": 2}
    found = pd.read_parquet(out).iloc[[0, 7]]
    assert found["legacy"].tolist() == found["corrected"].tolist() == [1, 1]


def test_a_corrector_that_changes_nothing_says_so(desk: Desk, tmp_path: Path) -> None:
    """No alert would pass for a quiet day."""
    data, out = write(tmp_path / "today.parquet", desk.today), tmp_path / "a.csv"
    book = desk.corrector.rules_
    retired = book.with_state(book.rules[0].name, "retired")
    bare = desk.corrector.with_rules(retired)
    uncertain = load(desk.folder / "fix.rarecorrect").set_params(alert_budget="5/day")
    for corrector, why in (
        (bare, "no rule acts"),
        (uncertain.with_rules(uncertain.rules_), "nothing is certified"),
    ):
        save(corrector, tmp_path / "none.rarecorrect")
        done = CliRunner().invoke(
            tabular,
            [
                *("score", "--corrector", str(tmp_path / "none.rarecorrect")),
                *("--data", str(data), "--out", str(out)),
            ],
        )
        assert done.exit_code == 0, done.output
        assert f"Warning: no row will be changed, since {why}" in done.output
    done = desk.run("score", data, out)
    assert "Warning" not in done.output


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_while_no_score_comes_rows_keep_the_legacy_answer(
    desk: Desk, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole blocks of them, in the file and, with the same ending, the output."""
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 500)
    trace = desk.corrector.trace(desk.today[READ])
    for first, last in ((0, 1000), (1000, 2000), (0, len(trace))):
        rows = desk.today.copy()
        rows.loc[first : last - 1, "score"] = np.nan
        more = ["--time", "time", "--daily-cap", "900", "--all"]
        done, found = desk.score(rows, *more, ending=ending, out=f"a.{ending}")
        assert done.exit_code == 1, done.output
        out = rows["score"].isna()
        assert (found["reason"] == np.where(out, "score is missing", "")).all()
        assert (found["corrected"] == found["legacy"])[out].all()
        expected = trace["after"][~out].tolist()
        assert found["corrected"][~out].tolist() == expected
    done = desk.run(
        "review-list", desk.folder / f"today.{ending}", desk.folder / "b.csv"
    )
    words = "can be scored: score is missing (3,000 of 3,000 rows)"
    assert done.exit_code == 2 and words in " ".join(done.output.split())


def test_a_table_without_rows_has_none_under_a_cap(desk: Desk) -> None:
    more = ["--time", "time", "--daily-cap", "2"]
    done, _ = desk.score(desk.today.iloc[:0], *more, ending="csv")
    assert done.exit_code == 2 and "'today.csv' has no rows" in done.output


@pytest.mark.parametrize("valued", [False, True])
def test_under_a_cap_the_highest_of_each_day_stay(
    desk: Desk, valued: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where rows are in no order and days lie in several blocks."""
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 500)
    rows = desk.today.sample(frac=1, random_state=0).reset_index(drop=True)
    more = ["--time", "time", "--daily-cap", "2", "--all"]
    if valued:
        more += ["--value", "amount"]
    done, found = desk.score(rows, *more)
    assert done.exit_code == 0, done.output
    trace = desk.corrector.trace(rows[READ])
    order = trace["score"] + (np.log(rows["amount"]) if valued else 0)
    kept = order[trace["changed"]].groupby(rows["day"]).nlargest(2)
    places = np.sort(kept.index.get_level_values(-1))
    assert np.flatnonzero(found["changed"]).tolist() == places.tolist()
    dropped = trace["changed"] & ~found["changed"]
    assert dropped.sum() > 0
    assert (found["reason"] == np.where(dropped, "over the daily cap", "")).all()
    assert (found["corrected"] == found["legacy"])[dropped].all()
    assert f"{dropped.sum()} new alerts beyond 2 a day" in done.output


def test_alerts_of_one_customer_are_one_under_a_cap(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two customers a day keep all of their alerts; a row without one is its own."""
    monkeypatch.setattr(transactions, "BLOCK_ROWS", 500)
    rows = desk.today.sample(frac=1, random_state=1).reset_index(drop=True)
    trace = desk.corrector.trace(rows[READ])
    alerts = rows[trace["changed"]].index
    few = np.random.default_rng(0).integers(0, 4, len(rows))
    rows["whose"] = pd.Series([f"0{n}" for n in few], dtype=object)
    rows.loc[alerts[:3], "whose"] = None
    more = ["--time", "time", "--daily-cap", "2", "--all", "--alert-unit", "whose"]
    done, found = desk.score(rows, *more, ending="csv", out="a.parquet")
    assert done.exit_code == 0, done.output
    named = rows["whose"].where(rows["whose"].notna(), rows.index.astype(str))
    kept = set()
    for _, day in rows.loc[alerts].groupby(rows["day"]):
        ranked = trace["score"][day.index].sort_values(ascending=False)
        first = list(dict.fromkeys(named[ranked.index]))[:2]
        kept |= {place for place in ranked.index if named[place] in first}
    assert set(np.flatnonzero(found["changed"])) == kept
    assert 12 < len(kept) < len(alerts)  # six days, and more than one of a customer
    assert found["whose"].dropna().tolist() == rows["whose"].dropna().tolist()
    words = f"{len(alerts) - len(kept)} new alerts beyond 2 a day (several of one whose"
    assert words in done.output


def test_values_change_who_stays(desk: Desk) -> None:
    more = ["--time", "time", "--daily-cap", "1", "--id", "transaction_id"]
    plain = desk.score(desk.today, *more)[1]
    rich = desk.score(desk.today, *more, "--value", "amount")[1]
    assert set(plain["transaction_id"]) != set(rich["transaction_id"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--daily-cap", "2"], "a daily cap of 2 needs the time"),
        (["--value", "amount"], "a value orders the rows under a daily cap"),
        (["--alert-unit", "day"], "by 'day' only under a daily cap"),
        (["--id", "score"], "has the name of a column that is written"),
        (["--id", "nobody"], "no column 'nobody'"),
    ],
)
def test_bad_options_are_refused(desk: Desk, more: list[str], words: str) -> None:
    done, found = desk.score(desk.today, *more)
    assert done.exit_code == 2 and words in done.output and found.empty


def test_a_file_that_is_no_corrector_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.today.to_parquet(tmp_path / "today.parquet")
    other = tmp_path / "other.rarecorrect"
    other.write_text("no corrector")
    arguments = [
        "--corrector", str(other), "--data", str(tmp_path / "today.parquet"),
        "--out", str(tmp_path / "out.csv"),
    ]  # fmt: skip
    done = CliRunner().invoke(tabular, ["score", *arguments])
    assert done.exit_code == 2 and "Traceback" not in done.output


def test_reviewing_what_is_asked_for_ends_in_a_certificate(
    desk: Desk, tmp_path: Path
) -> None:
    recent = cards(6000, 30, 2)
    truth = recent.pop("is_fraud").to_numpy()
    recent["outcome"] = np.nan
    data, out = tmp_path / "recent.parquet", tmp_path / "todo.csv"
    for _ in range(20):
        recent.to_parquet(data)
        done = desk.run("review-list", data, out, "--label", "outcome")
        assert done.exit_code == 0, done.output
        asked = pd.read_csv(out)
        if asked.empty:
            break
        expected = recent.loc[asked["row"], "transaction_id"]
        assert asked["transaction_id"].tolist() == expected.tolist()
        recent.loc[asked["row"], "outcome"] = truth[asked["row"]]
    assert "nothing to do: enough is known" in done.output
    assert "rarecorrect tabular certify" in done.output
    known = recent["outcome"].notna().sum()
    assert 0 < known < 3000
    old, fresh = desk.folder / "fix.rarecorrect", tmp_path / "fresh.rarecorrect"
    before = old.read_bytes()
    done = desk.run("certify", data, fresh, "--label", "outcome")
    assert done.exit_code == 0, done.output
    assert f"6,000 rows of recent.parquet, {known:,} with a label" in done.output
    assert "damage: 4 % of the 5 % of error probability" in done.output
    assert old.read_bytes() == before
    corrector = load(old).certify(recent[READ], recent["outcome"])
    book, certificate = load(fresh).rules_, corrector.rules_.certificate()
    assert str(book.certificate()) == str(certificate) in done.output
    assert book.threshold() == corrector.rules_.threshold() < np.inf
    assert certificate.certified and certificate.n_calibration > 5000

    words = ["--corrector", str(fresh), "--data", str(desk.folder / "today.parquet")]
    desk.today.to_parquet(desk.folder / "today.parquet")
    done = CliRunner().invoke(tabular, ["score", *words, "--out", str(out)])
    assert done.exit_code == 0 and f"{out}" in done.output
    assert len(pd.read_csv(out)) == load(fresh).trace(desk.today[READ])["changed"].sum()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_list_to_review_names_rows_as_the_file_does(
    desk: Desk, tmp_path: Path, ending: str
) -> None:
    recent, ids = cards(1000, 30, 2), [2**53 + 1 + i for i in range(999)] + [None]
    data, out = tmp_path / f"recent.{ending}", tmp_path / f"todo.{ending}"
    if ending == "csv":
        ids = [f"{i:08d}" for i in range(1000)]
        recent.assign(case=ids).to_csv(data, index=False)
    else:
        table = pa.Table.from_pandas(recent).append_column("case", [ids])
        pq.write_table(table.replace_schema_metadata(None), data)
    done = desk.run("review-list", data, out)
    assert done.exit_code == 0, done.output
    if ending == "csv":
        found = pd.read_csv(out, dtype={"case": str}).to_dict("list")
    else:
        found = pq.read_table(out).to_pydict()
    assert found["case"] == [ids[row] for row in found["row"]]
    assert len(found["case"]) > 10


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("known", [False, True])
def test_a_list_to_review_is_the_same_for_blocks_of_every_size(
    desk: Desk,
    tmp_path: Path,
    ending: str,
    known: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte, and that of all rows at once; no block is kept."""
    recent, data = cards(1000, 30, 2), tmp_path / f"recent.{ending}"
    recent["customer_count_1d"] = recent["customer_count_1d"].round().astype("Int64")
    recent["case"] = [f"{i:06d}" for i in range(1000)]
    recent["branch"] = pd.array(np.where(np.arange(1000) % 7, 5, None), dtype="Int64")
    recent["open"] = recent.pop("is_fraud").where(np.arange(1000) % 3 > 0).astype(float)
    recent.loc[[3, 400], "amount"] = np.nan
    recent.to_csv(data, index=False) if ending == "csv" else recent.to_parquet(data)
    good = np.flatnonzero(recent["amount"].notna())
    corrector = load(desk.folder / "fix.rarecorrect")
    y = recent["open"].iloc[good].to_numpy() if known else None
    places = good[corrector.label_next(recent[READ].iloc[good], y).rows]
    assert places.size > 10
    monkeypatch.delattr(TransactionFile, "rows")
    lists = set()
    for size in (77, 300, 5000):
        monkeypatch.setattr(transactions, "BLOCK_ROWS", size)
        out, more = tmp_path / f"todo.{ending}", ["--label", "open"] if known else []
        done = desk.run("review-list", data, out, *more)
        assert done.exit_code == 1, done.output
        assert "left out: amount is missing (2 rows)" in done.output
        lists.add(out.read_bytes())
    (_,) = lists
    is_csv = ending == "csv"
    found = pd.read_csv(out, dtype={"case": str}) if is_csv else pd.read_parquet(out)
    expected = recent.iloc[places].assign(row=places).reset_index(drop=True)
    if is_csv:
        expected["time"] = expected["time"].astype(str)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_a_list_to_review_replaces_no_column(desk: Desk, tmp_path: Path) -> None:
    data = tmp_path / "recent.parquet"
    desk.today.assign(row=7).to_parquet(data)
    done = desk.run("review-list", data, tmp_path / "todo.csv")
    assert done.exit_code == 2 and "column 'row' has the name" in done.output


def test_amounts_in_the_score_reach_files_and_cap(desk: Desk, tmp_path: Path) -> None:
    """Fitted with ``--value``: the score of a row holds the log of its amount."""
    past = desk.folder / "month.parquet"
    out = tmp_path / "valued.rarecorrect"
    named = [x for name in FEATURES for x in ("--features", name)]
    base = [
        "fit", "--data", str(past), "--label", "is_fraud", "--time", "time",
        "--score-column", "score", "--detector", "fisher", *named,
        "--max-damage", "0.005", "--value",
    ]  # fmt: skip
    done = CliRunner().invoke(tabular, [*base, "amount", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "log(amount) is part of every score" in done.output
    valued = load(out)
    assert valued.rules_.certified
    book = valued.rules_
    plain = valued.with_rules(book).set_params(value=None).with_rules(book)
    assert not plain.rules_.certified
    seen, bare = (c.trace(desk.today[READ])["score"] for c in (valued, plain))
    speaks = np.isfinite(bare)
    shift = np.log(desk.today["amount"].to_numpy()[speaks].astype(np.float32))
    np.testing.assert_allclose(seen[speaks], bare[speaks] + shift, rtol=1e-5)
    today = tmp_path / "today.parquet"
    desk.today.to_parquet(today)
    score = [
        "score", "--corrector", str(out), "--data", str(today), "--out",
        str(tmp_path / "a.csv"), "--time", "time", "--daily-cap", "2",
    ]  # fmt: skip
    done = CliRunner().invoke(tabular, score)
    assert done.exit_code == 0, done.output
    asked = ["budgets", "--corrector", str(out), "--data", str(today), "--time", "time"]
    done = CliRunner().invoke(tabular, asked)
    words = " ".join(done.output.split())
    assert done.exit_code == 0 and "nan" not in words.lower(), words
    assert "errors caught are not known: log(amount) is part of every score" in words
    assert "estimated" not in words
    table = tmp_path / "table.csv"
    done = CliRunner().invoke(tabular, [*asked, "--out", str(table)])
    assert done.exit_code == 0, done.output
    lines = pd.read_csv(table)
    assert lines["caught"].isna().all() and lines["threshold"].notna().all()
    assert (
        lines["note"].str.startswith("errors caught are not known: log(amount)").all()
    )
    done = CliRunner().invoke(tabular, [*score, "--value", "amount"])
    assert done.exit_code == 2 and "in every score already" in done.output
    other = str(tmp_path / "other.rarecorrect")
    for more, words in (
        (["money", "--out", other], "value='money' is none of"),
        (["amount", "--both", "--out", other], "clear expensive alarms first"),
    ):
        done = CliRunner().invoke(tabular, [*base, *more])
        assert done.exit_code == 2 and words in " ".join(done.output.split())
    assert not Path(other).exists()


def test_budgets_are_laid_side_by_side(desk: Desk) -> None:
    """Changes a day are those that the corrector makes; bad rows are left out."""
    desk.score(desk.today)  # writes the data
    out, data = desk.folder / "table.csv", desk.folder / "today.parquet"
    more = ["--time", "time", "--alerts", "1", "--damage", "0.02"]
    done = desk.run("budgets", data, out, *more)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out).set_index("budget")
    changed = desk.corrector.trace(desk.today[READ])["changed"].sum()
    assert table.loc["in force", "changes_a_day"] == pytest.approx(changed / 6)
    assert table.loc["1/day", "changes_a_day"] <= 1
    assert table.loc["2 %", "damage_at_most"] <= 0.02
    assert table["caught"].notna().all() and table["note"].isna().all()
    assert "hold for all lines at once" in done.output and "in force" in done.output
    spoilt("amount", np.nan)(desk.today, [0]).to_parquet(data)
    done = desk.run("budgets", data, out, *more)
    assert done.exit_code == 1 and "left out: 1 rows" in done.output, done.output


def test_budgets_count_customers_where_their_alerts_are_one(
    desk: Desk, tmp_path: Path
) -> None:
    rows = desk.today.assign(whose=np.arange(len(desk.today)) % 3)
    data, out = tmp_path / "today.parquet", tmp_path / "table.csv"
    rows.to_parquet(data)
    more = ["--time", "time", "--alerts", "2", "--damage", "0.02"]
    done = desk.run("budgets", data, out, *more, "--alert-unit", "whose")
    assert done.exit_code == 0, done.output
    words = "changes: several of one whose on one day count as one"
    assert words in done.output and "3,000 rows of 6 days" in done.output
    table = pd.read_csv(out).set_index("budget")
    trace = desk.corrector.trace(rows[READ])
    for line in table.itertuples():
        above = rows[trace["score"].to_numpy() > line.threshold]
        customers = above.groupby("day")["whose"].nunique()
        assert line.changes_a_day == pytest.approx(customers.sum() / 6)
        assert line.most_changes == customers.max()
    desk.run("budgets", data, out, *more)
    by_row = pd.read_csv(out).set_index("budget")
    assert table.loc["2/day", "threshold"] < by_row.loc["2/day", "threshold"]
    same = table.loc["in force", "damage_at_most"]
    assert same == by_row.loc["in force", "damage_at_most"]
