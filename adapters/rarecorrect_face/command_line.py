"""What the commands of this package have in common."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rarecorrect_face.loaders import FORMATS

LEFT_OUT = 1  # exit code: results are there, but some input was left out
_PIPE_WIDTH = 160

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANY_FILE = click.Path(dir_okay=False, path_type=Path)
ANY_FOLDER = click.Path(file_okay=False, path_type=Path)

model_option = click.option(
    "--model", required=True, type=EXISTING_FILE, help="Trained network (.safetensors)."
)
format_option = click.option(
    "--format",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="Of --data.",
)
device_option = click.option("--device", default="auto", show_default=True)


class ManyValues(click.Command):
    """A command whose repeatable options take several values: ``--seeds 0 1 2``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the option before every one of its values."""
        several = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.multiple
            for name in option.opts
        }
        spelt: list[str] = []
        current, n_values = "", 0
        for arg in args:
            if arg.startswith("--"):
                current, n_values = arg, 0
            elif current in several:
                spelt += [current] if n_values else []
                n_values += 1
            spelt.append(arg)
        return super().parse_args(ctx, spelt)


@contextmanager
def plainly() -> Iterator[None]:
    """Say warnings and errors of bad input in plain words, without a traceback."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        except (ValueError, OSError, ImportError) as error:
            raise click.UsageError(str(error)) from error
        finally:
            for text in dict.fromkeys(str(one.message) for one in found):
                click.echo(f"Warning: {text}", err=True)


@contextmanager
def needing_torch(what: str) -> Iterator[None]:
    """Name the extra to install where a module cannot be imported.

    Parameters
    ----------
    what : str
        What the modules are for, in the plural.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{what} need torch ({error}): pip install 'rarecorrect[face]'"
        ) from error


def exit_for(problems: Iterable[object]) -> None:
    """Name what was left out, and exit with 1; do nothing if that is nothing."""
    lines = [str(problem) for problem in problems]
    for line in lines:
        click.echo(line, err=True)
    if lines:
        sys.exit(LEFT_OUT)


def show_table(title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print records under their names.

    Parameters
    ----------
    title : str
    rows : iterable of mapping
        All with the names of the first one.
    """
    frame = pd.DataFrame(list(rows))
    table = Table()
    for name in frame.columns:
        table.add_column(Text(str(name)))
    for _, row in frame.iterrows():
        table.add_row(*(Text(str(cell)) for cell in row))  # brackets are no style
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    console.print(Text(title), table)
