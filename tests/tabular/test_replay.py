"""The engine of the replay: money, days, labels that come late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rarecorrect.detectors import FisherDetector
from rarecorrect_tabular.loader import TransactionTable, table_from_frame
from rarecorrect_tabular.replay import (
    AS_IT_IS,
    HOT_FIX,
    RETRAINED,
    Replay,
    ReplayPlan,
    replay,
    replay_traffic,
)
from rarecorrect_tabular.replay_numbers import caught, first_days, weekly
from rarecorrect_tabular.replay_traffic import LEGACY_SCORE, Traffic, make_traffic
from rarecorrect_tabular.schema import HANDBOOK

START, END, DELAY = 45, 66, 7
PLAN = ReplayPlan(
    train=(0, 20),
    start=START,
    end=END,
    cap=4,
    max_damage=0.05,
    n_background=2000,
    detector=FisherDetector(),
)
CURVES = ("alerts", "extra", "extra_frauds", "caught", "missed", "saved", "lost")


def make_traffic_by_hand(seed: int = 0, n_a_day: int = 120) -> Traffic:
    """A new type that stands out in one column, and a model that knows another."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(END), n_a_day)
    new = (day >= START) & (rng.random(day.size) < 0.02)
    old = ~new & (rng.random(day.size) < 0.03)
    X = pd.DataFrame(rng.normal(size=(day.size, 3)), columns=["a", "b", "c"])
    X.loc[new, "a"] += 4
    X.loc[old, "b"] += 5
    X[LEGACY_SCORE] = X["b"] - 3.5
    amount = np.round(rng.uniform(1, 100, day.size), 2)
    return Traffic(X, day, amount, new | old, new, None, DELAY)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return make_traffic_by_hand()


@pytest.fixture(scope="module")
def run(traffic: Traffic) -> Replay:
    return replay_traffic(traffic, "new", PLAN)


def equal_until(one: Replay, other: Replay, way: str, day: int) -> bool:
    """Whether the alerts of two runs are the same on all days before one."""
    n = day - START
    before, after = one.curves[way], other.curves[way]
    return bool((before.extra[:n] == after.extra[:n]).all())


@pytest.mark.parametrize("way", [AS_IT_IS, RETRAINED, HOT_FIX])
def test_money_and_cases_are_neither_made_nor_lost(
    run: Replay, traffic: Traffic, way: str
) -> None:
    curve = run.curves[way]
    for day in run.days:
        rows = (traffic.day == day) & traffic.new
        i = day - START
        assert curve.caught[i] + curve.missed[i] == rows.sum()
        money = traffic.amount[rows].sum()
        assert curve.saved[i] + curve.lost[i] == pytest.approx(money)
    as_it_is = run.curves[AS_IT_IS]
    np.testing.assert_array_equal(curve.alerts, as_it_is.alerts + curve.extra)
    # the alerts of the model in service stay, so nothing that it catches is missed
    assert (curve.missed <= as_it_is.missed).all()
    assert (curve.broken + curve.extra_frauds == curve.extra).all()


def test_the_model_as_it_is_has_no_extra_alerts(run: Replay, traffic: Traffic) -> None:
    curve = run.curves[AS_IT_IS]
    assert curve.extra.sum() == 0 and curve.broken.sum() == 0
    rows = traffic.between(START, END)
    assert curve.alerts.sum() == (traffic.X[LEGACY_SCORE].to_numpy()[rows] >= 0).sum()


def test_the_hot_fix_catches_what_it_learnt(run: Replay) -> None:
    found = first_days(run)
    assert found[HOT_FIX] > found[AS_IT_IS] + 0.4
    assert run.sentence and "95 %" in run.certificate
    lessons = range(run.in_force or END, END, PLAN.every)
    assert len(run.verdicts) == len(lessons)
    assert all("from chance" in v or "separable from" in v for v in run.verdicts)


def test_nothing_happens_before_the_last_case_needed_is_confirmed(
    run: Replay, traffic: Traffic
) -> None:
    missed = np.flatnonzero(traffic.new & ~traffic.flagged)
    fifth = int(traffic.day[missed[PLAN.cases - 1]])
    assert run.in_force == fifth + DELAY + 1
    for way in (RETRAINED, HOT_FIX):
        assert run.curves[way].extra[: run.in_force - START].sum() == 0
    assert run.curves[HOT_FIX].extra.sum() > 0


