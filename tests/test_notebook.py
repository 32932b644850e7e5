"""A fitted corrector in a notebook: scikit-learn's diagram, rules and certificate."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.off_switch import SWITCHED_OFF, VARIABLE

HOSTILE = "<script>alert(1)</script>"

if not hasattr(BaseEstimator, "_html_repr"):  # ours stands below its diagram
    pytest.skip("scikit-learn 1.6 shows its diagram alone", allow_module_level=True)


def test_rules_and_promise_stand_below_the_diagram(outbreak):
    made = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
    before = made._repr_html_()
    assert "sk-top-container" in before and "rarecorrect-book" not in before
    made.fit(outbreak.X, outbreak.y)
    shown = made._repr_mimebundle_()["text/html"]
    assert "sk-top-container" in shown
    assert "changes at most 10 % (1 in 10)" in shown
    for rule in made.rules_:
        assert f"<td>{rule.name}</td><td>active</td><td>{rule.n_errors}</td>" in shown
    off = made.with_rules(made.rules_.disable_all())._repr_html_()
    assert "Not certified, the legacy answer is kept: no rule is active" in off


def test_what_is_switched_off_is_said_first(outbreak, monkeypatch):
    made = outbreak.fitted()
    monkeypatch.setenv(VARIABLE, "1")
    shown = made._repr_html_()
    assert SWITCHED_OFF in shown and "at most 10 %" not in shown
    assert "<td>-</td>" in shown and "<td>0 %</td>" not in shown  # gain: not known
    told = str(made.report_)
    assert told.startswith(f"SWITCHED OFF     {SWITCHED_OFF}")
    assert "gain not estimated: switched off" in told
    assert "repairs 0 %" not in told and "separable" not in told


def test_it_is_off_where_scikit_learn_shows_text(outbreak):
    made = ErrorCorrector(outbreak.model)
    with sklearn.config_context(display="text"):
        assert not hasattr(made, "_repr_html_")


def test_labels_that_attack_are_escaped(outbreak):
    names = np.array(["no", "yes", HOSTILE])
    model = LogisticRegression().fit(outbreak.X, names[outbreak.y % 2])
    made = ErrorCorrector(model, max_damage=0.1, random_state=0)
    made.fit(outbreak.X, names[outbreak.y])
    shown = made._repr_html_().partition('class="rarecorrect-book"')[2]
    assert "to &lt;script&gt;" in shown and "<script>" not in shown
