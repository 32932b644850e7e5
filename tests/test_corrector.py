"""ErrorCorrector: a hot-fix that leaves the legacy model as it was found."""

from __future__ import annotations

import io
import json
import pickle
import re
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import get_tags

from rarecorrect import (
    ColumnModel,
    ErrorCorrector,
    FisherDetector,
    NotCertifiedWarning,
    RuleRefusedWarning,
)
from rarecorrect.certify import rows_needed, sidak_level
from rarecorrect.metrics import correction_report, correction_scorer

NAMES = ["amount", "age", "n_days", "risk"]


def fitted(data, *, model=None, side=None, **options):
    """A corrector with a budget that certifies on few rows."""
    options = {"max_damage": 0.05, "random_state": 0, **options}
    corrector = ErrorCorrector(model or data.model, **options)
    return corrector.fit(data.X, data.y, **(side or {}))


@pytest.fixture(scope="module")
def corrected(outbreak):
    return fitted(outbreak)


def quietly(call):
    """What a call returns that may certify nothing, and says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        return call()


class Remembering(TransformerMixin, BaseEstimator):
    """A transformer that keeps the rows it was fitted on."""

    def fit(self, rows, y=None):
        self.seen_ = np.asarray(rows)[:, 0].copy()
        return self

    def transform(self, rows):
        return np.asarray(rows)[:, 1:]


def seen_in_fit(data, side, **options):
    """Which rows the features, and so the detectors, were learnt from."""
    number = np.arange(len(data.y), dtype=float)
    X = np.column_stack([number, data.X])
    first = make_pipeline(
        FunctionTransformer(_without_first), FrozenEstimator(data.model)
    )
    options = {"features": Remembering(), "max_damage": 0.05, **options}
    corrector = ErrorCorrector(first, random_state=0, **options).fit(X, data.y, **side)
    seen = corrector.features_._transformers[0].seen_.astype(int)
    return corrector, np.isin(number, seen)


def _without_first(rows):
    return np.asarray(rows)[:, 1:]


# --- it corrects ----------------------------------------------------------------------


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


# --- the legacy model stays what it is ------------------------------------------------


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
    assert again.rules_.history == corrected.rules_.history == ["fit"]


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


# --- what certifies -------------------------------------------------------------------


def test_no_calibration_row_teaches(outbreak):
    corrector, seen = seen_in_fit(outbreak, {})
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert seen[~right].all()
    assert np.sum(~seen) == corrector.report_.n_calibration
    assert corrector.rules_.certificate().n_calibration == np.sum(~seen)


def test_a_calibration_mask_says_who_calibrates(outbreak):
    mask = np.arange(1200) % 2 == 0
    corrector, seen = seen_in_fit(outbreak, {"calibration_mask": mask})
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert_array_equal(~seen, right & mask)
    assert corrector.rules_.certificate().n_calibration == np.sum(right & mask)


@pytest.mark.parametrize("kind", [int, str, object])
@pytest.mark.parametrize("masked", [False, True])
def test_groups_never_both_teach_and_calibrate(outbreak, kind, masked):
    groups = np.random.default_rng(0).integers(0, 700, size=1200).astype(kind)
    side, in_mask = {"groups": groups}, np.ones(1200, dtype=bool)
    if masked:
        side["calibration_mask"] = in_mask = np.arange(1200) % 2 == 0
    corrector, seen = seen_in_fit(outbreak, side, max_damage=0.1)
    certificate, report = corrector.rules_.certificate(), corrector.report_
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    assert not set(groups[~seen]) & set(groups[seen])
    assert report.n_errors == np.sum(wrong & seen) > 0
    assert report.n_apart == np.sum(wrong & ~seen) > 0
    assert certificate.unit == "groups"
    assert certificate.n_calibration == len(set(groups[~seen & ~wrong & in_mask]))


def test_a_group_of_which_the_fitted_part_was_learnt_does_not_calibrate(outbreak):
    groups = np.arange(1200) // 2 % 300  # every group comes early and late
    corrector = ErrorCorrector(
        LogisticRegression(), shuffle=False, validation_fraction=0.5, random_state=0
    )
    quietly(lambda: corrector.fit(outbreak.X, outbreak.y, groups=groups))
    assert corrector.report_.n_calibration == 0


@pytest.mark.parametrize("as_dates", [False, True])
def test_without_shuffling_the_latest_rows_calibrate(outbreak, as_dates):
    time = np.random.default_rng(0).permutation(1200)
    when = np.datetime64("2024-01-01") + time if as_dates else time / 40
    _, seen = seen_in_fit(outbreak, {"time": when}, shuffle=False)
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    assert time[~seen].min() > time[seen & right].max()


def test_per_class_certifies_every_legacy_label(outbreak):
    corrector = fitted(outbreak, per="class")
    legacy = outbreak.model.predict(outbreak.X_new)
    changed = corrector.predict(outbreak.X_new) != legacy
    for label in (0, 1):
        found = corrector.rules_.certificate(label)
        assert found.certified
        assert_allclose(found.confidence_level, sidak_level(0.96, 2))
        right = (legacy == label) & (outbreak.y_new == label)
        assert changed[right].mean() < 0.09
    assert corrector.rules_.certificate() is None
    assert corrector.predict_proba(outbreak.X_new).argmax(axis=1).max() == 2


def test_classes_that_hardly_suffice_all_get_their_rows(outbreak):
    needed = rows_needed(0.1, sidak_level(0.96, 2))
    legacy = outbreak.model.predict(outbreak.X)
    right = legacy == outbreak.y
    kept = np.flatnonzero(~right)
    for label in (0, 1):  # of which four fifths are just enough
        some = np.flatnonzero(right & (legacy == label))
        kept = np.r_[kept, some[: int(np.ceil(needed / 0.8))]]
    for seed in range(5):
        corrector = ErrorCorrector(
            outbreak.model, per="class", max_damage=0.1, random_state=seed
        ).fit(outbreak.X[kept], outbreak.y[kept])
        assert all(corrector.rules_.certificate(label).certified for label in (0, 1))


def segments(n):
    return np.array(["web", "shop"])[np.arange(n) % 2]


def test_per_segment_certifies_every_segment_and_leaves_unknown_ones(outbreak):
    corrector = fitted(outbreak, per="segment", side={"segment": segments(1200)})
    legacy = outbreak.model.predict(outbreak.X_new)
    known = corrector.predict(outbreak.X_new, segment=segments(1200))
    assert all(corrector.rules_.certificate(s).certified for s in ("web", "shop"))
    assert np.sum(known != legacy) > 100
    for strange in (np.array(["phone"] * 1200), np.array([None] * 1200, dtype=object)):
        found = corrector.predict(outbreak.X_new, segment=strange)
        assert_array_equal(found, legacy)
    mixed = np.where(np.arange(1200) < 600, segments(1200), "phone")
    found = corrector.predict(outbreak.X_new, segment=mixed)
    assert_array_equal(found, np.where(np.arange(1200) < 600, known, legacy))
    assert corrector.score(
        outbreak.X_new, outbreak.y_new, segment=segments(1200)
    ) == np.mean(known == outbreak.y_new)
    with pytest.raises(ValueError, match="needs segment="):
        corrector.predict(outbreak.X_new)


def test_rows_without_a_segment_are_a_segment(outbreak):
    holes = np.where(np.arange(1200) % 2, "web", None)
    corrector = fitted(outbreak, per="segment", side={"segment": holes})
    found = corrector.predict(outbreak.X_new, segment=holes)
    assert np.sum(found != outbreak.model.predict(outbreak.X_new)) > 100


def test_the_time_margin_is_taken_off_the_budget(outbreak):
    corrector = fitted(outbreak, time_margin=0.25)
    assert_allclose(corrector.rules_.certificate().max_damage, 0.05 / 1.25)


def test_sampling_weights_thin_the_calibration_rows(outbreak):
    plain = fitted(outbreak).rules_.certificate()
    equal = fitted(outbreak, side={"calibration_weight": np.full(1200, 3.0)})
    weight = np.where(np.arange(1200) % 2, 1.0, 1e-9)
    half = quietly(lambda: fitted(outbreak, side={"calibration_weight": weight}))
    assert equal.rules_.certificate() == plain
    ratio = half.rules_.certificate().n_calibration / plain.n_calibration
    assert 0.4 < ratio < 0.6


def test_sample_weight_steers_the_rules_not_the_certificate(outbreak):
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    weight = np.where(wrong & (outbreak.y == 0), 0.0, 1.0)
    with pytest.warns(RuleRefusedWarning, match="'to 0'.*positive sample_weight"):
        corrector = fitted(outbreak, side={"sample_weight": weight})
    assert [rule.to for rule in corrector.rules_] == [1, 2]
    plain = fitted(outbreak).rules_.certificate()
    assert corrector.rules_.certificate().n_calibration == plain.n_calibration


def test_one_error_of_positive_weight_is_enough(outbreak):
    errors = np.flatnonzero(outbreak.model.predict(outbreak.X) != outbreak.y)
    weight = np.ones(1200)
    weight[errors] = 0
    weight[errors[outbreak.y[errors] == 2][0]] = 1
    corrector = fitted(outbreak, confusions=[2], side={"sample_weight": weight})
    assert corrector.rules_["to 2"].n_errors == 1
    assert corrector.rules_.certified


# --- alerts ---------------------------------------------------------------------------


def days(n, per_day=30):
    return np.arange(n) // per_day + 0.5


def test_an_alert_rate_bounds_the_share_of_traffic_changed(outbreak):
    with pytest.warns(NotCertifiedWarning, match=r"alert budget.*certify\(X\)"):
        corrector = fitted(outbreak, alert_budget=0.1)
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(corrector.predict(outbreak.X_new), legacy)
    corrector.certify(outbreak.X_new)
    changed = corrector.predict(outbreak.X_new) != legacy
    assert 0 < changed.mean() <= 0.1
    found = corrector.rules_.entry("alerts").certificates[None]
    assert (found.population, found.n_calibration) == ("traffic", 1200)


def test_alerts_a_day_are_capped_on_all_but_few_days(outbreak):
    corrector = quietly(lambda: fitted(outbreak, alert_budget="5/day"))
    with pytest.raises(ValueError, match=r"'5/day' needs time="):
        corrector.certify(outbreak.X_new)
    corrector.certify(outbreak.X_new, time=days(1200))
    changed = corrector.predict(outbreak.X_new) != outbreak.model.predict(
        outbreak.X_new
    )
    alerts = np.bincount(days(1200).astype(int)[changed], minlength=40)
    found = corrector.rules_.entry("alerts").certificates[None]
    assert (found.unit, found.n_calibration) == ("days", 40)
    assert np.sum(alerts > 5) == found.n_exceeding <= found.n_allowed
    assert changed.any()


def test_a_mask_of_whole_days_certifies_a_daily_budget_in_fit(outbreak):
    side = {"time": days(1200, 20), "calibration_mask": np.arange(1200) >= 300}
    corrector = fitted(outbreak, alert_budget="12/day", max_damage=0.3, side=side)
    found = corrector.rules_.entry("alerts").certificates[None]
    assert (found.unit, found.n_calibration) == ("days", 45)


def test_rows_of_a_day_that_cannot_calibrate_count_as_alerts(outbreak):
    """Rows that share a group with an error teach, but the day does not lose them."""
    side = {
        "time": days(1200, 20),
        "calibration_mask": np.arange(1200) >= 300,
        "groups": np.arange(1200) // 4,
    }
    corrector = quietly(lambda: fitted(outbreak, alert_budget="12/day", side=side))
    assert corrector.rules_.entry("alerts").scores.size == 900


def test_alerts_alone_need_no_damage_budget(outbreak):
    corrector = quietly(lambda: fitted(outbreak, max_damage=None, alert_budget=0.2))
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.certified
    assert corrector.rules_.entry("damage") is None
    with pytest.raises(ValueError, match="labelled rows certify nothing"):
        corrector.certify(outbreak.X_new, outbreak.y_new)


def test_alerts_are_certified_beside_damage_per_class(outbreak):
    corrector = quietly(lambda: fitted(outbreak, per="class", alert_budget=0.2))
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.certified
    only_damage = fitted(outbreak, per="class", legacy_accuracy=0.5)
    with pytest.raises(ValueError, match="per='class' needs labels"):
        only_damage.certify(outbreak.X_new)


# --- certify again --------------------------------------------------------------------


def test_fresh_rows_certify_without_refitting_anything(outbreak):
    corrector = fitted(outbreak)
    rules = corrector.rules_.rules
    right = outbreak.model.predict(outbreak.X_new) == outbreak.y_new
    assert corrector.certify(outbreak.X_new, outbreak.y_new) is corrector
    assert corrector.rules_.rules is rules
    assert corrector.rules_.certificate().n_calibration == right.sum()
    assert corrector.rules_.history == ["fit", "certify"]
    assert corrector.report_.book is corrector.rules_


def test_unlabelled_rows_certify_the_damage_where_the_accuracy_is_known(outbreak):
    corrector = fitted(outbreak, legacy_accuracy=0.5, max_damage=0.3)
    corrector.certify(outbreak.X_new)
    changed = corrector.predict(outbreak.X_new) != outbreak.model.predict(
        outbreak.X_new
    )
    assert 0.05 < changed.mean() <= 0.3 * 0.5
    assert "if the legacy accuracy is at least 0.5" in str(corrector.report_)
    with pytest.raises(ValueError, match="pass y, or set one of them"):
        fitted(outbreak).certify(outbreak.X_new)


def test_sampling_weights_thin_unlabelled_rows_too(outbreak):
    options = {"legacy_accuracy": 0.5, "max_damage": 0.3, "alert_budget": 0.2}
    corrector = quietly(lambda: fitted(outbreak, **options))
    weight = np.where(np.arange(1200) % 2, 1.0, 1e-9)
    corrector.certify(outbreak.X_new, calibration_weight=weight)
    assert [c.n_calibration for c in corrector.report_.certificates] == [600, 600]


@pytest.mark.parametrize("shuffled", [False, True])
def test_every_certificate_on_the_same_rows_costs_confidence(outbreak, shuffled):
    corrector = fitted(outbreak, features="input")
    order = np.arange(1200)
    levels = []
    for seed in range(3):
        if shuffled:
            order = np.random.default_rng(seed).permutation(1200)
        corrector.certify(outbreak.X_new[order], outbreak.y_new[order])
        levels.append(corrector.rules_.certificate().confidence_level)
    assert_allclose(levels, [0.96, 0.995, 1 - 0.01 / 6])


@pytest.mark.parametrize("grouped", [False, True])
def test_calibration_rows_of_the_fit_are_remembered(outbreak, grouped):
    mask = np.arange(1200) >= 500
    groups = np.arange(1200) // 2 if grouped else None
    side = {"calibration_mask": mask, "groups": groups}
    corrector = fitted(outbreak, features="input", side=side)
    again = {"groups": groups[mask]} if grouped else {}
    quietly(lambda: corrector.certify(outbreak.X[mask], outbreak.y[mask], **again))
    deltas = [entry.delta for entry in corrector.rules_.entries]
    assert_allclose(deltas, [0.04, 0.005])


def test_without_a_ledger_rows_certify_once(outbreak):
    corrector = fitted(outbreak, ledger=False, features="input")
    assert corrector.rules_.certificate().confidence_level == 0.95
    corrector.certify(outbreak.X_new, outbreak.y_new)
    with pytest.raises(ValueError, match="used already"):
        corrector.certify(outbreak.X_new[::-1], outbreak.y_new[::-1])


def test_an_edited_book_is_certified_again(outbreak):
    corrector = fitted(outbreak)
    other = fitted(outbreak, confusions=[(0, 2)], detector=GaussianNB())
    book = corrector.rules_.remove("to 2").add(*other.rules_)
    edited = corrector.with_rules(book)
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(edited.predict(outbreak.X_new), legacy)
    assert "the rules changed" in edited.report_.shortcoming()
    edited.certify(outbreak.X_new, outbreak.y_new)
    assert edited.rules_.certified
    assert np.sum(edited.predict(outbreak.X_new) != legacy) > 100


def test_a_rule_learnt_on_other_rows_is_another_rule(outbreak):
    trees = ExtraTreesClassifier(5, max_depth=3)
    one = fitted(outbreak, detector=trees, confusions=[2])
    two = fitted(outbreak, detector=trees, confusions=[2], random_state=1)
    swapped = one.rules_.remove("to 2").add(*two.rules_)
    assert not swapped.certified


# --- books in a corrector -------------------------------------------------------------


def test_with_rules_is_another_corrector_around_the_same_model(outbreak):
    corrector = fitted(outbreak)
    less = corrector.with_rules(corrector.rules_.with_state("to 2", "retired"))
    assert less.estimator_ is corrector.estimator_
    assert 2 not in less.predict(outbreak.X_new)
    assert 2 in corrector.predict(outbreak.X_new)
    back = less.with_rules(less.rules_.undo())
    found = back.predict_proba(outbreak.X_new)
    assert found.tobytes() == corrector.predict_proba(outbreak.X_new).tobytes()


def test_a_rule_from_elsewhere_may_bring_a_new_label(outbreak):
    names = np.array(["a", "b", "fraudulent"])
    model = LogisticRegression().fit(outbreak.X_new, names[outbreak.y_new % 2])
    old = outbreak.y != 2
    before = ErrorCorrector(model, max_damage=0.2, random_state=0)
    before.fit(outbreak.X[old], names[outbreak.y[old]])
    assert "fraudulent" not in before.classes_
    newer = ErrorCorrector(model, max_damage=0.2, random_state=0)
    newer.fit(outbreak.X, names[outbreak.y])
    both = before.with_rules(newer.rules_)
    assert_array_equal(both.predict(outbreak.X_new), newer.predict(outbreak.X_new))
    assert both.predict_proba(outbreak.X_new).shape == (1200, 3)
    assert before.classes_.tolist() == ["a", "b"]


def test_shadow_rules_show_in_the_trace_and_nowhere_else(outbreak, corrected):
    shadowed = corrected.with_rules(corrected.rules_.with_state("to 2", "shadow"))
    trace = shadowed.trace(outbreak.X_new)
    active = corrected.trace(outbreak.X_new)
    would = trace["shadow_rule"] == "to 2"
    assert would[active["changed"] & (active["rule"] == "to 2")].all()
    assert not (trace["after"] == 2).any()


# --- identities -----------------------------------------------------------------------


def idle(data):
    """Correctors that may not change anything."""
    corrector = fitted(data)
    yield corrector.with_rules(corrector.rules_.disable_all())
    yield quietly(lambda: fitted(data, max_damage=1e-6))
    right = data.model.predict(data.X) == data.y
    nothing = ErrorCorrector(data.model)
    yield quietly(lambda: nothing.fit(data.X[right], data.y[right]))


def test_no_rule_no_change(outbreak):
    legacy = outbreak.model
    for corrector in idle(outbreak):
        assert_array_equal(
            corrector.predict(outbreak.X_new), legacy.predict(outbreak.X_new)
        )
        known = corrector.predict_proba(outbreak.X_new)[:, :2]
        assert known.tobytes() == legacy.predict_proba(outbreak.X_new).tobytes()
        trace = corrector.trace(outbreak.X_new)
        assert not trace["changed"].any()
        assert trace["tail_rank"].isna().all()


def test_no_rule_no_change_of_text_labels(outbreak):
    names = np.array(["no", "yes"])
    model = LogisticRegression().fit(outbreak.X, names[outbreak.y % 2])
    y = model.predict(outbreak.X_new)
    corrector = quietly(lambda: ErrorCorrector(model).fit(outbreak.X_new, y))
    assert_array_equal(
        corrector.predict_proba(outbreak.X_new), model.predict_proba(outbreak.X_new)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_row_gets_the_same_answer_in_any_company(outbreak, dtype):
    rows = outbreak.X_new.astype(dtype)
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    corrector.fit(outbreak.X.astype(dtype), outbreak.y)
    order = np.random.default_rng(0).permutation(1200)
    for method in ("predict", "predict_proba", "decision_function"):
        call = getattr(corrector, method)
        whole = call(rows)
        close = {"rtol": 1e-4, "atol": 1e-6}
        assert_allclose(call(rows[order]), whole[order], **close)
        assert_allclose(call(rows[7::50]), whole[7::50], **close)
        alone = np.concatenate([call(row[None]) for row in rows[:40]])
        assert_allclose(alone, whole[:40], **close)


def test_scores_in_the_unit_interval_are_not_taken_for_probabilities(outbreak):
    """Decision values of one row may all lie in [0, 1]; its scores stay the same."""
    model = RidgeClassifier(alpha=1e3).fit(outbreak.X_new, outbreak.y_new)
    corrector = fitted(outbreak, model=model)
    scores = model.decision_function(outbreak.X_new)
    inside = np.flatnonzero((scores > -0.5).all(axis=1))[:20]
    model.intercept_ += 0.5  # now these rows lie in [0, 1], others do not
    whole = corrector.decision_function(outbreak.X_new)
    alone = [corrector.decision_function(outbreak.X_new[[i]])[0] for i in inside]
    assert inside.size
    assert_allclose(alone, whole[inside], rtol=1e-9)


def test_the_same_seed_gives_the_same_bytes(outbreak):
    detector = make_imblearn_pipeline(RandomOverSampler(), GaussianNB())
    for options in ({}, {"detector": ExtraTreesClassifier(5)}, {"detector": detector}):
        one, two = (fitted(outbreak, **options) for _ in range(2))
        a, b = (c.predict_proba(outbreak.X_new).tobytes() for c in (one, two))
        assert a == b
        assert one.rules_.threshold() == two.rules_.threshold()


def test_another_seed_calibrates_on_other_rows(outbreak):
    one, two = fitted(outbreak), fitted(outbreak, random_state=1)
    assert one.rules_.threshold() != two.rules_.threshold()


def test_a_generator_as_seed_moves_on(outbreak):
    state = np.random.RandomState(0)
    one, two = (fitted(outbreak, random_state=state).rules_ for _ in range(2))
    assert one.threshold() != two.threshold()


def test_jobs_do_not_change_the_result(outbreak, corrected):
    parallel = fitted(outbreak, n_jobs=2)
    found = parallel.predict_proba(outbreak.X_new)
    assert found.tobytes() == corrected.predict_proba(outbreak.X_new).tobytes()


# --- scores ---------------------------------------------------------------------------


def test_probabilities_agree_with_the_corrected_labels(outbreak, corrected):
    legacy = outbreak.model.predict_proba(outbreak.X_new)
    found = corrected.predict_proba(outbreak.X_new)
    trace = corrected.trace(outbreak.X_new)
    changed = trace["changed"].to_numpy()
    assert found.shape == (1200, 3)
    assert_allclose(found.sum(axis=1), 1)
    assert_array_equal(
        corrected.classes_[found.argmax(axis=1)], corrected.predict(outbreak.X_new)
    )
    assert_array_equal(found[~changed, :2], legacy[~changed])
    assert not found[~changed, 2].any()
    new = found[changed, trace.loc[changed, "after"]]
    rank = trace.loc[changed, "tail_rank"].to_numpy()
    beyond = rank == rank.min()  # above all calibration rows: more extreme, higher
    assert_allclose(new[~beyond], 1 - rank[~beyond] / 2)
    assert (new[beyond] >= 1 - rank[beyond] / 2).all()
    order = np.argsort(trace.loc[changed, "score"].to_numpy())
    assert (np.diff(new[order]) >= 0).all()
    assert new.min() > 0.5
    # the others share the rest in the proportions that they had
    to_new = changed & (trace["after"] == 2).to_numpy()
    rest = found[to_new, :2] / found[to_new, :2].sum(axis=1, keepdims=True)
    assert_allclose(rest, legacy[to_new], atol=1e-9)


def test_the_more_extreme_case_ranks_higher(outbreak, corrected):
    trace = corrected.trace(outbreak.X_new).query("changed and after == 2")
    found = corrected.predict_proba(outbreak.X_new)[trace.index, 2]
    order = np.argsort(trace["score"])
    assert (np.diff(found[order]) >= 0).all()
    extreme = trace["score"].to_numpy() > corrected.rules_.calibration_scores[-1]
    assert np.unique(found[extreme]).size > 0.9 * extreme.sum() > 10


def test_decision_values_are_logs_of_the_probabilities(outbreak, corrected):
    p = corrected.predict_proba(outbreak.X_new)
    found = corrected.decision_function(outbreak.X_new)
    assert_allclose(found[p > 0], np.log(p[p > 0]))
    assert np.isfinite(found).all()
    assert_array_equal(found.argmax(axis=1), p.argmax(axis=1))
    two = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
    old = outbreak.y != 2
    two.fit(outbreak.X[old], outbreak.y[old])
    p = two.predict_proba(outbreak.X_new)
    odds = two.decision_function(outbreak.X_new)
    assert_allclose(odds, np.log(p[:, 1] / p[:, 0]))
    assert_array_equal(odds > 0, two.predict(outbreak.X_new) == 1)


@pytest.mark.parametrize("model", [SVC(), RidgeClassifier()])
def test_decision_values_rank_where_there_are_no_probabilities(outbreak, model):
    model = clone(model).fit(outbreak.X_new, outbreak.y_new)
    corrector = fitted(outbreak, model=model)
    assert not hasattr(corrector, "predict_proba")
    found = corrector.decision_function(outbreak.X_new)
    agreed = model.decision_function(outbreak.X_new).argmax(axis=1) == model.predict(
        outbreak.X_new
    )
    after = corrector.classes_[found.argmax(axis=1)]
    assert_array_equal(after[agreed], corrector.predict(outbreak.X_new)[agreed])


def test_a_model_that_only_decides_has_no_scores(outbreak):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    vendor = ColumnModel(label="decision", classes=[0, 1])
    frame["decision"] = outbreak.model.predict(outbreak.X)
    corrector = ErrorCorrector(
        vendor, features=_numbers, max_damage=0.05, random_state=0
    ).fit(frame, outbreak.y)
    assert not hasattr(corrector, "predict_proba")
    assert not hasattr(corrector, "decision_function")
    assert corrector.score(frame, outbreak.y) > 0.7


def _numbers(frame):
    return frame[NAMES].to_numpy()


# --- trace ----------------------------------------------------------------------------


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


# --- containers and models ------------------------------------------------------------


def containers(rows):
    yield pd.DataFrame(rows, columns=NAMES)
    yield pd.DataFrame(rows, columns=NAMES).convert_dtypes()
    yield pl.DataFrame(rows, schema=NAMES)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_every_kind_of_frame_gives_the_same_answer(outbreak, corrected):
    expected = corrected.predict(outbreak.X_new)
    for old, new in zip(
        containers(outbreak.X), containers(outbreak.X_new), strict=True
    ):
        corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
        corrector.fit(old, outbreak.y)
        assert corrector.feature_names_in_.tolist() == NAMES
        assert_array_equal(corrector.predict(new), expected)
        assert_array_equal(corrector.trace(new)["after"], expected)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_array])
def test_sparse_rows_give_the_same_answer(outbreak, corrected, form):
    corrector = ErrorCorrector(outbreak.model, max_damage=0.05, random_state=0)
    found = corrector.fit(form(outbreak.X), outbreak.y).predict(form(outbreak.X_new))
    assert_array_equal(found, corrected.predict(outbreak.X_new))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), SVC()),
        MLPClassifier((8,), max_iter=2000, tol=1e-2, random_state=0),
        HistGradientBoostingClassifier(max_iter=10),
    ],
    ids=lambda m: type(m).__name__,
)
def test_models_of_many_kinds(outbreak, model):
    old = outbreak.y_new != 2
    model = clone(model).fit(outbreak.X_new[old], outbreak.y_new[old])
    corrector = fitted(outbreak, model=model)
    better = corrector.score(outbreak.X_new, outbreak.y_new)
    assert better > model.score(outbreak.X_new, outbreak.y_new) + 0.1


def test_missing_values_go_where_the_legacy_model_takes_them(outbreak):
    rows, new = outbreak.X.copy(), outbreak.X_new.copy()
    rows[::4, 0], new[::4, 0] = np.nan, np.nan
    old = outbreak.y_new != 2
    model = HistGradientBoostingClassifier(max_iter=10).fit(
        new[old], outbreak.y_new[old]
    )
    corrector = ErrorCorrector(model, max_damage=0.05, random_state=0)
    corrector.fit(rows, outbreak.y)
    better = corrector.score(new, outbreak.y_new)
    assert better > model.score(new, outbreak.y_new) + 0.1


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_row_that_cannot_be_scored_keeps_the_legacy_answer(outbreak, value):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    frame["vendor"] = outbreak.model.predict_proba(outbreak.X)[:, 1]
    corrector = ErrorCorrector(
        ColumnModel("vendor"), features="input", max_damage=0.05, random_state=0
    ).fit(frame, outbreak.y)
    changed = corrector.trace(frame)["changed"].to_numpy()
    strange = frame.copy()
    strange.loc[::2, "age"] = value
    found = corrector.trace(strange)
    assert not found.loc[::2, "changed"].any()
    assert (found.loc[::2, "score"] == -np.inf).all()
    assert_array_equal(found["changed"][1::2], changed[1::2])
    assert changed[::2].any()


def test_a_vendor_column_is_a_legacy_model(outbreak, corrected):
    frame = pd.DataFrame(outbreak.X, columns=NAMES)
    frame["vendor"] = outbreak.model.predict_proba(outbreak.X)[:, 1]
    vendor = ColumnModel("vendor", classes=(0, 1), score_range=(0, 1))
    corrector = ErrorCorrector(vendor, max_damage=0.05, random_state=0)
    corrector.fit(frame, outbreak.y)
    assert corrector.estimator_ is vendor
    assert_array_equal(
        corrector.trace(frame)["before"], outbreak.model.predict(outbreak.X)
    )
    assert corrector.score(frame, outbreak.y) > 0.7


def test_case_ids_stay_with_the_rule(outbreak):
    ids = np.array([f"case-{i}" for i in range(1200)])
    corrector = fitted(outbreak, side={"case_id": ids})
    errors = outbreak.model.predict(outbreak.X) != outbreak.y
    kept = corrector.rules_["to 2"].case_ids
    assert kept == tuple(ids[errors & (outbreak.y == 2)].tolist())


# --- scikit-learn ---------------------------------------------------------------------


def test_grid_search_over_what_there_is_to_choose(outbreak):
    grid = {
        "detector": [None, LogisticRegression()],
        "features": ["input", ["input", "logits"]],
        "max_damage": [0.05, 0.2],
    }
    search = GridSearchCV(
        ErrorCorrector(outbreak.model, random_state=0),
        grid,
        scoring=correction_scorer("gain"),
        cv=2,
    ).fit(outbreak.X, outbreak.y)
    assert search.best_params_["max_damage"] == 0.2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.estimator_ is outbreak.model


SIDE = {
    "groups": np.arange(1200) // 2,
    "sample_weight": np.random.default_rng(0).integers(1, 4, size=1200).astype(float),
}


def test_clone_keeps_what_was_requested(outbreak):
    with sklearn.config_context(enable_metadata_routing=True):
        corrector = ErrorCorrector(outbreak.model).set_fit_request(groups=True)
        copied = clone(corrector)
        assert copied.get_metadata_routing().fit.requests["groups"] is True


def test_groups_and_weights_are_routed_through_pipelines_and_validation(outbreak):
    with sklearn.config_context(enable_metadata_routing=True):
        corrector = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
        corrector.set_fit_request(groups=True, sample_weight=True)
        corrector.set_score_request(sample_weight=True)
        direct = clone(corrector).fit(outbreak.X, outbreak.y, **SIDE)
        piped = Pipeline([("same", FunctionTransformer()), ("correct", corrector)])
        piped.fit(outbreak.X, outbreak.y, **SIDE)
        assert direct.rules_.certificate().unit == "groups"
        assert_array_equal(
            piped.predict(outbreak.X_new), direct.predict(outbreak.X_new)
        )
        for estimator in (corrector, piped):
            found = cross_validate(
                estimator,
                outbreak.X,
                outbreak.y,
                cv=2,
                params=SIDE,
                return_estimator=True,
            )
            for one in found["estimator"]:
                one = one[-1] if isinstance(one, Pipeline) else one
                assert one.rules_.certificate().unit == "groups"


def test_segments_are_routed_to_predict_and_score(outbreak):
    with sklearn.config_context(enable_metadata_routing=True):
        corrector = ErrorCorrector(
            outbreak.model, per="segment", max_damage=0.1, random_state=0
        )
        for method in ("fit", "predict", "score"):
            getattr(corrector, f"set_{method}_request")(segment=True)
        piped = make_pipeline(FunctionTransformer(), corrector)
        piped.fit(outbreak.X, outbreak.y, segment=segments(1200))
        after = piped.predict(outbreak.X_new, segment=segments(1200))
        share = piped.score(outbreak.X_new, outbreak.y_new, segment=segments(1200))
        assert share == np.mean(after == outbreak.y_new) > 0.7


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=2),
        make_pipeline(StandardScaler(), LogisticRegression()),
        FisherDetector(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_tags_around_a_frozen_model_are_those_around_the_model(outbreak, model):
    binary = outbreak.y == 2
    frozen = get_tags(ErrorCorrector(FrozenEstimator(model.fit(outbreak.X, binary))))
    plain = get_tags(ErrorCorrector(clone(model)))
    legacy = get_tags(model)
    assert frozen == plain
    assert frozen.estimator_type == "classifier"
    assert frozen._skip_test is False
    assert frozen.target_tags.required
    assert frozen.requires_fit
    assert frozen.input_tags.sparse == legacy.input_tags.sparse
    assert frozen.input_tags.allow_nan == legacy.input_tags.allow_nan
    assert frozen.classifier_tags.multi_class == legacy.classifier_tags.multi_class


# --- the report -----------------------------------------------------------------------


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


# --- not certified: the way out in numbers --------------------------------------------


def rows_with(data, n_right):
    right = data.model.predict(data.X) == data.y
    kept = np.r_[np.flatnonzero(right)[:n_right], np.flatnonzero(~right)]
    return data.X[kept], data.y[kept]


def the_way_out(call):
    with pytest.warns(NotCertifiedWarning) as caught:
        call()
    return str(caught[0].message)


def test_the_way_out_in_numbers(outbreak):
    X, y = rows_with(outbreak, 337)  # of which four fifths are 269
    corrector = ErrorCorrector(outbreak.model, random_state=0)
    text = the_way_out(lambda: corrector.fit(X, y))
    assert (
        "269 right calibration rows certify at best a damage of 1.19 % at 95 % (edits "
        "kept possible), not 1 %: 52 more are missing; pass about 210 more rows, or "
        "set max_damage=0.012, or ledger=False (1.11 %)"
    ) in text
    assert corrector.report_.n_calibration == 0  # nothing is held out in vain
    assert_array_equal(corrector.predict(X), outbreak.model.predict(X))


def test_the_ways_out_lead_out(outbreak):
    X, y = rows_with(outbreak, 337)
    wider = ErrorCorrector(outbreak.model, max_damage=0.012, random_state=0).fit(X, y)
    assert wider.rules_.certified
    whole = ErrorCorrector(
        outbreak.model, max_damage=0.0112, ledger=False, random_state=0
    ).fit(X, y)
    assert whole.rules_.certified
    right = np.flatnonzero(outbreak.model.predict(outbreak.X) == outbreak.y)
    for more, certified in ((52, True), (51, False)):
        mask = np.zeros(1200, dtype=bool)
        mask[right[: 269 + more]] = True
        corrector = ErrorCorrector(outbreak.model, random_state=0)
        quietly(
            lambda c=corrector, m=mask: c.fit(
                outbreak.X, outbreak.y, calibration_mask=m
            )
        )
        assert corrector.rules_.certified is certified


@pytest.mark.parametrize(
    ("options", "side", "words"),
    [
        ({"time_margin": 9.0}, {}, ["0.1 %", "set max_damage=0.058"]),
        ({"per": "class", "max_damage": 0.007}, {}, ["0.7 %", "more rows, or set"]),
        ({}, {"groups": np.arange(1200) % 200}, ["right calibration groups"]),
        (
            {},
            {"calibration_mask": np.zeros(1200, bool)},
            ["0 right calibration rows", "pass 321 more"],
        ),
        (
            {"calibration_fraction": 0.1, "ledger": False},
            {},
            ["69 right calibration rows", "at 95 %, not 1 %: 230 more"],
        ),
    ],
)
def test_the_way_out_knows_margins_classes_groups_and_masks(
    outbreak, options, side, words
):
    corrector = ErrorCorrector(outbreak.model, random_state=0, **options)
    text = the_way_out(lambda: corrector.fit(outbreak.X, outbreak.y, **side))
    assert all(word in text for word in words), text
    assert "pass -" not in text


def test_the_way_out_of_too_few_unlabelled_rows(outbreak):
    corrector = fitted(outbreak, legacy_accuracy=0.5)
    text = the_way_out(lambda: corrector.certify(outbreak.X_new[:100]))
    needed = rows_needed(0.025, 0.96)
    assert f"needs {needed} rows, got 100; the certificate in force stays" in text
    assert "at most 5 % of right decisions if the legacy accuracy is at least" in text


def test_too_few_fresh_rows_leave_the_certificate_in_force(outbreak):
    corrector = ErrorCorrector(outbreak.model, max_damage=0.1, random_state=0)
    corrector.fit(outbreak.X[:800], outbreak.y_new[:800])
    before = corrector.predict(outbreak.X)
    with pytest.warns(NotCertifiedWarning, match="the certificate in force stays"):
        corrector.certify(outbreak.X[800:810], outbreak.y_new[800:810])
    assert_array_equal(corrector.predict(outbreak.X), before)
    corrector.certify(outbreak.X[800:], outbreak.y_new[800:])
    right = outbreak.model.predict(outbreak.X[800:]) == outbreak.y_new[800:]
    assert corrector.rules_.certificate().n_calibration == right.sum()
    assert f"{right.sum():,} right decisions" in str(corrector.report_)


def test_clone_keeps_a_fitted_transformer_and_unfits_none():
    X = np.random.default_rng(0).normal(size=(60, 3))
    fitted, unfitted = StandardScaler().fit(X), StandardScaler()
    copied = clone(ErrorCorrector(LogisticRegression(), features=[fitted, unfitted]))
    assert copied.features[0] is fitted
    assert copied.features[1] is not unfitted
