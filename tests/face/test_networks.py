"""The benchmark with networks that it trains itself."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from rarecorrect_face import benchmark, cli
from rarecorrect_face.feature_table import FeatureTable
from rarecorrect_face.methods import METHODS

pytestmark = pytest.mark.needs_torch


def test_from_faces_to_results_with_torch(
    fer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ({"Fisher": METHODS["Fisher"]}, [])
    monkeypatch.setattr(benchmark, "available_methods", lambda: few)
    options = ["--data", fer_file, "--out", tmp_path, "--quick", "--epochs", "1"]
    command = ["benchmark", *map(str, options), "--classes", "sad", "--device", "cpu"]
    found = CliRunner().invoke(cli.face, command)
    assert found.exit_code == 0, found.output
    (path,) = (tmp_path / "tables").glob("seed-0-correct-sad-*.npz")
    table = FeatureTable.load(path)
    assert table.classes == ("angry", "happy") and table.target == "sad"
    assert "sad" not in table.labels[table.split == "train"]
    rows = pd.read_parquet(tmp_path / "results.parquet")
    assert {"Fisher", "retrained network's class score"} <= set(rows["method"])
    before = path.stat().st_mtime_ns
    assert CliRunner().invoke(cli.face, [*command, "--resume"]).exit_code == 0
    assert path.stat().st_mtime_ns == before


def test_a_choice_that_there_is_not(fer_file: Path, tmp_path: Path) -> None:
    options = ["--data", fer_file, "--out", tmp_path, "--quick", "--size", "huge"]
    found = CliRunner().invoke(cli.face, ["benchmark", *map(str, options)])
    assert found.exit_code == 2
    assert "huge" in found.output and "small" in found.output
