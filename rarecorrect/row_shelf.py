"""Rows put aside on disk until the rules that score them are there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_IN_MEMORY = 2**25  # bytes; more go to a file
_BLOCK_BYTES = 2**25


class RowShelf:
    """Rows in a temporary file without a name, which vanishes with the process.

    Fewer than 32 megabytes stay in memory.  The file lies where ``tempfile`` puts
    files: ``TMPDIR``, if it is set.

    Examples
    --------
    >>> with RowShelf() as shelf:
    ...     at = shelf.put(np.arange(6.0).reshape(3, 2))
    ...     [rows.tolist() for _, rows in shelf.blocks(at[1:])]
    [[[2.0, 3.0], [4.0, 5.0]]]
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._n, self._width, self._dtype = 0, 0, np.dtype(float)

    def __enter__(self) -> RowShelf:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # of a full disk, told by put
            self._file.close()

    def __len__(self) -> int:
        return self._n

    def put(self, rows: Array) -> Indices:
        """Append rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)
            The same features and type of numbers in every call.

        Returns
        -------
        ndarray of int of shape (n_rows,)
            Their places.

        Raises
        ------
        ValueError
            For rows of another kind than the first.
        OSError
            If the disk is full.
        """
        if self._n == 0:
            self._width, self._dtype = rows.shape[1], rows.dtype
        if (rows.shape[1], rows.dtype) != (self._width, self._dtype):
            raise ValueError(
                f"rows of {rows.shape[1]} features in {rows.dtype} do not fit to rows "
                f"of {self._width} in {self._dtype}"
            )
        try:
            self._file.write(rows.tobytes())
            self._file.flush()
        except OSError as error:
            held = self._n * self._width * self._dtype.itemsize
            raise OSError(
                error.errno,
                f"{error.strerror}: rows that calibrate lie in a temporary file in "
                f"{tempfile.gettempdir()}, {held:,} bytes so far; make room there, or "
                "set TMPDIR to a folder that has more",
            ) from error
        places = np.arange(self._n, self._n + len(rows))
        self._n += len(rows)
        return places

    def keep(self, places: Indices) -> Indices:
        """Throw all other rows away; for a while, those that stay are there twice.

        Parameters
        ----------
        places : ndarray of int of shape (n_kept,)
            Rising.

        Returns
        -------
        ndarray of int of shape (n_kept,)
            Their new places.

        Raises
        ------
        OSError
            If the disk is full.
        """
        made = RowShelf()
        for _, rows in self.blocks(places):
            made.put(rows)
        self._file.close()
        self._file, self._n = made._file, made._n
        return np.arange(self._n)

    def blocks(self, places: Indices) -> Iterator[tuple[slice, Array]]:
        """Read some rows, in order.

        Parameters
        ----------
        places : ndarray of int of shape (n_wanted,)
            Rising.

        Yields
        ------
        slice
            Of `places`.
        ndarray of shape (n_rows, n_features)
            The rows there.
        """
        row_bytes = max(1, self._width * self._dtype.itemsize)
        step = max(1, _BLOCK_BYTES // row_bytes)
        self._file.seek(0)
        for start in range(0, self._n, step):
            data = self._file.read(min(step, self._n - start) * row_bytes)
            rows = np.frombuffer(data, dtype=self._dtype).reshape(-1, self._width)
            low, high = np.searchsorted(places, [start, start + len(rows)])
            if low < high:
                yield slice(low, high), rows[places[low:high] - start]
