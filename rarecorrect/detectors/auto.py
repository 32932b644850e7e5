"""The detector for those who should not have to choose one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter, validate_data
from threadpoolctl import threadpool_limits

from rarecorrect.array_api import as_numpy
from rarecorrect.certify import check_share
from rarecorrect.cross_fitting import (
    CrossFitted,
    cross_fit,
    detector_score,
    fit_detector,
)
from rarecorrect.detectors._evidence import (
    Trial,
    error_ranks,
    held,
    mean_score,
    priors,
    readable,
    weights_from,
)
from rarecorrect.detectors.base import BinaryDetector, rows_that_teach
from rarecorrect.detectors.boosting import BoostingDetector
from rarecorrect.detectors.cascade import CascadeDetector
from rarecorrect.detectors.cleaned import CleanedDetector
from rarecorrect.detectors.fisher import FisherDetector
from rarecorrect.detectors.interval import IntervalDetector
from rarecorrect.detectors.logistic import LogisticDetector
from rarecorrect.detectors.trees import TreesDetector, upper_bounds
from rarecorrect.tail_scale import TailScale

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

_LEAST_IN_THE_TAIL = 3  # right decisions: fewer tell nothing of a budget
_LEAST_FOR_A_BOX_ALONE = 10  # with fewer it ties with the best by chance
_LEAST_TO_BOOST = 50  # errors; with fewer it adds nothing
_TREES_A_FOLD = 50
_CASCADE_BACKGROUND = 10_000
_WIDE = 500  # columns; a cascade doubles them, and inverts matrices of that size


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """What a candidate showed on errors that it did not see.

    Attributes
    ----------
    name : str
    evidence : float
        Smooth share of left-out errors caught at the budget; NaN if it failed.
    weight : float
        Its share of the ensemble, 0 to 1.
    seconds : float
        Of its cross-fitting.
    note : str, default=""
        Why it is not there, if it failed.

    Examples
    --------
    >>> Candidate("trees", evidence=0.8, weight=0.6, seconds=1.2).weight
    0.6
    """

    name: str
    evidence: float
    weight: float
    seconds: float
    note: str = ""


def _is_readable(detector: AutoDetector) -> bool:
    return getattr(detector, "box_", None) is not None


class AutoDetector(BinaryDetector):
    r"""Several detectors, weighed by what they do with errors that they did not see.

    Every candidate is fitted five times, each time without a fifth of the rows, and the
    mean of the five is the member: nothing is fitted twice.  Its evidence on an error
    is :math:`1 / (1 + (r / \varepsilon)^2)`, where :math:`r` is the error's tail rank
    among right decisions, both by a detector that did not see them, and
    :math:`\varepsilon` the damage budget: a smooth count of the errors that the budget
    would catch; where fewer than three right decisions lie within the budget,
    :math:`\varepsilon` is that of three.  The score is the mean of the members' scores
    on the common scale of :class:`~rarecorrect.tail_scale.TailScale`, which hardly
    rises beyond three logs of the number of right decisions, with weights
    :math:`\exp(-(\Delta / \sigma)^2 / 4)`, where :math:`\Delta` is how far a
    candidate's evidence is behind the best one's and :math:`\sigma` the standard error
    of that difference: alike where errors are few, and only the best where they are
    many and tell the candidates apart.  Before evidence a :class:`TreesDetector` counts
    twice as much as any other: it is the one missed most where it is left out.

    Where a box of conditions is as good as the best, by how many errors the budget
    catches and, within a standard error, by how deep in the tail they lie, and ten
    right decisions at least lie within the budget to tell so, it is taken alone, fitted
    on all rows: it can be read.

    Parameters
    ----------
    max_damage : float, default=0.01
        Budget that the candidates are judged at, in (0, 1).
    candidates : list of (str, classifier), default=None
        Unfitted binary classifiers.  ``None``: a cascade of Fisher discriminants (one
        of them for more than 500 features), logistic regression with hard negatives,
        randomised trees, a box of conditions, and from 50 errors on gradient boosting.
    max_background : int, default=20_000
        Right decisions used, a random part where there are more.
    contamination : float, default=0.0
        Share of hidden errors among them, in [0, 1).  Above 0 one more candidate learns
        from a cleaned background, see :class:`CleanedDetector`.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    candidates_ : list of Candidate
        What each one showed.
    members_ : list of (str, CrossFitted, TailScale, float)
        Members, their scales and weights.
    box_ : IntervalDetector or None
        Fitted on all rows where a box is taken alone; then it gives the score.
    cross_scores_ : ndarray of shape (n_rows,)
        Score of every row by detectors that were fitted without it; NaN for rows of
        the background that were not used.
    n_features_in_ : int

    Notes
    -----
    A single error cannot be left out: then the first candidate is the only member.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2020, 5)); X[2000:, :3] += 3
    >>> detector = AutoDetector(random_state=0).fit(X, np.arange(2020) >= 2000)
    >>> bool(np.median(detector.cross_scores_[2000:]) > 0)
    True
    """

    def __init__(
        self,
        max_damage: float = 0.01,
        candidates: Sequence[tuple[str, Any]] | None = None,
        max_background: int = 20_000,
        contamination: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.max_damage = max_damage
        self.candidates = candidates
        self.max_background = max_background
        self.contamination = contamination
        self.random_state = random_state

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Cross-fit the candidates and weigh them.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : array-like of shape (n_rows,)
            Two classes; the larger label marks errors.
        sample_weight : array-like of shape (n_rows,), optional
            Only candidates that take weights are tried then.
        groups : array-like of shape (n_rows,), optional
            Rows of one group are left out together.

        Returns
        -------
        AutoDetector

        Raises
        ------
        ValueError
            For one class only, parameters out of range, or no candidate that works.
        """
        self._check_parameters()
        rows, is_error, w = self._checked(X, y, sample_weight)
        self._fit(rows, is_error, w, None if groups is None else np.asarray(groups))
        return self

    def upper_bound(self, X: npt.ArrayLike, least: float) -> FloatArray:
        """Upper bounds of the scores, no closer than it takes to tell those below.

        Trees and cascades are dear, and say yes to few rows: where their best would not
        lift a row above `least`, they are not asked to the end.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        least : float
            Only whether a score may exceed it is of interest.

        Returns
        -------
        ndarray of shape (n_rows,)
            Of rows that may exceed `least`, it may be far above the score.
        """
        forests = [member for member in self.members_ if _is_forest(member[1])]
        if not forests:
            return self.decision_function(X)
        rows = as_numpy(
            validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        )
        heaviest = max(forests, key=lambda member: member[3])
        _, trees, scale, weight = heaviest
        if len(self.members_) == 1:
            return upper_bounds(trees.models, rows, lambda high, _: high <= least)
        rest = np.full(len(rows), -self._offset)
        for member in self.members_:
            if member is not heaviest:
                _, fitted, own_scale, own_weight = member
                highest = _highest(fitted)
                scores = fitted.score(rows) if highest is None else highest
                rest += own_weight * own_scale(scores)

        def decided(high: FloatArray, at: Indices) -> Mask:
            return np.asarray(rest[at] + weight * scale(high) <= least)

        return np.asarray(
            rest + weight * scale(upper_bounds(trees.models, rows, decided))
        )

    @available_if(_is_readable)
    def describe(
        self, threshold: float = 0.0, names: Sequence[str] | None = None
    ) -> str:
        """Read the box aloud, where it is the only member.

        Parameters
        ----------
        threshold, names
            As in :meth:`IntervalDetector.describe`.

        Returns
        -------
        str
        """
        if names is None:
            names = getattr(self, "feature_names_in_", None)
        assert self.box_ is not None
        return str(self.box_.describe(threshold, names))

    def _check_parameters(self) -> None:
        check_share(self.max_damage, "max_damage")
        if not 0 <= self.contamination < 1:
            raise ValueError(
                f"contamination must lie in [0, 1), got {self.contamination!r}"
            )
        self._check_at_least_one("max_background")
        if self.candidates is not None:
            names = [name for name, _ in self.candidates]
            if not names or len(set(names)) < len(names):
                raise ValueError(
                    "candidates must hold one classifier at least, and every name "
                    f"once, got {names}"
                )

    def _fit(
        self,
        X: Array,
        is_error: Mask,
        w: FloatArray | None,
        groups: Array | None = None,
    ) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rng = np.random.default_rng(seed)
        part = np.sort(
            rows_that_teach(is_error, w, max_background=self.max_background, rng=rng)
        )
        options = {
            "sample_weight": None if w is None else w[part],
            "groups": None if groups is None else groups[part],
            "random_state": seed,
        }
        Z, errors = X[part], is_error[part]
        tried = [
            _tried(name, prototype, Z, errors, options)
            for name, prototype in self._prototypes(int(errors.sum()), Z.shape[1])
        ]
        chosen = self._choose(tried, errors)
        self._set_members(chosen, Z, errors, options)
        scores = chosen[0][0].scores if len(chosen) == 1 else mean_score(chosen)
        self._offset = 0.0
        if len(chosen) > 1:  # `predict` cuts half-way between the means
            means = [scores[errors == side].mean() for side in (False, True)]
            self._offset = float(np.mean(means))
        self.cross_scores_ = np.full(len(X), np.nan)
        self.cross_scores_[part] = scores - self._offset

    def _score(self, X: Array) -> FloatArray:
        if len(self.members_) == 1:
            one = self.members_[0][1]
            return one.score(X) if self.box_ is None else detector_score(self.box_, X)
        total = np.zeros(len(X))
        for _, member, scale, weight in self.members_:
            total += weight * scale(member.score(X))
        return total - self._offset

    def _prototypes(self, n_errors: int, n_features: int) -> list[tuple[str, Any]]:
        if self.candidates is not None:
            return list(self.candidates)
        linear: tuple[str, BinaryDetector] = ("Fisher", FisherDetector())
        if n_features <= _WIDE:
            linear = "cascade", CascadeDetector(max_background=_CASCADE_BACKGROUND)
        found: list[tuple[str, Any]] = [
            linear,
            ("logistic", LogisticDetector()),
            ("trees", TreesDetector(n_estimators=_TREES_A_FOLD)),
            ("box", IntervalDetector(max_damage=self.max_damage)),
        ]
        if self.contamination > 0:
            trees = TreesDetector(n_estimators=_TREES_A_FOLD)
            cleaned = CleanedDetector(trees, self.contamination)
            found.append(("trees, cleaned", cleaned))
        if n_errors >= _LEAST_TO_BOOST:
            found.append(("boosting", BoostingDetector()))
        return found

    def _choose(
        self, tried: list[Trial | Candidate], is_error: Mask
    ) -> list[tuple[Trial, float]]:
        """Members with their weights, which add up to 1."""
        running = [t for t in tried if isinstance(t, Trial)]
        if not running:
            reasons = "; ".join(
                f"{c.name}: {c.note}" for c in tried if isinstance(c, Candidate)
            )
            raise ValueError(f"no candidate works on these rows: {reasons}")
        if any(np.isnan(t.scores).any() for t in running):  # a single error
            evidence = {t.name: np.array([np.nan]) for t in running}
            weights = {t.name: float(t is running[0]) for t in running}
        else:
            ranks = {t.name: error_ranks(t, is_error) for t in running}
            n_right = np.sum(~is_error)
            budget = max(self.max_damage, _LEAST_IN_THE_TAIL / n_right)
            evidence = {n: 1 / (1 + (r / budget) ** 2) for n, r in ranks.items()}
            weights = weights_from(evidence, priors(running))
            tail_tells = n_right * self.max_damage >= _LEAST_FOR_A_BOX_ALONE
            box = readable(running, ranks, budget) if tail_tells else None
            if box:
                weights = {name: float(name == box) for name in weights}
        self.candidates_ = [
            Candidate(
                t.name, float(np.mean(evidence[t.name])), weights[t.name], t.seconds
            )
            if isinstance(t, Trial)
            else t
            for t in tried
        ]
        return [(t, weights[t.name]) for t in running if weights[t.name] > 0]

    def _set_members(
        self,
        chosen: list[tuple[Trial, float]],
        Z: Array,
        is_error: Mask,
        options: dict[str, Any],
    ) -> None:
        [first, *others] = [trial for trial, _ in chosen]
        self.members_ = [(t.name, t.fitted, t.scale, weight) for t, weight in chosen]
        self.box_ = None
        if not others and isinstance(first.prototype, IntervalDetector):
            self.box_ = fit_detector(first.prototype, Z, is_error, **options)
        for name in ("coef_", "intercept_"):  # of a fit before this one
            self.__dict__.pop(name, None)
        if not others and hasattr(first.fitted, "coef_"):
            self.coef_ = first.fitted.coef_
            self.intercept_ = first.fitted.intercept_


