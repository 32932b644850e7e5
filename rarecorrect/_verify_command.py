"""The command ``rarecorrect verify``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from rarecorrect._tables import check_column, read_table
from rarecorrect._verify.rows import DECISION, SEGMENT
from rarecorrect.progress import ShownProgress
from rarecorrect.verify import NOT_IN_A_FILE, VERDICTS
from rarecorrect.verify import verify as claims_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option(
    "--calibration",
    type=_FILE,
    help="Parquet or CSV: features by name, of the rows that calibrated, or of all "
    "that were fitted in their order.",
)
@click.option("--decision", metavar="COLUMN", help="Decisions of the legacy model.")
@click.option("--segment", metavar="COLUMN", help="Segments.")
@click.option("--root", metavar="HASH", help="Last 64 digits of the file approved.")
def verify(
    file: Path,
    calibration: Path | None,
    decision: str | None,
    segment: str | None,
    root: str | None,
) -> None:
    """Recompute every claim of a saved corrector; exit with 1 if one is false."""
    with ShownProgress() as progress:
        progress.start(f"verifying {file.name}")
        rows = None if calibration is None else _rows(calibration, decision, segment)
        found = claims_of(file.read_bytes(), root=_digest(root), rows=rows)
    for verdict, claim, numbers in found:
        click.echo(f"{verdict:<14}  {claim}: {numbers}")
    click.echo("\nNo file can show")
    for text in NOT_IN_A_FILE:
        click.echo(f"  {text}")
    counts = Counter(verdict for verdict, _, _ in found)
    click.echo("\n" + ", ".join(f"{counts[v]} {v}" for v in VERDICTS.values()))
    raise SystemExit(1 if counts[VERDICTS[False]] else 0)


def _digest(root: str | None) -> str | None:
    if root is not None and (len(root) != 64 or set(root) - set("0123456789abcdef")):
        raise click.BadParameter(
            f"must be the last 64 digits of the file approved, got {root!r}",
            param_hint="--root",
        )
    return root


def _rows(path: Path, decision: str | None, segment: str | None) -> dict[str, Any]:
    """Columns by name; those with a part of their own also under its name."""
    table = read_table(path, "--calibration")
    rows: dict[str, Any] = {str(name): table[name].to_numpy() for name in table}
    for part, name in ((DECISION, decision), (SEGMENT, segment)):
        if name is not None:
            check_column(table, name, "--" + part[1:])
            rows[part] = rows[name]
    if segment is not None:  # as the corrector calls them
        rows[SEGMENT] = table[segment].astype(object).fillna("(missing)").to_numpy()
    return rows
