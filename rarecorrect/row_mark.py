"""How the ledger knows rows again: all at once, in any order, in any blocks."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.hash_sample import GOLDEN, mixed
from rarecorrect.moments import row_blocks


class RowMark:
    """Fingerprint of any number of rows, the same in every order and any blocks.

    Every row gets a hash of 64 bits, from all bits of its values as float64, and what
    is added up are two functions of it: marks of parts add up to that of the whole.

    Examples
    --------
    >>> rows, mark = np.arange(6.0).reshape(3, 2), RowMark()
    >>> for block in (rows[2:], rows[:2]):
    ...     mark.add(block)
    >>> mark.digest == fingerprint_of_rows(rows)
    True
    """

    def __init__(self) -> None:
        self._n, self._sums = 0, np.zeros(2, dtype=np.uint64)

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Count rows in.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
        """
        for part in row_blocks(len(rows)):
            # adding 0 makes the two zeros one
            bits = (rows[part].astype(np.float64, order="C") + 0.0).view(np.uint64)
            # the last bits of round numbers are 0, and a product keeps them so
            bits ^= bits >> np.uint64(32)
            n_features = bits.shape[1]
            hashes = bits @ _odd(n_features) + np.uint64(n_features)
            both = mixed(hashes), mixed(hashes ^ GOLDEN)
            self._sums += np.array([h.sum(dtype=np.uint64) for h in both])
        self._n += len(rows)

    @property
    def digest(self) -> str:
        """The fingerprint: 64 hexadecimal digits."""
        counted = np.array([self._n, *self._sums.tolist()], dtype=np.uint64)
        return hashlib.sha256(counted.astype("<u8").tobytes()).hexdigest()


def fingerprint_of_rows(rows: npt.NDArray[Any]) -> str:
    """Digest of rows, the same in every order: shuffled rows are no fresh rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> rows = np.arange(6.0).reshape(3, 2)
    >>> fingerprint_of_rows(rows) == fingerprint_of_rows(rows[::-1])
    True
    """
    mark = RowMark()
    mark.add(rows)
    return mark.digest


def _odd(n: int) -> npt.NDArray[np.uint64]:
    """Odd numbers, another one for every feature: columns that change places count."""
    places = np.arange(1, n + 1, dtype=np.uint64)
    return np.asarray(mixed(places * GOLDEN) | np.uint64(1))
