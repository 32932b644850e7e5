"""Bad parameters are quoted with the way out; a bad detector refuses its rule only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from rarecorrect import (
    ErrorCorrector,
    FisherDetector,
    NotCertifiedWarning,
    RuleRefusedWarning,
)

from .helpers import corrector_of, fit_with_warnings, keeps_the_legacy_answer

# --- detectors ------------------------------------------------------------------------


class Failing(ClassifierMixin, BaseEstimator):
    """A detector that goes wrong in a way of its own."""

    def __init__(self, how):
        self.how = how

    def fit(self, rows, y):
        if self.how == "fold" and len(rows) < 650:
            raise RuntimeError("not enough rows for me")
        if self.how == "always":
            raise MemoryError("too many rows for me")
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, rows):
        value = {"nan": np.nan, "infinite": np.inf}.get(self.how, 0.0)
        return np.full(len(rows), value)


class Scoreless(ClassifierMixin, BaseEstimator):
    def fit(self, rows, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, rows):
        return np.zeros(len(rows))


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (Failing("always"), "Failing failed: MemoryError: too many rows for me"),
        (Failing("fold"), "Failing failed: RuntimeError: not enough rows for me"),
        (Failing("nan"), "NaN scores"),
        (Failing("infinite"), "not finite"),
        (Scoreless(), "neither decision_function nor predict_proba"),
        (LinearRegression(), "neither decision_function nor predict_proba"),
    ],
)
def test_a_detector_that_fails_refuses_its_rule_only(outbreak, detector, message):
    corrector = corrector_of(outbreak, detector=detector)
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert message in found[RuleRefusedWarning]
    assert "no rule could be learnt" in found[NotCertifiedWarning]
    assert len(corrector.report_.refused) == 3
    assert keeps_the_legacy_answer(corrector, outbreak)


class FailsForOne(FisherDetector):
    def fit(self, X, y, sample_weight=None):
        if np.sum(y) < 50:
            raise RuntimeError("too few errors for me")
        return super().fit(X, y, sample_weight)


def test_the_other_rules_go_on(outbreak):
    corrector = corrector_of(outbreak, detector=FailsForOne())
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert list(found) == [RuleRefusedWarning]
    assert corrector.rules_.certified
    assert 2 in corrector.predict(outbreak.X_new)


def test_weights_for_a_detector_that_takes_none(outbreak):
    with pytest.raises(ValueError, match=r"KNeighborsClassifier.fit does not take it"):
        corrector_of(outbreak, detector=KNeighborsClassifier()).fit(
            outbreak.X, outbreak.y, sample_weight=np.ones(1200)
        )


# --- parameters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_damage": 0}, r"max_damage must lie in \(0, 1\), got 0"),
        ({"max_damage": 1.5}, r"max_damage must lie in \(0, 1\), got 1.5"),
        ({"max_damage": "low"}, "max_damage.*got 'low'"),
        ({"max_damage": None}, "max_damage and alert_budget are both None"),
        ({"confidence_level": 95}, "confidence_level.*got 95"),
        ({"time_margin": -0.1}, "time_margin must be 0 or more, got -0.1"),
        ({"legacy_accuracy": 97}, "legacy_accuracy.*got 97"),
        ({"alert_budget": 25}, "'25/day', got 25"),
        ({"alert_budget": "25/week"}, "got '25/week'"),
        ({"alert_budget": "many/day"}, "got 'many/day'"),
        ({"alert_budget": True}, "got True"),
        ({"action": "delete"}, "'relabel' or 'flag', got 'delete'"),
        ({"per": "customer"}, "per must be one of.*got 'customer'"),
        (
            {"detector": "best"},
            "detector must be None, 'auto' or a classifier, got 'best'",
        ),
        ({"detector": FisherDetector}, "a classifier such as"),
        ({"time_margin": "x"}, "time_margin must be 0 or more, got 'x'"),
        ({"time_margin": None}, "time_margin must be 0 or more, got None"),
        ({"alert_budget": [1]}, r"alert_budget must be None, a share.*got \[1\]"),
        ({"ledger": "no"}, "ledger must be True or False, got 'no'"),
        ({"keep_errors": 1}, "keep_errors must be True or False, got 1"),
        ({"reservoir": -1}, "reservoir must be a number of rows, 0 or more, got -1"),
        ({"reservoir": True}, "reservoir must be a number of rows"),
        ({"shuffle": 0.5}, "shuffle must be True or False, got 0.5"),
        ({"detector": 3}, "a classifier such as .*got 3"),
        ({"features": "inputs"}, "got 'inputs'"),
        ({"features": "leaves"}, "'leaves': LogisticRegression has no read_layers"),
        ({"confusions": "some"}, "confusions must be 'all'.*got 'some'"),
        ({"confusions": 2}, "confusions must be 'all'.*got 2"),
        ({"confusions": [(0, 1, 2)]}, r"got \(0, 1, 2\)"),
        ({"confusions": []}, r"confusions must be 'all', or a list.*got \[\]"),
        ({"confusions": [2, 2]}, r"got 2 more than once in \[2, 2\]"),
        ({"confusions": np.array([2, 2])}, "got .*2.* more than once"),
        ({"confusions": [2, (0, 2), [0, 2]]}, r"got \(0, 2\) more than once"),
        ({"calibration_fraction": 1.0}, "calibration_fraction.*got 1.0"),
        ({"calibration_fraction": "half"}, "calibration_fraction.*got 'half'"),
        ({"validation_fraction": "auto"}, "validation_fraction.*got 'auto'"),
        ({"validation_fraction": 0}, "validation_fraction.*got 0"),
        ({"random_state": "seed"}, "'seed' cannot be used to seed"),
    ],
)
def test_parameters_are_quoted_with_the_way_out(outbreak, options, message):
    with pytest.raises(ValueError, match=message):
        corrector_of(outbreak, **options).fit(outbreak.X, outbreak.y)


@pytest.mark.parametrize("estimator", [None, "model", LinearRegression()])
def test_an_estimator_that_is_no_classifier(outbreak, estimator):
    if estimator is not None and not isinstance(estimator, str):
        estimator.fit(outbreak.X, outbreak.y)
    with pytest.raises(
        ValueError, match=r"estimator must be a classifier.*ColumnModel"
    ):
        ErrorCorrector(estimator).fit(outbreak.X, outbreak.y)


def test_a_class_instead_of_an_estimator(outbreak):
    with pytest.raises(TypeError, match=r"got estimator class instead"):
        ErrorCorrector(LogisticRegression).fit(outbreak.X, outbreak.y)


def test_a_confusion_that_never_occurs_is_refused_by_name(outbreak):
    corrector = corrector_of(outbreak, confusions=["typo", (2, 0), 2])
    found = fit_with_warnings(corrector, outbreak.X, outbreak.y)
    assert list(found) == [RuleRefusedWarning]
    refused = {r.name: r.reason for r in corrector.report_.refused}
    assert refused == dict.fromkeys(("to typo", "2 to 0"), "no error of this kind")
    assert [rule.to for rule in corrector.rules_] == [2]


@pytest.mark.parametrize("method", ["predict", "trace", "certify", "score"])
def test_before_fit_there_is_nothing_to_ask(outbreak, method):
    arguments = [outbreak.X, outbreak.y] if method == "score" else [outbreak.X]
    with pytest.raises(NotFittedError):
        getattr(corrector_of(outbreak), method)(*arguments)
