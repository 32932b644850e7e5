"""Fit a corrector from a transaction file of any size, with labels as they are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect import (
    ErrorCorrector,
    NotCertifiedWarning,
    RuleRefusedWarning,
    TrainingRowsWarning,
)
from rarecorrect.certify import rows_needed
from rarecorrect.progress import Progress
from rarecorrect_tabular.column_encoder import ColumnEncoder
from rarecorrect_tabular.counters import columns_that_tell_time
from rarecorrect_tabular.desk_model import Desk, DeskModel, flaws_of_numbers
from rarecorrect_tabular.desk_survey import DeskColumns, Survey, gather, survey
from rarecorrect_tabular.transactions import TransactionFile, binary_labels, hashed

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

DIRECTIONS = {"raise": [(0, 1)], "clear": [(1, 0)], "both": [(0, 1), (1, 0)]}
_MOST_BACKGROUND = 50_000  # of each answer: more does not change a rule
_MOST_CALIBRATION = 200_000  # of each answer: .88 of a budget of .001 used
_MOST_ERRORS = 5_000
_MOST_TRAFFIC = 1_000_000
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
        Largest share of right decisions that may change; of passed ones, where alarms
        are cleared.  ``None``: an alert budget alone.
    clear_damage : float
        Largest share of caught frauds that may be cleared.
    alert_budget : float, str or None
        Share of traffic, or ``"25/day"``.
    detector : object
        As in :class:`~rarecorrect.ErrorCorrector`.
    confidence_level : float
    time_margin : float
    ledger : bool
    calibrate_from : int or None
        First day that is no background; ``None``: the last 30 days with labels, or
        more where the alert budget needs them.
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
    detector: Any = "auto"
    confidence_level: float = 0.95
    time_margin: float = 0.0
    ledger: bool = True
    calibrate_from: int | None = None
    seed: int = 0

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


@dataclass(frozen=True, slots=True)
class DeskFit:
    """A corrector, and what was done to get it.

    Attributes
    ----------
    corrector : ErrorCorrector
    columns : DeskColumns
    windows : Windows
    lines : list of (str, str)
        For the reader.
    """

    corrector: ErrorCorrector
    columns: DeskColumns
    windows: Windows
    lines: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        told = [f"{name:<16} {text}" for name, text in self.lines]
        return "\n".join([*told, str(self.corrector.report_)])


def fit_file(
    file: TransactionFile,
    columns: DeskColumns,
    model: DeskModel,
    plan: DeskPlan,
    *,
    cases: TransactionFile | None = None,
    progress: Progress | None = None,
) -> DeskFit:
    """Learn from errors, and certify on the latest days whose labels are complete.

    The file is read in blocks, three times at most; what is kept at a time is a few
    bytes of each row, and the rows that teach or calibrate.

    Parameters
    ----------
    file : TransactionFile
    columns : DeskColumns
    model : DeskModel
    plan : DeskPlan
    cases : TransactionFile, optional
        The errors to learn from; without it, all that the labels show.
    progress : Progress, optional

    Returns
    -------
    DeskFit

    Raises
    ------
    ValueError
        For columns, labels or times that do not do, no error to learn from, no day
        whose labels are complete.
    """
    progress = progress or Progress()
    columns.features_in(file)  # before anything is read
    found = survey(file, columns, model, progress)
    return fit_survey(file, columns, model, plan, found, cases=cases, progress=progress)


def fit_survey(
    file: TransactionFile,
    columns: DeskColumns,
    model: DeskModel,
    plan: DeskPlan,
    found: Survey,
    *,
    cases: TransactionFile | None = None,
    progress: Progress | None = None,
) -> DeskFit:
    """As :func:`fit_file`, from what is known about the rows.

    Parameters
    ----------
    file, columns, model, plan, cases, progress
        As in :func:`fit_file`.
    found : Survey

    Returns
    -------
    DeskFit
    """
    progress = progress or Progress()
    features = columns.features_in(file)
    windows = choose_windows(found, plan)
    taught = _Taught.of(file, cases, columns, model, plan, found, features)
    rng = np.random.default_rng(plan.seed)
    background, calibration = _right_rows(found, windows, taught, plan, rng)
    lines = _told(file, columns, plan, found, windows, taught)
    rows = np.sort(np.concatenate([taught.rows, background, calibration]))
    wanted = list(dict.fromkeys([*features, *model.columns]))
    X = gather(file, wanted, rows, progress)
    if not columns.features:
        telling = columns_that_tell_time(X, found.day[rows], features)
        features = _without(features, telling, lines)
    if len(taught.cases):
        X = pd.concat([X, taught.cases[wanted]], ignore_index=True)
    y = np.concatenate([found.label[rows], taught.labels]).astype(int)
    groups = None if found.group is None else found.group[rows]
    if groups is not None:
        groups = np.concatenate([groups, taught.groups.astype(groups.dtype)])
    mask = np.isin(rows, calibration)
    mask = np.concatenate([mask, np.zeros(len(taught.labels), dtype=bool)])
    finite = _finite(X, features)
    if not finite.all():
        lines.append(("infinite", f"{(~finite).sum():,} rows hold an infinite value"))
    progress.start("learning")
    corrector = _corrector(model, features, plan)
    with warnings.catch_warnings():
        if plan.alert_budget is not None:  # not the last word yet
            warnings.simplefilter("ignore", NotCertifiedWarning)
        if plan.direction == "both":  # the report says which way has no errors
            warnings.simplefilter("ignore", RuleRefusedWarning)
        corrector.fit(
            X[finite],
            y[finite],
            groups=None if groups is None else groups[finite],
            calibration_mask=mask[finite],
        )
    if plan.alert_budget is not None:
        traffic = _traffic(file, columns, corrector, plan, found, windows, progress)
        corrector.set_params(max_damage=_damage(plan), alert_budget=plan.alert_budget)
        with warnings.catch_warnings():
            # cases that were learnt from may be many of the highest rows of each day;
            # they look more wrong than new ones, which is the safe side
            warnings.simplefilter("ignore", TrainingRowsWarning)
            corrector.certify(traffic[0], time=traffic[1])
    return DeskFit(corrector, columns, windows, lines)


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
        If no day has complete labels, or only one.
    """
    complete, days = found.complete_days(), found.days
    if complete.size == 0:
        waiting = int((found.usable & np.isnan(found.label)).sum())
        raise ValueError(
            f"no day has complete labels: {waiting:,} of {found.usable.sum():,} rows "
            "have no outcome yet; pass older transactions too, and mark declined ones "
            "with --decided"
        )
    end = int(complete[-1])
    labelled = days[days <= end]
    if labelled.size < 2:
        raise ValueError(
            f"labels are complete up to {found.text(end)}, the first day: one day must "
            "teach and a later one calibrate; pass older transactions too"
        )
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
        start = int(labelled[max(1, place)])
    return Windows(int(days[0]), start, end, int(days[-1]))


