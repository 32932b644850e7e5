"""How many dimensions a cloud of rows fills, by the pairs that no plane separates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw
from sklearn.utils import check_array, check_random_state

from rarecorrect.metrics import clopper_pearson
from rarecorrect.separability.sphere import Sphere, cosines

FloatArray = npt.NDArray[np.float64]

_PER_CENT = np.arange(60, 100, 2)  # whole numbers: "nearest" and ties are exact
ALPHAS = _PER_CENT / 100

_MOST_PAIRED = 10_000  # rows, in a hundred million ordered pairs


@dataclass(frozen=True, slots=True)
class FisherSeparability:
    r"""Pairs of rows that are not separable, and the dimension this amounts to.

    Whitened rows on the unit sphere: `x` is :math:`\alpha`-separable from `y` iff
    :math:`\langle x, y \rangle \le \alpha \langle x, x \rangle`.  ``print`` it.

    Attributes
    ----------
    n_rows : int
        Compared with each other.
    n_components : int
        Directions of the whitened rows.
    inseparable : tuple of int
        Ordered pairs that are not separable, for each of `ALPHAS`: .60, .62, ... .98.
    upper : tuple of float
        Nominal upper confidence ends of their shares among rows that whiten nothing.
    confidence_level : float
        Of `upper`, and of :attr:`separable_together`.

    References
    ----------
    L. Albergante, J. Bac, A. Zinovyev, "Estimating the effective dimension of large
    biological datasets using Fisher separability analysis", arXiv:1901.06328.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = fisher_separability(rng.normal(size=(1000, 8)))
    >>> round(found.effective_dimension), found.alpha
    (8, 0.86)
    """

    n_rows: int
    n_components: int
    inseparable: tuple[int, ...]
    upper: tuple[float, ...]
    confidence_level: float

    @property
    def n_pairs(self) -> int:
        """Ordered pairs of rows."""
        return self.n_rows * (self.n_rows - 1)

    @property
    def shares(self) -> FloatArray:
        """Share of inseparable pairs for each of `ALPHAS`."""
        return np.asarray(self.inseparable) / self.n_pairs

    @property
    def all_separable(self) -> bool:
        """Whether no pair is inseparable, whatever `alpha`."""
        return not any(self.inseparable)

    @property
    def alpha(self) -> float:
        """Where the dimension is read: near 0.9 times the largest with such a pair."""
        return float(ALPHAS[self._at])

    @property
    def _at(self) -> int:
        if self.all_separable:
            return 0
        last = _PER_CENT[np.flatnonzero(self.inseparable)[-1]]
        return int(np.argmin(np.abs(10 * _PER_CENT - 9 * last)))

    @property
    def profile(self) -> FloatArray:
        """Effective dimension for each of `ALPHAS`; NaN where all is separable."""
        return sphere_dimension(self.shares, ALPHAS)

    @property
    def effective_dimension(self) -> float:
        """Dimension of the sphere with as many such pairs; NaN if there is none."""
        return float(self.profile[self._at])

    @property
    def least_dimension(self) -> float:
        """What the dimension is at least: itself, or a bound where no pair is.

        By three pairs, each counted both ways: where none is seen, the nominal 95 %
        bound of their number.
        """
        if self.all_separable:
            return float(sphere_dimension(min(1.0, 6 / self.n_pairs), ALPHAS[0]))
        return self.effective_dimension

    @property
    def separable_together(self) -> int:
        """Rows that, drawn at random, are separable pair by pair at the level."""
        p = self.upper[self._at]
        return int((1 + np.sqrt(1 + 4 * (1 - self.confidence_level) / p)) / 2)

    def all_separable_probability(self, n_rows: int) -> float:
        """Least probability that all of some rows are separable from each other.

        Parameters
        ----------
        n_rows : int
            Drawn at random.

        Returns
        -------
        float
            By the union bound, ``1 - n_rows (n_rows - 1) p``, with the upper end of
            the share of inseparable pairs at :attr:`alpha`; 0 where that is negative.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> found = fisher_separability(rng.normal(size=(1000, 20)))
        >>> round(found.all_separable_probability(10), 2)
        0.98
        """
        return max(0.0, 1 - n_rows * (n_rows - 1) * self.upper[self._at])

    def __str__(self) -> str:
        if self.all_separable:
            many = f"at least {np.floor(self.least_dimension):.0f} dimensions"
        else:
            many = f"about {self.effective_dimension:.1f} dimensions"
        return (
            f"{many} (alpha {self.alpha:.2f}: {self.inseparable[self._at]:,} of "
            f"{self.n_pairs:,} pairs are not separable)"
        )


def fisher_separability(
    Z: npt.ArrayLike, *, confidence_level: float = 0.95, random_state: Any = 0
) -> FisherSeparability:
    """Compare rows with each other, and say how many dimensions they fill.

    Rows are centred, whitened along the principal components of the correlation matrix
    above a tenth of the largest, and scaled to length 1.

    Parameters
    ----------
    Z : array-like of shape (n_rows, n_features)
        Two rows or more; 10,000 of them drawn at random where there are more.
    confidence_level : float, default=0.95
        In (0, 1).
    random_state : int, RandomState or None, default=0

    Returns
    -------
    FisherSeparability

    Notes
    -----
    The whitening and the pairs are of the same rows, so that rows not many more than
    the components look more separable than new ones would: the dimension is too large.
    The upper ends are those of one half, whitened by the other.  Pairs that share a row
    are not independent; the upper ends allow for it by the variance of the shares of
    the rows, and are nominal.  A row at the centre has no direction and counts as
    separable from none.

    Examples
    --------
    Three columns that are one:

    >>> column = np.random.default_rng(0).normal(size=(500, 1))
    >>> found = fisher_separability(np.hstack([column, 2 * column, -column]))
    >>> found.n_components, found.shares[0].round(1)
    (1, np.float64(0.5))
    """
    rows = check_array(Z, ensure_min_samples=2)
    rng = check_random_state(random_state)
    rows = rows[rng.permutation(len(rows))[:_MOST_PAIRED]]
    points = Sphere.of(rows).points(rows)
    half = len(rows) // 2
    held_out = Sphere.of(rows[:half]).points(rows[half:])
    return FisherSeparability(
        n_rows=len(rows),
        n_components=points.shape[1],
        inseparable=tuple(_inseparable(points).sum(axis=0).tolist()),
        upper=tuple(
            _upper_end(counts, confidence_level) for counts in _inseparable(held_out).T
        ),
        confidence_level=confidence_level,
    )


def sphere_dimension(p: npt.ArrayLike, alpha: npt.ArrayLike) -> FloatArray:
    r"""Dimension of the sphere on which a share of pairs is inseparable.

    Solves :math:`p = (1-\alpha^2)^{(n-1)/2} / (\alpha \sqrt{2 \pi n})` for `n`.

    Parameters
    ----------
    p : array-like of float in [0, 1]
    alpha : array-like of float in (0, 1)

    Returns
    -------
    ndarray
        Not negative; NaN where `p` is 0.

    Examples
    --------
    >>> sphere_dimension([0.01, 0.0], 0.8).round(2).tolist()
    [6.78, nan]
    """
    square = np.asarray(alpha, dtype=float) ** 2
    p = np.asarray(p, dtype=float)
    p = np.where(p > 0, p, np.nan)
    rate = -np.log1p(-square)
    odds = 2 * np.pi * p**2 * square * (1 - square)
    return np.asarray(lambertw(rate / odds).real / rate)


def _inseparable(points: FloatArray) -> npt.NDArray[np.intp]:
    """Rows that each row is not separable from, for each of `ALPHAS`."""
    counts = np.zeros((len(points), ALPHAS.size), dtype=np.intp)
    for part, products in cosines(points, points):
        at = np.arange(len(products))
        products[at, at + part.start] = 0.0  # no row with itself
        for i, alpha in enumerate(ALPHAS):
            counts[part, i] = np.count_nonzero(products > alpha, axis=1)
            if not counts[part, i].any():
                break
    return counts


def _upper_end(counts: npt.NDArray[np.intp], confidence_level: float) -> float:
    """Upper end of a share of pairs, from the partners of each row.

    As for as many independent trials as give the same variance.
    """
    n = len(counts)
    if n < 2:
        return 1.0
    each = counts / (n - 1)
    p = each.mean()
    # on the sphere a pair and its reverse are one trial; shared rows make it fewer
    trials = n * (n - 1) / 2
    variance = 4 * each.var(ddof=1) / n
    if variance * trials > p * (1 - p):
        trials = max(1.0, p * (1 - p) / variance)
    found = clopper_pearson(int(np.ceil(p * trials)), int(trials), confidence_level)
    return found[1]
