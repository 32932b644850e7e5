"""Certificates in plain words say no more than the certificates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rarecorrect import ErrorCorrector
from rarecorrect.promise import limits, promised_damage, promises


def test_nothing_certified_is_nothing_promised(outbreak):
    made = outbreak.fitted(max_damage=0.1)
    off = made.with_rules(made.rules_.disable_all())
    assert promises(off.report_) == []
    assert np.isnan(promised_damage(off.report_))


def test_how_often_a_test_is_wrong_is_rounded_up(outbreak):
    by_class = outbreak.fitted(max_damage=0.2, per="class")
    told = promises(by_class.report_)
    # 1 - sqrt(.96) = 2.02 % for each of two classes, 4 % for both
    assert [text.count("2.1 times in 100") for text in told] == [1, 1, 0]
    assert "All 2 of these statements hold at once, except at most 4 times" in told[2]
    exact = outbreak.fitted(max_damage=0.1, ledger=False)
    assert "at most 5 times in 100" in promises(exact.report_)[0]


def test_the_error_of_the_number_of_rows_adds_up(outbreak):
    report = outbreak.fitted(max_damage=0.1).report_
    entry = report.book.entry("damage")
    unsure = replace(entry.certificates[None], n_confidence=0.99)
    book = report.book.certified_by(replace(entry, certificates={None: unsure}))
    assert "at most 5 times in 100" in promises(replace(report, book=book))[0]


def test_days_are_promised_as_days(outbreak):
    made = ErrorCorrector(
        outbreak.model, max_damage=None, alert_budget="30/day", random_state=0
    )
    with pytest.warns(match="alert budget"):
        made.fit(outbreak.X, outbreak.y, time=np.arange(1200) // 30)
    made.certify(outbreak.X_new, time=np.arange(1200) // 30)
    assert promises(made.report_)[0].startswith(
        "At most 10 % (1 in 10) of days like the 40 that it was tested on have more "
        "than 30 alerts; "
    )
    assert np.isnan(promised_damage(made.report_))  # of right decisions, nothing


def test_assumptions_are_said_with_what_follows_from_them(outbreak):
    mixed = outbreak.fitted(max_damage=0.1, contamination=0.02)
    said = dict(limits(mixed.report_))["Hidden errors are an assumption"]
    assert "Up to 2 %" in said and "at most 12.2 % of right decisions" in said
    assert "is taken to get right" in promises(mixed.report_)[0]
    blind = outbreak.fitted(max_damage=0.1, legacy_accuracy=0.6)
    blind.certify(outbreak.X_new)
    said = dict(limits(blind.report_))["The accuracy is an assumption"]
    assert "at least 60 %" in said and "at most 10 % of right decisions" in said
    assert promises(blind.report_)[0].startswith("Of all cases, the correction changes")


def test_groups_are_independent_by_design(outbreak):
    grouped = outbreak.fitted(max_damage=0.2, side={"groups": np.arange(1200) // 3})
    assert "for cases of groups like the" in promises(grouped.report_)[0]
    assert "Cases that hang together" not in dict(limits(grouped.report_))
