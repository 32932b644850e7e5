"""Whitening: coordinates in which right decisions have unit variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dtrtri

from rarecorrect.moments import Moments

FloatArray = npt.NDArray[np.float64]

_LEAST_FOR_CHOLESKY = 1e-6  # share of the identity that keeps the factor exact
COMPONENT_RULES = ("all", "kaiser", "broken-stick", "condition")


@dataclass(frozen=True, slots=True)
class Whitening:
    r"""Affine map :math:`z \mapsto W'(z - \mu)` to unit variance.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        :math:`\mu`, in the units of the features.
    matrix : ndarray of shape (n_features, n_components)
        :math:`W`.
    eigenvalues : ndarray of shape (n_components,)
        Of the correlation matrix after shrinkage, falling; none if it was made by
        :meth:`triangular`.
    shrinkage : float
        The intensity really used.

    Notes
    -----
    The eigenvectors are those of the correlation matrix, so the result does not
    depend on the units of the features.  A feature that is constant among right
    decisions but not among errors (a flag that nobody ever set) has no variance to
    divide by; it is scaled by its spread over both, and shrinkage gives it a small
    variance, so that it counts as strong evidence and not as none.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.normal(size=(500, 3)) * [1.0, 10.0, 1000.0]
    >>> whitening = Whitening.from_moments(Moments.from_rows(rows), shrinkage=0.0)
    >>> white = whitening.transform(rows)
    >>> bool(np.allclose(np.cov(white.T, bias=True), np.eye(3)))
    True
    """

    mean: FloatArray
    matrix: FloatArray
    eigenvalues: FloatArray
    shrinkage: float

    @classmethod
    def from_moments(
        cls,
        right: Moments,
        *,
        n_components: str | int = "all",
        shrinkage: str | float = "oas",
        errors: Moments | None = None,
    ) -> Whitening:
        """Whitening of the rows behind `right`.

        Parameters
        ----------
        right : Moments
            Of the right decisions.
        n_components : {"all", "kaiser", "broken-stick", "condition"} or int, \
