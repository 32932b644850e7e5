"""The command ``rarecorrect tabular``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from rarecorrect.progress import ShownProgress
from rarecorrect_tabular.backtest_command import backtest
from rarecorrect_tabular.benchmark import BenchmarkResult, run_benchmark
from rarecorrect_tabular.budgets_command import budgets
from rarecorrect_tabular.certify_command import certify
from rarecorrect_tabular.fit_command import fit
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.methods import METHODS, PRODUCT, Method, available_methods
from rarecorrect_tabular.protocol import Plan
from rarecorrect_tabular.replay_command import replay
from rarecorrect_tabular.report import gain_table, write_results
from rarecorrect_tabular.report_command import report
from rarecorrect_tabular.review_list_command import review_list
from rarecorrect_tabular.score_command import score
from rarecorrect_tabular.statistics import separability_verdicts


@click.group()
def tabular() -> None:
    """Tables of transactions: fraud, network traffic."""


for command in (backtest, budgets, certify, fit, replay, report, review_list, score):
    tabular.add_command(command)


@tabular.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="A .csv, .csv.gz or .parquet file; known data sets are told by their columns.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for results.parquet and results.md.",
)
@click.option("--quick", is_flag=True, help="Few draws, one reading; minutes.")
@click.option(
    "--seeds", type=click.IntRange(min=1), help="At most so many draws in each cell."
)
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option(
    "--scenario", "scenarios", multiple=True, help="Fraud type; may be repeated."
)
@click.option(
    "--methods",
    multiple=True,
    type=click.Choice(list(METHODS)),
    help=f"To compare, and {PRODUCT}, whose null control stands beside; default: all.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Scenarios at once.",
)
@click.option("--label", help="Column with 0 and 1, for a table of your own.")
@click.option("--time", help="Its column with days or dates.")
@click.option("--fraud-type", help="Its column with the kind of fraud.")
@click.option("--id", help="Its column with the transaction's id.")
@click.option("--customer", help="Its column with the customer's id.")
@click.option("--terminal", help="Its column with the terminal's id.")
@click.option("--drop", multiple=True, help="Column that is no feature; repeatable.")
def benchmark(
    data: Path,
    out: Path,
    quick: bool,
    seeds: int | None,
    seed: int,
    scenarios: tuple[str, ...],
    methods: tuple[str, ...],
    jobs: int,
    label: str | None,
    time: str | None,
    fraud_type: str | None,
    id: str | None,
    customer: str | None,
    terminal: str | None,
    drop: tuple[str, ...],
) -> None:
    """Correct a new kind of error from a few cases, in several ways.

    The legacy model is trained before the kind is known, k labelled cases of a later
    window are learnt, and all methods are tested on a still later one.
    """
    plan = Plan.quick(seed) if quick else Plan(seed=seed)
    if seeds is not None:
        plan = plan.with_draws(seeds)
    try:
        table = load_transactions(
            data,
            label=label,
            time=time,
            id=id,
            customer=customer,
            terminal=terminal,
            fraud_type=fraud_type,
            drop=drop,
        )
        with ShownProgress() as progress:
            result = run_benchmark(
                table,
                plan,
                scenarios=scenarios,
                progress=progress,
                methods=_chosen(methods),
                n_jobs=jobs,
            )
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    write_results(result, out, _command())
    _show(result, quick)
    click.echo(f"{out / 'results.md'}, {out / 'results.parquet'}")


def _chosen(names: tuple[str, ...]) -> dict[str, Method] | None:
    """Methods in their order; None: all."""
    missing = set(names).intersection(available_methods()[1])
    if missing:
        raise ValueError(
            f"{', '.join(missing)}: not installed; pip install 'rarecorrect[boosting]'"
        )
    wanted = {*names, PRODUCT}
    return {n: m for n, m in METHODS.items() if n in wanted} if names else None


def _show(result: BenchmarkResult, quick: bool) -> None:
    reading = str(result.frame["reading"].iloc[0])
    title = f"{result.data_set}: certified gain, {reading}"
    if quick:
        draws = max(result.plan.draws.values())
        title += f" (quick: {draws} draws, one reading, smaller samples)"
    header, rows = gain_table(result, "certified_gain", reading, errors=False)
    table = Table(title=title)
    for name in header:
        table.add_column(name)
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(table)
    verdicts = separability_verdicts(result.frame)
    for (task, verdict), _ in verdicts.groupby(["task", "verdict"], sort=False):
        console.print(f"{task}: {verdict}")


def _command() -> str:
    return shlex.join(["rarecorrect", *sys.argv[1:]])
