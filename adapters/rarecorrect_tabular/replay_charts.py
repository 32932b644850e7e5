"""Charts of a replay, drawn as SVG text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 640, 250
LEFT, RIGHT, TOP, BOTTOM = 72, 20, 16, 34

_INNER = WIDTH - LEFT - RIGHT
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


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
    ticks = nice_ticks(max(top, limit or 0.0))
    frame = _Frame(days, float(ticks[-1]))
    parts = [frame.level(float(v), number(float(v), percent)) for v in ticks]
    parts += [frame.day_tick(day) for day in _day_ticks(days)]
    parts += [frame.event(day) for day in dict.fromkeys(events)]
    if limit is not None:
        y = frame.y(limit)
        parts.append(
            f'<line class="cap" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        )
    parts += [frame.line(line) for line in lines]
    parts += [frame.mark(*mark) for mark in marks]
    parts.append(
        f'<rect class="curtain" x="{WIDTH - RIGHT}" y="{TOP - 8}" width="0" '
        f'height="{HEIGHT - TOP - BOTTOM + 9}"/>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def nice_ticks(top: float) -> npt.NDArray[np.float64]:
    """About four round values from 0 to at least `top`.

    Parameters
    ----------
    top : float

    Returns
    -------
    ndarray of float

    Examples
    --------
    >>> nice_ticks(117).tolist()
    [0.0, 50.0, 100.0, 150.0]
    """
    wanted = max(top, 1e-9) / 4
    power = 10.0 ** np.floor(np.log10(wanted))
    step = next(s * power for s in _STEPS if s * power >= wanted * (1 - 1e-9))
    return np.asarray(step * np.arange(int(np.ceil(top / step - 1e-9)) + 1))


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


def _day_ticks(days: tuple[int, int]) -> list[int]:
    span = days[1] - days[0]
    step = 7 * max(1, round(span / 35))
    return list(range(days[0], days[1] + 1, step))


@dataclass(frozen=True, slots=True)
class _Frame:
    days: tuple[int, int]
    top: float

    def x(self, day: float) -> float:
        share = (day - self.days[0]) / max(self.days[1] - self.days[0], 1)
        return round(LEFT + share * _INNER, 1)

    def y(self, value: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        return round(TOP + (1 - value / self.top) * inner, 1)

    def level(self, value: float, text: str) -> str:
        y = self.y(value)
        return (
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text class="tick end" x="{LEFT - 8}" y="{y + 4}">{text}</text>'
        )

    def day_tick(self, day: int) -> str:
        text = f"day {day}" if day == self.days[0] else f"{day}"
        return (
            f'<text class="tick mid" x="{self.x(day)}" y="{HEIGHT - 10}">{text}</text>'
        )

    def event(self, day: int) -> str:
        x = self.x(day)
        return (
            f'<line class="event" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )

    def line(self, line: Line) -> str:
        points = [
            (self.x(x), self.y(y))
            for x, y in zip(line.x, line.y, strict=True)
            if np.isfinite(y)
        ]
        path = " ".join(f"{x},{y}" for x, y in points)
        drawn = f'<polyline class="{line.style}" points="{path}"/>'
        if line.dots:
            drawn += "".join(
                f'<circle class="{line.style}" cx="{x}" cy="{y}" r="3.5"/>'
                for x, y in points
            )
        return drawn

    def mark(self, style: str, day: int, value: float) -> str:
        x, y = self.x(day), self.y(value)
        corners = f"{x - 6},{y - 14} {x + 6},{y - 14} {x},{y - 4}"
        return f'<polygon class="{style} above" points="{corners}"/>'
