"""The trace tells what predict did."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Perceptron
from sklearn.naive_bayes import GaussianNB

from rarecorrect import ErrorCorrector

from .helpers import fitted


@pytest.mark.parametrize("options", [{}, {"action": "flag"}, {"per": "class"}])
def test_the_trace_tells_what_predict_did(outbreak, options):
    corrector = fitted(outbreak, **options)
    trace = corrector.trace(outbreak.X_new)
    fires = trace["margin"] > 0
    book = corrector.rules_
    assert_array_equal(trace["before"], outbreak.model.predict(outbreak.X_new))
    assert_array_equal(trace["after"], corrector.predict(outbreak.X_new))
    assert_array_equal(trace["changed"] | trace["flagged"], fires)
    assert_array_equal(trace["changed"], trace["before"] != trace["after"])
    assert_array_equal(trace["tail_rank"].notna(), fires)
    assert trace.loc[fires, "tail_rank"].between(0, 1, inclusive="neither").all()
    named = [book[name].to for name in trace.loc[fires, "rule"]]
    assert_array_equal(trace.loc[fires, "proposed"], named)
    speaks = trace["score"] > -np.inf
    limits = (trace["score"] - trace["margin"])[speaks]
    expected = {book.threshold(s) for s in ([0, 1] if "per" in options else [None])}
    assert_allclose(sorted({round(v, 9) for v in limits}), sorted(expected))
    assert trace["certificate"].nunique() == 1
    assert trace["certificate"][0] == book.entry("damage").name


def test_the_trace_keeps_the_index_of_a_frame(outbreak, corrected):
    frame = pd.DataFrame(outbreak.X_new, index=np.arange(1200) + 5000)
    assert_array_equal(corrected.trace(frame).index, frame.index)
    listed = corrected.trace(outbreak.X_new.tolist())
    assert_array_equal(listed.index, np.arange(1200))


def test_a_budget_that_covers_every_row_a_rule_can_change(outbreak):
    model = GaussianNB().fit(outbreak.X_new, outbreak.y_new)
    legacy = model.predict(outbreak.X)
    few = np.flatnonzero((legacy != 2) | (outbreak.y != 2) | (np.arange(1200) < 60))
    corrector = ErrorCorrector(
        model, confusions=[(2, 0)], max_damage=0.3, random_state=0
    ).fit(outbreak.X[few], outbreak.y[few])
    assert corrector.rules_.threshold() == -np.inf
    trace = corrector.trace(outbreak.X_new)
    assert (trace["margin"] == trace["score"] - (-np.inf))[trace["changed"]].all()
    assert (trace.loc[trace["before"] != 2, "margin"] == -np.inf).all()
    p = corrector.predict_proba(outbreak.X_new)
    assert_array_equal(p.argmax(axis=1), corrector.predict(outbreak.X_new))


def test_labels_reasons_and_scores_from_one_pass(outbreak, monkeypatch):
    corrector = fitted(outbreak)
    X, passes = outbreak.X_new[:50], []
    trace, scores = corrector.trace(X), corrector.predict_proba(X)
    names = [f"score_{label}" for label in corrector.classes_]
    read = type(corrector.features_).read
    monkeypatch.setattr(
        type(corrector.features_),
        "read",
        lambda self, X: passes.append(len(X)) or read(self, X),
    )
    both = corrector.trace(X, scores=True)
    assert passes == [50]
    pd.testing.assert_frame_equal(both[trace.columns], trace)
    assert both.columns.tolist() == [*trace.columns, *names]
    assert_array_equal(both[names], scores)


def test_no_scores_where_the_legacy_model_has_none(outbreak):
    model = Perceptron().fit(outbreak.X_new[:200], outbreak.y_new[:200] == 1)
    corrector = ErrorCorrector(model, random_state=0)
    corrector.fit(outbreak.X_new[200:], outbreak.y_new[200:] == 1)
    with pytest.raises(AttributeError, match="predict_proba"):
        corrector.trace(outbreak.X_new, scores=True)
