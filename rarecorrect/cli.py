"""The command ``rarecorrect``."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

import rarecorrect
from rarecorrect._explain_command import explain
from rarecorrect._report_command import report
from rarecorrect._rules_command import rules
from rarecorrect._verify_command import verify

_COMMANDS = "rarecorrect.commands"


class _Commands(click.Group):
    """Own commands, and those that installed adapters register."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = {point.name for point in entry_points(group=_COMMANDS)}
        return sorted(found | set(super().list_commands(ctx)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for point in entry_points(group=_COMMANDS, name=cmd_name):
            command: click.Command = point.load()
            return command
        return None


@click.group(cls=_Commands)
@click.version_option(rarecorrect.__version__)
def main() -> None:
    """Hot-fixes with a certificate for classifiers in service."""


@main.command()
@click.option("--seed", default=0, show_default=True, help="Seed of all parts.")
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    default="rarecorrect-demo.html",
    show_default=True,
    help="Where the replay of an outbreak is written, an .html file.",
)
@click.pass_context
def demo(ctx: click.Context, seed: int, page: Path) -> None:
    """Correct a digit classifier and a fraud model; no download, no torch."""
    from rarecorrect import demo as scenes

    console = Console()
    with console.status("digits: ten networks, each without one digit"):
        digits = scenes.digits_table(seed)
    _show(
        console,
        "A network that never saw a digit learns it from its errors",
        digits,
        f"certificate: at most {100 * scenes.DIGITS_DAMAGE:g} % of right decisions "
        "changed, 95 % confidence",
    )
    with console.status("outbreak: card testing starts on day 75"):
        outbreak, corrector = scenes.outbreak_table(seed=seed)
    _show(
        console,
        "A fraud model that never saw card testing, from a few confirmed cases",
        outbreak,
        f"certificate: {corrector.rules_.certificate()}",
    )
    console.print(
        "Both speak for cases like the calibration rows.  Undo: "
        "corrector.with_rules(corrector.rules_.disable_all())",
        style="dim",
        highlight=False,
    )
    _replay(ctx, seed, page)


def _replay(ctx: click.Context, seed: int, page: Path) -> None:
    """An outbreak day by day, on a page to show around, where the adapter is there."""
    try:
        tabular = main.get_command(ctx, "tabular")
    except ImportError as error:
        click.echo(f"No page: {error}; pip install 'rarecorrect[tabular]'")
        return
    assert isinstance(tabular, click.Group)
    replay = tabular.get_command(ctx, "replay")
    assert replay is not None
    click.echo("The same kind of outbreak day by day, learnt again every week:")
    ctx.invoke(replay, seed=seed, out=page)


for command in (explain, report, rules, verify):
    main.add_command(command)

_SHARES = ("repaired", "by chance", "right changed", "new type caught")
_PLAIN = {"missed": "{:.0f}", "changes a day": "{:.1f}"}


def _show(console: Console, title: str, table: pd.DataFrame, caption: str) -> None:
    shown = Table(title=title, caption=caption, caption_justify="left")
    for name in table.columns:
        first = name == table.columns[0]
        shown.add_column(name, justify="left" if first else "right", no_wrap=first)
    for _, row in table.iterrows():
        last = row.iloc[0] == "mean"
        cells = [_cell(str(n), v) for n, v in row.items()]
        shown.add_row(*cells, style="bold" if last else None)
    console.print(shown)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name in _SHARES:
        return f"{100 * value:.2f} %" if name == "right changed" else f"{value:.0%}"
    return _PLAIN.get(name, "{:.3f}").format(value)
