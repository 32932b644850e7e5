"""The rule that one method is judged by: which peer, which draws, which interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rarecorrect_tabular.comparison import (
    POOLED,
    Comparison,
    compare,
    paired_differences,
)
from rarecorrect_tabular.protocol import Outcome

FloatArray = npt.NDArray[np.float64]
N_CASES = 120


def cell(
    k: str = "20", *, task: str = "task", reading: str = "clean", damage: float = 0.01
) -> tuple[object, ...]:
    return ("data", task, reading, k, damage)


def flat(*gains: float, n_cases: int = N_CASES) -> FloatArray:
    """Draws that repair a share of the cases, the same ones first."""
    return np.array([np.arange(n_cases) < round(g * n_cases) for g in gains], float)


def outcome_of(cells: dict[tuple[object, ...], dict[str, FloatArray]]) -> Outcome:
    return Outcome(
        hits={
            (*key, name, "curve"): list(table)
            for key, tables in cells.items()
            for name, table in tables.items()
        }
    )


def judged(outcome: Outcome, method: str = "Fisher") -> Comparison:
    found = compare(outcome, method, "curve", ["task"])
    assert found is not None
    return found


def test_the_best_peer_is_chosen_on_odd_draws_and_judged_on_even_ones() -> None:
    tables = {
        "Fisher": flat(0.5, 0.5, 0.5, 0.5),
        "lucky": flat(0.1, 0.9, 0.1, 0.9),  # the best of draws 1 and 3
        "steady": flat(0.8, 0.8, 0.8, 0.8),  # the best of all
    }
    found = judged(outcome_of({cell(): tables}))
    assert found.peer == found.cells[0].peer == "lucky"
    assert (found.gain, found.peer_gain) == pytest.approx((0.5, 0.1))
    assert found.difference == pytest.approx(0.4)
    assert found.cells[0].difference == pytest.approx(0.4)
    assert found.cells[0].gain == pytest.approx(0.1)


def test_one_peer_over_all_cells_and_the_best_of_each() -> None:
    own = flat(*[0.5] * 4)
    cells = {
        cell("20"): {"Fisher": own, "a": flat(*[0.9] * 4), "b": flat(*[0.6] * 4)},
        cell("100"): {"Fisher": own, "a": flat(*[0.2] * 4), "b": flat(*[0.6] * 4)},
    }
    found = judged(outcome_of(cells))
    assert found.peer == "b"
    assert found.difference == pytest.approx(-0.1)
    assert [c.peer for c in found.cells] == ["a", "b"]


def test_behind_is_by_more_than_the_margin_and_by_more_than_chance() -> None:
    wild = flat(0, 0, 1, 0)  # on even draws all or nothing
    others = {
        cell("5"): {"Fisher": flat(*[0.5] * 4), "peer": flat(*[0.9] * 4)},
        cell("20"): {"Fisher": flat(*[0.5] * 4), "peer": flat(*[0.525] * 4)},
        cell("100"): {"Fisher": wild, "peer": flat(*[0.9] * 4)},
    }
    clear, within, by_chance = judged(outcome_of(others)).cells
    assert clear.behind
    assert within.difference == pytest.approx(-0.025)
    assert not within.behind
    assert by_chance.difference == pytest.approx(-0.4)
    assert not by_chance.behind


def test_nothing_to_compare() -> None:
    tables = {"Fisher": flat(*[0.5] * 4), "peer": flat(*[0.4] * 4)}
    outcome = outcome_of({cell(): tables})
    assert compare(outcome, "Fisher", "curve", ["task"]) is not None
    assert compare(outcome, "Fisher", "certified", ["task"]) is None
    assert compare(outcome, "Fisher", "curve", ["another"]) is None
    assert compare(outcome, "absent", "curve", ["task"]) is None
    assert compare(Outcome(), "Fisher", "curve", ["task"]) is None
    alone = outcome_of({cell(): {"Fisher": flat(*[0.5] * 4)}})
    assert compare(alone, "Fisher", "curve", ["task"]) is None
    # no peer that all cells have
    apart = {
        cell("5"): {"Fisher": flat(*[0.5] * 4), "a": flat(*[0.4] * 4)},
        cell("20"): {"Fisher": flat(*[0.5] * 4), "b": flat(*[0.4] * 4)},
    }
    assert compare(outcome_of(apart), "Fisher", "curve", ["task"]) is None


def test_fewer_than_four_draws_are_not_judged() -> None:
    few = {
        cell(): {"Fisher": flat(*[0.5] * 3), "peer": flat(*[0.4] * 3)},
    }
    assert compare(outcome_of(few), "Fisher", "curve", ["task"]) is None
    assert list(paired_differences(outcome_of(few))["peer"]) == ["peer"]
    enough = {cell("100"): {n: flat(*[0.5] * 4) for n in ("Fisher", "peer")}}
    assert len(judged(outcome_of(few | enough)).cells) == 1


def test_a_peer_with_fewer_draws_is_none() -> None:
    tables = {
        "Fisher": flat(*[0.5] * 6),
        "peer": flat(*[0.4] * 6),
        "retraining": flat(*[0.9] * 4),
    }
    assert judged(outcome_of({cell(): tables})).peer == "peer"


def test_the_default_detector_is_a_peer_of_auto_and_not_the_reverse() -> None:
    tables = {
        "auto": flat(*[0.9] * 4),
        "Fisher": flat(*[0.8] * 4),
        "peer": flat(*[0.4] * 4),
    }
    outcome = outcome_of({cell(): tables})
    assert judged(outcome, "Fisher").peer == "peer"
    assert judged(outcome, "auto").peer == "Fisher"
    listed = paired_differences(outcome, "Fisher")["peer"]
    assert list(listed) == ["auto", "peer", "best of odd draws: peer"]


def test_cells_with_few_test_cases_are_pooled() -> None:
    def few(*gains: float) -> FloatArray:
        return flat(*gains, n_cases=60)

    cells = {
        cell("5"): {"Fisher": few(*[0.5] * 8), "a": few(*[0.9] * 8)},
        cell("20"): {"Fisher": few(*[0.5] * 4), "a": few(*[0.2] * 4)},
    }
    (found,) = judged(outcome_of(cells)).cells
    assert found.cell == cell(POOLED)
    # each number of cases counts alike, however many draws it has
    assert found.difference == pytest.approx(0.5 - (0.9 + 0.2) / 2)
    cells[cell("20")]["Fisher"] = few(*[0.5] * 3)
    assert compare(outcome_of(cells), "Fisher", "curve", ["task"]) is None


def noisy(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draws and test cases that differ, as a task has them in all of its cells."""
    draws = 0.1 * rng.normal(size=(20, 1))
    return draws, 0.1 * rng.normal(size=(1, N_CASES))


