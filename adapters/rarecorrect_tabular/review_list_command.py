"""The command ``rarecorrect tabular review-list``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.certify import LabelingPlan
from rarecorrect.progress import Progress, ShownProgress
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import (
    MODEL,
    NOT_ALL,
    PATH,
    desk_from,
    none_scorable,
    plainly,
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
        todo, good, reasons, n_rows = _asked(desk, file, label, progress)
        places = good[todo.rows]
        wanted = _as_they_came(file, desk, places, progress).assign(row=places)
        write_whole(out, lambda part: write_table(part, wanted))
    asked = f"{todo.rows.size:,} rows to review" if todo.rows.size else "nothing to do"
    click.echo(f"{asked}: {todo.reason}")
    if todo.n_needed and not todo.rows.size:
        click.echo(
            f"certify them in Python: rarecorrect.load({corrector.name!r})"
            ".certify(rows, labels), with gaps where no label is known; then save"
        )
    for reason, n in reasons.most_common():
        click.echo(f"left out: {reason} ({n:,} rows)")
    click.echo(str(out))
    if good.size < n_rows:
        ctx.exit(NOT_ALL)


def _asked(
    desk: Desk, file: TransactionFile, label: str | None, progress: Progress
) -> tuple[LabelingPlan, npt.NDArray[np.intp], Counter[str], int]:
    """What to review among rows that can be scored; their places, and what was not.

    Of a row, no more is kept than its score, what is known of it and its place.
    """
    progress.task(f"scoring {file.path.name}", file.n_blocks or 0)
    read, aside = [*desk.columns], [] if label is None else [label]
    places, reasons, n_rows = [], Counter[str](), 0

    def blocks() -> Iterator[tuple[pd.DataFrame, npt.NDArray[np.float64]]]:
        nonlocal n_rows
        for start, rows in file.blocks([*read, *aside], texts={*aside} - {*read}):
            readable, flaws = desk.readable(rows[read])
            known = np.full(len(rows), np.nan)
            if label is not None:
                known = binary_labels(rows[label])
            good = np.flatnonzero(flaws == "")
            reasons.update(flaws[flaws != ""].tolist())
            places.append(start + good)
            n_rows = start + len(rows)
            yield readable.iloc[good], known[good]
            progress.step(f"{n_rows:,} rows")
        if n_rows == 0:
            raise ValueError(f"{file.path.name!r} has no rows")
        if n_rows == reasons.total():
            raise ValueError(none_scorable(file.path.name, reasons))

    todo = desk.corrector.label_next_blocks(blocks())
    return todo, np.concatenate(places), reasons, n_rows


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
