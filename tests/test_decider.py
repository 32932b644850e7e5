"""One case at a time must be told what `predict` and `trace` tell of many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rarecorrect import ErrorCorrector
from rarecorrect.detectors import TreesDetector

FORMS: dict[str, dict[str, Any]] = {
    "one threshold": {},
    "flags": {"action": "flag"},
    "by class": {"per": "class"},
    "by segment": {"per": "segment"},
    "not linear": {"detector": TreesDetector(20, random_state=0)},
    "logits too": {"features": ["input", "logits"]},
    "an amount at stake": {"value": "x0"},
}


def fitted(outbreak, **options: Any) -> tuple[ErrorCorrector, Any]:
    """A corrector at a loose budget, and its segments of the new rows."""
    options = {"features": "input", "max_damage": 0.1, "random_state": 0} | options
    by_segment = options.get("per") == "segment"
    segments = np.where(outbreak.X[:, 0] > 0, "east", "west") if by_segment else None
    corrector = ErrorCorrector(outbreak.model, **options)
    corrector.fit(outbreak.X, outbreak.y, segment=segments)
    if not by_segment:
        return corrector, None
    return corrector, np.where(outbreak.X_new[:, 1] > 0, "east", "north")


@pytest.mark.parametrize("form", FORMS)
def test_as_predict_and_trace(outbreak, form: str) -> None:
    corrector, segments = fitted(outbreak, **FORMS[form])
    X = outbreak.X_new[:150]
    segments = None if segments is None else segments[:150]
    Z, before = corrector.features_.read(X).features, outbreak.model.predict(X)
    decide = corrector.decider()
    asked = segments if segments is not None else [None] * len(X)
    cases = list(zip(Z, before, asked, strict=True))
    after = [decide(z, label, segment) for z, label, segment in cases]
    rules = [decide.rule(z, label, segment) for z, label, segment in cases]
    trace = corrector.trace(X, segment=segments)
    touched = trace["changed"] | trace["flagged"]
    assert touched.any()
    np.testing.assert_array_equal(after, corrector.predict(X, segment=segments))
    assert [r.name if r else None for r in rules] == [
        name if fires else None
        for name, fires in zip(trace["rule"], touched, strict=True)
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", ["one threshold", "not linear"])
def test_what_is_not_finite_keeps_its_label(outbreak, form: str, value: float) -> None:
    corrector, _ = fitted(outbreak, **FORMS[form])
    decide = corrector.decider()
    for z in outbreak.X_new[:50].copy():
        z[1] = value
        assert decide(z, 0) == 0
        assert decide.rule(z, 0) is None


def test_a_strange_label_and_a_strange_segment_keep_their_label(
    outbreak,
) -> None:
    corrector, _ = fitted(outbreak, per="segment")
    fires = corrector.decider()
    for z in outbreak.X_new[:50]:
        assert fires(z, 1, "nowhere") == 1
        assert fires(z, 1, None) == 1


def test_the_switch_works_both_ways(outbreak, monkeypatch: pytest.MonkeyPatch) -> None:
    corrector, _ = fitted(outbreak)
    changed = corrector.trace(outbreak.X_new)["changed"].to_numpy()
    z = outbreak.X_new[np.flatnonzero(changed)[0]]
    label = outbreak.model.predict(z[None])[0]
    monkeypatch.setenv("RARECORRECT_DISABLE", "1")
    decide = corrector.decider()
    assert decide(z, label) == label
    monkeypatch.delenv("RARECORRECT_DISABLE")
    assert decide(z, label) == 2  # it had not kept what it was told meanwhile
    monkeypatch.setenv("RARECORRECT_DISABLE", "1")
    assert decide(z, label) == label


def test_a_rule_that_expires_is_off(outbreak, monkeypatch: pytest.MonkeyPatch) -> None:
    corrector, _ = fitted(outbreak)
    changed = corrector.trace(outbreak.X_new)["changed"].to_numpy()
    z = outbreak.X_new[np.flatnonzero(changed)[0]]
    label = outbreak.model.predict(z[None])[0]
    book = corrector.rules_.with_expiry("to 2", "2999-12-31")
    decide = corrector.with_rules(book).decider()
    assert decide(z, label) == 2
    monkeypatch.setattr("rarecorrect.clock.today", lambda: "3000-01-01")
    assert decide(z, label) == label


def test_the_book_is_on_again_when_what_is_not_certified_expires(
    outbreak, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrector, _ = fitted(outbreak)
    changed = corrector.trace(outbreak.X_new)["changed"].to_numpy()
    z = outbreak.X_new[np.flatnonzero(changed)[0]]
    label = outbreak.model.predict(z[None])[0]
    rule = corrector.rules_["to 2"]
    rule = replace(rule, name="more", coef=-rule.coef, expires="2999-12-31")
    waiting = corrector.with_rules(corrector.rules_.extend(rule))
    decide = waiting.decider()
    assert decide(z, label) == waiting.predict(z[None])[0] == label
    monkeypatch.setattr("rarecorrect.clock.today", lambda: "3000-01-01")
    assert decide(z, label) == waiting.predict(z[None])[0] == 2


def test_a_decider_stays_with_its_version(outbreak) -> None:
    corrector, _ = fitted(outbreak)
    decide = corrector.decider()
    off = corrector.with_rules(corrector.rules_.disable_all()).decider()
    Z, before = outbreak.X_new, outbreak.model.predict(outbreak.X_new)
    after = [decide(z, label) for z, label in zip(Z, before, strict=True)]
    assert np.mean(after != before) > 0.05
    assert [off(z, label) for z, label in zip(Z, before, strict=True)] == list(before)
