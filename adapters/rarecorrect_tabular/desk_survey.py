"""First pass through a transaction file: what every row could serve for."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import Progress
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.transactions import (
    NO_DAY,
    Days,
    TransactionFile,
    binary_labels,
    day_text,
    hashed,
    repeated_ids,
    whole_days,
)

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_FAR = 30  # days between the last day and the one before


@dataclass(frozen=True, slots=True)
class DeskColumns:
    """Roles of columns.

    Attributes
    ----------
    label : str
        1: fraud, 0: none, empty: not known yet.
    time : str
        When it happened.
    id, groups : str or None
        Of the transaction, and of the customer, say.
    decided : str or None
        1 where a transaction was declined, so that nobody will ever know its outcome.
    label_time : str or None
        When the label became known; at once where it is missing.
    alert_unit : str or None
        Of the customer, say: several alerts of one on one day are one, where the
        budget is a number a day; a row without one is a customer of its own.
    features : tuple of str
        What rules read, beside the score; empty: every other column.
    drop : tuple of str
        Columns that are no features.
    """

    label: str
    time: str
    id: str | None = None
    groups: str | None = None
    decided: str | None = None
    label_time: str | None = None
    alert_unit: str | None = None
    features: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @property
    def roles(self) -> list[str]:
        """Columns with a role."""
        named = (
            self.label,
            self.time,
            self.id,
            self.groups,
            self.decided,
            self.label_time,
            self.alert_unit,
        )
        return [name for name in named if name is not None]

    @property
    def texts(self) -> list[str]:
        """Columns that are texts whatever they look like."""
        named = (self.id, self.groups, self.alert_unit)
        return [name for name in named if name is not None]

    def features_in(self, file: TransactionFile) -> list[str]:
        """Columns that rules may read.

        Parameters
        ----------
        file : TransactionFile

        Returns
        -------
        list of str

        Raises
        ------
        ValueError
            For a column that is not there, the label among the features, or no
            feature at all.
        """
        file.check([*self.roles, *self.features, *self.drop])
        if self.label in self.features:
            raise ValueError(f"the label {self.label!r} cannot be a feature")
        aside = {*self.roles, *self.drop}
        named = self.features or tuple(c for c in file.columns if c not in aside)
        found = [c for c in named if c not in self.drop]
        if not found:
            raise ValueError("no column is left as a feature; drop fewer")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What every row could serve for.

    Attributes
    ----------
    day : ndarray of int
        ``NO_DAY`` where the time is missing.
    label : ndarray of float
        NaN where the outcome is not known, or never will be.
    answer : ndarray of int
        Of the model in service.
    declined : ndarray of bool
    usable : ndarray of bool
        Rows with a day, an answer, and an id that no earlier row has.
    aside : Counter of str
        Why rows are not usable, and how many.
    group : ndarray or None
    id : ndarray or None
        Hashed.
    dates : bool
        Whether days are counted from 1970.
    label_day : ndarray of int or None
        When the label became known; ``NO_DAY`` where nobody recorded it.
    """

    day: Days
    label: npt.NDArray[np.float64]
    answer: npt.NDArray[np.int8]
    declined: Mask
    usable: Mask
    aside: Counter[str]
    group: Array | None
    id: Array | None
    dates: bool
    label_day: Days | None = None

    @property
    def right(self) -> Mask:
        """Rows known to be answered rightly."""
        return np.asarray(self.usable & (self.label == self.answer))

    @property
    def wrong(self) -> Mask:
        """Rows known to be answered wrongly."""
        return np.asarray(
            self.usable & ~np.isnan(self.label) & (self.label != self.answer)
        )

    @property
    def days(self) -> Days:
        """Days that have a usable row, in order."""
        return np.unique(self.day[self.usable])

    def text(self, day: int) -> str:
        """A day as people write it."""
        return day_text(int(day), dates=self.dates)

    def complete_days(self) -> Days:
        """Days on which no outcome is missing that will come, and one is known."""
        waiting = self.usable & np.isnan(self.label) & ~self.declined
        known = self.usable & ~np.isnan(self.label)
        return np.setdiff1d(np.unique(self.day[known]), self.day[waiting])

    def as_of(self, last: int, label_delay: int = 0) -> Survey:
        """What was known at the end of a day.

        Parameters
        ----------
        last : int
            No later row is usable.
        label_delay : int, default=0
            Days that a label takes, where nobody recorded when it became known.

        Returns
        -------
        Survey
        """
        known = self.day + label_delay
        if self.label_day is not None:
            known = np.where(self.label_day == NO_DAY, known, self.label_day)
        label = np.where(known > last, np.nan, self.label)
        usable = self.usable & (self.day <= last)
        return replace(self, label=label, usable=usable)


