"""It corrects: any detector, any labels, any confusions, relabelling or flagging."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from rarecorrect import ErrorCorrector, FisherDetector
from rarecorrect.metrics import correction_report

from .helpers import fitted


def test_it_learns_the_new_class_and_does_little_harm(outbreak, corrected):
    report = correction_report(
        outbreak.y_new,
        outbreak.model.predict(outbreak.X_new),
        corrected.predict(outbreak.X_new),
    )
    assert report.overall["gain"] > 0.5
    assert report.overall["damage"] < 0.08
    assert corrected.rules_.certificate().max_damage == 0.05


@pytest.mark.parametrize(
    "detector",
    [
        FisherDetector(n_clusters=2),
        LogisticRegression(class_weight="balanced"),
        ExtraTreesClassifier(30, max_depth=5),
        GaussianNB(),
        make_imblearn_pipeline(RandomOverSampler(), LogisticRegression()),
    ],
    ids=lambda d: type(d).__name__,
)
def test_any_classifier_is_a_detector(outbreak, detector):
    corrector = fitted(outbreak, detector=detector)
    better = corrector.score(outbreak.X_new, outbreak.y_new)
    assert better > outbreak.model.score(outbreak.X_new, outbreak.y_new) + 0.15


KINDS = {
    "int": np.array([3, 5, 4]),
    "str": np.array(["no", "yes", "a new kind"]),
    "object": np.array(["no", "yes", "a new kind"], dtype=object),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind_and_labels_unseen_before(outbreak, corrected, kind):
    names = KINDS[kind]
    model = LogisticRegression().fit(outbreak.X, np.arange(1200) % 2)
    model.coef_, model.intercept_ = outbreak.model.coef_, outbreak.model.intercept_
    model.classes_ = np.array(names[:2].tolist())
    other = ErrorCorrector(model, max_damage=0.05, random_state=0)
    found = other.fit(outbreak.X, names[outbreak.y]).predict(outbreak.X_new)
    assert_array_equal(found, names[corrected.predict(outbreak.X_new)])
    assert other.classes_.tolist() == sorted(names.tolist())
    assert set(found) <= set(other.classes_)


def test_boolean_labels(outbreak):
    y, y_new = outbreak.y != 0, outbreak.y_new != 0
    model = LogisticRegression().fit(outbreak.X_new, outbreak.y_new == 1)
    corrector = ErrorCorrector(model, max_damage=0.05, random_state=0)
    found = corrector.fit(outbreak.X, y).predict(outbreak.X_new)
    assert found.dtype == bool
    assert np.mean(found == y_new) > model.score(outbreak.X_new, y_new) + 0.2


def test_labels_may_come_in_any_container(outbreak, corrected):
    expected = corrected.predict(outbreak.X_new)
    for y in (outbreak.y.tolist(), pd.Series(outbreak.y), pl.Series(outbreak.y)):
        corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
        assert_array_equal(
            corrector.fit(outbreak.X, y).predict(outbreak.X_new), expected
        )


@pytest.mark.parametrize("pairs", [[(0, 2)], [[0, 2]], np.array([[0, 2]])])
def test_a_pair_changes_one_legacy_label_only(outbreak, pairs):
    corrector = fitted(outbreak, confusions=pairs)
    trace = corrector.trace(outbreak.X_new)
    changed = trace[trace["changed"]]
    assert [rule.name for rule in corrector.rules_] == ["0 to 2"]
    assert set(changed["before"]) == {0}
    assert set(changed["after"]) == {2}
    assert (trace.loc[trace["before"] == 1, "score"] == -np.inf).all()


@pytest.mark.parametrize("labels", [[2], np.array([2])])
def test_a_list_of_labels_learns_these_only(outbreak, labels):
    corrector = fitted(outbreak, confusions=labels)
    assert [rule.to for rule in corrector.rules_] == [2]
    assert set(corrector.trace(outbreak.X_new).query("changed")["after"]) == {2}
    json.dumps(corrector.report_.to_dict())


def test_flagging_keeps_the_legacy_answer_and_marks_the_row(outbreak):
    corrector = fitted(outbreak, action="flag")
    legacy = outbreak.model
    trace = corrector.trace(outbreak.X_new)
    assert_array_equal(
        corrector.predict(outbreak.X_new), legacy.predict(outbreak.X_new)
    )
    assert_allclose(
        corrector.predict_proba(outbreak.X_new)[:, :2],
        legacy.predict_proba(outbreak.X_new),
    )
    assert not trace["changed"].any()
    right = outbreak.y_new == trace["before"]
    assert trace.loc[~right, "flagged"].mean() > 0.5
    assert trace.loc[right, "flagged"].mean() < 0.08  # flagging is damage too
