"""What a fraud desk sees day by day, around a model that does not know a new type."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect_tabular.counters import columns_that_tell_time
from rarecorrect_tabular.legacy import default_legacy, log_odds
from rarecorrect_tabular.loader import TransactionTable
from rarecorrect_tabular.tasks import hidden_type_matrix, task_names

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

LEGACY_SCORE = "score of the model in service"
AMOUNTS = ("TX_AMOUNT", "amount", "Amount")


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Transactions in order of time, and what the model in service says of them.

    Attributes
    ----------
    X : DataFrame
        Features, then the log-odds of the model in service.
    day : ndarray of int of shape (n_rows,)
    amount : ndarray of float of shape (n_rows,)
        Money; 1 each where the table has no amounts.
    fraud : ndarray of bool of shape (n_rows,)
        The truth.  Whoever learns reads it through :meth:`labels` only.
    new : ndarray of bool of shape (n_rows,)
        Frauds of the new type.
    weight : ndarray of float of shape (n_rows,) or None
        How many rows of the population a row stands for; None: itself.
    delay : int
        The label of day ``d`` becomes known on day ``d + delay``, and is used from the
        morning after.
    most_cases : int or None
        Missed frauds of the new type that are ever confirmed; None: all.
    left_out : tuple of str
        Columns that are no features, since they only tell the day.
    """

    X: pd.DataFrame
    day: npt.NDArray[np.int64]
    amount: npt.NDArray[np.float64]
    fraud: Mask
    new: Mask
    weight: npt.NDArray[np.float64] | None
    delay: int
    most_cases: int | None = None
    left_out: tuple[str, ...] = ()

    @property
    def flagged(self) -> Mask:
        """Alerts of the model in service."""
        return np.asarray(self.X[LEGACY_SCORE] >= 0)

    def between(self, first: int, end: int) -> Indices:
        """Rows of the days from `first` up to `end`, without `end`."""
        start, stop = np.searchsorted(self.day, [first, end])
        return np.arange(start, stop)

    def known(self, morning: int) -> Indices:
        """Rows whose label is known in the morning of a day."""
        return np.arange(np.searchsorted(self.day, morning - self.delay))

    def cases(self, morning: int) -> Indices:
        """Missed frauds of the new type that are confirmed in the morning of a day."""
        rows = self.known(morning)
        found = rows[self.new[rows] & ~self.flagged[rows]]
        return found[: self.most_cases]

    def labels(self, morning: int) -> tuple[Indices, Mask]:
        """Rows with a label in the morning of a day, and the label.

        A missed fraud of the new type that nobody confirms counts as genuine.
        """
        rows = self.known(morning)
        label = self.fraud[rows] & (~self.new[rows] | self.flagged[rows])
        label[np.searchsorted(rows, self.cases(morning))] = True
        return rows, label


