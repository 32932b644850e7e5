"""Peers are tuned on fitting rows only, and the tuned ones are what was chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rarecorrect_tabular.methods import METHODS, Scorer
from rarecorrect_tabular.task import CorrectionTask, Draw, Sizes, make_draw
from rarecorrect_tabular.tuning import (
    GRIDS,
    TUNING_DRAW,
    TunedPeer,
    tune_peers,
    tuned_methods,
)

SIZES = Sizes(1000, 2000, 2000)
LOGISTIC = {"logistic": METHODS["logistic"]}


def test_the_best_setting_of_the_grid_is_chosen(
    task: CorrectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peer(task: CorrectionTask, draw: Draw, *, knows: bool = False) -> Scorer:
        return lambda rows: task.case[rows] * (1.0 if knows else -1.0)

    monkeypatch.setitem(GRIDS, "peer", {"knows": [False, True]})
    (found,) = tune_peers(task, {"peer": peer}, 20, damages=(0.01,), sizes=SIZES)
    assert found.settings == {"knows": True}
    assert (found.gain, found.default_gain) == (1.0, 0.0)
    method = tuned_methods([found], {"peer": peer})["peer, tuned"]
    draw = make_draw(task, "clean", 5, 0, sizes=SIZES)
    assert (method(task, draw)(draw.cases) == 1).all()


def test_the_documented_setting_wins_ties(
    task: CorrectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peer(task: CorrectionTask, draw: Draw, *, size: int = 0) -> Scorer:
        return lambda rows: task.case[rows] * 1.0

    monkeypatch.setitem(GRIDS, "peer", {"size": [7, 1, 9]})
    (found,) = tune_peers(task, {"peer": peer}, 20, damages=(0.01,), sizes=SIZES)
    assert found.settings == {"size": 7}


def test_tuning_reads_fitting_rows_of_its_own_draw_only(task: CorrectionTask) -> None:
    n_cases = task.pool_cases.size
    draw = make_draw(task, "as seen", n_cases, TUNING_DRAW, sizes=SIZES)
    hidden = np.full_like(task.Z, np.nan)
    hidden[draw.fitting] = task.Z[draw.fitting]
    options = {"n_cases": 10_000, "damages": (0.01,), "sizes": SIZES}
    seen = tune_peers(task, LOGISTIC, **options)  # type: ignore[arg-type]
    blind = tune_peers(
        replace(task, Z=hidden),
        LOGISTIC,
        **options,  # type: ignore[arg-type]
    )
    assert seen == blind
    assert seen[0].settings["C"] in GRIDS["logistic"]["C"]
    assert seen[0].gain >= seen[0].default_gain


def test_two_cases_are_enough_to_tune(task: CorrectionTask) -> None:
    (found,) = tune_peers(task, LOGISTIC, 2, damages=(0.01,), sizes=SIZES)
    assert 0 <= found.gain <= 1


def test_peers_that_are_not_run_are_not_tuned(task: CorrectionTask) -> None:
    methods = {"Fisher": METHODS["Fisher"]}
    assert tune_peers(task, methods, 20, damages=(0.01,), sizes=SIZES) == []


@pytest.mark.parametrize("peer", [name for name in GRIDS if name != "XGBoost"])
def test_every_setting_of_a_grid_runs(task: CorrectionTask, peer: str) -> None:
    draw = make_draw(task, "as seen", 5, 0, sizes=SIZES)
    for name, values in GRIDS[peer].items():
        for value in values:
            tuned = TunedPeer(task.name, peer, {name: value}, 0.0, 0.0)
            method = tuned_methods([tuned], METHODS)[tuned.name]
            assert np.isfinite(method(task, draw)(task.test[:100])).all()
