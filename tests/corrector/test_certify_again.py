"""Fresh rows certify again; rows that taught, or certified before, do so at a price."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.naive_bayes import GaussianNB

from rarecorrect import TrainingRowsWarning

from .helpers import certify, draw, fit, fitted, quietly

# --- fresh rows -----------------------------------------------------------------------


def test_fresh_rows_certify_without_refitting_anything(outbreak):
    corrector = fitted(outbreak)
    rules = corrector.rules_.rules
    right = outbreak.model.predict(outbreak.X_new) == outbreak.y_new
    assert corrector.certify(outbreak.X_new, outbreak.y_new) is corrector
    assert corrector.rules_.rules is rules
    assert corrector.rules_.certificate().n_calibration == right.sum()
    assert [e.what for e in corrector.rules_.history] == ["fit", "certify"]
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
    book = corrector.rules_.remove("to 2").extend(*other.rules_)
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
    swapped = one.rules_.remove("to 2").extend(*two.rules_)
    assert not swapped.certified


# --- rows that taught -----------------------------------------------------------------


def test_rows_that_taught_are_found_when_they_are_to_certify(outbreak):
    corrector = fitted(outbreak)
    with pytest.warns(TrainingRowsWarning, match="learnt from .* % of these rows"):
        corrector.certify(outbreak.X, outbreak.y)
    shuffled = np.random.default_rng(0).permutation(1200)[:300]
    with pytest.warns(TrainingRowsWarning):
        corrector.certify(outbreak.X[shuffled], outbreak.y[shuffled])


def test_rows_that_only_calibrated_and_new_rows_are_fine(outbreak):
    corrector = fitted(outbreak)
    own = corrector.calibration_indices_
    corrector.certify(outbreak.X[own], outbreak.y[own])
    corrector.certify(outbreak.X_new, outbreak.y_new)


def test_rows_that_are_alike_anyway_raise_no_alarm(outbreak):
    coarse = outbreak._replace(X=np.round(outbreak.X), X_new=np.round(outbreak.X_new))
    fitted(coarse).certify(coarse.X_new, coarse.y_new)


# --- rows that certify nothing --------------------------------------------------------


@pytest.mark.parametrize("per", [None, "class"])
def test_rows_without_a_right_decision_leave_all_as_it_was(per):
    X, y = draw(4000, 1)
    corrector, _ = fit(X, y, per=per, ledger=False)
    book = corrector.rules_
    for _ in range(2):
        told = certify(corrector, X[:50], np.full(50, 7))
        assert len(told) == 1
        assert "no right decision among these 50 rows" in told[0]
        assert told[0].endswith("the certificate in force stays")
        assert corrector.rules_ is book
    off, _ = fit(X[:50], y[:50], per=per)
    assert certify(off, X[:50], np.full(50, 7))[0].endswith("legacy answer stays")
