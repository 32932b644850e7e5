"""The command ``rarecorrect tabular backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from rarecorrect.progress import ShownProgress
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.desk_backtest import backtest_file
from rarecorrect_tabular.desk_options import (
    PATH,
    columns_from,
    fit_options,
    in_options,
    model_from,
    plainly,
    plan_from,
    show_table,
    write_table,
)
from rarecorrect_tabular.transactions import TransactionFile, check_ending

_DAYS = {"day": 1, "week": 7}


@click.command()
@fit_options
@click.option("--test-days", type=click.IntRange(min=1), default=28, show_default=True)
@click.option(
    "--label-delay",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="Days that a label takes.",
)
@click.option(
    "--every", type=click.Choice(list(_DAYS)), default="week", show_default=True
)
@click.option("--amount", help="Column: money, for its share repaired; else --value.")
@click.option("--out", type=PATH, help="The table, as Parquet or CSV.")
def backtest(
    data: Path,
    errors: Path | None,
    test_days: int,
    label_delay: int,
    every: str,
    amount: str | None,
    out: Path | None,
    **options: Any,
) -> None:
    """Fit as one could have before the last days, and say what happened next."""
    with plainly(), ShownProgress() as progress:
        if out is not None:
            check_ending(out)
        found = backtest_file(
            TransactionFile.open(data),
            columns_from(options),
            model_from(options),
            plan_from(options),
            test_days=test_days,
            label_delay=label_delay,
            cases=None if errors is None else TransactionFile.open(errors),
            amount=amount,
            progress=progress,
        )
        table = found.table(_DAYS[every])
        if out is not None:
            write_whole(out, lambda part: write_table(part, table))
    click.echo(in_options(str(found.fit)))
    click.echo()
    show_table([_cells(row) for row in table.to_dict("records")])
    for line in found.lines(_DAYS[every]):
        click.echo(in_options(line))


def _cells(row: dict[Any, Any]) -> dict[str, str]:
    def percent(value: float) -> str:
        return "-" if pd.isna(value) else f"{100 * value:.2f} %"

    promised = not pd.isna(row["promised damage"])
    interval = f"{percent(row['low'])} to {percent(row['high'])}"
    return {
        "direction": row["direction"],
        "from": row["from"],
        "rows": f"{row['rows']:,}",
        "promised": percent(row["promised damage"]),
        "realised damage": f"{percent(row['realised damage'])} ({interval})",
        "over": ("yes" if row["over"] else "no") if promised else "-",
        "repaired": f"{row['repaired']:,} of {row['errors']:,}",
        "changes a day": f"{row['changes a day']:.1f}, most {row['most changes']:,}",
        "days above cap": str(row["days above cap"]),
    }
