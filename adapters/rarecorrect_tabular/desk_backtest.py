"""What would have happened: fit on the past of a file, judged on the days after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.metrics import clopper_pearson
from rarecorrect.progress import Progress
from rarecorrect_tabular.alert_units import units
from rarecorrect_tabular.desk_fit import DeskFit, fit_survey
from rarecorrect_tabular.desk_metrics import (
    average_precision,
    day_interval,
    precision_at,
    recall_at,
)
from rarecorrect_tabular.desk_model import Desk, DeskModel
from rarecorrect_tabular.desk_plan import DIRECTIONS, DeskPlan
from rarecorrect_tabular.desk_score import decided
from rarecorrect_tabular.desk_survey import DeskColumns, Survey, survey
from rarecorrect_tabular.transactions import (
    TransactionFile,
    amounts,
    whole_days,
)

Array = npt.NDArray[Any]

MISSED, CLEARED = "missed frauds", "false alarms"
_UNIT = "unit"
_AMOUNT, _LOST, _SAVED = "amount", "amount of errors", "amount repaired"
_KINDS = {(0, 1): MISSED, (1, 0): CLEARED}


@dataclass(frozen=True, slots=True)
class Backtest:
    """A fit on the past, and what happened next.

    Attributes
    ----------
    fit : DeskFit
    plan : DeskPlan
    days : dict of str to DataFrame
        By direction, counts of each day, indexed by day: ``rows``, ``right``,
        ``damaged``, ``errors``, ``repaired``, ``changed``, ``alerts`` (as the budget
        counts them: of each customer one, say); where amounts are known,
        ``amount of errors`` and ``amount repaired``.
    dates : bool
        Whether days are counted from 1970.
    at_cap : dict of str to float
        Precision, recall and average precision of the ranking of new alerts.
    """

    fit: DeskFit
    plan: DeskPlan
    days: dict[str, pd.DataFrame]
    dates: bool
    at_cap: dict[str, float]

    def table(self, every: int = 7) -> pd.DataFrame:
        """Promised and realised, window by window.

        Parameters
        ----------
        every : int, default=7
            Days of a window.

        Returns
        -------
        DataFrame
            Intervals of shares are Clopper-Pearson at 95 %, with rows taken for
            independent; ``over`` where the lower end lies above the promise.
        """
        return pd.DataFrame(
            [
                self._window(kind, part, first)
                for kind, counts in self.days.items()
                for first, part in _windows(counts, every)
            ]
        )

    def lines(self, every: int = 7) -> list[str]:
        """What it comes to.

        Parameters
        ----------
        every : int, default=7

        Returns
        -------
        list of str
        """
        table, told = self.table(every), []
        for kind, counts in self.days.items():
            part = table[table["direction"] == kind]
            promised = part["promised damage"].iloc[0]
            damaged, right = int(counts["damaged"].sum()), int(counts["right"].sum())
            if np.isnan(promised):
                told.append(f"{kind}: {self._not_promised()}")
            else:
                told.append(
                    f"{kind}: promised damage {100 * promised:g} %, realised "
                    f"{_percent(damaged, right)}; "
                    f"over in {int(part['over'].sum())} of {len(part)} windows"
                )
            n, found = int(counts["errors"].sum()), int(counts["repaired"].sum())
            interval = day_interval(counts["repaired"], counts["errors"])
            told.append(
                f"{kind}: {found:,} of {n:,} repaired"
                + (
                    f" ({found / n:.0%}; whole days drawn: "
                    f"{interval[0]:.0%} to {interval[1]:.0%})"
                    if n
                    else ""
                )
            )
            if _LOST in counts:
                told.append(f"{kind}: {_money(counts)}")
            if kind == CLEARED:
                alerts, gone = right + n, int(counts["changed"].sum())
                told.append(f"{kind}: {_fewer(gone, alerts)}")
            if (cap := self._cap(kind)) is not None:
                above = int((counts["alerts"] > cap).sum())
                what = "changes" if self.fit.columns.alert_unit is None else "alerts"
                told.append(
                    f"{kind}: more than {cap:,} {what} on {above} of "
                    f"{len(counts)} days, {self._alerts_promised()}"
                )
        for name, value in self.at_cap.items():
            told.append(f"{name}: {value:.3f}")
        return told

    def _window(self, kind: str, part: pd.DataFrame, first: int) -> dict[str, Any]:
        right, damaged = int(part["right"].sum()), int(part["damaged"].sum())
        errors, repaired = int(part["errors"].sum()), int(part["repaired"].sum())
        low, high = _interval(damaged, right)
        promised = self._promised(kind)
        caught_low, caught_high = _interval(repaired, errors)
        cap = self._cap(kind)
        day = np.datetime64(int(first), "D") if self.dates else int(first)
        return {
            "direction": kind,
            "from": str(day),
            "days": len(part),
            "rows": int(part["rows"].sum()),
            "right": right,
            "damaged": damaged,
            "promised damage": promised,
            "realised damage": damaged / right if right else np.nan,
            "low": low,
            "high": high,
            "over": bool(low > promised),
            "errors": errors,
            "repaired": repaired,
            "recall": repaired / errors if errors else np.nan,
            "recall low": caught_low,
            "recall high": caught_high,
            "changes a day": float(part["changed"].mean()),
            "most changes": int(part["changed"].max()),
            "days above cap": 0 if cap is None else int((part["alerts"] > cap).sum()),
        }

    def _promised(self, kind: str) -> float:
        """The share that the certificate in force bounds; NaN without one."""
        book = self.fit.corrector.rules_
        entry = book.entry("damage") if book.certified else None
        if entry is None or "damage" not in book.budgets:
            return np.nan
        found = entry.certificates
        legacy = 0 if kind == MISSED else 1
        certificate = found.get(legacy, found.get(None))
        if certificate is None or not certificate.certified:
            return np.nan
        return float(certificate.max_damage)

    def _cap(self, kind: str) -> int | None:
        """Changes a day that were budgeted: where both are made, new alerts alone."""
        return (
            None if self.plan.direction == "both" and kind == CLEARED else self.plan.cap
        )

    def _alerts_promised(self) -> str:
        book = self.fit.corrector.rules_
        if not (book.certified and "alerts" in book.budgets):
            return "and nothing was promised"
        return "promised on 10 % of days at most"

    def _not_promised(self) -> str:
        missing = self.fit.corrector.report_.shortcoming()
        return f"not certified: {missing}" if missing else "no damage was promised"


def backtest_file(
    file: TransactionFile,
    columns: DeskColumns,
    model: DeskModel,
    plan: DeskPlan,
    *,
    test_days: int = 28,
    label_delay: int = 7,
    cases: TransactionFile | None = None,
    amount: str | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Fit as one could have done before the last days, and judge on these.

    Parameters
    ----------
    file, columns, model, plan, cases, progress
        As in :func:`~rarecorrect_tabular.desk_fit.fit_file`.
    test_days : int, default=28
        Last days with complete labels, that nothing is learnt from.
    label_delay : int, default=7
        Days that a label takes: on the day of the fit, later ones were not known; nor
        was a label whose ``label_time`` lies after that day.
    amount : str, optional
        Column, for the share of money repaired; by default ``plan.value``.  An amount
        that is missing or below 0 counts nothing.

    Returns
    -------
    Backtest

    Raises
    ------
    ValueError
        If there is nothing to fit on before the test days, a case lies in them, or
        only one of them has rows.
    """
    progress = progress or Progress()
    columns.features_in(file)
    amount = amount or plan.value
    file.check([amount])
    whole = survey(file, columns, model, progress)
    complete = whole.complete_days()
    if complete.size == 0:
        raise ValueError("no day has complete labels: there is nothing to judge by")
    end = int(complete[-1])
    cut = end - test_days
    if cut < whole.days[0]:
        raise ValueError(
            f"labels are complete on {whole.text(whole.days[0])} to {whole.text(end)}: "
            f"no day is left before {test_days} test days; ask for fewer"
        )
    if cases is not None:
        _refuse_later(cases, columns, whole, cut)
    later = whole.usable & (whole.day > cut) & (whole.day <= end)
    if (n_days := np.unique(whole.day[later]).size) < min(2, test_days):
        raise ValueError(
            f"of {test_days} test days up to {whole.text(end)} only {n_days} has rows: "
            "leave out rows whose time is wrong, or ask for other days"
        )
    known = whole.as_of(cut, label_delay)
    fit = fit_survey(file, columns, model, plan, known, cases=cases, progress=progress)
    rows = _judged(
        Desk(fit.corrector), file, whole, later, (amount, columns.alert_unit), progress
    )
    days = {
        _KINDS[pair]: _counts(rows, pair, pooled=plan.direction == "raise")
        for pair in DIRECTIONS[plan.direction]
    }
    return Backtest(fit, plan, days, whole.dates, _at_cap(rows, plan))


