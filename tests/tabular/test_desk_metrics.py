"""Metrics of the fraud desk against all orders of tied rows."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from rarecorrect_tabular.desk_metrics import (
    alerts_per_fraud,
    average_precision,
    card_precision_at,
    day_interval,
    expected_top,
    money_saved,
    precision_at,
    recall_at,
)

FloatArray = npt.NDArray[np.float64]


def orders(scores: FloatArray) -> list[list[int]]:
    """All orders of rows by falling score."""
    found = permutations(range(scores.size))
    return [list(o) for o in found if (np.diff(scores[list(o)]) <= 0).all()]


def tied(seed: int, n: int = 7) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, n).astype(float), rng.integers(0, 2, n).astype(float)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [0, 1, 3, 6, 7, 9])
def test_the_top_is_its_mean_over_all_orders(seed: int, k: int) -> None:
    scores, worth = tied(seed)
    worth = worth * np.arange(1, 8)
    expected = np.mean([worth[order[:k]].sum() for order in orders(scores)])
    assert expected_top(scores, worth, k) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_its_mean_over_all_orders(seed: int) -> None:
    scores, fraud = tied(seed)
    fraud[0] = 1

    def one(order: list[int]) -> float:
        hits = fraud[order]
        precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
        return float(precision[hits == 1].mean())

    expected = np.mean([one(order) for order in orders(scores)])
    assert average_precision(scores, fraud) == pytest.approx(expected)


def test_average_precision_of_constant_scores_is_near_the_share_of_frauds() -> None:
    fraud = np.arange(10_000) % 100 == 0
    found = average_precision(np.zeros(10_000), fraud)
    assert 0.01 < found < 0.0115  # file order, frauds first, would give 1


def test_rows_that_no_rule_speaks_of_are_tied_too() -> None:
    scores = np.array([2.0, -np.inf, -np.inf])
    assert average_precision(scores, [1, 1, 0]) == pytest.approx(1 / 2 + 5 / 12)
    assert expected_top(scores, [0, 1, 0], 2) == 0.5


def test_days_are_averaged_for_precision_and_added_for_recall() -> None:
    # day 0: one of two alerts right; day 1 has one row only, a fraud
    scores, fraud = [3.0, 2.0, 1.0, 9.0], [1, 0, 1, 1]
    day = [0, 0, 0, 1]
    assert precision_at(scores, fraud, day, 2) == pytest.approx((0.5 + 1) / 2)
    assert recall_at(scores, fraud, day, 2) == pytest.approx(2 / 3)
    assert recall_at(scores, fraud, day, 2, value=[10, 1, 70, 20]) == pytest.approx(0.3)
    assert alerts_per_fraud(scores, fraud, day, 2) == pytest.approx(1.5)
    saved = money_saved(scores, fraud, day, [10, 1, 70, 20], 2, review_cost=4)
    assert saved == pytest.approx(30 - 3 * 4)


def test_the_order_of_rows_and_days_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    scores, fraud = rng.integers(0, 9, 300), rng.integers(0, 2, 300)
    day, order = rng.integers(0, 10, 300), rng.permutation(300)
    for metric in (precision_at, recall_at, alerts_per_fraud):
        shuffled = metric(scores[order], fraud[order], day[order], 4)
        assert metric(scores, fraud, day, 4) == pytest.approx(shuffled)


def test_a_card_counts_once_a_day() -> None:
    scores, card = [9, 8, 7, 1], ["a", "a", "b", "c"]
    fraud = [1, 1, 0, 1]
    assert precision_at(scores, fraud, [0] * 4, 2) == 1
    assert card_precision_at(scores, fraud, [0] * 4, card, 2) == 0.5


def test_nothing_to_find_is_no_number() -> None:
    assert np.isnan(recall_at([1, 2], [0, 0], [0, 0], 1))
    assert np.isnan(alerts_per_fraud([1, 2], [0, 0], [0, 0], 1))
    assert np.isnan(average_precision([1, 2], [0, 0]))
    assert np.isnan(day_interval([0, 0], [0, 0])).all()


def test_days_that_differ_widen_the_interval() -> None:
    """The same totals; frauds are caught on whole days or on none."""
    alike = day_interval([5] * 20, [10] * 20)
    blocks = day_interval([0, 10] * 10, [10] * 20)
    assert alike == (0.5, 0.5)
    assert blocks[1] - blocks[0] > 0.3


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(1), 0
    for draw in range(200):
        share = rng.beta(2, 2, size=40)
        low, high = day_interval(
            rng.binomial(20, share), [20] * 40, n_draws=300, random_state=draw
        )
        covered += low <= 0.5 <= high
    assert 176 <= covered <= 199
