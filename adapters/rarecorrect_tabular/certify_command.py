"""The command ``rarecorrect tabular certify``."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect import save
from rarecorrect.blocks import Block
from rarecorrect.progress import Progress, ShownProgress
from rarecorrect_tabular.alert_units import counted_as
from rarecorrect_tabular.desk_backtest import CLEARED, MISSED
from rarecorrect_tabular.desk_labelled import LabelledRows
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import (
    ALERT_UNIT,
    MODEL,
    NOT_ALL,
    PATH,
    desk_from,
    plainly,
)
from rarecorrect_tabular.desk_traffic import daily_traffic
from rarecorrect_tabular.transactions import (
    NO_DAY,
    Days,
    TransactionFile,
    binary_labels,
    whole_days,
)

Lines = list[tuple[str, str]]
_ANSWERS = {0: "passes", 1: "calls fraud"}
_OF: dict[Hashable, str] = {0: f"{MISSED}: ", 1: f"{CLEARED}: "}


@click.command()
@click.option("--corrector", type=PATH, required=True, help="From `tabular fit`.")
@click.option("--data", type=PATH, required=True, help="Recent rows, all of them.")
@click.option("--label", help="Column: 1 fraud, 0 none, or empty; for the damage.")
@click.option("--time", help="Column: dates, or numbers of days; for alert budgets.")
@ALERT_UNIT
@MODEL
@click.option("--out", type=PATH, required=True, help="Corrector; also the same file.")
@click.pass_context
def certify(
    ctx: click.Context,
    /,
    corrector: Path,
    data: Path,
    label: str | None,
    time: str | None,
    alert_unit: str | None,
    model: Path | None,
    out: Path,
) -> None:
    """Certify the rules again, on rows that nothing was learnt from.

    With --label the damage; labels may be missing where `tabular review-list` asks for
    none.  With --time the alert budget, on whole days.  What is not certified keeps its
    certificate.  Exit code 1: the file is there, but something could not be certified.
    """
    with plainly(replaces="corrector"), ShownProgress() as progress:
        file = TransactionFile.open(data)
        file.check([label, time, alert_unit])
        desk = desk_from(corrector, model)
        _check_asked(desk, corrector.name, label, time, alert_unit)
        file.check(desk.columns)
        book = desk.corrector.rules_
        lines: Lines = []
        if label is not None:
            lines += _damage(desk, file, label, progress)
        if time is not None:
            lines += _alerts(desk, file, time, alert_unit, progress)
        kept = book.background is not None
        # a model that the file held stays in it
        save(desk.corrector, out, with_estimator=model is None, with_background=kept)
    lines += _certified(desk, len(book.entries))
    for name, text in dict.fromkeys(lines):  # the same rows are left out twice
        click.echo(f"{name:<16} {text}")
    click.echo(str(out))
    new = desk.corrector.rules_.entries[len(book.entries) :]
    sure = [any(c.certified for c in entry.certificates.values()) for entry in new]
    if not (sure and all(sure) and desk.corrector.rules_.certified):
        ctx.exit(NOT_ALL)


def _check_asked(
    desk: Desk, name: str, label: str | None, time: str | None, unit: str | None
) -> None:
    """Refuse columns for which there is no budget, and none at all."""
    damage, alerts = desk.corrector.max_damage, desk.corrector.alert_budget
    if label is not None and damage is None:
        raise ValueError(
            f"{name!r} has an alert budget alone, {alerts}: labels certify a damage; "
            "leave --label out, and name the --time of whole days"
        )
    if time is not None and alerts is None:
        raise ValueError(
            f"{name!r} has no alert budget, for which --time would be: leave it out"
        )
    if label is None and time is None:
        wanted = [] if damage is None else ["--label for the damage"]
        wanted += [] if alerts is None else [f"--time for the alert budget {alerts}"]
        raise ValueError(f"name a column: {', or '.join(wanted)}")
    if unit is not None and (time is None or not isinstance(alerts, str)):
        raise ValueError(
            f"--alert-unit {unit} counts alerts a day: it goes with --time, and a "
            f"budget such as 25/day; that of {name!r} is {alerts}"
        )


def _damage(desk: Desk, file: TransactionFile, label: str, progress: Progress) -> Lines:
    """Certify the damage; of a file without gaps not all rows are in memory."""
    if any(c.unit == "groups" for c in desk.corrector.report_.certificates):
        warnings.warn(
            "the certificate in force counts customers, say (--groups), and the new "
            "one takes every row as a case of its own: pass one row of each, drawn at "
            "random",
            UserWarning,
            stacklevel=2,
        )
    found = LabelledRows(desk, file, label)
    if desk.corrector.per is not None or _is_whole(file, label):
        desk.corrector.certify_blocks(_whole_blocks(found, progress))
    else:
        parts = list(found.blocks(progress))
        rows = pd.concat([rows for rows, _ in parts], ignore_index=True)
        known = np.concatenate([known for _, known in parts])
        try:
            desk.corrector.certify(rows, known)
        except ValueError as error:
            todo = desk.corrector.label_next(rows, known)
            if not todo.rows.size:
                raise
            raise ValueError(
                f"{label!r} lacks outcomes: {todo.reason}; `rarecorrect tabular "
                f"review-list --label {label}` says which rows to label next"
            ) from error
    told = f"{found.n_rows:,} rows of {file.path.name}, {found.n_known:,} with a label"
    return [("damage", told), *_left_out(found.reasons)]


def _is_whole(file: TransactionFile, label: str) -> bool:
    blocks = file.blocks([label], texts=[label])
    return not any(np.isnan(binary_labels(rows[label])).any() for _, rows in blocks)


def _whole_blocks(found: LabelledRows, progress: Progress) -> Iterator[Block]:
    """Rows whose answers have a budget, which all must have a label."""
    desk = found.desk
    budgets, n_kept, n_gaps = desk.budgeted, 0, 0
    for rows, known in found.blocks(progress):
        if budgets != {0, 1}:  # other answers are never changed
            kept = np.isin(desk.model.answers(rows), [*budgets])
            rows, known = rows[kept], known[kept]
        n_kept, n_gaps = n_kept + len(rows), n_gaps + int(np.isnan(known).sum())
        if n_gaps == 0:
            yield Block(rows, known.astype(np.int64))
    which = "" if len(budgets) > 1 else f" that the model {_ANSWERS[min(budgets)]}"
    if n_gaps:
        raise ValueError(
            f"{n_gaps:,} of {n_kept:,} rows{which} have no {found.label!r}, and a "
            "corrector with a budget for each direction (--both, --clear-only) is not "
            "certified from the top: label all of them, or pass whole days whose "
            "labels are complete, or rows drawn at random"
        )
    if n_kept == 0:
        raise ValueError(f"{found.file.path.name!r} has no row{which} to certify on")


@dataclass(slots=True)
class _Traffic:
    """Rows that have a day and can be scored, and why others have not."""

    desk: Desk
    file: TransactionFile
    time: str
    reasons: Counter[str] = field(default_factory=Counter)
    days: set[int] = field(default_factory=set)

    def chosen(
        self, start: int, block: pd.DataFrame
    ) -> tuple[npt.NDArray[np.intp], Days]:
        """Places of these rows in a block, and their days."""
        days = whole_days(block[self.time])
        readable, flaws = self.desk.readable(block[self.desk.columns])
        flaws[(flaws == "") & (days == NO_DAY)] = f"{self.time} is missing"
        self.reasons.update(flaws[flaws != ""].tolist())
        rows = np.flatnonzero(flaws == "")
        self.days |= set(days[rows].tolist())
        both = self.desk.corrector.per is not None and len(self.desk.budgeted) > 1
        if both and rows.size:
            # what is cleared takes no alert of the budget
            rows = rows[self.desk.model.answers(readable.iloc[rows]) == 0]
        return rows, days[rows]

    def blocks(self) -> Iterator[tuple[pd.DataFrame]]:
        """These rows, for a share of traffic."""
        n, columns = 0, self.desk.columns
        for start, block in self.file.blocks([*columns, self.time]):
            rows, _ = self.chosen(start, block)
            n += rows.size
            yield (self.desk.readable(block.iloc[rows][columns])[0],)
        if n == 0:
            raise ValueError(
                f"no row of {self.file.path.name!r} decides about the alert budget"
            )


def _alerts(
    desk: Desk, file: TransactionFile, time: str, unit: str | None, progress: Progress
) -> Lines:
    """Certify the alert budget on the rows that have a day."""
    fix, found = desk.corrector, _Traffic(desk, file, time)
    if isinstance(fix.alert_budget, str):
        cap = int(fix.alert_budget.partition("/")[0])
        traffic, days = daily_traffic(
            desk, file, cap, found.chosen, unit=unit, aside=[time], progress=progress
        )
        fix.certify(traffic, time=days)
    else:
        progress.start("scoring traffic for the alert budget")
        fix.certify_blocks(found.blocks())
    told = f"{len(found.days):,} whole days of {file.path.name}"
    if unit is not None:
        told += f"; {counted_as(unit)}"
    return [("alert budget", told), *_left_out(found.reasons)]


def _left_out(reasons: Counter[str]) -> Lines:
    return [("left out", f"{why} ({n:,} rows)") for why, n in reasons.most_common()]


def _certified(desk: Desk, n_before: int) -> Lines:
    """Certificates in force, and what the new ones cost the ledger."""
    book, delta = desk.corrector.rules_, 1 - desk.corrector.confidence_level
    lines = [
        ("certificate", f"{_OF.get(stratum, '')}{found}")
        for entry in book.entries_in_force
        for stratum, found in entry.certificates.items()
    ]
    for i, entry in enumerate(book.entries[n_before:], n_before + 1):
        spent = sum(
            one.delta
            for one in book.entries[:i]
            if (one.kind, one.fingerprint) == (entry.kind, entry.fingerprint)
        )
        left = max(0.0, delta - spent)
        told = (
            f"{entry.kind}: {100 * entry.delta:.3g} % of the {100 * delta:.3g} % of "
            "error probability that these rows have in all"
        )
        if spent > entry.delta:
            told += f", {100 * (spent - entry.delta):.3g} % went before"
        lines.append(("ledger", f"{told}; {100 * left:.3g} % is left"))
    return lines