def six_cells(table: FloatArray) -> Outcome:
    peer = np.zeros_like(table)
    return outcome_of(
        {
            cell(k, reading=reading): {"Fisher": table, "peer": peer}
            for k in ("5", "20", "100")
            for reading in ("clean", "as seen")
        }
    )


def test_the_same_draws_in_several_cells_are_not_more_draws() -> None:
    draws, cases = noisy(np.random.default_rng(0))
    once = {cell(): {"Fisher": draws + cases, "peer": np.zeros((20, N_CASES))}}
    one, six = judged(outcome_of(once)), judged(six_cells(draws + cases))
    assert (six.low, six.high) == pytest.approx((one.low, one.high))
    # while two tasks are two trials
    two = compare(
        outcome_of(once | {cell(task="other"): once[cell()]}),
        "Fisher",
        "curve",
        ["task", "other"],
    )
    assert two is not None
    assert two.high - two.low < 0.85 * (one.high - one.low)


def test_the_interval_over_cells_covers_with_an_effect_of_draws() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(60):
        draws, cases = noisy(rng)
        outcome = six_cells(0.3 + draws + cases)
        found = compare(outcome, "Fisher", "curve", ["task"], seed=trial)
        assert found is not None
        covered += found.low <= 0.3 <= found.high
    # with fresh draws in every cell, as if these were independent, it was 42
    assert covered >= 49


def test_a_cell_has_one_interval_in_all_tables() -> None:
    rng = np.random.default_rng(2)
    cells = {
        cell(k): {
            name: (rng.random((8, N_CASES)) < share).astype(float)
            for name, share in (("Fisher", 0.5), ("a", 0.6), ("b", 0.4))
        }
        for k in ("5", "20")
    }
    outcome = outcome_of(cells)
    found = judged(outcome).cells
    frame = paired_differences(outcome)
    best = frame[frame["peer"].str.startswith("best of odd draws")]
    assert list(best["peer"].str.split(": ").str[1]) == [c.peer for c in found]
    for column in ("difference", "low", "high"):
        expected = [getattr(c, column) for c in found]
        np.testing.assert_allclose(best[column], expected)
