"""The ledger: confidence is spent once, and never more than there is."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression

from rarecorrect.certify import certified_threshold
from rarecorrect.ledger import LedgerEntry, fingerprint, level_to_spend, origin

CERTIFICATE = certified_threshold(np.arange(500.0), 0.01)


def entry(kind="damage", mark="rows", covered=(), delta=0.04):
    return LedgerEntry(kind, {None: CERTIFICATE}, frozenset(covered), mark, delta)


def spend(n_times, confidence_level=0.95):
    """Error probabilities of certificates one after another on the same rows."""
    entries, spent = (), []
    for _ in range(n_times):
        level = level_to_spend(entries, "damage", "rows", confidence_level, ledger=True)
        spent.append(1 - level)
        entries += (entry(delta=1 - level),)
    return spent


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_first_four_fifths_then_ever_less(level):
    delta, spent = 1 - level, spend(6, level)
    expected = [0.8 * delta, *(0.2 * delta / (q * (q - 1)) for q in range(2, 7))]
    assert_allclose(spent, expected, rtol=1e-9)


def test_no_number_of_certificates_spends_more_than_there_is():
    spent = spend(400)
    assert 0.0499 < sum(spent) <= 0.05
    assert min(spent) > 0


def test_fresh_rows_and_other_budgets_start_anew():
    entries = (entry(mark="others"), entry(kind="alerts"), entry(mark="others"))
    level = level_to_spend(entries, "damage", "rows", 0.95, ledger=True)
    assert_allclose(level, 0.96)


def test_without_a_ledger_all_is_spent_at_once():
    assert level_to_spend((), "damage", "rows", 0.95, ledger=False) == 0.95
    with pytest.raises(ValueError, match=r"used already.*fresh rows.*ledger=True"):
        level_to_spend((entry(),), "damage", "rows", 0.95, ledger=False)
    fresh = level_to_spend((entry(),), "damage", "other rows", 0.95, ledger=False)
    assert fresh == 0.95


@pytest.mark.parametrize(("delta", "level"), [(0.04, 0.97), (0.05, 0.95), (0.04, 0.96)])
def test_terms_that_allow_no_more_than_was_spent(delta, level):
    """A level that was raised, or a ledger that was switched on afterwards."""
    with pytest.raises(ValueError, match=r"spent 0\.0[45] .*allows 0\.0[345] in all"):
        level_to_spend((entry(delta=delta),), "damage", "rows", level, ledger=True)


def test_what_is_left_is_not_overspent():
    level = level_to_spend((entry(),), "damage", "rows", 0.9597, ledger=True)
    assert_allclose(1 - level, 0.0003)  # less than a tenth of 0.0403
    level = level_to_spend((entry(),), "damage", "rows", 0.9, ledger=True)
    assert_allclose(1 - level, 0.01)


def test_fewer_rules_stay_covered_more_do_not():
    found = entry(covered=("a", "b"))
    assert found.covers(set())
    assert found.covers({"a"})
    assert found.covers({"a", "b"})
    assert not found.covers({"a", "c"})


ROWS = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((ROWS,), (ROWS + 1e-12,)),
        ((ROWS, np.array(["a", "b"])), (ROWS, np.array(["a", "c"]))),
        ((ROWS, np.array(["a", "bc"])), (ROWS, np.array(["ab", "c"]))),
        ((ROWS[:3], ROWS[3:]), (ROWS[:2], ROWS[2:])),
        ((ROWS, None), (ROWS,)),
    ],
)
def test_other_rows_have_another_fingerprint(one, other):
    assert fingerprint(*one) != fingerprint(*other)


def test_the_same_rows_have_the_same_fingerprint_in_any_layout():
    labels = np.array(["a", "b"], dtype=object)
    assert fingerprint(ROWS, labels) == fingerprint(np.asfortranarray(ROWS), labels)
    assert fingerprint(labels) == fingerprint(labels.astype("U1"))


def test_an_origin_is_known_by_its_objects_and_their_order():
    model, twin = LogisticRegression(), LogisticRegression()
    one = origin(model, "input", None)
    assert one == origin(model, "input", None)
    others = [
        origin(twin, "input", None),
        origin(model, "input", "None"),
        origin("input", model, None),
        origin(model, "input"),
    ]
    assert len({one, *others}) == 5


def test_a_name_is_never_given_again():
    """One model after another may lie at the same address in memory."""
    assert len({origin(LogisticRegression()) for _ in range(200)}) == 200


def test_a_name_keeps_nothing_alive():
    model = LogisticRegression()
    watched = weakref.ref(model)
    origin(model)
    del model
    gc.collect()
    assert watched() is None


def test_an_object_that_cannot_be_followed_is_new_every_time():
    class Slim:
        __slots__ = ()

    slim = Slim()
    assert origin(slim) != origin(slim)
