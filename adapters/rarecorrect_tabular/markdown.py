"""Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Table of texts.

    Examples
    --------
    >>> print(table(["task", "gain"], [["scenario 1", "0.990"]]))
    | task | gain |
    | --- | --- |
    | scenario 1 | 0.990 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def table_of(records: Iterable[Any], columns: dict[str, Callable[[Any], str]]) -> str:
    """One row per record, one column per name and how to write its cell.

    Examples
    --------
    >>> print(table_of([3], {"n": str, "twice": lambda n: str(2 * n)}))
    | n | twice |
    | --- | --- |
    | 3 | 6 |
    """
    rows = [[write(record) for write in columns.values()] for record in records]
    return table(list(columns), rows)


def plus_minus(mean: float, error: float = math.nan) -> str:
    """Mean and standard error, if there is one.

    Examples
    --------
    >>> plus_minus(0.5, 0.01), plus_minus(0.5)
    ('0.500 ± 0.010', '0.500')
    """
    return f"{mean:.3f}" if math.isnan(error) else f"{mean:.3f} ± {error:.3f}"
