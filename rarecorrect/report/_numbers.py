"""Numbers as a page shows them."""

from __future__ import annotations

import math


def share(value: float, digits: int = 2) -> str:
    """A share as a percentage; NaN is a dash, and only 0 is none and only 1 is all."""
    if math.isnan(value):
        return "-"
    if value in (0.0, 1.0):
        return f"{100 * value:.0f} %"
    text = f"{100 * value:.{digits}f}"
    if float(text) == 0:
        return f"{100 * value:.1g} %"
    return f"> 99.{digits * '9'} %" if float(text) == 100 else f"{text} %"


def points(value: float) -> str:
    """A difference of two shares, in percentage points."""
    return "-" if math.isnan(value) else f"{100 * value:+.2f}"


def counted(n: int, thing: str, many: str = "") -> str:
    """A number of things."""
    return f"{n:,} {thing if n == 1 else many or thing + 's'}"