@settings(max_examples=5)
@given(st.integers(START, END - DELAY - 1), st.integers(0, 3))
def test_no_label_is_used_before_its_day(day: int, seed: int) -> None:
    traffic = make_traffic_by_hand(seed)
    # poison: from this day on, labels and types are noise
    late = traffic.day >= day
    rng = np.random.default_rng(seed)
    noise = rng.random(late.size) < 0.3
    fraud = np.where(late, noise, traffic.fraud)
    poisoned = replace(
        traffic,
        fraud=fraud,
        new=np.where(late, noise & (traffic.day % 2 == 0), False)
        | (traffic.new & ~late),
    )
    one = replay_traffic(traffic, "new", PLAN)
    other = replay_traffic(poisoned, "new", PLAN)
    for way in (RETRAINED, HOT_FIX):
        assert equal_until(one, other, way, day + DELAY + 1)


def test_a_label_is_used_from_the_morning_after(traffic: Traffic) -> None:
    rows = traffic.known(50)
    assert traffic.day[rows].max() == 50 - DELAY - 1
    cases = traffic.cases(60)
    known, label = traffic.labels(60)
    assert label[np.searchsorted(known, cases)].all()
    np.testing.assert_array_equal(label, traffic.fraud[known])


def test_cases_that_nobody_confirms_pass_for_genuine(traffic: Traffic) -> None:
    few = replace(traffic, most_cases=3)
    known, label = few.labels(60)
    hidden = few.new[known] & ~few.flagged[known] & ~label
    assert few.cases(60).size == 3
    assert hidden.sum() == traffic.cases(60).size - 3 > 0


def test_undo_goes_back_to_the_model_as_it_is(run: Replay, traffic: Traffic) -> None:
    undone = replay_traffic(traffic, "new", replace(PLAN, undo_day=60))
    i = 60 - START
    red, grey = undone.curves[HOT_FIX], undone.curves[AS_IT_IS]
    for name in CURVES:
        np.testing.assert_array_equal(getattr(red, name)[i:], getattr(grey, name)[i:])
    assert run.curves[HOT_FIX].extra[i:].sum() > 0
    assert equal_until(run, undone, HOT_FIX, 60)
    blue = undone.curves[RETRAINED].extra
    np.testing.assert_array_equal(blue, run.curves[RETRAINED].extra)
    assert "somebody presses undo" in [event.what for event in undone.events]
    assert undone.days[undone.after()].max() == 59


def test_days_above_the_cap_are_marked(run: Replay) -> None:
    extra = run.curves[HOT_FIX].extra
    tight = replace(run, plan=replace(PLAN, cap=int(extra.max()) - 1))
    assert set(tight.days[tight.above(HOT_FIX)]) == set(run.days[extra == extra.max()])
    loose = replace(run, plan=replace(PLAN, cap=int(extra.max())))
    assert not loose.above(HOT_FIX).any()


def test_the_same_seed_gives_the_same_curves(run: Replay, traffic: Traffic) -> None:
    again = replay_traffic(traffic, "new", PLAN)
    for way, curve in run.curves.items():
        np.testing.assert_array_equal(curve.extra, again.curves[way].extra)
    other = replay_traffic(make_traffic_by_hand(1), "new", PLAN)
    assert (other.curves[HOT_FIX].extra != run.curves[HOT_FIX].extra).any()


def test_too_few_cases_leave_the_model_as_it_is(traffic: Traffic) -> None:
    found = replay_traffic(traffic, "new", replace(PLAN, cases=10_000))
    assert found.in_force is None and not found.after().any()
    for curve in found.curves.values():
        assert curve.extra.sum() == 0
    assert np.isnan(first_days(found)[HOT_FIX])


def test_too_few_days_certify_nothing(traffic: Traffic) -> None:
    # 20 days cannot say at 95 % that 90 % of the days keep the cap
    plan = replace(PLAN, certify_days=20)
    found = replay_traffic(traffic, "new", plan)
    assert found.curves[HOT_FIX].extra.sum() == 0
    assert found.curves[RETRAINED].extra.sum() == 0


