"""Books carried from one corrector to another: never more than was certified there."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import ErrorCorrector
from rarecorrect.rulebook import RuleBook

from .helpers import fitted, quietly


def backwards(X):
    """The columns in another order: as many features, with other meanings."""
    return np.asarray(X)[:, ::-1]


def assert_off(corrector, data):
    """Nothing is certified, and the legacy answer is kept."""
    legacy = corrector.estimator_.predict(data.X_new)
    assert not corrector.rules_.certified
    assert corrector.report_.shortcoming()
    assert_array_equal(corrector.predict(data.X_new), legacy)
    assert not corrector.trace(data.X_new)["changed"].any()


def assert_as(corrector, other, data):
    """Certified, with the same answers."""
    assert corrector.rules_.certified
    assert_array_equal(corrector.predict(data.X_new), other.predict(data.X_new))
    assert 2 in corrector.predict(data.X_new)


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


# --- where certificates hold ----------------------------------------------------------


def test_a_book_around_another_model_is_off_until_it_is_certified(outbreak):
    model = LogisticRegression().fit(outbreak.X, (outbreak.y == 1).astype(int))
    other = fitted(outbreak, model=model)
    moved = other.with_rules(fitted(outbreak).rules_)
    assert_off(moved, outbreak)
    assert "certify" in moved.report_.shortcoming()
    half = np.arange(1200) < 600
    moved.certify(outbreak.X_new[half], outbreak.y_new[half])
    before = model.predict(outbreak.X_new)
    changed = moved.predict(outbreak.X_new) != before
    assert moved.rules_.certified
    assert changed.any()
    assert changed[(before == outbreak.y_new) & ~half].mean() < 0.07


def test_a_model_trained_again_is_another_model(outbreak):
    again = clone(outbreak.model).fit(outbreak.X_new, outbreak.y_new % 2)
    for model in (again, copy.deepcopy(outbreak.model)):
        other = fitted(outbreak, model=model)
        assert_off(other.with_rules(fitted(outbreak).rules_), outbreak)


def test_an_estimator_fitted_inside_is_a_model_of_its_own(outbreak):
    one, two = (fitted(outbreak, model=LogisticRegression()) for _ in range(2))
    assert_off(one.with_rules(two.rules_), outbreak)
    assert_as(one.with_rules(one.rules_), one, outbreak)


def test_features_of_the_same_number_but_other_meaning_turn_a_book_off(outbreak):
    straight = fitted(outbreak, features="input")
    reverse = fitted(outbreak, features=backwards)
    assert_off(reverse.with_rules(straight.rules_), outbreak)
    assert_off(straight.with_rules(reverse.rules_), outbreak)


def test_features_learnt_on_other_rows_turn_a_book_off(outbreak):
    X = outbreak.X.copy()
    X[::7, 1] = np.nan
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    model.fit(outbreak.X_new, outbreak.y_new % 2)
    data = outbreak._replace(X=X)
    for options in ({"model": model}, {"features": StandardScaler()}):
        rows = data if "model" in options else outbreak
        one = fitted(rows, max_damage=0.2, **options)
        two = fitted(rows, max_damage=0.2, **options, rows=slice(100, None))
        assert_off(one.with_rules(two.rules_), outbreak)
        copied = pickle.loads(pickle.dumps(one))
        assert_as(copied.with_rules(one.rules_), one, outbreak)


def test_a_transformer_that_was_fitted_before_reads_the_same(outbreak):
    scaler = StandardScaler().fit(outbreak.X)
    one = fitted(outbreak, features=[scaler, backwards])
    two = fitted(outbreak, features=[scaler, backwards], rows=slice(100, None))
    assert_as(two.with_rules(one.rules_), one, outbreak)


@pytest.mark.parametrize("features", ["input", "logits"])
def test_another_number_of_features_is_refused(outbreak, features):
    trees = ExtraTreesClassifier(5, max_depth=3)
    for detector in (None, trees):
        one = fitted(outbreak, features=features, detector=detector)
        n_features = len(one.report_.feature_names)
        words = f"rule 'to 0' reads {n_features} features"
        with pytest.raises(ValueError, match=words):
            fitted(outbreak).with_rules(one.rules_)


def test_a_book_of_other_strata_is_off(outbreak):
    whole = fitted(outbreak)
    split = quietly(lambda: fitted(outbreak, per="class"))
    assert split.rules_.certified
    for one, other in ((whole, split), (split, whole)):
        moved = one.with_rules(other.rules_)
        assert_off(moved, outbreak)
        moved.certify(outbreak.X_new, outbreak.y_new)
        assert moved.rules_.certified
        assert 2 in moved.predict(outbreak.X_new)


@pytest.mark.parametrize(
    "way",
    [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_of_a_corrector_share_its_certificates(outbreak, way):
    corrector = fitted(outbreak)
    copied = way(corrector)
    assert_as(copied.with_rules(corrector.rules_), corrector, outbreak)
    assert_as(corrector.with_rules(copied.rules_), corrector, outbreak)
    shelved = pickle.loads(pickle.dumps(corrector.rules_))
    assert_as(copied.with_rules(shelved), corrector, outbreak)


@pytest.mark.parametrize("frozen", [False, True])
def test_fits_around_the_same_model_share_certificates(outbreak, frozen):
    one = fitted(outbreak)
    model = FrozenEstimator(outbreak.model) if frozen else outbreak.model
    other = fitted(outbreak, model=model, rows=slice(200, None))
    assert_as(other.with_rules(one.rules_), one, outbreak)
    again = clone(one).fit(outbreak.X, outbreak.y)
    assert_as(again.with_rules(one.rules_), one, outbreak)


def test_a_book_that_comes_home_is_in_force_again(outbreak):
    home = fitted(outbreak)
    away = fitted(outbreak, model=copy.deepcopy(outbreak.model))
    guest = away.with_rules(home.rules_)
    assert_off(guest, outbreak)
    assert_as(home.with_rules(guest.rules_), home, outbreak)


def test_undoing_a_transfer_brings_no_foreign_certificate(outbreak):
    one = fitted(outbreak)
    edited = one.rules_.with_state("to 2", "shadow").with_state("to 2", "active")
    other = fitted(outbreak, model=copy.deepcopy(outbreak.model))
    moved = other.with_rules(edited)
    assert_off(other.with_rules(moved.rules_.undo().undo()), outbreak)


def test_a_rule_that_was_widened_changes_nothing_until_it_is_certified(outbreak):
    corrector = fitted(outbreak, confusions=[(0, 2)])
    rule = corrector.rules_["0 to 2"]
    wide = corrector.rules_.remove(rule.name).extend(replace(rule, from_labels=None))
    edited = corrector.with_rules(wide)
    assert_off(edited, outbreak)
    edited.certify(outbreak.X_new, outbreak.y_new)
    before = outbreak.model.predict(outbreak.X_new)
    changed = edited.predict(outbreak.X_new) != before
    assert set(before[changed]) == {0, 1}


# --- budgets are the corrector's ------------------------------------------------------


def test_a_budget_set_after_the_fit_is_enforced(outbreak):
    corrector = fitted(outbreak)
    days = np.arange(1200) // 20
    busy = corrector.trace(outbreak.X_new)["changed"].groupby(days).sum()
    corrector.set_params(alert_budget="2/day").certify(outbreak.X_new, time=days)
    calm = corrector.trace(outbreak.X_new)["changed"].groupby(days).sum()
    assert corrector.rules_.certified
    assert corrector.rules_.budgets == ("damage", "alerts")
    assert np.mean(calm > 2) <= 0.1 < np.mean(busy > 2)


def test_a_budget_set_after_the_fit_is_missed_by_labelled_rows(outbreak):
    corrector = fitted(outbreak).set_params(alert_budget=0.01)
    quietly(lambda: corrector.certify(outbreak.X_new, outbreak.y_new))
    assert_off(corrector, outbreak)
    assert "alert budget is not certified" in corrector.report_.shortcoming()
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.certified
    assert 0 < np.mean(corrector.trace(outbreak.X_new)["changed"]) < 0.01


def test_a_book_made_by_hand_does_not_drop_the_alert_budget(outbreak):
    corrector = quietly(lambda: fitted(outbreak, alert_budget=0.03))
    corrector.certify(outbreak.X_new)
    assert_as(corrector.with_rules(corrector.rules_), corrector, outbreak)
    remade = corrector.with_rules(RuleBook().extend(*corrector.rules_))
    assert_off(remade, outbreak)
    quietly(lambda: remade.certify(outbreak.X_new, outbreak.y_new))
    assert_off(remade, outbreak)
    remade.certify(outbreak.X_new)
    assert 0 < np.mean(remade.trace(outbreak.X_new)["changed"]) < 0.03


def test_a_budget_that_is_lifted_is_no_longer_asked_for(outbreak):
    corrector = quietly(lambda: fitted(outbreak, alert_budget="2/day"))
    assert_off(corrector, outbreak)
    corrector.set_params(alert_budget=None)
    assert_as(corrector.with_rules(corrector.rules_), fitted(outbreak), outbreak)


def test_a_damage_budget_set_after_the_fit_says_what_it_needs(outbreak):
    options = {"max_damage": None, "alert_budget": "2/day"}
    corrector = quietly(lambda: fitted(outbreak, **options))
    corrector.set_params(max_damage=0.05, alert_budget=None)
    again = corrector.with_rules(corrector.rules_)
    assert "pass 63 more" in str(again.report_)
    quietly(lambda: again.certify(outbreak.X_new[:30], outbreak.y_new[:30]))
    assert "not 5 %" in again.report_.shortcoming()
    again.certify(outbreak.X_new, outbreak.y_new)
    assert again.rules_.certified


# --- long lives -----------------------------------------------------------------------


def test_a_corrector_with_a_long_history_is_saved_and_reported(outbreak):
    corrector = fitted(outbreak)
    book = corrector.rules_
    for step in range(1500):
        book = book.with_state("to 2", "active" if step % 2 else "shadow")
    old = corrector.with_rules(book)
    again = pickle.loads(pickle.dumps(old))
    assert_as(again, corrector, outbreak)
    record = json.loads(json.dumps(old.report_.to_dict()["history"]))
    assert len(record) == 1501
    assert len(again.rules_.undo().history) == 1500
