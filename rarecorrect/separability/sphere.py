"""The unit sphere on which rows are compared by direction alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.moments import Moments, row_blocks
from rarecorrect.whitening import Whitening

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

_BLOCK_PRODUCTS = 2**22  # of rows with rows: 32 megabytes
_AT_THE_CENTRE = 1e-9  # standard deviations


@dataclass(frozen=True, slots=True)
class Sphere:
    """Whitened rows, scaled to length 1.

    Attributes
    ----------
    whitening : Whitening

    Examples
    --------
    >>> sphere = Sphere.of(np.array([[-1.0], [1.0], [3.0]]))
    >>> sphere.points(np.array([[-5.0], [1.0], [9.0]])).tolist()
    [[-1.0], [0.0], [1.0]]
    """

    whitening: Whitening

    @classmethod
    def of(cls, rows: Array) -> Sphere:
        """Sphere around the centre of rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)

        Returns
        -------
        Sphere
        """
        moments = Moments.from_rows(rows)
        return cls(
            Whitening.from_moments(moments, n_components="condition", shrinkage=0.0)
        )

    def points(self, rows: Array) -> FloatArray:
        """Directions of rows from the centre.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_components)
            Of length 1, or 0 at the centre.
        """
        found = np.empty((len(rows), self.whitening.matrix.shape[1]))
        for part in row_blocks(len(rows)):
            white = self.whitening.transform(rows[part])
            length = np.linalg.norm(white, axis=1, keepdims=True)
            # numpy's where= would leave what stood in the memory before
            found[part] = np.where(
                length > _AT_THE_CENTRE, white / np.maximum(length, _AT_THE_CENTRE), 0.0
            )
        return found


def cosines(
    points: FloatArray, others: FloatArray
) -> Iterator[tuple[slice, FloatArray]]:
    """Products of points on the sphere, in blocks of bounded size.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
    others : ndarray of shape (n_others, n_components)

    Yields
    ------
    slice, ndarray of shape (n_block, n_others)
        Points, and their cosines; 1 for a point at the centre, which has no direction
        and counts as separable from none.

    Examples
    --------
    >>> points = np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> [(_, found)] = cosines(points, np.array([[1.0, 0.0], [0.0, -1.0]]))
    >>> found.tolist()
    [[0.0, -1.0], [1.0, 1.0]]
    """
    for part, found in products(points, others):
        found[~points[part].any(axis=1)] = 1.0
        yield part, found


def products(
    rows: FloatArray, others: FloatArray
) -> Iterator[tuple[slice, FloatArray]]:
    """Products of rows with others, in blocks of bounded size.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_components)
    others : ndarray of shape (n_others, n_components)

    Yields
    ------
    slice, ndarray of shape (n_block, n_others)
        Rows, and their products.

    Examples
    --------
    >>> [(_, found)] = products(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    >>> found.tolist()
    [[11.0]]
    """
    for part in row_blocks(len(rows), max(1, _BLOCK_PRODUCTS // len(others))):
        yield part, rows[part] @ others.T
