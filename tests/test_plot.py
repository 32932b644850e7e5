"""Displays: the numbers are those of the metrics, and what is drawn are the numbers."""

from __future__ import annotations

import builtins
import sys
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt

from rarecorrect import ErrorCorrector
from rarecorrect.metrics import clopper_pearson, correction_report
from rarecorrect.off_switch import VARIABLE
from rarecorrect.plot import (
    AlertBudgetDisplay,
    DamageDisplay,
    GainRetentionDisplay,
    SeparabilityDisplay,
)
from rarecorrect.promise import promised_damage

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def corrector(outbreak):
    return outbreak.fitted()


@pytest.fixture(scope="module")
def seen(corrector, outbreak):
    trace = corrector.trace(outbreak.X_new)
    return correction_report(outbreak.y_new, trace["before"], trace["after"]).overall


def test_the_point_in_force_is_what_was_realised(corrector, outbreak, seen):
    shown = GainRetentionDisplay.from_estimator(
        corrector, outbreak.X_new, outbreak.y_new, name="Fisher"
    )
    assert shown.in_force == pytest.approx((seen["retention"], seen["gain"]))
    assert shown.promised == pytest.approx(0.9)
    np.testing.assert_array_equal(shown.line_.get_ydata(), shown.gain)
    assert shown.line_.get_label() == "Fisher"
    assert shown.figure_ is shown.ax_.figure
    low, high = shown.ax_.get_xlim()
    assert low < shown.promised < high == 1


def test_the_curve_of_segments_passes_through_its_point(outbreak):
    half = np.arange(1200) % 2
    made = ErrorCorrector(
        outbreak.model, max_damage={0: 0.1, 1: 0.3}, per="segment", random_state=0
    ).fit(outbreak.X, outbreak.y, segment=half)
    trace = made.trace(outbreak.X_new, segment=half)
    seen = correction_report(outbreak.y_new, trace["before"], trace["after"]).overall
    asked = (made, outbreak.X_new, outbreak.y_new)
    shown = GainRetentionDisplay.from_estimator(*asked, segment=half)
    assert shown.in_force == pytest.approx((seen["retention"], seen["gain"]))
    by = DamageDisplay.from_estimator(*asked, by="segment", segment=half)
    assert by.names == ["all", "0", "1"]
    np.testing.assert_allclose(by.promised, [0.3, 0.1, 0.3])
    by_class = DamageDisplay.from_estimator(*asked, segment=half)
    assert np.isnan(by_class.promised[1:]).all()  # 0 and 1 are labels here as well


def test_it_draws_where_it_is_told(corrector, outbreak):
    _, axes = plt.subplots(1, 2)
    shown = GainRetentionDisplay.from_estimator(
        corrector, outbreak.X_new, outbreak.y_new, ax=axes[1], color="black"
    )
    assert shown.ax_ is axes[1] and shown.line_.get_color() == "black"
    assert shown.plot(axes[0]) is shown and shown.ax_ is axes[0]


def test_damage_counts_right_decisions(corrector, outbreak, seen):
    days = np.arange(1200) // 400
    shown = DamageDisplay.from_estimator(
        corrector, outbreak.X_new, outbreak.y_new, by=days
    )
    assert shown.names == ["all", "0", "1", "2"]
    assert shown.n_broken[0] == shown.n_broken[1:].sum() == seen["broken"]
    assert shown.n_right[0] == shown.n_right[1:].sum() == seen["right_before"]
    assert shown.realised[0] == pytest.approx(seen["damage"])
    ends = clopper_pearson(int(shown.n_broken[2]), int(shown.n_right[2]))
    assert (shown.low[2], shown.high[2]) == pytest.approx(ends)
    np.testing.assert_allclose(shown.promised, 0.1)
    drawn = shown.container_.lines[0].get_xdata()
    np.testing.assert_allclose(drawn, shown.realised)


