"""The command ``rarecorrect tabular fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rarecorrect import save
from rarecorrect.progress import ShownProgress
from rarecorrect_tabular.desk_fit import fit_file
from rarecorrect_tabular.desk_options import (
    NOT_ALL,
    PATH,
    columns_from,
    fit_options,
    in_options,
    model_from,
    plainly,
    plan_from,
)
from rarecorrect_tabular.transactions import TransactionFile


@click.command()
@fit_options
@click.option("--out", type=PATH, required=True, help="The corrector.")
@click.option(
    "--with-background",
    is_flag=True,
    help="Store rows too, so that `rules add` works; they may be personal data.",
)
@click.pass_context
def fit(
    ctx: click.Context,
    /,
    data: Path,
    errors: Path | None,
    out: Path,
    with_background: bool,
    **options: Any,
) -> None:
    """Learn rules from missed frauds or false alarms, and certify them.

    Exit code 1: the file is there, but nothing could be certified.
    """
    with plainly(), ShownProgress() as progress:
        found = fit_file(
            TransactionFile.open(data),
            columns_from(options),
            model_from(options),
            plan_from(options),
            cases=None if errors is None else TransactionFile.open(errors),
            progress=progress,
        )
        save(found.corrector, out, with_background=with_background)
    click.echo(in_options(str(found)))
    click.echo(str(out))
    if not found.corrector.rules_.certified:
        ctx.exit(NOT_ALL)