def _refuse_later(
    cases: TransactionFile, columns: DeskColumns, whole: Survey, cut: int
) -> None:
    """Refuse cases that happened, or were confirmed, after the day of the fit."""
    for name, what in ((columns.time, "of"), (columns.label_time, "confirmed on")):
        if name is None or name not in cases.columns:
            continue
        last = int(whole_days(cases.rows([name])[name]).max())
        if last > cut:
            raise ValueError(
                f"{cases.path.name} holds a case {what} {whole.text(last)}, and the "
                f"test days begin on {whole.text(cut + 1)}: leave later cases out"
            )


def _judged(
    desk: Desk,
    file: TransactionFile,
    whole: Survey,
    later: npt.NDArray[np.bool_],
    beside: tuple[str | None, str | None],
    progress: Progress,
) -> pd.DataFrame:
    """Decisions on the test days whose outcome is known, a few bytes a row."""
    progress.task("judging", file.n_blocks or 0)
    found, nothing = [], np.zeros(0, dtype=bool)
    amount, unit = beside
    read = [*desk.columns, *(name for name in beside if name is not None)]
    for start, block in file.blocks(read, texts=[unit]):
        places = np.flatnonzero(later[start : start + len(block)])
        if places.size:
            part = block.iloc[places].reset_index(drop=True)
            rows = decided(desk, part, nothing)
            rows = rows[["legacy", "proposed", "changed", "score"]]
            rows[_UNIT] = units(part, unit, start + places)
            if amount is not None:
                rows[_AMOUNT] = amounts(part[amount])
            found.append(
                rows.assign(
                    day=whole.day[start + places], label=whole.label[start + places]
                )
            )
        progress.step(f"{start + len(block):,} rows")
    return pd.concat(found, ignore_index=True)


