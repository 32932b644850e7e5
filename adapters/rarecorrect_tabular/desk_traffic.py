"""Rows of whole days that decide about a number of alerts a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import Progress
from rarecorrect_tabular.alert_units import highest_of_units, units
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.transactions import Days, TransactionFile

_MOST_TRAFFIC = 1_000_000
_DAY, _SCORE, _UNIT = "day of this row", "score of this row", "whose row this is"


def daily_traffic(
    desk: Desk,
    file: TransactionFile,
    cap: int,
    chosen: Callable[[int, pd.DataFrame], tuple[npt.NDArray[np.intp], Days]],
    *,
    unit: str | None = None,
    aside: Iterable[str] = (),
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, Days]:
    """Rows that decide about a number of alerts a day, and their days.

    Of a day only the ``cap + 1`` highest scores count, so no more are kept where there
    are very many; tail ranks then count among these.

    Parameters
    ----------
    desk : Desk
    file : TransactionFile
    cap : int
        Alerts a day.
    chosen : callable
        From the place of a block in the file and the block to the places in it of rows
        that count, and their days.
    unit : str, optional
        Column of the customer, say: several alerts of one on one day count as one.
    aside : iterable of str
        Columns that `chosen` reads beside those of the corrector.
    progress : Progress, optional

    Returns
    -------
    rows : DataFrame
        That can be scored, with the columns of the corrector.
    days : ndarray of int

    Raises
    ------
    ValueError
        If there is no such row.
    """
    progress, kept = progress or Progress(), pd.DataFrame()
    progress.start("scoring traffic for the alert budget")
    read = [*desk.columns, *aside, *([] if unit is None else [unit])]
    for start, block in file.blocks(read, texts=[unit]):
        rows, days = chosen(start, block)
        if rows.size == 0:
            continue
        part, flaws = desk.readable(block.iloc[rows].reset_index(drop=True))
        whose = units(part, unit, start + rows)
        part = part.assign(**{_DAY: days, _UNIT: whose})
        part[_SCORE] = -np.inf
        good = np.flatnonzero(flaws == "")
        if good.size == 0:
            continue
        scores = desk.corrector.trace(part.iloc[good][desk.columns])["score"]
        part.loc[good, _SCORE] = scores.to_numpy()
        part = part.iloc[good]
        kept = pd.concat([kept, part]) if len(kept) else part
        if unit is not None:
            kept = highest_of_units(kept, [_DAY, _UNIT], _SCORE)
        if len(kept) > _MOST_TRAFFIC:
            kept = _top_of_days(kept, cap + 1)
    if kept.empty:
        raise ValueError(f"no row of {file.path.name!r} decides about the alert budget")
    return kept[desk.columns].reset_index(drop=True), kept[_DAY].to_numpy()


def _top_of_days(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    ordered = rows.sort_values(_SCORE, ascending=False, kind="stable")
    return ordered.groupby(_DAY, sort=False).head(most)
