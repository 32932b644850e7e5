"""RARECORRECT_DISABLE: the legacy model, from the next call on."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from rarecorrect import off_switch

from .helpers import (
    CALIBRATION_LABELS,
    LABELS,
    Z,
    assert_same_decisions,
    book_of,
    certify,
    changed,
    two_rules,
)


@pytest.fixture(autouse=True)
def untold(monkeypatch):
    """Nothing was logged yet, and the switch is where it was before."""
    monkeypatch.delenv(off_switch.VARIABLE, raising=False)
    off_switch._tell_once.cache_clear()
    yield
    off_switch._tell_once.cache_clear()


@pytest.mark.parametrize("value", ["1", "true", " yes "])
def test_nothing_fires_while_it_is_set(monkeypatch, value):
    book = book_of(*two_rules(), strata=CALIBRATION_LABELS)
    shadowed = book.with_state("a", "shadow")
    before = changed(book, LABELS)
    assert before
    monkeypatch.setenv(off_switch.VARIABLE, value)
    assert changed(book, LABELS) == set()
    assert not book.decide(Z, LABELS, LABELS).fires.any()
    assert not shadowed.decide_in_shadow(Z, LABELS, LABELS)[1].fires.any()
    assert book.threshold(0) == np.inf
    monkeypatch.delenv(off_switch.VARIABLE)
    assert changed(book, LABELS) == before


@pytest.mark.parametrize("value", ["", "0", " 0 "])
def test_nothing_and_zero_leave_it_off(monkeypatch, value):
    book = book_of(*two_rules())
    monkeypatch.setenv(off_switch.VARIABLE, value)
    assert changed(book)


def test_it_is_logged_once(monkeypatch, caplog):
    book = book_of(*two_rules())
    monkeypatch.setenv(off_switch.VARIABLE, "1")
    with caplog.at_level(logging.WARNING, "rarecorrect"):
        for _ in range(3):
            changed(book)
    assert [r.name for r in caplog.records] == ["rarecorrect"]
    assert "RARECORRECT_DISABLE is set: no rule fires" in caplog.text


def test_certificates_are_made_as_ever(monkeypatch):
    plain = book_of(*two_rules())
    monkeypatch.setenv(off_switch.VARIABLE, "1")
    book = certify(plain, mark="fresh")
    monkeypatch.delenv(off_switch.VARIABLE)
    assert_same_decisions(certify(plain, mark="fresh"), book)
