"""The command ``rarecorrect tabular review-list``."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import Progress, ShownProgress
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.desk_labelled import LabelledRows
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import (
    MODEL,
    NOT_ALL,
    PATH,
    desk_from,
    plainly,
    write_table,
)
from rarecorrect_tabular.desk_survey import gather
from rarecorrect_tabular.transactions import (
    TransactionFile,
    check_ending,
)


@click.command("review-list")
@click.option("--corrector", type=PATH, required=True, help="From `tabular fit`.")
@click.option("--data", type=PATH, required=True, help="Recent rows, all of them.")
@click.option("--label", help="Column: outcomes as far as they are known.")
@MODEL
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
        _check_one_budget(desk, corrector.name)
        found = LabelledRows(desk, file, label)
        todo = desk.corrector.label_next_blocks(found.blocks(progress))
        places = found.places[todo.rows]
        wanted = _as_they_came(file, desk, places, progress).assign(row=places)
        write_whole(out, lambda part: write_table(part, wanted))
    asked = f"{todo.rows.size:,} rows to review" if todo.rows.size else "nothing to do"
    click.echo(f"{asked}: {todo.reason}")
    if todo.n_needed and not todo.rows.size:
        click.echo("certify: `rarecorrect tabular certify` on this file, with its gaps")
    for reason, n in found.reasons.most_common():
        click.echo(f"left out: {reason} ({n:,} rows)")
    click.echo(str(out))
    if found.reasons:
        ctx.exit(NOT_ALL)


def _check_one_budget(desk: Desk, name: str) -> None:
    """Refuse what no list is made for, with what to do instead."""
    fix = desk.corrector
    if fix.per is not None:
        answers = "of all rows" if len(desk.budgeted) > 1 else "of all alerts"
        raise ValueError(
            f"{name!r} has a budget for each direction (--both, --clear-only), and "
            "rows to review are named for missed frauds alone: fill in the labels "
            f"{answers} of whole days, or of rows drawn at random, and pass these to "
            "`rarecorrect tabular certify --label`"
        )
    if fix.max_damage is None:
        raise ValueError(
            f"{name!r} has an alert budget alone, which takes no labels: pass whole "
            "days to `rarecorrect tabular certify --time`"
        )


def _as_they_came(
    file: TransactionFile,
    desk: Desk,
    places: npt.NDArray[np.intp],
    progress: Progress,
) -> pd.DataFrame:
    """Some rows with all columns, whatever the blocks of the file are."""
    rising = np.sort(places)
    # as texts: a hole in another row of a block would make fractions of whole numbers
    found = gather(file, list(file.columns), rising, progress, texts=file.columns)
    found = found.iloc[np.searchsorted(rising, places)].reset_index(drop=True)
    for name in desk.numbers:
        numbers = pd.to_numeric(found[name], errors="coerce")
        if numbers.isna().equals(found[name].isna()):  # not so for true and false
            found[name] = numbers
    return found