def survey(
    file: TransactionFile,
    columns: DeskColumns,
    model: DeskModel,
    progress: Progress | None = None,
) -> Survey:
    """Read roles and answers of all rows, in blocks.

    Parameters
    ----------
    file : TransactionFile
    columns : DeskColumns
    model : DeskModel
    progress : Progress, optional

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        For a column that is not there, labels that are not 0 and 1, times that cannot
        be read, a file without rows.

    Warns
    -----
    UserWarning
        If the last day lies far behind all others.
    """
    progress = progress or Progress()
    file.check(model.columns)
    progress.start(f"reading {file.path.name}")
    again = repeated_ids(file, columns.id)
    parts: dict[str, list[Array]] = {}
    reasons: Counter[str] = Counter()
    wanted, dates = [*columns.roles, *model.columns], True
    for start, rows in file.blocks(wanted, texts=columns.texts):
        model.check_scale(rows)
        found = _block(rows, columns, model, again[start : start + len(rows)])
        flaws = found.pop("flaw")
        reasons.update(flaws[flaws != ""].tolist())
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
        dates = not pd.api.types.is_numeric_dtype(rows[columns.time])
    if not parts:
        raise ValueError(f"{file.path.name!r} has no rows")
    whole: dict[str, Any] = {name: np.concatenate(p) for name, p in parts.items()}
    fields = {"group": None, "id": None, **whole}
    surveyed = Survey(aside=reasons, dates=dates, **fields)
    _warn_of_a_stray_day(surveyed)
    if surveyed.days.size == 0:
        return surveyed
    # labels that became known after the last row came from the future
    return surveyed.as_of(int(surveyed.days[-1]))


def gather(
    file: TransactionFile,
    columns: list[str],
    rows: npt.NDArray[np.intp],
    progress: Progress | None = None,
    *,
    texts: Iterable[str] = (),
) -> pd.DataFrame:
    """Rows of a file by their places.

    Parameters
    ----------
    file : TransactionFile
    columns : list of str
    rows : ndarray of int
        Rising.
    progress : Progress, optional
    texts : iterable of str
        As in :meth:`~rarecorrect_tabular.transactions.TransactionFile.blocks`.

    Returns
    -------
    DataFrame
    """
    progress, found, none = progress or Progress(), [], pd.DataFrame(columns=columns)
    progress.start(f"reading {rows.size:,} rows of {file.path.name}")
    for start, block in file.blocks(columns, texts=texts):
        none = block.iloc[:0]
        first, last = np.searchsorted(rows, [start, start + len(block)])
        if last > first:
            found.append(block.iloc[rows[first:last] - start])
    return pd.concat(found, ignore_index=True) if found else none


def _block(
    rows: pd.DataFrame, columns: DeskColumns, model: DeskModel, again: Mask
) -> dict[str, Array]:
    flaw = model.flaws(rows)
    day = whole_days(rows[columns.time])
    flaw[(flaw == "") & (day == NO_DAY)] = f"{columns.time} is missing"
    if again.size:
        flaw[(flaw == "") & again] = "id seen before"
    found: dict[str, Any] = {
        "day": day,
        "label": binary_labels(rows[columns.label]),
        "answer": model.answers(rows).astype(np.int8),
        "declined": np.zeros(len(rows), dtype=bool),
    }
    if columns.decided is not None:
        found["declined"] = binary_labels(rows[columns.decided]) == 1
        found["label"][found["declined"]] = np.nan
    if columns.label_time is not None:
        _check_alike(rows[columns.time], rows[columns.label_time])
        found["label_day"] = whole_days(rows[columns.label_time])
    if columns.groups is not None:
        missing = rows[columns.groups].isna().to_numpy()
        flaw[(flaw == "") & missing] = f"{columns.groups} is missing"
        found["group"] = hashed(rows[columns.groups])
    if columns.id is not None:
        found["id"] = hashed(rows[columns.id])
    return found | {"usable": flaw == "", "flaw": flaw}


def _check_alike(time: pd.Series[Any], label_time: pd.Series[Any]) -> None:
    """Days since the start beside dates: every label would be known at once."""
    time, label_time = time.dropna(), label_time.dropna()
    is_number = pd.api.types.is_numeric_dtype
    if len(time) and len(label_time) and is_number(time) != is_number(label_time):
        raise ValueError(
            f"columns {time.name!r} and {label_time.name!r} must both hold dates or "
            f"both numbers of days; they hold {time.iloc[0]!s} and "
            f"{label_time.iloc[0]!s}"
        )


def _warn_of_a_stray_day(found: Survey) -> None:
    """What is known when, and which days are judged, counts back from the last day."""
    days = found.days
    if days.size > 1 and (gap := int(days[-1] - days[-2])) > _FAR:
        n = int((found.usable & (found.day == days[-1])).sum())
        warnings.warn(
            f"the last day, {found.text(days[-1])} ({n:,} rows), lies {gap:,} days "
            f"after the one before, {found.text(days[-2])}: if its time is wrong, "
            "leave it out, since labels and test days count back from it",
            UserWarning,
            stacklevel=3,
        )