def _counts(rows: pd.DataFrame, pair: tuple[int, int], *, pooled: bool) -> pd.DataFrame:
    legacy, label = pair
    before, after = rows["legacy"], rows["proposed"]
    mine = pd.Series(True, rows.index) if pooled else before == legacy
    right = mine & (before == rows["label"])
    error = (before == legacy) & (rows["label"] == label)
    marks = pd.DataFrame(
        {
            "rows": 1,
            "right": right,
            "damaged": right & (after != before),
            "errors": error,
            "repaired": error & (after == label),
            "changed": rows["changed"] & (before == legacy),
        }
    )
    first = ~rows[marks["changed"]].duplicated(["day", _UNIT])
    marks["alerts"] = first.reindex(rows.index, fill_value=False)
    if _AMOUNT in rows:
        marks[_LOST] = rows[_AMOUNT].where(error, 0.0)
        marks[_SAVED] = rows[_AMOUNT].where(marks["repaired"], 0.0)
    summed = marks.groupby(rows["day"].to_numpy()).sum()
    return summed.astype(dict.fromkeys(summed.columns.difference([_LOST, _SAVED]), int))


def _at_cap(rows: pd.DataFrame, plan: DeskPlan) -> dict[str, float]:
    """How well new alerts are ranked, whatever the threshold."""
    passed = rows[(rows["legacy"] == 0) & rows["label"].notna()]
    if plan.cap is None or plan.direction == "clear" or passed.empty:
        return {}
    fraud = passed["label"].to_numpy() == 1
    score = passed["score"].fillna(-np.inf).to_numpy()
    day = passed["day"].to_numpy()
    where = f"at {plan.cap:,} new alerts a day"
    return {
        f"precision {where}": precision_at(score, fraud, day, plan.cap),
        f"recall of missed frauds {where}": recall_at(score, fraud, day, plan.cap),
        "average precision on passed rows": average_precision(score, fraud),
    }


def _windows(counts: pd.DataFrame, every: int) -> list[tuple[int, pd.DataFrame]]:
    first = int(counts.index[0])
    codes = (counts.index.to_numpy() - first) // every
    return [
        (first + int(code) * every, counts[codes == code]) for code in np.unique(codes)
    ]


def _interval(k: int, n: int) -> tuple[float, float]:
    return clopper_pearson(k, n) if n else (np.nan, np.nan)


def _money(counts: pd.DataFrame) -> str:
    lost, saved = counts[_LOST], counts[_SAVED]
    if not lost.sum():
        return "nothing was at stake"
    low, high = day_interval(saved, lost)
    return (
        f"{saved.sum():,.0f} of {lost.sum():,.0f} in amounts repaired "
        f"({saved.sum() / lost.sum():.0%}; whole days drawn: {low:.0%} to {high:.0%})"
    )


def _fewer(gone: int, alerts: int) -> str:
    if alerts == 0:
        return "no alert to clear"
    return f"{gone:,} of {alerts:,} alerts cleared ({100 * gone / alerts:.1f} % fewer)"


def _percent(k: int, n: int) -> str:
    if n == 0:
        return "nothing: no right decision"
    low, high = clopper_pearson(k, n)
    return f"{100 * k / n:.3f} % ({100 * low:.3f} to {100 * high:.3f} %)"
