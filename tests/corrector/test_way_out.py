"""Not certified: the way out in numbers.

Each number that a message names is acted upon, on rows of the same kind.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector, NotCertifiedWarning
from rarecorrect.certify import rows_needed

from .helpers import certify, draw, fit, fitted, number, quietly

# --- what the message names -----------------------------------------------------------


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


# --- how many more rows ---------------------------------------------------------------


@pytest.mark.parametrize("ledger", [True, False])
@pytest.mark.parametrize("fraction", ["auto", 0.5, 0.2])
@pytest.mark.parametrize("n", [80, 300])
@pytest.mark.parametrize("share", [0.05, 0.4])
def test_so_many_more_rows_certify(ledger, fraction, n, share):
    options = {"ledger": ledger, "calibration_fraction": fraction}
    X, y = draw(20_000, 1, share=share)
    _, told = fit(X[:n], y[:n], **options)
    shown = number(r"([\d,]+) right calibration rows certify", told[-1])
    missing = number(r"not 1 %: ([\d,]+) more are missing", told[-1])
    more = number(r"pass about ([\d,]+) more rows", told[-1])
    assert shown + missing == rows_needed(0.01, 0.96 if ledger else 0.95)
    enough, _ = fit(X[: n + more], y[: n + more], **options)
    assert enough.rules_.certified
    few = n + more // 2  # and the number is no mere excess
    assert not fit(X[:few], y[:few], **options)[0].rules_.certified


def test_so_many_more_rows_certify_a_model_that_is_fitted_here():
    X, y = draw(20_000, 1)

    def certified(n):
        corrector = ErrorCorrector(LogisticRegression(), random_state=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            corrector.fit(X[:n], y[:n])
        return corrector.rules_.certified, str(caught[-1].message) if caught else ""

    _, text = certified(500)
    assert certified(500 + number(r"pass about ([\d,]+) more rows", text))[0]


def test_so_many_more_rows_in_new_groups_certify():
    X, y = draw(20_000, 1)
    groups = np.arange(20_000) // 5
    side = {"groups": groups[:600]}
    _, told = fit(X[:600], y[:600], side=side, max_damage=0.02)
    n = 600 + number(r"pass about ([\d,]+) more rows in new groups", told[-1])
    side = {"groups": groups[:n]}
    assert fit(X[:n], y[:n], side=side, max_damage=0.02)[0].rules_.certified


def test_so_many_more_rows_certify_an_edited_book():
    X, y = draw(20_000, 1)
    corrector, _ = fit(X[:300], y[:300])
    told = certify(corrector, X[1000:1200], y[1000:1200])
    n = 200 + number(r"pass about ([\d,]+) more rows", told[-1])
    assert n < 500  # all right rows calibrate: about 321 of them and their errors
    assert certify(corrector, X[2000 : 2000 + n], y[2000 : 2000 + n]) == []


def test_so_many_more_rows_without_labels_certify():
    X, y = draw(20_000, 1)
    corrector, _ = fit(X[:300], y[:300], legacy_accuracy=0.9)
    told = certify(corrector, X[1000:1100])
    more = number(r"pass about ([\d,]+) more rows", told[-1])
    assert 100 + more == rows_needed(0.009, 0.96)
    assert certify(corrector, X[2000 : 2100 + more]) == []


def test_a_fraction_that_holds_nothing_out_is_not_taken_for_enough_rows():
    X, y = draw(450, 1)
    _, told = fit(X, y, calibration_fraction=0.001)
    assert "0 right calibration rows" in told[-1]
    assert "pass 321 more" in told[-1]
