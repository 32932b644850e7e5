"""``rarecorrect report``: the page of a corrector in a file."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rarecorrect import save
from rarecorrect.cli import main

COLUMNS = ["x0", "x1", "x2", "x3"]


def run(*words):
    return CliRunner().invoke(main, ["report", *map(str, words)])


@pytest.fixture(scope="module")
def folder(outbreak, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = outbreak.fitted()
    save(made, folder / "fix.rc", with_estimator=True)
    save(made, folder / "slim.rc")
    cases = pd.DataFrame(outbreak.X_new, columns=COLUMNS)
    cases["truth"] = pd.Series(outbreak.y_new).where(np.arange(1200) % 4 > 0)
    cases["when"] = pd.date_range("2026-03-01", periods=1200, freq="h", tz="CET")
    # 50 days by the clock, less the hour that summer time takes
    cases["name"] = [f"case-{i}" for i in range(1200)]
    cases.to_csv(folder / "cases.csv", index=False)
    cases.to_parquet(folder / "cases.parquet")
    return folder


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_and_cases_become_a_page(kind, folder, tmp_path):
    out = tmp_path / "page.html"
    data = ["--data", folder / f"cases.{kind}", "--label", "truth", "--id", "name"]
    more = ["--time", "when", "--title", "New <class>", "--examples", 4]
    done = run(folder / "fix.rc", *data, *more, "--out", out)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}\n"
    page = out.read_text()
    assert "<h1>New &lt;class&gt;</h1>" in page
    assert "900 cases of this report" in page
    assert "300 more cases have no known outcome" in page
    assert len(re.findall(r"Case case-\d+</h3>", page)) == 4
    assert "On 51 days" in page and "2026-03-01" in page


def test_without_data_it_tells_what_the_file_keeps(folder, tmp_path):
    out = tmp_path / "page.html"
    done = run(folder / "fix.rc", "--out", out)
    assert done.exit_code == 0, done.output
    assert "No new cases were passed" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fix.rc", "--data", "cases.csv"], "--data and --label go together"),
        (["fix.rc", "--data", "cases.csv", "--label", "y"], "no column 'y'"),
        (["fix.rc", "--data", "none.csv", "--label", "y"], "there is no file"),
        (["slim.rc"], "does not hold its legacy model"),
        (["none.rc"], "No such file"),
    ],
)
def test_bad_input_is_one_line(words, message, folder, tmp_path):
    out = tmp_path / "page.html"
    paths = [folder / w if w.endswith((".rc", ".csv")) else w for w in words]
    done = run(*paths, "--out", out)
    assert done.exit_code == 2 and message in done.stderr
    assert len(done.stderr.splitlines()) <= 4 and "Traceback" not in done.output
    assert not out.exists()


def test_cases_of_the_fit_are_a_warning(folder, outbreak, tmp_path):
    taught = pd.DataFrame(outbreak.X, columns=COLUMNS).assign(truth=outbreak.y)
    taught.to_csv(tmp_path / "taught.csv", index=False)
    data = ["--data", tmp_path / "taught.csv", "--label", "truth"]
    done = run(folder / "fix.rc", *data, "--out", tmp_path / "page.html")
    assert done.exit_code == 0 and "took part in the fit" in done.stderr
    assert "These figures look too good" in (tmp_path / "page.html").read_text()


def test_a_terminal_sees_how_far_it_is_and_a_pipe_does_not(folder, tmp_path):
    words = ["report", str(folder / "fix.rc"), "--out", str(tmp_path / "fix.html")]
    piped = CliRunner().invoke(main, words, env={"FORCE_COLOR": None})
    assert (piped.exit_code, piped.stderr) == (0, "")
    shown = CliRunner().invoke(main, words, env={"FORCE_COLOR": "1"})
    assert shown.exit_code == 0 and "writing fix.html" in shown.stderr
    data = tmp_path / "cases.csv"
    pd.read_csv(folder / "cases.csv", nrows=20)[COLUMNS].to_csv(data, index=False)
    words = ["explain", str(folder / "fix.rc"), "--data", str(data)]
    shown = CliRunner().invoke(main, words, env={"FORCE_COLOR": "1"})
    assert shown.exit_code == 0, shown.output
    assert "explaining" in shown.stderr
    words = ["verify", str(folder / "fix.rc")]
    shown = CliRunner().invoke(main, words, env={"FORCE_COLOR": "1"})
    assert "verifying fix.rc" in shown.stderr
    assert "verifying" not in CliRunner().invoke(main, words).output
