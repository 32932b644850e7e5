"""The command ``rarecorrect tabular report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import ShownProgress
from rarecorrect.report import html
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import (
    MODEL,
    NOT_ALL,
    PATH,
    desk_from,
    plainly,
    scorable,
)
from rarecorrect_tabular.transactions import (
    NO_DAY,
    TransactionFile,
    binary_labels,
    whole_days,
)

Array = npt.NDArray[Any]


@click.command()
@click.option("--corrector", type=PATH, required=True, help="From `tabular fit`.")
@click.option("--data", type=PATH, help="Parquet or CSV: rows that are new.")
@click.option("--label", help="Column: 1 fraud, 0 none, or empty.")
@MODEL
@click.option("--time", help="Column: dates, or numbers of days; for alerts a day.")
@click.option("--id", help="Column: the transaction.")
@click.option("--title", default="", help="Of the page.")
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Changed rows shown; they may be personal data.",
)
@click.option("--out", type=PATH, required=True, help="The page: .html.")
@click.pass_context
def report(
    ctx: click.Context,
    /,
    corrector: Path,
    data: Path | None,
    label: str | None,
    model: Path | None,
    time: str | None,
    id: str | None,
    title: str,
    examples: int,
    out: Path,
) -> None:
    """Write a page about a correction: for whoever must approve or audit it.

    The rows are read whole: pass a window of days.  Without --data the page tells what
    the corrector itself keeps.  Exit code 1: some rows cannot be scored, and were left
    out.
    """
    with plainly(), ShownProgress() as progress:
        if (data is None) != (label is None):
            raise ValueError("--data and --label go together: give both")
        desk, reasons = (
            desk_from(corrector, model),
            np.empty(0, dtype=object),
        )
        options: dict[str, Any] = {"title": title, "examples": examples, "path": out}
        if data is not None and label is not None:
            progress.start(f"reading {data.name}")
            rows, reasons = _rows(desk, TransactionFile.open(data), label, time, id)
            options |= rows
        html(desk.corrector, **options)
    for reason, n in pd.Series(reasons[reasons != ""]).value_counts().items():
        click.echo(f"left out: {reason} ({n:,} rows)")
    click.echo(str(out))
    if (reasons != "").any():
        ctx.exit(NOT_ALL)


def _rows(
    desk: Desk, file: TransactionFile, label: str, time: str | None, id: str | None
) -> tuple[dict[str, Any], Array]:
    """Rows that can be scored and what stands beside them; why others cannot."""
    named = [name for name in (label, time, id) if name is not None]
    file.check([*desk.columns, *named])
    table = file.rows([*desk.columns, *named], texts=[id])
    rows, reasons = desk.readable(table[desk.columns])
    days = None if time is None else _days(table[time], reasons)
    good = scorable(file.path.name, reasons)
    found = {
        "X": rows.iloc[good],
        "y": binary_labels(table[label])[good],
        "time": None if days is None else days[good],
        "case_id": None if id is None else table[id].to_numpy(dtype=object)[good],
    }
    return found, reasons


def _days(column: pd.Series[Any], reasons: Array) -> Array:
    """Day of every row; a row without one is left out, with the reason."""
    days = whole_days(column)
    reasons[(reasons == "") & (days == NO_DAY)] = f"{column.name} is missing"
    is_number = pd.api.types.is_numeric_dtype(column)
    return days if is_number else days.astype("datetime64[D]")
