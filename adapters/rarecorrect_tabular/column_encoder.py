"""ColumnEncoder: the analyst's columns as numbers, under the analyst's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from rarecorrect_tabular.schema import check_columns

Array = npt.NDArray[Any]
Block = list[tuple[str, Array]]  # names and values of columns

_OTHER = -2  # of codes; -1 is missing
_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal", "boolean")
_DATES = ("datetime64", "datetime", "date")


class ColumnEncoder(TransformerMixin, BaseEstimator):
    """Numbers, dates and categories of a frame as columns that detectors read.

    ==========  ======================================================================
    column      becomes
    ==========  ======================================================================
    number      itself; where some were missing in ``fit``: their median, and a column
                "... is missing".  Where none was, a missing value stays missing: the
                corrector leaves such a row to the legacy model
    true/false  1 and 0, else as a number
    category    "... = value" for every frequent value, "... = other" for rare ones
                and those never seen, "... is missing"
    date        hour of the day and day of the week, each as sine and cosine; with
                `time`, also the days from it to the time of the row
    ==========  ======================================================================

    Labels are not looked at.  Days since a fixed date are no feature: all rows to come
    lie beyond those that were seen.  Where errors began in the last days, a rule learns
    "late" and then changes everything: on the Handbook, 11 and 265 times the damage
    that its threshold stood for (``tests/performance/tree_features.py``).

    Parameters
    ----------
    columns : sequence of str, default=None
        Columns to read.  ``None``: all.  Leave out ids, labels and legacy decisions.
    time : str, default=None
        Column with the date of the row itself.
    min_frequency : float, default=0.01
        Share of the rows that a value of a category must have to get its own column.
    max_values : int, default=30
        Most frequent values of a category that get one.

    Attributes
    ----------
    kinds_ : dict of str to str
        ``"number"``, ``"category"`` or ``"date"``.
    left_out_ : dict of str to str
        Columns that say nothing, and why.

    Raises
    ------
    ValueError
        For a column that is missing, there twice, or of another kind than in ``fit``;
        for numbers written with commas, such as ``1,234.50``.

    Examples
    --------
    >>> rows = pd.DataFrame({"amount": [10, None, 30], "country": ["FR", "DE", "FR"]})
    >>> encoder = ColumnEncoder(min_frequency=0.5).fit(rows)
    >>> new = pd.DataFrame({"amount": [5], "country": ["JP"]})
    >>> print(encoder.transform(new).T.to_string(header=False))
    amount              5.0
    amount is missing   0.0
    country = FR        0.0
    country = other     1.0
    country is missing  0.0
    """

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        *,
        time: str | None = None,
        min_frequency: float = 0.01,
        max_values: int = 30,
    ) -> None:
        self.columns = columns
        self.time = time
        self.min_frequency = min_frequency
        self.max_values = max_values

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn kinds, medians and frequent values.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            pandas, polars or another eager frame; columns of an array are x0, x1, ...
        y : object
            Not looked at.

        Returns
        -------
        ColumnEncoder
        """
        self._check_parameters()
        frame = _as_pandas(X)
        wanted = list(frame.columns) if self.columns is None else list(self.columns)
        check_columns([*wanted, *([self.time] if self.time else [])], frame.columns)
        self.kinds_: dict[str, str] = {}
        self.left_out_: dict[str, str] = {}
        self._medians: dict[str, float] = {}
        self._values: dict[str, list[str]] = {}
        for name in wanted:
            self._learn(name, frame[name])
        if self.time and _kind(frame[self.time]) != "date":
            raise ValueError(
                f"time={self.time!r} must be a column of dates, got "
                f"{frame[self.time].dtype}: convert it with pandas.to_datetime"
            )
        if not self.kinds_:
            raise ValueError(f"no column says anything: {self.left_out_}")
        self._names = [name for name, _ in self._blocks(frame)]
        return self

    def transform(self, X: Any) -> pd.DataFrame:
        """Encode rows.

        Parameters
        ----------
        X : frame or array-like of shape (n_rows, n_columns)
            With the columns of ``fit``, in any order; others are not read.

        Returns
        -------
        DataFrame of shape (n_rows, n_features)
            Of float32, with a fresh index.
        """
        check_is_fitted(self, "kinds_")
        frame = _as_pandas(X)
        needed = [*self.kinds_, *([self.time] if self.time else [])]
        check_columns(needed, frame.columns)
        values = [np.asarray(v, dtype=np.float32) for _, v in self._blocks(frame)]
        return pd.DataFrame(np.column_stack(values), columns=self._names)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the columns of :meth:`transform`.

        Parameters
        ----------
        input_features : object
            Not looked at.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "kinds_")
        return np.array(self._names, dtype=object)

    def _check_parameters(self) -> None:
        if not 0 < self.min_frequency < 1:
            raise ValueError(
                f"min_frequency must lie in (0, 1), got {self.min_frequency!r}"
            )
        if self.max_values < 1:
            raise ValueError(f"max_values must be 1 or more, got {self.max_values!r}")

    def _learn(self, name: str, column: pd.Series[Any]) -> None:
        kind = _kind(column)
        if kind == "missing":
            self.left_out_[name] = "no value in any row"
            return
        if kind == "category":
            _refuse_commas(name, column)
            values = self._frequent(column)
            if not values:
                self.left_out_[name] = "no value is frequent, such as in an id"
                return
            self._values[name] = values
        elif kind == "number":
            numbers = _numbers(column)
            if np.isnan(numbers).any():
                self._medians[name] = float(np.nanmedian(numbers))
        self.kinds_[name] = kind

    def _frequent(self, column: pd.Series[Any]) -> list[str]:
        codes, found = _coded(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(found))
        order = np.argsort(-counts, kind="stable")[: self.max_values]
        least = self.min_frequency * len(codes)
        return [found[i] for i in order if counts[i] >= max(1.0, least)]

    def _blocks(self, frame: pd.DataFrame) -> Block:
        encode = {
            "number": self._number,
            "category": self._category,
            "date": self._date,
        }
        found: Block = []
        self_time = _times(frame[self.time]) if self.time else None
        for name, kind in self.kinds_.items():
            column = frame[name]
            now = _kind(column)
            if now not in (kind, "missing") and (now, kind) != ("number", "category"):
                raise ValueError(
                    f"column {name!r} held a {kind} in fit, and now a {now} "
                    f"({column.dtype}): convert it as for the fit"
                )
            found += encode[kind](name, column)
            if kind == "date" and self_time is not None and name != self.time:
                days = (self_time - _times(column)) / pd.Timedelta(days=1)
                found.append((f"days from {name} to {self.time}", days.to_numpy()))
        return found

    def _number(self, name: str, column: pd.Series[Any]) -> Block:
        numbers = _numbers(column)
        if name not in self._medians:
            return [(name, numbers)]
        missing = np.isnan(numbers)
        filled = np.where(missing, self._medians[name], numbers)
        return [(name, filled), (f"{name} is missing", missing)]

    def _category(self, name: str, column: pd.Series[Any]) -> Block:
        values = self._values[name]
        at = {value: i for i, value in enumerate(values)}
        codes, found = _coded(column)
        known = np.array([at.get(value, _OTHER) for value in found] + [-1])
        code = known[codes]  # code -1, missing, is the last
        block: Block = [(f"{name} = {value}", code == i) for value, i in at.items()]
        block.append((f"{name} = other", code == _OTHER))
        return [*block, (f"{name} is missing", code == -1)]

    def _date(self, name: str, column: pd.Series[Any]) -> Block:
        times: Any = _times(column)
        midnight = times.dt.normalize()
        hours = ((times - midnight) / pd.Timedelta(hours=1)).to_numpy(float)
        days = times.dt.day_of_week.to_numpy(float)
        block: Block = []
        for word, turn in (("hour", hours / 24), ("weekday", days / 7)):
            block.append((f"{word} of {name}, sine", np.sin(2 * np.pi * turn)))
            block.append((f"{word} of {name}, cosine", np.cos(2 * np.pi * turn)))
        return block


