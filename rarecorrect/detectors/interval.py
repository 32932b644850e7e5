"""A detector that a person can read: a conjunction of one-sided conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from rarecorrect.certify import check_share
from rarecorrect.detectors.base import BinaryDetector, rows_that_teach, weights_of
from rarecorrect.tail_scale import TailScale

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEAST_IMPROVEMENT = 0.1  # mean log tail rank; less is noise of a few errors
_SAID_TO = 1e-3  # of the mean excess over where the tail starts
_LEFT_OUT_SHARE = 0.1  # errors that a condition may leave out


@dataclass(frozen=True, slots=True)
class Condition:
    """A column is above or below a bound.

    Attributes
    ----------
    column : int
        Its position.
    above : bool
        Whether it must be above the bound, else below.
    bound : float
        In the units of the column.
    step : float
        How finely :meth:`text` says the bound; 0: in full.

    Examples
    --------
    >>> Condition(0, True, 214.4321, step=0.01).text(["amount", "hour"])
    'amount > 214.44'
    """

    column: int
    above: bool
    bound: float
    step: float = 0.0

    def text(self, names: Sequence[str]) -> str:
        """Read it aloud, rounded so that no row more is inside.

        Parameters
        ----------
        names : sequence of str
            Of all columns.

        Returns
        -------
        str
        """
        bound = Decimal(self.bound)
        if self.step > 0 and bound.is_finite():
            digits = Decimal(1).scaleb(math.floor(math.log10(self.step)))
            inwards = ROUND_CEILING if self.above else ROUND_FLOOR
            with localcontext(prec=60):
                bound = bound.quantize(digits, rounding=inwards)
        said = f"{bound:f}"
        said = said.rstrip("0").rstrip(".") if "." in said else said
        return f"{names[self.column]} {'>' if self.above else '<'} {said}"


@dataclass(frozen=True, slots=True)
class _Side:
    """One column seen from one side, on the scale of its tail."""

    column: int
    sign: int
    scale: TailScale
    offset: float = 0.0

    def score(self, X: npt.NDArray[Any]) -> FloatArray:
        return self.scale(self.sign * X[:, self.column].astype(float)) - self.offset


class IntervalDetector(BinaryDetector):
    r"""A box of one-sided conditions, such as ``amount > 214.5 and hour < 6``.

    Every column is seen from both sides on the scale :math:`g_j` of its tail among
    right decisions, see :class:`~rarecorrect.tail_scale.TailScale`.  The score is
    :math:`\min_j (g_j(\pm x_j) - l_j)` over the chosen sides, where :math:`l_j` leaves
    out a tenth of the errors at most; so every threshold on the score is a box, and a
    higher threshold a smaller one inside it.  Sides are added one by one, each the one
    that puts the errors furthest into the tail of the score, until that helps no more;
    a column is bounded from one side only.

    Parameters
    ----------
    max_conditions : int, default=3
        Columns bounded, at most; 1 or more.
    max_damage : float, default=0.001
        Share of right decisions in (0, 1): how far in the tail errors lie counts up to
        there.
    max_background : int, default=10_000
        Right decisions used, a random part where there are more.
    random_state : int, RandomState or None, default=None
        For that part.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If `X` has column names.

    Notes
    -----
    Few errors can be told from right decisions so by chance where there are many
    columns; what a box is worth is seen on errors left out.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> amount, hour = rng.exponential(50, 2005), rng.uniform(0, 24, 2005)
    >>> amount[2000:] = 450 + np.arange(5)
    >>> X, is_error = np.column_stack([amount, hour]), np.arange(2005) >= 2000
    >>> detector = IntervalDetector().fit(X, is_error)
    >>> print(detector.describe(names=["amount", "hour"]))
    amount > 450
    """

    def __init__(
        self,
        max_conditions: int = 3,
        max_damage: float = 0.001,
        max_background: int = 10_000,
        random_state: Any = None,
    ) -> None:
        self.max_conditions = max_conditions
        self.max_damage = max_damage
        self.max_background = max_background
        self.random_state = random_state

    def conditions(self, threshold: float = 0.0) -> list[Condition]:
        """Conditions that hold together exactly where the score is above a threshold.

        Parameters
        ----------
        threshold : float, default=0.0
            On the score; a certified one, for instance.

        Returns
        -------
        list of Condition
            Without those that hold everywhere; bounds in the units of the columns.
        """
        check_is_fitted(self, "_sides")
        found = []
        for side in self._sides:
            bound = side.sign * side.scale.inverse(threshold + side.offset)
            if np.isfinite(bound) or threshold > 0:
                step = _SAID_TO / side.scale.slope_above
                found.append(Condition(side.column, side.sign > 0, float(bound), step))
        return found

    def describe(
        self, threshold: float = 0.0, names: Sequence[str] | None = None
    ) -> str:
        """Read the box aloud.

        Parameters
        ----------
        threshold : float, default=0.0
            As in :meth:`conditions`.
        names : sequence of str, optional
            Of the columns; by default those seen in `fit`, else ``x0``, ``x1`` ...

        Returns
        -------
        str
            ``"always"`` if there is no condition.
        """
        check_is_fitted(self, "_sides")
        if names is None:
            numbered = [f"x{i}" for i in range(self.n_features_in_)]
            names = list(getattr(self, "feature_names_in_", numbered))
        parts = [condition.text(names) for condition in self.conditions(threshold)]
        return " and ".join(parts) or "always"

    def _check_parameters(self) -> None:
        check_share(self.max_damage, "max_damage")
        self._check_at_least_one("max_conditions", "max_background")

    def _fit(self, X: npt.NDArray[Any], is_error: Mask, w: Any) -> None:
        rng = check_random_state(self.random_state)
        used = rows_that_teach(is_error, w, max_background=self.max_background, rng=rng)
        self._grow(X[used], is_error[used], weights_of(used, w))

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        scores = [side.score(X) for side in self._sides]
        return np.asarray(np.min(scores, axis=0))

    def _grow(self, X: npt.NDArray[Any], is_error: Mask, w: FloatArray) -> None:
        sides = list(_sides_of(X, is_error, w))
        scores = [side.score(X) for side in sides]
        cap = -np.log(self.max_damage)
        chosen: list[int] = []
        best, lowest = -np.inf, np.full(len(X), np.inf)
        while len(chosen) < self.max_conditions:
            taken = {sides[i].column for i in chosen}
            free = [i for i, side in enumerate(sides) if side.column not in taken]
            worth = [
                _evidence(np.minimum(lowest, scores[i]), is_error, w, cap) for i in free
            ]
            if not free or max(worth) < best + _LEAST_IMPROVEMENT:
                break
            best, added = max(worth), free[int(np.argmax(worth))]
            lowest = np.minimum(lowest, scores[added])
            chosen.append(added)
        self._sides = [sides[i] for i in chosen]


def _sides_of(X: npt.NDArray[Any], is_error: Mask, w: FloatArray) -> list[_Side]:
    """Both sides of every column that is not constant, or of the first one."""
    varying = [j for j in range(X.shape[1]) if np.ptp(X[:, j]) > 0]
    sides = []
    for column in varying or [0]:
        for sign in (1, -1):
            values = sign * X[~is_error, column].astype(float)
            side = _Side(column, sign, TailScale.from_scores(values, w[~is_error]))
            offset = _low_point(side.score(X[is_error]), w[is_error])
            sides.append(_Side(column, sign, side.scale, offset))
    return sides


def _low_point(scores: FloatArray, w: FloatArray) -> float:
    """The score that leaves out a tenth of the errors, by weight, at most."""
    order = np.argsort(scores)
    up_to = np.cumsum(w[order])
    position = np.floor(_LEFT_OUT_SHARE * max(up_to[-1] - 1, 0.0))
    return float(scores[order][np.searchsorted(up_to, position, side="right")])


def _evidence(scores: FloatArray, is_error: Mask, w: FloatArray, cap: float) -> float:
    """Mean over the errors of minus the log of their tail rank, at most `cap`."""
    right, own = scores[~is_error], w[~is_error]
    rising, place = np.unique(scores[is_error], return_inverse=True)
    # few steps to sort right decisions in between errors, many to sort them all
    reached = np.searchsorted(rising, right, side="right")
    weights = np.bincount(reached, weights=own, minlength=rising.size + 1)
    above = np.cumsum(weights[::-1])[::-1][1:][place]
    ranks = -np.log((1 + above) / (1 + own.sum()))
    return float(np.average(np.minimum(ranks, cap), weights=w[is_error]))