def test_a_promise_of_the_whole_is_none_of_a_class(corrector, outbreak):
    shown = DamageDisplay.from_estimator(corrector, outbreak.X_new, outbreak.y_new)
    assert shown.promised[0] == 0.1 and np.isnan(shown.promised[1:]).all()
    assert np.isnan(shown.realised[shown.names.index("2")])  # never right before


def test_a_broken_promise_is_told_only_if_it_is_sure():
    ok, after = ["ok"] * 100, ["bad"] * 9 + ["ok"] * 91
    few = DamageDisplay.from_predictions(ok, ok, after, promised=0.06)
    many = DamageDisplay.from_predictions(ok * 10, ok * 10, after * 10, promised=0.06)
    assert not few.exceeded.any() and many.exceeded.all()


def test_flagged_right_decisions_are_damage():
    shown = DamageDisplay.from_predictions(
        *(["a", "b"], ["a", "b"], ["a", "b"]), flagged=[True, False]
    )
    assert shown.n_broken.tolist() == [1, 1, 0]


def test_labels_that_stay_are_flagged_on_the_axes(corrector, outbreak):
    made = ErrorCorrector(
        outbreak.model, max_damage=0.1, action="flag", random_state=0
    ).fit(outbreak.X, outbreak.y)
    for fitted, deed in ((corrector, "changed"), (made, "flagged")):
        rows = fitted, outbreak.X_new, outbreak.y_new
        damage = DamageDisplay.from_estimator(*rows)
        assert damage.ax_.get_xlabel() == f"right decisions {deed}"
        for shown in (SeparabilityDisplay.from_estimator(*r) for r in (rows, rows[:1])):
            words = [text.get_text() for text in shown.ax_.get_legend().get_texts()]
            assert f"{deed} above" in words
    labels = ["ok"] * 9
    for after, flags, deed in (
        (labels, [True] + 8 * [False], "flagged"),
        (["bad", *labels[1:]], 8 * [False] + [True], "changed or flagged"),
        (labels, None, "changed"),
    ):
        shown = DamageDisplay.from_predictions(labels, labels, after, flagged=flags)
        assert shown.ax_.get_xlabel() == f"right decisions {deed}"


def test_a_word_that_divides_nothing_is_refused(corrector, outbreak):
    with pytest.raises(ValueError, match="got 'week'"):
        DamageDisplay.from_estimator(
            corrector, outbreak.X_new, outbreak.y_new, by="week"
        )
    with pytest.raises(ValueError, match="got 'segment'"):
        DamageDisplay.from_estimator(
            corrector, outbreak.X_new, outbreak.y_new, by="segment"
        )


