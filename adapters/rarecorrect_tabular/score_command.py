"""The command ``rarecorrect tabular score``."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from rarecorrect.progress import ShownProgress
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import (
    ALERT_UNIT,
    MODEL,
    NOT_ALL,
    PATH,
    desk_from,
    plainly,
)
from rarecorrect_tabular.desk_score import ScorePlan, score_file
from rarecorrect_tabular.transactions import TransactionFile


@click.command()
@click.option("--corrector", type=PATH, required=True, help="From `tabular fit`.")
@click.option("--data", type=PATH, required=True, help="Parquet or CSV.")
@click.option("--out", type=PATH, required=True, help="Parquet or CSV.")
@MODEL
@click.option("--id", help="Column: the transaction; the same id is scored once.")
@click.option("--time", help="Column: when; for --daily-cap.")
@click.option("--shadow", is_flag=True, help="Only say what would be changed.")
@click.option("--all", "all_rows", is_flag=True, help="Write unchanged rows too.")
@click.option("--daily-cap", type=int, help="New alerts a day, the highest ones.")
@ALERT_UNIT
@click.option("--value", help="Column: amount at stake, for the order under the cap.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Cores to score on.",
)
@click.pass_context
def score(
    ctx: click.Context,
    /,
    corrector: Path,
    data: Path,
    out: Path,
    model: Path | None,
    id: str | None,
    time: str | None,
    shadow: bool,
    all_rows: bool,
    daily_cap: int | None,
    alert_unit: str | None,
    value: str | None,
    jobs: int,
) -> None:
    """Write what is changed, by which rule; the output is there whole or not at all.

    Exit code 1: the output is there, but some rows could not be scored.
    """
    with plainly(), ShownProgress() as progress:
        plan = ScorePlan(
            id=id,
            time=time,
            shadow=shadow,
            all_rows=all_rows,
            daily_cap=daily_cap,
            alert_unit=alert_unit,
            value=value,
            jobs=jobs,
        )
        file = TransactionFile.open(data)
        desk = desk_from(corrector, model)
        _warn_of_nothing(desk)
        tally = score_file(desk, file, out, plan, progress)
    for line in tally.lines(plan):
        click.echo(line)
    click.echo(str(out))
    if tally.not_scored:
        ctx.exit(NOT_ALL)


def _warn_of_nothing(desk: Desk) -> None:
    """No alert would look like a quiet day."""
    book = desk.corrector.rules_
    if not book.certified:
        why = "nothing is certified: `tabular fit` says what is missing"
        warnings.warn(
            f"no row will be changed, since {why if book.active else 'no rule acts'}",
            UserWarning,
            stacklevel=2,
        )
