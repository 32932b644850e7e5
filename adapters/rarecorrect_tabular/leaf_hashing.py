"""Leaves of many trees in a few columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_ROWS = 10_000  # at a time: a row needs 24 bytes a tree meanwhile


def hashed_leaves(leaves: npt.NDArray[Any], n_columns: int) -> npt.NDArray[np.float32]:
    """Add up the trees of a row in a fixed number of columns.

    A leaf of a tree belongs to one column, with sign +1 or -1, both by a hash that is
    the same on every machine.  Rows in the same leaves get the same values, and the
    product of two rows is, on average over hashes, the number of leaves they share.
    Nothing is learnt, neither from labels nor from rows.

    Parameters
    ----------
    leaves : ndarray of int of shape (n_rows, n_trees)
        Number of the leaf in every tree.
    n_columns : int

    Returns
    -------
    ndarray of float32 of shape (n_rows, n_columns)

    References
    ----------
    Weinberger, Dasgupta, Langford, Smola, Attenberg, "Feature Hashing for Large Scale
    Multitask Learning", 2009, arXiv:0902.2206.

    Examples
    --------
    >>> rows = hashed_leaves(np.array([[3, 8], [3, 8], [4, 8]]), 4)
    >>> bool((rows[0] == rows[1]).all()), rows.shape
    (True, (3, 4))
    """
    found = np.empty((len(leaves), n_columns), dtype=np.float32)
    for start in range(0, len(leaves), _ROWS):
        part = slice(start, start + _ROWS)
        found[part] = _added_up(leaves[part], n_columns)
    return found


def _added_up(leaves: npt.NDArray[Any], n_columns: int) -> npt.NDArray[np.float64]:
    n_rows, n_trees = leaves.shape
    trees = np.arange(n_trees, dtype=np.uint64) << np.uint64(32)
    mixed = _mixed(trees + leaves.astype(np.uint64))
    column = (mixed % np.uint64(n_columns)).astype(np.int64)
    column += n_columns * np.arange(n_rows)[:, None]
    # the top bit says next to nothing of the remainder
    sign = np.where(mixed >> np.uint64(63), 1.0, -1.0)
    total = np.bincount(column.ravel(), sign.ravel(), minlength=n_rows * n_columns)
    return np.asarray(total, dtype=float).reshape(n_rows, n_columns)


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Numbers whose every bit depends on all bits (multiply and shift, twice)."""
    for shift, factor in ((31, 0x9E3779B97F4A7C15), (29, 0xD6E8FEB86659FD93)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(32))
