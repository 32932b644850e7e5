"""The command ``rarecorrect explain``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pandas as pd

from rarecorrect._tables import check_column, read_table, rows_for
from rarecorrect._terminal import as_json, plainly, printable
from rarecorrect.explain import Explanations
from rarecorrect.files import load
from rarecorrect.progress import ShownProgress
from rarecorrect.whole_file import write_whole

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=_PATH)
@click.option("--data", type=_PATH, required=True, help="Parquet or CSV: the cases.")
@click.option("--segment", metavar="COLUMN", help="Segments.")
@click.option("--id", "case_id", metavar="COLUMN", help="What cases are called.")
@click.option(
    "--out", type=_PATH, help="Also write it: .html, or all of it as .json or .csv."
)
def explain(
    file: Path,
    data: Path,
    segment: str | None,
    case_id: str | None,
    out: Path | None,
) -> None:
    """Say why cases are changed or flagged, one sentence each.

    FILE must hold the legacy model: save it with_estimator.
    """
    with plainly(), ShownProgress() as progress:
        progress.start(f"reading {data.name}")
        written = None if out is None else _form(out)
        table = read_table(data, "--data")
        check_column(table, segment, "--segment")
        check_column(table, case_id, "--id")
        corrector = load(file)
        rows = rows_for(corrector, table, segment, case_id)
        if case_id is not None:  # explanations call a case by its index
            rows = pd.DataFrame(rows).set_axis(table[case_id])
        progress.start("explaining")
        found = corrector.explain(
            rows,
            segment=None if segment is None else table[segment].to_numpy(),
        )
        if out is not None and written is not None:
            text = written(found)
            write_whole(out, lambda part: part.write_text(text, encoding="utf-8"))
    for sentence in str(found).splitlines():
        click.echo(printable(sentence))


def _form(out: Path) -> Callable[[Explanations], str]:
    forms: dict[str, Callable[[Explanations], str]] = {
        ".html": _page,
        ".json": lambda found: as_json(found.to_dict()),
        ".csv": lambda found: found.frame.to_csv(index_label="case"),
    }
    if out.suffix.lower() not in forms:
        raise click.BadParameter(
            f"must end with {', '.join(forms)}, got {out.name!r}", param_hint="--out"
        )
    return forms[out.suffix.lower()]


def _page(found: Explanations) -> str:
    shown = found.frame[["before", "after", "rule", "sentence"]]
    with pd.option_context("display.max_colwidth", None):
        table = shown.to_html(escape=True)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>Explanations</title>\n{table}\n</html>\n"
    )
