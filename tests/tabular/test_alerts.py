"""Alerts a day: whole days, no leak, the product itself, and what is reported."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rarecorrect import FisherDetector, NotCertifiedWarning
from rarecorrect.certify import Certificate, daily_threshold
from rarecorrect_tabular import alerts
from rarecorrect_tabular.alert_report import alert_means, alert_section
from rarecorrect_tabular.alerts import (
    ALERT_METHODS,
    DETECTORS,
    NULL,
    fit_under_cap,
    run_alerts,
)
from rarecorrect_tabular.benchmark import run_benchmark
from rarecorrect_tabular.loader import TransactionTable
from rarecorrect_tabular.methods import METHODS
from rarecorrect_tabular.protocol import Plan
from rarecorrect_tabular.report import write_results
from rarecorrect_tabular.task import (
    CorrectionTask,
    Sizes,
    WholeDays,
    make_draw,
    whole_day_draw,
)
from rarecorrect_tabular.tasks import make_task

SIZES = Sizes(2000, 4000, 4000)
CAPS = (8, 16)
PLAN = replace(
    Plan.quick(), draws={5: 1, 20: 1}, alert_caps=CAPS, alert_draws=2, sizes=SIZES
)


@pytest.fixture
def days(task: CorrectionTask) -> WholeDays:
    assert task.days is not None
    return task.days


@pytest.fixture(scope="module")
def rows(task: CorrectionTask) -> list[dict[str, object]]:
    """Of a kind that comes in bursts: several cases on one day, none on most."""
    return run_alerts(task, PLAN)


def test_days_are_whole(table: TransactionTable, days: WholeDays) -> None:
    assert table.time is not None
    per_day = np.bincount(np.floor(table.time).astype(int))
    for part, (first, end) in ((days.traffic, (75, 112)), (days.later, (112, 140))):
        found = np.bincount(days.day[part], minlength=end)
        np.testing.assert_array_equal(found[first:end], per_day[first:end])
        assert found[:first].sum() == 0


def test_no_day_that_calibrates_is_fitted_on(
    task: CorrectionTask, days: WholeDays
) -> None:
    draw = whole_day_draw(task, 20, 0, sizes=SIZES)
    assert np.isin(draw.background, days.before).all()
    assert task.right[draw.background].all()
    np.testing.assert_array_equal(draw.calibration, days.traffic)
    same = make_draw(task, "as seen", 20, 0, sizes=SIZES)
    np.testing.assert_array_equal(draw.cases, same.cases)


def test_traffic_moves_the_threshold_and_nothing_else(
    task: CorrectionTask, days: WholeDays
) -> None:
    draw = whole_day_draw(task, 20, 0, sizes=SIZES)
    others = np.setdiff1d(days.traffic, draw.cases)
    Z = task.Z.copy()
    # the decisions of the legacy model stay, all that detectors see does not
    Z[others, :-1] = 3 * np.random.default_rng(0).permutation(Z[others, :-1])
    books = [
        fit_under_cap(replace(task, Z=features), draw, FisherDetector(), 30).rules_
        for features in (task.Z, Z)
    ]
    first, second = (book.active[0] for book in books)
    np.testing.assert_array_equal(first.coef, second.coef)
    np.testing.assert_array_equal(first.scale.knots, second.scale.knots)
    assert first.worth == second.worth
    assert books[0].threshold() != books[1].threshold()


def test_the_column_with_the_log_odds_says_what_the_legacy_model_says(
    task: CorrectionTask,
) -> None:
    np.testing.assert_array_equal(task.Z[:, -1] < 0, task.changeable)
    assert not task.changeable.all()


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("name", list(DETECTORS))
def test_one_fit_serves_every_cap(
    task: CorrectionTask, days: WholeDays, rows: list[dict[str, object]], name: str,
    cap: int,
) -> None:  # fmt: skip
    """A corrector with this cap of its own alerts on the same rows."""
    draw = whole_day_draw(task, 5, 0, sizes=SIZES)
    corrector = fit_under_cap(task, draw, DETECTORS[name], cap)
    entry = corrector.rules_.entry("alerts")
    assert entry is not None
    certificate = entry.certificates[None]
    assert (certificate.unit, certificate.n_calibration) == ("days", 37)
    changed = corrector.predict(task.Z[days.later]) == 1
    changed &= task.changeable[days.later]
    alerts = np.bincount(days.day[days.later])[112:] * 0.0
    np.add.at(alerts, days.day[days.later][changed] - 112, 1)
    (row,) = (
        r for r in rows
        if (r["method"], r["k"], r["draw"], r["cap"]) == (name, "5", 0, cap)
    )  # fmt: skip
    assert row["certified_gain"] == changed[task.case[days.later]].mean()
    assert row["alerts_mean"] == pytest.approx(alerts.mean())
    assert row["alerts_max"] == alerts.max()
    assert (row["n_days"], row["n_days_above"]) == (28, (alerts > cap).sum())


def test_the_benchmark_judges_the_thresholds_of_the_product(
    task: CorrectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corrector fitted with a cap holds the threshold that the tables are made at."""
    found: list[float] = []

    def note(*args: object, **options: object) -> Certificate:
        certificate = daily_threshold(*args, **options)  # type: ignore[arg-type]
        found.append(certificate.threshold)
        return certificate

    monkeypatch.setattr(alerts, "daily_threshold", note)
    plan = replace(PLAN, draws={20: 1}, alert_draws=1)
    rows = run_alerts(task, plan)
    draw = whole_day_draw(task, 20, 0, sizes=SIZES)
    at = {
        (row["method"], row["cap"]): threshold
        for row, threshold in zip(rows, found, strict=True)
    }
    for name, detector in DETECTORS.items():
        for cap in CAPS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotCertifiedWarning)
                corrector = fit_under_cap(task, draw, detector, cap)
            assert corrector.rules_.threshold() == at[name, cap]
    # one cap that is certified, and one that the labelled cases alone exceed
    assert np.isfinite(at["Fisher", 16])
    assert at["Fisher", 8] == np.inf


