"""Rules read aloud: the sentence says exactly what the rule does."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import IntervalDetector
from rarecorrect.readable import sentences


@pytest.fixture(scope="module")
def payments():
    """A model that knows one fraud and misses another, both simple to say."""
    rng = np.random.default_rng(0)
    n = 12_000
    X = pd.DataFrame({"amount": rng.exponential(50, n), "hour": rng.uniform(0, 24, n)})
    y = np.where((X.amount > 60) & (X.hour > 20), "night", "ok")
    model = LogisticRegression(max_iter=1000).fit(X[:4000], y[:4000])
    return model, X, np.where(X.amount > 350, "large", y)


class Describing(LogisticRegression):
    """A detector of somebody else, with a method of the same name."""

    def describe(self):
        return "nothing that a rule could use"


def boxed(payments, **options):
    model, X, y = payments
    options = {
        "features": "input",
        "detector": IntervalDetector(random_state=0),
        "confusions": ["large"],
        "random_state": 0,
        **options,
    }
    return ErrorCorrector(model, **options).fit(X[4000:9000], y[4000:9000])


def where_true(text, X):
    """Rows on which the condition of a sentence holds."""
    condition = re.search(r"IF (.*) THEN", text)[1]
    rows = np.ones(len(X), dtype=bool)
    for part in condition.split(" and "):
        name, sign, bound = part.split(" ")
        values = X[name].to_numpy()
        rows &= values > float(bound) if sign == ">" else values < float(bound)
    return rows


@pytest.mark.parametrize("action", ["relabel", "flag"])
def test_the_sentence_holds_on_the_rows_that_the_rule_changes(payments, action):
    corrector = boxed(payments, action=action)
    _, X, _ = payments
    [rule] = corrector.rules_
    [text] = sentences(rule, corrector.rules_, list(X.columns))
    trace = corrector.trace(X[9000:])
    fired = trace["changed" if action == "relabel" else "flagged"].to_numpy()
    said = where_true(text, X[9000:])
    # the bound is rounded, so that the sentence never says more than the certificate
    assert fired.sum() > 3 and (fired & ~said).sum() <= 1
    assert not (said & ~fired).any()
    assert f"learned from {rule.n_errors} cases; changes at most 1 %" in text
    assert ("flag as large" in text) == (action == "flag")


def test_the_report_reads_the_rule_aloud(payments):
    report = boxed(payments).report_
    assert re.search(r"IF amount > [\d.]+ THEN large \[learned from", str(report))
    assert report.to_dict()["rules"][0]["text"][0].startswith("IF amount >")


def test_every_class_has_a_sentence_where_thresholds_differ(payments):
    corrector = boxed(payments, per="class", max_damage=0.05)
    [rule] = corrector.rules_
    texts = sentences(rule, corrector.rules_, ["amount", "hour"], per="class")
    assert [text.split(" and ")[0] for text in texts] == [
        "IF legacy answer is night",
        "IF legacy answer is ok",
    ]
    assert "with 'night'" in texts[0] and "with 'ok'" in texts[1]
    both = boxed(payments, per="class", max_damage=0.05, confusions=["night", "large"])
    said = [s for s in str(both.report_).splitlines() if "THEN night" in s]
    assert said and not any("answer is night" in text for text in said)


def test_every_segment_has_a_sentence():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"amount": rng.exponential(50, 9000)})
    y = np.where(X.amount > 300, "large", np.where(X.amount > 120, "odd", "ok"))
    model = LogisticRegression(max_iter=1000).fit(
        X, np.where(X.amount > 120, "odd", "ok")
    )
    shop = np.where(np.arange(9000) % 2, "web", "till")
    corrector = ErrorCorrector(
        model,
        features="input",
        detector=IntervalDetector(random_state=0),
        confusions=["large"],
        per="segment",
        max_damage=0.05,
        random_state=0,
    ).fit(X, y, segment=shop)
    report = str(corrector.report_)
    assert "IF segment is till and amount >" in report
    assert "IF segment is web and amount >" in report


def test_all_budgets_are_named_and_whose_promise_it_is(payments):
    options = {"alert_budget": 0.05, "confusions": ["large", "night"]}
    corrector = boxed(payments, **options)
    [text] = sentences(
        corrector.rules_["to large"], corrector.rules_, ["amount", "hour"]
    )
    assert "; all rules together: changes at most 1 % of right decisions" in text
    assert "changes at most 5 % of traffic" in text


def test_bounds_far_from_zero_are_said_in_full():
    rng = np.random.default_rng(0)
    rows = (1.7e9 + rng.uniform(0, 3e5, 4000))[:, None]
    is_error = rows[:, 0] > 1.7e9 + 2.95e5
    detector = IntervalDetector(random_state=0).fit(rows, is_error)
    for threshold in (-1.0, 0.0, 0.5):
        name, sign, bound = detector.describe(threshold, ["when"]).split(" ")
        assert (name, sign) == ("when", ">")
        fired = detector.decision_function(rows) > threshold
        said = rows[:, 0] > float(bound)
        assert not (said & ~fired).any()
        assert (fired & ~said).sum() <= 1
        assert fired.sum() > 10


def test_a_pair_names_the_legacy_answer(payments):
    corrector = boxed(payments, confusions=[("ok", "large")])
    [rule] = corrector.rules_
    [text] = sentences(rule, corrector.rules_, ["amount", "hour"])
    assert text.startswith("IF legacy answer is ok and amount >")


def test_what_cannot_be_read_or_is_off_has_no_sentence(payments):
    fisher = boxed(payments, detector=None)
    [rule] = fisher.rules_
    assert sentences(rule, fisher.rules_, ["amount", "hour"]) == []
    box = boxed(payments)
    off = box.rules_.disable_all()
    other = boxed(payments, detector=Describing())
    assert "IF" not in str(other.report_)
    assert sentences(off.rules[0], off, ["amount", "hour"]) == []
