"""``rarecorrect explain``: the sentences of ``corrector.explain``, from a file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

from rarecorrect import ColumnModel, ErrorCorrector, load, save
from rarecorrect.cli import main

COLUMNS = ["x0", "x1", "x2", "x3"]


def run(*words):
    return CliRunner().invoke(main, ["explain", *map(str, words)])


def said(*words):
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(outbreak, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = outbreak.fitted()
    save(made, folder / "fix.rc", with_estimator=True)
    save(made, folder / "slim.rc")
    cases = pd.DataFrame(outbreak.X_new[:60], columns=COLUMNS)
    cases.to_parquet(folder / "cases.parquet")
    cases.to_csv(folder / "cases.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def wanted(folder, outbreak):
    # in the order in memory that a table gives, for the last bit
    found = load(folder / "fix.rc").explain(np.asfortranarray(outbreak.X_new[:60]))
    assert 5 < len(found.frame) < 60
    return found


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_it_prints_one_sentence_a_case(kind, folder, wanted):
    text = said(folder / "fix.rc", "--data", folder / f"cases.{kind}")
    assert text == f"{wanted}\n"


def test_cases_go_by_their_names(folder, wanted, tmp_path):
    cases = pd.read_parquet(folder / "cases.parquet")
    names = [f"T{i:03}" for i in range(len(cases))]
    cases.assign(name=names).to_parquet(tmp_path / "named.parquet")
    text = said(folder / "fix.rc", "--data", tmp_path / "named.parquet", "--id", "name")
    found = [line.partition(":")[0] for line in text.splitlines()]
    assert found == [f"Case {names[case]}" for case in wanted.frame.index]
    result = run(folder / "fix.rc", "--data", folder / "cases.csv", "--id", "name")
    assert result.exit_code == 2 and "no column 'name'" in result.output


def test_no_case_is_no_error(folder, tmp_path):
    far = pd.DataFrame(np.zeros((3, 4)), columns=COLUMNS)
    far.to_csv(tmp_path / "far.csv", index=False)
    text = said(folder / "fix.rc", "--data", tmp_path / "far.csv")
    assert text == "no case was changed or flagged\n"


def test_out_holds_all(folder, wanted, tmp_path):
    data = ["--data", folder / "cases.csv", "--out"]
    for name in ("all.csv", "all.json", "all.html"):
        said(folder / "fix.rc", *data, tmp_path / name)
    frame = pd.read_csv(tmp_path / "all.csv", index_col="case")
    assert list(frame.columns) == list(wanted.frame.columns)
    assert frame["sentence"].tolist() == wanted.frame["sentence"].tolist()
    np.testing.assert_allclose(frame["score"], wanted.frame["score"])
    assert json.loads((tmp_path / "all.json").read_text()) == wanted.to_dict()
    page = (tmp_path / "all.html").read_text()
    assert page.count("<tr") == 1 + len(wanted.frame)
    assert page.startswith("<!doctype html>")


def test_a_page_runs_nothing_that_a_label_says(outbreak, tmp_path):
    names = np.array(["no", "yes", "<script>"])
    model = LogisticRegression().fit(outbreak.X_new, names[outbreak.y_new % 2])
    made = ErrorCorrector(model, max_damage=0.1, random_state=0)
    made.fit(outbreak.X, names[outbreak.y])
    save(made, tmp_path / "fix.rc", with_estimator=True)
    cases = pd.DataFrame(outbreak.X_new, columns=COLUMNS)
    cases.to_csv(tmp_path / "cases.csv", index=False)
    out = tmp_path / "why.html"
    said(tmp_path / "fix.rc", "--data", tmp_path / "cases.csv", "--out", out)
    assert "&lt;script&gt;" in out.read_text()
    assert "<script>" not in out.read_text()


@pytest.fixture(scope="module")
def vendor(outbreak, tmp_path_factory):
    """A vendor's score: the file needs no model.  Thresholds by country."""
    folder = tmp_path_factory.mktemp("vendor")
    frame = pd.DataFrame(outbreak.X, columns=COLUMNS)
    country = np.array(["a", "b"])[np.arange(1200) % 2]
    made = ErrorCorrector(
        ColumnModel("x0", threshold=3.0, classes=(0, 1)),
        **{"features": ["input"], "per": "segment"},
        **{"max_damage": 0.2, "random_state": 0},
    )
    made.fit(frame, np.where(outbreak.y == 2, 2, frame["x0"] >= 3.0), segment=country)
    save(made, folder / "fix.rc")
    cases = pd.DataFrame(outbreak.X_new, columns=COLUMNS)
    cases["country"] = np.array(["a", "b"])[np.arange(1200) % 2]
    cases[["country", *reversed(COLUMNS)]].to_parquet(folder / "cases.parquet")
    found = made.explain(cases[COLUMNS], segment=cases["country"])
    return folder, found


def test_columns_go_by_name_and_segments_count(vendor):
    folder, found = vendor
    words = ["--data", folder / "cases.parquet", "--segment", "country"]
    assert len(found.frame) > 10
    assert said(folder / "fix.rc", *words) == f"{found}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.rc", "--data", "cases.csv"], "No such file or directory: nowhere"),
        (["cases.csv", "--data", "cases.csv"], "cases.csv: it is cut short, damaged"),
        (["slim.rc", "--data", "cases.csv"], "does not hold its legacy model, a Logi"),
        (["fix.rc", "--data", "nowhere.csv"], "there is no file 'nowhere.csv'"),
        (["fix.rc", "--data", "slim.rc"], "must be a .parquet or .csv file"),
        (["fix.rc", "--data", "broken.parquet"], "Parquet"),
        (["fix.rc", "--data", "less.csv"], "fit on 4 columns without names, got 3"),
        (
            ["fix.rc", "--data", "cases.csv", "--out", "a.txt"],
            ".json, .csv, got 'a.txt",
        ),
        (["fix.rc", "--data", "cases.csv", "--out", "cases.csv/b.csv"], "File exists"),
        (
            ["fix.rc", "--data", "cases.csv", "--segment", "c"],
            "no column 'c', only ['x",
        ),
        (["vendor.rc", "--data", "cases.csv"], "segment"),
        (["vendor.rc", "--data", "less.csv"], "lack the columns ['x3']"),
    ],
)
def test_bad_input_is_one_line(words, message, folder, vendor, tmp_path, monkeypatch):
    for path in (*folder.iterdir(), vendor[0] / "fix.rc"):
        name = path.name if path.parent == folder else "vendor.rc"
        (tmp_path / name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    cases = pd.read_csv("cases.csv")
    cases[COLUMNS[:3]].to_csv("less.csv", index=False)
    (tmp_path / "broken.parquet").write_text("no table")
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert message in line
