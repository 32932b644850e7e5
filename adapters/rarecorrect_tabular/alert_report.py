"""Tables of what is caught under a daily cap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from rarecorrect_tabular.alerts import ALERT_METHODS
from rarecorrect_tabular.markdown import plus_minus, table


def alert_section(alerts: list[dict[str, Any]]) -> str:
    """What is caught under a daily cap, and how often a later day exceeds it.

    Parameters
    ----------
    alerts : list of dict
        From :func:`~rarecorrect_tabular.alerts.run_alerts`; empty: no section.

    Returns
    -------
    str
    """
    if not alerts:
        return ""
    first, found = alerts[0], alert_means(alerts)
    text = f"""\
## Alerts a day, {first["reading"]}

`ErrorCorrector(..., max_damage=None, alert_budget="25/day")`, about \
{first["rows_a_day"]:,.0f} transactions a day. Promised, at \
{100 * first["confidence_level"]:g} % confidence: a further day exceeds the cap with \
probability at most 10 %. An alert is a changed decision. The background to fit on \
comes from the training window, all rows of the {first["n_calibration"]} days between \
it and the test window calibrate, and the labelled cases among them count as alerts \
whatever their score. The corrector goes no lower than its fitting rows say is worth \
it, so it may leave most of a large cap unused. Not certified: on too many days the \
labelled cases alone exceed the cap, so it stays off. Threshold tuning: the legacy \
score under the same cap. Null: right decisions taught in the place of the cases. \
Draws: {_of_methods(found, lambda part: str(part["draws"].max()))}."""
    return "\n\n".join(
        [
            text,
            "Share of the test errors caught, mean over draws ± standard error; 0 in a "
            "draw that is not certified:",
            _table(found, _caught),
            "Alerts a day, mean and most; test days above the cap; of all certified "
            "draws:",
            _table(found, _days),
            f"Days above the cap in all cells: {_shares_above(found, 'above')}.",
            "With the cap as a mean share of the same traffic: "
            f"{_shares_above(found, 'by_rate')}.",
        ]
    )


def alert_means(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Means over draws, one row per task, number of cases, cap and method.

    Parameters
    ----------
    rows : list of dict
        From :func:`~rarecorrect_tabular.alerts.run_alerts`.

    Returns
    -------
    DataFrame
        ``mean`` and ``error`` of the share of cases caught, over all ``draws`` and 0
        where it stays off; the number of ``certified`` draws, and of these alone: the
        mean number of ``alerts`` and the ``most`` on one day, test ``days``, those
        ``above`` the cap, and those above it had it been a mean rate (``by_rate``).
    """
    cell = ["data_set", "task", "k", "cap", "method"]
    frame = pd.DataFrame(rows)
    # a corrector that is off cannot exceed a cap: its days would only dilute the others
    on = frame["certified"].astype(bool)
    frame["n_days"] = frame["n_days"].where(on, 0)
    frame["alerts_mean"] = frame["alerts_mean"].where(on)
    frame["n_days_above_by_rate"] = frame["n_days_above_by_rate"].where(on, 0)
    grouped = frame.groupby(cell, sort=False)
    found = grouped.agg(
        mean=("certified_gain", "mean"),
        error=("certified_gain", "sem"),
        alerts=("alerts_mean", "mean"),
        most=("alerts_max", "max"),
        days=("n_days", "sum"),
        above=("n_days_above", "sum"),
        by_rate=("n_days_above_by_rate", "sum"),
        draws=("draw", "nunique"),
        certified=("certified", "sum"),
    )
    return found.reset_index()


def _table(found: pd.DataFrame, write: Callable[[Any], str]) -> str:
    """One row per task, number of cases and cap, one column per method."""
    rows = []
    for (task, k, cap), part in found.groupby(["task", "k", "cap"], sort=False):
        cells = {record.method: write(record) for record in part.itertuples()}
        texts = [cells.get(name, "-") for name in ALERT_METHODS]
        rows.append([str(task), str(k), f"{cap}", *texts])
    return table(["task", "k", "cap", *ALERT_METHODS], rows)


def _caught(record: Any) -> str:
    if not record.certified:
        return "not certified"
    return plus_minus(record.mean, record.error) + _of_draws(record)


def _days(record: Any) -> str:
    if not record.certified:
        return "-"
    share = 100 * record.above / record.days
    above = f"{record.above} of {record.days} ({share:.1f} %)"
    return f"{record.alerts:.1f}, {record.most}; {above}{_of_draws(record)}"


def _of_draws(record: Any) -> str:
    if record.certified == record.draws:
        return ""
    return f", certified in {record.certified} of {record.draws} draws"


def _of_methods(found: pd.DataFrame, write: Callable[[pd.DataFrame], str]) -> str:
    parts = ((name, found[found["method"] == name]) for name in ALERT_METHODS)
    return "; ".join(f"{name} {write(part)}" for name, part in parts)


def _shares_above(found: pd.DataFrame, counted: str) -> str:
    def share(part: pd.DataFrame) -> str:
        days = part["days"].sum()
        return f"{100 * part[counted].sum() / days:.1f} %" if days else "not certified"

    return _of_methods(found, share)