def _as_pandas(X: Any) -> pd.DataFrame:
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        found: pd.DataFrame = frame.to_pandas()
        return found.reset_index(drop=True)
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(f"X must be a frame or a table, got shape {array.shape}")
    return pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])


def _kind(column: pd.Series[Any]) -> str:
    """What a column holds; objects tell by their values."""
    if len(column) and column.isna().all():
        return "missing"
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_numeric_dtype(column):  # booleans are
        return "number"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    held = pd.api.types.infer_dtype(column, skipna=True)
    return {
        **dict.fromkeys(_NUMBERS, "number"),
        **dict.fromkeys(_DATES, "date"),
    }.get(held, "category")


def _refuse_commas(name: str, column: pd.Series[Any]) -> None:
    """Amounts such as 1,234.50 would all be rare values of a category."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return
    texts = pd.Series(column.dropna().unique()).astype(str)
    commas = texts[texts.str.contains(",", regex=False)]
    bare = texts.str.replace(",", "", regex=False)
    if len(commas) and pd.to_numeric(bare, errors="coerce").notna().all():
        raise ValueError(
            f"column {name!r} holds numbers with commas, such as {commas.iloc[0]!r}: "
            "write them without, or leave the column out"
        )


def _numbers(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    if _kind(column) == "missing":
        return np.full(len(column), np.nan)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _times(column: pd.Series[Any]) -> Any:
    """Times by the clock on the wall where they were stamped."""
    times: Any = pd.to_datetime(column)
    return times if times.dt.tz is None else times.dt.tz_localize(None)


def _coded(column: pd.Series[Any]) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Codes of a category, -1 where missing, and its values as texts."""
    codes, found = pd.factorize(column)
    return codes, [_text(value) for value in found]


def _text(value: Any) -> str:
    """Text of a value; a hole in a column turns its whole numbers into 1.0, 2.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
