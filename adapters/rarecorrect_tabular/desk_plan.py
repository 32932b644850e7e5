"""What to correct at a fraud desk, at what cost, and on which days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rarecorrect.certify import rows_needed
from rarecorrect_tabular.desk_survey import Survey
from rarecorrect_tabular.transactions import Days

DIRECTIONS = {"raise": [(0, 1)], "clear": [(1, 0)], "both": [(0, 1), (1, 0)]}
_CALIBRATION_DAYS = 30
_EXCEED = 0.10  # a further day exceeds its cap with this probability, at most
_SPARE_DAYS = 1.6  # times those needed: then one day may lie above the threshold


@dataclass(frozen=True, slots=True)
class DeskPlan:
    """What to correct, and what it may cost.

    Attributes
    ----------
    direction : {"raise", "clear", "both"}
        Missed frauds, false alarms, or both.
    max_damage : float or None
        Largest share of right decisions that may change; of passed ones with
        ``"both"``; with ``"clear"`` none does.  ``None``: an alert budget alone.
    clear_damage : float
        Largest share of caught frauds that may be cleared.
    alert_budget : float, str or None
        Share of traffic, or ``"25/day"``.
    value : str or None
        Column with the amount at stake, inside every score; for missed frauds only,
        since clearing an alarm risks the amount that catching a fraud saves.
    detector : object
        As in :class:`~rarecorrect.ErrorCorrector`.
    confidence_level : float
    time_margin : float
    ledger : bool
    calibrate_from : int or None
        First day that is no background; ``None``: the last 30 days with labels, or
        more where the alert budget needs them.
    trained_until : int or None
        Last day that the model in service was trained on: up to it, rows teach and do
        not calibrate, because the model is right on them more often than on new ones.
    seed : int

    Examples
    --------
    >>> DeskPlan(alert_budget="25/day").cap
    25
    """

    direction: str = "raise"
    max_damage: float | None = 0.001
    clear_damage: float = 0.01
    alert_budget: float | str | None = None
    value: str | None = None
    detector: Any = "auto"
    confidence_level: float = 0.95
    time_margin: float = 0.0
    ledger: bool = True
    calibrate_from: int | None = None
    trained_until: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.value is not None and self.direction != "raise":
            raise ValueError(
                f"the value {self.value!r} is what a missed fraud costs; it would "
                "clear expensive alarms first: use it with --raise-only"
            )
        if self.direction == "both" and self.max_damage is None:
            raise ValueError(
                "each direction has a budget of its own: beside an alert budget, both "
                "take the share of passed ones that may be raised, --max-damage, too"
            )

    @property
    def cap(self) -> int | None:
        """Alerts a day, where that is the budget."""
        if not isinstance(self.alert_budget, str):
            return None
        number, _, unit = self.alert_budget.partition("/")
        if unit.strip() != "day" or not number.strip().isdigit():
            raise ValueError(
                "the alert budget must be a share of traffic in (0, 1) or a text like "
                f"25/day, got {self.alert_budget!r}"
            )
        return int(number)

    @property
    def days_needed(self) -> int:
        """Whole days that the alert budget needs beside the background."""
        if self.cap is None:
            return 0
        delta = 1 - self.confidence_level
        return rows_needed(_EXCEED, 1 - 0.8 * delta if self.ledger else 1 - delta)


@dataclass(frozen=True, slots=True)
class Windows:
    """Which days serve for what.

    Attributes
    ----------
    first : int
        Day of the first row.
    start : int
        First day that calibrates; right decisions before it are background.
    end : int
        Last day whose labels are complete.
    last : int
        Day of the last row.
    """

    first: int
    start: int
    end: int
    last: int


def choose_windows(found: Survey, plan: DeskPlan) -> Windows:
    """Days that calibrate: the latest whose labels are complete.

    Parameters
    ----------
    found : Survey
    plan : DeskPlan

    Returns
    -------
    Windows

    Raises
    ------
    ValueError
        If no day has complete labels, or only one, or none that the model in service
        was not trained on.
    """
    complete, days = found.complete_days(), found.days
    if complete.size == 0:
        raise ValueError(_nothing_complete(found))
    end = int(complete[-1])
    labelled = days[days <= end]
    if labelled.size < 2:
        raise ValueError(
            f"labels are complete up to {found.text(end)}, the first day: one day must "
            "teach and a later one calibrate; pass older transactions too"
        )
    fresh = _fresh_days(found, plan, labelled)
    if plan.calibrate_from is not None:
        start = plan.calibrate_from
        if not labelled[0] < start <= end:
            raise ValueError(
                f"calibration from {found.text(start)} leaves no day before it, or "
                f"none with labels behind: days {found.text(labelled[0])} to "
                f"{found.text(end)} have labels"
            )
    else:
        place = max(labelled.size // 2, labelled.size - _CALIBRATION_DAYS)
        if plan.cap is not None:
            place = min(place, days.size - int(_SPARE_DAYS * plan.days_needed))
        start = max(int(labelled[max(1, place)]), int(fresh[0]))
    return Windows(int(days[0]), start, end, int(days[-1]))


def _nothing_complete(found: Survey) -> str:
    waiting = found.usable & np.isnan(found.label) & ~found.declined
    told = (
        f"no day has complete labels: {waiting.sum():,} of {found.usable.sum():,} rows "
        "have no outcome yet"
    )
    if found.label_day is not None and found.days.size:
        late = int((waiting & (found.label_day > found.days[-1])).sum())
        told += f", {late:,} since theirs came after the last row"
    days, counts = np.unique(found.day[waiting], return_counts=True)
    if days.size:
        least = int(np.argmin(counts))
        told += f", the fewest {counts[least]:,} of {found.text(days[least])}"
    return (
        f"{told}; pass older transactions too, and mark those whose outcome will never "
        "come, declined ones, say, with --decided"
    )


def _fresh_days(found: Survey, plan: DeskPlan, labelled: Days) -> Days:
    """Days with labels that the model in service was not trained on."""
    last = plan.trained_until
    if last is None:
        return labelled
    if plan.calibrate_from is not None and plan.calibrate_from <= last:
        raise ValueError(
            f"calibration from {found.text(plan.calibrate_from)}, and the model in "
            f"service was trained up to {found.text(last)}: on rows that it was "
            "trained on, a certificate is void; calibrate from a later day"
        )
    fresh = labelled[labelled > last]
    if fresh.size == 0:
        raise ValueError(
            f"the model in service was trained up to {found.text(last)}, and labels "
            f"are complete up to {found.text(int(labelled[-1]))}: no day is left that "
            "can calibrate; pass later transactions"
        )
    return fresh
