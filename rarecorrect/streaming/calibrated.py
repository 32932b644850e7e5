"""What the rows that calibrated say, once there are rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.background import Reservoir
from rarecorrect.ledger import LedgerEntry

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """Right decisions that calibrated in a fit from blocks.

    Attributes
    ----------
    rows : ndarray of int of shape (n_calibration,)
        Their numbers, rising.
    scores, keys : ndarray of shape (n_calibration,)
        On the common scale of the book; by
        :func:`~rarecorrect.training_rows.row_keys`.
    strata : ndarray of shape (n_calibration,) or None
    entries : list of LedgerEntry
        What they certify.
    reservoir : Reservoir or None

    Examples
    --------
    >>> rows, scores = np.arange(3), np.zeros(3)
    >>> strata = np.array(["web", "shop", "web"])
    >>> Calibrated(rows, scores, scores, strata, [], None).largest
    2
    """

    rows: Indices
    scores: FloatArray
    keys: FloatArray
    strata: Array | None
    entries: list[LedgerEntry]
    reservoir: Reservoir | None

    @property
    def largest(self) -> int:
        """Rows of the largest class or segment."""
        if self.strata is None or not self.rows.size:
            return int(self.rows.size)
        return int(np.unique(self.strata.astype(str), return_counts=True)[1].max())
