"""Axes and marks of charts, as SVG text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LONGEST_LABEL = 20


@dataclass(frozen=True, slots=True)
class Frame:
    """Where numbers lie on a picture of `width` by `height`."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: int = 640
    height: int = 272
    left: int = 76
    right: int = 44
    top: int = 30
    bottom: int = 58

    def x(self, value: float) -> float:
        """Place of a number from the left."""
        low, high = self.x_range
        inner = self.width - self.left - self.right
        return round(self.left + (value - low) / (high - low) * inner, 1)

    def y(self, value: float) -> float:
        """Place of a number from the top."""
        low, high = self.y_range
        inner = self.height - self.top - self.bottom
        return round(self.top + (high - value) / (high - low) * inner, 1)

    def levels(self, ticks: Iterable[tuple[float, str]]) -> str:
        """Level lines with their numbers."""
        return "".join(
            f'{self.level(v, "grid")}<text class="tick end" x="{self.left - 8}" '
            f'y="{self.y(v) + 4}">{escape(text)}</text>'
            for v, text in ticks
        )

    def below(self, ticks: Iterable[tuple[float, str]], title: str = "") -> str:
        """Numbers below the picture, and what they are."""
        y = self.height - self.bottom + 24
        found = "".join(
            f'<text class="tick mid" x="{self.x(v)}" y="{y}">{escape(text)}</text>'
            for v, text in ticks
        )
        middle = (self.left + self.width - self.right) / 2
        if title:
            title = (
                f'<text class="tick mid" x="{middle:g}" y="{self.height - 6}">'
                f"{escape(title)}</text>"
            )
        return found + title

    def upright(self, value: float, style: str) -> str:
        """A line from top to bottom."""
        x, y = self.x(value), self.height - self.bottom
        return f'<line class="{style}" x1="{x}" x2="{x}" y1="{self.top}" y2="{y}"/>'

    def level(self, value: float, style: str) -> str:
        """A line from left to right."""
        right, y = self.width - self.right, self.y(value)
        return (
            f'<line class="{style}" x1="{self.left}" x2="{right}" y1="{y}" y2="{y}"/>'
        )

    def path(self, x: FloatArray, y: FloatArray, style: str) -> str:
        """A curve; points that are not finite are left out."""
        points = " ".join(
            f"{self.x(a)},{self.y(b)}"
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
            if np.isfinite(a) and np.isfinite(b)
        )
        return f'<polyline class="{style}" points="{points}"/>'

    def picture(self, title: str, *parts: str) -> str:
        """The whole."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
        )


def text(x: float, y: float, words: str, style: str) -> str:
    """Words at a place, short; all of them where a pointer rests."""
    if not words:
        return ""
    short = shorter(words)
    title = f"<title>{escape(words)}</title>" if short != words else ""
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{title}{escape(short)}</text>'


def shorter(words: str) -> str:
    """As many letters as there is room for."""
    if len(words) <= _LONGEST_LABEL:
        return words
    return words[: _LONGEST_LABEL - 1] + "\N{HORIZONTAL ELLIPSIS}"


def nice_ticks(low: float, high: float, about: int = 4) -> FloatArray:
    """Round values inside a range, `about` so many."""
    wanted = max(high - low, 1e-12) / about
    power = 10.0 ** np.floor(np.log10(wanted))
    step = next(s * power for s in _STEPS if s * power >= wanted * (1 - 1e-9))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return np.asarray(step * np.arange(first, last + 1) + 0.0)  # no -0
