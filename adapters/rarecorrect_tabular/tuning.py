"""Peers tuned once a task, on fitting rows of a draw that nothing is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterGrid, StratifiedKFold

from rarecorrect.metrics import gain_at_retention
from rarecorrect_tabular.methods import Method
from rarecorrect_tabular.task import CorrectionTask, Draw, Sizes, make_draw

TUNING_DRAW = 1_000_000  # no run has so many draws
_N_FOLDS = 3

# The documented default comes first in every list; the first of equals is chosen.
# No least weight of a leaf: what suits 100 cases would keep a tree from splitting on 5.
GRIDS: dict[str, dict[str, list[Any]]] = {
    "ExtraTrees": {
        "min_samples_leaf": [1, 3, 10],
        "max_features": ["sqrt", 0.5, 1.0],
    },
    "logistic": {"C": [1.0, 1e-3, 1e-2, 1e-1, 10.0, 100.0]},
    "XGBoost": {
        "max_depth": [4, 2, 6],
        "learning_rate": [0.3, 0.05],
        "max_delta_step": [0, 1],  # bounds a leaf, which keeps rare classes finite
    },
}


@dataclass(frozen=True, slots=True)
class TunedPeer:
    """What tuning a peer on a task came to.

    Attributes
    ----------
    task, peer : str
    settings : dict
        Those chosen from the grid.
    gain, default_gain : float
        Cross-fitted, with these and with the documented settings.
    """

    task: str
    peer: str
    settings: dict[str, Any]
    gain: float
    default_gain: float

    @property
    def name(self) -> str:
        """Name of the tuned method."""
        return f"{self.peer}, tuned"


def tune_peers(
    task: CorrectionTask,
    methods: dict[str, Method],
    n_cases: int,
    *,
    damages: Sequence[float],
    seed: int = 0,
    sizes: Sizes | None = None,
) -> list[TunedPeer]:
    """Choose settings of every peer that has a grid.

    By the cross-fitted gain (three folds of the fitting rows, mean over the budgets)
    on one draw of the headline reading.  Peers are tuned on `n_cases` labelled cases
    also where they are then judged on fewer, which is in their favour.

    Parameters
    ----------
    task : CorrectionTask
    methods : dict of str to callable
    n_cases : int
        Labelled cases, or all where there are fewer.
    damages : sequence of float
    seed : int, default=0
    sizes : Sizes, optional

    Returns
    -------
    list of TunedPeer
    """
    k = min(n_cases, task.pool_cases.size)
    draw = make_draw(task, task.readings[0], k, TUNING_DRAW, seed=seed, sizes=sizes)
    found = []
    for peer in (name for name in GRIDS if name in methods):
        grid = list(ParameterGrid(GRIDS[peer]))
        gains = [
            _cross_fitted_gain(task, draw, partial(methods[peer], **s), damages)
            for s in grid
        ]
        best = int(np.argmax(gains))
        found.append(TunedPeer(task.name, peer, grid[best], gains[best], gains[0]))
    return found


def tuned_methods(
    peers: Sequence[TunedPeer], methods: dict[str, Method]
) -> dict[str, Method]:
    """Return the tuned methods, by name."""
    return {p.name: partial(methods[p.peer], **p.settings) for p in peers}


def _cross_fitted_gain(
    task: CorrectionTask, draw: Draw, method: Method, damages: Sequence[float]
) -> float:
    """Mean gain over the budgets on rows left out."""
    rows, is_error = draw.fitting, draw.is_error
    scores = np.empty(rows.size)
    folds = StratifiedKFold(
        min(_N_FOLDS, draw.cases.size), shuffle=True, random_state=draw.seed
    )
    for train, left_out in folds.split(rows, is_error):
        part = replace(
            draw,
            background=rows[train[~is_error[train]]],
            cases=rows[train[is_error[train]]],
        )
        scores[left_out] = method(task, part)(rows[left_out])
    gains = [
        gain_at_retention(scores, ~is_error, is_error, 1 - damage) for damage in damages
    ]
    return float(np.mean(gains))
