"""Columns on a robust scale, their extremes drawn in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_DRAWN_IN = 5.0
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True, eq=False)
class RobustScale:
    r"""Median and spread of every column; extremes are drawn in.

    A value becomes :math:`u / \sqrt{1 + (u / 5)^2}` with :math:`u = (z - \text{median})
    / \text{spread}`: as it was within a few spreads, at most 5 beyond.  The spread is
    the distance of the quartiles; where they are equal, as in a column of zeros with
    few amounts in it, a fifth of the median distance of the other values: such a column
    mostly says whether there is an amount.  So the covariance of heavy-tailed columns
    is no longer that of a handful of rows.

    Attributes
    ----------
    centre, spread : ndarray of shape (n_features,)

    Examples
    --------
    >>> amounts = np.array([[1.0], [2.0], [3.0], [4.0], [1e6]])
    >>> RobustScale.from_rows(amounts)(amounts).ravel().round(2).tolist()
    [-0.98, -0.5, 0.0, 0.5, 5.0]
    """

    centre: FloatArray = field(repr=False)
    spread: FloatArray = field(repr=False)

    @classmethod
    def from_rows(cls, X: npt.NDArray[Any], w: FloatArray | None = None) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            At least one row, all finite.
        w : ndarray of shape (n_rows,), optional
            Weights, positive; weight ``k`` counts a row ``k`` times.

        Returns
        -------
        RobustScale
        """
        low, centre, high = _quantiles(X, w, _QUARTILES)
        spread = high - low
        for j in np.flatnonzero(spread == 0):
            apart = np.abs(X[:, j] - centre[j])
            other = apart > 0
            if other.any():
                rest = None if w is None else w[other]
                spread[j] = _quantiles(apart[other], rest, 0.5) / _DRAWN_IN
        spread[spread == 0] = 1.0
        return cls(centre, spread)

    def __call__(self, X: npt.NDArray[Any]) -> FloatArray:
        """Rows on the robust scale.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            In (-5, 5).
        """
        u = (X - self.centre) / self.spread
        return np.asarray(u / np.sqrt(1 + (u / _DRAWN_IN) ** 2))


def _quantiles(x: npt.NDArray[Any], w: FloatArray | None, at: Any) -> FloatArray:
    found = np.quantile(x, at, axis=0, weights=w, method="inverted_cdf")
    return np.asarray(found, dtype=np.float64)