def make_traffic(
    table: TransactionTable,
    fraud_type: str,
    *,
    train: tuple[int, int],
    start: int,
    end: int,
    delay: int,
    most_cases: int | None = None,
    risk_learns: bool = False,
    amount: str | None = None,
    seed: int = 0,
) -> Traffic:
    """Train the model in service before a type is known, and let it score every day.

    The type starts on day `start`: its earlier rows are removed, from everything.
    Shares of known frauds at a terminal count the type only where they learn, see
    :func:`~rarecorrect_tabular.tasks.hidden_type_matrix`.  Columns that grow or fall
    with the day, while the model is trained, are no features: whoever learns from them
    finds days.

    Parameters
    ----------
    table : TransactionTable
        With a time and fraud types.
    fraud_type : str
        The new type.
    train : tuple of int
        Days ``[first, end)`` that the model in service is trained on.
    start, end : int
        Days ``[start, end)`` of the replay.
    delay : int
        Days until a label is known.
    most_cases : int, optional
        See :class:`Traffic`.
    risk_learns : bool, default=False
        Whether every fraud of the type counts in the shares of known frauds at a
        terminal once `delay` is over.
    amount : str, optional
        Column with the money; None: one of ``AMOUNTS``, if there is one.
    seed : int, default=0

    Returns
    -------
    Traffic

    Raises
    ------
    ValueError
        For a table without times or types, an unknown type, days without rows, or
        columns that all tell the day.
    """
    table = _replayed(table, fraud_type, train[0], start, end)
    assert table.time is not None and table.fraud_type is not None  # checked
    day = np.floor(table.time).astype(np.int64)
    _check_days(table, day, train, end)
    rows, new = np.flatnonzero(day < train[1]), table.fraud_type == fraud_type
    matrix, names = hidden_type_matrix(
        table, fraud_type, rows, confirmed=new if risk_learns else None, delay=delay
    )
    frame = pd.DataFrame(matrix, columns=names)
    # on no day that certifies
    left_out = columns_that_tell_time(frame.iloc[rows], day[rows], names)
    frame = frame.drop(columns=left_out)
    if frame.empty:
        raise ValueError(
            f"all columns grow or fall with the day ({', '.join(left_out)}), and none "
            "is left to learn from"
        )
    X = frame.to_numpy()
    weight = None
    if table.schema.normal_weight != 1:  # weights of 1 would only take time
        weight = np.where(table.label, 1.0, table.schema.normal_weight)
    model = fitted(X[rows], table.label[rows], at(weight, rows), seed)
    frame[LEGACY_SCORE] = log_odds(model.predict_proba(X)[:, 1])
    return Traffic(
        frame,
        day,
        _amounts(table.features, amount),
        table.label,
        new,
        weight,
        delay,
        most_cases,
        tuple(left_out),
    )


def _replayed(
    table: TransactionTable, fraud_type: str, first: int, start: int, end: int
) -> TransactionTable:
    """The days of the replay, without rows of the type before it starts."""
    if table.time is None or table.fraud_type is None:
        raise ValueError(
            "a replay needs the time and the kind of fraud of every row; name both "
            "columns"
        )
    if fraud_type not in task_names(table):
        raise ValueError(f"no fraud type {fraud_type!r}; there are {task_names(table)}")
    happened = (table.fraud_type != fraud_type) | (table.time >= start)
    kept = happened & (table.time >= first) & (table.time < end)
    return _part(table, np.flatnonzero(kept))


def _check_days(
    table: TransactionTable, day: Indices, train: tuple[int, int], end: int
) -> None:
    if not table.label[day < train[1]].any():
        raise ValueError(
            f"no fraud of another type on days {train[0]} to {train[1] - 1}: the model "
            "in service would have nothing to learn; train on other days"
        )
    if day[-1] < end - 1:
        raise ValueError(
            f"the table ends on day {day[-1]}, before the replay's last day {end - 1}; "
            f"end it before day {day[-1] + 1}"
        )


def fitted(X: Array, label: Mask, weight: Array | None, seed: int) -> Any:
    """Fit the kind of model that is in service.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
    label : ndarray of bool of shape (n_rows,)
    weight : ndarray of shape (n_rows,) or None
    seed : int

    Returns
    -------
    classifier
    """
    return default_legacy(seed).fit(X, label.astype(int), sample_weight=weight)


def at(values: Array | None, rows: Indices) -> Array | None:
    """Values of some rows, None where there are none."""
    return None if values is None else values[rows]


def _part(table: TransactionTable, rows: Indices) -> TransactionTable:
    """Some rows of a table."""
    changes: dict[str, Any] = {}
    for field in fields(table):
        value = getattr(table, field.name)
        if isinstance(value, pd.DataFrame):
            changes[field.name] = value.iloc[rows].reset_index(drop=True)
        elif isinstance(value, np.ndarray):
            changes[field.name] = value[rows]
    return replace(table, **changes)


def _amounts(features: pd.DataFrame, name: str | None) -> npt.NDArray[np.float64]:
    if name is not None and name not in features:
        raise ValueError(
            f"no column {name!r} with amounts among the features {list(features)[:10]}"
        )
    chosen = next((c for c in (name, *AMOUNTS) if c in features), None)
    if chosen is None:
        return np.ones(len(features))
    return features[chosen].to_numpy(float)
