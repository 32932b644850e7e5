"""The command ``rarecorrect tabular budgets``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from rarecorrect.progress import Progress, ShownProgress
from rarecorrect.trade_off import trade_off
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.alert_units import counted_as, highest_of_units, units
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import (
    ALERT_UNIT,
    MODEL,
    NOT_ALL,
    PATH,
    desk_from,
    plainly,
    show_table,
    write_table,
)
from rarecorrect_tabular.desk_score import ScorePlan, scored_blocks
from rarecorrect_tabular.transactions import (
    NO_DAY,
    TransactionFile,
    check_ending,
    whole_days,
)

_DIRECTIONS = {0: "missed frauds", 1: "false alarms"}


@click.command()
@click.option("--corrector", type=PATH, required=True, help="From `tabular fit`.")
@click.option("--data", type=PATH, required=True, help="Recent rows of whole days.")
@click.option("--time", required=True, help="Column: dates, or numbers of days.")
@MODEL
@click.option(
    "--alerts",
    type=float,
    multiple=True,
    default=(5, 10, 25, 50, 100),
    show_default=True,
    help="Changes a day, on average; repeatable.",
)
@click.option(
    "--damage",
    type=float,
    multiple=True,
    default=(0.001, 0.002, 0.005, 0.01, 0.02),
    show_default=True,
    help="Share of right decisions changed; repeatable.",
)
@ALERT_UNIT
@click.option("--out", type=PATH, help="The table, as Parquet or CSV.")
@click.pass_context
def budgets(
    ctx: click.Context,
    /,
    corrector: Path,
    data: Path,
    time: str,
    model: Path | None,
    alerts: tuple[float, ...],
    damage: tuple[float, ...],
    alert_unit: str | None,
    out: Path | None,
) -> None:  # fmt: skip
    """Say what one more alert a day buys: budgets side by side, to choose from.

    The damages hold for all lines at once, so for whichever is chosen after looking.
    Exit code 1: some rows could not be scored, and were left out.
    """
    with plainly(), ShownProgress() as progress:
        if out is not None:
            check_ending(out)
        desk, file = desk_from(corrector, model), TransactionFile.open(data)
        plan = ScorePlan(time=time, all_rows=True, alert_unit=alert_unit)
        rows, n_left = _scored(desk, file, plan, progress)
        n_rows = len(rows)
        if alert_unit is not None:
            rows = highest_of_units(rows, ["day", "unit", "legacy"], "score")
        table = trade_off(
            desk.corrector.rules_,
            rows["score"],
            rows["day"],
            strata=rows["legacy"],
            changes_a_day=alerts,
            max_damage=damage,
            confidence_level=desk.corrector.confidence_level,
        )
        if out is not None:
            noted = table.assign(note=_notes(desk, table))
            write_whole(out, lambda part: write_table(part, noted))
    n_days = rows["day"].nunique()
    click.echo(f"{file.path.name}: {n_rows:,} rows of {n_days} days")
    if n_left:
        click.echo(f"left out: {n_left:,} rows that cannot be scored, or without a day")
    show_table([_cells(row) for row in table.to_dict("records")])
    if alert_unit is not None:
        click.echo(f"changes: {counted_as(alert_unit)}")
    level = 100 * desk.corrector.confidence_level
    click.echo(
        f"damages hold for all lines at once ({level:g} % confidence), for cases like "
        f"the calibration rows; errors caught {_how_caught(desk, table)}"
    )
    if n_left:
        ctx.exit(NOT_ALL)


def _how_caught(desk: Desk, table: pd.DataFrame) -> str:
    if table["caught"].notna().any():
        return "are estimated from those left out"
    return _not_known(desk)


def _notes(desk: Desk, table: pd.DataFrame) -> list[str]:
    """Why a line of a file lacks the errors caught: nobody reads the terminal then."""
    note = f"errors caught {_not_known(desk)}"
    return ["" if known else note for known in table["caught"].notna()]


def _not_known(desk: Desk) -> str:
    if (value := desk.corrector.value) is not None:
        return (
            f"are not known: log({value}) is part of every score, and the amounts of "
            "errors are not kept; `tabular backtest` measures them"
        )
    return "are not known: none could be left out"


def _scored(
    desk: Desk, file: TransactionFile, plan: ScorePlan, progress: Progress
) -> tuple[pd.DataFrame, int]:
    """Scores, answers, days and units of rows that have them; how many have not."""
    file.check([*desk.columns, *plan.kept])
    unit = None if plan.alert_unit is None else f"data: {plan.alert_unit}"
    progress.task(f"scoring {file.path.name}", file.n_blocks or 0)
    parts, n, none = [], 0, np.zeros(0, dtype=bool)
    for start, rows in scored_blocks(desk, file, plan, none):
        found = rows[["score", "legacy"]].assign(
            day=whole_days(rows[f"data: {plan.time}"]),
            unit=units(rows, unit, start + np.arange(len(rows))),
        )
        good = (rows["reason"] == "") & (found["day"] != NO_DAY)
        parts.append(found[good.to_numpy()])
        n += len(rows)
        progress.step(f"{n:,} rows")
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if whole.empty:
        raise ValueError(f"{file.path.name!r} has no row that can be scored")
    return whole, n - len(whole)


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    def percent(share: float, digits: int = 0) -> str:
        return "-" if pd.isna(share) else f"{100 * share:.{digits}f} %"

    caught = percent(row["caught"])
    if caught != "-":
        caught += f" ({percent(row['caught_low'])} to {percent(row['caught_high'])})"
    more, bound = row["one_more"], row["damage_at_most"]
    stratum = row["stratum"]
    named = {} if pd.isna(stratum) else {"direction": _DIRECTIONS[int(stratum)]}
    return named | {
        "budget": row["budget"],
        "changes a day": f"{row['changes_a_day']:.1f}, most {row['most_changes']:,}",
        "errors caught": caught,
        "one more a day": "-" if pd.isna(more) else f"{100 * more:+.2f} %",
        "damage at most": "not known" if bound == 1 else percent(bound, 3),
    }
