"""The page says what was measured, and nothing in it runs or loads anything."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from rarecorrect import ErrorCorrector, TrainingRowsWarning
from rarecorrect.blocks import array_blocks
from rarecorrect.metrics import correction_report
from rarecorrect.off_switch import SWITCHED_OFF, VARIABLE
from rarecorrect.outcome import Outcome
from rarecorrect.plot import SeparabilityDisplay
from rarecorrect.report import html
from rarecorrect.streaming import room

from .conftest import HOSTILE
from .helpers import Reader

LOADS = re.compile(r"https?://|//[a-z]|@import|url\(|<(img|iframe|object|embed|base)\b")


@pytest.fixture(scope="module")
def page(small):
    return html(small.corrector, small.X, small.y, time=small.days)


def test_it_loads_nothing_and_is_small(page):
    assert LOADS.search(page) is None
    reader = Reader(page)
    assert not [a for a in reader.with_tag("script") if "src" in a]
    links = [a["href"] for tag in ("a", "link") for a in reader.with_tag(tag)]
    assert all(href.startswith("#") or href == "data:," for href in links)
    places = {a["id"] for _, a in reader.found if "id" in a}
    assert {href[1:] for href in links if href.startswith("#")} <= places
    assert len(page) < 200_000


def test_the_tables_hold_what_metrics_say(small, page):
    trace = small.corrector.trace(small.X)
    wanted = correction_report(small.y, trace["before"], trace["after"])
    reader = Reader(page)
    head, rows = reader.row("True label"), wanted.per_class
    for label, row in rows.iterrows():
        shown = dict(zip(head, reader.row(str(label)), strict=True))
        assert int(shown["Cases"]) == row["support"]
        assert int(shown["Repaired"]) == row["repaired"]
        assert int(shown["Broken"]) == row["broken"]
    broken = wanted.overall["broken"] / wanted.overall["right_before"]
    assert f"{100 * broken:.2f} %" in reader.row("all")
    shares = wanted.spillover.loc[0, 2]
    assert f"{100 * shares:.2f} %" in page
    assert f"{wanted.overall['net']:+,}" in reader.text


def test_the_promise_is_told_in_words_and_in_numbers(small, page):
    certificate = small.corrector.rules_.certificate()
    text = " ".join(Reader(page).text.split())
    assert "changes at most 10 % (1 in 10)" in text
    assert f"like the {certificate.n_calibration:,} that it was tested on" in text
    assert "wrong about that at most 4 times in 100" in text
    for words in ("No other time", "No single case", "No gain", "No certainty"):
        assert words in text
    assert f"{certificate.threshold:.4g}" in Reader(page).row("right decisions")


def test_every_figure_says_which_rows_it_is_from(page):
    text = Reader(page).text
    assert text.count("From the 1,200 cases of this report") >= 5
    assert "From the fit: 1,200 cases" in text


def test_windows_and_alerts_are_those_of_the_days(small, page):
    changed = small.corrector.trace(small.X)["changed"].to_numpy()
    most = np.bincount(small.days[changed]).max()
    text = " ".join(Reader(page).text.split())
    assert f"On 30 days, {changed.sum() / 30:.1f} decisions a day" in text
    assert f"{most} at most" in text
    weeks = [row for row in Reader(page).rows if row and row[0] in ("7", "14", "28")]
    right = small.corrector.trace(small.X)["before"].to_numpy() == small.y
    second = right & (small.days >= 7) & (small.days < 14)
    assert ["7", str(second.sum()), str((second & changed).sum())] in [
        week[:3] for week in weeks
    ]


def test_rows_of_the_fit_are_known_again_and_said(outbreak, small):
    with pytest.warns(TrainingRowsWarning, match="took part in the fit"):
        told = html(small.corrector, outbreak.X[:300], outbreak.y[:300])
    assert "These figures look too good" in told
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few = np.vstack([outbreak.X[:50], small.X])
        some = html(small.corrector, few, np.append(outbreak.y[:50], small.y))
        new = html(small.corrector, small.X, small.y)
    assert "A part of the cases is not new" in some
    assert "not new" not in new and "too good" not in new


def test_rows_of_a_fit_from_blocks_are_counted_by_the_part_that_is_known(
    outbreak, monkeypatch
):
    monkeypatch.setattr(room, "MOST_BACKGROUND", 100)
    corrector = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
    corrector.fit_blocks(array_blocks(outbreak.X, outbreak.y))
    whole = Outcome.of(corrector, outbreak.X, outbreak.y)
    assert whole.taught_share + whole.calibrated_share == pytest.approx(1)
    part = Outcome.of(corrector, outbreak.X[:400], outbreak.y[:400])
    assert part.taught_share == pytest.approx(whole.taught_share, abs=0.1)
    assert part.taught_share + part.calibrated_share <= 1
    new = Outcome.of(corrector, outbreak.X_new, outbreak.y_new)
    assert new.taught_share == new.calibrated_share == 0


@pytest.mark.parametrize("labelled", [True, False])
def test_rows_that_certified_later_are_known_again_as_a_whole(outbreak, labelled):
    corrector = outbreak.fitted()
    order = np.random.default_rng(0).permutation(1200)
    X, y = outbreak.X_new[order], outbreak.y_new[order]
    asked = (corrector, outbreak.X_new, outbreak.y_new)
    assert Outcome.of(*asked).calibrated_share == 0
    corrector.set_params(legacy_accuracy=0.55).certify(X, y if labelled else None)
    right = np.mean(corrector.estimator_.predict(X) == y)
    wanted = right if labelled else 1.0
    assert Outcome.of(*asked).calibrated_share == pytest.approx(wanted)
    with pytest.warns(TrainingRowsWarning, match="% set the cut"):
        html(*asked)


def test_without_cases_it_tells_what_the_corrector_keeps(small):
    told = html(small.corrector)
    reader = Reader(told)
    assert "No new cases were passed" in told
    assert "Before and after</caption>" not in told
    rule = small.corrector.rules_.rules[-1]
    assert str(rule.n_errors) in reader.row(rule.name)
    drawn = [a for a in reader.with_tag("svg") if a.get("role") == "img"]
    assert len(drawn) == 1  # scores of the errors left out


def test_unknown_outcomes_count_as_alerts_only(small):
    y = small.y.astype(float)
    y[::3] = np.nan
    gaps = html(small.corrector, small.X, y, time=small.days, examples=0)
    known = html(small.corrector, small.X[~np.isnan(y)], small.y[~np.isnan(y)])
    assert "400 more cases have no known outcome" in gaps
    for label in ("0", "1", "2"):  # no 0.0
        assert Reader(gaps).row(label) == Reader(known).row(label)
    changed = small.corrector.trace(small.X)["changed"].sum()
    assert f"{changed / 30:.1f} decisions a day" in gaps


def test_examples_are_explained_and_can_be_left_out(small):
    names = np.arange(7000, 8200)
    none = html(small.corrector, small.X, small.y, examples=0)
    assert "none is shown, as asked for" in none and "above all by" not in none
    some = html(small.corrector, small.X, small.y, case_id=names, examples=6)
    shown = [int(n) for n in re.findall(r"Case (\d{4})</h3>", some)]
    assert len(shown) == 6
    trace = small.corrector.trace(small.X)
    assert trace["changed"].to_numpy()[np.array(shown) - 7000].all()
    assert some.count("above all by") == 6
    for result in ("repaired", "broken"):  # the bad ones are not hidden
        assert f'">{result}</span>' in some


def test_a_book_that_is_off_says_so(outbreak):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        off = outbreak.fitted(max_damage=0.001)
    told = html(off, outbreak.X_new, outbreak.y_new)
    text = " ".join(Reader(told).text.split())
    assert "Off: nothing is certified" in text
    assert "Nothing is promised, and nothing is changed" in text
    assert "more are missing" in text  # what was refused, and the way out
    assert "No case was changed or sent to review" in text


def test_amounts_at_stake_are_said_and_not_mixed_with_scores_without(at_stake):
    assert at_stake.rules_.certified
    reader = Reader(html(at_stake))
    text = " ".join(reader.text.split())
    assert "log(amount) is part of every score" in text
    assert "In the fit" not in text  # errors left out: scored without amounts
    assert "nothing is certified" not in text
    assert text.count("what was at stake in errors left out is not kept") == 2
    kept = SeparabilityDisplay.of_book(at_stake)
    assert kept.errors.size == 0 and kept.right.size > 0


def test_a_book_that_is_switched_off_promises_and_denies_nothing(small, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    for cases in ((), (small.X, small.y)):
        text = " ".join(Reader(html(small.corrector, *cases)).text.split())
        assert SWITCHED_OFF in text
        assert "Nothing is promised, and nothing is changed" in text
        assert "at most 10 %" not in text and "not separable" not in text
        assert "What it does not promise" not in text
        assert "not known: corrections are switched off" in text
    rule = small.corrector.rules_.rules[-1].name
    assert Reader(html(small.corrector)).row(rule)[-1] == "not known"


def test_flags_are_counted_as_sent_to_review(outbreak):
    flagging = ErrorCorrector(
        outbreak.model, max_damage=0.1, action="flag", random_state=0
    ).fit(outbreak.X, outbreak.y)
    told = html(flagging, outbreak.X_new, outbreak.y_new)
    assert "the correction sends to review at most 10 %" in told
    flagged = int(flagging.trace(outbreak.X_new)["flagged"].sum())
    assert Reader(told).row("all")[6] == f"{flagged}"


def test_a_flag_changes_no_decision(outbreak):
    flagging = ErrorCorrector(
        outbreak.model, max_damage=0.1, action="flag", random_state=0
    ).fit(outbreak.X, outbreak.y)
    days = np.arange(1200) // 40
    told = html(flagging, outbreak.X_new, outbreak.y_new, time=days)
    text = " ".join(Reader(told).text.split())
    n, accuracy = len(flagging.rules_), flagging.score(outbreak.X_new, outbreak.y_new)
    assert f"of {n} rules; decisions are sent to review, none is changed" in text
    assert "Net+0 " in text and f"Accuracy{100 * accuracy:.2f} % " in text
    everywhere = Reader(told).row("all")
    assert everywhere[2] == everywhere[3]  # right before, right after
    assert everywhere[4:6] == ["0", "0"]  # repaired, broken
    assert everywhere[8] != "0 %"  # of the right decisions: sent to review
    assert "decisions a day were sent to review on average" in text
    assert "Right decisions sent to review: promised and seen" in text
    for name in ("Right decisions changed", "Errors repaired "):
        assert name not in text


def test_a_rule_that_flags_beside_one_that_changes_is_told_apart(small):
    first, *others = small.corrector.rules_
    rules = (replace(first, action="flag"), *others)
    corrector = small.corrector.with_rules(replace(small.corrector.rules_, rules=rules))
    corrector.certify(small.X[:600], small.y[:600])
    reader = Reader(html(corrector, small.X[600:], small.y[600:]))
    assert "decisions are changed or sent to review." in reader.text
    trace = corrector.trace(small.X[600:])
    shown = dict(zip(reader.row("Rule"), reader.row(first.name), strict=True))
    flagged = trace["rule"].eq(first.name) & trace["flagged"]
    assert shown["Sent to review here"] == f"{flagged.sum()}" != "0"
    assert shown["Changed here"] == shown["Broken here"] == "0"
    right = trace["before"].to_numpy() == small.y[600:]
    after = trace["after"].to_numpy() == small.y[600:]
    assert f"Net{after.sum() - right.sum():+d} " in reader.text


def test_classes_have_promises_of_their_own(outbreak):
    by_class = ErrorCorrector(
        outbreak.model, max_damage={0: 0.1, 1: 0.2}, per="class", random_state=0
    ).fit(outbreak.X, outbreak.y)
    told = html(by_class, outbreak.X_new, outbreak.y_new)
    text = " ".join(Reader(told).text.split())
    assert "the decisions “0” that the model in service gets right" in text
    assert "All 2 of these statements hold at once, except at most 4 times" in text
    promised = {row[0]: row[5] for row in Reader(told).rows if len(row) == 7}
    assert (promised["0"], promised["1"], promised["all"]) == (
        *("10.00 %", "20.00 %", "20.00 %"),
    )


def test_very_many_days_stay_a_small_page(small):
    seconds = np.arange(len(small.X)) * 86_400  # taken for days
    told = html(small.corrector, small.X, small.y, time=seconds)
    assert "On 1,200 days" in told and "Alerts of 730 days" in told
    assert len(told) < 300_000
    windows = [row for row in Reader(told).rows if len(row) == 7]
    assert len(windows) < 60


def test_labels_may_be_true_and_false(outbreak):
    model = LogisticRegression().fit(outbreak.X[:100], outbreak.y[:100] == 1)
    corrector = ErrorCorrector(model, max_damage=0.2, random_state=0)
    corrector.fit(outbreak.X, outbreak.y == 2)
    y = [None if i % 3 == 0 else bool(v == 2) for i, v in enumerate(outbreak.y_new)]
    told = html(corrector, outbreak.X_new, y)
    known = np.arange(1200) % 3 > 0
    assert Reader(told).row("True")[1] == f"{np.sum((outbreak.y_new == 2) & known)}"


def test_what_cannot_be_said_is_a_dash(small):
    wrong = small.corrector.estimator_.predict(small.X) != small.y
    told = Reader(html(small.corrector, small.X[wrong], small.y[wrong]))
    assert told.row("all")[8] == "-"  # no right decision could be changed
    right = Reader(html(small.corrector, small.X[~wrong], small.y[~wrong]))
    assert right.row("all")[7] == "-" and "it makes no error" in right.text


def test_names_that_attack_are_inert(hostile):
    told = html(hostile.corrector, hostile.X, hostile.y, title=HOSTILE)
    assert "&lt;script&gt;alert(" in told
    assert told.count("<script>") == 1 and told.count("<style>") == 1
    assert "alert('x')" not in told and "49" not in Reader(told).with_tag("h1")
    reader = Reader(told)  # nothing is left open, so nothing broke out
    assert f"{HOSTILE}" in reader.text


def test_half_a_character_in_a_title_is_shown_as_a_mark(small, tmp_path):
    told = html(small.corrector, title="half \ud83d", path=tmp_path / "report.html")
    assert "half ?" in Reader(told).text
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == told


def test_errors_beyond_the_most_of_a_fit_from_blocks_are_in_no_groups(
    outbreak, monkeypatch
):
    monkeypatch.setattr(room, "MOST_ERRORS", 60)
    corrector = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
    corrector.fit_blocks(array_blocks(outbreak.X, outbreak.y))
    text = Reader(html(corrector)).text.replace("\n", "")
    assert f"Not learnt from{corrector.report_.n_apart} errors" in text
    assert "groups" not in text


def test_it_is_written_whole_or_not_at_all(small, tmp_path):
    path = tmp_path / "new" / "report.html"
    told = html(small.corrector, path=path)
    assert path.read_text(encoding="utf-8") == told
    with pytest.raises(ValueError, match="labels in y is known"):
        html(small.corrector, small.X, [None] * len(small.X), path=path)
    assert path.read_text(encoding="utf-8") == told
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_bad_calls_are_refused(small):
    with pytest.raises(ValueError, match="cases and their true labels"):
        html(small.corrector, small.X)
    with pytest.raises(ValueError, match="got -1"):
        html(small.corrector, examples=-1)
    with pytest.raises(NotFittedError):
        html(ErrorCorrector(LogisticRegression()))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        html(small.corrector, small.X, small.y[:-1])


def test_of_many_classes_those_that_changed_most_are_shown():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 60, 3000)
    X = np.column_stack([y // 10, y % 10]) + rng.normal(0, 0.2, (3000, 2))
    model = GaussianNB().fit(X[:1000], np.where(y[:1000] == 59, 58, y[:1000]))
    corrector = ErrorCorrector(
        model, max_damage=0.1, confusions=[59], random_state=0
    ).fit(X[1000:2000], y[1000:2000])
    told = html(corrector, X[2000:], y[2000:])
    assert "20 classes in which less changed are not shown" in told
    assert Reader(told).row("59")[4] != "0"  # repaired


@pytest.mark.needs_browser
def test_a_browser_draws_every_chart_and_sorts_every_table(small, tmp_path, in_browser):
    """A script that is added for the test sorts, measures, and writes what it found."""
    file = tmp_path / "report.html"
    told = html(small.corrector, small.X, small.y, time=small.days)
    measure = """<script>
      const result = { charts: [], sorted: [] };
      document.querySelectorAll("svg[role=img]").forEach((svg) => {
        const box = svg.getBoundingClientRect();
        const marks = svg.querySelectorAll("polyline, circle, rect").length;
        result.charts.push([box.width > 300 && box.height > 80, marks > 0]);
      });
      document.querySelectorAll("details").forEach((one) => { one.open = true; });
      document.querySelectorAll("table.sortable").forEach((table) => {
        const rows = () => Array.from(table.tBodies[0].rows).map((r) =>
          Array.from(r.cells).map((c) => c.textContent));
        const before = rows();
        table.querySelectorAll("th button").forEach((button, column) => {
          button.click(); button.click();
          result.sorted.push([column, button.parentElement.ariaSort, before, rows()]);
        });
      });
      const out = document.createElement("pre");
      out.id = "result"; out.textContent = JSON.stringify(result);
      document.body.append(out);
    </script>"""
    # the page lets no other script run: for the test alone it does
    loose = re.sub(r"script-src '[^']*'", "script-src 'unsafe-inline'", told)
    assert loose != told
    file.write_text(loose.replace("</body>", f"{measure}</body>"), encoding="utf-8")
    document, complaints = in_browser(file)
    assert complaints == ""
    found = re.search(r'<pre id="result">(.*?)</pre>', document, re.DOTALL)
    result = pd.io.json.ujson_loads(found[1].replace("&gt;", ">").replace("&amp;", "&"))
    assert len(result["charts"]) == 6 and all(map(all, result["charts"]))
    assert len(result["sorted"]) > 20
    for column, way, before, after in result["sorted"]:
        assert sorted(before) == sorted(after)
        shown = [_number(row[column]) for row in after]
        if None not in shown:
            assert shown == sorted(shown, reverse=way == "descending")


@pytest.mark.needs_browser
def test_a_phone_shows_it_whole(small, hostile, on_a_phone):
    """Nothing scrolls sideways but tables; words of charts are whole and legible."""
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(small.days, "D")
    known = html(small.corrector, small.X, small.y, time=days)
    for page in (known, html(hostile.corrector, hostile.X, hostile.y, title=HOSTILE)):
        assert on_a_phone(page) == {"width": 390, "cut": [], "small": [], "over": []}


@pytest.mark.needs_browser
def test_a_browser_runs_nothing_that_a_name_says(hostile, tmp_path, in_browser):
    file = tmp_path / "report.html"
    html(hostile.corrector, hostile.X, hostile.y, title=HOSTILE, path=file)
    text = file.read_text(encoding="utf-8")
    # even a tag that got in would not run
    smuggled = "<script>document.title = 'broken in'</script>"
    file.write_text(text.replace("</main>", f"{smuggled}</main>"), encoding="utf-8")
    document, complaints = in_browser(file)
    assert "<title>&lt;script&gt;alert" in document
    assert complaints.count("Content Security Policy") == 1
    assert 'aria-label="Contents"' in document and "<button" in document


def _number(text):
    found = re.match(r"^[<>]?\s*([-+]?[\d,.]+)( %)?$", text.strip())
    return float(found[1].replace(",", "")) if found else None
