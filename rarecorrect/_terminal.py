"""What commands print: tables, JSON, warnings, and errors of one line."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP = "  "


class Refused(click.ClickException):
    """Bad input: one line, and exit code 2 as for a bad option."""

    exit_code = 2


@contextmanager
def plainly() -> Iterator[None]:
    """Say warnings and errors of bad input in one line each, without a traceback."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        except click.UsageError as error:
            raise Refused(one_line(error.format_message())) from error
        except BrokenPipeError:  # whoever reads has seen enough
            raise
        except OSError as error:
            known = error.filename is not None
            text = f"{error.strerror}: {error.filename}" if known else str(error)
            raise Refused(one_line(text)) from error
        except KeyError as error:  # its text is the repr of what it says
            raise Refused(one_line(error.args[0])) from error
        except (ValueError, TypeError, ImportError) as error:
            raise Refused(one_line(error)) from error
        finally:
            for text in dict.fromkeys(str(one.message) for one in found):
                warn(text)


def warn(text: str) -> None:
    """Print a warning where errors go."""
    click.echo(f"Warning: {one_line(text)}", err=True)


def one_line(text: Any) -> str:
    """A text as one line that no character in it can change."""
    return printable(" ".join(str(text).split()))


def printable(text: str) -> str:
    r"""Text of a file, which may come from anybody, without control characters.

    Examples
    --------
    >>> print(printable("to fraud\x1b[2J"))
    to fraud\x1b[2J
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cell(value: Any) -> str:
    """One value as it stands in a table; ``-`` where there is none."""
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value))
    return "-" if value is None or value == "" else printable(str(value))


def print_table(
    rows: Sequence[Mapping[str, Any]], console: Console | None = None
) -> None:
    """Print records under their names: ruled in a terminal, else one line each."""
    console = console or Console()
    names, cells = list(rows[0]), [[cell(v) for v in row.values()] for row in rows]
    if not console.is_terminal:
        print_aligned([names, *cells])
        return
    table = Table(*names)
    for line in cells:
        table.add_row(*map(Text, line))  # a text in brackets is no style
    console.print(table)


def print_aligned(lines: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their longest text."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        click.echo(_GAP.join(padded).rstrip())


def print_json(record: Any) -> None:
    """Print a record as JSON; see :func:`as_json`."""
    click.echo(as_json(record))


def as_json(record: Any) -> str:
    """JSON of a record; what is not finite becomes null, what it does not know text."""
    return json.dumps(_plain(record), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return (
        value if value is None or isinstance(value, bool | int | float) else str(value)
    )
