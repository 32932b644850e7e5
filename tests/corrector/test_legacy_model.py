"""The legacy model stays what it is; one that is not fitted yet is fitted on a part."""

from __future__ import annotations

import io
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from rarecorrect import ErrorCorrector

from .helpers import fitted

# --- it stays what it is --------------------------------------------------------------


class Spy(ClassifierMixin, BaseEstimator):
    """A fitted classifier that counts its calls and cannot be fitted again."""

    def __init__(self, model):
        self.model = model
        self.classes_ = model.classes_
        self.calls = []

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, rows, y):
        raise AssertionError("the legacy model was fitted again")

    def predict(self, rows):
        self.calls.append("predict")
        return self.model.predict(rows)

    def predict_proba(self, rows):
        self.calls.append("predict_proba")
        return self.model.predict_proba(rows)


class Threshold(Spy):
    """One whose decisions are not the largest of its scores."""

    def predict(self, rows):
        self.calls.append("predict")
        return (self.model.predict_proba(rows)[:, 1] > 0.9).astype(int)


@pytest.mark.parametrize("wrap", [lambda m: m, FrozenEstimator])
def test_the_legacy_model_is_the_same_object_everywhere(outbreak, wrap):
    legacy = wrap(outbreak.model)
    before = pickle.dumps(outbreak.model)
    corrector = ErrorCorrector(legacy, max_damage=0.05, random_state=0)
    assert corrector.fit(outbreak.X, outbreak.y).estimator_ is legacy
    assert clone(corrector).estimator is legacy
    assert clone(clone(corrector)).fit(outbreak.X, outbreak.y).estimator_ is legacy
    search = GridSearchCV(corrector, {"max_damage": [0.05, 0.1]}, cv=2)
    search.fit(outbreak.X, outbreak.y)
    assert search.best_estimator_.estimator_ is legacy
    assert pickle.dumps(outbreak.model) == before


def test_cross_validation_never_fits_the_legacy_model_again(outbreak):
    spy = Spy(outbreak.model)
    corrector = ErrorCorrector(spy, max_damage=0.05, random_state=0)
    found = cross_validate(
        corrector, outbreak.X, outbreak.y, cv=3, return_estimator=True
    )
    assert all(one.estimator_ is spy for one in found["estimator"])
    assert (
        found["test_score"].min() > outbreak.model.score(outbreak.X, outbreak.y) + 0.1
    )


def test_workers_get_the_legacy_model_as_it_is(outbreak):
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    here = cross_val_score(corrector, outbreak.X, outbreak.y, cv=2)
    with joblib.parallel_backend("loky", n_jobs=2):
        there = cross_val_score(corrector, outbreak.X, outbreak.y, cv=2)
    assert_array_equal(here, there)


def joblib_round_trip(thing):
    file = io.BytesIO()
    joblib.dump(thing, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "trip", [lambda c: pickle.loads(pickle.dumps(c)), joblib_round_trip]
)
def test_a_corrector_survives_storage(outbreak, corrected, trip):
    again = trip(corrected)
    found = again.predict_proba(outbreak.X_new)
    assert found.tobytes() == corrected.predict_proba(outbreak.X_new).tobytes()
    for one in (again, corrected):
        assert [event.what for event in one.rules_.history] == ["fit"]


def test_predict_asks_the_legacy_model_once(outbreak):
    spy = Spy(outbreak.model)
    corrector = fitted(outbreak, model=spy)
    for method in ("predict", "predict_proba", "decision_function", "trace"):
        spy.calls.clear()
        getattr(corrector, method)(outbreak.X_new)
        assert spy.calls == ["predict_proba"]
    assert corrector.report_.one_pass


def test_it_asks_for_labels_only_where_scores_do_not_tell_them(outbreak):
    spy = Threshold(outbreak.model)
    corrector = fitted(outbreak, model=spy)
    spy.calls.clear()
    corrector.predict(outbreak.X_new)
    assert sorted(spy.calls) == ["predict", "predict_proba"]
    assert "called twice" in str(corrector.report_)
    before = corrector.trace(outbreak.X_new)["before"]
    assert_array_equal(before, spy.predict(outbreak.X_new))


def test_parameters_of_a_model_in_service_are_not_set(outbreak):
    corrector = ErrorCorrector(outbreak.model)
    with pytest.raises(ValueError, match="estimator__C: the legacy model is fitted"):
        corrector.set_params(estimator__C=7.0)
    free = ErrorCorrector(LogisticRegression()).set_params(estimator__C=7.0)
    assert free.estimator.C == 7.0
    with pytest.raises(ValueError, match="is fitted and never changed"):
        free.set_params(estimator=outbreak.model, estimator__C=3.0)
    assert outbreak.model.C != 3.0
    assert corrector.set_params(max_damage=0.2, detector=None).max_damage == 0.2


# --- an unfitted legacy model ---------------------------------------------------------


class Learner(LogisticRegression):
    """Keeps the rows that it was fitted on."""

    def fit(self, rows, y, sample_weight=None):
        self.rows_ = rows
        return super().fit(rows, y, sample_weight)


def test_an_unfitted_model_is_fitted_on_a_part_and_all_else_calibrates(outbreak):
    own = Learner()
    corrector = ErrorCorrector(own, max_damage=0.05, random_state=0)
    corrector.fit(outbreak.X, outbreak.y)
    model, report = corrector.estimator_, corrector.report_
    assert not hasattr(own, "coef_")
    assert len(model.rows_) == pytest.approx(0.7 * 1200, abs=3)
    taught = set(map(tuple, model.rows_))
    unseen = np.array([tuple(row) not in taught for row in outbreak.X])
    right = model.predict(outbreak.X) == outbreak.y
    assert report.n_calibration == np.sum(right & unseen)
    assert report.n_background == np.sum(right & ~unseen)
    assert "fitted on 84" in str(report)


def test_clone_of_a_fitted_corrector_forgets_what_it_fitted_itself(outbreak):
    corrector = ErrorCorrector(LogisticRegression(), max_damage=0.05, random_state=0)
    corrector.fit(outbreak.X, outbreak.y)
    fresh = clone(corrector)
    assert not hasattr(fresh, "estimator_")
    assert not hasattr(fresh.estimator, "coef_")
