"""What the report and the warnings say comes true: gains, strata that are off, numbers.

Each number that a message names is acted upon, on rows of the same kind.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.certify import alert_threshold, daily_threshold, rows_needed
from rarecorrect.exceptions import NotCertifiedWarning
from rarecorrect.fit_report import cross_validated_gain


def draw(n, seed, *, new=(2,), share=0.05, ones=1.0):
    """Rows of 0 and 1 told by one column; of new labels, told by another."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(int(3 * n), 4))
    y = (X[:, 0] > 0).astype(int)
    kept = (y == 0) | (rng.random(len(y)) < ones)
    X, y = X[kept][:n], y[kept][:n]
    is_new = rng.random(n) < share
    X[is_new, 3] += 6
    y[is_new] = rng.choice(new, size=is_new.sum())
    return X, y


MODEL = LogisticRegression().fit(*draw(2000, 0, share=0.0))


def fit(X, y, *, side=None, **options):
    """A corrector and what it warned of while it was fitted."""
    corrector = ErrorCorrector(MODEL, random_state=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        corrector.fit(X, y, **(side or {}))
    return corrector, [str(w.message) for w in caught]


def certify(corrector, *rows, **side):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        corrector.certify(*rows, **side)
    assert {w.category for w in caught} <= {NotCertifiedWarning}
    return [str(w.message) for w in caught]


def only(X, y, label):
    """Rows that the legacy model gives a label."""
    kept = MODEL.predict(X) == label
    return X[kept], y[kept]


def line_of(corrector, name):
    lines = str(corrector.report_).splitlines()
    return next(line for line in lines if line.split()[:3] == ["rule", *name.split()])


def claimed(corrector, name):
    """Interval of the gain in the report, in percent."""
    low, high = re.search(r"\((\d+)-(\d+) %", line_of(corrector, name)).groups()
    return int(low), int(high)


# --- the gain -------------------------------------------------------------------------


@pytest.mark.parametrize("per", [None, "class"])
@pytest.mark.parametrize("share", [0.1, 0.02])
def test_repairs_that_another_rule_takes_are_not_claimed(per, share):
    options = {"new": (2, 3), "share": share}
    corrector, told = fit(*draw(4000, 1, **options), per=per)
    assert told == []
    X, y = draw(40_000, 2, **options)
    after, wrong = corrector.predict(X), MODEL.predict(X) != y
    gains = []
    for label in (2, 3):  # drawn alike: one of the two rules wins nearly all errors
        errors = wrong & (y == label)
        gains.append(100 * np.mean(after[errors] == label))
        low, high = claimed(corrector, f"to {label}")
        assert low - 3 < gains[-1] < high + 3
    assert sum(gains) < 105
    assert max(gains) > 50


def test_the_gain_per_class_takes_the_threshold_of_every_class():
    # the new label hides among right 1s: only where the legacy label is 0 it shows
    def rows(n, seed):
        X, y = draw(n, seed, share=0.0)
        X[y == 1, 3] += 6
        is_new = np.random.default_rng(seed + 1).random(n) < 0.1
        X[is_new, 3] += 6 * (y[is_new] == 0)
        y[is_new] = 2
        return X, y

    corrector, _ = fit(*rows(6000, 3), per="class")
    X, y = rows(40_000, 5)
    gain = 100 * np.mean(corrector.predict(X)[y == 2] == 2)
    low, high = claimed(corrector, "to 2")
    assert low - 3 < gain < high + 3
    rule = corrector.rules_["to 2"]
    alike = [
        100 * cross_validated_gain(rule, corrector.rules_.threshold(label))[0]
        for label in (0, 1)
    ]
    assert max(alike) - min(alike) > high - low  # one threshold for all says little


def test_flags_are_not_called_repairs():
    corrector, _ = fit(*draw(4000, 1), action="flag")
    assert "flags 100 % of left-out errors" in line_of(corrector, "to 2")
    assert "repairs" not in str(corrector.report_)
    assert "] repairs 9" in line_of(fit(*draw(4000, 1))[0], "to 2")


def test_a_rule_that_knows_no_strata_is_not_judged_by_their_thresholds():
    elsewhere, _ = fit(*draw(4000, 1))
    corrector = fit(*draw(4000, 1), per="class")[0].with_rules(elsewhere.rules_)
    assert certify(corrector, *draw(4000, 2)) == []
    assert "gain not estimated: thresholds differ" in line_of(corrector, "to 2")


# --- strata that are off --------------------------------------------------------------


@pytest.fixture
def half_certified():
    """Rows of legacy label 1 are too few for a certificate of their own."""
    return fit(*draw(2500, 1, ones=0.1), per="class")


def number(pattern, text):
    return int(re.search(pattern, text).group(1).replace(",", ""))


def test_a_class_without_a_certificate_is_named(half_certified):
    corrector, told = half_certified
    found = corrector.rules_.certificate(1)
    assert corrector.rules_.certificate(0).certified
    assert not found.certified
    needed = rows_needed(found.max_damage, found.confidence_level)
    words = f"class 1 ({found.n_calibration} right calibration rows, {needed} needed)"
    assert len(told) == 1
    assert told[0].startswith(f"not certified, the legacy answer is kept: {words}")
    assert f"NOT CERTIFIED    {words}" in str(corrector.report_)
    assert "it speaks        for cases like" in str(corrector.report_)
    X, _ = draw(5000, 2)
    assert not (corrector.predict(X) != MODEL.predict(X))[MODEL.predict(X) == 1].any()
    record = json.loads(json.dumps(corrector.report_.to_dict()))
    assert record["shortcoming"].startswith(words)
    assert (record["per"], record["strata"]) == ("class", ["0", "1"])


def test_rows_of_the_class_alone_complete_the_certificates(half_certified):
    corrector, _ = half_certified
    before = corrector.rules_.certificate(0)
    assert certify(corrector, *only(*draw(2000, 2), 1)) == []
    assert corrector.rules_.certificate(0) is before
    assert corrector.rules_.certificate(1).certified
    assert corrector.report_.shortcoming() == ""


def test_so_many_more_rows_certify_every_class(half_certified):
    _, told = half_certified
    more = number(r"about ([\d,]+) more rows", told[0])
    X, y = draw(2500 + more, 1, ones=0.1)
    assert fit(X, y, per="class")[1] == []


def test_a_class_in_which_no_rule_acts_is_not_missed():
    X, y = draw(2500, 1, ones=0.1)
    corrector, told = fit(X, y, per="class", confusions=[(0, 2)])
    assert not corrector.rules_.certificate(1).certified
    assert told == []
    assert corrector.report_.shortcoming() == ""


def test_segments_too_small_to_calibrate_are_named_and_counted():
    X, y = draw(3000, 1)
    segment = np.where(np.arange(3000) < 8, np.arange(3000), 99)
    corrector, told = fit(X, y, per="segment", side={"segment": segment})
    assert corrector.rules_.certificate(99).certified
    assert told[0].count("segment") == 5
    assert "and 3 more" in told[0]
    needed = number(r"\(0 right calibration rows, (\d+) needed", told[0])
    assert needed == rows_needed(0.01, 0.96 ** (1 / 9))


def test_what_rows_cannot_certify_keeps_its_certificate():
    corrector, _ = fit(*draw(4000, 1), per="class")
    fitted = corrector.rules_
    X, _ = draw(20_000, 2)
    before = corrector.predict(X)
    assert certify(corrector, *only(*draw(3000, 3), 0)) == []
    assert corrector.rules_.certificate(1) is fitted.certificate(1)
    assert corrector.rules_.certificate(0) is not fitted.certificate(0)
    ones = MODEL.predict(X) == 1
    assert_array_equal(corrector.predict(X)[ones], before[ones])
    assert np.sum(corrector.predict(X)[~ones] == 2) > 100
    assert len(corrector.report_.certificates) == 2
    assert list(corrector.rules_.entries[-1].certificates) == [0]  # what was spent
    assert corrector.rules_.undo().certificate(0) is fitted.certificate(0)


def test_too_few_rows_of_a_class_are_told_and_change_nothing_there():
    corrector, _ = fit(*draw(4000, 1), per="class")
    before = corrector.rules_.certificate(1)
    many, few = only(*draw(3000, 3), 0), only(*draw(50, 4), 1)
    told = certify(corrector, *map(np.concatenate, zip(many, few, strict=True)))
    assert len(told) == 1
    assert "right decisions with 1 at" in told[0]
    assert "right decisions with 0 at" not in told[0]
    assert told[0].endswith("the certificate in force stays")
    assert corrector.rules_.certificate(1) is before
    told = certify(corrector, *only(*draw(50, 5), 0))  # no class gets a new one
    assert len(told) == 1
    assert "right decisions with 0 at" in told[0]
    assert corrector.rules_.certificate(1) is before


def test_certificates_of_other_rules_do_not_stay_in_force():
    corrector, _ = fit(*draw(4000, 1), per="class", confusions=[2])
    louder = replace(corrector.rules_["to 2"], log_share=9.0, name="louder")
    edited = corrector.with_rules(corrector.rules_.add(louder))
    told = certify(edited, *only(*draw(3000, 3), 0))
    assert edited.rules_.certificate(0).certified
    assert edited.rules_.certificate(1) is None
    assert edited.rules_.threshold(1) == np.inf
    assert "class 1 (0 right calibration rows" in told[0]


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


# --- rows that count as alerts wherever the threshold lies ----------------------------


def test_too_many_certain_alerts_are_not_called_too_few_rows():
    scores = np.r_[np.full(100, np.inf), np.arange(900.0)]
    text = str(alert_threshold(scores, 0.05))
    assert "5 % of traffic at 95 % confidence allows 38 of 1,000 rows" in text
    assert "more than 38 count as alerts whatever their score" in text
    days = daily_threshold(np.full(400, np.inf), np.arange(400) // 10, cap=5)
    assert "allows 0 of 40 days" in str(days)
    for few in (scores[:50], np.arange(50.0)):
        assert "needs 59 rows, got 50" in str(alert_threshold(few, 0.05))
