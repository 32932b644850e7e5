"""Budgets in alerts: a share of traffic, or a number a day."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.certify import Certificate, alert_threshold, daily_threshold

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class AlertBudget:
    """A share of traffic, or a number of alerts a day.

    Attributes
    ----------
    rate : float or None
        Largest share of traffic that is changed.
    per_day : int or None
        Largest number of changed rows a day.

    Examples
    --------
    >>> AlertBudget.parse("25/day"), AlertBudget.parse(0.001)
    (AlertBudget(rate=None, per_day=25), AlertBudget(rate=0.001, per_day=None))
    """

    rate: float | None = None
    per_day: int | None = None

    @classmethod
    def parse(cls, value: Any) -> AlertBudget | None:
        """Read a budget as users write it.

        Parameters
        ----------
        value : None, float or str
            A share of traffic in (0, 1), or a text like ``"25/day"``.

        Returns
        -------
        AlertBudget or None
            None for None: no budget.

        Raises
        ------
        ValueError
            For anything else.
        """
        if value is None:
            return None
        if isinstance(value, str):
            number, slash, unit = value.partition("/")
            if slash and unit.strip() == "day" and number.strip().isdigit():
                return cls(per_day=int(number))
        elif isinstance(value, Real) and 0 < float(value) < 1:  # True is 1
            return cls(rate=float(value))
        raise ValueError(
            "alert_budget must be None, a share of traffic in (0, 1) or a text like "
            f"'25/day', got {value!r}"
        )

    def certificate(
        self,
        scores: npt.NDArray[np.float64],
        confidence_level: float,
        *,
        time: Array | None = None,
        groups: Array | None = None,
        sampling_weight: Array | None = None,
        random_state: int = 0,
    ) -> Certificate:
        """Certificate of this budget from the scores of traffic.

        Parameters
        ----------
        scores : ndarray of shape (n_rows,)
            Of recent traffic that served nothing else; of whole days for a number a
            day.
        confidence_level : float
            In (0, 1).
        time : ndarray of shape (n_rows,), optional
            Days as numbers, or datetime64; needed for a number a day.
        groups, sampling_weight : ndarray of shape (n_rows,), optional
            As in :func:`~rarecorrect.certify.alert_threshold`; `groups` play no part
            in a number a day.
        random_state : int, default=0
            For the choice of rows with `groups` or `sampling_weight`.

        Returns
        -------
        Certificate

        Raises
        ------
        ValueError
            If a budget per day lacks `time`, or is given a sample of the days.
        """
        if self.per_day is None:
            assert self.rate is not None
            return alert_threshold(
                scores,
                self.rate,
                confidence_level,
                groups=groups,
                sampling_weight=sampling_weight,
                random_state=random_state,
            )
        if sampling_weight is not None:
            raise ValueError(
                f"alert_budget='{self.per_day}/day' counts the rows of whole days: "
                "pass them all, without calibration_weight"
            )
        if time is None:
            raise ValueError(
                f"alert_budget='{self.per_day}/day' needs time=, the time of every row"
            )
        days = whole_days(time)
        return daily_threshold(
            scores, days, self.per_day, confidence_level=confidence_level
        )


def whole_days(time: npt.ArrayLike) -> Array:
    """Calendar day of datetimes, whole part of numbers.

    Parameters
    ----------
    time : array-like of shape (n_rows,)
        Days as numbers, or datetime64.

    Returns
    -------
    ndarray of shape (n_rows,)
        int64, or datetime64 in days.

    Raises
    ------
    ValueError
        If a time is missing, or they are neither numbers nor datetimes.

    Examples
    --------
    >>> whole_days([0.5, 1.2, 1.9]).tolist()
    [0, 1, 1]
    """
    values = np.asarray(time)
    missing = pd.isna(values)
    if missing.any():
        raise ValueError(
            f"{int(missing.sum())} of {missing.size} rows have no time, and a day must "
            "be whole"
        )
    if values.dtype.kind == "M":
        return np.asarray(values.astype("datetime64[D]"))
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"time must be numbers (days) or datetime64, got dtype {values.dtype}"
        )
    return np.asarray(np.floor(values).astype(np.int64))
