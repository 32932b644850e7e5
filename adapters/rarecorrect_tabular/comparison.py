"""One method against all others, by the rule that was fixed before the run.

In each cell: the method minus every peer, and minus the best peer, which is chosen on
every second draw and judged on the others.  Over all cells: the mean gain against that
of the one peer with the best mean, chosen likewise.

Cells with few test cases are pooled over the numbers of labelled cases: one statement
that holds instead of several that do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect_tabular.methods import PRODUCT, PRODUCTS
from rarecorrect_tabular.protocol import Outcome
from rarecorrect_tabular.statistics import CELL, FEW_POSITIVES, Bootstrap

FloatArray = npt.NDArray[np.float64]
Cell = tuple[Any, ...]
# from method to draws x test cases, 1 = repaired; of one number of labelled cases each
Parts = Sequence[dict[str, FloatArray]]

POOLED = "pooled"
MARGIN = 0.03
LEAST_DRAWS = 4  # two to choose the best peer on, two to judge it on
_ODD, _EVEN = slice(1, None, 2), slice(0, None, 2)


@dataclass(frozen=True, slots=True)
class CellVerdict:
    """A cell, its best peer, and how far the method is from it.

    Attributes
    ----------
    cell : tuple
        Data set, task, reading, number of cases (or ``"pooled"``), damage.
    peer : str
        Best on the odd draws.
    gain, difference : float
        Of the peer, and of the method minus it, on the even draws.
    low, high : float
        95 % interval of the difference.
    behind : bool
        More than the margin behind, at a level of .05 over all cells.
    """

    cell: Cell
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
        With its 95 % interval: one
        :class:`~rarecorrect_tabular.statistics.Bootstrap` of all cells.
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

    Its peers are the methods that ran in all of its draws, without the other products;
    the default detector is a peer of all.

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
        Over the cells where the method has four draws or more (in a pooled cell: for
        each number of cases) and a peer; None without such cells, or without a peer
        that all of them have.
    """
    cells = {
        cell: parts
        for cell, kind, parts in _comparable(outcome)
        if kind == by and cell[1] in tasks and _complete(parts, method)
    }
    if not cells:
        return None
    shared = set.intersection(*(set(_complete(p, method)) for p in cells.values()))
    if not shared:
        return None
    best = _best_on_odd(list(cells.values()), sorted(shared))
    bootstrap = Bootstrap(seed)
    apart = {c: _minus(parts, method, best, _EVEN) for c, parts in cells.items()}
    samples = [bootstrap.means(cell[:2], tables) for cell, tables in apart.items()]
    low, high = np.quantile(np.mean(samples, axis=0), [0.025, 0.975])
    gain, peer_gain = (
        float(np.mean([_gain(parts, name, _EVEN) for parts in cells.values()]))
        for name in (method, best)
    )
    return Comparison(
        method,
        best,
        gain,
        peer_gain,
        gain - peer_gain,
        float(low),
        float(high),
        list(_verdicts(cells, method, bootstrap)),
    )


def paired_differences(outcome: Outcome, method: str = PRODUCT) -> pd.DataFrame:
    """One method minus every other in every cell, on the same draws and test cases.

    Parameters
    ----------
    outcome : Outcome
    method : str, default="Fisher"

    Returns
    -------
    DataFrame
        Columns of the cell (``k`` is ``"pooled"`` for a pooled one), ``by``
        (``"curve"`` or ``"certified"``), ``peer``, ``difference``, ``low``, ``high``,
        ``n_draws``, ``n_test_positives``.  The peer ``"best of ..."`` is the one that
        :func:`compare` takes in this cell, with the same interval.
    """
    found = []
    bootstrap = Bootstrap()
    for cell, by, parts in _comparable(outcome):
        head = dict(zip(CELL, cell, strict=True)) | {"by": by}
        for name, differences in _differences(parts, method):
            mean, low, high = bootstrap.interval(cell[:2], differences)
            found.append(
                {
                    **head,
                    "peer": name,
                    "difference": mean,
                    "low": low,
                    "high": high,
                    "n_draws": sum(len(d) for d in differences),
                    "n_test_positives": differences[0].shape[1],
                }
            )
    return pd.DataFrame(found)


def _comparable(outcome: Outcome) -> Iterator[tuple[Cell, str, Parts]]:
    """Cells to compare methods in, each with the tables of one or more ``k``."""
    cells: dict[Cell, dict[str, dict[str, FloatArray]]] = {}
    for (data_set, task, reading, k, damage, method, by), masks in outcome.hits.items():
        table = np.array(masks, dtype=float)
        few = table.shape[1] < FEW_POSITIVES
        key = (data_set, task, reading, POOLED if few else k, damage, by)
        cells.setdefault(key, {}).setdefault(k, {})[method] = table
    for (*cell, by), parts in cells.items():
        yield tuple(cell), by, list(parts.values())


def _complete(parts: Parts, method: str) -> list[str]:
    """Peers with all draws of a method; none where these are too few to judge."""
    lengths = [len(part.get(method, ())) for part in parts]
    if min(lengths) < LEAST_DRAWS:
        return []
    others = set(PRODUCTS) - {PRODUCT} | {method}
    return [
        name
        for name in sorted(set(parts[0]) - others)
        if [len(part.get(name, ())) for part in parts] == lengths
    ]


def _best_on_odd(cells: Sequence[Parts], peers: Sequence[str]) -> str:
    means = {p: np.mean([_gain(parts, p, _ODD) for parts in cells]) for p in peers}
    return max(peers, key=lambda name: float(means[name]))


def _gain(parts: Parts, name: str, draws: slice) -> float:
    return float(np.mean([part[name][draws].mean() for part in parts]))


def _minus(
    parts: Parts, method: str, peer: str, draws: slice = slice(None)
) -> list[FloatArray]:
    """Own minus peer, a table for every part, over the draws that both have."""
    found = []
    for part in parts:
        n = min(len(part[method]), len(part[peer]))
        found.append((part[method][:n] - part[peer][:n])[draws])
    return found


def _differences(parts: Parts, method: str) -> Iterator[tuple[str, list[FloatArray]]]:
    """From peer to differences, the best one of the odd draws last."""
    for name in parts[0]:
        if name != method:
            yield name, _minus(parts, method, name)
    if peers := _complete(parts, method):
        best = _best_on_odd([parts], peers)
        yield f"best of odd draws: {best}", _minus(parts, method, best, _EVEN)


def _verdicts(
    cells: dict[Cell, Parts], method: str, bootstrap: Bootstrap
) -> Iterator[CellVerdict]:
    alpha = 0.05 / len(cells)
    for cell, parts in cells.items():
        best = _best_on_odd([parts], _complete(parts, method))
        apart = _minus(parts, method, best, _EVEN)
        mean, low, high = bootstrap.interval(cell[:2], apart)
        limit = np.quantile(bootstrap.means(cell[:2], apart), 1 - alpha)
        yield CellVerdict(
            cell,
            best,
            _gain(parts, best, _EVEN),
            mean,
            low,
            high,
            bool(limit < -MARGIN),
        )
