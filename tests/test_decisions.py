"""A first look in float32 must not miss a row that fires."""

from __future__ import annotations

import numpy as np
import pytest

from rarecorrect import decisions
from rarecorrect.decisions import Decisions, above_raw_threshold, raw_limits
from rarecorrect.rule import Rule
from rarecorrect.tail_scale import TailScale


def small_blocks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(decisions, "_FEWEST_ROWS", rows)
    monkeypatch.setattr(decisions, "_BLOCK_NUMBERS", 40 * rows)


def rules_of(weights: np.ndarray) -> list[Rule]:
    rng = np.random.default_rng(1)
    spread = np.linalg.norm(weights, axis=0)
    return [
        Rule(
            f"to {i + 2}",
            i + 2,
            None,
            TailScale.from_scores(rng.normal(size=500) * spread[i]),
            coef=weights[:, i],
            intercept=0.25 * i,
        )
        for i in range(weights.shape[1])
    ]


@pytest.mark.parametrize("centre", [0.0, 1e4])
@pytest.mark.parametrize("seed", range(5))
def test_no_row_that_fires_is_missed(
    monkeypatch: pytest.MonkeyPatch, seed: int, centre: float
) -> None:
    small_blocks(monkeypatch, 32)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(40, 3)) * np.geomspace(1e-3, 1e3, 40)[:, None]
    Z = rng.normal(centre, 1, size=(500, 40)) / np.geomspace(1e-3, 1e3, 40)
    Z = Z.astype(np.float32)
    labels = rng.integers(0, 3, size=500)
    rules = rules_of(weights)
    exact = Decisions.of(rules, Z, labels, np.full(500, np.inf)).score
    # as close to a threshold as rows can lie
    for limit in np.sort(exact[np.isfinite(exact)])[[0, 50, -20, -1]]:
        thresholds = np.full(500, np.nextafter(limit, -np.inf))
        above = above_raw_threshold(rules, Z, labels, thresholds)
        assert above[exact > thresholds].all()
        assert (exact > thresholds).any()


def test_a_large_offset_costs_digits_of_the_score_too() -> None:
    rng = np.random.default_rng(0)
    scale = TailScale.from_scores(rng.normal(size=500))
    coef = rng.normal(size=40)
    rule = Rule("to 2", 2, None, scale, coef=coef, intercept=-1e12)
    Z = 1e-3 * rng.normal(size=(2000, 40))
    Z += (1e12 / (coef @ coef)) * coef  # scores near 0, in steps of 1e-4
    labels = np.zeros(2000, dtype=int)
    exact = Decisions.of([rule], Z, labels, np.full(2000, np.inf)).score
    for limit in np.sort(exact)[[0, 500, 1000, 1500]]:
        fires = Decisions.of([rule], Z, labels, np.full(2000, limit)).fires
        least = raw_limits([rule], labels[:1], float(limit))
        alone = (Z * coef)[:, ::-1].sum(axis=1)  # in another order
        assert fires.any()
        assert (alone > least)[fires].all()


def test_few_rows_are_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch, 64)
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(2000, 30)).astype(np.float32)
    rules = rules_of(rng.normal(size=(30, 2)))
    rows = decisions._suspects(rules, Z, np.array([20.0, 20.0]))
    assert isinstance(rows, np.ndarray)
    assert rows.size < 20


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_float32_cannot_tell_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    small_blocks(monkeypatch, 64)
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(128, 30)).astype(np.float32)
    Z[7] = value
    weights = rng.normal(size=(30, 2))
    labels, limits = np.zeros(128, dtype=int), np.full(128, 4.0)
    rules = rules_of(weights)
    above = above_raw_threshold(rules, Z, labels, limits)
    fires = Decisions.of(rules, Z, labels, limits).fires
    assert fires[7] == (np.isfinite(value) and (value * weights.sum(axis=0) > 0).any())
    assert above[fires].all()


def test_a_sum_that_overflows_on_its_way_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_blocks(monkeypatch, 64)
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(128, 30)).astype(np.float32)
    weights = rng.uniform(1, 2, size=(30, 1))
    Z[7], Z[7, :10] = 3e38, -3e38  # twenty up, ten down
    labels, limits = np.zeros(128, dtype=int), np.full(128, 4.0)
    assert above_raw_threshold(rules_of(weights), Z, labels, limits)[7]


@pytest.mark.parametrize(
    ("weights", "features"), [((-1e39, 1.0), (1e-3, 1e37)), ((1.0, -0.5), (3e37, 1e37))]
)
def test_weights_and_sums_beyond_float32_are_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
    weights: tuple[float, float],
    features: tuple[float, float],
) -> None:
    small_blocks(monkeypatch, 64)
    Z = np.zeros((128, 2), dtype=np.float32)
    Z[7] = features
    rules = rules_of(np.array(weights)[:, None])
    labels, limits = np.zeros(128, dtype=int), np.full(128, -2.0)
    fires = Decisions.of(rules, Z, labels, limits).fires
    assert fires[7]
    assert above_raw_threshold(rules, Z, labels, limits)[fires].all()
