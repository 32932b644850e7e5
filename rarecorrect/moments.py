"""Passes over blocks of rows: their moments, which are mergeable, and projections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.array_api import as_numpy, beside, namespace_of, take, widest_float

FloatArray = npt.NDArray[np.float64]

BLOCK_ROWS = 8192
_ROUNDED = 1e-12  # share of a scatter that is left by rounding alone
_BLOCK_NUMBERS = 2**18  # of a projection: two megabytes in float64, about a cache


@dataclass(frozen=True, slots=True)
class Moments:
    """Weight, mean and scatter matrix of a set of rows.

    Attributes
    ----------
    weight : float
        Number of rows, or the sum of their weights.
    mean : ndarray of shape (n_features,)
        In the units of the features.
    scatter : ndarray of shape (n_features, n_features)
        Sum of weighted outer products of the centred rows.

    Notes
    -----
    Moments of disjoint sets of rows add up (:meth:`merge`), exactly as written by
    Chan, Golub and LeVeque (The American Statistician 37, 1983,
    doi:10.1080/00031305.1983.10483115), so a fit can run over blocks, files or
    machines.  Every block is centred near the mean of the rows before it, the first one
    near its own, before its product is taken in the dtype of the rows; what the centre
    misses is taken out again, and sums over blocks are float64.

    Examples
    --------
    >>> rows = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]])
    >>> whole = Moments.from_rows(rows)
    >>> parts = Moments.from_rows(rows[:1]).merge(Moments.from_rows(rows[1:]))
    >>> bool(np.allclose(whole.scatter, parts.scatter))
    True
    >>> whole.covariance.tolist()
    [[2.6666666666666665, 2.0], [2.0, 2.0]]
    """

    weight: float
    mean: FloatArray
    scatter: FloatArray

    @classmethod
    def empty(cls, n_features: int) -> Moments:
        """Moments of no row at all.

        Parameters
        ----------
        n_features : int

        Returns
        -------
        Moments
            All zero; merged with others it leaves them as they are.
        """
        return cls(0.0, np.zeros(n_features), np.zeros((n_features, n_features)))

    @classmethod
    def from_rows(
        cls, rows: npt.NDArray[Any], sample_weight: npt.NDArray[Any] | None = None
    ) -> Moments:
        """Moments of rows, block by block.

        Parameters
        ----------
        rows : array of shape (n_rows, n_features)
            float32 or float64, of any library that scikit-learn dispatches to.
        sample_weight : ndarray of shape (n_rows,), optional
            Not negative; weight ``k`` counts a row ``k`` times.

        Returns
        -------
        Moments
        """
        total = cls.empty(rows.shape[1])
        for part in row_blocks(rows.shape[0]):
            w = None if sample_weight is None else sample_weight[part]
            total = total.merge(cls._of_block(rows[part, :], w, total))
        return total

    @classmethod
    def by_code(
        cls,
        rows: npt.NDArray[Any],
        codes: npt.NDArray[np.intp],
        n_codes: int,
        sample_weight: npt.NDArray[Any] | None = None,
    ) -> list[Moments]:
        """Moments of the rows of each code, in one pass.

        Parameters
        ----------
        rows : array of shape (n_rows, n_features)
            float32 or float64, of any library that scikit-learn dispatches to.
        codes : ndarray of int of shape (n_rows,)
            ``0 ... n_codes - 1``: the set that a row belongs to.
        n_codes : int
        sample_weight : ndarray of shape (n_rows,), optional
            As in :meth:`from_rows`.

        Returns
        -------
        list of Moments
            One for each code; of weight 0 where no row has it.

        Examples
        --------
        >>> rows, codes = np.array([[1.0], [2.0], [6.0]]), np.array([0, 1, 1])
        >>> [float(m.mean[0]) for m in Moments.by_code(rows, codes, n_codes=2)]
        [1.0, 4.0]
        """
        totals = [cls.empty(rows.shape[1]) for _ in range(n_codes)]
        for part in row_blocks(rows.shape[0]):
            block, block_codes = rows[part, :], codes[part]
            for code in np.flatnonzero(np.bincount(block_codes)):
                inside = np.flatnonzero(block_codes == code)
                w = None if sample_weight is None else sample_weight[part][inside]
                whole = inside.size == block_codes.size
                some = block if whole else take(block, inside)
                found = cls._of_block(some, w, totals[code])
                totals[code] = totals[code].merge(found)
        return totals

    @classmethod
    def _of_block(
        cls, block: Any, weight: npt.NDArray[Any] | None, before: Moments
    ) -> Moments:
        """Products in the dtype of the rows, in a wider one where squares overflow."""
        xp, _ = namespace_of(block)
        if xp is np and block.dtype == np.float16:
            block = block.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            found = cls._products(block, weight, before)
        widest = widest_float(block)
        if block.dtype == widest or np.isfinite(found.scatter).all():
            return found
        return cls._products(xp.asarray(block, dtype=widest), weight, before)

    @classmethod
    def _products(
        cls, block: Any, weight: npt.NDArray[Any] | None, before: Moments
    ) -> Moments:
        """Products where the rows are; the moments themselves are NumPy's.

        The centre may be any: what it misses is taken out again.  The mean of the rows
        before costs no pass, and where these weigh as much as the block, the squares of
        what it misses are at most twice what merging both adds to the scatter.
        """
        xp, device = namespace_of(block)
        if weight is None:
            w = xp.ones(block.shape[0], dtype=block.dtype, device=device)
            total = float(block.shape[0])
        else:
            w = weight.astype(np.float64)
            total = float(w.sum())
            if total == 0:
                return cls.empty(block.shape[1])
            w = beside(w, block)
        near = before.weight >= total
        mean = beside(before.mean, block) if near else _mean(block, w, total)
        mean = xp.asarray(mean, dtype=block.dtype)
        centred = block - mean
        left = centred
        if weight is not None:
            left = centred * xp.asarray(w, dtype=block.dtype)[:, None]
        product = as_numpy(left.T @ centred, dtype=np.float64)
        rest = as_numpy(_mean(centred, w, total))
        centre = as_numpy(mean, dtype=np.float64) + rest
        scatter = product - total * np.outer(rest, rest)
        return cls(total, centre, scatter)

    def merge(self, other: Moments) -> Moments:
        """Moments of both sets of rows together.

        Parameters
        ----------
        other : Moments
            Of other rows, with the same features.

        Returns
        -------
        Moments
        """
        weight = self.weight + other.weight
        if other.weight == 0:
            return self
        if self.weight == 0:
            return other
        step = other.mean - self.mean
        mean = self.mean + step * (other.weight / weight)
        shift = np.outer(step, step) * (self.weight * other.weight / weight)
        return Moments(weight, mean, self.scatter + other.scatter + shift)

    def without(self, other: Moments) -> Moments:
        """Moments of the rows that are not in `other`: what :meth:`merge` undoes.

        Parameters
        ----------
        other : Moments
            Of some of these rows.

        Returns
        -------
        Moments
            Digits are lost in a feature that hardly varies but in `other`; what
            rounding alone leaves of a scatter, or of a mean of zero, is taken for none.

        Raises
        ------
        ValueError
            If `other` weighs more than all rows.

        Examples
        --------
        >>> rows = np.array([[0.0, 1.0], [2.0, 5.0], [4.0, 1.0]])
        >>> left = Moments.from_rows(rows).without(Moments.from_rows(rows[1:2]))
        >>> left.mean.round(9).tolist(), left.covariance.tolist()
        ([2.0, 1.0], [[4.0, 0.0], [0.0, 0.0]])
        """
        weight = self.weight - other.weight
        if weight < 0:
            raise ValueError(
                f"rows of weight {other.weight:g} cannot be part of rows of weight "
                f"{self.weight:g}"
            )
        if weight == 0:
            return Moments.empty(self.mean.size)
        mean = self.mean + (self.mean - other.mean) * (other.weight / weight)
        step = other.mean - mean
        shift = np.outer(step, step) * (weight * other.weight / self.weight)
        scatter = self.scatter - other.scatter - shift
        still = np.diag(scatter) <= _ROUNDED * np.diag(self.scatter)
        scatter[still], scatter[:, still] = 0.0, 0.0
        mean[still & (np.abs(mean) <= _ROUNDED * np.sqrt(self.variance))] = 0.0
        return Moments(weight, mean, scatter)

    @property
    def covariance(self) -> FloatArray:
        """Covariance by maximum likelihood: divided by the weight, not by one less.

        Zero for a single row.
        """
        return self.scatter / max(self.weight, np.finfo(float).tiny)

    @property
    def variance(self) -> FloatArray:
        """Diagonal of the covariance, never negative."""
        return np.asarray(np.maximum(np.diag(self.covariance), 0.0))


def by_fold(
    rows: npt.NDArray[Any],
    is_error: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.intp],
    sample_weight: npt.NDArray[Any] | None = None,
) -> list[tuple[Moments, Moments]]:
    """Moments of right decisions and of errors in every fold, in one pass.

    Parameters
    ----------
    rows : array of shape (n_rows, n_features)
        float32 or float64, of any library that scikit-learn dispatches to.
    is_error : ndarray of bool of shape (n_rows,)
    fold : ndarray of int of shape (n_rows,)
        0, 1, ...; -1 for rows that no fold holds.
    sample_weight : ndarray of shape (n_rows,), optional

    Returns
    -------
    list of (Moments, Moments)
        Of fold 0, of fold 1, ..., and last of fold -1, which may be empty.

    Examples
    --------
    >>> rows, is_error = np.array([[1.0], [3.0], [7.0]]), np.array([False, False, True])
    >>> parts = by_fold(rows, is_error, np.array([0, 1, -1]))
    >>> [(right.weight, errors.weight) for right, errors in parts]
    [(1.0, 0.0), (1.0, 0.0), (0.0, 1.0)]
    """

    def of(inside: npt.NDArray[np.bool_]) -> Moments:
        places = np.flatnonzero(inside)
        w = None if sample_weight is None else sample_weight[places]
        return Moments.from_rows(take(rows, places), w)

    return [
        (of((fold == f) & ~is_error), of((fold == f) & is_error))
        for f in (*range(int(fold.max()) + 1), -1)
    ]


def without_each(
    parts: list[tuple[Moments, Moments]],
) -> Iterator[tuple[Moments, Moments]]:
    """Moments of all rows but those of each fold, from what :func:`by_fold` returns.

    Parameters
    ----------
    parts : list of (Moments, Moments)

    Yields
    ------
    right, errors : Moments
        Without fold 0, without fold 1, ...

    Examples
    --------
    >>> rows, is_error = np.array([[1.0], [3.0], [7.0]]), np.array([False, False, True])
    >>> parts = by_fold(rows, is_error, np.array([0, 1, -1]))
    >>> [(float(right.mean[0]), errors.weight) for right, errors in without_each(parts)]
    [(3.0, 1.0), (1.0, 1.0)]
    """
    for f in range(len(parts) - 1):
        yield merged(parts[:f] + parts[f + 1 :])


def merged(parts: list[tuple[Moments, Moments]]) -> tuple[Moments, Moments]:
    """Moments of right decisions and of errors in several sets of rows together.

    Parameters
    ----------
    parts : list of (Moments, Moments)

    Returns
    -------
    right, errors : Moments

    Examples
    --------
    >>> rows, is_error = np.array([[1.0], [3.0], [7.0]]), np.array([False, False, True])
    >>> right, errors = merged(by_fold(rows, is_error, np.array([0, 1, -1])))
    >>> float(right.mean[0]), float(errors.mean[0])
    (2.0, 7.0)
    """
    right, errors = zip(*parts, strict=True)
    return reduce(Moments.merge, right), reduce(Moments.merge, errors)


def _mean(rows: Any, w: Any, total: float) -> Any:
    """Weighted mean of rows, in the dtype of the weights."""
    xp, _ = namespace_of(rows)
    return (w @ xp.asarray(rows, dtype=w.dtype)) / total


def project(rows: npt.NDArray[Any], weights: FloatArray) -> FloatArray:
    """Product of rows and weights in float64, whatever the dtype of the rows.

    In float32, columns such as 10,000 plus or minus 1 leave three digits of a score,
    and which three depends on how many rows are multiplied at once: near a threshold
    a row would get one answer alone and another in a batch.  Blocks of rows become
    float64 one after the other, so there is no second copy of all.

    Parameters
    ----------
    rows : array of shape (n_rows, n_features), float
        Of any library that scikit-learn dispatches to.
    weights : ndarray of shape (n_features,) or (n_features, n_projections)

    Returns
    -------
    array of shape (n_rows,) or (n_rows, n_projections), float64
        Where the rows are; float32 on a device that has no float64.

    Examples
    --------
    >>> rows = np.array([[16_777_216.0, 16_777_216.0]], dtype=np.float32)
    >>> weights = np.array([1.0, -1.01])
    >>> project(rows, weights).round(2).tolist()
    [-167772.16]
    >>> float((rows @ weights.astype(np.float32))[0])
    -167772.0
    """
    n_rows, n_features = rows.shape
    xp, device = namespace_of(rows)
    w, dtype = beside(weights, rows), widest_float(rows)
    found = xp.empty((n_rows, *weights.shape[1:]), dtype=dtype, device=device)
    for part in row_blocks(n_rows, max(1, _BLOCK_NUMBERS // max(1, n_features))):
        block = rows[part, :]
        # NumPy widens in its product, the same for rows of every memory layout
        found[part, ...] = (block if xp is np else xp.asarray(block, dtype=dtype)) @ w
    return found  # type: ignore[no-any-return]


def row_blocks(n_rows: int, block_rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """Slices that cover ``range(n_rows)`` in order.

    Parameters
    ----------
    n_rows : int
        0 or more.
    block_rows : int, default=8192
        Rows of a block, 1 or more; the last one may have fewer.

    Yields
    ------
    slice

    Examples
    --------
    >>> [(s.start, s.stop) for s in row_blocks(5, block_rows=2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    for start in range(0, n_rows, block_rows):
        yield slice(start, min(start + block_rows, n_rows))
