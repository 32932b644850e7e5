"""How well a detector finds errors that it was not taught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.cross_fitting import detector_score, fit_detector
from rarecorrect.ranking import tail_ranks

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_REPEATS = 10
_PERMUTATIONS, _REPEATS_BY_CHANCE = 20, 3


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A detector, right decisions to learn from and to rank among, and a budget.

    Attributes
    ----------
    detector : classifier
        Unfitted prototype.
    right : ndarray of shape (n_right, n_features)
    max_damage : float
    rng : Generator

    Examples
    --------
    >>> from rarecorrect import FisherDetector
    >>> rng = np.random.default_rng(0)
    >>> trial = Trial(FisherDetector(), rng.normal(size=(400, 2)), 0.05, rng)
    >>> ranks = trial.left_out_ranks(rng.normal(5, 1, size=(4, 2)), n=3)
    >>> len(ranks), float(max(ranks).round(3)[0])
    (10, 0.005)
    """

    detector: Any
    right: Array
    max_damage: float
    rng: np.random.Generator

    def left_out_ranks(self, errors: Array, n: int) -> list[FloatArray]:
        """Tail ranks of the errors that did not teach, `n` of them teaching.

        Parameters
        ----------
        errors : ndarray of shape (n_errors, n_features)
        n : int
            Below `n_errors`.

        Returns
        -------
        list of ndarray of shape (n_errors - n,)
            One for each random choice of the errors that teach.
        """
        return self._left_out_ranks(np.arange(len(self.right)), errors, n, _REPEATS)

    def chance(self, n: int, n_errors: int) -> float:
        """97.5 % point of the gain where the errors are right decisions.

        Parameters
        ----------
        n : int
            Errors that teach.
        n_errors : int

        Returns
        -------
        float
        """
        gains = []
        for _ in range(_PERMUTATIONS):
            order = self.rng.permutation(len(self.right))
            drawn, rest = self.right[order[:n_errors]], order[n_errors:]
            ranks = self._left_out_ranks(rest, drawn, n, _REPEATS_BY_CHANCE)
            gains.append(np.mean(np.concatenate(ranks) <= self.max_damage))
        return float(np.quantile(gains, 0.975))

    def _left_out_ranks(
        self, rest: Indices, errors: Array, n: int, repeats: int
    ) -> list[FloatArray]:
        """The same among some of the right decisions, by their numbers."""
        half = len(rest) // 2
        is_error = np.arange(half + n) >= half
        found = []
        for seed in range(repeats):
            order = self.rng.permutation(len(errors))
            background = self.rng.permutation(rest)
            Z = np.concatenate([self.right[background[:half]], errors[order[:n]]])
            fitted = fit_detector(self.detector, Z, is_error, random_state=seed)
            among = np.sort(detector_score(fitted, self.right[background[half:]]))
            found.append(tail_ranks(detector_score(fitted, errors[order[n:]]), among))
        return found
