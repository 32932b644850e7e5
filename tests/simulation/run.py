"""Run every simulation behind the certificates: ``make simulate``.

Writes results.md and results.csv beside this file; exits with 1 and names the lines
that did not come out as they must.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path

import click
from joblib import Parallel, delayed
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # for `simulation`, also in worker processes

from simulation import books, correctors, looking, scores, units  # noqa: E402
from simulation.tables import write_tables  # noqa: E402
from simulation.trials import (  # noqa: E402
    Case,
    Finding,
    Tally,
    chunks,
    findings,
    run_chunk,
)


def all_cases() -> list[Case]:
    """Every case, in the order of the tables."""
    return [c for m in (scores, units, looking, books, correctors) for c in m.cases()]


def run_all(
    cases: list[Case], repetitions: int, seed: int, n_jobs: int
) -> list[Finding]:
    """Findings of all cases, in their order; parts run side by side."""
    # the slow ones first, so that no core waits at the end
    todo = [(i, *part) for i in range(len(cases)) for part in chunks(repetitions)][::-1]
    parts: dict[int, dict[int, list[Tally]]] = defaultdict(dict)
    work = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn()) as progress:
        bar = progress.add_task("simulating", total=len(todo))
        jobs = (delayed(_part)(i, cases[i], seed, *part) for i, *part in todo)
        for i, chunk, found in work(jobs):
            parts[i][chunk] = found
            progress.advance(bar)
    # in order, since the last bits of a sum depend on it
    in_order = [[parts[i][c] for c in sorted(parts[i])] for i in range(len(cases))]
    pairs = zip(cases, in_order, strict=True)
    return [f for case, part in pairs for f in findings(case, part)]


def _part(
    i: int, case: Case, seed: int, chunk: int, size: int
) -> tuple[int, int, list[Tally]]:
    return i, chunk, run_chunk(case, seed, chunk, size)


@click.command()
@click.option(
    "--repetitions",
    default=2000,
    show_default=True,
    help="Per line; under 2,000 some wrong ways are not found out.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Processes.")
@click.option("--only", default="", help="Run what has this in its name; no tables.")
def main(repetitions: int, seed: int, jobs: int, only: str) -> None:
    """Test the promise of the certificates by simulation."""
    start = time.perf_counter()
    chosen = [c for c in all_cases() if only in c.name]
    found = run_all(chosen, repetitions, seed, jobs)
    bad = [f for f in found if not f.as_expected]
    if only:
        click.echo("\n".join(map(str, found)))
    else:
        command = f"tests/simulation/run.py --repetitions {repetitions} --seed {seed}"
        write_tables(found, HERE, command)
    minutes = (time.perf_counter() - start) / 60
    click.echo(f"{len(found)} lines, {len(bad)} not as they must be, {minutes:.1f} min")
    for finding in bad:
        click.echo(f"  {finding}", err=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
