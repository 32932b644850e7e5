"""What was seen on labelled cases, as tables and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.outcome import Outcome
from rarecorrect.plot import DamageDisplay
from rarecorrect.report._evidence import done
from rarecorrect.report._numbers import counted, points, share
from rarecorrect.report._tables import Cell, Table, number, part, words

Indices = npt.NDArray[np.intp]

MOST_CLASSES = 40
_MOST_KINDS = 20
_MOST_WINDOWS = 26
_COUNTS = (
    *("support", "right_before", "right_after"),
    *("repaired", "broken", "flagged"),
)
_SHARES = {"gain": 1, "damage": 2, "f1_before": 1, "f1_after": 1}  # digits
_HEAT = 5  # shades of the spillover matrix


@dataclass(frozen=True, slots=True)
class Case:
    """One changed case, to be shown.

    `result` is "repaired", "broken", "still wrong", or one of them sent to review.
    """

    name: str
    before: str
    after: str
    truth: str
    result: str
    style: str
    sentence: str


def before_after(outcome: Outcome) -> Table:
    """Every class before and after, and all of them."""
    frame, with_flags = outcome.answers.to_frame(), outcome.report.to_frame()
    for name in ("flagged", "damage"):  # no answer tells of flags
        frame[name] = with_flags[name].to_numpy()
    classes, note = _largest(frame.iloc[:-1], "repaired", "broken", "flagged")
    overall = outcome.answers.overall
    shown = pd.concat([classes, frame.iloc[-1:]])
    records: list[Any] = shown.to_dict("records")
    rows = [
        [
            words(label),
            *(number(int(row[name])) for name in _COUNTS),
            *(part(row[name], digits) for name, digits in _SHARES.items()),
        ]
        for label, row in zip(shown.index, records, strict=True)
    ]
    head = ["True label", "Cases", "Right before", "Right after", "Repaired", "Broken"]
    head += [
        "Sent to review",
        "Errors repaired",
        f"Right {done(outcome.corrector)}",
        "F1 before",
        "F1 after",
    ]
    before, after = overall["accuracy_before"], overall["accuracy_after"]
    note += (
        f"Accuracy {share(before)} before and {share(after)} after "
        f"({points(after - before)} points). F1 of all: the mean over classes. Broken: "
        "right before, and changed. What is sent to review keeps its answer."
    )
    return Table("Before and after", head, rows, note)


def kinds_of_errors(outcome: Outcome) -> Table:
    """What was taken for what, and what became of it."""
    wrong = ~outcome.right
    frame = pd.DataFrame(
        {
            "truth": outcome.y[wrong],
            "before": outcome.reading.labels[wrong],
            "n": 1,
            "repaired": (outcome.trace["after"].to_numpy() == outcome.y)[wrong]
            & outcome.trace["changed"].to_numpy()[wrong],
            "review": outcome.trace["flagged"].to_numpy()[wrong],
        }
    )
    found = frame.groupby(["truth", "before"]).sum()
    found = found.sort_values("n", ascending=False, kind="stable")
    kinds, counts = found.index[:_MOST_KINDS].tolist(), found.to_numpy(dtype=int)
    rows = [
        [
            words(f"{before} \N{RIGHTWARDS ARROW} {truth}"),
            *map(number, (n, repaired, review)),
            part(repaired / n, 1),
        ]
        for (truth, before), (n, repaired, review) in zip(
            kinds, counts[:_MOST_KINDS].tolist(), strict=True
        )
    ]
    more = len(found) - len(rows)
    note = f"{counted(more, 'rarer kind')} not shown." if more else ""
    head = ["Model says \N{RIGHTWARDS ARROW} truth", "Cases", "Repaired"]
    head += ["Sent to review", "Share repaired"]
    return Table("Errors of the model in service, by kind", head, rows, note)


def spillover(outcome: Outcome) -> Table:
    """Where broken decisions went, in shares of the right decisions of a class."""
    frame = outcome.report.spillover
    total = frame.sum(axis=1, skipna=False).to_numpy()
    # by place: labels may be True and False
    kept = np.sort(np.argsort(-total, kind="stable")[:MOST_CLASSES])
    flags = [len(frame)] if outcome.trace["flagged"].any() else []
    columns = [*kept.tolist(), *flags]
    shares = frame.to_numpy()[np.ix_(kept, columns)]
    top = float(np.nanmax(shares, initial=0.0))
    rows = [
        [
            words(frame.index[i]),
            *(_heat(v, top, i == j) for j, v in zip(columns, row, strict=True)),
            part(float(total[i])),
        ]
        for i, row in zip(kept.tolist(), shares.tolist(), strict=True)
    ]
    head = ["Right before \N{DOWNWARDS ARROW} becomes \N{RIGHTWARDS ARROW}"]
    head += ["sent to review" if j in flags else str(frame.columns[j]) for j in columns]
    head.append("in all")
    more = len(frame) - len(rows)
    note = "Shares of the decisions of a class that were right. "
    if more:
        note += f"{counted(more, 'class', 'classes')} with less spillover not shown."
    caption = "Spillover: right decisions that became something else"
    return Table(caption, head, rows, note)


def damage_table(shown: DamageDisplay, by: str, what: str = "changed") -> Table:
    """The numbers behind the picture of promised and realised damage."""
    rows = [
        [
            words(name),
            number(int(shown.n_right[i])),
            number(int(shown.n_broken[i])),
            part(float(shown.realised[i])),
            _interval(float(shown.low[i]), float(shown.high[i])),
            part(float(shown.promised[i])),
            Cell("yes", 1.0, "bad") if shown.exceeded[i] else Cell("no", 0.0),
        ]
        for i, name in enumerate(shown.names[: MOST_CLASSES + 1])
    ]
    more = len(shown.names) - len(rows)
    head = [by.capitalize(), "Right decisions", what.capitalize()]
    note = (
        "Exceeded: the whole interval lies above the promise. No promise is made where "
        "there is a dash."
    )
    note += f" {more:,} more rows not shown." if more else ""
    head += ["Share", "95 % interval", "Promised", "Exceeded"]
    return Table(f"Promised and seen, by {by}", head, rows, note)


def _interval(low: float, high: float) -> Cell:
    known = high == high  # of no right decision there is none
    return Cell(f"{share(low)} to {share(high)}", high) if known else Cell("-", -1.0)


def rule_counts(outcome: Outcome) -> dict[str, dict[str, int]]:
    """What each rule did."""
    trace, changed = outcome.trace, outcome.changed
    after_right = trace["after"].to_numpy() == outcome.y
    frame = pd.DataFrame(
        {
            "rule": trace["rule"].to_numpy(),
            "changed": trace["changed"].to_numpy(),
            "repaired": after_right & ~outcome.right,
            "broken": ~after_right & outcome.right,
            "sent to review": trace["flagged"].to_numpy(),
        }
    )
    found = frame[changed].groupby("rule").sum()
    names, columns = found.index.tolist(), found.columns.tolist()
    return {
        str(name): dict(zip(columns, row, strict=True))
        for name, row in zip(names, found.to_numpy(dtype=int).tolist(), strict=True)
    }


def cases(outcome: Outcome, examples: int, seed: int = 0) -> list[Case]:
    """Changed cases, drawn at random: half of them repaired ones, half the others."""
    repaired, others = _by_result(outcome)
    rng = np.random.default_rng(seed)
    n_others = min(others.size, examples // 2)
    n_repaired = min(repaired.size, examples - n_others)
    n_others = min(others.size, examples - n_repaired)
    rows = np.concatenate(
        [
            np.sort(rng.choice(repaired, n_repaired, replace=False)),
            np.sort(rng.choice(others, n_others, replace=False)),
        ]
    )
    if not rows.size:
        return []
    told = outcome.explained(rows)
    sentences: Sequence[Any] = (
        [""] * rows.size if told is None else told.frame["sentence"].tolist()
    )
    return [_case(outcome, i, s) for i, s in zip(rows.tolist(), sentences, strict=True)]


def windows_of(days: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], str]:
    """First day of every row's window, and what it is: so that few are left."""
    first, day = days.min(), np.timedelta64(1, "D") if days.dtype.kind == "M" else 1
    span = int((days.max() - first) / day)
    if span < 8:
        return days, "day"
    length, what = 7, "week, from its first day on"
    if span >= 7 * _MOST_WINDOWS:
        length = 30 * (1 + span // (30 * _MOST_WINDOWS))
        what = f"{length:,} days, from the first on"
    return first + (days - first) // (length * day) * (length * day), what


def _by_result(outcome: Outcome) -> tuple[Indices, Indices]:
    good = outcome.mended & outcome.changed
    return np.flatnonzero(good), np.flatnonzero(outcome.changed & ~good)


def _case(outcome: Outcome, i: int, sentence: str) -> Case:
    row = outcome.trace.iloc[i]
    flagged = bool(row["flagged"])
    if outcome.right[i]:
        result, style = "right before, sent to review" if flagged else "broken", "bad"
    elif flagged:
        result, style = "error sent to review", "good"
    elif row["after"] == outcome.y[i]:
        result, style = "repaired", "good"
    else:
        result, style = "wrong before and after", "plain"
    after = f"review as {row['proposed']}" if flagged else str(row["after"])
    return Case(
        name=str(outcome.trace.index[i]),
        before=str(row["before"]),
        after=after,
        truth=str(outcome.y[i]),
        result=result,
        style=style,
        sentence=sentence.removeprefix(f"Case {outcome.trace.index[i]}: "),
    )


def _heat(value: float, top: float, is_itself: bool) -> Cell:
    if is_itself:
        return Cell("", -1.0, "itself")
    shade = int(np.ceil(_HEAT * value / top)) if value > 0 else 0
    return part(value, style=f"heat{shade}" if shade else "faint")


def _largest(frame: pd.DataFrame, *by: str) -> tuple[pd.DataFrame, str]:
    """The classes in which most happened, in their order, and what is left out."""
    if len(frame) <= MOST_CLASSES:
        return frame, ""
    most = frame[list(by)].sum(axis=1).to_numpy()
    kept = np.sort(np.argsort(-most, kind="stable")[:MOST_CLASSES])
    more = len(frame) - MOST_CLASSES
    return frame.iloc[kept], f"{more:,} classes in which less changed are not shown. "
