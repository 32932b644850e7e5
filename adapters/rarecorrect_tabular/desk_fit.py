"""Fit a corrector from a transaction file of any size, with labels as they are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect import (
    ErrorCorrector,
    NotCertifiedWarning,
    RuleRefusedWarning,
    TrainingRowsWarning,
)
from rarecorrect.progress import Progress
from rarecorrect_tabular.column_encoder import ColumnEncoder
from rarecorrect_tabular.counters import columns_that_tell_time
from rarecorrect_tabular.desk_cases import Taught
from rarecorrect_tabular.desk_copies import Copies
from rarecorrect_tabular.desk_model import Desk, DeskModel, flaws_of_numbers
from rarecorrect_tabular.desk_plan import DIRECTIONS, DeskPlan, Windows, choose_windows
from rarecorrect_tabular.desk_survey import DeskColumns, Survey, gather, survey
from rarecorrect_tabular.desk_told import lines_of
from rarecorrect_tabular.desk_traffic import daily_traffic
from rarecorrect_tabular.transactions import Days, TransactionFile

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_MOST_BACKGROUND = 50_000  # of each answer: more does not change a rule
_MOST_CALIBRATION = 200_000  # of each answer: .88 of a budget of .001 used


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
    _check_unit(columns, plan)
    features = columns.features_in(file)
    windows = choose_windows(found, plan)
    if cases is None:
        taught = Taught.from_labels(plan, found)
    else:
        taught = Taught.from_cases(cases, columns, model, plan, found, features)
    rng = np.random.default_rng(plan.seed)
    background, calibration = _right_rows(found, windows, taught, plan, rng)
    lines = lines_of(file.path.name, columns, plan, found, windows, taught)
    rows = np.sort(np.concatenate([taught.rows, background, calibration]))
    X = gather(file, _wanted(features, model), rows, progress)
    if not columns.features:
        early = found.day[rows] < windows.start  # rows that calibrate choose nothing
        telling = columns_that_tell_time(X[early], found.day[rows[early]], features)
        features = _without(features, telling, lines)
        # others need not be there when rows are scored
        X = X[_wanted(features, model)]
    if len(taught.cases):
        X = pd.concat([X, taught.cases[[*X]]], ignore_index=True)
    y = np.concatenate([found.label[rows], taught.labels]).astype(int)
    groups = None if found.group is None else found.group[rows]
    if groups is not None:
        groups = np.concatenate([groups, taught.groups.astype(groups.dtype)])
    mask = np.isin(rows, calibration)
    mask = np.concatenate([mask, np.zeros(len(taught.labels), dtype=bool)])
    if columns.id is None:
        name = "" if cases is None else cases.path.name
        lines.extend(Copies.among(X, found.day[rows], mask).told(file.path.name, name))
    finite = _finite(X, features)
    if not finite.all():
        told = f"{(~finite).sum():,} rows hold an infinite value: left out"
        lines.append(("infinite", told))
    progress.start("learning")
    corrector = _corrector(model, features, plan)
    kept = None if groups is None else groups[finite]
    _learn(corrector, plan, X[finite], y[finite], kept, mask[finite])
    for name, why in Desk(corrector).left_out.items():
        lines.append(("no feature", f"{name}: {why}"))
    if plan.alert_budget is not None:
        traffic = _traffic(file, columns, corrector, plan, found, windows, progress)
        _certify_alerts(corrector, plan, traffic)
    return DeskFit(corrector, columns, windows, lines)


def _learn(
    corrector: ErrorCorrector,
    plan: DeskPlan,
    X: pd.DataFrame,
    y: Array,
    groups: Array | None,
    calibrates: Array,
) -> None:
    with warnings.catch_warnings():
        if plan.alert_budget is not None:  # not the last word yet
            warnings.simplefilter("ignore", NotCertifiedWarning)
        if plan.direction == "both":  # the report says which way has no errors
            warnings.simplefilter("ignore", RuleRefusedWarning)
        corrector.fit(X, y, groups=groups, calibration_mask=calibrates)


def _check_unit(columns: DeskColumns, plan: DeskPlan) -> None:
    if columns.alert_unit is not None and plan.cap is None:
        raise ValueError(
            f"alerts are counted by {columns.alert_unit!r} only where the budget is a "
            f"number a day, such as 25/day, got {plan.alert_budget!r}"
        )


def _wanted(features: Sequence[str], model: DeskModel) -> list[str]:
    return list(dict.fromkeys([*features, *model.columns]))


def _certify_alerts(
    corrector: ErrorCorrector, plan: DeskPlan, traffic: tuple[pd.DataFrame, Any]
) -> None:
    corrector.set_params(max_damage=_damage(plan), alert_budget=plan.alert_budget)
    with warnings.catch_warnings():
        # cases that were learnt from may be many of the highest rows of each day; they
        # look more wrong than new ones, which is the safe side
        warnings.simplefilter("ignore", TrainingRowsWarning)
        corrector.certify(traffic[0], time=traffic[1])


def _right_rows(
    found: Survey,
    windows: Windows,
    taught: Taught,
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
    # one pool: a share of it says nothing of a share of all; and who only clears
    # changes no answer 0, which needs no certificate and takes no confidence
    caught, passed = late & (found.answer == 1), late & (found.answer == 0)
    parts = {"raise": [late], "clear": [caught], "both": [caught, passed]}[
        plan.direction
    ]
    drawn = [_some(np.flatnonzero(p), rng, _MOST_CALIBRATION) for p in parts]
    return background, np.concatenate(drawn)


def _calibrating_groups(
    group: Array, taught: Taught, rng: np.random.Generator
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
        value=plan.value,
        per=None if plan.direction == "raise" else "class",
        confidence_level=plan.confidence_level,
        time_margin=plan.time_margin,
        ledger=plan.ledger,
        random_state=plan.seed,
    )


def _damage(plan: DeskPlan) -> Any:
    if plan.direction == "raise":
        return plan.max_damage
    if plan.direction == "clear":
        return {1: plan.clear_damage}
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
    """Rows that decide about the alert budget, and their days."""
    desk = Desk(corrector)
    recent = found.usable & (found.day >= windows.start)
    if plan.direction == "both":  # what is cleared takes no alert of the budget
        recent &= found.answer == 0
    if plan.cap is None:
        rng = np.random.default_rng([plan.seed, 2])
        rows = _some(np.flatnonzero(recent), rng, _MOST_CALIBRATION)
        return gather(file, desk.columns, rows, progress), found.day[rows]

    def chosen(start: int, block: pd.DataFrame) -> tuple[Indices, Days]:
        rows = np.flatnonzero(recent[start : start + len(block)])
        return rows, found.day[start + rows]

    unit = columns.alert_unit
    return daily_traffic(desk, file, plan.cap, chosen, unit=unit, progress=progress)
