"""What the reader must know about a fit before any number of its report."""

from __future__ import annotations

import warnings

import numpy as np

from rarecorrect_tabular.alert_units import counted_as
from rarecorrect_tabular.desk_cases import MOST_ERRORS, Taught
from rarecorrect_tabular.desk_plan import DeskPlan, Windows
from rarecorrect_tabular.desk_survey import DeskColumns, Survey

Lines = list[tuple[str, str]]


def lines_of(
    name: str,
    columns: DeskColumns,
    plan: DeskPlan,
    found: Survey,
    windows: Windows,
    taught: Taught,
) -> Lines:
    """Rows, labels, windows and cases in words.

    Parameters
    ----------
    name : str
        Of the file.
    columns : DeskColumns
    plan : DeskPlan
    found : Survey
    windows : Windows
    taught : Taught

    Returns
    -------
    list of (str, str)
        What it is about, and what there is to say.

    Warns
    -----
    UserWarning
        If there is no fraud on the days that calibrate.
    """
    _warn_without_fraud(found, windows)
    return [
        *_rows(name, found, windows),
        *_labels(columns, plan, found, windows),
        *_windows(columns, plan, found, windows),
        *_cases(columns, found, taught),
    ]


def _rows(name: str, found: Survey, windows: Windows) -> Lines:
    n, n_days = int((found.day <= windows.last).sum()), found.days.size
    span = f"{found.text(windows.first)} to {found.text(windows.last)}"
    told = f"{name}: {n:,} rows of {n_days} days, {span}"
    if empty := windows.last - windows.first + 1 - n_days:
        told += f"; {empty} days without a row"
    lines = [("data", told)]
    if found.aside:
        reasons = found.aside.most_common()
        told = ", ".join(f"{why} ({m:,})" for why, m in reasons)
        lines.append(("set aside", told))
    return lines


def _labels(
    columns: DeskColumns, plan: DeskPlan, found: Survey, windows: Windows
) -> Lines:
    told = f"complete up to {found.text(windows.end)}"
    if late := int((found.usable & (found.day > windows.end)).sum()):
        used = "nothing yet" if plan.alert_budget is None else "the alert budget only"
        told += f"; {late:,} later rows serve {used}"
    lines = [("labels", told)]
    waiting = found.usable & np.isnan(found.label) & ~found.declined
    if gaps := int((waiting & (found.day <= windows.end)).sum()):
        lines.append(("no label", f"{gaps:,} rows before that day: left out"))
    if columns.decided is not None:
        n, share = int(found.declined.sum()), 100 * found.declined.mean()
        told = f"{n:,} rows ({share:.2f} %) have no outcome, ever: whatever is done to "
        lines.append(("declined", told + "such rows, no damage will show"))
    return lines


def _windows(
    columns: DeskColumns, plan: DeskPlan, found: Survey, windows: Windows
) -> Lines:
    start, end = found.text(windows.start), found.text(windows.end)
    told = f"background before {start}, calibration on {start} to {end}"
    lines = [("windows", told)]
    if plan.trained_until is not None:
        until = found.text(plan.trained_until)
        told = f"the model in service, up to {until}: these days do not calibrate"
        lines.append(("trained", told))
    if plan.cap is not None:
        n_days = int((found.days >= windows.start).sum())
        told = f"{n_days} whole days from {start} on"
        if (missing := plan.days_needed - n_days) > 0:
            told += (
                f", and {plan.alert_budget} needs {plan.days_needed}: pass {missing} "
                "days more"
            )
        lines.append(("alert budget", told))
    if columns.alert_unit is not None:
        lines.append(("alerts", counted_as(columns.alert_unit)))
    return lines


def _cases(columns: DeskColumns, found: Survey, taught: Taught) -> Lines:
    n_known = int((found.right | found.wrong).sum())
    accuracy = 100 * found.right.sum() / max(1, n_known)
    lines = [("accuracy", f"{accuracy:.2f} % of {n_known:,} labelled rows")]
    if found.group is not None:
        told = f"half of those in {columns.groups!r} calibrate, none with a known case"
        lines.append(("groups", told))
    if taught.n_not_wrong:
        told = f"{taught.n_not_wrong:,} left out: the model is right on them"
        lines.append(("cases", told))
    if n_hidden := int(taught.hidden.sum()):
        told = f"{n_hidden:,} rows of the file are among the new ones: none calibrates"
        lines.append(("cases", told))
    if taught.n_found > MOST_ERRORS:
        told = f"{MOST_ERRORS:,} of {taught.n_found:,} drawn to learn from"
        lines.append(("errors", told))
    return lines


def _warn_without_fraud(found: Survey, windows: Windows) -> None:
    inside = (found.day >= windows.start) & (found.day <= windows.end) & found.usable
    if not (found.label[inside] == 1).any():
        warnings.warn(
            f"no fraud among {inside.sum():,} rows of {found.text(windows.start)} to "
            f"{found.text(windows.end)}, which calibrate: are these labels complete?",
            UserWarning,
            stacklevel=4,
        )
