"""The command ``rarecorrect tabular review-list``."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import ShownProgress
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.desk_options import (
    NOT_ALL,
    PATH,
    desk_from,
    plainly,
    scorable,
    write_table,
)
from rarecorrect_tabular.desk_survey import gather
from rarecorrect_tabular.transactions import (
    TransactionFile,
    binary_labels,
    check_ending,
)


@click.command("review-list")
@click.option("--corrector", type=PATH, required=True, help="From `tabular fit`.")
@click.option("--data", type=PATH, required=True, help="Recent rows, all of them.")
@click.option("--label", help="Column: outcomes as far as they are known.")
@click.option("--model", type=PATH, help="Its trees, where it was fitted with --model.")
@click.option("--out", type=PATH, required=True, help="Parquet or CSV.")
@click.pass_context
def review_list(
    ctx: click.Context,
    /,
    corrector: Path,
    data: Path,
    label: str | None,
    model: Path | None,
    out: Path,
) -> None:
    """Say which rows to review next, for the cheapest certificate of a damage.

    Fill in their labels, ask again with --label, and certify all rows once nothing is
    asked for.  Exit code 1: some rows cannot be scored, and were left out.
    """
    with plainly(), ShownProgress() as progress:
        check_ending(out)
        file = TransactionFile.open(data)
        file.check([label])
        if "row" in file.columns:
            raise ValueError(
                "column 'row' has the name of a column that is written: rename it"
            )
        desk = desk_from(corrector, model)
        file.check(desk.columns)
        progress.start(f"reading {file.path.name}")
        outcome = [] if label is None else [label]
        aside = {*outcome} - {*desk.columns}
        rows = file.rows([*desk.columns, *outcome], texts=aside)
        known = np.full(len(rows), np.nan)
        if label is not None:
            known = binary_labels(rows[label])
        readable, reasons = desk.readable(rows[desk.columns])
        good = scorable(file.path.name, reasons)
        todo = desk.corrector.label_next(readable.iloc[good], known[good])
        places = good[todo.rows]
        wanted = _as_they_came(file, rows[desk.columns], places).assign(row=places)
        write_whole(out, lambda part: write_table(part, wanted))
    asked = f"{todo.rows.size:,} rows to review" if todo.rows.size else "nothing to do"
    click.echo(f"{asked}: {todo.reason}")
    for reason, n in pd.Series(reasons[reasons != ""]).value_counts().items():
        click.echo(f"left out: {reason} ({n:,} rows)")
    click.echo(str(out))
    if good.size < len(rows):
        ctx.exit(NOT_ALL)


def _as_they_came(
    file: TransactionFile, read: pd.DataFrame, places: npt.NDArray[np.intp]
) -> pd.DataFrame:
    """Some rows with all columns; those that no rule reads are not kept for others."""
    texts = [name for name in file.columns if name not in read]
    rising = np.sort(places)
    found = gather(file, list(file.columns), rising, texts=texts)
    found = found.iloc[np.searchsorted(rising, places)].reset_index(drop=True)
    # a hole in another row makes fractions of whole numbers
    kept = read.iloc[places].reset_index(drop=True)
    return found.assign(**{str(name): kept[name] for name in kept})