def _tried(
    name: str, prototype: Any, Z: Array, is_error: Mask, options: dict[str, Any]
) -> Trial | Candidate:
    """Cross-fit a candidate; whatever it raises, the others go on."""

    def failed(note: str, seconds: float = 0.0) -> Candidate:
        return Candidate(name, np.nan, 0.0, seconds, note)

    weighted = options["sample_weight"] is not None
    if weighted and not has_fit_parameter(prototype, "sample_weight"):
        return failed("takes no sample_weight")
    start = time.perf_counter()
    try:
        # on so few rows threads of gradient boosting mostly wait for each other
        with threadpool_limits(1, user_api="openmp"):
            fitted, scores = cross_fit(prototype, Z, is_error, **options)
        scale = held(TailScale.from_scores(scores[~is_error]), is_error)
    except Exception as error:  # any classifier may be a candidate
        return failed(f"{type(error).__name__}: {error}", time.perf_counter() - start)
    seconds = time.perf_counter() - start
    return Trial(name, prototype, fitted, scores, scale, seconds)


def _is_forest(member: CrossFitted) -> bool:
    return all(isinstance(model, TreesDetector) for model in member.models)


def _highest(member: CrossFitted) -> float | None:
    """A score that no row exceeds, where the models know one."""
    if not all(hasattr(model, "highest") for model in member.models):
        return None
    return float(np.mean([model.highest for model in member.models]))
