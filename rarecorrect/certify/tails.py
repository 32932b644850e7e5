"""The largest scores of every part, which is all that a threshold needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.array_api import as_numpy
from rarecorrect.certify.sampling import same_length
from rarecorrect.certify.thresholds import check_scores

FloatArray = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTails:
    """The largest scores of every part of some rows, of every day say; mergeable.

    A threshold that lets at most `c` scores of a part pass depends on its ``c + 1``
    largest alone, and the largest ones of a whole are among the largest of its parts.

    Attributes
    ----------
    most : int
        Scores kept of every part.
    scores : ndarray of shape (n_kept,)
    parts : ndarray of shape (n_kept,)
        Part of every score.

    Examples
    --------
    >>> monday = ScoreTails.of([1.0, 5.0, 3.0], ["mo"] * 3, most=2)
    >>> both = monday.merge(ScoreTails.of([4.0, 2.0], ["mo", "tu"], most=2))
    >>> both.parts.tolist(), both.scores.tolist()
    (['mo', 'mo', 'tu'], [5.0, 4.0, 2.0])
    """

    most: int
    scores: FloatArray
    parts: Array

    @classmethod
    def of(cls, scores: npt.ArrayLike, parts: npt.ArrayLike, most: int) -> ScoreTails:
        """Keep the largest scores of every part.

        Parameters
        ----------
        scores : array-like of shape (n,)
        parts : array-like of shape (n,)
        most : int
            1 or more.

        Returns
        -------
        ScoreTails
            Parts in order, scores of a part falling.

        Raises
        ------
        ValueError
            For NaN scores, lengths that differ, or fewer than one to keep.
        """
        if most < 1:
            raise ValueError(f"most must be 1 or more, got {most}")
        values, names = check_scores(scores), as_numpy(parts)
        same_length(names, values.size, "parts")
        codes = np.unique(names, return_inverse=True)[1]
        order = np.lexsort((-values, codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        sizes = np.diff(starts, append=values.size)
        rank = np.arange(values.size) - np.repeat(starts, sizes)
        kept = order[rank < most]
        return cls(most, values[kept], names[kept])

    def merge(self, other: ScoreTails) -> ScoreTails:
        """Tails of both sets of rows together.

        Parameters
        ----------
        other : ScoreTails
            Of other rows.

        Returns
        -------
        ScoreTails
            With as many scores of every part as the smaller of both keeps.
        """
        return ScoreTails.of(
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.parts, other.parts]),
            min(self.most, other.most),
        )
