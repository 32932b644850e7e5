"""Whose alert it is: several of one customer on one day are looked at in one go."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect_tabular.transactions import hashed

Mask = npt.NDArray[np.bool_]


def counted_as(name: str) -> str:
    """How alerts are counted, in words.

    Parameters
    ----------
    name : str
        Column of the customer, say.

    Returns
    -------
    str

    Examples
    --------
    >>> counted_as("customer")
    'several of one customer on one day count as one'
    """
    return f"several of one {name} on one day count as one"


def units(
    rows: pd.DataFrame, name: str | None, places: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.uint64]:
    """Who an alert is counted for: the value of a column or, without it, the row.

    Parameters
    ----------
    rows : DataFrame
    name : str or None
        Column of the customer, say; a row without one is a unit of its own.
    places : ndarray of int of shape (n_rows,)
        Of these rows in the whole file.

    Returns
    -------
    ndarray of uint64

    Examples
    --------
    >>> rows, places = pd.DataFrame({"customer": ["a", "a", None, None]}), np.arange(4)
    >>> [np.unique(units(rows, name, places)).size for name in ("customer", None)]
    [3, 4]
    """
    own = places.astype(np.uint64)
    if name is None:
        return own
    return np.where(rows[name].isna(), own, hashed(rows[name]))


def highest_of_units(rows: pd.DataFrame, by: list[str], score: str) -> pd.DataFrame:
    """Of each customer and day the row that is an alert first, if any is.

    More than ``cap`` customers have an alert iff the ``(cap + 1)``-th largest of these
    scores lies above the threshold: a certificate of such rows counts customers.

    Parameters
    ----------
    rows : DataFrame
    by : list of str
        Columns of the day, the unit and whatever else divides the count.
    score : str
        Column.

    Returns
    -------
    DataFrame
        Some of the rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"day": [1, 1, 2], "unit": [7, 7, 7], "score": [2, 5, 1]})
    >>> highest_of_units(rows, ["day", "unit"], "score")["score"].tolist()
    [5, 1]
    """
    ordered = rows.sort_values(score, ascending=False, kind="stable")
    return ordered.drop_duplicates(by).sort_index(kind="stable")


def within_cap(alerts: pd.DataFrame, cap: int) -> Mask:
    """Which alerts stay under a hard cap: all of the customers that come first.

    Parameters
    ----------
    alerts : DataFrame
        ``day``, ``unit`` and ``order``, high first.
    cap : int
        Units a day.

    Returns
    -------
    ndarray of bool of shape (n_alerts,)

    Examples
    --------
    >>> alerts = pd.DataFrame(
    ...     {"day": 1, "unit": [7, 8, 9, 7], "order": [1.0, 3.0, 2.0, 4.0]}
    ... )
    >>> within_cap(alerts, 2).tolist()
    [True, True, False, True]
    """
    ranked = alerts.sort_values("order", ascending=False, kind="stable")
    first = ~ranked.duplicated(["day", "unit"])
    nth = first.groupby(ranked["day"]).cumsum()  # of a unit, where it comes first
    nth = nth.groupby([ranked["day"], ranked["unit"]]).transform("first")
    return np.asarray((nth <= cap).reindex(alerts.index))
