"""One budget for each class: raising and clearing, certified jointly."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rarecorrect.certify import rows_needed, sidak_level
from rarecorrect.files import load, save
from rarecorrect.verify import verify

from .helpers import MODEL, certify, draw, fit, segments

BUDGETS = {0: 0.01, 1: 0.05}


@pytest.fixture(scope="module")
def both():
    return fit(*draw(4000, 1), per="class", max_damage=BUDGETS)[0]


def test_every_class_has_its_own_budget_at_one_joint_level(both):
    found = both.rules_.entry("damage").certificates
    assert {label: c.max_damage for label, c in found.items()} == BUDGETS
    assert all(c.certified for c in found.values())
    level = sidak_level(0.96, 2)
    assert_allclose([c.confidence_level for c in found.values()], level)
    X, y = draw(40_000, 2)
    legacy, after = MODEL.predict(X), both.predict(X)
    for label, budget in BUDGETS.items():
        right = (legacy == y) & (legacy == label)
        assert np.mean(after[right] != y[right]) < budget


def test_fewer_rows_are_held_out_where_the_budget_is_large():
    few = draw(1200, 1, ones=0.2)  # ones are rare
    n_ones = np.sum(MODEL.predict(few[0]) == 1)
    assert n_ones < rows_needed(0.01, sidak_level(0.96, 2))
    corrector, told = fit(*few, per="class", max_damage={0: 0.01, 1: 0.1})
    assert told == [] and len(corrector.rules_.entry("damage").certificates) == 2
    _, told = fit(*few, per="class", max_damage=0.01)
    assert any("class 1 (" in text for text in told)


def test_a_class_that_is_not_named_has_the_smallest_budget():
    corrector, _ = fit(*draw(4000, 1), per="class", max_damage={1: 0.05})
    found = corrector.rules_.entry("damage").certificates
    assert {c.max_damage for c in found.values()} == {0.05}


def test_segments_have_budgets_too():
    side = {"segment": segments(4000)}
    budgets = {"web": 0.02, "shop": 0.1}
    corrector, _ = fit(*draw(4000, 1), per="segment", max_damage=budgets, side=side)
    found = corrector.rules_.entry("damage").certificates
    assert {label: c.max_damage for label, c in found.items()} == budgets


def test_margin_and_contamination_change_every_budget():
    options = {"time_margin": 1.0, "contamination": 0.002, "max_damage": BUDGETS}
    corrector, _ = fit(*draw(4000, 1), per="class", **options)
    found = corrector.rules_.entry("damage").certificates
    assert_allclose([found[i].max_damage for i in (0, 1)], [0.007, 0.027])


def test_budgets_survive_their_file_and_are_verified(both, tmp_path):
    save(both, tmp_path / "both.rc")
    again = load(tmp_path / "both.rc", estimator=MODEL)
    assert again.max_damage == BUDGETS
    lines = verify((tmp_path / "both.rc").read_bytes())
    assert {verdict for verdict, *_ in lines} <= {"PASS", "NOT RECOMPUTED"}
    assert any("of 0.05" in detail for _, _, detail in lines)


def test_fresh_rows_certify_all_budgets(both):
    assert (
        certify(fit(*draw(4000, 1), per="class", max_damage=BUDGETS)[0], *draw(4000, 3))
        == []
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_damage": BUDGETS}, "set per='class' or per='segment'"),
        ({"max_damage": {}, "per": "class"}, "max_damage is an empty dict"),
        (
            {"max_damage": {0: 2}, "per": "class"},
            r"max_damage\[0\] must lie in \(0, 1\), got 2",
        ),
    ],
)
def test_budgets_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(*draw(400, 1), **options)
