"""Protocols: how much a corrector repairs, and what it breaks, measured honestly.

Every protocol keeps four kinds of rows apart: those that train the legacy model, those
that it is corrected from, those that calibrate, and those that test.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.utils import check_consistent_length, column_or_1d, indexable

from rarecorrect._compat import safe_indexing
from rarecorrect.certify import certified_threshold
from rarecorrect.corrector import ErrorCorrector
from rarecorrect.cross_fitting import detector_score, fit_detector
from rarecorrect.detectors import FisherDetector
from rarecorrect.exceptions import NotCertifiedWarning
from rarecorrect.metrics import clopper_pearson, gain_at_retention
from rarecorrect.time_windows import TimeWindows

__all__ = ["TimeWindows", "few_shot_curve", "leave_one_class_out"]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_ROLES = ("train", "correct", "calibrate", "test")
_SMALLEST_GAIN = 0.10


def leave_one_class_out(
    estimator: Any,
    X: Any,
    y: npt.ArrayLike,
    *,
    detectors: Mapping[str, Any] | None = None,
    features: Any = "auto",
    classes: Sequence[Any] | None = None,
    max_damage: Sequence[float] = (0.01, 0.05),
    confidence_level: float = 0.95,
    split: npt.ArrayLike | None = None,
    sizes: tuple[float, float, float] = (0.4, 0.4, 0.2),
    seeds: Sequence[int] = (0,),
    n_permutations: int = 20,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Train without each class in turn, correct from a few rows, test.

    Parameters
    ----------
    estimator : classifier
        Unfitted; cloned for every class and seed.
    X : array-like or frame of shape (n_rows, n_columns)
    y : array-like of shape (n_rows,)
    detectors : mapping from name to classifier, optional
        Default: ``{"fisher": FisherDetector()}``.
    features : default="auto"
        As in :class:`~rarecorrect.ErrorCorrector`.
    classes : sequence of labels, optional
        Classes to leave out; default: all.
    max_damage : sequence of float, default=(0.01, 0.05)
        Budgets: the curve is read at retention ``1 - max_damage``.
    confidence_level : float, default=0.95
        Of the certificates, in (0, 1).
    split : array-like of {"train", "correct", "calibrate", "test"}, optional
        Role of every row.  Without ``"calibrate"``, half of the right decisions among
        the ``"correct"`` rows calibrate.
    sizes : tuple of three floats, default=(0.4, 0.4, 0.2)
        Without `split`: shares that train, correct and test, drawn within classes.
    seeds : sequence of int, default=(0,)
        Of the split, the correctors, and models whose ``random_state`` is None.
    n_permutations : int, default=20
        Of the error labels, for the null control; 0: none.
    progress : callable, optional
        Called with a text before every case.

    Returns
    -------
    DataFrame
        One row per seed, class, detector and budget:

        - ``seed``, ``class``, ``detector``, ``max_damage``, ``n_errors`` (learnt
          from), ``n_calibration``, ``n_test_errors``, ``n_test_right``;
        - ``curve_gain``, ``curve_low``, ``curve_high``: gain at retention ``1 -
          max_damage`` on the test rows' own exact curve, with its Clopper-Pearson
          interval;
        - ``certified``, ``certified_gain``, ``certified_low``, ``certified_high``,
          ``realised_damage``, ``damage_low``, ``damage_high``: at the threshold
          certified on calibration rows (all of delta spent at once);
        - ``retrained_gain``: the same curve for the class score of a model retrained on
          all training and correction rows, on the legacy model's decisions;
        - ``macro_f1_before``, ``macro_f1_after``, ``macro_f1_retrained``;
        - ``null_gain``, ``null_high``: mean and 97.5 % point of ``curve_gain`` under
          permuted error labels; ``above_null``: ``curve_low`` above ``null_high`` and
          gain at least .10;
        - ``seconds``: to fit the corrector.

    Raises
    ------
    ValueError
        For roles that are unknown or missing, or sizes that are no shares.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> table = leave_one_class_out(
    ...     LogisticRegression(max_iter=1000), X, y, max_damage=[0.1], classes=[0]
    ... )
    >>> bool(table["curve_gain"].iloc[0] >= 0.9)
    True
    """
    asked = (detectors, features, max_damage, confidence_level, n_permutations)
    cases = _cases(estimator, X, y, classes, split, sizes, seeds, progress)
    return pd.concat([case.table(*asked) for case in cases], ignore_index=True)


