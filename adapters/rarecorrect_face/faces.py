"""Faces: grey pictures with their labels, and the part of the data each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

SIDE = 48
SPLITS = ("train", "fit", "calibration", "test")
_FIT_FRACTION = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Pictures, labels and splits; made by :meth:`Faces.of`, which checks them.

    Attributes
    ----------
    images : ndarray of uint8 of shape (n_faces, 48, 48)
    labels : ndarray of int64 of shape (n_faces,)
        Indices into `class_names`.
    class_names : tuple of str
    split : ndarray of str of shape (n_faces,)
        ``"train"``, ``"calibration"`` or ``"test"``; ``"fit"`` marks training faces
        that a network has not seen, see :meth:`for_correction`.
    soft : ndarray of float of shape (n_faces, n_classes) or None
        Shares of votes; rows sum to 1.
    ids : ndarray of str of shape (n_faces,)
        File names or row numbers.
    duplicate : ndarray of bool of shape (n_faces,)
        The same pixels occur in another split too; never set for ``"train"``.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    split: npt.NDArray[np.str_]
    soft: npt.NDArray[np.float64] | None
    ids: npt.NDArray[np.str_]
    duplicate: Mask

    @classmethod
    def of(
        cls,
        images: npt.ArrayLike,
        labels: npt.ArrayLike,
        class_names: Sequence[str],
        split: npt.ArrayLike,
        *,
        soft: npt.ArrayLike | None = None,
        ids: npt.ArrayLike | None = None,
    ) -> Faces:
        """Check everything, number the faces, find duplicates.

        Parameters
        ----------
        images : array-like of uint8 of shape (n_faces, 48, 48)
        labels : array-like of int of shape (n_faces,)
        class_names : sequence of str
        split : array-like of str of shape (n_faces,)
        soft : array-like of shape (n_faces, n_classes), optional
        ids : array-like of shape (n_faces,), optional
            Default: row numbers.

        Returns
        -------
        Faces

        Raises
        ------
        ValueError
            For pictures of another size or type, labels without a name, unknown
            splits, shares that do not sum to 1, lengths that differ.

        Examples
        --------
        >>> grey = np.zeros((2, 48, 48), dtype=np.uint8)
        >>> faces = Faces.of(grey, [0, 1], ["happy", "sad"], ["train", "test"])
        >>> len(faces), faces.duplicate.tolist(), faces.names.tolist()
        (2, [False, True], ['happy', 'sad'])
        """
        pictures = np.asarray(images)
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIDE, SIDE):
            raise ValueError(
                f"images must be uint8 of shape (n, {SIDE}, {SIDE}), got "
                f"{pictures.dtype} of shape {pictures.shape}"
            )
        n, names = len(pictures), tuple(str(name) for name in class_names)
        codes = _column("labels", labels, n)
        parts = _column("split", split, n).astype(str)
        _check_labels(codes, names)
        _check_splits(parts)
        return cls(
            pictures,
            codes.astype(np.int64),
            names,
            parts,
            None if soft is None else _shares(soft, n, len(names)),
            np.arange(n).astype(str)
            if ids is None
            else _column("ids", ids, n).astype(str),
            duplicates(pictures, parts),
        )

    def __len__(self) -> int:
        return self.labels.size

    @property
    def names(self) -> npt.NDArray[np.str_]:
        """Name of the label of every face."""
        return np.asarray(self.class_names, dtype=str)[self.labels]

    def take(self, rows: npt.ArrayLike) -> Faces:
        """Return some faces, by positions or by a mask; marks stay as they are."""
        at = np.asarray(rows)
        return replace(
            self,
            images=self.images[at],
            labels=self.labels[at],
            split=self.split[at],
            soft=None if self.soft is None else self.soft[at],
            ids=self.ids[at],
            duplicate=self.duplicate[at],
        )

    def part(self, split: str) -> Faces:
        """Return the faces of one split.

        Raises
        ------
        ValueError
            For an unknown split.
        """
        _check_splits(np.array([split]))
        return self.take(self.split == split)

    def thinned(self, most: int, *, random_state: int = 0) -> Faces:
        """Return all other faces and a random part of those of ``"train"``.

        Parameters
        ----------
        most : int
            Training faces, in the order in which they were.
        random_state : int, default=0
        """
        train = np.flatnonzero(self.split == "train")
        order = np.random.default_rng(random_state).permutation(train)
        return self.take(np.setdiff1d(np.arange(len(self.labels)), order[most:]))

    def without(self, label: str) -> Faces:
        """Return the other classes, numbered anew.

        Votes for the class go to the others in proportion; a face that nobody voted
        another class for keeps its own label.

        Raises
        ------
        ValueError
            If there is no such class.
        """
        code = self.code(label)
        kept = self.take(self.labels != code)
        labels = kept.labels - (kept.labels > code)
        names = tuple(name for name in self.class_names if name != label)
        soft = None
        if kept.soft is not None:
            soft = np.delete(kept.soft, code, axis=1)
            nobody = soft.sum(axis=1) == 0
            soft[nobody, labels[nobody]] = 1.0
            soft /= soft.sum(axis=1, keepdims=True)
        return replace(kept, labels=labels, class_names=names, soft=soft)

    def for_correction(
        self,
        label: str | None = None,
        *,
        n_kept: int = 0,
        fraction: float = _FIT_FRACTION,
        random_state: int = 0,
    ) -> Faces:
        """Set aside what a corrector learns from: these faces get split ``"fit"``.

        A stratified part of the training faces, and all those of the class that the
        network is not to see, but for `n_kept`.  The rest of ``"train"`` trains the
        network.  The part set aside is the same for every class.

        Parameters
        ----------
        label : str, optional
            Class to leave out or to thin; None: for the network of all classes.
        n_kept : int, default=0
            Faces of `label` that the network sees.
        fraction : float, default=0.1
        random_state : int, default=0

        Returns
        -------
        Faces

        Raises
        ------
        ValueError
            If there is no such class.

        Examples
        --------
        >>> grey = np.arange(20, dtype=np.uint8)[:, None, None].repeat(48, 1)
        >>> faces = Faces.of(grey.repeat(48, 2), [0, 1] * 10, "ab", ["train"] * 20)
        >>> aside = faces.for_correction("b").part("fit").names
        >>> [int((aside == name).sum()) for name in "ab"]
        [1, 10]
        """
        rng = np.random.default_rng(random_state)
        aside = stratified(self.labels, self.split == "train", fraction, rng)
        if label is not None:
            of_class = (self.labels == self.code(label)) & (self.split == "train")
            seen = rng.permutation(np.flatnonzero(of_class & ~aside))[:n_kept]
            aside |= of_class
            aside[seen] = False
        return replace(self, split=np.where(aside, "fit", self.split))

    def code(self, label: str) -> int:
        """Index of a class.

        Raises
        ------
        ValueError
            If there is no such class.
        """
        if label not in self.class_names:
            raise ValueError(
                f"no class {label!r}; there are {', '.join(self.class_names)}"
            )
        return self.class_names.index(label)


def stratified(
    labels: Array, candidates: Mask, fraction: float, rng: np.random.Generator
) -> Mask:
    """Mark a random part of the candidates, the same share of every class.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,)
    candidates : ndarray of bool of shape (n_rows,)
    fraction : float
    rng : Generator

    Returns
    -------
    ndarray of bool of shape (n_rows,)

    Examples
    --------
    >>> labels = np.array([0] * 6 + [1] * 4)
    >>> rng = np.random.default_rng(0)
    >>> chosen = stratified(labels, np.ones(10, bool), 0.5, rng)
    >>> chosen[:6].sum(), chosen[6:].sum()
    (np.int64(3), np.int64(2))
    """
    chosen = np.zeros(labels.size, dtype=bool)
    for label in np.unique(labels[candidates]):
        inside = rng.permutation(np.flatnonzero(candidates & (labels == label)))
        chosen[inside[: round(fraction * inside.size)]] = True
    return chosen


def duplicates(images: npt.NDArray[np.uint8], split: Array) -> Mask:
    """Mark faces outside ``"train"`` whose very pixels occur in another split too.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n_faces, height, width)
    split : ndarray of str of shape (n_faces,)

    Returns
    -------
    ndarray of bool of shape (n_faces,)
    """
    digests = [blake2b(image.tobytes(), digest_size=16).digest() for image in images]
    splits_of: dict[bytes, set[str]] = {}
    for digest, part in zip(digests, split.tolist(), strict=True):
        splits_of.setdefault(digest, set()).add(part)
    several = np.array([len(splits_of[digest]) > 1 for digest in digests], dtype=bool)
    return np.asarray(several & (split != "train"))


def _column(name: str, values: npt.ArrayLike, n: int) -> Array:
    column = np.asarray(values)
    if column.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {column.shape}")
    return column


def _check_labels(codes: Array, names: tuple[str, ...]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"class names must differ, got {', '.join(names)}")
    if codes.size == 0:
        return
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() >= len(names):
        raise ValueError(
            f"labels must be whole numbers from 0 to {len(names) - 1}, one for each "
            f"class name, got {codes.dtype} from {codes.min()} to {codes.max()}"
        )


def _check_splits(split: Array) -> None:
    unknown = sorted(set(split.tolist()) - set(SPLITS))
    if unknown:
        raise ValueError(
            f"split must be one of {', '.join(SPLITS)}, got {unknown[0]!r}"
        )


def _shares(soft: npt.ArrayLike, n: int, n_classes: int) -> npt.NDArray[np.float64]:
    shares = np.asarray(soft, dtype=float)
    if shares.shape != (n, n_classes):
        raise ValueError(f"soft must have shape ({n}, {n_classes}), got {shares.shape}")
    sums = shares.sum(axis=1)
    if n and (shares.min() < 0 or not np.allclose(sums, 1)):
        worst = float(sums[np.argmax(np.abs(sums - 1))])
        raise ValueError(
            f"rows of soft must be shares that sum to 1; one sums to {worst:g}"
        )
    return shares
