"""The command ``rarecorrect tabular replay``."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import click
import numpy as np

from rarecorrect.progress import Progress, ShownProgress
from rarecorrect.simulate import FraudType, card_transactions
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.loader import (
    TransactionTable,
    load_transactions,
    table_from_frame,
)
from rarecorrect_tabular.replay import HOT_FIX, RETRAINED, Replay, ReplayPlan
from rarecorrect_tabular.replay import replay as run_replay
from rarecorrect_tabular.replay_numbers import first_days, share
from rarecorrect_tabular.replay_page import page
from rarecorrect_tabular.schema import SIMULATED

NEW_TYPE = "stolen_card"
START = 75
SIMULATION = ReplayPlan(
    train=(15, 45), start=START, end=115, cap=10, n_background=10_000
)
FRAUD_TYPES = (
    FraudType("high_amount", "high_amount", start_day=0, rate=0.002),
    FraudType("card_testing", "card_testing", start_day=0, rate=0.003),
    FraudType(NEW_TYPE, NEW_TYPE, start_day=START, rate=0.005),
)


def simulated_replay(
    plan: ReplayPlan = SIMULATION,
    *,
    n_transactions: int = 100_000,
    progress: Progress | None = None,
) -> Replay:
    """Replay simulated transactions: no data, no network.

    Parameters
    ----------
    plan : ReplayPlan, optional
        Its start should stay: the type starts then.
    n_transactions : int, default=100_000
    progress : Progress, optional

    Returns
    -------
    Replay
    """
    frame = card_transactions(
        n_transactions,
        n_days=plan.end,
        fraud_types=FRAUD_TYPES,
        label_delay=plan.delay,
        random_state=plan.seed,
    )
    table = table_from_frame(frame, SIMULATED)
    return run_replay(table, NEW_TYPE, plan, progress=progress)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="A .csv, .csv.gz or .parquet file of a known data set; without: simulated.",
)
@click.option(
    "--scenario", help="The fraud type that is new, in the data; by default 1."
)
@click.option(
    "--alert-budget",
    help="Alerts a day beyond those of the model in service, such as 100/day (the "
    "default with --data; 10/day without).",
)
@click.option(
    "--cases",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Confirmed cases that the first hot-fix takes.",
)
@click.option(
    "--delay",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="Days until it is known whether a transaction was a fraud.",
)
@click.option(
    "--start-day",
    type=int,
    help="Day on which the type starts, in the data; the model in service is trained "
    "on the 45 days that end 30 days before.",
)
@click.option("--end-day", type=int, help="First day that is not replayed.")
@click.option("--undo-day", type=int, help="Day on which somebody presses undo.")
@click.option(
    "--risk-learns",
    is_flag=True,
    help="Count frauds of the new type in the risk of terminals, once confirmed.",
)
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page, an .html file.",
)
def replay(
    data: Path | None,
    scenario: str | None,
    alert_budget: str | None,
    cases: int,
    delay: int,
    start_day: int | None,
    end_day: int | None,
    undo_day: int | None,
    risk_learns: bool,
    seed: int,
    out: Path,
) -> None:
    """Replay a new fraud type day by day: as it is, retrained, hot-fixed.

    One HTML page that loads nothing: money lost, alerts against the cap, recall by
    week, the rule's sentence.
    """
    given: dict[str, Any] = {
        "cases": cases,
        "delay": delay,
        "start": start_day,
        "end": end_day,
        "undo_day": undo_day,
        "risk_learns": risk_learns,
        "seed": seed,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        chosen |= _cap(alert_budget)
        with ShownProgress() as progress:
            if data is None:
                _refuse_without_data(scenario, start_day)
                plan = dataclasses.replace(SIMULATION, **chosen)
                found = simulated_replay(plan, progress=progress)
            else:
                table = load_transactions(data)
                plan = _plan_of(table, chosen)
                found = run_replay(table, scenario or "1", plan, progress=progress)
    except (ValueError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    text = page(found)
    write_whole(out, lambda part: part.write_text(text, encoding="utf-8"))
    click.echo(summary(found))
    if found.left_out:
        click.echo(
            f"left out, since they only tell the day: {', '.join(found.left_out)}"
        )
    click.echo(str(out))


def summary(found: Replay) -> str:
    """One sentence for the terminal.

    Parameters
    ----------
    found : Replay

    Returns
    -------
    str
    """
    if found.in_force is None:
        return f"{found.name}: never {found.plan.cases} confirmed cases, no hot-fix"
    caught = first_days(found)
    lost = {name: float(np.sum(curve.lost)) for name, curve in found.curves.items()}
    parts = ", ".join(f"{name} {value:,.0f}" for name, value in lost.items())
    return (
        f"{found.name}: hot-fix in force on day {found.in_force}; in its first 14 days "
        f"it catches {share(caught[HOT_FIX])}, retraining {share(caught[RETRAINED])}; "
        f"money lost: {parts}"
    )


def _plan_of(table: TransactionTable, chosen: dict[str, Any]) -> ReplayPlan:
    """Plan up to the table's last day, trained up to 30 days before the start."""
    days: dict[str, Any] = {}
    if table.time is not None:
        days["end"] = int(table.time.max()) + 1
    if "start" in chosen:
        days["train"] = (max(0, chosen["start"] - 75), chosen["start"] - 30)
    return dataclasses.replace(ReplayPlan(), **(days | chosen))


def _cap(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    found = re.fullmatch(r"(\d+)/day", text.replace(" ", ""))
    if found is None:
        raise ValueError(
            f"--alert-budget must be a number a day, such as 100/day, got {text!r}"
        )
    return {"cap": int(found[1])}


def _refuse_without_data(scenario: str | None, start_day: int | None) -> None:
    for option, value in (("--scenario", scenario), ("--start-day", start_day)):
        if value is not None:
            raise ValueError(
                f"{option} {value} needs --data; the simulation's new type is "
                f"{NEW_TYPE!r}, from day {START} on"
            )
