"""Charts of a replay, drawn as SVG text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.report._svg import Frame, nice_ticks


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes
    ----------
    style : str
        Its CSS class.
    x, y : sequence of float
        NaN leaves a gap.
    dots : bool
        Whether points are marked.
    """

    style: str
    x: Sequence[float] | npt.NDArray[Any]
    y: Sequence[float] | npt.NDArray[Any]
    dots: bool = False


def chart(
    title: str,
    days: tuple[int, int],
    top: float,
    lines: Iterable[Line],
    *,
    percent: bool = False,
    limit: float | None = None,
    marks: Iterable[tuple[str, int, float]] = (),
    events: Iterable[int] = (),
) -> str:
    """Curves over days.

    Parameters
    ----------
    title : str
        What is to be seen, for those who cannot see it.
    days : tuple of int
        First and last.
    top : float
        Largest value.
    lines : iterable of Line
    percent : bool, default=False
        Values are shares.
    limit : float, optional
        A level line.
    marks : iterable of (str, int, float)
        Style, day and value of points to mark.
    events : iterable of int
        Days on which something happened.

    Returns
    -------
    str
        One ``<svg>``.
    """
    top = max(top, limit or 0.0, 1e-9)
    ticks = nice_ticks(0.0, top).tolist()
    if ticks[-1] < top:
        ticks.append(ticks[-1] + ticks[1])
    frame = frame_of(days, ticks[-1])
    parts = [
        frame.levels((v, number(v, percent)) for v in ticks),
        frame.below(_day_ticks(days)),
        *(frame.upright(day, "event") for day in dict.fromkeys(events)),
    ]
    if limit is not None:
        parts.append(frame.level(limit, "cap"))
    parts += [_line(frame, line) for line in lines]
    parts += [_mark(frame, *mark) for mark in marks]
    parts.append(
        f'<rect class="curtain" x="{frame.width - frame.right}" y="{frame.top - 8}" '
        f'width="0" height="{frame.height - frame.top - frame.bottom + 9}"/>'
    )
    return frame.picture(title, *parts)


def frame_of(days: tuple[int, int], top: float = 1.0) -> Frame:
    """Where days and values lie; the script of the page has to know.

    Parameters
    ----------
    days : tuple of int
        First and last.
    top : float, default=1.0
        Largest value.

    Returns
    -------
    Frame
    """
    first, last = days
    span = (first, max(last, first + 1))
    return Frame(span, (0.0, top), height=250, left=72, right=20, top=16, bottom=34)


def number(value: float, percent: bool = False) -> str:
    """A number for an axis.

    Examples
    --------
    >>> number(150_000.0), number(0.5, percent=True), number(20.0)
    ('150k', '50 %', '20')
    """
    if percent:
        return f"{100 * value:.0f} %"
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _day_ticks(days: tuple[int, int]) -> list[tuple[float, str]]:
    first, last = days
    step = 7 * max(1, round((last - first) / 35))
    later = range(first + step, last + 1, step)
    return [(first, f"day {first}"), *((day, f"{day}") for day in later)]


def _line(frame: Frame, line: Line) -> str:
    x, y = np.asarray(line.x, dtype=float), np.asarray(line.y, dtype=float)
    drawn = frame.path(x, y, line.style)
    if line.dots:
        seen = np.isfinite(y)
        drawn += "".join(
            f'<circle class="{line.style}" cx="{frame.x(a)}" cy="{frame.y(b)}" '
            'r="3.5"/>'
            for a, b in zip(x[seen].tolist(), y[seen].tolist(), strict=True)
        )
    return drawn


def _mark(frame: Frame, style: str, day: int, value: float) -> str:
    x, y = frame.x(day), frame.y(value)
    corners = f"{x - 6},{y - 14} {x + 6},{y - 14} {x},{y - 4}"
    return f'<polygon class="{style} above" points="{corners}"/>'
