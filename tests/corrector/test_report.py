"""The report says what was learnt and certified; the gain that it claims comes true."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from rarecorrect import ErrorCorrector
from rarecorrect.rule_evidence import cross_validated_gain

from .helpers import MODEL, certify, claimed, draw, fit, fitted, line_of, quietly

# --- what it says ---------------------------------------------------------------------


def test_the_report_says_what_was_learnt_and_certified(outbreak, corrected):
    text, report = str(corrected.report_), corrected.report_
    legacy = outbreak.model.predict(outbreak.X) == outbreak.y
    assert report.legacy_accuracy == legacy.mean()
    assert report.n_errors == np.sum(~legacy)
    assert report.n_errors + report.n_background + report.n_calibration == 1200
    for words in (
        "used as it was found, never refitted",
        f"right on {100 * legacy.mean():.2f} % of 1,200 rows",
        "rule             to 2 [active, from",
        "nominal, cross-validated",
        str(corrected.rules_.certificate()),
        "for cases like the calibration rows",
    ):
        assert words in text
    assert "guarantee" not in text


def test_the_estimated_gain_is_near_the_gain_on_new_rows(outbreak, corrected):
    record = corrected.report_
    line = next(li for li in str(record).splitlines() if "to 2" in li)
    low, high = (int(v) for v in line.split("(")[1].split(" %")[0].split("-"))
    errors = outbreak.model.predict(outbreak.X_new) != outbreak.y_new
    new = errors & (outbreak.y_new == 2)
    fires = corrected.predict(outbreak.X_new)[new] != 0
    caught = 100 * fires[outbreak.model.predict(outbreak.X_new)[new] == 0].mean()
    assert low - 8 < caught < high + 8


def test_the_report_says_what_the_certificate_takes_for_granted(outbreak):
    text = str(fitted(outbreak).report_)
    found = re.search(r"uses (\d+) % of the budget on average, (\d+) % with", text)
    assert found and int(found[1]) < int(found[2]) <= 100
    assert "rows treated as independent" in text
    groups = np.arange(1200) // 2
    grouped = str(fitted(outbreak, side={"groups": groups}).report_)
    assert "groups treated as independent" in grouped


def test_the_report_is_ready_for_json(outbreak):
    for corrector in (
        fitted(outbreak),
        fitted(outbreak, per="class"),
        quietly(lambda: fitted(outbreak, max_damage=1e-6, alert_budget="25/day")),
        quietly(lambda: ErrorCorrector(outbreak.model).fit(outbreak.X[:5], [0] * 5)),
    ):
        record = corrector.report_.to_dict()
        again = json.loads(json.dumps(record))
        assert again["n_errors"] == corrector.report_.n_errors
        assert len(again["rules"]) == len(corrector.rules_)
        assert len(again["certificates"]) == len(corrector.report_.certificates)


def test_a_corrector_and_its_book_print_on_one_screen(corrected):
    assert len(repr(corrected)) < 500
    assert len(repr(corrected.rules_)) < 5000
    assert len(corrected._repr_html_()) > 1000


def test_verbose_prints_the_report(outbreak, capsys):
    corrector = fitted(outbreak, verbose=1)
    assert capsys.readouterr().out.strip() == str(corrector.report_)
    fitted(outbreak)
    assert capsys.readouterr().out == ""


# --- the gain -------------------------------------------------------------------------


@pytest.mark.parametrize("per", [None, "class"])
@pytest.mark.parametrize("share", [0.1, 0.02])
def test_repairs_that_another_rule_takes_are_not_claimed(per, share):
    options = {"new": (2, 3), "share": share}
    corrector, told = fit(*draw(4000, 1, **options), per=per)
    assert told == []
    X, y = draw(40_000, 2, **options)
    after, wrong = corrector.predict(X), MODEL.predict(X) != y
    gains = []
    for label in (2, 3):  # drawn alike: one of the two rules wins nearly all errors
        errors = wrong & (y == label)
        gains.append(100 * np.mean(after[errors] == label))
        low, high = claimed(corrector, f"to {label}")
        assert low - 3 < gains[-1] < high + 3
    assert sum(gains) < 105
    assert max(gains) > 50


def test_the_gain_per_class_takes_the_threshold_of_every_class():
    # the new label hides among right 1s: only where the legacy label is 0 it shows
    def rows(n, seed):
        X, y = draw(n, seed, share=0.0)
        X[y == 1, 3] += 6
        is_new = np.random.default_rng(seed + 1).random(n) < 0.1
        X[is_new, 3] += 6 * (y[is_new] == 0)
        y[is_new] = 2
        return X, y

    corrector, _ = fit(*rows(6000, 3), per="class")
    X, y = rows(40_000, 5)
    gain = 100 * np.mean(corrector.predict(X)[y == 2] == 2)
    low, high = claimed(corrector, "to 2")
    assert low - 3 < gain < high + 3
    rule = corrector.rules_["to 2"]
    alike = [
        100 * cross_validated_gain(rule, corrector.rules_.threshold(label))[0]
        for label in (0, 1)
    ]
    assert max(alike) - min(alike) > high - low  # one threshold for all says little


def test_flags_are_not_called_repairs():
    corrector, _ = fit(*draw(4000, 1), action="flag")
    assert "flags 100 % of left-out errors" in line_of(corrector, "to 2")
    assert "repairs" not in str(corrector.report_)
    assert "] repairs 9" in line_of(fit(*draw(4000, 1))[0], "to 2")


def test_a_rule_that_knows_no_strata_is_not_judged_by_their_thresholds():
    elsewhere, _ = fit(*draw(4000, 1))
    corrector = fit(*draw(4000, 1), per="class")[0].with_rules(elsewhere.rules_)
    assert certify(corrector, *draw(4000, 2)) == []
    assert "gain not estimated: thresholds differ" in line_of(corrector, "to 2")


def test_the_report_says_whether_errors_can_be_told_apart():
    X, y = draw(3000, 1)
    found = {r["name"]: r for r in fit(X, y)[0].report_.to_dict()["rules"]}
    assert found["to 2"]["separability"] == "separable from these features"
    # errors drawn from right decisions: nothing to tell them by
    X, _ = draw(3000, 2, share=0.0)
    right = MODEL.predict(X)
    for n, words in (
        (40, "not separable from these features: separability_report"),
        (4, "4 errors cannot tell this gain from chance; label 16 more at least"),
    ):
        noise = np.random.default_rng(0).permutation(3000)[:n]
        y = right.copy()
        y[noise] = 2
        assert words in str(fit(X, y)[0].report_)
