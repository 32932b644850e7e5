"""Rows of a file that can be scored, with their labels as far as they are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from rarecorrect.progress import Progress
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_options import none_scorable
from rarecorrect_tabular.transactions import TransactionFile, binary_labels


@dataclass(slots=True)
class LabelledRows:
    """Rows that can be scored, and why others cannot.

    Attributes
    ----------
    desk : Desk
    file : TransactionFile
    label : str or None
        Column; None: no outcome is known.
    reasons : Counter of str
        Why rows were left out, after :meth:`blocks` was read.
    n_rows, n_known : int
        Rows of the file; those with a label that can be scored.
    """

    desk: Desk
    file: TransactionFile
    label: str | None
    reasons: Counter[str] = field(default_factory=Counter)
    n_rows: int = 0
    n_known: int = 0
    _places: list[npt.NDArray[np.intp]] = field(default_factory=list)

    @property
    def places(self) -> npt.NDArray[np.intp]:
        """Places in the file of the rows that can be scored, once they were read."""
        return np.concatenate(self._places)

    def blocks(
        self, progress: Progress
    ) -> Iterator[tuple[pd.DataFrame, npt.NDArray[np.float64]]]:
        """Read the file, once.

        Parameters
        ----------
        progress : Progress

        Yields
        ------
        rows : DataFrame
            With the columns of the corrector.
        known : ndarray of float
            1: fraud, 0: none, NaN: not known.

        Raises
        ------
        ValueError
            If there is no row, or none that can be scored.
        """
        progress.task(f"scoring {self.file.path.name}", self.file.n_blocks or 0)
        read, label = [*self.desk.columns], self.label
        aside = [] if label is None else [label]
        for start, rows in self.file.blocks([*read, *aside], texts={*aside} - {*read}):
            readable, flaws = self.desk.readable(rows[read])
            known = np.full(len(rows), np.nan)
            if label is not None:
                known = binary_labels(rows[label])
            good = np.flatnonzero(flaws == "")
            self.reasons.update(flaws[flaws != ""].tolist())
            self._places.append(start + good)
            self.n_rows = start + len(rows)
            self.n_known += int(np.sum(~np.isnan(known[good])))
            yield readable.iloc[good], known[good]
            progress.step(f"{self.n_rows:,} rows")
        if self.n_rows == 0:
            raise ValueError(f"{self.file.path.name!r} has no rows")
        if self.n_rows == self.reasons.total():
            raise ValueError(none_scorable(self.file.path.name, self.reasons))
