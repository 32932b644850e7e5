"""Rows that calibrate and look like what was learnt from, where no id tells."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]

_DISTINCT = 0.9  # fewer: transactions that look alike are nothing unusual
_MANY = 0.01  # fewer change a budget by a hundredth


@dataclass(frozen=True, slots=True)
class Copies:
    """Rows that agree with others in every feature, and may be the same transaction.

    No row is left out for that: a transaction that only looks like a case of fraud is
    what a certificate must count, and only an id tells it from the case itself.

    Attributes
    ----------
    n : int
        Rows that calibrate.
    of_cases : int
        Those that agree with a new case, and count as right decisions.
    of_taught : int
        Those that agree with another row that was learnt from.
    of_same_day : int
        Those that agree with an earlier one of the same day.
    usual : bool
        Whether rows of different days agree anyway.

    Examples
    --------
    >>> X = pd.DataFrame({"amount": [9.5, 7.25, 9.5, 3.0, 3.0, 8.0]})
    >>> calibrates = np.array([False, False, True, True, True, False])
    >>> Copies.among(X, np.array([1, 1, 2, 2, 2]), calibrates)
    Copies(n=3, of_cases=0, of_taught=1, of_same_day=1, usual=False)
    """

    n: int
    of_cases: int
    of_taught: int
    of_same_day: int
    usual: bool

    @classmethod
    def among(
        cls, X: pd.DataFrame, day: Array, calibrates: npt.NDArray[np.bool_]
    ) -> Copies:
        """Count them.

        Parameters
        ----------
        X : DataFrame of shape (n_rows + n_cases, n_features)
            Rows of the file, and behind them new cases.
        day : ndarray of int of shape (n_rows,)
        calibrates : ndarray of bool of shape (n_rows + n_cases,)

        Returns
        -------
        Copies
        """
        keys, n_rows = _keys(X), day.size
        mine, days = keys[:n_rows][calibrates[:n_rows]], day[calibrates[:n_rows]]
        of_case = np.isin(mine, keys[n_rows:])
        taught = np.isin(mine, keys[:n_rows][~calibrates[:n_rows]]) & ~of_case
        of_a_day = pd.DataFrame({"key": mine, "day": days})
        again = of_a_day.duplicated()
        distinct = of_a_day[~again]["key"]
        usual = distinct.nunique() < _DISTINCT * distinct.size
        return cls(
            mine.size, int(of_case.sum()), int(taught.sum()), int(again.sum()), usual
        )

    def told(self, file: str, cases: str) -> list[tuple[str, str]]:
        """Say how many there are.

        Parameters
        ----------
        file, cases : str
            Names of the files.

        Returns
        -------
        list of (str, str)
            What it is about, and what there is to say.

        Warns
        -----
        UserWarning
            If rows agree with new cases, or so many with others that it matters and
            that it cannot be chance.
        """
        if self.of_cases:
            _warn(
                f"{self.of_cases:,} rows of {file} that calibrate agree with a case of "
                f"{cases} in every feature, and count as right decisions, so rules are "
                "held back from such rows.  If they are these cases, name the column "
                "of both files that tells, --id, or correct their labels; if they only "
                "look alike, all is well"
            )
        pairs = (
            (self.of_taught, "a row that was learnt from"),
            (self.of_same_day, "another one of their day"),
        )
        if not any(n for n, _ in pairs):
            return []
        found = " and ".join(f"{n:,} with {what}" for n, what in pairs if n)
        told = f"of {self.n:,} rows that calibrate agree in every feature: {found}"
        if self.usual:
            told += ", as rows of different days do in this file"
        elif sum(n for n, _ in pairs) > _MANY * self.n:
            _warn(
                f"{told}.  If your file holds transactions twice, name the column that "
                "tells, --id, and the second of two is left out: the certificate takes "
                "rows for different transactions.  If they only look alike, all is well"
            )
        return [("look alike", told)]


def _keys(X: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """Eight bytes a row, the same for rows that agree in every column, as float32."""
    parts = {str(i): _plain(X.iloc[:, i]) for i in range(X.shape[1])}
    found = pd.util.hash_pandas_object(pd.DataFrame(parts), index=False)
    return np.asarray(found, dtype=np.uint64)


def _plain(column: pd.Series[Any]) -> Any:
    if not pd.api.types.is_numeric_dtype(column):
        return column.astype("string").fillna("")
    # a csv holds what float32 columns of a parquet file print, and so nothing finer
    with np.errstate(over="ignore"):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)
    return numbers + np.float32(0)  # the two zeros are one


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)
