"""A random part of any number of rows, that depends on their numbers alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

LARGEST_HASH = 2**64 - 1
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # by which SplitMix64 steps
_SLACK = 1.25  # times as many rows as are asked for may be held for a while
_HASH, _KIND = "hash", "kind"


class HashSample:
    """Rows with the smallest hashes, at most so many, shared evenly by their kinds.

    Whatever the order and the blocks that rows come in, the same ones are kept, so
    samples of disjoint sets of rows can be merged.  A sample of fewer rows is a part of
    one of more.

    Parameters
    ----------
    most : int
        Rows in all, 1 or more.
    least : int, default=1
        Of every kind, if it has so many, also where that makes more than `most`.

    Raises
    ------
    ValueError
        For less than one row.

    Examples
    --------
    >>> hashes = row_hashes(0, 1000)
    >>> whole, parts = HashSample(10), [HashSample(10), HashSample(10)]
    >>> whole.add(hashes, row=np.arange(1000))
    >>> parts[0].add(hashes[:300], row=np.arange(300))
    >>> parts[1].add(hashes[300:], row=np.arange(300, 1000))
    >>> merged = parts[0].merge(parts[1]).columns()["row"]
    >>> merged.tolist() == whole.columns()["row"].tolist(), merged.size
    (True, 10)
    """

    def __init__(self, most: int, least: int = 1) -> None:
        if most < 1 or least < 1:
            raise ValueError(f"a sample needs room for rows, got {most} and {least}")
        self.most, self.least = most, least
        self._codes: dict[Hashable, int] = {}
        self._limits = np.empty(0, dtype=np.uint64)
        self._parts: list[dict[str, Array]] = []
        self._n = 0

    @property
    def share(self) -> int:
        """Rows of a kind that are kept at the most."""
        return max(self.least, self.most // max(1, len(self._codes)))

    @property
    def limits(self) -> dict[Hashable, int]:
        """Of every kind: the hash below which no row was left out."""
        self._prune()
        return {kind: int(self._limits[i]) for kind, i in self._codes.items()}

    def wanted(self, hashes: Hashes, kinds: Array | None = None) -> Mask:
        """Rows that would be kept, as far as can be told now.

        Parameters
        ----------
        hashes : ndarray of uint64 of shape (n_rows,)
        kinds : ndarray of shape (n_rows,), optional
            Without it, all rows are of one kind.

        Returns
        -------
        ndarray of bool of shape (n_rows,)
        """
        codes = self._coded(kinds, hashes.size)
        return np.asarray(hashes <= self._limits[codes])

    def add(self, hashes: Hashes, kinds: Array | None = None, **columns: Array) -> None:
        """Offer rows.

        Parameters
        ----------
        hashes : ndarray of uint64 of shape (n_rows,)
        kinds : ndarray of shape (n_rows,), optional
        **columns : ndarray of shape (n_rows, ...)
            What to keep of them, the same names in every call.
        """
        codes = self._coded(kinds, hashes.size)
        inside = hashes <= self._limits[codes]
        if not inside.any():
            return
        found = {name: values[inside] for name, values in columns.items()}
        self._parts.append({**found, _HASH: hashes[inside], _KIND: codes[inside]})
        self._n += int(inside.sum())
        if self._n > _SLACK * max(self.most, self.share * len(self._codes)):
            self._prune()

    def merge(self, other: HashSample) -> HashSample:
        """Sample of both sets of rows together.

        Parameters
        ----------
        other : HashSample
            Of other rows, of the same size.

        Returns
        -------
        HashSample
        """
        made = HashSample(self.most, self.least)
        for sample in (self, other):
            for kind, limit in sample.limits.items():  # what was left out stays out
                at = made._code(kind)
                made._limits[at] = min(made._limits[at], np.uint64(limit))
        for sample in (self, other):
            names = np.empty(len(sample._codes), dtype=object)
            names[:] = list(sample._codes)
            for part in sample._parts:
                columns = {k: v for k, v in part.items() if k not in (_HASH, _KIND)}
                made.add(part[_HASH], names[part[_KIND]], **columns)
        return made

    def columns(self) -> Mapping[str, Array]:
        """What is kept, as it was offered: ``"hash"`` and the names in :meth:`add`.

        Returns
        -------
        dict of str to ndarray
            Empty where nothing was offered.
        """
        self._prune()
        if not self._parts:
            return {}
        (part,) = self._parts
        return {name: part[name] for name in part if name != _KIND}

    def _coded(self, kinds: Array | None, n: int) -> npt.NDArray[np.int32]:
        """Number of every row's kind, with a limit for kinds that are new."""
        if kinds is None:
            self._code(None)
            return np.full(n, self._codes[None], dtype=np.int32)
        first: dict[Hashable, int] = {}
        codes = np.array([first.setdefault(k, len(first)) for k in kinds.tolist()], int)
        known = np.array([self._code(kind) for kind in first], dtype=np.int32)
        return np.asarray(known[codes])

    def _code(self, kind: Hashable) -> int:
        if kind not in self._codes:
            self._codes[kind] = len(self._codes)
            self._limits = np.append(self._limits, np.uint64(LARGEST_HASH))
        return self._codes[kind]

    def _prune(self) -> None:
        """Keep the smallest hashes of every kind, and remember up to where."""
        if not self._parts:
            return
        hashes = np.concatenate([part[_HASH] for part in self._parts])
        codes = np.concatenate([part[_KIND] for part in self._parts])
        for code in range(len(self._codes)):
            own = hashes if len(self._codes) == 1 else hashes[codes == code]
            if own.size > self.share:
                self._limits[code] = np.partition(own, self.share - 1)[self.share - 1]
        kept = hashes <= self._limits[codes]
        self._parts = [
            {
                name: np.concatenate([part[name] for part in self._parts])[kept]
                for name in self._parts[0]
            }
        ]
        self._n = int(kept.sum())


def row_hashes(start: int, n: int, seed: int = 0) -> Hashes:
    """Hashes of row numbers, each like a random 64-bit number.

    Parameters
    ----------
    start : int
        Number of the first row.
    n : int
        Number of rows.
    seed : int, default=0
        Other seeds, other hashes.

    Returns
    -------
    ndarray of uint64 of shape (n,)
        All different: the map from numbers to hashes is one to one.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014, doi:10.1145/2660193.2660195 (SplitMix64).

    Examples
    --------
    >>> hashes = row_hashes(0, 10_000)
    >>> bool((hashes[5000:] == row_hashes(5000, 5000)).all())
    True
    >>> round(float(np.mean(hashes < 2**62)), 1)
    0.3
    """
    # far from the numbers of other seeds
    first = mixed(np.array([seed], dtype=np.uint64))[0].item() + start
    numbers = np.arange(n, dtype=np.uint64) + np.uint64(first & LARGEST_HASH)
    return mixed(numbers * GOLDEN)


def mixed(z: Hashes) -> Hashes:
    """Spread every bit of numbers over all of their bits.

    Parameters
    ----------
    z : ndarray of uint64

    Returns
    -------
    ndarray of uint64
        One to one; the last step of SplitMix64, see :func:`row_hashes`.

    Examples
    --------
    >>> len(set(mixed(np.arange(1000, dtype=np.uint64)).tolist()))
    1000
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
