"""What calibration rows certify: the damage, the alerts."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import (
    Certificate,
    alert_threshold,
    certified_threshold,
    check_share,
    daily_threshold,
    stratified_thresholds,
)

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


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
        """Read ``None``, a rate in (0, 1) or a text like ``"25/day"``.

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
        elif not isinstance(value, bool) and 0 < value < 1:
            return cls(rate=float(value))
        raise ValueError(
            "alert_budget must be None, a share of traffic in (0, 1) or a text like "
            f"'25/day', got {value!r}"
        )

    def threshold(
        self, scores: FloatArray, level: float, *, time: Any, groups: Array | None
    ) -> Certificate:
        """Certificate of this budget from the scores of traffic."""
        if self.per_day is None:
            assert self.rate is not None
            return alert_threshold(scores, self.rate, level, groups=groups)
        if time is None:
            raise ValueError(
                f"alert_budget='{self.per_day}/day' needs time=, the time of every row"
            )
        days = whole_days(time)
        return daily_threshold(scores, days, self.per_day, confidence_level=level)


def certify_damage(
    scores: FloatArray,
    max_damage: float,
    level: float,
    *,
    strata: Array | None = None,
    groups: Array | None = None,
    sampling_weight: Array | None = None,
    random_state: int = 0,
) -> dict[Hashable, Certificate]:
    """Damage certificates by stratum, or one under the key None."""
    options: dict[str, Any] = {
        "groups": groups,
        "sampling_weight": sampling_weight,
        "random_state": random_state,
    }
    if strata is None:
        return {None: certified_threshold(scores, max_damage, level, **options)}
    return stratified_thresholds(scores, strata, max_damage, level, **options)


def whole_days(time: Any) -> Array:
    """Calendar day of datetimes, whole part of numbers.

    Examples
    --------
    >>> whole_days([0.5, 1.2, 1.9]).tolist()
    [0, 1, 1]
    """
    values = np.asarray(time)
    if values.dtype.kind == "M":
        return np.asarray(values.astype("datetime64[D]"))
    if values.dtype.kind not in "iuf":
        raise ValueError(
            f"time must be numbers (days) or datetime64, got dtype {values.dtype}"
        )
    return np.asarray(np.floor(values).astype(np.int64))


def check_budgets(
    max_damage: float | None, alert_budget: Any, confidence_level: float, margin: float
) -> tuple[str, ...]:
    """Names of the budgets that must be certified.

    Raises
    ------
    ValueError
        For values out of range, or no budget at all.
    """
    check_share(confidence_level, "confidence_level")
    if max_damage is not None:
        check_share(max_damage, "max_damage")
    if not 0 <= margin < math.inf:
        raise ValueError(f"time_margin must be 0 or more, got {margin}")
    alerts = AlertBudget.parse(alert_budget)
    found = [
        name
        for name, value in (("damage", max_damage), ("alerts", alerts))
        if value is not None
    ]
    if not found:
        raise ValueError("max_damage and alert_budget are both None; set one of them")
    return tuple(found)
