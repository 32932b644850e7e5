"""What right decisions look like on average: the base of all contributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.rule import Rule

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """Mean features of right decisions, by legacy label.

    Attributes
    ----------
    labels : ndarray of shape (n_labels,)
    counts : ndarray of int of shape (n_labels,)
        Right decisions with each label.
    means : ndarray of shape (n_labels, n_features)

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> from rarecorrect.tail_scale import TailScale
    >>> usual = Usual.of(np.array([[1.0], [3.0], [8.0]]), np.array(["a", "a", "b"]))
    >>> usual.means.tolist()
    [[2.0], [8.0]]
    >>> rule = Rule("to b", "b", FisherDetector(), TailScale.from_scores([0.0, 1.0]))
    >>> usual.of_rule(rule).tolist()
    [2.0]
    """

    labels: Array
    counts: npt.NDArray[np.intp]
    means: FloatArray

    @classmethod
    def of(cls, Z: Array, labels: Array) -> Usual:
        """Of the right decisions that rules were learnt from.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
        labels : ndarray of shape (n_rows,)
            Legacy labels.

        Returns
        -------
        Usual
        """
        found, counts = np.unique(labels, return_counts=True)
        means = np.empty((found.size, Z.shape[1]))
        for i, label in enumerate(found):
            means[i] = Z[labels == label].mean(axis=0, dtype=float)
        return cls(found, counts, means)

    def without(self, Z: Array, labels: Array) -> Usual:
        """Means of the other right decisions.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            Of some that are among the means.
        labels : ndarray of shape (n_rows,)
            Legacy labels.

        Returns
        -------
        Usual

        Examples
        --------
        >>> usual = Usual.of(np.array([[1.0], [3.0], [8.0]]), np.array(["a", "a", "b"]))
        >>> usual.without(np.array([[3.0], [8.0]]), np.array(["a", "b"])).means.tolist()
        [[1.0]]
        """
        counts, means = self.counts.copy(), self.means.copy()
        for i, label in enumerate(self.labels):
            gone = Z[labels == label]
            counts[i] -= len(gone)
            if len(gone) and counts[i]:
                away = means[i] - gone.mean(axis=0, dtype=float)
                means[i] += away * (len(gone) / counts[i])
        there = counts > 0
        return Usual(self.labels[there], counts[there], means[there])

    def of_rule(self, rule: Rule) -> FloatArray:
        """Of the right decisions that a rule may change, or of all if there is none.

        Parameters
        ----------
        rule : Rule

        Returns
        -------
        ndarray of shape (n_features,)

        Raises
        ------
        ValueError
            If there is no right decision at all.
        """
        if not self.counts.size:
            raise ValueError(
                "no right decision is known from which contributions could be counted; "
                "fit with rows on which the legacy model is right"
            )
        mine = rule.effective(self.labels)
        weights = self.counts * mine if mine.any() else self.counts
        return np.asarray(np.average(self.means, axis=0, weights=weights))
