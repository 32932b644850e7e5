"""Cross-validation in order of time, with gap, label delay, embargo and groups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator

__all__ = ["TimeWindows"]

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
        datetime, a timedelta or a text such as ``"28D"`` that pandas understands. The
        same holds for the other spans.
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

    # Read by scikit-learn's metadata routing; its documented way to set a default.
    __metadata_request__split = {"groups": True, "time": True}  # noqa: RUF012
