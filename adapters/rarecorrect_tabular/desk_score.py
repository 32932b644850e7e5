"""Score a transaction file of any size: what is changed, by which rule, and what not.

A row that cannot be scored keeps the legacy answer, with the reason beside it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import Progress
from rarecorrect.whole_file import write_whole
from rarecorrect_tabular.alert_units import counted_as, units, within_cap
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.transactions import (
    NO_DAY,
    TableWriter,
    TransactionFile,
    amounts,
    check_ending,
    repeated_ids,
    whole_days,
)

Array = npt.NDArray[Any]

OVER_CAP = "over the daily cap"
_OURS = ("legacy", "rule", "score", "tail_rank", "reason")


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What to write, and how many alerts a day at most.

    Attributes
    ----------
    id, time : str or None
        Columns; they are written too.
    shadow : bool
        Only say what would be changed.
    all_rows : bool
        Write all rows, not only changed ones.
    daily_cap : int or None
        Of each day's new alerts, the highest stay; the others keep the legacy answer.
        Needs `time`.
    alert_unit : str or None
        Column of the customer, say: several alerts of one on one day count as one, and
        stay together; a row without one is a customer of its own.
    value : str or None
        Column with the amount at stake.  The order under the cap is then ``score +
        log(value)``; not for correctors that have it in the score already.
    jobs : int
        Blocks that are scored at once, each on a core and in memory of its own.
    """

    id: str | None = None
    time: str | None = None
    shadow: bool = False
    all_rows: bool = False
    daily_cap: int | None = None
    alert_unit: str | None = None
    value: str | None = None
    jobs: int = 2

    def __post_init__(self) -> None:
        if self.daily_cap is not None and self.time is None:
            raise ValueError(f"a daily cap of {self.daily_cap} needs the time of rows")
        if self.daily_cap is not None and self.daily_cap < 0:
            raise ValueError(f"the daily cap must be 0 or more, got {self.daily_cap}")
        if self.value is not None and self.daily_cap is None:
            raise ValueError("a value orders the rows under a daily cap: set one")
        ours = {*_OURS, "changed", "would_change", "corrected"}
        if taken := sorted(ours.intersection(self.kept)):
            raise ValueError(
                f"column {taken[0]!r} has the name of a column that is written: "
                "rename it"
            )

    @property
    def kept(self) -> list[str]:
        """Columns that are written as they are in the file."""
        named = (self.id, self.time, self.alert_unit, self.value)
        return list(dict.fromkeys(name for name in named if name is not None))


@dataclass(slots=True)
class Tally:
    """What was done, in counts.

    Attributes
    ----------
    rows, raised, cleared : int
        All rows; rows changed to fraud, and from fraud.
    reasons : Counter of str
        Why rows keep the legacy answer whatever their score.
    over_cap : int
        New alerts that a daily cap took back.
    """

    rows: int = 0
    raised: int = 0
    cleared: int = 0
    over_cap: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def not_scored(self) -> int:
        """Rows that no rule could look at."""
        return sum(self.reasons.values())

    def add(self, rows: pd.DataFrame) -> None:
        """Count rows.

        Parameters
        ----------
        rows : DataFrame
            From :func:`scored_blocks`.
        """
        changed, corrected = rows["changed"].to_numpy(), rows["proposed"].to_numpy()
        reason = rows["reason"].to_numpy()
        self.rows += len(rows)
        self.raised += int((changed & (corrected == 1)).sum())
        self.cleared += int((changed & (corrected == 0)).sum())
        self.over_cap += int((reason == OVER_CAP).sum())
        noted = reason[(reason != "") & (reason != OVER_CAP)]
        self.reasons.update(noted.tolist())

    def lines(self, plan: ScorePlan) -> list[str]:
        """What to tell.

        Parameters
        ----------
        plan : ScorePlan

        Returns
        -------
        list of str
        """
        would = "would be " if plan.shadow else ""
        told = [
            f"{self.rows:,} rows: {self.raised:,} {would}raised to fraud, "
            f"{self.cleared:,} {would}cleared"
        ]
        if plan.daily_cap is not None:
            cap = f"{plan.daily_cap:,} a day"
            if plan.alert_unit is not None:
                cap += f" ({counted_as(plan.alert_unit)})"
            told.append(
                f"{self.over_cap:,} new alerts beyond {cap} keep the legacy answer"
            )
        for reason, n in self.reasons.most_common():
            told.append(f"not scored, legacy answer kept: {reason} ({n:,} rows)")
        return told


