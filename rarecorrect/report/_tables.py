"""Tables of the page: what is shown, and what it is sorted by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rarecorrect.report._numbers import share


class Cell(NamedTuple):
    """One cell."""

    text: str
    order: float | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names its rows."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers."""
        return any(row[column].order is not None for row in self.rows)


def number(value: float) -> Cell:
    """A count."""
    return Cell(f"{value:,}", value)


def part(value: float, digits: int = 2, style: str = "") -> Cell:
    """A share; one that is not known is sorted below all others."""
    return Cell(share(value, digits), -1.0 if math.isnan(value) else value, style)


def words(value: Any) -> Cell:
    """A text, or a dash."""
    return Cell(str(value) if value not in (None, "") else "-")
