"""From draws to statements: means, paired differences, null limits, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.metrics import clopper_pearson
from rarecorrect_tabular.protocol import (
    CROSS_FITTED,
    CROSS_FITTED_NULL,
    NULL,
    PRODUCT,
    WHOLE,
    Outcome,
)

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

CELL = ["data_set", "task", "reading", "k", "damage"]
FEW_POSITIVES = 100
POOLED = "pooled"
LEAST_GAIN = 0.10
_REPETITIONS = 2000


def bootstrap_mean(
    *tables: npt.ArrayLike, level: float = 0.95, random_state: int = 0
) -> tuple[float, float, float]:
    """Mean of tables of draws x test cases, with a two-level bootstrap interval.

    Draws and test cases are both resampled: a result must hold for other labelled
    cases and for other cases to come.  Several tables (other numbers of labelled
    cases) share their test cases and count alike.

    Parameters
    ----------
    *tables : array-like of shape (n_draws, n_cases)
    level : float, default=0.95
    random_state : int, default=0

    Returns
    -------
    mean, low, high : float

    Examples
    --------
    >>> mean, low, high = bootstrap_mean(np.eye(4))
    >>> mean, low < 0.25 < high
    (0.25, True)
    """
    values = [np.asarray(table, dtype=float) for table in tables]
    n_cases = values[0].shape[1]
    rng = np.random.default_rng(random_state)
    by_case = rng.multinomial(n_cases, [1 / n_cases] * n_cases, size=_REPETITIONS)
    means = np.zeros(_REPETITIONS)
    for table in values:
        n = len(table)
        by_draw = rng.multinomial(n, [1 / n] * n, size=_REPETITIONS)
        means += np.sum((by_draw @ table) * by_case, axis=1) / (n * n_cases)
    low, high = np.quantile(means / len(values), [(1 - level) / 2, (1 + level) / 2])
    mean = np.mean([table.mean() for table in values])
    return float(mean), float(low), float(high)


def paired_differences(outcome: Outcome, method: str = PRODUCT) -> pd.DataFrame:
    """One method minus every peer in every cell, on the same draws and test cases.

    Cells with fewer than 100 test cases are pooled over the numbers of labelled
    cases: one statement that holds instead of several that do not.

    Parameters
    ----------
    outcome : Outcome
    method : str, default="Fisher"

    Returns
    -------
    DataFrame
        Columns of the cell (``k`` is ``"pooled"`` for a pooled one), ``by``
        (``"curve"`` or ``"certified"``), ``peer``, ``difference``, ``low``, ``high``,
        ``n_draws``, ``n_test_positives``.  The peer ``"best of ..."`` was chosen on
        draws 1, 3, ... and is judged on 0, 2, ...
    """
    found = []
    for cell, by, parts in _comparable(outcome):
        head = dict(zip(CELL, cell, strict=True)) | {"by": by}
        for name, differences in _differences(parts, method):
            mean, low, high = bootstrap_mean(*differences)
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


def _comparable(
    outcome: Outcome,
) -> Iterator[tuple[tuple[Any, ...], str, list[dict[str, Array]]]]:
    """Cells to compare methods in, each with the tables of one or more ``k``."""
    cells: dict[tuple[Any, ...], dict[str, dict[str, Array]]] = {}
    for (data_set, task, reading, k, damage, method, by), masks in outcome.hits.items():
        table = np.array(masks, dtype=float)
        few = table.shape[1] < FEW_POSITIVES
        key = (data_set, task, reading, POOLED if few else k, damage, by)
        cells.setdefault(key, {}).setdefault(k, {})[method] = table
    for (*cell, by), parts in cells.items():
        yield tuple(cell), by, list(parts.values())


def _differences(
    parts: Sequence[dict[str, Array]], method: str
) -> Iterator[tuple[str, list[Array]]]:
    """Own minus peer, a table of draws x test cases for every part."""
    peers = [name for name in parts[0] if name != method]
    for name in peers:
        yield name, [_minus(part, method, name) for part in parts]
    complete = [
        name
        for name in peers
        if all(2 <= len(part[method]) == len(part[name]) for part in parts)
    ]
    if complete:
        odd = {n: np.mean([part[n][1::2].mean() for part in parts]) for n in complete}
        best = max(odd, key=lambda name: float(odd[name]))
        yield (
            f"best of odd draws: {best}",
            [_minus(part, method, best)[::2] for part in parts],
        )


def _minus(part: dict[str, Array], method: str, peer: str) -> Array:
    n = min(len(part[method]), len(part[peer]))
    return np.asarray(part[method][:n] - part[peer][:n])


def cell_means(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean and standard error over draws of one column, by cell and method.

    Parameters
    ----------
    frame : DataFrame
        The tidy result table.
    column : str

    Returns
    -------
    DataFrame
        Columns of the cell, ``method``, ``mean``, ``error``, ``n_draws``,
        ``n_test_positives``.
    """
    whole = frame[frame["window"] == WHOLE]
    grouped = whole.groupby([*CELL, "method"], sort=False)
    found = grouped.agg(
        mean=(column, "mean"),
        error=(column, "sem"),
        n_draws=("draw", "nunique"),
        n_test_positives=("n_test_positives", "max"),
    )
    return found.reset_index()


