"""Errors that nobody knows of yet sit among the right decisions and eat the budget."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from rarecorrect import ErrorCorrector
from rarecorrect.certify import allowed_exceedances

SHARE = 0.02  # of the decisions taken for right are hidden errors
BUDGET = 0.01


@pytest.fixture(scope="module")
def late_labels():
    """A new type of which most cases count as right: their labels are not in yet."""
    rng = np.random.default_rng(0)
    n = 9000
    X = rng.normal(size=(n, 4))
    y = rng.integers(0, 2, n)
    X[:, 0] += np.where(y == 1, 2.0, -2.0)
    new = (y == 1) & (rng.random(n) < 0.05)
    X[new] += (-4.0, 3.0, 3.0, 0.0)
    model = LogisticRegression().fit(X[:1000][~new[:1000]], y[:1000][~new[:1000]])
    known = y.copy()
    wrong = model.predict(X) != y
    hidden = wrong & (rng.random(n) < 0.8)
    known[hidden] = model.predict(X)[hidden]
    return model, X[1000:], y[1000:], known[1000:], hidden[1000:]


def corrected(late_labels, **options):
    model, X, _, known, _ = late_labels
    options = {"max_damage": BUDGET, "random_state": 0, "confusions": [1], **options}
    return ErrorCorrector(model, **options).fit(X[:5000], known[:5000])


def test_hidden_errors_eat_the_budget_and_contamination_gives_it_back(late_labels):
    model, X, y, _, _ = late_labels
    before = model.predict(X[5000:])
    wrong = (before != y[5000:]) & (y[5000:] == 1)
    gain, damage = {}, {}
    for share in (0.0, SHARE):
        after = corrected(late_labels, contamination=share).predict(X[5000:])
        gain[share] = np.mean(after[wrong] == 1)
        damage[share] = np.mean(after[before == y[5000:]] != before[before == y[5000:]])
    assert gain[SHARE] > gain[0.0] + 0.3
    # in the worst case (budget + share) / (1 - share); the hidden ones are found here
    assert damage[0.0] < damage[SHARE] < 2 * BUDGET


def test_the_certificate_says_what_is_certified_and_what_is_assumed(late_labels):
    found = corrected(late_labels, contamination=SHARE).rules_.certificate()
    assert found.max_damage == pytest.approx(BUDGET + SHARE)
    assert found.n_allowed == allowed_exceedances(
        found.n_calibration, BUDGET + SHARE, found.confidence_level
    )
    assert str(found).startswith(
        "changes at most 3 % of decisions taken for right (assumed, not certified: if "
        "at most 2 % of these are hidden errors, at most 3.061 % of right ones) (9"
    )
    assert "assumed" not in str(corrected(late_labels).rules_.certificate())


def test_a_time_margin_is_taken_off_the_budget_only(late_labels):
    options = {"contamination": SHARE, "time_margin": 1.0}
    found = corrected(late_labels, **options).rules_.certificate()
    assert found.max_damage == pytest.approx(BUDGET / 2 + SHARE)


def test_unlabelled_traffic_takes_nothing_for_right(late_labels):
    _, X, *_ = late_labels
    corrector = corrected(late_labels, contamination=SHARE, legacy_accuracy=0.985)
    found = corrector.certify(X[5000:]).rules_.certificate()
    assert found.max_damage == pytest.approx(0.985 * BUDGET)
    assert "assumed" not in str(found)


def test_the_way_out_reckons_with_it(late_labels):
    model, X, _, known, _ = late_labels
    few = {"max_damage": 0.001, "contamination": 0.001, "random_state": 0}
    with pytest.warns(UserWarning, match=r"set max_damage=") as caught:
        ErrorCorrector(model, **few).fit(X[:1200], known[:1200])
    text = str(caught[0].message)
    enough = float(text.split("set max_damage=")[1].split(" ")[0].rstrip(","))
    again = ErrorCorrector(model, **{**few, "max_damage": enough})
    assert again.fit(X[:1200], known[:1200]).rules_.certified


def test_the_way_out_of_too_little_traffic(late_labels):
    _, X, *_ = late_labels
    few = {"contamination": 0.05, "legacy_accuracy": 0.985, "time_margin": 0.5}
    few |= {"max_damage": 0.002, "calibration_fraction": 0.001}
    with pytest.warns(UserWarning, match="not certified"):
        corrector = corrected(late_labels, **few)
    with pytest.warns(UserWarning, match="set max_damage=") as caught:
        corrector.certify(X[5000:5600])
    text = str(caught[0].message)
    enough = float(text.split("set max_damage=")[1].split(" ")[0].rstrip(",;"))
    corrector.set_params(max_damage=enough)
    assert corrector.certify(X[5600:6200]).rules_.certified


def test_the_record_holds_what_was_assumed(late_labels):
    record = corrected(late_labels, contamination=SHARE).report_.to_dict()
    assert record["contamination"] == SHARE
    assert record["certificates"][0]["max_damage"] == pytest.approx(BUDGET + SHARE)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (-0.1, r"contamination must lie in \[0, 1\), got -0.1"),
        ("much", r"contamination must lie in \[0, 1\), got 'much'"),
        (0.5, "with max_damage=0.01 and contamination=0.5 all right decisions might"),
    ],
)
def test_shares_that_mean_nothing(late_labels, share, message):
    with pytest.raises(ValueError, match=message):
        corrected(late_labels, contamination=share)