def score_file(
    desk: Desk,
    file: TransactionFile,
    out: Path,
    plan: ScorePlan,
    progress: Progress | None = None,
) -> Tally:
    """Write what is changed, whole or not at all.

    Parameters
    ----------
    desk : Desk
    file : TransactionFile
    out : Path
        Ending in .parquet or .csv.
    plan : ScorePlan
    progress : Progress, optional

    Returns
    -------
    Tally

    Raises
    ------
    ValueError
        For a column that is not there or of another kind, before anything is written.
    """
    progress, tally = progress or Progress(), Tally()
    check_ending(out)
    if plan.alert_unit is not None and plan.daily_cap is None:
        raise ValueError(
            f"alerts are counted by {plan.alert_unit!r} only under a daily cap: set one"
        )
    weighed = desk.corrector.value
    if plan.value is not None and weighed is not None:
        raise ValueError(
            f"this corrector has log({weighed}) in every score already: leave --value "
            "out"
        )
    file.check([*desk.columns, *plan.kept])
    progress.start(f"reading {file.path.name}")
    again = repeated_ids(file, plan.id)
    dropped = over_cap(desk, file, plan, again, progress)

    def write(part: Path) -> None:
        writer = TableWriter(part)
        progress.task("scoring", file.n_blocks or 0)
        for start, rows in scored_blocks(desk, file, plan, again):
            _drop(rows, dropped, start)
            tally.add(rows)
            if not plan.all_rows:
                rows = rows[rows["changed"].to_numpy()]
            writer.write(_shown(rows, plan))
            progress.step(f"{tally.rows:,} rows")
        if not tally.rows:
            raise ValueError(f"{file.path.name!r} has no rows")
        writer.close()

    write_whole(out, write)
    return tally


