"""Corrections: what the rules of a book make of a reading of the legacy model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.array_api import as_numpy, take
from rarecorrect.features import Reading
from rarecorrect.ranking import (
    as_probabilities,
    corrected_probabilities,
    led_by,
    tail_ranks,
)
from rarecorrect.rulebook import RuleBook

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Corrections:
    """Rows that fire and the rules that win them, beside the legacy answers.

    Attributes
    ----------
    book : RuleBook
    reading : Reading
    rows : ndarray of int of shape (n_firing,)
        Rows whose best active rule lies above the threshold.
    winner : ndarray of int of shape (n_firing,)
        That rule, among those of the book.
    """

    book: RuleBook
    reading: Reading
    rows: Indices
    winner: Indices

    @classmethod
    def of(
        cls, book: RuleBook, reading: Reading, strata: Array | None = None
    ) -> Corrections:
        """Ask the active rules of a book.

        Parameters
        ----------
        book : RuleBook
        reading : Reading
        strata : ndarray of shape (n_rows,), optional
            Class or segment of every row, where thresholds differ.

        Returns
        -------
        Corrections

        Examples
        --------
        A book without rules corrects nothing:

        >>> reading = Reading(np.array([0, 1]), None, np.zeros((2, 3)))
        >>> Corrections.of(RuleBook(), reading).labels(np.array([0, 1])).tolist()
        [0, 1]
        """
        rows, winner = book.fires(reading.features, reading.labels, strata)
        return cls(book, reading, rows, winner)

    def labels(self, classes: Array) -> Array:
        """Corrected labels; a flag leaves the legacy answer.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            All labels, for the type of the result.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        after = self.reading.labels.astype(classes.dtype)
        for i, rule in enumerate(self.book.rules):
            if rule.action == "relabel":
                after[self.rows[self.winner == i]] = rule.to
        return after

    def probabilities(
        self, classes: Array, legacy_classes: Array, *, shares: bool
    ) -> FloatArray:
        """Scores that agree with :meth:`labels`: a ranking.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            All labels, sorted.
        legacy_classes : ndarray of shape (n_legacy_classes,)
            Those of the legacy scores, in their order.
        shares : bool
            Whether the legacy scores are probabilities.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        assert self.reading.scores is not None
        rules = self.book.rules
        relabels = np.array([rule.action == "relabel" for rule in rules], dtype=bool)
        kept = relabels[self.winner] if self.rows.size else np.zeros(0, dtype=bool)
        rows, winner = self.rows[kept], self.winner[kept]
        to = np.searchsorted(classes, [rule.to for rule in rules])
        Z = as_numpy(take(self.reading.features, rows))
        score = self.book.decide(Z, self.reading.labels[rows]).score
        found = corrected_probabilities(
            as_probabilities(self.reading.scores, shares=shares),
            np.searchsorted(classes, legacy_classes),
            len(classes),
            rows,
            to[winner] if rows.size else rows,
            tail_ranks(score, self.book.calibration_scores, beyond=True),
        )
        after = self.labels(classes)
        return led_by(found, pd.Index(classes).get_indexer(pd.Index(after)))
