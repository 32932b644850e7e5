"""Certificates from blocks: those of the same rows in memory."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from rarecorrect import NotCertifiedWarning, TrainingRowsWarning
from rarecorrect.blocks import array_blocks
from rarecorrect.streaming import room

from .helpers import fitted, quietly, segments

pytestmark = pytest.mark.usefixtures("small_chunks")


def both(data, *, labelled=True, side=None, fit_side=None, **options):
    """Entries in force, in memory and from blocks of the same rows."""
    side, y = side or {}, data.y_new if labelled else None
    budgets = {k: options.pop(k) for k in ("alert_budget",) if k in options}
    made = [
        quietly(lambda: fitted(data, side=fit_side, **options)).set_params(**budgets)
        for _ in range(2)
    ]
    quietly(lambda: made[0].certify(data.X_new, y, **side))
    blocks = array_blocks(data.X_new, y, block_rows=111, **side)
    quietly(lambda: made[1].certify_blocks(blocks))
    return made


def same_entries(a, b):
    for mine, its in zip(a.rules_.current, b.rules_.current, strict=True):
        assert (mine.kind, mine.delta) == (its.kind, its.delta)
        assert mine.certificates == its.certificates  # thresholds to the last bit
        for stratum, found in mine.certificates.items():
            assert np.array_equal(found.units, its.certificates[stratum].units)
    return True


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per": "class", "max_damage": {0: 0.05, 1: 0.2}},
        {"labelled": False, "legacy_accuracy": 0.5},
        {"labelled": False, "alert_budget": 0.3},
        {"labelled": False, "alert_budget": 0.3, "legacy_accuracy": 0.5},
        {
            "labelled": False,
            "alert_budget": "20/day",
            "side": {"time": np.arange(1200) / 30.0},
        },
        {
            "labelled": False,
            "alert_budget": "20/day",
            "legacy_accuracy": 0.5,
            "side": {"time": np.arange(1200) / 30.0},
        },
    ],
)
def test_the_same_rows_in_memory_certify_the_same(outbreak, options):
    in_memory, from_blocks = both(outbreak, **options)
    assert same_entries(in_memory, from_blocks)
    assert from_blocks.report_.n_passed == 1200
    marks = [
        [e.fingerprint for e in c.rules_.current] for c in (in_memory, from_blocks)
    ]
    assert marks[0] == marks[1]  # the ledger knows the rows again


def test_segments_are_certified_one_by_one(outbreak):
    in_memory, from_blocks = both(
        outbreak,
        per="segment",
        side={"segment": segments(1200)},
        fit_side={"segment": segments(1200)},
    )
    assert same_entries(in_memory, from_blocks)
    assert set(from_blocks.rules_.entry("damage").certificates) == {"web", "shop"}


def test_the_size_of_the_blocks_changes_nothing(outbreak, monkeypatch):
    monkeypatch.setattr(room, "MOST_CALIBRATION", 300)  # and some are drawn
    found = set()
    for size in (1, 64, 500, 5000):
        corrector = fitted(outbreak)
        blocks = array_blocks(outbreak.X_new, outbreak.y_new, block_rows=size)
        corrector.certify_blocks(blocks)
        certificate = corrector.rules_.certificate()
        assert certificate.n_calibration == 300
        found.add((certificate.threshold, certificate.units.tobytes()))
    assert len(found) == 1


def test_the_ledger_pays_again_for_the_same_rows(outbreak):
    # what a model computes may differ in the last digit from batch to batch
    corrector = fitted(outbreak, features="input")
    for order in (np.arange(1200), np.arange(1200)[::-1]):
        blocks = array_blocks(outbreak.X_new[order], outbreak.y_new[order])
        quietly(partial(corrector.certify_blocks, blocks))
    quietly(
        lambda: corrector.certify(np.asfortranarray(outbreak.X_new), outbreak.y_new)
    )
    found = corrector.rules_.entries[-3:]
    assert len({entry.fingerprint for entry in found}) == 1
    assert [e.delta for e in found] == pytest.approx([0.04, 0.005, 0.005 / 3])


def test_rows_that_taught_are_noticed_by_a_part_of_them(outbreak, monkeypatch):
    monkeypatch.setattr(room, "MOST_BACKGROUND", 30)
    corrector = fitted(outbreak)
    corrector.fit_blocks(array_blocks(outbreak.X, outbreak.y))
    with pytest.warns(TrainingRowsWarning, match="rules were learnt from"):
        quietly(lambda: corrector.certify(outbreak.X, outbreak.y))


def test_errors_that_taught_are_all_known_and_count_as_many_as_they_are(
    outbreak, monkeypatch
):
    monkeypatch.setattr(room, "MOST_BACKGROUND", 30)
    corrector = fitted(outbreak)
    corrector.fit_blocks(array_blocks(outbreak.X, outbreak.y))
    corrector.set_params(alert_budget=0.3)
    wrong = outbreak.model.predict(outbreak.X) != outbreak.y
    traffic = np.vstack([outbreak.X[wrong][:60], outbreak.X_new])  # 5 % taught
    quietly(lambda: corrector.certify(traffic))  # a TrainingRowsWarning is an error


def test_where_nothing_is_right_the_certificate_stays(outbreak):
    corrector = fitted(outbreak)
    before = corrector.rules_.certificate()
    blocks = array_blocks(outbreak.X_new, np.full(1200, 7))
    with pytest.warns(NotCertifiedWarning, match="no right decision among these 1,200"):
        corrector.certify_blocks(blocks)
    assert corrector.rules_.certificate() is before


@pytest.mark.parametrize(
    ("options", "y", "message"),
    [
        ({"alert_budget": "9/day"}, False, "needs the time of every row"),
        ({}, False, "pass y, or set one of them"),
        ({"per": "class"}, False, "per='class' needs labels"),
        ({"per": "segment"}, True, "needs segment="),
    ],
)
def test_what_is_missing_is_told(outbreak, options, y, message):
    corrector = fitted(outbreak).set_params(**options)
    with pytest.raises(ValueError, match=message):
        corrector.certify_blocks(
            array_blocks(outbreak.X_new, outbreak.y_new if y else None)
        )


def test_other_columns_are_refused(outbreak):
    with pytest.raises(
        ValueError, match="3 features, but ErrorCorrector is expecting 4"
    ):
        fitted(outbreak).certify_blocks([(outbreak.X_new[:, :3], outbreak.y_new)])


def test_a_mask_is_refused(outbreak):
    mask = np.zeros(1200, dtype=bool)
    blocks = array_blocks(outbreak.X_new, outbreak.y_new, calibration_mask=mask)
    with pytest.raises(ValueError, match="takes no calibration_mask"):
        fitted(outbreak).certify_blocks(blocks)


@pytest.mark.parametrize(("labelled", "rows"), [(True, "labelled"), (False, "without")])
def test_what_can_certify_nothing_is_not_read(outbreak, labelled, rows):
    corrector = fitted(outbreak).set_params(
        max_damage=None if labelled else 0.1, alert_budget=0.2 if labelled else None
    )
    asked = []

    def blocks():
        for i in range(200):
            asked.append(i)
            yield (outbreak.X_new, outbreak.y_new) if labelled else (outbreak.X_new,)

    with pytest.raises(ValueError, match=f"{rows}.*certify"):
        corrector.certify_blocks(blocks())
    assert len(asked) < 100
