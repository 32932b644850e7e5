"""How the ledger knows rows again that were never in memory together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.ledger import fingerprint, fingerprint_of_rows

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

_MOST_MARKED = 2**26  # bytes that are held to know rows by all their bytes


class RowMark:
    """Fingerprint of rows that come in blocks, the same in every order.

    Up to 64 megabytes that of :func:`~rarecorrect.ledger.fingerprint_of_rows`, so that
    rows are known again in memory and in blocks.  Of more, one of their number and of
    two sums over their keys.

    Examples
    --------
    >>> from rarecorrect.training_rows import row_keys
    >>> rows, mark = np.arange(6.0).reshape(3, 2), RowMark()
    >>> for block in (rows[2:], rows[:2]):
    ...     mark.add(block, row_keys(block))
    >>> mark.digest == fingerprint_of_rows(rows)
    True
    """

    def __init__(self) -> None:
        self._n, self._sums = 0, [0, 0]
        self._rows: list[Array] | None = []
        self._bytes = 0

    def add(self, rows: Array, keys: FloatArray) -> None:
        """Count rows in.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
        keys : ndarray of shape (n_rows,)
            Their :func:`~rarecorrect.training_rows.row_keys`.
        """
        bits = np.ascontiguousarray(keys).view(np.uint64)
        for i, shift in enumerate((29, 32)):
            mixed = (bits ^ (bits >> np.uint64(shift))) * np.uint64(0xBF58476D1CE4E5B9)
            found = int((mixed ^ (mixed >> np.uint64(31))).sum(dtype=np.uint64))
            self._sums[i] = (self._sums[i] + found) % 2**64
        self._n += len(rows)
        self._bytes += rows.nbytes
        if self._bytes > _MOST_MARKED:
            self._rows = None
        if self._rows is not None:
            self._rows.append(rows.copy())

    @property
    def digest(self) -> str:
        """The fingerprint: 64 hexadecimal digits."""
        if self._rows:
            return fingerprint_of_rows(np.concatenate(self._rows))
        return fingerprint(np.array([self._n, *self._sums], dtype=np.uint64))
