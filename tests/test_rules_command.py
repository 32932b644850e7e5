"""``rarecorrect rules``: the book in a file, read and edited without its model."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console

from rarecorrect import ColumnModel, ErrorCorrector, load, save
from rarecorrect._terminal import print_table
from rarecorrect.cli import main
from rarecorrect.detectors import IntervalDetector

COLUMNS = ["x0", "x1", "x2", "x3"]


def run(*words):
    return CliRunner().invoke(main, ["rules", *map(str, words)])


def said(*words):
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words):
    """Exit code 2 and one line, whatever was wrong."""
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def with_people(corrector):
    """A draft by ann, an approved rule, and one that has expired."""
    book = corrector.rules_.with_state("to 0", "draft", author="ann")
    book = book.with_state("to 1", "shadow").approve("to 1", by="bob")
    book = book.with_expiry("to 0", "2020-01-31", author="ann")
    return corrector.with_rules(book)


@pytest.fixture(scope="module")
def files(outbreak, tmp_path_factory):
    """One file with all that a model needs, and one with nothing but the rules."""
    folder = tmp_path_factory.mktemp("files")
    made = outbreak.fitted()
    save(made, folder / "full.rc", with_estimator=True, with_background=True)
    save(with_people(made), folder / "slim.rc")
    save(outbreak.fitted(per="class"), folder / "strata.rc")
    save(outbreak.fitted(detector=IntervalDetector()), folder / "box.rc")
    return folder


@pytest.fixture
def full(files, tmp_path):
    return shutil.copy(files / "full.rc", tmp_path)


@pytest.fixture
def slim(files, tmp_path):
    return shutil.copy(files / "slim.rc", tmp_path)


@pytest.fixture
def errors(outbreak, tmp_path):
    """Three cases of the class that the model has never seen."""
    wrong = np.flatnonzero(outbreak.y_new == 2)[:3]
    table = pd.DataFrame(outbreak.X_new[wrong], columns=COLUMNS)
    table["truth"] = outbreak.y_new[wrong]
    table.to_csv(tmp_path / "errors.csv", index=False)
    return tmp_path / "errors.csv"


# --- reading --------------------------------------------------------------------------


def test_list_is_one_line_a_rule_with_the_state_of_today(slim):
    names, *lines, promise = said("list", slim).splitlines()
    assert names.split() == [
        *("rule", "action", "to", "state", "errors", "author", "approver", "expires")
    ]
    states = {line[:4]: line.split()[4] for line in lines}
    assert states == {"to 0": "retired", "to 1": "active", "to 2": "active"}
    assert lines[1].split()[-2:] == ["bob", "-"]
    assert lines[0].endswith("2020-01-31")
    assert promise.startswith("certificate: changes at most 10 % of right decisions")


def test_list_as_json(slim):
    found = json.loads(said("list", slim, "--json"))
    assert [rule["approver"] for rule in found["rules"]] == ["", "bob", ""]
    assert [rule["to"] for rule in found["rules"]] == [0, 1, 2]
    assert len(found["certificates"]) == 1
    assert found["not_certified"] == ""


def test_list_names_strata(files):
    lines = said("list", files / "strata.rc").splitlines()
    assert sum(line.startswith("certificate: 0: ") for line in lines) == 1
    assert sum(line.startswith("certificate: 1: ") for line in lines) == 1


def test_list_says_why_nothing_is_certified(slim):
    said("disable", slim, "--all")
    result = run("list", slim)
    assert "certificate:" not in result.stdout
    assert "the legacy answer is kept: no rule is active" in result.stderr


def test_a_terminal_gets_a_ruled_table():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    print_table([{"rule": "[bold]to 1[/bold]", "note": "a\x1b[2J\nb"}], console)
    text = console.file.getvalue()
    assert "┃" in text
    assert "[bold]to 1[/bold]" in text
    assert "\x1b[2J" not in text
    assert r"a\x1b[2J\nb" in text


def test_show_orders_weights_by_size(files):
    shown = json.loads(said("show", files / "full.rc", "to 2", "--json"))
    rule = load(files / "full.rc").rules_["to 2"]
    largest = np.argsort(-np.abs(rule.coef))
    assert list(shown["weights"].values()) == rule.coef[largest].tolist()
    names = load(files / "full.rc").features_.names_
    assert list(shown["weights"]) == [names[i] for i in largest]
    assert shown["digest"] == rule.digest
    assert shown["errors"] == rule.n_errors
    assert shown["right_decisions"] == rule.n_background
    assert "cross-validated" in shown["evidence"]


def test_show_reads_a_box_aloud(files):
    text = said("show", files / "box.rc", "to 2")
    assert "THEN 2 [learned from" in text
    assert "weight of" not in text


def test_show_gives_thresholds_of_the_rule(files):
    corrector = load(files / "full.rc")
    rule = corrector.rules_["to 0"]
    threshold = max(corrector.rules_.threshold(), rule.worth)
    raw = rule.raw_threshold(threshold)
    text = said("show", files / "full.rc", "to 0")
    assert f"{threshold:.4g} (raw score {raw:.4g})" in text
    assert "any label" in text
    strata = said("show", files / "strata.rc", "to 0")
    assert "threshold of 0" in strata
    assert "threshold of 1" in strata


def test_show_says_that_a_rule_is_off(slim):
    said("disable", slim, "--all")
    shown = json.loads(said("show", slim, "to 2", "--json"))
    assert shown["state"] == "retired"


def test_show_says_that_the_threshold_is_off(outbreak, tmp_path):
    made, path = outbreak.fitted(confusions=[0, 1]), tmp_path / "fix.rc"
    book = made.rules_
    book = book.extend(replace(book["to 0"], name="by hand", identity="another"))
    save(made.with_rules(book), path)
    assert "off, the legacy answer is kept" in said("show", path, "by hand")
    shown = json.loads(said("show", path, "by hand", "--json"))
    assert shown["thresholds"] == [{"of": None, "score": None, "raw_score": None}]


def test_history_names_time_and_author(slim):
    lines = said("history", slim).splitlines()
    assert "fit: 3 of 3 rules active" in lines[0]
    assert "approve to 1 by bob" in lines[3]
    found = json.loads(said("history", slim, "--json"))
    assert [event["author"] for event in found][-2:] == ["bob", "ann"]


def test_diff_of_two_files(files, slim):
    text = said("diff", files / "full.rc", slim)
    assert "~ to 0: active -> draft" in text
    assert "~ to 1: approver '' -> 'bob'" in text
    assert said("diff", slim, slim) == "no difference\n"
    found = json.loads(said("diff", files / "full.rc", slim, "--json"))
    assert found["states"] == {"to 0": ["active", "draft"]}


def test_a_threshold_is_never_below_what_a_rule_is_worth(outbreak, tmp_path):
    made, path = outbreak.fitted(max_damage=0.5), tmp_path / "fix.rc"
    save(made, path)
    low = made.rules_.threshold()
    mute = [rule for rule in made.rules_ if rule.worth > low]
    assert mute
    for rule in mute:
        assert f"threshold {rule.worth:.4g}" in (
            " ".join(said("show", path, rule.name).split())
        )


def test_what_a_file_says_cannot_steer_a_terminal(outbreak, tmp_path):
    path = tmp_path / "bad.rc"
    made = ErrorCorrector(
        ColumnModel("x0", threshold=3.0, classes=(0, 1)),
        **{"features": ["input"], "max_damage": 0.1, "random_state": 0},
    )
    frame = pd.DataFrame(outbreak.X, columns=["x0", "x1", "x2", "\x1b[2J"])
    made.fit(frame, np.where(outbreak.y == 2, 0, outbreak.y))
    name = made.rules_.rules[0].name
    book = made.rules_.with_state(name, "retired", author="\x1b[2Jto 3\nto 4")
    save(made.with_rules(book), path)
    assert r"by \x1b[2Jto 3\nto 4:" in said("history", path)
    assert r"weight of \x1b[2J" in said("show", path, name)


# --- editing --------------------------------------------------------------------------

VERBS = {
    "disable": (
        ["disable", "to 1", "--author", "ann"],
        lambda book: book.with_state("to 1", "retired", author="ann"),
        "~ to 1: active -> retired",
    ),
    "disable all": (
        ["disable", "--all"],
        lambda book: book.disable_all(),
        "~ to 2: active -> retired",
    ),
    "expire": (
        ["expire", "to 2", "2020-06-30", "--author", "ann"],
        lambda book: book.with_expiry("to 2", "2020-06-30", author="ann"),
        "~ to 2: expires '' -> '2020-06-30'",
    ),
    "expire never": (
        ["expire", "to 0", "never"],
        lambda book: book.with_expiry("to 0", ""),
        "~ to 0: expires '2020-01-31' -> ''",
    ),
    "undo": (
        ["undo"],
        lambda book: book.undo(),
        "~ to 0: expires '2020-01-31' -> ''",
    ),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_does_what_the_book_does_and_prints_it(name, slim, outbreak):
    (verb, *words), wanted, told = VERBS[name]
    before = load(slim, estimator=outbreak.model)
    assert told in said(verb, slim, *words)
    after = load(slim, estimator=outbreak.model)
    book = wanted(before.rules_)
    assert before.rules_.diff(after.rules_).to_dict() == (
        before.rules_.diff(before.with_rules(book).rules_).to_dict()
    )
    events = [(event.what, event.author) for event in after.rules_.history]
    assert events == [(event.what, event.author) for event in book.history]
    np.testing.assert_array_equal(
        after.predict(outbreak.X_new), before.with_rules(book).predict(outbreak.X_new)
    )


def test_approve_takes_another_person(slim):
    said("expire", slim, "to 0", "never")
    said("disable", slim, "to 2")
    assert "to 0: draft -> active" in said("approve", slim, "to 0", "--by", "bob")
    assert "approve to 0 by bob" in said("history", slim).splitlines()[-1]


def test_approving_what_is_not_certified_says_so(outbreak, tmp_path):
    made, path = outbreak.fitted(confusions=[0, 1]), tmp_path / "fix.rc"
    wrong = np.flatnonzero(outbreak.y_new == 2)[:3]
    X_errors, y_errors = outbreak.X_new[wrong], outbreak.y_new[wrong]
    save(made.add(X_errors, y_errors, state="draft"), path)
    result = run("approve", path, "to 2", "--by", "bob")
    assert result.exit_code == 0
    assert "certificate:" in result.stdout
    assert "the rules changed; certify them" in result.stderr


def test_out_leaves_the_file_as_it_is(slim, tmp_path):
    before = (tmp_path / "slim.rc").read_bytes()
    told = said("disable", slim, "--all", "--out", tmp_path / "off.rc")
    assert (tmp_path / "slim.rc").read_bytes() == before
    assert said("diff", slim, tmp_path / "off.rc") == told


def test_out_of_what_was_learnt_leaves_the_file_as_it_is(full, errors, tmp_path):
    before = (tmp_path / "full.rc").read_bytes()
    words = ["--data", errors, "--label", "truth", "--out", tmp_path / "more.rc"]
    told = said("add", full, *words)
    assert (tmp_path / "full.rc").read_bytes() == before
    assert said("diff", full, tmp_path / "more.rc") == told


def test_verify_accepts_what_every_verb_has_written(full, errors):
    for words in (
        ["add", full, "--data", errors, "--label", "truth", "--author", "ann"],
        ["disable", full, "to 1", "--author", "bob"],
        ["expire", full, "to 0", "2020-01-31"],
        ["expire", full, "to 0", "never"],
        ["undo", full],
        ["undo", full],
        ["add", full, "--data", errors, "--label", "truth", "--state", "draft"],
        ["approve", full, "to 2 (3)", "--by", "cem"],
        ["disable", full, "--all"],
        ["undo", full],
    ):
        said(*words)
        result = CliRunner().invoke(main, ["verify", str(full)])
        assert result.exit_code == 0, (words, result.output)


# --- learning -------------------------------------------------------------------------


def test_add_learns_what_the_corrector_learns(full, errors, outbreak):
    before = load(full)
    words = ["--label", "truth", "--name", "new", "--note", "ticket 17"]
    text = said("add", full, "--data", errors, *words, "--author", "ann")
    assert text.startswith("+ new\n")
    table = pd.read_csv(errors)
    wanted = before.add(table[COLUMNS].to_numpy(), table["truth"], name="new")
    after = load(full)
    assert after.rules_["new"].note == "ticket 17"
    assert after.rules_["new"].author == "ann"
    assert after.rules_.certified
    np.testing.assert_array_equal(
        after.predict(outbreak.X_new), wanted.predict(outbreak.X_new)
    )


def test_add_warns_where_nothing_is_left_to_certify_on(outbreak, errors, tmp_path):
    path = tmp_path / "fix.rc"
    parts = {"with_estimator": True, "with_background": True}
    save(outbreak.fitted(reservoir=0), path, **parts)
    result = run("add", path, "--data", errors, "--label", "truth")
    assert result.exit_code == 0
    assert "certificate: " in result.stdout
    [line] = result.stderr.splitlines()
    assert line.startswith("Warning: not certified, the legacy answer is kept: ")


def test_add_takes_columns_by_name(outbreak, tmp_path):
    frame = pd.DataFrame(outbreak.X, columns=COLUMNS)
    model = ColumnModel("x0", threshold=3.0, classes=(0, 1))
    made = ErrorCorrector(model, features=["input"], max_damage=0.1, random_state=0)
    made.fit(frame, np.where(outbreak.y == 2, 0, outbreak.y))
    path = tmp_path / "vendor.rc"
    save(made, path, with_background=True)  # a ColumnModel needs no with_estimator
    cases = pd.DataFrame(outbreak.X_new, columns=COLUMNS)
    cases["truth"] = 2
    other = cases.assign(case_id="a")[["truth", "case_id", *reversed(COLUMNS)]]
    other[:3].to_parquet(tmp_path / "errors.parquet")
    said("add", path, "--data", tmp_path / "errors.parquet", "--label", "truth")
    wanted = made.add(cases[COLUMNS][:3], [2, 2, 2]).rules_["to 2"]
    np.testing.assert_array_equal(load(path).rules_["to 2"].coef, wanted.coef)
    other.drop(columns="x2").to_parquet(tmp_path / "errors.parquet")
    line = refused("add", path, "--data", tmp_path / "errors.parquet", "--label=truth")
    assert "lack the columns ['x2']" in line


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "nowhere.rc"], "No such file or directory: nowhere.rc"),
        (["list", "."], "Is a directory"),
        (["list", "errors.csv"], "errors.csv: it is cut short, damaged"),
        (["show", "slim.rc", "to 7"], "no rule 'to 7'; there are ['to 0', 'to 1', 'to"),
        (["diff", "slim.rc", "nowhere.rc"], "nowhere.rc"),
        (["disable", "slim.rc", "to 7"], "no rule 'to 7'; there are"),
        (["disable", "slim.rc"], "name one rule, or say --all"),
        (["disable", "slim.rc", "to 1", "--all"], "name one rule, or say --all"),
        (["disable", "slim.rc", "--all", "--out", "a/b.rc"], "There is no such folder"),
        (["approve", "slim.rc", "to 1", "--by", "eve"], "'to 1' is active"),
        (["approve", "full.rc", "to 1", "--by", " "], "'to 1' is active"),
        (["expire", "slim.rc", "to 1", "soon"], "must be a day like '2026-03-31'"),
        (["undo", "full.rc"], "first version of the book: nothing to undo"),
        (
            ["add", "slim.rc", "--data", "errors.csv", "--label", "truth"],
            "does not hold its legacy model, a LogisticRegression: pass it with",
        ),
        (
            ["add", "model.rc", "--data", "errors.csv", "--label", "truth"],
            "saved with_background",
        ),
        (["add", "full.rc", "--data", "no.csv", "--label", "y"], "no file 'no.csv'"),
        (["add", "full.rc", "--data", "full.rc", "--label", "y"], ".parquet or .csv"),
        (
            ["add", "full.rc", "--data", "errors.csv", "--label", "y"],
            "no column 'y', only ['truth', 'x0', 'x1', 'x2', 'x3']",
        ),
        (
            ["add", "full.rc", "--data", "more.csv", "--label", "truth"],
            "fit on 4 columns without names, got 5: ['x0', 'x1', 'x2', 'x3', 'id']",
        ),
        (
            ["add", "full.rc", "--data", "two.csv", "--label", "truth"],
            "one rule has one true label, got [0, 2]",
        ),
        (
            ["add", "full.rc", "--data", "empty.csv", "--label", "truth"],
            "No columns to parse",
        ),
        (
            ["add", "full.rc", "--data", "words.csv", "--label", "truth"],
            "could not convert string to float",
        ),
    ],
)
def test_bad_input_is_one_line(
    words, message, full, slim, errors, outbreak, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    save(outbreak.fitted(), "model.rc", with_estimator=True)
    table = pd.read_csv(errors)
    table.assign(truth=[2, 0, 2]).to_csv("two.csv", index=False)
    table.assign(id=1).to_csv("more.csv", index=False)
    table.assign(x3="much").to_csv("words.csv", index=False)
    (tmp_path / "empty.csv").write_text("")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert message in refused(*words)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_author_does_not_approve(slim, tmp_path, full, errors):
    said(
        "add",
        full,
        *("--data", errors, "--label", "truth"),
        "--author=ann",
        "--state=draft",
    )
    assert "let somebody else approve" in refused(
        "approve", full, "to 2 (2)", "--by=Ann"
    )
