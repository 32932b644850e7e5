"""What a book keeps of right decisions, so that an error can be learnt at once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.moments import Moments, row_blocks
from rarecorrect.robust import RobustColumns
from rarecorrect.row_mark import fingerprint_of_rows
from rarecorrect.training_rows import places_of, row_keys

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

SAMPLE_ROWS = 4000
_SAMPLE_SHARE = 0.2
_MOST_RANKED = 50_000  # rows; ranks of more say nothing new
MOST_NUMBERS = 2**22  # of all moments together: 32 megabytes


@dataclass(frozen=True, slots=True, eq=False)
class Reservoir:
    """Right decisions that calibrated, kept to certify an edited book again.

    Attributes
    ----------
    Z : ndarray of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,)
        Legacy labels.
    strata, groups, weight : ndarray of shape (n_rows,) or None
        Class or segment, group and known sampling weight of every row.
    mark : str
        Fingerprint of all rows that calibrated: those that were drawn are no fresh
        ones, and the ledger must know them again.

    Examples
    --------
    >>> Z, labels = np.arange(8.0).reshape(4, 2), np.zeros(4, dtype=int)
    >>> kept = Reservoir.from_rows(Z, labels, np.array([1, 3]))
    >>> kept.Z.tolist(), kept.mark == fingerprint_of_rows(Z[[3, 1]])
    ([[2.0, 3.0], [6.0, 7.0]], True)
    """

    Z: Array
    labels: Array
    strata: Array | None
    groups: Array | None
    weight: Array | None
    mark: str

    @classmethod
    def from_rows(
        cls,
        Z: Array,
        labels: Array,
        rows: Indices,
        *,
        strata: Array | None = None,
        groups: Array | None = None,
        weight: Array | None = None,
        most_rows: int = 20_000,
        seed: int = 0,
    ) -> Reservoir | None:
        """Keep rows that calibrated, or a random part where there are many.

        Parameters
        ----------
        Z : ndarray of shape (n_all, n_features)
        labels : ndarray of shape (n_all,)
            Legacy labels.
        rows : ndarray of int
            Those that calibrated.
        strata, groups, weight : ndarray of shape (n_all,), optional
            A group is kept whole or not at all.
        most_rows : int, default=20000
            About; with groups, so many as hold that number on average.
        seed : int, default=0

        Returns
        -------
        Reservoir or None
            None where nothing calibrated.
        """
        if rows.size == 0:
            return None
        units = np.arange(rows.size)
        if groups is not None:
            units = np.unique(groups[rows], return_inverse=True)[1]
        n_units = int(units.max()) + 1
        n_kept = int(np.ceil(n_units * min(1.0, most_rows / rows.size)))
        drawn = np.random.default_rng(seed).permutation(n_units)[:n_kept]
        kept = rows[np.isin(units, drawn)]
        strata, groups, weight = (
            None if x is None else x[kept] for x in (strata, groups, weight)
        )
        mark = fingerprint_of_rows(Z[rows])
        return cls(Z[kept], labels[kept], strata, groups, weight, mark)

    def without(self, Z: Array) -> Reservoir | None:
        """Return the rows that are left without some of those that calibrated.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            Whether they are among the rows that were drawn or not.

        Returns
        -------
        Reservoir or None
            None where no row is left.  Where all that calibrated were kept, its mark is
            that of those left; of a part, nobody can tell what the others were, and the
            mark stays.
        """
        at = places_of(row_keys(Z), row_keys(self.Z), Z.dtype)
        left = np.delete(np.arange(len(self.Z)), at[at >= 0])
        if left.size == 0:
            return None
        whole = self.mark == fingerprint_of_rows(self.Z)
        strata, groups, weight = (
            None if x is None else x[left]
            for x in (self.strata, self.groups, self.weight)
        )
        mark = fingerprint_of_rows(self.Z[left]) if whole else self.mark
        return Reservoir(self.Z[left], self.labels[left], strata, groups, weight, mark)


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What right decisions look like: enough for a linear rule, without their rows.

    Attributes
    ----------
    moments : mapping from label to Moments
        Of right decisions by legacy label, since a rule to a label never acts on rows
        that have it; those of rare labels together, under ``None``.  Of robust columns,
        where `columns` says how.
    sample : ndarray of shape (n_sample, n_features)
        Others, for the scale of a rule: they are not among the moments, because rows
        that a detector was fitted on look less wrong to it than any others.
    sample_labels : ndarray of shape (n_sample,)
        Legacy labels of these.
    origin : str
        What the features were read off, see :func:`~rarecorrect.ledger.origin`.
    reservoir : Reservoir or None
        Rows that calibrated.
    columns : RobustColumns or None
        ``None``: rules read the features as they are.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z, labels = rng.normal(size=(1000, 3)), rng.integers(0, 2, size=1000)
    >>> background = Background.from_rows(Z, labels, np.arange(1000))
    >>> moments, sample = background.but(0)
    >>> int(moments.weight) + len(sample) == int(np.sum(labels == 1))
    True
    """

    moments: Mapping[Hashable, Moments]
    sample: Array
    sample_labels: Array
    origin: str = ""
    reservoir: Reservoir | None = None
    columns: RobustColumns | None = None

    @classmethod
    def from_rows(
        cls,
        Z: Array,
        labels: Array,
        rows: Indices,
        *,
        sample_weight: Array | None = None,
        origin: str = "",
        reservoir: Reservoir | None = None,
        robust: bool = False,
        seed: int = 0,
    ) -> Background | None:
        """Keep what rules need of right decisions.

        Parameters
        ----------
        Z : ndarray of shape (n_all, n_features)
            Rows that are not finite are left out.
        labels : ndarray of shape (n_all,)
            Legacy labels.
        rows : ndarray of int
            Right decisions that teach, and do not calibrate.
        sample_weight : ndarray of shape (n_all,), optional
        origin : str, default=""
        reservoir : Reservoir, optional
        robust : bool, default=False
            Keep every column drawn in and by its rank, for features with heavy tails.
        seed : int, default=0
            Of the sample: a fifth of the rows, at most 4,000.

        Returns
        -------
        Background or None
            None for fewer than two rows, or more than 2,048 columns (a robust feature
            has two): their moments would be larger than the model.
        """
        n_columns = Z.shape[1] * (2 if robust else 1)
        n_labels = MOST_NUMBERS // max(1, n_columns**2) - 1
        there = _present(Z, rows, sample_weight)
        if there.size < 2 or n_labels < 0:
            return None
        n_sample = min(SAMPLE_ROWS, max(1, int(_SAMPLE_SHARE * there.size)))
        drawn = np.random.default_rng(seed).permutation(there)
        sample, taught = np.sort(drawn[:n_sample]), np.sort(drawn[n_sample:])
        columns = None
        if robust:
            few = drawn[n_sample:][:_MOST_RANKED]
            weight = None if sample_weight is None else sample_weight[few]
            columns = RobustColumns.from_rows(Z[few], weight)
        names, codes = _codes(labels[taught], n_labels)
        totals = [Moments.empty(n_columns) for _ in names]
        for part in row_blocks(taught.size):
            block = taught[part]
            w = None if sample_weight is None else sample_weight[block]
            read = Z[block] if columns is None else columns(Z[block])
            found = Moments.by_code(read, codes[part], len(names), w)
            totals = [a.merge(b) for a, b in zip(totals, found, strict=True)]
        by_label = dict(zip(names, totals, strict=True))
        return cls(by_label, Z[sample], labels[sample], origin, reservoir, columns)

    @classmethod
    def from_whole(
        cls,
        whole: Mapping[Hashable, Moments],
        sample: Array,
        sample_labels: Array,
        *,
        origin: str = "",
        reservoir: Reservoir | None = None,
    ) -> Background | None:
        """Keep what rules need, of right decisions that are known by their moments.

        Parameters
        ----------
        whole : mapping from label to Moments
            Of all right decisions that teach, those of `sample` among them.
        sample : ndarray of shape (n_sample, n_features)
            A random part of them, in random order.
        sample_labels : ndarray of shape (n_sample,)
            Legacy labels of these.
        origin : str, default=""
        reservoir : Reservoir, optional

        Returns
        -------
        Background or None
            None for fewer than two rows.

        Examples
        --------
        >>> Z, labels = np.arange(8.0)[:, None], np.zeros(8)
        >>> whole = {0.0: Moments.from_rows(Z)}
        >>> kept = Background.from_whole(whole, Z[:5], labels[:5])
        >>> kept.sample.ravel().tolist(), kept.moments[0.0].mean.tolist()
        ([0.0], [4.0])
        """
        n = round(sum(moments.weight for moments in whole.values()))
        if n < 2:
            return None
        n_sample = min(SAMPLE_ROWS, max(1, int(_SAMPLE_SHARE * n)), len(sample))
        made = cls(whole, sample[:0], sample_labels[:0], origin, reservoir)
        kept = made.without(sample[:n_sample], sample_labels[:n_sample])
        return replace(
            kept, sample=sample[:n_sample], sample_labels=sample_labels[:n_sample]
        )

    @property
    def n_features(self) -> int:
        """Number of features of the rows."""
        return int(self.sample.shape[1])

    @property
    def weight(self) -> float:
        """Number of rows behind the moments, or the sum of their weights."""
        return float(sum(moments.weight for moments in self.moments.values()))

    def but(self, label: Hashable) -> tuple[Moments, Array]:
        """Right decisions with another legacy label.

        Parameters
        ----------
        label : label or None
            ``None``: all of them.  A rare label is not told from other rare ones, and
            stays in the moments.

        Returns
        -------
        moments : Moments
        sample : ndarray of shape (n_rows, n_features)
        """
        kept = [m for name, m in self.moments.items() if name is None or name != label]
        sample = self.sample
        if label is not None:
            sample = sample[self.sample_labels != label]
        n_columns = self.n_features * (1 if self.columns is None else 2)
        return reduce(Moments.merge, kept, Moments.empty(n_columns)), sample

    def without(self, Z: Array, labels: Array) -> Background:
        """Return what is kept of the other right decisions.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            Right decisions that this was made of, without weights.
        labels : ndarray of shape (n_rows,)
            Legacy labels.

        Returns
        -------
        Background

        Raises
        ------
        ValueError
            Where robust columns were learnt from all of the rows.

        Examples
        --------
        >>> Z, labels = np.random.default_rng(0).normal(size=(99, 2)), np.zeros(99)
        >>> background = Background.from_rows(Z, labels, np.arange(99))
        >>> left = background.without(Z[:9], labels[:9])
        >>> int(left.weight) + len(left.sample)
        90
        """
        if len(Z) == 0:
            return self
        if self.columns is not None:
            raise ValueError(
                "the book keeps ranks of features among right decisions, as always "
                "with detector='auto' or a cascade, and ranks cannot forget: fit again "
                "without the rows"
            )
        at = places_of(row_keys(Z), row_keys(self.sample), Z.dtype)
        taught, moments = at < 0, dict(self.moments)
        names = [name if name in moments else None for name in labels[taught].tolist()]
        codes = np.array([[*moments].index(name) for name in names], dtype=np.intp)
        gone = Moments.by_code(Z[taught], codes, len(moments))
        for name, rows in zip(self.moments, gone, strict=True):
            moments[name] = moments[name].without(rows)
        return replace(
            self,
            moments={name: m for name, m in moments.items() if m.weight > 0},
            sample=np.delete(self.sample, at[~taught], axis=0),
            sample_labels=np.delete(self.sample_labels, at[~taught]),
        )

    def without_calibration(self, Z: Array) -> Background:
        """Return the same without some of the rows that calibrated.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)

        Returns
        -------
        Background
        """
        kept = self.reservoir
        return replace(self, reservoir=None if kept is None else kept.without(Z))


def _present(Z: Array, rows: Indices, weight: Array | None) -> Indices:
    """Rows that are finite and of positive weight, without a copy of all."""
    finite = [np.isfinite(Z[rows[b]]).all(axis=1) for b in row_blocks(rows.size)]
    there = rows[np.concatenate([np.empty(0, dtype=bool), *finite])]
    return np.asarray(there if weight is None else there[weight[there] > 0])


def _codes(labels: Array, n_labels: int) -> tuple[list[Hashable], Indices]:
    """Names of the most frequent labels, ``None`` for all others, and the codes."""
    distinct, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:n_labels]
    place = np.full(distinct.size, frequent.size, dtype=np.intp)
    place[frequent] = np.arange(frequent.size)
    names: list[Hashable] = distinct[frequent].tolist()
    rare = [None] if frequent.size < distinct.size else []
    return names + rare, place[codes]