def test_alerts_are_counted_by_day(corrector, outbreak):
    days = np.arange(1200) // 100 + 0.5
    capped = ErrorCorrector(
        outbreak.model, max_damage=0.1, alert_budget="25/day", random_state=0
    )
    with pytest.warns(match="alert budget is not certified"):
        capped.fit(outbreak.X, outbreak.y, time=np.arange(1200.0) // 100)
    shown = AlertBudgetDisplay.from_estimator(corrector, outbreak.X_new, time=days)
    changed = corrector.trace(outbreak.X_new)["changed"].to_numpy()
    by_day = changed.reshape(12, 100).sum(axis=1)
    np.testing.assert_array_equal(shown.alerts, by_day)
    assert shown.cap is None and shown.days_above == 0
    heights = [bar.get_height() for bar in shown.bars_]
    np.testing.assert_array_equal(heights, shown.alerts)
    off = AlertBudgetDisplay.from_estimator(capped, outbreak.X_new, time=days)
    assert off.cap == 25 and off.alerts.sum() == 0


def test_dates_are_days():
    time = np.array(["2026-01-31T23:00", "2026-02-01T01:00"], dtype="datetime64[m]")
    shown = AlertBudgetDisplay.from_predictions([True, True], time, cap=0)
    assert shown.days.astype(str).tolist() == ["2026-01-31", "2026-02-01"]
    assert shown.days_above == 2


def test_shares_above_the_cut_are_gain_and_damage(corrector, outbreak, seen):
    shown = SeparabilityDisplay.from_estimator(
        corrector, outbreak.X_new, outbreak.y_new
    )
    damage, caught = shown.shares_above
    assert damage == pytest.approx(seen["damage"])
    assert caught == pytest.approx(seen["caught"])
    scores, right, errors = shown.curves()
    at = np.searchsorted(scores, shown.threshold)
    assert right[at] - 1e-9 <= damage <= right[at - 1] + 1e-9
    assert errors[at] - 1e-9 <= caught <= errors[at - 1] + 1e-9
    assert shown.verdict in shown.ax_.get_title() and shown.verdict


def test_a_corrector_alone_shows_errors_left_out(corrector):
    shown = SeparabilityDisplay.from_estimator(corrector)
    rule = corrector.rules_.rules[-1]
    assert shown.errors.size == sum(r.left_out.size for r in corrector.rules_)
    assert set(rule.left_out) <= set(shown.errors)
    assert shown.right.size == corrector.rules_.certificate().n_calibration
    with pytest.raises(ValueError, match="y is None"):
        SeparabilityDisplay.from_estimator(corrector, np.zeros((2, 4)))


@pytest.mark.parametrize("right", [[], [-np.inf], [1.0, 2.0]])
@pytest.mark.parametrize("errors", [[], [-np.inf], [5.0]])
@pytest.mark.parametrize("threshold", [np.nan, 3.0, np.inf])
def test_scores_that_no_rule_gave_are_drawn_at_the_floor(right, errors, threshold):
    wrong = [False] * len(right) + [True] * len(errors)
    shown = SeparabilityDisplay.from_predictions(
        np.array([*right, *errors]), wrong, threshold=threshold
    )
    scores, *shares = shown.curves()
    assert np.isfinite(scores).all() and (np.diff(scores) > 0).all()
    for values, share in zip((right, errors), shares, strict=True):
        none = not values
        assert np.isnan(share).all() if none else ((share >= 0) & (share <= 1)).all()
    assert np.isnan(shown.shares_above).all() == (np.isnan(threshold) or not wrong)


def test_what_is_off_promises_nothing(corrector, outbreak):
    off = corrector.with_rules(corrector.rules_.disable_all())
    assert np.isnan(promised_damage(off.report_))
    shown = GainRetentionDisplay.from_estimator(off, outbreak.X_new, outbreak.y_new)
    assert shown.in_force == (1.0, 0.0)


def test_what_is_switched_off_promises_nothing(corrector, outbreak, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    asked = (corrector, outbreak.X_new, outbreak.y_new)
    assert np.isnan(DamageDisplay.from_estimator(*asked).promised).all()
    assert np.isnan(GainRetentionDisplay.from_estimator(*asked).promised)
    assert SeparabilityDisplay.from_estimator(corrector).verdict == ""


def test_a_dollar_in_a_name_is_no_formula(corrector):
    name = r"$\frac{1"
    rules = tuple(
        replace(rule, name=f"{name}{i}$") for i, rule in enumerate(corrector.rules_)
    )
    renamed = corrector.with_rules(replace(corrector.rules_, rules=rules))
    shown = SeparabilityDisplay.from_estimator(renamed)
    assert name in shown.ax_.get_title()
    shown.figure_.canvas.draw()
    labels = [f"{name}$", "other"]
    by_class = DamageDisplay.from_predictions(labels, labels, labels)
    by_class.figure_.canvas.draw()
    ticks = [text.get_text() for text in by_class.ax_.get_yticklabels()]
    assert ticks == ["all", *sorted(labels)]


def test_matplotlib_is_asked_for_when_drawing_only(monkeypatch):
    shown = AlertBudgetDisplay.counted([True], [0])
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    for name in [n for n in sys.modules if n.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"rarecorrect\[report\]"):
        shown.plot()
