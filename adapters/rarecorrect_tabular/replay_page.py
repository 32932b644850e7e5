"""A replay as one HTML file that needs nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect_tabular.replay import (
    AS_IT_IS,
    HOT_FIX,
    RETRAINED,
    Replay,
)
from rarecorrect_tabular.replay_charts import Line, chart, frame_of
from rarecorrect_tabular.replay_numbers import first_days, share, weekly

STYLES = {AS_IT_IS: "asitis", RETRAINED: "retrained", HOT_FIX: "hotfix"}
WORDS = {
    AS_IT_IS: "model as it is",
    RETRAINED: "retrained weekly",
    HOT_FIX: "hot-fix",
}
LEARNING = (RETRAINED, HOT_FIX)


def page(replay: Replay) -> str:
    """Write a replay as a self-contained HTML page.

    Parameters
    ----------
    replay : Replay

    Returns
    -------
    str
        It loads nothing: curves are drawn here, a few lines of script move the day.
    """
    template = files("rarecorrect_tabular").joinpath("replay_page.html").read_text()
    days = int(replay.days[0]), int(replay.days[-1])
    title = f"A new fraud type, day by day: {replay.name}"
    return Template(template).substitute(
        title=escape(title),
        subtitle=escape(_subtitle(replay)),
        numbers="\n".join(_numbers(replay)),
        sections="\n".join(_sections(replay)),
        first_day=days[0],
        last_day=days[1],
        data=_data(replay),
    )


def _subtitle(replay: Replay) -> str:
    plan = replay.plan
    return (
        f"{replay.transactions:,} transactions of days {replay.days[0]} to "
        f"{replay.days[-1]}. The model in service was trained on days "
        f"{plan.train[0]} to {plan.train[1] - 1} and has never seen this type. Labels "
        f"are known {plan.delay} days later."
    )


def _numbers(replay: Replay) -> list[str]:
    lost = {name: curve.lost.sum() for name, curve in replay.curves.items()}
    fixed = replay.curves[HOT_FIX]
    since, above = replay.after(), int(replay.above(HOT_FIX).sum())
    caught = first_days(replay)
    mean = fixed.extra[since].mean() if since.any() else 0.0
    return [
        _number(
            "Money saved by the hot-fix",
            f"{lost[AS_IT_IS] - lost[HOT_FIX]:,.0f}",
            f"of {lost[AS_IT_IS]:,.0f} lost with the model as it is",
        ),
        _number(
            "Against weekly retraining",
            f"{lost[RETRAINED] - lost[HOT_FIX]:+,.0f}",
            f"{lost[RETRAINED]:,.0f} lost with it",
        ),
        _number(
            "Caught in the first 14 days",
            share(caught[HOT_FIX]),
            f"retrained {share(caught[RETRAINED])}, as it is {share(caught[AS_IT_IS])}",
        ),
        _number(
            "Extra alerts a day",
            f"{mean:.1f}",
            f"cap {replay.plan.cap}, above it on {above} of {int(since.sum())} days; "
            f"{share(_precision(fixed))} were fraud",
        ),
    ]


def _precision(curve: Any) -> float:
    extra = curve.extra.sum()
    return float(curve.extra_frauds.sum() / extra) if extra else np.nan


def _number(name: str, value: str, note: str) -> str:
    return (
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)} "
        f"<small>{escape(note)}</small></dd></div>"
    )


def _sections(replay: Replay) -> list[str]:
    return [
        _section("Money lost to the new type", _money(replay)),
        _section("Alerts a day beyond those of the model in service", _alerts(replay)),
        _section("Share of the new type caught, by week", _recall(replay)),
        _section("What happened when", _events(replay)),
        _section("The rule", _rule(replay)),
        _section("How the two are compared", _fairness(replay)),
        _section("The numbers", _weeks_table(replay) + _days_table(replay)),
    ]


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{body}</section>"


def _money(replay: Replay) -> str:
    sums = {name: np.cumsum(c.lost) for name, c in replay.curves.items()}
    told = ", ".join(f"{WORDS[n]} {total[-1]:,.0f}" for n, total in sums.items())
    lines = [Line(STYLES[n], replay.days, total) for n, total in sums.items()]
    top = max(float(total[-1]) for total in sums.values())
    title = f"Cumulative money lost by day; at the end: {told}"
    note = (
        '<p class="note">Amounts of the frauds of the new type that are no alert, '
        "summed up. Dotted upright lines: what happened, listed below.</p>"
    )
    return _legend(*replay.curves) + _chart(replay, title, top, lines) + note


def _alerts(replay: Replay) -> str:
    cap = replay.plan.cap
    extra = {name: replay.curves[name].extra for name in LEARNING}
    above = {name: replay.days[replay.above(name)] for name in LEARNING}
    told = "; ".join(
        f"{WORDS[name]}: at most {int(extra[name].max())} a day, above the cap on "
        f"{days.size} days"
        for name, days in above.items()
    )
    marks = [
        (STYLES[name], int(day), float(extra[name][day - replay.days[0]]))
        for name, days in above.items()
        for day in days
    ]
    lines = [Line(STYLES[name], replay.days, values) for name, values in extra.items()]
    top = 1.1 * max(cap, *(int(values.max()) for values in extra.values()))
    drawn = _chart(
        replay,
        f"Extra alerts by day, cap {cap}; {told}",
        top,
        lines,
        limit=cap,
        marks=marks,
    )
    note = (
        f'<p class="note">Dashed level line: the cap of {cap} a day. Triangles: days '
        f"above it ({escape(told)}). What the outbreak adds to a day's alerts, the "
        "certified days had not seen in full.</p>"
    )
    return _legend(*LEARNING) + drawn + note


def _recall(replay: Replay) -> str:
    found = weekly(replay)
    middles = [(week.first + week.last) / 2 for week in found]
    lines = [
        Line(STYLES[name], middles, [week.recall[name] for week in found], dots=True)
        for name in replay.curves
    ]
    told = ", ".join(
        f"{WORDS[name]} " + " and ".join(share(found[i].recall[name]) for i in (0, -1))
        for name in replay.curves
    )
    title = f"Share of the new type caught; in the first and the last week: {told}"
    return _legend(*replay.curves) + _chart(replay, title, 1.0, lines, percent=True)


def _chart(
    replay: Replay, title: str, top: float, lines: Sequence[Line], **options: Any
) -> str:
    days = int(replay.days[0]), int(replay.days[-1])
    events = [event.day for event in replay.events]
    return chart(title, days, top, lines, events=events, **options)


def _legend(*names: str) -> str:
    items = "".join(
        "<li><svg viewBox='0 0 32 10' aria-hidden='true'><line class='sample "
        f"{STYLES[name]}' x1='0' x2='32' y1='5' y2='5'/></svg>{WORDS[name]}</li>"
        for name in names
    )
    return f'<ul class="legend">{items}</ul>\n'


def _events(replay: Replay) -> str:
    items = [f"<li><b>Day {replay.plan.start}</b> the new type starts</li>"]
    items += [f"<li><b>Day {e.day}</b> {escape(e.what)}</li>" for e in replay.events]
    if replay.in_force is None:
        items.append("<li>There were never enough confirmed cases to learn from.</li>")
    return f'<ol class="events">{"".join(items)}</ol>'


def _rule(replay: Replay) -> str:
    if replay.in_force is None:
        return "<p>There is none.</p>"
    said = replay.sentence or "It is off, the answers are those of the model as it is."
    kind = "" if said.startswith("IF ") else " Why it fires on a typical one of them:"
    return (
        f"<p>Learnt from {replay.plan.cases} confirmed cases, in force on day "
        f"{replay.in_force}.{kind}</p>"
        f"<blockquote>{escape(said)}</blockquote>"
        f"{_verdict(replay)}"
        f"<p>The promise: {escape(replay.certificate)}. It speaks of days like those "
        "it was certified on; the table says what happened.</p>"
    )


def _verdict(replay: Replay) -> str:
    """What the report says of the errors, on the first day and wherever it changes."""
    assert replay.in_force is not None
    told, before = [], ""
    for number, verdict in enumerate(replay.verdicts):
        if verdict and verdict != before:
            day = replay.in_force + number * replay.plan.every
            told.append(f"<li><b>Day {day}</b> {escape(verdict)}</li>")
        before = verdict
    if not told:
        return ""
    items = "".join(told)
    return f'<p>Can these errors be corrected?</p><ol class="events">{items}</ol>'


def _fairness(replay: Replay) -> str:
    plan = replay.plan
    labels = (
        "every missed fraud is confirmed in the end"
        if plan.most_cases is None
        else f"no more than {plan.most_cases} missed frauds are ever confirmed, the "
        "others pass for genuine"
    )
    risk = (
        " Frauds of the new type count in the risk of their terminals once confirmed."
        if plan.risk_learns
        else ""
    )
    return escape(
        "Hot-fix and retraining learn on the same mornings, the first and then every "
        f"{plan.every} days, from the same confirmed cases and earlier days "
        f"({labels}); retraining also sees the other known frauds. Both keep the "
        f"alerts of the model in service and add at most {plan.cap} a day, their "
        "highest scores, above a threshold that is certified on the same latest "
        f"{plan.certify_days} whole days, which taught neither. The hot-fix is also "
        f"held to changing {100 * plan.max_damage:g} % of right decisions."
        f"{risk}"
    ).join(("<p>", "</p>"))


def _weeks_table(replay: Replay) -> str:
    head = ["Days", "Cases"]
    head += [f"Caught, {WORDS[name]}" for name in replay.curves]
    head += ["Right decisions changed, hot-fix", "Promised", "Days above the cap"]
    rows = [
        [
            f"{week.first}-{week.last}",
            f"{week.cases:,}",
            *(share(week.recall[name]) for name in replay.curves),
            f"{100 * week.damage:.2f} %",
            f"{100 * replay.plan.max_damage:g} %",
            f"{week.above}",
        ]
        for week in weekly(replay)
    ]
    return _table("Week by week", head, rows)


def _days_table(replay: Replay) -> str:
    head = ["Day"]
    for name in replay.curves:
        head += [f"{what}, {WORDS[name]}" for what in ("Lost", "Caught", "Missed")]
    head += [f"Extra alerts, {WORDS[name]}" for name in LEARNING]
    rows = []
    for i, day in enumerate(replay.days):
        row = [f"{day}"]
        for curve in replay.curves.values():
            row += [f"{curve.lost[i]:,.2f}", f"{curve.caught[i]}", f"{curve.missed[i]}"]
        for name in LEARNING:
            over = " (above the cap)" if replay.above(name)[i] else ""
            row.append(f"{replay.curves[name].extra[i]}{over}")
        rows.append(row)
    table = _table("Day by day", head, rows)
    return f"<details><summary>Day by day</summary>{table}</details>"


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" '
        f'tabindex="0"><table><caption>{escape(caption)}</caption><thead><tr>{heads}'
        f"</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def _data(replay: Replay) -> str:
    """What the script needs; nothing in it can end the element it stands in."""
    events: dict[int, str] = {replay.plan.start: "the new type starts"}
    for event in replay.events:
        before = events.get(event.day)
        events[event.day] = f"{before}; {event.what}" if before else event.what
    days = int(replay.days[0]), int(replay.days[-1])
    frame = frame_of(days)
    found = {
        "first": days[0],
        "last": days[1],
        "left": frame.left,
        "inner": frame.width - frame.left - frame.right,
        "events": events,
        "curves": [
            {
                "name": WORDS[name],
                "lost": _rounded(np.cumsum(curve.lost)),
                "extra": curve.extra.tolist() if name in LEARNING else None,
            }
            for name, curve in replay.curves.items()
        ],
    }
    return json.dumps(found).replace("<", "\\u003c")


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [round(float(value), 2) for value in values]
