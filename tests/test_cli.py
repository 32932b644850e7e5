from __future__ import annotations

import dataclasses
from functools import partial

import pytest
from click.testing import CliRunner

import rarecorrect
from rarecorrect import demo
from rarecorrect.cli import main
from rarecorrect_tabular import replay_command


def test_version():
    result = CliRunner().invoke(main, ["--version"])
    assert rarecorrect.__version__ in result.output


def test_adapters_are_commands():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "demo" in result.output
    assert "tabular" in result.output


def test_an_unknown_command_is_refused():
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert "nonsense" in result.output


@pytest.fixture(scope="module")
def outbreak():
    return demo.outbreak_table(n_confirmed=(5, 20))


def test_the_hot_fix_catches_the_new_type_within_its_budget(outbreak):
    table, corrector = outbreak
    by_name = table.set_index("system")
    fixed = by_name.loc["hot-fix from 20 cases"]
    assert by_name.loc["model in service", "new type caught"] == 0
    assert fixed["new type caught"] > 0.5
    assert fixed["right changed"] < 2 * demo.OUTBREAK_DAMAGE
    assert corrector.rules_.certified


def test_the_demo_prints_both_tables_and_ends_with_a_page(
    monkeypatch, outbreak, tmp_path
):
    monkeypatch.setattr(demo, "outbreak_table", lambda seed: outbreak)
    page = tmp_path / "shown.html"
    small = partial(
        replay_command.simulated_replay,
        dataclasses.replace(replay_command.SIMULATION, end=100, detector=None),
        n_transactions=30_000,
    )
    monkeypatch.setattr(
        replay_command, "simulated_replay", lambda plan, progress: small()
    )
    result = CliRunner().invoke(main, ["demo", "--page", str(page)])
    assert result.exit_code == 0, result.output
    for words in ("digit left out", "new type caught", "changes at most 0.1 %"):
        assert words in result.output
    assert result.output.splitlines()[-1] == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
