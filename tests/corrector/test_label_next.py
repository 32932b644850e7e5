"""A certificate of many rows from few labels."""

from __future__ import annotations

import numpy as np
import pytest

from rarecorrect.blocks import array_blocks
from rarecorrect.files import load, save
from rarecorrect.verify import verify

from .helpers import MODEL, certify, draw, fit, segments


@pytest.fixture(scope="module")
def recent():
    return draw(20_000, 5)


def asked(corrector, X, truth):
    """Labels as far as the corrector asks for them."""
    y = np.full(len(truth), np.nan)
    while (todo := corrector.label_next(X, y)).rows.size:
        y[todo.rows] = truth[todo.rows]
    return y


def test_few_labels_certify_a_budget_that_takes_many_rows(recent):
    X, truth = recent
    corrector, _ = fit(*draw(2000, 1))
    corrector.set_params(max_damage=0.001)
    y = asked(corrector, X, truth)
    assert np.sum(~np.isnan(y)) < 0.15 * len(y)
    assert certify(corrector, X, y) == []
    found = corrector.rules_.certificate()
    assert found.certified and found.max_damage == 0.001
    X_new, y_new = draw(40_000, 6)
    right = MODEL.predict(X_new) == y_new
    assert np.mean(corrector.predict(X_new)[right] != y_new[right]) < 0.001


@pytest.mark.parametrize("block_rows", [1234, 20_000])
def test_blocks_are_asked_for_as_all_rows_are(recent, block_rows):
    X, truth = recent
    corrector, _ = fit(*draw(2000, 1))
    corrector.set_params(max_damage=0.001)
    y = np.full(len(truth), np.nan)
    for _ in range(3):
        found = corrector.label_next_blocks(array_blocks(X, y, block_rows=block_rows))
        expected = corrector.label_next(X, y)
        assert found.rows.tolist() == expected.rows.tolist()
        assert found.reason == expected.reason and found.n_right == expected.n_right
        y[found.rows] = truth[found.rows]
    assert corrector.label_next_blocks(array_blocks(X)).rows.size == 400


def test_blocks_that_certified_before_cost_more_confidence(recent):
    X, truth = recent
    corrector, _ = fit(*draw(2000, 1))
    corrector.set_params(max_damage=0.001)
    y = asked(corrector, X, truth)
    corrector.certify(X, y)
    again = corrector.label_next_blocks(array_blocks(X, y, block_rows=999))
    assert again.n_needed == corrector.label_next(X, y).n_needed
    fresh, _ = fit(*draw(2000, 1))
    fresh.set_params(max_damage=0.001)
    assert again.n_needed < fresh.label_next_blocks([(X, y)]).n_needed


def test_blocks_are_not_read_in_vain(recent):
    corrector, _ = fit(*draw(2000, 1))
    corrector.set_params(max_damage=None, alert_budget=0.01)
    with pytest.raises(ValueError, match="max_damage is None"):
        corrector.label_next_blocks(pytest.fail("was read") for _ in range(1))


def test_the_certificate_survives_its_file(recent, tmp_path):
    X, truth = recent
    corrector, _ = fit(*draw(2000, 1))
    corrector.certify(X, asked(corrector, X, truth))
    save(corrector, tmp_path / "c.rc")
    assert load(tmp_path / "c.rc", estimator=MODEL).rules_.certificate().certified
    found = {verdict for verdict, *_ in verify((tmp_path / "c.rc").read_bytes())}
    assert found <= {"PASS", "NOT RECOMPUTED"}


def test_labels_that_are_missing_where_they_matter_are_asked_for(recent):
    X, truth = recent
    corrector, _ = fit(*draw(2000, 1))
    y = np.where(np.arange(len(truth)) % 2, truth, np.nan)
    with pytest.raises(
        ValueError, match=r"a random sample of 400 rows .* first is row"
    ):
        corrector.certify(X, y)


def test_per_groups_and_weights_need_all_labels(recent):
    X, truth = recent
    y = truth.astype(float)
    y[0] = np.nan
    side = {"segment": segments(2000)}
    by_segment, _ = fit(*draw(2000, 1), per="segment", max_damage=0.05, side=side)
    with pytest.raises(ValueError, match="y misses 1 labels"):
        by_segment.certify(X, y, segment=segments(len(y)))
    corrector, _ = fit(*draw(2000, 1))
    for side in (
        {"groups": np.arange(len(y))},
        {"calibration_weight": np.ones(len(y))},
    ):
        with pytest.raises(ValueError, match="y misses 1 labels"):
            corrector.certify(X, y, **side)
