"""What a replay comes to: shares caught, week by week and in the first days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rarecorrect_tabular.replay import HOT_FIX, Replay


@dataclass(frozen=True, slots=True)
class Week:
    """One week of a replay.

    Attributes
    ----------
    first, last : int
        Days.
    cases : int
        Frauds of the new type.
    recall : dict of str to float
        Share of them caught, by curve; NaN without cases.
    damage : float
        Share of right decisions that the hot-fix changed.
    in_force : bool
        Whether the hot-fix was in force on all of its days.
    above : int
        Days on which the hot-fix exceeded the cap.
    """

    first: int
    last: int
    cases: int
    recall: dict[str, float]
    damage: float
    in_force: bool
    above: int


def weekly(replay: Replay) -> list[Week]:
    """Weeks since the new type started; the last one may be shorter.

    Parameters
    ----------
    replay : Replay

    Returns
    -------
    list of Week
    """
    numbers = (replay.days - replay.plan.start) // 7
    return [_week(replay, numbers == number) for number in np.unique(numbers)]


def _week(replay: Replay, days: npt.NDArray[np.bool_]) -> Week:
    fixed = replay.curves[HOT_FIX]
    return Week(
        int(replay.days[days][0]),
        int(replay.days[days][-1]),
        int((fixed.caught + fixed.missed)[days].sum()),
        caught(replay, days),
        float(fixed.broken[days].sum() / max(fixed.right[days].sum(), 1)),
        bool(replay.after()[days].all()),
        int(replay.above(HOT_FIX)[days].sum()),
    )


def caught(
    replay: Replay, days: npt.NDArray[np.bool_], *, money: bool = False
) -> dict[str, float]:
    """Share of the new type that is caught on some days, by curve.

    Parameters
    ----------
    replay : Replay
    days : ndarray of bool of shape (n_days,)
    money : bool, default=False
        Share of its money, not of its cases.

    Returns
    -------
    dict of str to float
        NaN where there is none of the type.
    """
    found = {}
    for name, curve in replay.curves.items():
        hit, miss = (curve.saved, curve.lost) if money else (curve.caught, curve.missed)
        total = float(hit[days].sum() + miss[days].sum())
        found[name] = float(hit[days].sum()) / total if total else np.nan
    return found


def first_days(
    replay: Replay, n_days: int = 14, *, money: bool = False
) -> dict[str, float]:
    """Share caught in the first days of the hot-fix, by curve.

    Parameters
    ----------
    replay : Replay
    n_days : int, default=14
    money : bool, default=False

    Returns
    -------
    dict of str to float
    """
    return caught(replay, replay.after(n_days), money=money)


def share(value: float) -> str:
    """A share as a percentage.

    Examples
    --------
    >>> share(0.514), share(float("nan"))
    ('51 %', '-')
    """
    return "-" if np.isnan(value) else f"{100 * value:.0f} %"
