"""One method against all others, by the rule that was fixed before the run.

Over all cells: the mean gain against that of the one peer with the best mean, which is
chosen on every second draw and judged on the others.  In each cell: behind that cell's
best peer by more than a margin, and by more than chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect_tabular.protocol import Outcome

FloatArray = npt.NDArray[np.float64]
Tables = dict[str, FloatArray]  # from method to draws x test cases, 1 = repaired

MARGIN = 0.03
_REPETITIONS = 4000


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """A cell, its best peer, and how far the method is from it.

    Attributes
    ----------
    cell : tuple
        Task, reading, number of cases, damage.
    peer : str
        Best on the odd draws.
    gain, difference : float
        Of the peer, and of the method minus it, on the even draws.
    low, high : float
        95 % interval of the difference.
    behind : bool
        More than the margin behind, at a level of .05 over all cells.
    """

    cell: tuple[Any, ...]
    peer: str
    gain: float
    difference: float
    low: float
    high: float
    behind: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A method against its peers over all cells.

    Attributes
    ----------
    method, peer : str
        The one compared, and the peer with the best mean on the odd draws.
    gain, peer_gain : float
        Means over the cells, on the even draws.
    difference, low, high : float
        With its 95 % interval: draws are resampled in every cell, test cases in every
        task.
    cells : list of CellVerdict
    """

    method: str
    peer: str
    gain: float
    peer_gain: float
    difference: float
    low: float
    high: float
    cells: list[CellVerdict]


def compare(
    outcome: Outcome, method: str, by: str, tasks: list[str], *, seed: int = 0
) -> Comparison | None:
    """Judge a method by the rule.

    Parameters
    ----------
    outcome : Outcome
    method : str
    by : {"certified", "curve"}
        Which reading of the gain.
    tasks : list of str
        Those that count: errors that can be corrected at all.
    seed : int, default=0
        Of the bootstrap.

    Returns
    -------
    Comparison or None
        None where the method did not run, or no cell has two draws of all methods.
    """
    cells = _cells(outcome, method, by, tasks)
    if not cells:
        return None
    peers = set.intersection(*(set(t) for t in cells.values())) - {method}
    if not peers:
        return None
    means = {p: np.mean([t[p][1::2].mean() for t in cells.values()]) for p in peers}
    best = max(sorted(means), key=lambda p: float(means[p]))
    samples = _Resampled(cells, seed)
    apart = {cell: (t[method] - t[best])[::2] for cell, t in cells.items()}
    whole = np.mean([samples.means(cell, x) for cell, x in apart.items()], axis=0)
    low, high = np.quantile(whole, [0.025, 0.975])
    return Comparison(
        method,
        best,
        float(np.mean([t[method][::2].mean() for t in cells.values()])),
        float(np.mean([t[best][::2].mean() for t in cells.values()])),
        float(np.mean([x.mean() for x in apart.values()])),
        float(low),
        float(high),
        list(_verdicts(cells, method, samples)),
    )


def _cells(
    outcome: Outcome, method: str, by: str, tasks: list[str]
) -> dict[tuple[Any, ...], Tables]:
    """Of every cell the methods that ran in all of its draws; two draws at least."""
    found: dict[tuple[Any, ...], Tables] = {}
    for (_, task, reading, k, damage, name, kind), masks in outcome.hits.items():
        if kind == by and task in tasks:
            table = np.array(masks, dtype=float)
            found.setdefault((task, reading, k, damage), {})[name] = table
    kept = {}
    for cell, tables in found.items():
        n = len(tables.get(method, ()))
        if n >= 2:
            kept[cell] = {p: t for p, t in tables.items() if len(t) == n}
    return kept


class _Resampled:
    """Means under a bootstrap of draws, one a cell, and of test cases, one a task."""

    def __init__(self, cells: dict[tuple[Any, ...], Tables], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._cases: dict[str, FloatArray] = {}
        for (task, *_), tables in cells.items():
            n = next(iter(tables.values())).shape[1]
            if task not in self._cases:
                self._cases[task] = self._shares(n)

    def _shares(self, n: int) -> FloatArray:
        return self._rng.multinomial(n, [1 / n] * n, size=_REPETITIONS) / n

    def means(self, cell: tuple[Any, ...], table: FloatArray) -> FloatArray:
        """Mean of a table of draws x test cases in every repetition."""
        by_draw = self._shares(len(table)) @ table
        return np.asarray(np.sum(by_draw * self._cases[cell[0]], axis=1))


def _verdicts(
    cells: dict[tuple[Any, ...], Tables], method: str, samples: _Resampled
) -> Iterator[CellVerdict]:
    alpha = 0.05 / len(cells)
    for cell, tables in cells.items():
        peers = sorted(set(tables) - {method})
        best = max(peers, key=lambda p: float(tables[p][1::2].mean()))
        apart = (tables[method] - tables[best])[::2]
        low, high, limit = np.quantile(
            samples.means(cell, apart), [0.025, 0.975, 1 - alpha]
        )
        yield CellVerdict(
            cell,
            best,
            float(tables[best][::2].mean()),
            float(apart.mean()),
            float(low),
            float(high),
            bool(limit < -MARGIN),
        )
