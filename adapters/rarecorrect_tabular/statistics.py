"""From draws to statements: means, intervals, null limits, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

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
FloatArray = npt.NDArray[np.float64]

CELL = ["data_set", "task", "reading", "k", "damage"]
FEW_POSITIVES = 100
LEAST_GAIN = 0.10
_REPETITIONS = 4000


class Bootstrap:
    """Means of tables of draws x test cases, under a two-level bootstrap.

    Draws and test cases are both resampled: a result must hold for other labelled
    cases and for other cases to come.  Within a task both are the same in every cell
    (draw ``i`` is one random order of its errors, whatever the reading, the number of
    cases and the budget), so its tables share one set of weights per length, and
    several cells are never taken for as many independent ones.

    Parameters
    ----------
    seed : int, default=0
        With the task and the length, all that weights depend on: a cell has the same
        interval wherever it is asked for.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._weights: dict[tuple[Any, str, int], FloatArray] = {}

    def means(self, task: Any, tables: Sequence[Array]) -> FloatArray:
        """Mean of tables in every repetition; each of them counts alike.

        Parameters
        ----------
        task : label
            Whose draws and test cases these are.
        tables : sequence of array of shape (n_draws, n_cases)

        Returns
        -------
        ndarray
        """
        found = [
            np.einsum(
                "rc,rc->r",
                self._shares(task, "draws", len(table)) @ table,
                self._shares(task, "cases", table.shape[1]),
            )
            for table in tables
        ]
        return np.asarray(np.mean(found, axis=0))

    def interval(
        self, task: Any, tables: Sequence[Array]
    ) -> tuple[float, float, float]:
        """Mean of tables, low and high end of its 95 % interval.

        Parameters
        ----------
        task, tables
            As in :meth:`means`.

        Returns
        -------
        mean, low, high : float
        """
        low, high = np.quantile(self.means(task, tables), [0.025, 0.975])
        mean = np.mean([table.mean() for table in tables])
        return float(mean), float(low), float(high)

    def _shares(self, *key: Any) -> FloatArray:
        if key not in self._weights:
            n = key[-1]
            rng = np.random.default_rng([self._seed, crc32(repr(key).encode())])
            drawn = rng.multinomial(n, [1 / n] * n, size=_REPETITIONS)
            self._weights[key] = drawn / n
        return self._weights[key]


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
        gain, low, high = Bootstrap().interval("", [np.array(masks, float)])
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