def scored_blocks(
    desk: Desk,
    file: TransactionFile,
    plan: ScorePlan,
    again: npt.NDArray[np.bool_],
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield what is done with every row, block by block.

    Parameters
    ----------
    desk : Desk
    file : TransactionFile
    plan : ScorePlan
    again : ndarray of bool
        Rows whose id was seen before, of all rows, or of length 0.

    Yields
    ------
    start : int
    rows : DataFrame
        ``legacy``, ``proposed``, ``changed``, ``rule``, ``score``, ``tail_rank``,
        ``reason``, and the columns that `plan` names.
    """
    kept, texts = plan.kept, [plan.id, plan.alert_unit]
    jobs: deque[tuple[int, Future[pd.DataFrame]]] = deque()

    def scored(block: pd.DataFrame, known: npt.NDArray[np.bool_]) -> pd.DataFrame:
        found = decided(desk, block, known, every=plan.all_rows)
        return found.assign(**{_beside(name): block[name] for name in kept})

    with ThreadPoolExecutor(plan.jobs) as pool:
        for start, block in file.blocks([*desk.columns, *kept], texts=texts):
            known = again[start : start + len(block)]
            jobs.append((start, pool.submit(scored, block, known)))
            if len(jobs) > plan.jobs:
                first, found = jobs.popleft()
                yield first, found.result()
        for first, found in jobs:
            yield first, found.result()


def decided(
    desk: Desk,
    block: pd.DataFrame,
    again: npt.NDArray[np.bool_],
    *,
    every: bool = True,
) -> pd.DataFrame:
    """What is done with every row.

    Parameters
    ----------
    desk : Desk
    block : DataFrame
        With ``desk.columns``.
    again : ndarray of bool
        Rows whose id was seen before; or of length 0.
    every : bool, default=True
        Whether rows that keep the legacy answer get a score, too.

    Returns
    -------
    DataFrame
        As in :func:`scored_blocks`.
    """
    rows, reason = desk.readable(block[desk.columns])
    if again.size:
        reason[(reason == "") & again] = "id seen before"
    good = np.flatnonzero(reason == "")
    if good.size == 0:  # when a vendor's score fails, say, for hours
        return _untouched(desk.model.answers(rows), reason)
    whole = good.size == len(rows)
    scorable, at = rows if whole else rows.iloc[good], good
    if every:
        found = desk.corrector.trace(scorable)
        known = found["before"].to_numpy()
    else:
        known, fired, found = desk.changes(scorable)
        at = good[fired]
    legacy = np.asarray(known if whole else desk.model.answers(rows), dtype=np.int64)
    table: dict[str, Any] = {"legacy": legacy, "proposed": legacy.copy()}
    table["proposed"][at] = found["after"].to_numpy()
    acted = found["changed"].to_numpy() | found["flagged"].to_numpy()
    rule = np.where(acted, found["rule"].to_numpy(), "").astype(object)
    table["changed"] = _filled(at, found["changed"].to_numpy(), len(rows), False)
    table["rule"] = _filled(at, rule, len(rows), "")
    for name in ("score", "tail_rank"):
        table[name] = _filled(at, found[name].to_numpy(), len(rows), np.nan)
    return pd.DataFrame(table | {"reason": reason})


def over_cap(
    desk: Desk,
    file: TransactionFile,
    plan: ScorePlan,
    again: npt.NDArray[np.bool_],
    progress: Progress,
) -> npt.NDArray[np.intp]:
    """Places of the new alerts beyond the cap of their day.

    Only the end of a day tells which were its highest, so the file is scored twice.

    Parameters
    ----------
    desk, file, plan, again, progress
        As in :func:`score_file`.

    Returns
    -------
    ndarray of int
        Rising; of length 0 without a cap.
    """
    if plan.daily_cap is None or plan.time is None:
        return np.empty(0, dtype=np.intp)
    progress.task("ranking days", file.n_blocks or 0)
    parts = []
    # of other rows no score is needed
    for start, rows in scored_blocks(desk, file, replace(plan, all_rows=False), again):
        alerts = rows[rows["changed"] & (rows["proposed"] == 1)]
        times = alerts[_beside(plan.time)]
        order = alerts["score"].to_numpy()
        if plan.value is not None:
            order = order + _log_amount(alerts[_beside(plan.value)])
        places = start + alerts.index.to_numpy()
        unit = None if plan.alert_unit is None else _beside(plan.alert_unit)
        found = {
            "place": places,
            "day": whole_days(times) if len(times) else np.empty(0, np.int64),
            "unit": units(alerts, unit, places),
            "order": order,
        }
        parts.append(pd.DataFrame(found))
        progress.step(f"{start + len(rows):,} rows")
    if not parts:
        raise ValueError(f"{file.path.name!r} has no rows")
    alerts = pd.concat(parts, ignore_index=True)
    # nobody knows which day's cap a row without a time would count against
    stays = within_cap(alerts, plan.daily_cap) & (alerts["day"] != NO_DAY)
    return alerts.loc[~stays, "place"].to_numpy(dtype=np.intp)


def _untouched(legacy: npt.NDArray[np.int64], reason: Array) -> pd.DataFrame:
    table = pd.DataFrame({"legacy": legacy, "proposed": legacy})
    return table.assign(
        changed=False, rule="", score=np.nan, tail_rank=np.nan, reason=reason
    )


def _drop(rows: pd.DataFrame, dropped: npt.NDArray[np.intp], start: int) -> None:
    """Give rows beyond the cap their legacy answer back."""
    first, last = np.searchsorted(dropped, [start, start + len(rows)])
    places = dropped[first:last] - start
    rows.loc[places, "changed"] = False
    rows.loc[places, "reason"] = OVER_CAP
    rows.loc[places, "proposed"] = rows.loc[places, "legacy"]


def _shown(rows: pd.DataFrame, plan: ScorePlan) -> pd.DataFrame:
    """Columns as they are written; in shadow, decisions are those of the model."""
    table = {name: rows[_beside(name)] for name in plan.kept}
    table["legacy"] = rows["legacy"]
    table["corrected"] = rows["legacy" if plan.shadow else "proposed"]
    changed = rows["changed"]
    if plan.shadow:
        table["changed"] = pd.Series(False, index=rows.index)
        table["would_change"] = changed
    else:
        table["changed"] = changed
    for name in ("rule", "score", "tail_rank", "reason"):
        table[name] = rows[name]
    for name in ("rule", "reason"):  # a block without one is of no other type
        table[name] = table[name].astype("string")
    return pd.DataFrame(table)


def _beside(name: str) -> str:
    """A name that no column of ours has."""
    return f"data: {name}"


def _filled(places: npt.NDArray[np.intp], values: Array, n: int, rest: Any) -> Array:
    if places.size == n:
        return values
    found = np.full(n, rest, dtype=values.dtype)
    found[places] = values
    return found


def _log_amount(value: pd.Series[Any]) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(amounts(value)))
