"""Scores of rows that certify, out of any number of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.alert_budget import whole_days
from rarecorrect.calibration import Terms
from rarecorrect.certify import ScoreTails
from rarecorrect.features import Reading
from rarecorrect.hash_sample import HashSample, row_hashes
from rarecorrect.ledger import LedgerEntry
from rarecorrect.roles import Side
from rarecorrect.row_mark import RowMark
from rarecorrect.rulebook import RuleBook
from rarecorrect.streaming import room
from rarecorrect.streaming.room import calibration_sample
from rarecorrect.training_rows import row_keys

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


class BlockScores:
    """Scores of the rows that certify, out of any number of them.

    Parameters
    ----------
    terms : Terms
    labelled : bool
        Whether these are right decisions, for the damage; otherwise traffic.
    stratified : bool, default=False
        Whether classes or segments are certified one by one.

    Raises
    ------
    ValueError
        If such rows can certify nothing that is asked for.

    Examples
    --------
    >>> terms = Terms.checked(max_damage=0.01)
    >>> seen = BlockScores(terms, labelled=True)
    >>> seen.add(0, np.arange(999.0), np.arange(999.0)[:, None], None, None)
    >>> (entry,) = seen.entries(RuleBook())
    >>> print(entry.certificates[None])
    changes at most 1 % of right decisions (96 % confidence, 999 rows, 4 above)
    """

    def __init__(
        self, terms: Terms, *, labelled: bool, stratified: bool = False
    ) -> None:
        terms.check_rows(labelled=labelled)
        self.terms, self.labelled = terms, labelled
        self.keys = HashSample(room.MOST_BACKGROUND)
        self.n = 0
        self._mark = RowMark()
        self._sample = calibration_sample(terms, stratified=stratified)
        self._tails: ScoreTails | None = None

    def add(
        self,
        start: int,
        scores: FloatArray,
        Z: Array,
        strata: Array | None,
        time: Array | None,
    ) -> None:
        """Take in rows of a chunk.

        Parameters
        ----------
        start : int
            Number of the first row of the chunk; every row of it has a hash.
        scores : ndarray of shape (n_rows,)
        Z : ndarray of shape (n_rows, n_features)
        strata : ndarray of shape (n_rows,) or None
        time : ndarray of shape (n_rows,) or None
            For a number of alerts a day.

        Raises
        ------
        ValueError
            If a budget per day lacks `time`.
        """
        keys, hashes = row_keys(Z), row_hashes(start, len(Z), self.terms.seed)
        self.n += len(Z)
        self._mark.add(Z)
        self.keys.add(hashes, keys=keys)
        columns = {"scores": scores}
        if strata is not None:
            columns["strata"] = strata
        self._sample.add(hashes, strata, **columns)
        cap = self._cap
        if cap is None:
            return
        if time is None:
            raise ValueError(
                f"alert_budget='{cap}/day' needs the time of every row in every block"
            )
        tails = ScoreTails.of(scores, whole_days(time), cap + 1)
        self._tails = tails if self._tails is None else self._tails.merge(tails)

    def entries(self, book: RuleBook) -> list[LedgerEntry]:
        """Certify.

        Parameters
        ----------
        book : RuleBook
            The rules that gave the scores, and what has been spent.

        Returns
        -------
        list of LedgerEntry

        Raises
        ------
        ValueError
            If the ledger has nothing left for these rows.
        """
        found, mark, terms = self._sample.columns(), self._mark.digest, self.terms
        scores, strata = found["scores"], found.get("strata")
        reading = Reading(np.empty(scores.size), None, np.empty((scores.size, 0)))
        if self.labelled:
            rows = np.arange(scores.size)
            return [
                terms.damage_entry(
                    book, reading, scores, rows, strata=strata, side=Side(), mark=mark
                )
            ]
        entries = []
        if self._tails is not None:
            daily, side = replace(terms, max_damage=None), Side(time=self._tails.parts)
            entries += daily.traffic_entries(
                book, reading, self._tails.scores, side=side, mark=mark
            )
            terms = replace(terms, alert_budget=None)
            if terms.max_damage is None or terms.legacy_accuracy is None:
                return entries
        return entries + terms.traffic_entries(
            book, reading, scores, side=Side(), mark=mark
        )

    @property
    def _cap(self) -> int | None:
        budget = None if self.labelled else self.terms.alert_budget
        return None if budget is None else budget.per_day