def few_shot_curve(
    estimator: Any,
    X: Any,
    y: npt.ArrayLike,
    *,
    n_errors: Sequence[int | str] = (1, 5, 20, 100, "all"),
    n_draws: int = 10,
    consecutive: bool = False,
    detectors: Mapping[str, Any] | None = None,
    features: Any = "auto",
    classes: Sequence[Any] | None = None,
    max_damage: Sequence[float] = (0.01,),
    confidence_level: float = 0.95,
    split: npt.ArrayLike | None = None,
    sizes: tuple[float, float, float] = (0.4, 0.4, 0.2),
    seeds: Sequence[int] = (0,),
    n_permutations: int = 20,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Gain against the number of labelled errors of a class left out.

    Parameters
    ----------
    n_errors : sequence of int or "all", default=(1, 5, 20, 100, "all")
        Errors learnt from; the other errors of the class are unknown to the fit.
    n_draws : int, default=10
        Draws for each number; ``"all"`` has one.
    consecutive : bool, default=False
        Draw consecutive errors (in the order of the rows) from a random start.
    estimator, X, y, detectors, features, classes, max_damage, confidence_level, \
split, sizes, seeds, n_permutations, progress
        As in :func:`leave_one_class_out`.

    Returns
    -------
    DataFrame
        As in :func:`leave_one_class_out`, with a column ``draw`` more.

    Raises
    ------
    ValueError
        If a number is larger than the errors of a class, and as in
        :func:`leave_one_class_out`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> table = few_shot_curve(
    ...     LogisticRegression(max_iter=1000), X, y, n_errors=[1, 5], n_draws=2,
    ...     max_damage=[0.1], classes=[0], n_permutations=0,
    ... )
    >>> bool(table.groupby("n_errors")["curve_gain"].mean().min() > 0.8)
    True
    """
    asked = (detectors, features, max_damage, confidence_level, n_permutations)
    frames = []
    for whole in _cases(estimator, X, y, classes, split, sizes, seeds):
        for k in n_errors:
            for draw in range(1 if k == "all" else n_draws):
                if progress is not None:
                    at = f"seed {whole.seed}, class {whole.label}"
                    progress(f"{at}, {k} errors, draw {draw}")
                case = whole.with_errors(k, draw, consecutive)
                frames.append(case.table(*asked).assign(draw=draw))
    return pd.concat(frames, ignore_index=True)


def _cases(
    estimator: Any,
    X: Any,
    y: npt.ArrayLike,
    classes: Sequence[Any] | None,
    split: npt.ArrayLike | None,
    sizes: tuple[float, float, float],
    seeds: Sequence[int],
    progress: Callable[[str], None] | None = None,
) -> Iterator[_Case]:
    """A legacy model without each class in turn, for every seed."""
    X, y = _checked(X, y)
    wanted = np.unique(y).tolist() if classes is None else list(classes)
    for seed in seeds:
        roles = _roles(y, split, sizes, seed)
        rows = np.flatnonzero(np.isin(roles, ["train", "correct"]))
        retrained = _seeded(estimator, seed).fit(safe_indexing(X, rows), y[rows])
        for label in wanted:
            if progress is not None:
                progress(f"seed {seed}, class {label}")
            yield _Case.without(estimator, X, y, roles, label, seed, retrained)


@dataclass(frozen=True, eq=False)
class _Case:
    """One legacy model that does not know a class, and the rows to correct it from."""

    legacy: Any
    X: Any
    y: Array
    label: Any
    seed: int
    correct: Indices
    calibrate: Indices
    test: Indices
    retrained: Any

    @classmethod
    def without(
        cls,
        estimator: Any,
        X: Any,
        y: Array,
        roles: Array,
        label: Any,
        seed: int,
        retrained: Any,
    ) -> _Case:
        rows = {role: np.flatnonzero(roles == role) for role in _ROLES}
        train = rows["train"][y[rows["train"]] != label]
        legacy = _seeded(estimator, seed).fit(safe_indexing(X, train), y[train])
        # errors of other classes are not what is corrected here
        said = np.asarray(legacy.predict(safe_indexing(X, rows["correct"])))
        truth = y[rows["correct"]]
        kept = (truth == label) | (said == truth)
        return cls(
            legacy,
            X,
            y,
            label,
            seed,
            rows["correct"][kept],
            rows["calibrate"][y[rows["calibrate"]] != label],
            rows["test"],
            retrained,
        )

    def with_errors(self, k: int | str, draw: int, consecutive: bool) -> _Case:
        """The same case with `k` of its errors."""
        if k == "all":
            return self
        errors = self.correct[self.y[self.correct] == self.label]
        if not 1 <= int(k) <= errors.size:
            raise ValueError(
                f"n_errors holds {k}, but class {self.label!r} has {errors.size} rows "
                "to correct from; use fewer, or 'all'"
            )
        rng = np.random.default_rng([self.seed, draw, int(k)])
        if consecutive:
            start = int(rng.integers(errors.size - int(k) + 1))
            kept = errors[start : start + int(k)]
        else:
            kept = rng.choice(errors, int(k), replace=False)
        right = self.correct[self.y[self.correct] != self.label]
        return replace(self, correct=np.sort(np.concatenate([right, kept])))

    def table(
        self,
        detectors: Mapping[str, Any] | None,
        features: Any,
        budgets: Sequence[float],
        level: float,
        n_permutations: int,
    ) -> pd.DataFrame:
        """Rows of the result for every detector and budget."""
        detectors = {"fisher": FisherDetector()} if detectors is None else detectors
        found: list[dict[str, Any]] = []
        for name, detector in detectors.items():
            started = time.perf_counter()
            corrector = self._corrector(detector, features, min(budgets), level)
            seconds = time.perf_counter() - started
            for row in self._measure(corrector, budgets, level, n_permutations):
                found.append({"detector": name, **row, "seconds": seconds})
        return pd.DataFrame(found).assign(**{"seed": self.seed, "class": self.label})

    def _corrector(
        self, detector: Any, features: Any, budget: float, level: float
    ) -> ErrorCorrector:
        rows = np.concatenate([self.correct, self.calibrate])
        mask = np.arange(rows.size) >= self.correct.size
        corrector = ErrorCorrector(
            self.legacy,
            features=features,
            detector=detector,
            confusions=[self.label],
            max_damage=budget,
            confidence_level=level,
            ledger=False,
            calibration_fraction=0.5,
            random_state=self.seed,
        )
        with warnings.catch_warnings():
            # the column `certified` says it, for every budget
            warnings.simplefilter("ignore", NotCertifiedWarning)
            return corrector.fit(
                safe_indexing(self.X, rows),
                self.y[rows],
                calibration_mask=mask if self.calibrate.size else None,
            )

    def _measure(
        self,
        corrector: ErrorCorrector,
        budgets: Sequence[float],
        level: float,
        n_permutations: int,
    ) -> Iterator[dict[str, Any]]:
        X_test, y_test = safe_indexing(self.X, self.test), self.y[self.test]
        trace = corrector.trace(X_test)
        before = trace["before"].to_numpy()
        score = trace["score"].to_numpy()
        right, errors = before == y_test, y_test == self.label
        own = self._own_score(X_test)
        null = self._null_scores(corrector, n_permutations)
        calibration = corrector.rules_.calibration_scores
        for budget in budgets:
            curve = gain_at_retention(score, right, errors, 1 - budget)
            certificate = certified_threshold(calibration, budget, level)
            fires = score > certificate.threshold
            after = np.where(fires, np.asarray(self.label, before.dtype), before)
            nulls = [gain_at_retention(s, right, errors, 1 - budget) for s in null]
            high = float(np.quantile(nulls, 0.975)) if nulls else np.nan
            low = clopper_pearson(round(curve * errors.sum()), int(errors.sum()))
            yield {
                "max_damage": budget,
                "n_errors": int(np.sum(self.y[self.correct] == self.label)),
                "n_calibration": certificate.n_calibration,
                "n_test_errors": int(errors.sum()),
                "n_test_right": int(right.sum()),
                "curve_gain": curve,
                "curve_low": low[0],
                "curve_high": low[1],
                "certified": certificate.certified,
                **_share("certified_gain", "certified", fires[errors]),
                **_share("realised_damage", "damage", fires[right]),
                "retrained_gain": gain_at_retention(own, right, errors, 1 - budget),
                "macro_f1_before": _macro_f1(y_test, before),
                "macro_f1_after": _macro_f1(y_test, after),
                "macro_f1_retrained": _macro_f1(y_test, self.retrained.predict(X_test)),
                "null_gain": float(np.mean(nulls)) if nulls else np.nan,
                "null_high": high,
                "above_null": bool(low[0] > high and curve >= _SMALLEST_GAIN),
            }

    def _own_score(self, X_test: Any) -> Array:
        """Score of the class left out by the retrained model."""
        at = np.flatnonzero(self.retrained.classes_ == self.label)[0]
        if hasattr(self.retrained, "predict_proba"):
            return np.asarray(self.retrained.predict_proba(X_test))[:, at]
        scores = np.asarray(self.retrained.decision_function(X_test))
        if scores.ndim == 1:
            return scores if at == 1 else -scores
        return scores[:, at]

    def _null_scores(
        self, corrector: ErrorCorrector, n_permutations: int
    ) -> list[Array]:
        """Test scores of detectors that learnt from permuted error labels."""
        if n_permutations == 0 or not corrector.rules_.rules:
            return []
        fitting, test = (
            corrector.features_.read(safe_indexing(self.X, rows)).features
            for rows in (self.correct, self.test)
        )
        is_error = self.y[self.correct] == self.label
        detector = corrector.rules_.rules[0].detector
        rng = np.random.default_rng(self.seed)
        return [
            detector_score(
                fit_detector(detector, fitting, rng.permutation(is_error)), test
            )
            for _ in range(n_permutations)
        ]


def _checked(X: Any, y: Any) -> tuple[Any, Array]:
    X = indexable(X)[0]
    y = np.asarray(column_or_1d(y))
    check_consistent_length(X, y)
    return X, y


def _roles(y: Array, split: Any, sizes: tuple[float, float, float], seed: int) -> Array:
    if split is not None:
        roles = np.asarray(split, dtype=object)
        check_consistent_length(y, roles)
        unknown = sorted(set(roles.tolist()) - set(_ROLES))
        missing = sorted({"train", "correct", "test"} - set(roles.tolist()))
        if unknown or missing:
            raise ValueError(
                f"split must be made of {', '.join(_ROLES)}; unknown {unknown}, "
                f"missing {missing}"
            )
        return roles
    if len(sizes) != 3 or min(sizes) <= 0 or sum(sizes) > 1 + 1e-9:
        raise ValueError(
            f"sizes must be three positive shares that sum to at most 1, got {sizes}"
        )
    roles = np.empty(y.size, dtype=object)
    rng = np.random.default_rng(seed)
    ends = np.cumsum(sizes)
    for label in np.unique(y):
        inside = rng.permutation(np.flatnonzero(y == label))
        cuts = np.round(ends * inside.size).astype(int)
        parts = np.split(inside, cuts)
        for role, part in zip(("train", "correct", "test"), parts, strict=False):
            roles[part] = role
    return roles


def _seeded(estimator: Any, seed: int) -> Any:
    model = clone(estimator)
    if model.get_params().get("random_state", 0) is None:
        model.set_params(random_state=seed)
    return model


def _share(name: str, prefix: str, hits: Array) -> dict[str, float]:
    if hits.size == 0:
        return {name: np.nan, f"{prefix}_low": np.nan, f"{prefix}_high": np.nan}
    low, high = clopper_pearson(int(hits.sum()), hits.size)
    return {name: float(hits.mean()), f"{prefix}_low": low, f"{prefix}_high": high}


def _macro_f1(y: Array, predicted: Any) -> float:
    return float(f1_score(y, predicted, average="macro", zero_division=0.0))