def test_weeks_add_up(run: Replay) -> None:
    weeks = weekly(run)
    curve = run.curves[HOT_FIX]
    assert [w.first for w in weeks] == [45, 52, 59] and weeks[-1].last == END - 1
    assert sum(w.cases for w in weeks) == curve.caught.sum() + curve.missed.sum()
    hits = sum(w.recall[HOT_FIX] * w.cases for w in weeks)
    assert hits == pytest.approx(curve.caught.sum())
    money = caught(run, np.ones(END - START, dtype=bool), money=True)
    assert money[HOT_FIX] == pytest.approx(
        curve.saved.sum() / (curve.saved.sum() + curve.lost.sum())
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 30}, "start must be day 42 or later, got 30"),
        ({"undo_day": 10}, "undo_day must lie from day 45 to 65, got 10"),
        ({"cap": 0}, "cap must be 1 or more, got 0"),
        ({"end": 40}, "days must follow each other"),
        ({"risk_learns": True, "most_cases": 20}, "most_cases=20 says that most are"),
    ],
)
def test_days_that_do_not_fit_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PLAN, **change)  # type: ignore[arg-type]


def test_the_type_is_removed_before_it_starts(table: TransactionTable) -> None:
    assert table.time is not None and table.fraud_type is not None
    made = make_traffic(table, "1", train=(0, 40), start=75, end=120, delay=7)
    before = (table.time < 75) & (table.fraud_type == "1")
    assert before.sum() > 0
    assert made.day.size == (table.time < 120).sum() - before.sum()
    assert made.day[made.new].min() >= 75
    # its labels teach nobody: without any of them, every feature is the same
    label = table.label & (table.fraud_type != "1")
    clean = make_traffic(
        replace(
            table,
            label=label | ((table.fraud_type == "1") & (table.time > 119)),
        ),
        "1",
        train=(0, 40),
        start=75,
        end=120,
        delay=7,
    )
    pd.testing.assert_frame_equal(made.X, clean.X)


def test_columns_that_tell_the_day_teach_nobody(table: TransactionTable) -> None:
    assert table.time is not None
    counter = np.arange(len(table.features), dtype=float)
    with_counter = replace(table, features=table.features.assign(counter=counter))
    days = {"train": (0, 40), "start": 75, "end": 120, "delay": 7}
    made, plain = (
        make_traffic(t, "1", **days)  # type: ignore[arg-type]
        for t in (with_counter, table)
    )
    assert made.left_out == ("counter",) and plain.left_out == ()
    pd.testing.assert_frame_equal(made.X, plain.X)
    only = replace(table, features=pd.DataFrame({"counter": counter}), terminal=None)
    with pytest.raises(ValueError, match="all columns grow or fall with the day"):
        make_traffic(only, "1", **days)  # type: ignore[arg-type]


def test_the_risk_of_terminals_learns_when_labels_are_known(
    table: TransactionTable,
) -> None:
    days = {"train": (0, 40), "start": 75, "end": 120, "delay": 9}
    hidden = make_traffic(table, "2", **days)  # type: ignore[arg-type]
    learnt = make_traffic(table, "2", **days, risk_learns=True)  # type: ignore[arg-type]
    risk = [name for name in hidden.X if "terminal_risk" in name]
    more = (learnt.X[risk] > hidden.X[risk]).any(axis=1).to_numpy()
    assert len(risk) == 3 and more.any()
    assert (learnt.X[risk] >= hidden.X[risk]).all(axis=None)
    # not before the first label: a transaction of the type, and the delay
    assert learnt.day[more].min() >= 75 + 9
    others = hidden.X.columns.difference([*risk, LEGACY_SCORE])
    pd.testing.assert_frame_equal(hidden.X[others], learnt.X[others])


def test_what_a_table_lacks_is_said(table: TransactionTable) -> None:
    days = {"train": (0, 40), "start": 75, "end": 120, "delay": 7}
    with pytest.raises(ValueError, match="no fraud type '9'"):
        make_traffic(table, "9", **days)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs the time and the kind of fraud"):
        make_traffic(replace(table, time=None), "1", **days)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no column 'price'"):
        make_traffic(table, "1", amount="price", **days)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the table ends on day 139"):
        make_traffic(table, "1", **{**days, "end": 150})  # type: ignore[arg-type]


def test_a_whole_table_is_replayed(frame: pd.DataFrame) -> None:
    plan = replace(PLAN, train=(0, 40), start=75, end=96, cap=5)
    found = replay(table_from_frame(frame, HANDBOOK), "3", plan)
    assert found.transactions == int(frame["TX_TIME_DAYS"].between(75, 95).sum())
    money = frame["TX_AMOUNT"][
        (frame["TX_FRAUD_SCENARIO"] == 3) & frame["TX_TIME_DAYS"].between(75, 95)
    ]
    for curve in found.curves.values():
        assert curve.saved.sum() + curve.lost.sum() == pytest.approx(money.sum())