def test_threshold_tuning_uses_the_same_rule(
    task: CorrectionTask, days: WholeDays, rows: list[dict[str, object]]
) -> None:
    found = [r for r in rows if r["method"] == "threshold tuning" and r["cap"] == 16]
    assert [r["k"] for r in found] == ["5", "20"]
    score = np.where(task.changeable, task.legacy_score, -np.inf)
    day = days.day[days.traffic]
    threshold = daily_threshold(score[days.traffic], day, 16).threshold
    cases = days.later[task.case[days.later]]
    for row in found:
        assert row["certified_gain"] == np.mean(score[cases] > threshold)


def test_cases_are_caught_and_the_cap_holds(table: TransactionTable) -> None:
    task = make_task(table, "1", sizes=SIZES)
    frame = pd.DataFrame(run_alerts(task, replace(PLAN, alert_caps=(4, 8))))
    assert set(frame["method"]) == set(ALERT_METHODS)
    assert frame["certified"].all()
    found = frame.groupby("method")["certified_gain"].mean()
    assert min(found["Fisher"], found["ExtraTrees"]) > found[NULL] + 0.3
    assert found["threshold tuning"] < 0.1
    # a world that stays as it is: far fewer days than promised at the most
    above = frame.groupby("method")[["n_days_above", "n_days"]].sum()
    assert (above["n_days_above"] <= 0.1 * above["n_days"]).all()