@dataclass(frozen=True, slots=True, eq=False)
class _Taught:
    """Errors to learn from: rows of the file, or cases of another one."""

    rows: Indices
    cases: pd.DataFrame
    labels: Array
    groups: Array  # of the cases
    hidden: npt.NDArray[np.bool_]  # rows of the file that are among the cases
    n_not_wrong: int = 0
    n_found: int = 0

    @classmethod
    def of(
        cls,
        file: TransactionFile,
        cases: TransactionFile | None,
        columns: DeskColumns,
        model: DeskModel,
        plan: DeskPlan,
        found: Survey,
        features: Sequence[str],
    ) -> _Taught:
        wanted = [label for _, label in DIRECTIONS[plan.direction]]
        nothing = np.zeros(found.day.size, dtype=bool)
        none = np.empty(0)
        if cases is None:
            rows = np.flatnonzero(found.wrong & np.isin(found.label, wanted))
            if rows.size == 0:
                raise ValueError(_nothing_wrong(plan, found))
            n_found, rng = rows.size, np.random.default_rng([plan.seed, 1])
            if rows.size > _MOST_ERRORS:
                rows = np.sort(rng.choice(rows, _MOST_ERRORS, replace=False))
            return cls(rows, pd.DataFrame(), none, none, nothing, 0, n_found)
        named = [columns.label, *columns.texts, *features, *model.columns]
        table = cases.rows(named, texts=columns.texts)
        label, answer = binary_labels(table[columns.label]), model.answers(table)
        wrong = (label != answer) & np.isin(label, wanted) & (model.flaws(table) == "")
        if not wrong.any():
            raise ValueError(
                f"{cases.path.name}: the model in service is right on all "
                f"{len(table):,} cases, or {columns.label!r} is missing; nothing to "
                f"learn in the direction {plan.direction!r}"
            )
        hidden, groups = nothing, cast(Array, none)
        if found.id is not None and columns.id is not None:
            hidden = np.isin(found.id, hashed(table[columns.id]))
        if columns.groups is not None:
            groups = hashed(table.loc[wrong, columns.groups])
        n = int(wrong.sum())
        rows = np.empty(0, dtype=np.intp)
        left = table[wrong]
        return cls(rows, left, label[wrong], groups, hidden, len(table) - n, n)


