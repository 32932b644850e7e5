"""Rows of a csv file, of which some may be broken."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import IO


def numbered_rows(file: IO[str]) -> Iterator[tuple[int, list[str]]]:
    r"""Rows that are not empty, with their numbers; a broken one has no cells.

    Examples
    --------
    >>> from io import StringIO
    >>> list(numbered_rows(StringIO("a,b\n\nc")))
    [(0, ['a', 'b']), (2, ['c'])]
    """
    reader, number = csv.reader(file), -1
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield number, []
            continue
        if row:
            yield number, row
