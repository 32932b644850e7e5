"""Fisher discriminants one behind the other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from rarecorrect.certify import check_share
from rarecorrect.cross_fitting import folds
from rarecorrect.detectors.base import BinaryDetector, rows_that_teach, weights_of
from rarecorrect.detectors.fisher import FisherDetector
from rarecorrect.moments import Moments, by_fold, merged, without_each
from rarecorrect.robust import RobustColumns

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_LEAST_RIGHT = 50  # right decisions that the next stage learns from
_LEAST_ERRORS = 3  # to place a cut
_LOST = 0.05  # share of errors that a cut may lose
_NO_CUT = 0.8  # where more right decisions would pass


class CascadeDetector(BinaryDetector):
    """Fisher discriminants on robust columns, one behind the other.

    A budget is spent on the right decisions most alike the errors, and a discriminant
    between errors and all right decisions is not the one between errors and these.  So
    each stage passes on the rows above a cut, and the next stage learns from them only.
    Cuts are placed by scores that were cross-fitted: a cut lets a share of right
    decisions pass, more where the errors' own scores ask for it; where nearly all
    would pass, the stage is the last.  A row that fails at a stage is behind all that
    reach the next one, so one threshold and one certificate serve the whole.

    Parameters
    ----------
    n_stages : int, default=3
        At most; 1: a Fisher discriminant on robust columns.
    passing : float, default=0.3
        Share of right decisions that pass a cut, in (0, 1).
    shrinkage : "oas" or float in [0, 1], default="oas"
        As in :class:`FisherDetector`.
    max_background : int, default=50_000
        Right decisions used, a random part where there are more.
    random_state : int, RandomState or None, default=None
        For the folds and for that part.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    scale_ : RobustColumns
        What the stages read: every column drawn in, and by its rank.
    stages_ : list of FisherDetector
    cuts_ : ndarray of shape (n_cuts,)
        Scores of all stages but the last from which on a row is passed on.
    n_features_in_ : int

    See Also
    --------
    FisherDetector : one stage, on the columns as they are; one matrix product.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_t(2, size=(2020, 5)); X[2000:, :3] += 4
    >>> detector = CascadeDetector(random_state=0).fit(X, np.arange(2020) >= 2000)
    >>> bool(np.median(detector.decision_function(X[2000:])) > 0)
    True
    """

    def __init__(
        self,
        n_stages: int = 3,
        passing: float = 0.3,
        shrinkage: str | float = "oas",
        max_background: int = 50_000,
        random_state: Any = None,
    ) -> None:
        self.n_stages = n_stages
        self.passing = passing
        self.shrinkage = shrinkage
        self.max_background = max_background
        self.random_state = random_state

    @classmethod
    def from_moments(
        cls, columns: RobustColumns, right: Moments, errors: Moments
    ) -> Self:
        """One stage, fitted to rows that are known by their moments only.

        Parameters
        ----------
        columns : RobustColumns
        right, errors : Moments
            Of robust columns of right decisions and of errors.

        Returns
        -------
        CascadeDetector
            The score is 0 half-way between the means; labels are 0 and 1.

        Raises
        ------
        ValueError
            For moments of no rows.
        """
        made = cls(n_stages=1)
        made.scale_, made.cuts_ = columns, np.empty(0)
        made.stages_ = [FisherDetector.from_moments(right, errors)]
        made.classes_, made.n_features_in_ = np.array([0, 1]), columns.centre.size
        made._offset = float(_bent(np.zeros(1))[0])
        return made

    @property
    def highest(self) -> float:
        """A score that no row exceeds: what the stages read is bounded."""
        last = self.stages_[-1]
        farthest = float(self.scale_.farthest @ np.abs(last.coef_[0]))
        top = _bent(np.array([farthest + float(last.intercept_[0])]))
        return float(len(self.cuts_) + np.maximum(top, 1.0)[0] - self._offset)

    def _check_parameters(self) -> None:
        self._check_at_least_one("n_stages", "max_background")
        check_share(self.passing, "passing")

    def _fit(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: Any
    ) -> None:
        rng = check_random_state(self.random_state)
        used = rows_that_teach(is_error, w, max_background=self.max_background, rng=rng)
        rows, errors, weight = X[used], is_error[used], weights_of(used, w)
        self.scale_ = RobustColumns.from_rows(rows, None if w is None else weight)
        Z = self.scale_(rows)
        seed = rng.randint(2**31 - 1)
        self._fit_stages(Z, errors, None if w is None else weight, seed)
        scores = self._passed(Z)
        means = [np.average(scores[s], weights=weight[s]) for s in (errors, ~errors)]
        self._offset = float(np.mean(means))

    def _fit_stages(
        self, Z: FloatArray, is_error: Mask, w: FloatArray | None, seed: int
    ) -> None:
        stages: list[FisherDetector] = []
        cuts: list[float] = []
        while len(cuts) == len(stages):
            fold = folds(is_error, None, np.random.default_rng(seed))
            moments = by_fold(Z, is_error, fold, w)
            stages.append(self._stage(*merged(moments)))
            if len(stages) < self.n_stages and self._may_cut(is_error):
                scores = self._left_out(Z, fold, moments)
                cut = self._cut(scores, is_error, w)
                if cut is not None:
                    cuts.append(cut)
                    on = scores >= cut
                    Z, is_error, w = Z[on], is_error[on], None if w is None else w[on]
        self.stages_, self.cuts_ = stages, np.array(cuts)

    def _stage(self, right: Moments, errors: Moments) -> FisherDetector:
        return FisherDetector.from_moments(right, errors, shrinkage=self.shrinkage)

    def _may_cut(self, is_error: Mask) -> bool:
        """Whether there are enough rows to place a cut, and for a stage behind it."""
        enough = int(np.count_nonzero(is_error)) >= _LEAST_ERRORS
        return enough and self._share(is_error) < _NO_CUT

    def _share(self, is_error: Mask) -> float:
        """Share of right decisions to pass on: enough for the next stage."""
        return max(self.passing, _LEAST_RIGHT / int(np.count_nonzero(~is_error)))

    def _left_out(
        self, Z: FloatArray, fold: Indices, moments: list[tuple[Moments, Moments]]
    ) -> FloatArray:
        """Score of every row by a discriminant that was fitted without its fold."""
        scores = np.empty(len(Z))
        for f, rest in enumerate(without_each(moments)):
            out = fold == f
            scores[out] = _scores(self._stage(*rest), Z[out])
        return scores

    def _cut(
        self, scores: FloatArray, is_error: Mask, w: FloatArray | None
    ) -> float | None:
        """Score from which on rows are passed on; None where nearly all would pass."""
        w = np.ones(scores.size) if w is None else w
        cut = min(
            _quantile(scores[~is_error], w[~is_error], 1 - self._share(is_error)),
            _quantile(scores[is_error], w[is_error], _LOST),
        )
        passed = np.average(scores[~is_error] >= cut, weights=w[~is_error])
        return None if passed > _NO_CUT else cut

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        return self._passed(self.scale_(X)) - self._offset

    def _passed(self, Z: FloatArray) -> FloatArray:
        """Stages passed, and how well the row did at the next."""
        rows, found = np.arange(len(Z)), np.empty(len(Z))
        for passed, (stage, cut) in enumerate(
            zip(self.stages_[:-1], self.cuts_, strict=True)
        ):
            above = _scores(stage, Z) - cut
            found[rows] = passed + _bent(np.minimum(above, 0.0))
            Z, rows = Z[above >= 0], rows[above >= 0]
        last = _scores(self.stages_[-1], Z)
        found[rows] = len(self.cuts_) + _bent(last)
        return found


def _bent(scores: FloatArray) -> FloatArray:
    """A line bent at 0, so that all is positive; no two scores become the same."""
    return np.where(scores < 0, 1 / (1 - np.minimum(scores, 0.0)), 1 + scores)


def _scores(stage: FisherDetector, Z: FloatArray) -> FloatArray:
    """Of rows that reach a stage; there may be none."""
    return stage.decision_function(Z) if len(Z) else np.empty(0)


def _quantile(values: FloatArray, w: FloatArray, share: float) -> float:
    return float(np.quantile(values, share, weights=w, method="inverted_cdf"))