def _right_rows(
    found: Survey,
    windows: Windows,
    taught: _Taught,
    plan: DeskPlan,
    rng: np.random.Generator,
) -> tuple[Indices, Indices]:
    """Right decisions that teach, and that calibrate."""
    right = found.right & ~taught.hidden
    early = right & (found.day < windows.start)
    late = right & (found.day >= windows.start) & (found.day <= windows.end)
    if found.group is not None:
        held = _calibrating_groups(found.group, taught, rng)
        early, late = early & ~held, late & held
    background = np.concatenate(
        [
            _some(np.flatnonzero(early & (found.answer == answer)), rng)
            for answer in (0, 1)
        ]
    )
    # one pool: a share of it says nothing of a share of all
    parts = [late] if plan.direction == "raise" else [late & (found.answer == 1)]
    if plan.direction != "raise":
        parts.append(late & (found.answer == 0))
    drawn = [_some(np.flatnonzero(p), rng, _MOST_CALIBRATION) for p in parts]
    return background, np.concatenate(drawn)


def _calibrating_groups(
    group: Array, taught: _Taught, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Rows of a random half of the customers; those of cases teach."""
    names, codes = np.unique(group, return_inverse=True)
    half = rng.random(names.size) < 0.5
    cases = np.union1d(group[taught.rows], taught.groups.astype(group.dtype))
    return np.asarray((half & ~np.isin(names, cases))[codes])


def _some(
    rows: Indices, rng: np.random.Generator, most: int = _MOST_BACKGROUND
) -> Indices:
    return rows if rows.size <= most else np.sort(rng.choice(rows, most, replace=False))


def _without(
    features: Sequence[str], telling: Sequence[str], lines: list[tuple[str, str]]
) -> list[str]:
    """The other features; what is left out is told."""
    kept = [name for name in features if name not in telling]
    if not kept:
        raise ValueError(
            f"all columns grow or fall with the day ({', '.join(telling)}), and none "
            "is left as a feature; name some with --features"
        )
    if telling:
        words = f"{', '.join(telling)}: they only tell the day (--features keeps them)"
        lines.append(("left out", words))
    return kept


def _corrector(
    model: DeskModel, features: Sequence[str], plan: DeskPlan
) -> ErrorCorrector:
    # while it is fitted there must be one; the alert budget takes its place
    damage = _damage(plan)
    return ErrorCorrector(
        model.model,
        features=[ColumnEncoder(list(dict.fromkeys(features))), *model.layers],
        detector=plan.detector,
        confusions=DIRECTIONS[plan.direction],
        max_damage=0.001 if damage is None else damage,
        per=None if plan.direction == "raise" else "class",
        confidence_level=plan.confidence_level,
        time_margin=plan.time_margin,
        ledger=plan.ledger,
        random_state=plan.seed,
    )


def _damage(plan: DeskPlan) -> Any:
    if plan.max_damage is None or plan.direction == "raise":
        return plan.max_damage
    return {0: plan.max_damage, 1: plan.clear_damage}


def _finite(X: pd.DataFrame, features: Sequence[str]) -> npt.NDArray[np.bool_]:
    numbers = [
        name for name in features if pd.api.types.is_numeric_dtype(X[name].dtype)
    ]
    flaws = np.full(len(X), "", dtype=object)
    flaws_of_numbers(X, numbers, flaws, may_lack=numbers)
    return np.asarray(flaws == "")


def _traffic(
    file: TransactionFile,
    columns: DeskColumns,
    corrector: ErrorCorrector,
    plan: DeskPlan,
    found: Survey,
    windows: Windows,
    progress: Progress,
) -> tuple[pd.DataFrame, Array]:
    """Rows that decide about the alert budget, and their days.

    Of a day only the ``cap + 1`` highest scores count, so no more are kept where there
    are very many; tail ranks then count among these.
    """
    desk, kept = Desk(corrector), pd.DataFrame()
    recent = found.usable & (found.day >= windows.start)
    if plan.cap is None:
        rng = np.random.default_rng([plan.seed, 2])
        rows = _some(np.flatnonzero(recent), rng, _MOST_CALIBRATION)
        return gather(file, desk.columns, rows, progress), found.day[rows]
    progress.start("scoring traffic for the alert budget")
    for start, block in file.blocks(desk.columns):
        rows = np.flatnonzero(recent[start : start + len(block)])
        if rows.size == 0:
            continue
        part, flaws = desk.readable(block.iloc[rows].reset_index(drop=True))
        part[_DAY], part[_SCORE] = found.day[start + rows], -np.inf
        good = np.flatnonzero(flaws == "")
        scores = corrector.trace(part.iloc[good][desk.columns])["score"]
        part.loc[good, _SCORE] = scores.to_numpy()
        part = part.iloc[good]
        kept = pd.concat([kept, part]) if len(kept) else part
        if len(kept) > _MOST_TRAFFIC:
            kept = _top_of_days(kept, plan.cap + 1)
    return kept[desk.columns].reset_index(drop=True), kept[_DAY].to_numpy()


_DAY, _SCORE = "day of this row", "score of this row"


def _top_of_days(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    ordered = rows.sort_values(_SCORE, ascending=False, kind="stable")
    return ordered.groupby(_DAY, sort=False).head(most)


def _nothing_wrong(plan: DeskPlan, found: Survey) -> str:
    kinds = {
        "raise": "missed fraud",
        "clear": "false alarm",
        "both": "missed fraud and no false alarm",
    }
    known = int((~np.isnan(found.label)).sum())
    return (
        f"no {kinds[plan.direction]} among {known:,} labelled rows: there is nothing "
        "to learn; pass new cases with --errors"
    )


def _told(
    file: TransactionFile,
    columns: DeskColumns,
    plan: DeskPlan,
    found: Survey,
    windows: Windows,
    taught: _Taught,
) -> list[tuple[str, str]]:
    """What the reader must know before any number of the report."""
    text, n = found.text, int((found.day <= windows.last).sum())
    days = found.days
    empty = int(windows.last - windows.first + 1 - days.size)
    span = f"{text(windows.first)} to {text(windows.last)}"
    lines = [
        (
            "data",
            f"{file.path.name}: {n:,} rows of {days.size} days, {span}"
            + (f"; {empty} days without a row" if empty else ""),
        )
    ]
    if found.aside:
        told = ", ".join(f"{why} ({m:,})" for why, m in found.aside.most_common())
        lines.append(("set aside", told))
    late = int((found.usable & (found.day > windows.end)).sum())
    used = "the alert budget only" if plan.alert_budget is not None else "nothing yet"
    lines.append(
        (
            "labels",
            f"complete up to {text(windows.end)}"
            + (f"; {late:,} later rows serve {used}" if late else ""),
        )
    )
    waiting = found.usable & np.isnan(found.label) & ~found.declined
    gaps = int((waiting & (found.day <= windows.end)).sum())
    if gaps:
        lines.append(("no label", f"{gaps:,} rows before that day: left out"))
    if columns.decided is not None:
        share = 100 * found.declined.mean()
        lines.append(
            (
                "declined",
                f"{found.declined.sum():,} rows ({share:.2f} %) have no outcome, ever: "
                "whatever is done to such rows, no damage will show",
            )
        )
    lines.append(
        (
            "windows",
            f"background before {text(windows.start)}, calibration on "
            f"{text(windows.start)} to {text(windows.end)}",
        )
    )
    if plan.cap is not None:
        n_days = int((days >= windows.start).sum())
        told = f"{n_days} whole days from {text(windows.start)} on"
        if n_days < plan.days_needed:
            told += (
                f", and {plan.alert_budget} needs {plan.days_needed}: pass "
                f"{plan.days_needed - n_days} days more"
            )
        lines.append(("alert budget", told))
    n_known = int((found.right | found.wrong).sum())
    accuracy = 100 * found.right.sum() / max(1, n_known)
    lines.append(("accuracy", f"{accuracy:.2f} % of {n_known:,} labelled rows"))
    if taught.n_not_wrong:
        told = f"{taught.n_not_wrong:,} left out: the model is right on them"
        lines.append(("cases", told))
    if taught.n_found > _MOST_ERRORS:
        told = f"{_MOST_ERRORS:,} of {taught.n_found:,} drawn to learn from"
        lines.append(("errors", told))
    _warn_without_fraud(found, windows)
    return lines


def _warn_without_fraud(found: Survey, windows: Windows) -> None:
    inside = (found.day >= windows.start) & (found.day <= windows.end) & found.usable
    if not (found.label[inside] == 1).any():
        warnings.warn(
            f"no fraud among {inside.sum():,} rows of {found.text(windows.start)} to "
            f"{found.text(windows.end)}, which calibrate: are these labels complete?",
            UserWarning,
            stacklevel=3,
        )
