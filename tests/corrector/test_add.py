"""One error more: learnt at once, certified on the rows that the book kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from rarecorrect import NotCertifiedWarning
from rarecorrect.background import Reservoir
from rarecorrect.detectors import CascadeDetector
from rarecorrect.off_switch import VARIABLE

from .helpers import fitted, quietly

OTHER = {"confusions": [0, 1]}  # the fit knows nothing of errors that should be 2


def errors_of(data, label=2):
    """Rows that the model gets wrong."""
    found = np.flatnonzero(data.y_new == label)
    return data.X_new[found], data.y_new[found]


def added(corrector, data, n=20, **words):
    X, y = errors_of(data)
    return corrector.add(X[:n], y[:n], **words)


@pytest.mark.parametrize("n", [1, 20])
def test_a_rule_is_learnt_and_all_are_certified_again(outbreak, n):
    corrector = fitted(outbreak, **OTHER)
    before = corrector.rules_
    X, y = errors_of(outbreak)
    assert not (corrector.predict(X) == 2).any()
    legacy = corrector.predict(outbreak.X_new)
    old, corrector = corrector, added(corrector, outbreak, n, author="ann")
    assert old.rules_ is before
    assert_array_equal(old.predict(outbreak.X_new), legacy)
    book = corrector.rules_
    assert book.certified
    assert [rule.name for rule in book] == ["to 0", "to 1", "to 2"]
    for old, new in zip(before, book, strict=False):
        assert new is old
    assert [(e.what, e.author) for e in book.history] == [
        ("fit", ""),
        ("add to 2", "ann"),
        ("certify", "ann"),
    ]
    assert_allclose([entry.delta for entry in book.entries], [0.04, 0.005])
    assert book.certificate().n_calibration == before.certificate().n_calibration
    assert np.mean(corrector.predict(X[n:]) == y[n:]) > (0.02 if n == 1 else 0.3)
    right = (outbreak.y_new != 2) & (
        outbreak.model.predict(outbreak.X_new) == outbreak.y_new
    )
    changed = corrector.predict(outbreak.X_new) != outbreak.y_new
    assert changed[right].mean() < 0.07
    assert corrector.report_.book is book


def test_the_certificate_is_that_of_the_very_rows_of_the_fit(outbreak):
    """Rows at hand and rows passed again say the same, but for the level."""
    one, other = (fitted(outbreak, **OTHER) for _ in range(2))
    one = added(one, outbreak)
    book = other.rules_.add(
        other.features_.read(errors_of(outbreak)[0][:20]).features,
        np.full(20, 2),
        legacy_labels=outbreak.model.predict(errors_of(outbreak)[0][:20]),
    )
    other = other.with_rules(book)
    assert not other.rules_.certified
    own = other.calibration_indices_
    other.certify(outbreak.X[own], outbreak.y[own])
    assert other.rules_.threshold() == one.rules_.threshold()
    assert_array_equal(other.predict(outbreak.X_new), one.predict(outbreak.X_new))
    found = (c.rules_.certificate().confidence_level for c in (one, other))
    assert_allclose(list(found), 0.995)


def test_a_part_of_the_rows_is_known_again_as_those_rows(outbreak):
    corrector = fitted(outbreak, **OTHER)
    book, own = corrector.rules_, corrector.calibration_indices_
    read = corrector.features_.read(outbreak.X)
    few = Reservoir.from_rows(read.features, read.labels, own, most_rows=200)
    kept = replace(book.background, reservoir=few)
    smaller = corrector.with_rules(replace(book, background=kept))
    smaller = added(smaller, outbreak)
    assert smaller.rules_.certificate().n_calibration == 200
    assert_allclose([e.delta for e in smaller.rules_.entries], [0.04, 0.005])


def test_every_further_rule_pays_less(outbreak):
    corrector = fitted(outbreak, max_damage=0.2, **OTHER)
    for _ in range(3):
        corrector = added(corrector, outbreak, 5)
    deltas = [entry.delta for entry in corrector.rules_.entries]
    assert_allclose(deltas, [0.04, 0.005, 0.01 / 6, 0.01 / 12])
    assert sum(deltas) < 0.05


def test_a_rule_that_is_not_active_costs_nothing(outbreak):
    corrector = fitted(outbreak, **OTHER)
    before = corrector.predict(outbreak.X_new)
    corrector = added(corrector, outbreak, state="shadow")
    assert corrector.rules_.certified
    assert len(corrector.rules_.entries) == 1
    assert_array_equal(corrector.predict(outbreak.X_new), before)
    assert (corrector.trace(outbreak.X_new)["shadow_rule"] == "to 2").any()


def test_without_rows_at_hand_it_says_what_to_pass(outbreak):
    corrector = fitted(outbreak, ledger=False, **OTHER)
    with pytest.warns(NotCertifiedWarning, match=r"certify\(X, y\)") as said:
        corrector = added(corrector, outbreak)
    assert said[0].filename == __file__
    assert not corrector.rules_.certified
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(corrector.predict(outbreak.X_new), legacy)
    corrector.certify(outbreak.X_new, outbreak.y_new)
    assert 2 in corrector.predict(outbreak.X_new)


def test_too_few_rows_for_what_is_left_say_how_many_are_missing(outbreak):
    corrector = fitted(outbreak, max_damage=0.015, **OTHER)
    assert corrector.rules_.certified
    with pytest.warns(NotCertifiedWarning, match="pass about .* more rows"):
        corrector = added(corrector, outbreak)
    assert not corrector.rules_.certified
    assert corrector.with_rules(corrector.rules_.undo().undo()).rules_.certified


def test_an_alert_budget_needs_traffic_again(outbreak):
    corrector = quietly(lambda: fitted(outbreak, alert_budget=0.1, **OTHER))
    with pytest.warns(NotCertifiedWarning, match=r"alert budget .* call certify\(X\)"):
        corrector = added(corrector, outbreak)
    corrector.certify(outbreak.X_new)
    assert corrector.rules_.certified


@pytest.mark.parametrize("per", ["class", "segment"])
def test_strata_are_certified_again_one_by_one(outbreak, per):
    segment = np.array(["web", "shop"])[np.arange(1200) % 2]
    side = {"segment": segment} if per == "segment" else {}
    corrector = fitted(outbreak, per=per, max_damage=0.1, side=side, **OTHER)
    strata = set(corrector.rules_.strata)
    corrector = added(corrector, outbreak)
    assert set(corrector.rules_.strata) == strata
    assert len(strata) == 2
    assert corrector.rules_.certified


def test_groups_calibrate_again_as_groups(outbreak):
    side = {"groups": np.arange(1200) // 2}
    corrector = fitted(outbreak, max_damage=0.1, side=side, **OTHER)
    before = corrector.rules_.certificate()
    corrector = added(corrector, outbreak)
    again = corrector.rules_.certificate()
    assert (again.unit, again.n_calibration) == ("groups", before.n_calibration)


def test_sampling_weights_thin_again(outbreak):
    side = {"calibration_weight": np.where(np.arange(1200) % 2, 1.0, 1e-9)}
    corrector = fitted(outbreak, max_damage=0.1, side=side, **OTHER)
    before = corrector.rules_.certificate().n_calibration
    corrector = added(corrector, outbreak)
    assert corrector.rules_.certificate().n_calibration == before


def test_a_model_without_errors_learns_its_first(outbreak):
    right = outbreak.model.predict(outbreak.X) == outbreak.y
    flawless = outbreak._replace(X=outbreak.X[right], y=outbreak.y[right])
    corrector = quietly(lambda: fitted(flawless))
    assert corrector.classes_.tolist() == [0, 1]
    corrector = added(corrector, outbreak)
    assert corrector.classes_.tolist() == [0, 1, 2]
    assert corrector.rules_.certified
    assert 2 in corrector.predict(outbreak.X_new)
    assert corrector.predict_proba(outbreak.X_new).shape == (1200, 3)


def test_what_is_refused_leaves_the_corrector_as_it_was(outbreak):
    corrector = fitted(outbreak, **OTHER)
    book, classes = corrector.rules_, corrector.classes_
    X, y = errors_of(outbreak)
    other = np.where(np.arange(len(y)) == 1, outbreak.model.predict(X), y)
    cases = ((other, "call add once per label"), (y[:3], "need as many"))
    for labels, message in cases:
        with pytest.raises(ValueError, match=message):
            corrector.add(X, labels)
    with pytest.raises(ValueError, match="on error 0 already"):
        corrector.add(X[:1], outbreak.model.predict(X[:1]))
    assert corrector.rules_ is book
    assert corrector.classes_ is classes
    corrector.set_params(ledger=False)
    with pytest.raises(ValueError, match="fit with ledger=True"):
        corrector.add(X[:5], y[:5])
    assert corrector.rules_ is book


def test_without_a_reservoir_no_row_is_kept(outbreak):
    corrector = fitted(outbreak, reservoir=0, **OTHER)
    assert corrector.rules_.background.reservoir is None
    with pytest.warns(NotCertifiedWarning, match=r"certify\(X, y\)"):
        added(corrector, outbreak)


def test_the_reservoir_holds_no_more_than_was_asked_for(outbreak):
    corrector = fitted(outbreak, reservoir=150, **OTHER)
    assert len(corrector.rules_.background.reservoir.labels) == 150
    assert added(corrector, outbreak).rules_.certificate().n_calibration == 150


@pytest.mark.parametrize("detector", ["auto", CascadeDetector()])
def test_where_tails_are_heavy_a_rule_reads_robust_columns(outbreak, detector):
    corrector = fitted(outbreak, detector=detector, max_damage=0.1, **OTHER)
    corrector = added(corrector, outbreak)
    assert isinstance(corrector.rules_["to 2"].detector, CascadeDetector)
    assert corrector.rules_.certified
    assert 2 in corrector.predict(outbreak.X_new)
    assert "to 2" in str(corrector.explain(outbreak.X_new))


def test_a_flagging_corrector_adds_flags(outbreak):
    corrector = fitted(outbreak, action="flag", **OTHER)
    corrector = added(corrector, outbreak)
    assert corrector.rules_["to 2"].action == "flag"
    assert corrector.trace(outbreak.X_new)["flagged"].any()
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(corrector.predict(outbreak.X_new), legacy)


def test_a_book_around_another_model_learns_nothing(outbreak):
    model = clone(outbreak.model).fit(outbreak.X_new, outbreak.y_new % 2)
    guest = fitted(outbreak, model=model).with_rules(fitted(outbreak, **OTHER).rules_)
    with pytest.raises(ValueError, match="knows no right decisions of its legacy"):
        guest = added(guest, outbreak)


def test_the_switch_outside_turns_a_corrector_off(outbreak, monkeypatch):
    corrector = fitted(outbreak)
    monkeypatch.setenv(VARIABLE, "1")
    legacy = outbreak.model.predict(outbreak.X_new)
    assert_array_equal(corrector.predict(outbreak.X_new), legacy)
    assert_allclose(
        corrector.predict_proba(outbreak.X_new)[:, :2],
        outbreak.model.predict_proba(outbreak.X_new),
    )
    trace = corrector.trace(outbreak.X_new)
    assert not trace["changed"].any()
    assert np.isneginf(trace["margin"]).all()
    monkeypatch.delenv(VARIABLE)
    assert 2 in corrector.predict(outbreak.X_new)


def test_a_retired_rule_in_front_shifts_no_other(outbreak):
    """What fires is named, relabelled and scored by its own rule."""
    corrector = fitted(outbreak)
    first = corrector.rules_.rules[0]
    assert first.name != "to 2"
    less = corrector.with_rules(corrector.rules_.with_state(first.name, "retired"))
    trace = less.trace(outbreak.X_new)
    changed = trace["changed"]
    assert changed.any()
    assert (trace["rule"][changed] == "to " + trace["after"][changed].astype(str)).all()
    assert_array_equal(less.predict(outbreak.X_new), trace["after"])
    assert (trace["proposed"][changed] == trace["after"][changed]).all()
    proba = less.predict_proba(outbreak.X_new)
    assert_array_equal(less.classes_[proba.argmax(axis=1)], trace["after"])
