"""Columns drawn in and ranked: heavy tails tamed, nothing lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import rankdata

FloatArray = npt.NDArray[np.float64]

_DRAWN_IN = 5.0
_QUARTILES = (0.25, 0.5, 0.75)
_MAX_KNOTS = 201
_OUTERMOST = 1e-4  # the rank of what lies outside


@dataclass(frozen=True, slots=True, eq=False)
class RobustColumns:
    r"""Every column twice: drawn in, and by its rank.

    *Drawn in*: a value becomes :math:`u / \sqrt{1 + (u / 5)^2}` with :math:`u = (z -
    \text{median}) / \text{spread}`, as it was within a few spreads, at most 5 beyond.
    The spread is the distance of the quartiles; where they are equal, as in a column of
    zeros with few amounts in it, a fifth of the median distance of the other values:
    such a column mostly says whether there is an amount.  *By its rank*: the normal
    score of the share of rows below, so that what is ten or a thousand times the median
    is told apart.  No handful of rows rules the covariance of either.

    Attributes
    ----------
    centre, spread : ndarray of shape (n_features,)
    knots : ndarray of shape (n_knots, n_features)
        Quantiles of every column, rising, evenly spread from 0 to 1.

    Examples
    --------
    >>> amounts = np.array([[1.0], [2.0], [3.0], [4.0], [1e6]])
    >>> columns = RobustColumns.from_rows(amounts)(amounts)
    >>> columns[:, 0].round(2).tolist()
    [-0.98, -0.5, 0.0, 0.5, 5.0]
    >>> columns[:, 1].round(2).tolist()
    [-3.72, -0.67, 0.0, 0.67, 3.72]
    """

    centre: FloatArray = field(repr=False)
    spread: FloatArray = field(repr=False)
    knots: FloatArray = field(repr=False)

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
        RobustColumns
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
        n = len(X) if w is None else int(w.sum())
        evenly = np.linspace(0.0, 1.0, max(2, min(n, _MAX_KNOTS)))
        return cls(centre, spread, _quantiles(X, w, evenly))

    @property
    def farthest(self) -> FloatArray:
        """Size that no entry of each column exceeds, shape (2 * n_features,)."""
        p = self.centre.size
        return np.repeat([_DRAWN_IN, -float(ndtri(_OUTERMOST))], p)

    def __call__(self, X: npt.NDArray[Any]) -> FloatArray:
        """Rows with every column twice.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, 2 * n_features)
            First all columns drawn in, within (-5, 5), then all by their ranks.
        """
        n, p = X.shape
        found = np.empty((n, 2 * p))
        u = (X - self.centre) / self.spread
        found[:, :p] = u / np.sqrt(1 + (u / _DRAWN_IN) ** 2)
        # half-way where many rows are equal
        below = (rankdata(self.knots, axis=0) - 1) / (len(self.knots) - 1)
        for j in range(p):
            found[:, p + j] = np.interp(X[:, j], self.knots[:, j], below[:, j])
        np.clip(found[:, p:], _OUTERMOST, 1 - _OUTERMOST, out=found[:, p:])
        ndtri(found[:, p:], out=found[:, p:])
        return found


def _quantiles(x: npt.NDArray[Any], w: FloatArray | None, at: Any) -> FloatArray:
    found = np.quantile(x, at, axis=0, weights=w, method="inverted_cdf")
    return np.asarray(found, dtype=np.float64)
