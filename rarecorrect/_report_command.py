"""The command ``rarecorrect report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from rarecorrect._tables import check_column, read_table, rows_for
from rarecorrect._terminal import plainly
from rarecorrect.files import load
from rarecorrect.progress import ShownProgress
from rarecorrect.report import html

_PATH = click.Path(path_type=Path)
_OFFSET = r"(?<=\d)\s*(Z|[+-]\d\d:?\d\d)$"


@click.command()
@click.argument("file", type=_PATH)
@click.option("--data", type=_PATH, help="Parquet or CSV: cases that are new.")
@click.option("--label", metavar="COLUMN", help="True labels; may be empty.")
@click.option("--segment", metavar="COLUMN", help="Segments.")
@click.option("--time", metavar="COLUMN", help="Dates, or numbers of days.")
@click.option("--id", metavar="COLUMN", help="What cases are called.")
@click.option("--title", default="", help="Of the page.")
@click.option(
    "--examples",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Changed cases shown; they may be personal data.",
)
@click.option("--out", type=_PATH, required=True, help="The page: .html.")
def report(
    file: Path,
    data: Path | None,
    label: str | None,
    segment: str | None,
    time: str | None,
    id: str | None,
    title: str,
    examples: int,
    out: Path,
) -> None:
    """Write a page about a correction: for whoever must approve or audit it.

    FILE must hold the legacy model: save it with_estimator.  Without --data the page
    tells what the file itself keeps.
    """
    with plainly(), ShownProgress() as progress:
        if (data is None) != (label is None):
            raise click.UsageError("--data and --label go together: give both")
        progress.start(f"reading {file.name}")
        corrector = load(file)
        rows: Any = None
        options: dict[str, Any] = {}
        if data is not None:
            progress.start(f"reading {data.name}")
            asked = {"y": label, "segment": segment, "time": time, "case_id": id}
            rows, options = _read(data, corrector, asked)
        progress.start(f"writing {out.name}")
        html(corrector, rows, title=title, examples=examples, path=out, **options)
    click.echo(str(out))


def _read(data: Path, corrector: Any, asked: dict[str, str | None]) -> tuple[Any, Any]:
    """Rows that the corrector takes, and the columns that stand beside them."""
    table = read_table(data, "--data")
    names = {
        "y": "--label",
        "segment": "--segment",
        "time": "--time",
        "case_id": "--id",
    }
    for option, column in asked.items():
        check_column(table, column, names[option])
    given = {option: table[c] for option, c in asked.items() if c is not None}
    if "time" in given:
        given["time"] = _times(given["time"])
    beside = {option: column.to_numpy() for option, column in given.items()}
    return rows_for(corrector, table, *dict.fromkeys(asked.values())), beside


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers of days, or times by the clock on the wall where they were stamped."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    if not pd.api.types.is_datetime64_any_dtype(column):
        stamps = column.astype("string").str.replace(_OFFSET, "", regex=True)
        column = pd.to_datetime(stamps, format="ISO8601")
    times: pd.Series[Any] = column.dt.tz_localize(None)
    return times