def null_verdicts(frame: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Whether Fisher's gain on test is above that of permuted error labels.

    Above: the lower 95 % end of the gain lies above the largest gain of all
    permutations, and the gain is 0.10 or more.

    Parameters
    ----------
    frame : DataFrame
        The tidy result table.
    outcome : Outcome

    Returns
    -------
    DataFrame
        Columns of the cell, ``gain``, ``low``, ``high``, ``null_mean``,
        ``null_limit``, ``n_permutations``, ``above``.
    """
    found = []
    null = frame[frame["method"] == NULL]
    for cell, rows in null.groupby(CELL, sort=False):
        masks = outcome.hits[(*cell, PRODUCT, "curve")]
        gain, low, high = bootstrap_mean(np.array(masks))
        limit = float(rows["curve_gain"].max())
        found.append(
            dict(zip(CELL, cell, strict=True))
            | {
                "gain": gain,
                "low": low,
                "high": high,
                "null_mean": float(rows["curve_gain"].mean()),
                "null_limit": limit,
                "n_permutations": len(rows),
                "above": low > limit and gain >= LEAST_GAIN,
            }
        )
    return pd.DataFrame(found)


def separability_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Whether errors can be told from right decisions at all, from fitting rows only.

    Per task and reading, at the largest number of labelled cases: the gain on errors
    left out of the fit, against the largest gain of permuted labels.  Separable: for
    some budget its lower nominal 95 % end lies above that limit and it is 0.10 or
    more.

    Parameters
    ----------
    frame : DataFrame
        The tidy result table.

    Returns
    -------
    DataFrame
        ``data_set``, ``task``, ``reading``, ``k``, ``damage``, ``gain``, ``low``,
        ``null_limit``, ``verdict``; one row per budget.
    """
    real = frame[frame["method"] == CROSS_FITTED]
    null = frame[frame["method"] == CROSS_FITTED_NULL]
    found: list[dict[str, Any]] = []
    for _, rows in real.groupby(CELL[:3], sort=False):
        largest = rows[rows["n_cases"] == rows["n_cases"].max()]
        cells = [
            _against_null(cell, part, null)
            for cell, part in largest.groupby(CELL, sort=False)
        ]
        separable = any(cell["above"] for cell in cells)
        words = "separable" if separable else "not separable from these features"
        found += [cell | {"verdict": words} for cell in cells]
    return pd.DataFrame(found)


def _against_null(cell: Any, rows: pd.DataFrame, null: pd.DataFrame) -> dict[str, Any]:
    head = dict(zip(CELL, cell, strict=True))
    same = np.logical_and.reduce([null[name] == value for name, value in head.items()])
    gain, n = float(rows["curve_gain"].mean()), int(rows["n_cases"].max())
    low, _ = clopper_pearson(round(gain * n), n) if np.isfinite(gain) else (np.nan, 0)
    limit = float(null.loc[same, "curve_gain"].max())
    above = bool(low > limit and gain >= LEAST_GAIN)
    return head | {"gain": gain, "low": low, "null_limit": limit, "above": above}


def later_windows(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Certified gain and realised damage in every part of the test window.

    Parameters
    ----------
    frame : DataFrame
        The tidy result table.
    methods : sequence of str

    Returns
    -------
    DataFrame
        Columns of the cell, ``method``, ``window``, mean ``certified_gain``,
        ``realised_damage`` and its interval, ``share_above`` the share of draws whose
        damage is above the budget at its lower 95 % end.
    """
    parts = frame[frame["method"].isin(list(methods)) & (frame["certified"] == 1)]
    parts = parts.assign(
        share_above=(parts["realised_damage_low"] > parts["damage"]).astype(float)
    )
    grouped = parts.groupby([*CELL, "method", "window"], sort=False)
    columns = [
        "certified_gain",
        "realised_damage",
        "realised_damage_low",
        "realised_damage_high",
        "share_above",
    ]
    return grouped[columns].mean().reset_index()
