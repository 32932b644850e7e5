"""``rarecorrect tabular report``: what a fix does, as one page, from files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from rarecorrect import ErrorCorrector, save
from rarecorrect.simulate import FraudType, card_transactions
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.desk_fit import fit_file
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.transactions import TransactionFile

FEATURES = ("amount", "night", "amount_ratio", "seconds_since_last")


def cards(n: int, n_days: int, seed: int) -> pd.DataFrame:
    kind = FraudType("1", "card_testing", start_day=0, rate=0.02)
    frame = card_transactions(n, n_days=n_days, fraud_types=[kind], random_state=seed)
    score = np.random.default_rng(seed).uniform(0, 0.51, n)
    return frame.assign(score=score).drop(columns=["fraud_type", "label_day"])


@pytest.fixture(scope="module")
def fix(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ErrorCorrector]:
    folder = tmp_path_factory.mktemp("desk")
    cards(10_000, 50, 0).to_parquet(folder / "month.parquet")
    file = TransactionFile.open(folder / "month.parquet")
    columns = DeskColumns("is_fraud", "time", features=FEATURES)
    model = DeskModel.of_score("score", score_range=(0, 1))
    found = fit_file(file, columns, model, DeskPlan(detector=None, max_damage=0.01))
    save(found.corrector, folder / "fix.rarecorrect")
    return folder / "fix.rarecorrect", found.corrector


def run(fix: Path, out: Path, *more: str) -> Result:
    arguments = ["report", "--corrector", str(fix), "--out", str(out), *more]
    return CliRunner().invoke(tabular, arguments)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_new_rows_become_a_page(
    fix: tuple[Path, ErrorCorrector], tmp_path: Path, ending: str
) -> None:
    path, corrector = fix
    rows = cards(2000, 10, 1)
    rows["is_fraud"] = rows["is_fraud"].where(rows["day"] < 8)
    data, out = tmp_path / f"new.{ending}", tmp_path / "page.html"
    rows.to_csv(data, index=False) if ending == "csv" else rows.to_parquet(data)
    names = ["--label", "is_fraud", "--time", "time", "--id", "transaction_id"]
    done = run(path, out, "--data", str(data), *names)
    assert done.exit_code == 0, done.output
    page, known = out.read_text(), rows["is_fraud"].notna()
    assert f"{int(known.sum()):,} cases of this report" in page
    assert f"{int((~known).sum()):,} more cases have no known outcome" in page
    changed = corrector.trace(rows[list(corrector.feature_names_in_)])["changed"]
    assert f"On 10 days, {changed.sum() / 10:.1f} decisions a day" in page
    assert "2024-01-08" in page
    ids = set(map(int, re.findall(r"Case (\d+)</h3>", page)))
    assert ids and ids <= set(rows["transaction_id"][changed.to_numpy()])


def test_whole_numbers_as_ids_stay_exact(
    fix: tuple[Path, ErrorCorrector], tmp_path: Path
) -> None:
    rows = cards(2000, 10, 1)
    ids = [2**53 + 1 + i for i in range(1999)] + [None]
    table = pa.Table.from_pandas(rows).append_column("case", [ids])
    data, out = tmp_path / "new.parquet", tmp_path / "page.html"
    pq.write_table(table.replace_schema_metadata(None), data)
    names = ["--label", "is_fraud", "--id", "case"]
    done = run(fix[0], out, "--data", str(data), *names)
    assert done.exit_code == 0, done.output
    found = set(map(int, re.findall(r"Case (\d+)</h3>", out.read_text())))
    assert any(name % 2 for name in found) and found <= set(ids)


def test_rows_none_of_which_can_be_scored_are_refused(
    fix: tuple[Path, ErrorCorrector], tmp_path: Path
) -> None:
    data = tmp_path / "new.parquet"
    cards(100, 5, 2).assign(score=np.nan).to_parquet(data)
    done = run(fix[0], tmp_path / "p.html", "--data", str(data), "--label", "is_fraud")
    assert done.exit_code == 2 and "no row of 'new.parquet' can be sc" in done.output


def test_rows_that_cannot_be_scored_are_left_out(
    fix: tuple[Path, ErrorCorrector], tmp_path: Path
) -> None:
    rows = cards(1000, 5, 2)
    rows.loc[:2, "score"] = 7.0
    rows.loc[3, "time"] = None
    rows.to_parquet(tmp_path / "new.parquet")
    names = ["--label", "is_fraud", "--time", "time"]
    data = ["--data", str(tmp_path / "new.parquet")]
    done = run(fix[0], tmp_path / "page.html", *data, *names)
    assert done.exit_code == 1
    assert "left out: score lies outside 0 to 1 (3 rows)" in done.output
    assert "left out: time is missing (1 rows)" in done.output
    assert "996 cases of this report" in (tmp_path / "page.html").read_text()


def test_without_rows_it_tells_what_the_fix_keeps(
    fix: tuple[Path, ErrorCorrector], tmp_path: Path
) -> None:
    done = run(fix[0], tmp_path / "page.html", "--title", "A fix")
    assert done.exit_code == 0, done.output
    assert "<h1>A fix</h1>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--label", "is_fraud"], "--data and --label go together"),
        (["--data", "none.csv", "--label", "is_fraud"], "no file"),
    ],
)
def test_bad_input_is_said(
    fix: tuple[Path, ErrorCorrector], tmp_path: Path, more: list[str], message: str
) -> None:
    done = run(fix[0], tmp_path / "page.html", *more)
    assert done.exit_code == 2 and message in done.output
    assert not (tmp_path / "page.html").exists()
