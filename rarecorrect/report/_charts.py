"""The charts of the page: what Displays hold, drawn as SVG."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rarecorrect.plot import (
    AlertBudgetDisplay,
    DamageDisplay,
    GainRetentionDisplay,
    SeparabilityDisplay,
)
from rarecorrect.report._numbers import share
from rarecorrect.report._svg import Frame, nice_ticks, shorter, text

_MOST_POINTS = 400
_MOST_ROWS = 40
_MOST_DAYS = 730
_ROW = 26


def gain_retention(shown: GainRetentionDisplay) -> str:
    """Gain against retention, the threshold in force and the promise."""
    low = shown.least_retention
    frame = Frame((low, 1.0), (0.0, 1.0))
    inside = np.flatnonzero(shown.retention >= low)
    kept = _thinned(shown.retention[inside] * 1e4 // (1 - low), _MOST_POINTS)
    x, y = shown.retention[inside][kept], shown.gain[inside][kept]
    steps = np.column_stack([x, np.append(x[1:], max(low, x[-1]))]).ravel()
    if inside.size < shown.retention.size:
        steps[-1] = low  # the curve goes on beyond
    parts = [
        frame.levels(_shares(np.linspace(0, 1, 5))),
        frame.below(_shares(nice_ticks(low, 1.0)), "right decisions kept"),
    ]
    if not math.isnan(shown.promised):
        parts.append(frame.upright(shown.promised, "promise"))
        parts.append(_beside(frame, shown.promised, "promised"))
    parts.append(frame.path(steps, np.repeat(y, 2), "after"))
    said = f"Errors repaired against right decisions kept, from {share(low)} on"
    if shown.in_force is not None:
        kept_now, gain = shown.in_force
        at = (frame.x(max(kept_now, low)), frame.y(gain))
        parts.append(f'<circle class="after" cx="{at[0]}" cy="{at[1]}" r="6"/>')
        said += f"; in force: {share(gain, 1)} repaired, {share(kept_now)} kept"
    return frame.picture(said, *parts)


def damage(shown: DamageDisplay, what: str = "changed") -> str:
    """Damage seen with its interval, next to what was promised; a row each."""
    n = min(len(shown.names), _MOST_ROWS)
    known = [*shown.high[:n], *shown.promised[:n]]
    top = min(1.0, 1.05 * max((v for v in known if np.isfinite(v)), default=1.0))
    # one wide interval, of a class with few rows, must not flatten all others
    narrow = 4 * max(
        (v for v in (shown.high[0], *shown.promised[:n]) if v > 0), default=1
    )
    top = min(top, narrow) or 1.0
    left = 24 + 11 * max(len(shorter(name)) for name in shown.names[:n])
    frame = Frame((0.0, top), (0.0, n), height=_ROW * n + 66, left=left, top=8)
    ticks = nice_ticks(0.0, top).tolist()
    parts = [frame.upright(tick, "grid") for tick in ticks]
    parts.append(frame.below(_shares(ticks), f"right decisions {what}"))
    for i in range(n):
        parts.append(_damage_row(frame, shown, i, frame.y(n - i - 0.5)))
    told = f"{share(float(shown.realised[0]))} of right decisions {what} in all"
    promised = float(shown.promised[0])
    if not math.isnan(promised):
        told += f", promised at most {share(promised)}"
    return frame.picture(f"{told}; by row: see the table", *parts)


def alerts(shown: AlertBudgetDisplay) -> str:
    """Alerts of every day, and the cap; of very many days the last ones."""
    shown = AlertBudgetDisplay(
        days=shown.days[-_MOST_DAYS:], alerts=shown.alerts[-_MOST_DAYS:], cap=shown.cap
    )
    n, most = len(shown.days), int(shown.alerts.max(initial=0))
    highest = max(most, shown.cap or 0, 1)
    ticks = nice_ticks(0, 1.1 * highest)
    frame = Frame((0.0, float(n)), (0.0, 1.1 * highest))
    parts = [frame.levels((v, f"{v:,g}") for v in ticks), _bars(frame, shown)]
    if shown.cap is not None:
        parts.append(frame.level(shown.cap, "promise"))
        x, y = frame.width - frame.right, frame.y(shown.cap) - 6
        parts.append(text(x, y, f"cap {shown.cap:,} a day", "tick end ink"))
    every = math.ceil(n / 4) or 1  # four dates are what a phone has room for
    days = [(i + 0.5, str(shown.days[i])) for i in range(0, n, every)]
    parts.append(frame.below(days, "day"))
    told = f"Alerts of {n:,} days, at most {most:,}"
    if shown.cap is not None:
        told += f"; above the cap of {shown.cap:,} on {shown.days_above} of {n} days"
    return frame.picture(told, *parts)


def separability(shown: SeparabilityDisplay) -> str:
    """Shares of right decisions and of errors above every score."""
    scores, right, errors = shown.curves()
    frame = Frame((float(scores[0]), float(scores[-1])), (0.0, 1.0))
    parts = [
        frame.levels(_shares(np.linspace(0, 1, 5))),
        frame.below(
            ((v, f"{v:g}") for v in nice_ticks(*frame.x_range, about=6)),
            "score: how wrong a decision looks",
        ),
    ]
    if math.isfinite(shown.threshold) and shown.threshold <= scores[-1]:
        parts.append(frame.upright(shown.threshold, "promise"))
        parts.append(_beside(frame, shown.threshold, "cut"))
    for share_above, style in ((right, "before"), (errors, "after")):
        parts.append(frame.path(scores, share_above, style))
    above = shown.shares_above
    told = "Share of right decisions and of errors above every score"
    if not math.isnan(shown.threshold):
        told += f"; above the cut: {share(above[0])} and {share(above[1])}"
    return frame.picture(told, *parts)


def _bars(frame: Frame, shown: AlertBudgetDisplay) -> str:
    gap = 0.15 if len(shown.days) < 120 else 0.0
    found = []
    for i, (number, above) in enumerate(zip(shown.alerts, shown.above, strict=True)):
        x, y = frame.x(i + gap), frame.y(int(number))
        width, height = frame.x(i + 1 - gap) - x, frame.y(0) - y
        found.append(
            f'<rect class="{"over" if above else "bar"}" x="{x}" y="{y}" '
            f'width="{width:.1f}" height="{height:.1f}">'
            f"<title>{shown.days[i]}: {number}</title></rect>"
        )
    return "".join(found)


def _damage_row(frame: Frame, shown: DamageDisplay, i: int, y: float) -> str:
    parts = [text(frame.left - 8, y + 4, shown.names[i], "tick end ink")]
    top = frame.x_range[1]
    promised, seen = float(shown.promised[i]), float(shown.realised[i])
    if not math.isnan(promised):
        x = frame.x(min(promised, top))
        parts.append(
            f'<line class="promised" x1="{x}" x2="{x}" y1="{y - 10}" y2="{y + 10}"/>'
        )
    if not math.isnan(seen):
        ends = [frame.x(min(float(v), top)) for v in (shown.low[i], shown.high[i])]
        style = "over" if shown.exceeded[i] else "seen"
        parts.append(
            f'<line class="{style}" x1="{ends[0]}" x2="{ends[1]}" y1="{y}" y2="{y}"/>'
            f'<circle class="{style}" cx="{frame.x(min(seen, top))}" cy="{y}" r="5"/>'
        )
        if shown.high[i] > top:  # it goes on beyond the picture
            corners = f"{ends[1]},{y - 5} {ends[1]},{y + 5} {ends[1] + 8},{y}"
            parts.append(f'<polygon class="{style}" points="{corners}"/>')
    return "".join(parts)


def _beside(frame: Frame, value: float, words: str) -> str:
    """Words above an upright line, on the side where there is room."""
    x, room = frame.x(value), frame.width - frame.right
    style = "tick ink" if room - x > 110 else "tick end ink"
    return text(x, frame.top - 8, words, style)


def _shares(ticks: Any) -> list[tuple[float, str]]:
    """Ticks as percentages with the same number of digits."""
    values = [float(v) for v in ticks]
    step = 100 * (values[1] - values[0]) if len(values) > 1 else 1.0
    # 2.5 has one digit more than its size tells
    digits = max(0, math.ceil(-math.log10(step) - 1e-9))
    digits += abs(step * 10**digits - round(step * 10**digits)) > 1e-6
    return [(v, f"{100 * v:.{digits}f} %") for v in values]


def _thinned(places: Any, most: int) -> Any:
    """Of points at the same place the last one, and not more than so many."""
    last = np.append(places[1:] != places[:-1], True)
    found = np.flatnonzero(last)
    if found.size > most:
        found = found[np.unique(np.linspace(0, found.size - 1, most).astype(int))]
    return np.unique(np.append(found, [0, places.size - 1]))