def test_a_cap_below_the_labelled_cases_of_a_day_keeps_the_corrector_off(
    rows: list[dict[str, object]],
) -> None:
    found = {(r["method"], r["k"], r["cap"]): r for r in rows if r["draw"] == 0}
    off = found["Fisher", "20", 8]
    assert not off["certified"]
    assert (off["certified_gain"], off["alerts_max"]) == (0, 0)
    assert found["Fisher", "5", 8]["certified"]
    lines = alert_section(rows).splitlines()
    start = "| scenario 3 | 20 | 8 | "
    shares, days = (line for line in lines if line.startswith(start))
    assert shares.startswith(f"{start}not certified | not certified | 0.000 | ")
    assert days.startswith(f"{start}- | - | ")
    # all that was certified, pooled; a corrector that is off has no days
    on = [r for r in rows if r["method"] == "Fisher" and r["certified"]]
    assert 0 < len(on) < 8
    share = 100 * np.mean([r["n_days_above"] / 28 for r in on])
    by_rate = 100 * np.mean([r["n_days_above_by_rate"] / 28 for r in on])
    assert by_rate > share  # a mean says nothing of a day
    assert f"share of the same traffic: Fisher {by_rate:.1f} %; " in lines[-1]
    assert lines[-3].startswith(
        f"Days above the cap in all cells: Fisher {share:.1f} %; ExtraTrees "
    )


def test_tasks_without_days_have_no_such_part(task: CorrectionTask) -> None:
    assert run_alerts(replace(task, days=None), PLAN) == []
    assert PLAN.steps(replace(task, days=None)) == PLAN.steps(task) - 4
    assert alert_section([]) == ""


def test_means_and_days_of_all_draws(rows: list[dict[str, object]]) -> None:
    found = alert_means(rows).set_index(["k", "cap", "method"])
    own = [
        r for r in rows
        if (r["k"], r["cap"], r["method"]) == ("5", 8, "Fisher")
    ]  # fmt: skip
    row = found.loc[("5", 8, "Fisher")]
    assert row["days"] == 56
    assert row["mean"] == pytest.approx(np.mean([r["certified_gain"] for r in own]))
    assert row["most"] == max(r["alerts_max"] for r in own)


def test_draws_that_are_off_do_not_dilute_the_days_above_the_cap(
    rows: list[dict[str, object]],
) -> None:
    first = next(r for r in rows if r["certified"])
    on = first | {
        "certified_gain": 0.8, "alerts_mean": 6.0, "alerts_max": 12,
        "n_days": 20, "n_days_above": 5, "draw": 0, "method": "Fisher", "cap": 8,
        "n_days_above_by_rate": 9,
    }  # fmt: skip
    off = on | {
        "certified": False, "certified_gain": 0.0, "alerts_mean": 0.0,
        "alerts_max": 0, "n_days_above": 0, "n_days_above_by_rate": 3,
    }  # fmt: skip
    mixed = [on, off | {"draw": 1}, off | {"draw": 2}]
    (row,) = alert_means(mixed).to_dict("records")
    assert (row["draws"], row["certified"]) == (3, 1)
    assert (row["days"], row["above"], row["alerts"]) == (20, 5, 6)
    assert row["mean"] == pytest.approx(0.8 / 3)  # off, it catches nothing
    text = alert_section(mixed)
    assert "| 6.0, 12; 5 of 20 (25.0 %), certified in 1 of 3 draws |" in text
    assert "0.267 ± 0.267, certified in 1 of 3 draws" in text
    assert "cells: Fisher 25.0 %" in text and "traffic: Fisher 45.0 %" in text
    never = alert_section([off, off | {"draw": 1}])
    assert "cells: Fisher not certified" in never


def test_a_run_reports_them_in_both_files(
    table: TransactionTable, tmp_path: Path
) -> None:
    plan = replace(PLAN, draws={5: 1}, permutations=1, alert_draws=1)
    few = {"Fisher": METHODS["Fisher"]}
    result = run_benchmark(table, plan, scenarios=["3"], methods=few)
    write_results(result, tmp_path, "command")
    text = (tmp_path / "results.md").read_text()
    assert "## Alerts a day, as seen" in text
    assert "about 170 transactions a day" in text
    stored = pd.read_parquet(tmp_path / "results.parquet")
    daily = stored[stored["cap"].notna()]
    assert len(daily) == len(result.alerts) == len(CAPS) * len(ALERT_METHODS)
    # no other table sees them
    assert len(stored) == len(daily) + len(result.frame)
    assert "cap" not in result.frame
