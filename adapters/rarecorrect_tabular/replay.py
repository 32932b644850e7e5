"""A new fraud type, day by day: the model as it is, retrained, or hot-fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.alert_budget import AlertBudget
from rarecorrect.progress import Progress
from rarecorrect_tabular.loader import TransactionTable
from rarecorrect_tabular.replay_learners import Learnt, Lesson, hot_fix, retraining
from rarecorrect_tabular.replay_traffic import Traffic, make_traffic

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

AS_IT_IS, RETRAINED, HOT_FIX = "as it is", "retrained", "hot-fix"


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed.

    Attributes
    ----------
    train : tuple of int
        Days ``[first, end)`` that the model in service is trained on.
    start : int
        Day on which the new type starts.
    end : int
        First day that is not replayed.
    cases : int
        Confirmed cases that the first lesson takes.
    most_cases : int or None
        Confirmed cases there will ever be; None: all that were missed.
    risk_learns : bool
        Whether the type's frauds count in the shares of known frauds at a terminal
        once their label is known.
    delay : int
        Days until a label is known.
    cap : int
        Alerts a day beyond those of the model in service.
    mean_rate : bool
        Certify the cap as a mean share of traffic, not day by day: for comparison.
    max_damage : float
        Largest share of right decisions that the hot-fix may change.
    undo_day : int or None
        Day from which on the hot-fix is switched off.
    every : int
        Days between lessons.
    certify_days : int
        Latest days that set thresholds; 29 are needed at a confidence of 95 %.
    confidence_level : float
        Of what is certified, in (0, 1).
    n_background : int
        Right decisions that the hot-fix is fitted on, at most.
    detector : classifier or "auto"
        Of the hot-fix.
    seed : int
    """

    train: tuple[int, int] = (30, 75)
    start: int = 105
    end: int = 183
    cases: int = 5
    most_cases: int | None = None
    risk_learns: bool = False
    delay: int = 7
    cap: int = 100
    mean_rate: bool = False
    max_damage: float = 0.01
    undo_day: int | None = None
    every: int = 7
    certify_days: int = 30
    confidence_level: float = 0.95
    n_background: int = 20_000
    detector: Any = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse days that do not fit each other."""
        for name, least in (("cases", 1), ("delay", 0), ("cap", 1), ("every", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} must be {least} or more, got {getattr(self, name)}"
                )
        if self.risk_learns and self.most_cases is not None:
            raise ValueError(
                "risk_learns=True counts every fraud of the type at its terminal, and "
                f"most_cases={self.most_cases} says that most are never confirmed: "
                "leave one of them out"
            )
        if not 0 <= self.train[0] < self.train[1] <= self.start < self.end:
            raise ValueError(
                f"days must follow each other: training {self.train}, start "
                f"{self.start}, end {self.end}"
            )
        earliest = self.train[1] + self.certify_days - self.delay - 1
        if self.start < earliest:
            raise ValueError(
                f"start must be day {earliest} or later, got {self.start}: a cap on "
                f"alerts a day is certified on {self.certify_days} whole days that the "
                f"model in service was not trained on, and those end on day "
                f"{self.train[1] - 1}; start later, or train on earlier days"
            )
        undo = self.undo_day
        if undo is not None and not self.start <= undo < self.end:
            raise ValueError(
                f"undo_day must lie from day {self.start} to {self.end - 1}, got {undo}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What became of every day under one way to answer.

    Attributes
    ----------
    name : str
    alerts, extra, extra_frauds : ndarray of int of shape (n_days,)
        All alerts; those beyond the model in service; frauds of any type among these.
    caught, missed : ndarray of int of shape (n_days,)
        Frauds of the new type.
    saved, lost : ndarray of float of shape (n_days,)
        Their money.
    right, broken : ndarray of int of shape (n_days,)
        Right decisions of the model in service, and those of them that are changed.
    """

    name: str
    alerts: Counts
    extra: Counts
    extra_frauds: Counts
    caught: Counts
    missed: Counts
    saved: Floats
    lost: Floats
    right: Counts
    broken: Counts

    @property
    def damage(self) -> Floats:
        """Share of right decisions changed, day by day."""
        return self.broken / np.maximum(self.right, 1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a day.

    Attributes
    ----------
    day : int
    what : str
    """

    day: int
    what: str


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Result of a replay.

    Attributes
    ----------
    name : str
        Of the new type.
    plan : ReplayPlan
    days : ndarray of int of shape (n_days,)
    curves : dict of str to Curve
        In the order as it is, retrained, hot-fix.
    events : tuple of Event
        In order of time.
    in_force : int or None
        First day of the hot-fix; None: there were never enough confirmed cases.
    n_cases : int
        Confirmed cases at the last lesson.
    sentence, certificate : str
        Of the first hot-fix.
    transactions : int
        Rows of the days replayed.
    left_out : tuple of str
        Columns that nobody learns from, since they only tell the day.
    verdicts : tuple of str
        Of every hot-fix: whether its errors can be told from right decisions.
    """

    name: str
    plan: ReplayPlan
    days: Counts
    curves: dict[str, Curve]
    events: tuple[Event, ...]
    in_force: int | None
    n_cases: int
    sentence: str
    certificate: str
    transactions: int
    left_out: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()

    def above(self, name: str) -> Mask:
        """Days on which the alerts beyond the model in service exceed the cap."""
        return self.curves[name].extra > self.plan.cap

    def after(self, n_days: int | None = None) -> Mask:
        """Days of the hot-fix, all or the first `n_days`; none without one."""
        if self.in_force is None:
            return np.zeros(self.days.size, dtype=bool)
        end = self.plan.end if self.plan.undo_day is None else self.plan.undo_day
        if n_days is not None:
            end = min(end, self.in_force + n_days)
        return (self.days >= self.in_force) & (self.days < end)


def replay(
    table: TransactionTable,
    fraud_type: str,
    plan: ReplayPlan,
    *,
    amount: str | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Replay the days after a new fraud type starts.

    Parameters
    ----------
    table : TransactionTable
        With a time and fraud types.
    fraud_type : str
        The new type.
    plan : ReplayPlan
    amount : str, optional
        Column with the money.
    progress : Progress, optional

    Returns
    -------
    Replay

    Raises
    ------
    ValueError
        As in :func:`~rarecorrect_tabular.replay_traffic.make_traffic`.
    """
    bars = Progress() if progress is None else progress
    bars.start("training the model in service")
    traffic = make_traffic(
        table,
        fraud_type,
        train=plan.train,
        start=plan.start,
        end=plan.end,
        delay=plan.delay,
        most_cases=plan.most_cases,
        risk_learns=plan.risk_learns,
        amount=amount,
        seed=plan.seed,
    )
    return replay_traffic(traffic, fraud_type, plan, progress=bars)


def replay_traffic(
    traffic: Traffic, name: str, plan: ReplayPlan, *, progress: Progress | None = None
) -> Replay:
    """Replay prepared traffic.

    Hot-fix and retraining learn on the same mornings from the same labels: on the
    morning on which ``plan.cases`` cases are confirmed for the first time, then every
    ``plan.every`` days.

    Parameters
    ----------
    traffic : Traffic
    name : str
        Of the new type.
    plan : ReplayPlan
    progress : Progress, optional

    Returns
    -------
    Replay
    """
    bars = Progress() if progress is None else progress
    mornings = _mornings(traffic, plan)
    rows = traffic.between(plan.start, plan.end)
    extra = {RETRAINED: np.zeros(rows.size, bool), HOT_FIX: np.zeros(rows.size, bool)}
    fixes: list[Learnt] = []
    bars.task("learning", len(mornings))
    for morning in mornings:
        lesson = _lesson(traffic, plan, morning)
        until = np.flatnonzero(
            (traffic.day[rows] >= morning)
            & (traffic.day[rows] < min(morning + plan.every, plan.end))
        )
        extra[RETRAINED][until] = retraining(lesson).alerts(rows[until])
        if plan.undo_day is None or morning < plan.undo_day:
            fixed = hot_fix(
                lesson,
                max_damage=plan.max_damage,
                detector=plan.detector,
                n_background=plan.n_background,
            )
            extra[HOT_FIX][until] = fixed.alerts(rows[until])
            fixes.append(fixed)
        bars.step(f"day {morning}")
    if plan.undo_day is not None:
        extra[HOT_FIX] &= traffic.day[rows] < plan.undo_day
    nothing = np.zeros(rows.size, dtype=bool)
    days = np.arange(plan.start, plan.end)
    return Replay(
        name,
        plan,
        days,
        {
            way: _curve(way, traffic, plan, extra.get(way, nothing))
            for way in (AS_IT_IS, RETRAINED, HOT_FIX)
        },
        _events(traffic, plan, mornings),
        mornings[0] if fixes else None,
        traffic.cases(mornings[-1]).size if mornings else 0,
        fixes[0].sentence() if fixes else "",
        fixes[0].certificate if fixes else "",
        rows.size,
        traffic.left_out,
        tuple(fixed.verdict for fixed in fixes),
    )


def _mornings(traffic: Traffic, plan: ReplayPlan) -> list[int]:
    """Days on which something is learnt before the first transaction."""
    for day in range(plan.start, plan.end):
        if traffic.cases(day).size >= plan.cases:
            return list(range(day, plan.end, plan.every))
    return []


def _lesson(traffic: Traffic, plan: ReplayPlan, morning: int) -> Lesson:
    budget = AlertBudget(per_day=plan.cap)
    if plan.mean_rate:
        recent = traffic.between(morning - plan.certify_days, morning)
        budget = AlertBudget(rate=plan.cap * plan.certify_days / recent.size)
    return Lesson(
        traffic,
        morning,
        plan.train[0],
        plan.certify_days,
        budget,
        plan.confidence_level,
        plan.seed,
    )


def _curve(name: str, traffic: Traffic, plan: ReplayPlan, extra: Mask) -> Curve:
    """Count every day, with the truth that nobody had then."""
    rows = traffic.between(plan.start, plan.end)
    flagged, fraud, new = traffic.flagged[rows], traffic.fraud[rows], traffic.new[rows]
    money, right = traffic.amount[rows], flagged == fraud
    alert = flagged | extra
    place, n_days = traffic.day[rows] - plan.start, plan.end - plan.start

    def count(which: Mask) -> Counts:
        return np.bincount(place[which], minlength=n_days).astype(np.int64)

    def total(which: Mask) -> Floats:
        found = np.bincount(place[which], money[which], minlength=n_days)
        return found.astype(np.float64)

    return Curve(
        name,
        alerts=count(alert),
        extra=count(extra),
        extra_frauds=count(extra & fraud),
        caught=count(new & alert),
        missed=count(new & ~alert),
        saved=total(new & alert),
        lost=total(new & ~alert),
        right=count(right),
        broken=count(right & extra),
    )


def _events(
    traffic: Traffic, plan: ReplayPlan, mornings: list[int]
) -> tuple[Event, ...]:
    found = []
    cases = traffic.cases(plan.end + plan.delay)
    if cases.size:
        first = int(traffic.day[cases[0]])
        found.append(Event(first, "first case missed"))
        found.append(Event(first + plan.delay, "first case confirmed"))
    if mornings:
        n = plan.cases
        found.append(Event(mornings[0] - 1, f"{n} cases confirmed"))
        undone = plan.undo_day is not None and plan.undo_day <= mornings[0]
        fixed = "" if undone else "hot-fix in force, "
        found.append(Event(mornings[0], f"{fixed}model retrained"))
    if plan.undo_day is not None:
        found.append(Event(plan.undo_day, "somebody presses undo"))
    inside = [event for event in found if event.day < plan.end]
    return tuple(sorted(inside, key=lambda event: event.day))
