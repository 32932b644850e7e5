"""Cross-validation in order of time, with gap, label delay, embargo and groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from math import isfinite
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length

__all__ = ["TimeWindows"]

Rows = NDArray[np.intp]
Span = float | str | timedelta | np.timedelta64


class TimeWindows(BaseCrossValidator):
    """Walk forward in time: train on the past, test on the window that follows.

    The test windows have equal width and follow each other without a gap; the last one
    ends at the last time in the data. A window is open on the left and closed on the
    right: with whole days and ``test_size=28`` it is 28 days long.

    For a test window ``(start, end]`` the training rows are those with

    - time at most ``start - max(gap, label_delay)``: a label younger than
      `label_delay` is not known when the test window starts;
    - time above ``start - max(gap, label_delay) - train_size``, if `train_size` is
      given, else any time before;
    - time not within `embargo` after the end of an earlier test window;
    - a group that does not occur in the test window, if ``groups`` is given. Groups
      are removed from training, so test windows stay complete.

    Parameters
    ----------
    test_size : number, str or timedelta
        Width of a test window. A number in the unit of ``time``; if ``time`` is
        datetime, a timedelta or a text such as ``"28D"`` that pandas understands; a
        day is 24 hours. The same holds for the other spans.
    n_splits : int, default=None
        Number of test windows. None: as many as leave a complete training window
        before the first one, of `train_size` or, without it, of `test_size`.
    train_size : number, str or timedelta, default=None
        Width of a training window. None: all the past.
    gap : number, str or timedelta, default=0
        Time between training and test window that is in neither.
    label_delay : number, str or timedelta, default=0
        Time until a label is known. The larger of `gap` and `label_delay` counts.
    embargo : number, str or timedelta, default=0
        Time after each test window that is left out of all later training.

    Notes
    -----
    ``time`` and ``groups`` are requested as metadata: with metadata routing enabled,
    ``cross_validate(..., cv=TimeWindows(28), params={"time": time})`` works as it is.
    Without routing pass ``cv=list(TimeWindows(28).split(X, time=time))``.

    Examples
    --------
    Days 0 to 139, labels known after 7 days:

    >>> import numpy as np
    >>> from rarecorrect.time_windows import TimeWindows
    >>> day = np.arange(140)
    >>> windows = TimeWindows(test_size=28, n_splits=2, train_size=30, label_delay=7)
    >>> for train, test in windows.split(day, time=day):
    ...     print(day[train].min(), day[train].max(), day[test].min(), day[test].max())
    47 76 84 111
    75 104 112 139
    """

    # scikit-learn's documented way to have metadata requested by default.
    __metadata_request__split: ClassVar[dict[str, bool]] = {
        "groups": True,
        "time": True,
    }

    def __init__(
        self,
        test_size: Span,
        n_splits: int | None = None,
        *,
        train_size: Span | None = None,
        gap: Span = 0,
        label_delay: Span = 0,
        embargo: Span = 0,
    ) -> None:
        self.test_size = test_size
        self.n_splits = n_splits
        self.train_size = train_size
        self.gap = gap
        self.label_delay = label_delay
        self.embargo = embargo

    def split(
        self,
        X: Any,
        y: Any = None,
        groups: ArrayLike | None = None,
        *,
        time: ArrayLike | None = None,
    ) -> Iterator[tuple[Rows, Rows]]:
        """Yield the training and test rows of each window, the earliest first.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Only its length is used. Rows may be in any order.
        y : array-like of shape (n_samples,), default=None
            Only its length is used.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for example the customer.
        time : array-like of shape (n_samples,), required
            Time of each row: numbers or datetimes.

        Yields
        ------
        train, test : ndarray of int
            Positions of the rows, increasing.

        Raises
        ------
        ValueError
            If `time` is not given or has missing values, a span is out of range or
            does not fit the type of `time`, the lengths differ, or a training or test
            window holds no row.
        TypeError
            If `time` holds neither numbers nor datetimes.
        """
        axis = _time_axis(time)
        check_consistent_length(X, y, axis.values, groups)
        codes = None if groups is None else _group_codes(groups)
        windows = self._windows(axis)
        embargo = axis.span("embargo", self.embargo)
        allowed = np.ones(len(axis.values), dtype=bool)
        for number, window in enumerate(windows, start=1):
            test = axis.within(window.start, window.end)
            train = allowed & axis.within(window.train_start, window.train_end)
            if codes is not None:
                train &= ~np.isin(codes, codes[test])
            which = f"{number} of {len(windows)}"
            _check_filled(test, f"test window {which}", window[2:], axis)
            _check_filled(train, f"training window {which}", window[:2], axis)
            yield np.flatnonzero(train), np.flatnonzero(test)
            allowed &= ~axis.within(window.end, window.end + embargo)

    def get_n_splits(
        self,
        X: Any = None,
        y: Any = None,
        groups: ArrayLike | None = None,
        *,
        time: ArrayLike | None = None,
    ) -> int:
        """Return the number of test windows.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored, as everywhere in scikit-learn.
        time : array-like of shape (n_samples,), default=None
            Time of each row; needed only with ``n_splits=None``.

        Returns
        -------
        int
            Number of pairs that `split` yields.

        Raises
        ------
        ValueError
            As `split`, except for empty windows.
        TypeError
            As `split`.
        """
        if self.n_splits is None:
            return len(self._windows(_time_axis(time)))
        return _checked_n_splits(self.n_splits)

    def _windows(self, axis: _TimeAxis) -> list[_Window]:
        width = axis.span("test_size", self.test_size, positive=True)
        delay = max(
            axis.span("gap", self.gap), axis.span("label_delay", self.label_delay)
        )
        history = None
        if self.train_size is not None:
            history = axis.span("train_size", self.train_size, positive=True)
        if self.n_splits is None:
            used = delay + (width if history is None else history)
            n_splits = int((axis.last - axis.origin - used) // width)
            if n_splits < 1:
                raise ValueError(
                    f"time from {axis.shown(axis.first)} to {axis.shown(axis.last)} "
                    f"is too short for one training and one test window; make "
                    f"test_size={self.test_size!r}, train_size={self.train_size!r}, "
                    f"gap or label_delay smaller"
                )
        else:
            n_splits = _checked_n_splits(self.n_splits)
        windows = []
        for later in reversed(range(n_splits)):
            start = axis.last - (later + 1) * width
            train_end = start - delay
            train_start = -np.inf if history is None else train_end - history
            end = axis.last - later * width
            windows.append(_Window(train_start, train_end, start, end))
        return windows


class _Window(NamedTuple):
    """Borders of one split; every window is open on the left, closed on the right."""

    train_start: float
    train_end: float
    start: float
    end: float


class _TimeAxis(NamedTuple):
    """Time as numbers; datetimes are nanoseconds."""

    values: NDArray[Any]
    is_datetime: bool

    @property
    def first(self) -> float:
        return self.values.min().item()  # type: ignore[no-any-return]

    @property
    def last(self) -> float:
        return self.values.max().item()  # type: ignore[no-any-return]

    @property
    def origin(self) -> float:
        """Where the data begin: the whole number d stands for the unit (d - 1, d]."""
        return self.first - (self.values.dtype.kind == "i")

    def within(self, start: float, end: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (self.values > start) & (self.values <= end)
        return inside

    def span(self, name: str, value: Span, *, positive: bool = False) -> float:
        """Turn a span into a number on this axis."""
        number = self._as_number(name, value)
        too_small = number <= 0 if positive else number < 0
        if too_small or not isfinite(number):
            least = "larger than 0" if positive else "0 or more"
            raise ValueError(f"{name} must be a finite span {least}, got {value!r}")
        return number

    def _as_number(self, name: str, value: Span) -> float:
        is_number = isinstance(value, Real) and not isinstance(value, np.timedelta64)
        if self.is_datetime and is_number and value != 0:
            raise ValueError(
                f"{name}={value!r} has no unit, but time is datetime; pass a text such "
                f"as '7D' or a timedelta"
            )
        if is_number:
            # An int 0: a float would round nanoseconds.
            return 0 if self.is_datetime else value  # type: ignore[return-value]
        if not self.is_datetime:
            raise ValueError(
                f"{name}={value!r} is not a number, but time holds numbers; pass a "
                f"number in the unit of time"
            )
        try:
            return pd.Timedelta(value).as_unit("ns").value
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{name} must be a span that pandas.Timedelta understands, such as "
                f"'7D', got {value!r}"
            ) from error

    def shown(self, value: float) -> str:
        if self.is_datetime and isfinite(value):
            # Whole seconds: nanoseconds overflow for windows long before the data.
            return str(np.datetime64(int(value) // 10**9, "s"))
        return str(value)


def _time_axis(time: ArrayLike | None) -> _TimeAxis:
    if time is None:
        raise ValueError(
            "TimeWindows needs time=, one value per row; with cross_validate and the "
            "like enable metadata routing and pass params={'time': time}, or pass "
            "cv=list(windows.split(X, time=time))"
        )
    series = pd.Series(
        time if isinstance(time, pd.Series | pd.Index) else np.asarray(time)
    ).infer_objects()
    if series.empty:
        raise ValueError("time must have at least one value, got none")
    if series.isna().any():
        row = int(np.argmax(series.isna()))
        raise ValueError(f"time is missing in row {row}; drop such rows or fill them")
    if pd.api.types.is_datetime64_any_dtype(series):
        return _TimeAxis(pd.DatetimeIndex(series).as_unit("ns").asi8, True)
    values = series.to_numpy()
    if values.dtype.kind not in "iuf":
        raise TypeError(
            f"time must hold numbers or datetimes, got {values[0]!r} in row 0; convert "
            f"it with pandas.to_datetime"
        )
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"time must be finite, got {values[row]!r} in row {row}")
    return _TimeAxis(values.astype(float if values.dtype.kind == "f" else int), False)


def _group_codes(groups: ArrayLike) -> Rows:
    codes, _ = pd.factorize(np.asarray(groups))
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise ValueError(f"groups is missing in row {row}; give such rows a group")
    return codes


def _checked_n_splits(n_splits: int) -> int:
    if not isinstance(n_splits, Integral) or n_splits < 1:
        raise ValueError(f"n_splits must be None or 1 or more, got {n_splits!r}")
    return int(n_splits)


def _check_filled(
    rows: NDArray[np.bool_], name: str, borders: tuple[float, ...], axis: _TimeAxis
) -> None:
    if not rows.any():
        start, end = (axis.shown(border) for border in borders)
        raise ValueError(
            f"{name}, ({start}, {end}], holds no row that may be used; make n_splits, "
            f"gap, label_delay or embargo smaller, the windows wider, or use finer "
            f"groups"
        )
