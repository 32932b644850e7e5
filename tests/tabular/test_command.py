"""``rarecorrect tabular benchmark`` from file to tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rarecorrect_tabular.benchmark import run_benchmark
from rarecorrect_tabular.cli import tabular
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.methods import METHODS
from rarecorrect_tabular.protocol import Plan
from rarecorrect_tabular.report import write_results

COLUMNS = [
    "data_set", "task", "reading", "k", "draw", "seed", "method", "damage",
    "curve_gain", "certified_gain", "certified", "realised_damage", "n_calibration",
    "n_test_positives", "seconds_fit", "seconds_score",
]  # fmt: skip


def test_a_quick_run_writes_both_files(tmp_path: Path, frame: pd.DataFrame) -> None:
    data, out = tmp_path / "cards.parquet", tmp_path / "out"
    frame.to_parquet(data)
    options = ["--data", str(data), "--out", str(out), "--scenario", "3"]
    run = CliRunner().invoke(
        tabular, ["benchmark", *options, "--quick", "--seeds", "2"]
    )
    assert run.exit_code == 0, run.output
    assert "scenario 3" in run.output and "quick" in run.output
    rows = pd.read_parquet(out / "results.parquet")
    assert set(COLUMNS) <= set(rows.columns)
    assert set(rows["reading"]) == {"as seen"}
    assert sorted(p.name for p in out.iterdir()) == ["results.md", "results.parquet"]
    text = (out / "results.md").read_text()
    for words in ("seed 0", "numpy", "paired", "days 119-125", "Null control"):
        assert words in text


def test_some_methods_give_what_they_give_among_all(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    data = tmp_path / "cards.parquet"
    frame.to_parquet(data)
    plan = Plan.quick().with_draws(1)
    everyone = run_benchmark(load_transactions(data), plan, scenarios=["3"]).frame
    options = ["--data", str(data), "--out", str(tmp_path), "--scenario", "3"]
    options += ["--methods", "logistic", "--quick", "--seeds", "1"]
    run = CliRunner().invoke(tabular, ["benchmark", *options])
    assert run.exit_code == 0, run.output
    alone = pd.read_parquet(tmp_path / "results.parquet")
    judged = alone.loc[alone["certified"].notna(), "method"]
    assert judged.drop_duplicates().tolist() == ["Fisher", "logistic"]
    same = everyone[everyone["method"].isin(alone["method"])].reset_index(drop=True)
    columns = ["method", "curve_gain", "certified_gain", "realised_damage"]
    pd.testing.assert_frame_equal(alone[columns], same[columns], check_dtype=False)


def test_the_same_seed_gives_the_same_gains(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "cards.csv"
    frame.to_csv(path, index=False)
    table = load_transactions(path)
    plan = Plan.quick().with_draws(1)
    few = {name: METHODS[name] for name in ("Fisher", "ExtraTrees")}
    first, second = (
        run_benchmark(table, plan, scenarios=["1"], methods=few).frame for _ in range(2)
    )
    columns = ["curve_gain", "certified_gain", "realised_damage"]
    pd.testing.assert_frame_equal(first[columns], second[columns])


def test_tuned_peers_stand_beside_the_documented_ones(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "cards.csv"
    frame.to_csv(path, index=False)
    few = {name: METHODS[name] for name in ("Fisher", "logistic")}
    result = run_benchmark(
        load_transactions(path),
        replace(Plan.quick().with_draws(2), tuning_cases=20),
        scenarios=["3"],
        methods=few,
    )
    (tuned,) = result.tuned
    assert (tuned.peer, tuned.task) == ("logistic", "scenario 3")
    write_results(result, tmp_path, "command")
    text = (tmp_path / "results.md").read_text()
    assert "| test errors | Fisher | logistic | logistic, tuned |" in text
    assert f"| scenario 3 | logistic | C={tuned.settings['C']} |" in text
    plain = run_benchmark(
        load_transactions(path),
        Plan.quick().with_draws(2),
        scenarios=["3"],
        methods=few,
    )
    # tuning moves no other figure
    same = result.frame[result.frame["method"] != "logistic, tuned"]
    columns = ["method", "curve_gain", "certified_gain", "realised_damage"]
    pd.testing.assert_frame_equal(
        same[columns].reset_index(drop=True), plain.frame[columns]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scenario", "9"], "no scenario '9'"),
        (["--label", "TX_FRAUDS"], "did you mean 'TX_FRAUD'"),
        (["--seeds", "0"], "0 is not in the range"),
    ],
)
def test_clear_errors(
    tmp_path: Path, frame: pd.DataFrame, options: list[str], message: str
) -> None:
    data = tmp_path / "cards.parquet"
    frame.to_parquet(data)
    arguments = ["benchmark", "--data", str(data), "--out", str(tmp_path / "o")]
    run = CliRunner().invoke(tabular, [*arguments, *options])
    assert run.exit_code == 2
    assert message in run.output
    assert not (tmp_path / "o").exists()


def test_results_are_written_whole_or_not_at_all(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cards.parquet"
    frame.to_parquet(path)
    plan = Plan.quick().with_draws(1)
    fisher = {"Fisher": METHODS["Fisher"]}
    result = run_benchmark(
        load_transactions(path), plan, scenarios=["1"], methods=fisher
    )
    out = tmp_path / "out"
    write_results(result, out, "first")
    before = (out / "results.parquet").read_bytes()

    def fails(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fails)
    with pytest.raises(OSError, match="disk full"):
        write_results(result, out, "second")
    assert (out / "results.parquet").read_bytes() == before
    assert len(list(out.iterdir())) == 2


def test_network_attacks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    category = rng.choice(["normal", "dos", "probe"], n, p=[0.7, 0.2, 0.1])
    frame = pd.DataFrame(
        {
            "src_bytes": rng.normal(size=n) + 4 * (category == "dos"),
            "count": rng.normal(size=n) + 4 * (category == "probe"),
            "service": rng.choice(["http", "ftp"], n),
            "label": category,
            "difficulty": 1,
            "split": np.where(np.arange(n) < 2000, "train20", "test"),
            "category": category,
        }
    )
    frame.to_parquet(tmp_path / "kdd.parquet")
    table = load_transactions(tmp_path / "kdd.parquet")
    plan = Plan.quick().with_draws(2)
    few = {name: METHODS[name] for name in ("Fisher", "retraining")}
    rows = run_benchmark(table, plan, methods=few).frame
    assert set(rows["task"]) == {"dos", "probe"}
    # labelled cases of another half: the only reading that makes sense
    assert set(rows["reading"]) == {"clean"}
    found = rows[(rows["method"] == "Fisher") & (rows["damage"] == 0.01)]
    assert found.loc[found["window"] == "all", "curve_gain"].mean() > 0.5


def test_frauds_without_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 9000
    fraud = rng.random(n) < 0.04
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    frame["a"] += 2.5 * fraud
    frame["b"] += 3 * (fraud & (rng.random(n) < 0.5))
    frame.assign(y=fraud.astype(int)).to_csv(tmp_path / "f.csv", index=False)
    table = load_transactions(tmp_path / "f.csv", label="y")
    plan = Plan.quick().with_draws(1)
    fisher = {"Fisher": METHODS["Fisher"]}
    result = run_benchmark(table, plan, methods=fisher)
    assert [task.name for task in result.tasks] == ["missed frauds"]
    assert result.tasks[0].accuracy > 0.95