default="all"
            Leading principal components kept.  ``"all"``: the numerically non-zero
            ones; ``"kaiser"``: eigenvalues above their mean; ``"broken-stick"``: see
            :func:`broken_stick`; ``"condition"``: above a tenth of the largest.
        shrinkage : "oas" or float in [0, 1], default="oas"
            Towards a multiple of the identity.
        errors : Moments, optional
            Of the errors; used for the scale of features that are constant in `right`.

        Returns
        -------
        Whitening

        Raises
        ------
        ValueError
            For an `n_components` or a `shrinkage` that is none of these.
        """
        live, by_scale, correlation = _live_correlation(right, errors)
        values, vectors = np.linalg.eigh(correlation)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        if values.sum() < 1e-10 * live.size:  # right decisions that are all alike
            values = np.ones(live.size)
        trace, square = values.sum(), np.sum(values**2)
        amount = shrinkage_intensity(shrinkage, live.size, trace, square, right.weight)
        shrunk = (1 - amount) * values
        shrunk += amount * values.mean() if live.size else 0.0
        kept = _kept_components(shrunk, n_components)
        matrix = np.zeros((right.mean.size, shrunk[kept].size))
        matrix[live] = vectors[:, kept] / np.sqrt(shrunk[kept]) * by_scale[:, None]
        return cls(right.mean, matrix, shrunk[kept], amount)

    @classmethod
    def triangular(
        cls,
        right: Moments,
        *,
        shrinkage: str | float = "oas",
        errors: Moments | None = None,
    ) -> Whitening:
        """All components by Cholesky's factor, several times as fast.

        Parameters
        ----------
        right, shrinkage, errors
            As in :meth:`from_moments`.

        Returns
        -------
        Whitening
            Its coordinates are those of :meth:`from_moments`, rotated; it knows no
            eigenvalues.  Where the shrunk correlation matrix is close to singular, what
            :meth:`from_moments` returns.

        Examples
        --------
        >>> rows = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 10.0, 1000.0]
        >>> right = Moments.from_rows(rows)
        >>> W = Whitening.from_moments(right).matrix
        >>> V = Whitening.triangular(right).matrix
        >>> bool(np.allclose(W @ W.T, V @ V.T))
        True
        """
        live, by_scale, correlation = _live_correlation(right, errors)
        trace, square = np.trace(correlation), np.sum(correlation**2)
        p = live.size
        amount = shrinkage_intensity(shrinkage, p, trace, square, right.weight)
        if amount < _LEAST_FOR_CHOLESKY or trace < 1e-10 * p:
            return cls.from_moments(right, shrinkage=shrinkage, errors=errors)
        correlation *= 1 - amount
        correlation.flat[:: p + 1] += amount * trace / p
        inverse, _ = dtrtri(np.linalg.cholesky(correlation), lower=1)
        matrix = np.zeros((right.mean.size, p))
        matrix[live] = inverse.T * by_scale[:, None]
        return cls(right.mean, matrix, np.empty(0), amount)

    def transform(self, rows: npt.NDArray[Any]) -> FloatArray:
        """Whiten rows.

        Parameters
        ----------
        rows : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_components), float64
            In standard deviations of right decisions, by their shrunk covariance.
        """
        return np.asarray((rows - self.mean) @ self.matrix)


def shrinkage_intensity(
    shrinkage: str | float, p: int, trace: float, square: float, n: float
) -> float:
    """Share of the identity, from the sums of eigenvalues and of their squares.

    Parameters
    ----------
    shrinkage : "oas" or float in [0, 1]
        A number stands for itself.
    p : int
        Number of features.
    trace, square : float
        Of the sample covariance: its trace, and the sum of its squared elements.
    n : float
        Number of rows, or the sum of their weights.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        For another text, or a number outside [0, 1].

    References
    ----------
    Y. Chen et al., "Shrinkage algorithms for MMSE covariance estimation", IEEE Trans.
    Signal Processing 58 (2010), equation 23, arXiv:0907.4698.

    Examples
    --------
    >>> round(shrinkage_intensity("oas", 3, trace=4.1, square=10.01, n=100), 4)
    0.0456
    >>> shrinkage_intensity("oas", 3, trace=3.0, square=3.0, n=10)  # all alike
    1.0
    """
    if shrinkage == "oas":
        return _oas(p, trace, square, n) if p else 0.0
    if isinstance(shrinkage, str) or not 0 <= shrinkage <= 1:
        raise ValueError(
            f"shrinkage must be 'oas' or a number in [0, 1], got {shrinkage!r}"
        )
    return float(shrinkage)


def _oas(p: int, trace: float, square: float, n: float) -> float:
    below = (n + 1 - 2 / p) * (square - trace**2 / p)
    above = (1 - 2 / p) * square + trace**2
    return 1.0 if below <= above else float(max(0.0, above / below))


def broken_stick(eigenvalues: npt.ArrayLike) -> int:
    r"""Number of leading eigenvalues above the broken-stick expectation.

    Leading ``k`` with :math:`l_k / \sum l \ge \frac1p \sum_{i=k}^p \frac1i`.

    Parameters
    ----------
    eigenvalues : array-like of shape (p,)
        :math:`l`, not negative, falling.

    Returns
    -------
    int
        0 to `p`.

    Examples
    --------
    >>> broken_stick([6.0, 3.0, 0.5, 0.5])
    2
    """
    values = np.asarray(eigenvalues, dtype=float)
    p = values.size
    expected = np.cumsum(1.0 / np.arange(p, 0, -1))[::-1] / p
    # a tie counts, whichever way its two sides were rounded
    above = values >= expected * values.sum() * (1 - 1e-12)
    return int(above.size if above.all() else np.argmin(above))


def _live_correlation(
    right: Moments, errors: Moments | None
) -> tuple[npt.NDArray[np.intp], FloatArray, FloatArray]:
    """Features that vary, what each is multiplied by, and their correlations."""
    scale = _feature_scale(right, errors)
    live = np.flatnonzero(np.isfinite(scale))
    by_scale = 1 / scale[live]
    correlation = right.covariance[np.ix_(live, live)]
    correlation *= by_scale[:, None]
    correlation *= by_scale
    return live, by_scale, correlation


def _feature_scale(right: Moments, errors: Moments | None) -> FloatArray:
    """Standard deviation of each feature; inf (no weight) where it never varies."""
    both = right if errors is None else right.merge(errors)
    wide, narrow = both.variance, right.variance
    # a variance below what rounding leaves behind counts as none
    noise = 1e-14 * np.maximum(both.mean**2, right.mean**2)
    variance = np.where(narrow > np.maximum(1e-12 * wide, noise), narrow, wide)
    return np.where(variance > noise, np.sqrt(variance), np.inf)


def _kept_components(values: FloatArray, n_components: str | int) -> slice:
    above_zero = int(np.sum(values > 1e-10 * values.max(initial=0.0)))
    if isinstance(n_components, str):
        counts = {
            "all": lambda: above_zero,
            "kaiser": lambda: int(np.sum(values > values.mean())),
            "broken-stick": lambda: broken_stick(values),
            "condition": lambda: int(np.sum(values > values.max(initial=0.0) / 10)),
        }
        if n_components not in counts:
            raise ValueError(
                f"n_components must be one of {', '.join(COMPONENT_RULES)} or a whole "
                f"number of components, got {n_components!r}"
            )
        wanted = max(1, counts[n_components]())
    else:
        if n_components < 1 or int(n_components) != n_components:
            raise ValueError(f"n_components must be 1 or more, got {n_components}")
        wanted = int(n_components)
    return slice(0, min(wanted, above_zero))
