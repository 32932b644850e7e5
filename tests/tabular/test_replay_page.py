"""The page of a replay: what it says is what the run found, and it loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rarecorrect_tabular.replay import (
    AS_IT_IS,
    HOT_FIX,
    RETRAINED,
    Curve,
    Event,
    Replay,
    ReplayPlan,
)
from rarecorrect_tabular.replay_command import replay as command
from rarecorrect_tabular.replay_command import summary
from rarecorrect_tabular.replay_page import page

HOSTILE = "<script>alert('x')</script> & \"quoted\""
VOID = {"meta", "link", "input", "br"}


def curve(name: str, *, extra: int, caught: int) -> Curve:
    ones = np.ones(21, dtype=np.int64)
    return Curve(
        name,
        alerts=(3 + extra) * ones,
        extra=np.arange(21) % 2 * extra,
        extra_frauds=0 * ones,
        caught=caught * ones,
        missed=(5 - caught) * ones,
        saved=np.full(21, 100.25 * caught),
        lost=np.full(21, 100.25 * (5 - caught)),
        right=1000 * ones,
        broken=2 * ones,
    )


def result(name: str = "new type", sentence: str = "IF amount > 3 THEN 1") -> Replay:
    plan = ReplayPlan(train=(0, 30), start=60, end=81, cap=8)
    curves = [
        curve(AS_IT_IS, extra=0, caught=1),
        curve(RETRAINED, extra=6, caught=2),
        curve(HOT_FIX, extra=9, caught=4),
    ]
    return Replay(
        name,
        plan,
        np.arange(60, 81),
        {c.name: c for c in curves},
        (Event(61, "first case missed"), Event(69, "hot-fix in force")),
        69,
        5,
        sentence,
        "at most 1 %",
        21_000,
    )


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        self.in_cell = tag in ("td", "th")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.in_cell = False

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1].append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    loaded: dict[str, object] = json.loads(found.group(1))
    return loaded


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    text = page(result())
    reader = read(text)
    assert len(text.encode()) < 1_000_000
    names = [tag for tag, _ in reader.found]
    assert names.count("h1") == 1 and names.count("table") == 2
    assert not {"img", "iframe", "object"} & set(names)
    for tag, attributes in reader.found:
        assert "src" not in attributes
        assert (attributes.get("href") or "data:,") == "data:,", tag
    assert not re.search(r"url\(|https?://|@import", text)
    assert "default-src 'none'" in text
    # nothing is left of the template
    assert not re.search(r"\$[a-z_{]", text)


def test_a_feature_that_is_a_script_is_inert() -> None:
    safe = read(page(result()))
    text = page(result(name=HOSTILE, sentence=f"IF {HOSTILE} > 3 THEN 1"))
    hostile = read(text)
    assert [tag for tag, _ in hostile.found] == [tag for tag, _ in safe.found]
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") == 3  # title, headline and rule


def test_an_event_cannot_end_the_data() -> None:
    events = (Event(61, "</script><script>alert(1)</script>"),)
    text = page(replace(result(), events=events))
    assert [tag for tag, _ in read(text).found].count("script") == 2
    assert "alert(1)" in str(data_of(text)["events"])


def test_numbers_in_the_page_are_those_of_the_run() -> None:
    run = result()
    text = page(run)
    lost = {name: c.lost.sum() for name, c in run.curves.items()}
    assert f"{lost[AS_IT_IS] - lost[HOT_FIX]:,.0f}" in text
    assert f"{lost[RETRAINED] - lost[HOT_FIX]:+,.0f}" in text
    by_day = [row for row in read(text).rows if re.fullmatch(r"\d+", row[0])]
    assert [int(row[0]) for row in by_day] == run.days.tolist()
    for i, row in enumerate(by_day):
        for j, c in enumerate(run.curves.values()):
            money, caught, missed = row[1 + 3 * j : 4 + 3 * j]
            assert float(money.replace(",", "")) == c.lost[i]
            assert (int(caught), int(missed)) == (c.caught[i], c.missed[i])
        over = "above the cap" in row[-1]
        assert over == bool(run.above(HOT_FIX)[i])
        assert int(row[-1].split()[0]) == run.curves[HOT_FIX].extra[i]
    drawn = data_of(text)["curves"]
    assert isinstance(drawn, list)
    assert drawn[2]["lost"][-1] == pytest.approx(lost[HOT_FIX])


def test_every_day_above_the_cap_has_a_triangle() -> None:
    run = result()
    triangles = [
        attributes["class"]
        for tag, attributes in read(page(run)).found
        if tag == "polygon"
    ]
    assert triangles == ["hotfix above"] * int(run.above(HOT_FIX).sum())
    assert len(triangles) == 10


def test_weeks_tell_promised_and_realised_damage() -> None:
    rows = [row for row in read(page(result())).rows if row[0] == "67-73"]
    assert len(rows) == 1
    assert rows[0][1:] == ["35", "20 %", "40 %", "80 %", "0.20 %", "1 %", "4"]


def test_without_a_hot_fix_the_page_says_so() -> None:
    text = page(replace(result(), in_force=None, sentence="", certificate=""))
    assert "never enough confirmed cases" in text and "nan" not in text.lower()


def test_charts_have_a_name_and_controls_are_labelled() -> None:
    reader = read(page(result()))
    drawn = [a for tag, a in reader.found if tag == "svg" and a.get("role") == "img"]
    money, alerts, caught = (str(a["aria-label"]) for a in drawn)
    assert "model as it is 8,421, retrained weekly 6,316, hot-fix 2,105" in money
    assert "hot-fix: at most 9 a day, above the cap on 10 days" in alerts
    assert "model as it is 20 % and 20 %, retrained weekly 40 % and 40 %" in caught
    slider = next(a for tag, a in reader.found if tag == "input")
    assert slider["aria-label"] and slider["type"] == "range"
    heads = [a for tag, a in reader.found if tag == "th"]
    assert all(a.get("scope") in ("row", "col") for a in heads)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    out = tmp_path / "new" / "replay.html"
    options = ["--cases", "400", "--end-day", "90", "--out", str(out)]
    run = CliRunner().invoke(command, options)
    assert run.exit_code == 0, run.output
    assert "never 400 confirmed cases" in run.output
    assert read(out.read_text())
    assert "catches" in summary(result())


def test_a_file_is_replayed_to_its_last_day(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    data, out = tmp_path / "cards.parquet", tmp_path / "replay.html"
    frame.to_parquet(data)
    options = ["--data", str(data), "--scenario", "3", "--cases", "900"]
    run = CliRunner().invoke(
        command, [*options, "--start-day", "100", "--out", str(out)]
    )
    assert run.exit_code == 0, run.output
    text = out.read_text()
    assert "of days 100 to 139" in text and "trained on days 25 to 69" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--alert-budget", "0.01"], "must be a number a day"),
        (["--scenario", "3"], "needs --data"),
        (["--undo-day", "3"], "undo_day must lie from day 75"),
        (["--data", "nowhere.csv"], "no file 'nowhere.csv'"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    options: list[str], message: str, tmp_path: Path
) -> None:
    out = tmp_path / "replay.html"
    run = CliRunner().invoke(command, [*options, "--out", str(out)])
    assert run.exit_code == 2 and message in run.output
    assert not out.exists()


@pytest.mark.needs_browser
def test_a_browser_shows_it_without_an_error(
    tmp_path: Path, in_browser: Callable[[Path], tuple[str, str]]
) -> None:
    file = tmp_path / "replay.html"
    file.write_text(page(result(name=HOSTILE)), encoding="utf-8")
    document, complaints = in_browser(file)
    # the script ran: it shows the controls and tells the last day
    assert re.search(r"Day 80\. Money lost so far: model as it is 8,421", document)
    assert complaints == ""


@pytest.mark.needs_browser
def test_a_phone_shows_it_whole(on_a_phone: Callable[[str], dict[str, Any]]) -> None:
    text = page(result(name=HOSTILE))
    assert on_a_phone(text) == {"width": 390, "cut": [], "small": [], "over": []}


def test_what_the_report_says_of_the_errors_is_told_where_it_changes() -> None:
    said = ("not separable <yet>", "not separable <yet>", "separable")
    text = page(replace(result(), verdicts=said))
    assert text.count("not separable &lt;yet&gt;") == 1
    assert "<b>Day 69</b> not separable" in text and "<b>Day 83</b> separable" in text
    assert "Can these errors be corrected?" not in page(result())
