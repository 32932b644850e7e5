"""Columns that only tell the time: row numbers, dates, days since the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr

_ALMOST = 0.9  # rank correlation with the day
_LEAST_DAYS = 3


def columns_that_tell_time(
    X: pd.DataFrame, days: npt.NDArray[Any], names: Sequence[str]
) -> list[str]:
    """Columns whose values grow or fall with the day.

    A rule that reads one of them finds the days of its errors, and every later row
    looks like no row that calibrated: its certificate speaks of none of them.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
    days : ndarray of int of shape (n_rows,)
    names : sequence of str
        Columns to look at; only numbers and dates are.

    Returns
    -------
    list of str

    Examples
    --------
    >>> X = pd.DataFrame({"row": range(90), "amount": [3.0, 1.0, 2.0] * 30})
    >>> columns_that_tell_time(X, np.arange(90) // 10, ["row", "amount"])
    ['row']
    """
    if np.unique(days).size < _LEAST_DAYS:
        return []
    return [name for name in names if _tells_time(X[name], days)]


def _tells_time(column: pd.Series[Any], days: npt.NDArray[Any]) -> bool:
    kind = column.dtype
    if pd.api.types.is_datetime64_any_dtype(kind):
        values = column.astype("int64").to_numpy(dtype=float)
    elif pd.api.types.is_numeric_dtype(kind):
        values = column.to_numpy(dtype=float, na_value=np.nan)
    else:
        return False
    there = np.isfinite(values) & column.notna().to_numpy()
    if np.unique(values[there]).size < _LEAST_DAYS:
        return False
    return bool(abs(spearmanr(values[there], days[there]).statistic) > _ALMOST)
