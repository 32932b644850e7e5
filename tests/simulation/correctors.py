"""ErrorCorrector from end to end, on populations of which every row is known.

The population is a finite table; samples are drawn from it with replacement, so that
the damage of `predict` on all of its right rows is exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from rarecorrect import ErrorCorrector
from rarecorrect.certify import Certificate
from rarecorrect.detectors import AutoDetector
from rarecorrect.exceptions import (
    NotCertifiedWarning,
    RuleRefusedWarning,
    TrainingRowsWarning,
)
from simulation.trials import Case, Trial, bracket, jointly

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Options = dict[str, Any]

LEVEL = 0.95
DELTA = 1 - LEVEL

SIZE = 5_000
ROWS_A_GROUP = 5
CENTRE = 1.2  # the two classes lie at -CENTRE and +CENTRE on the first axis
NEW_TYPE = (-2.0, 2.5, 2.5, 0.0)  # errors: the shift of the new type of class 1


class RandomDirection(ClassifierMixin, BaseEstimator):
    """A detector whose score is a random direction, whatever the errors are."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: FloatArray, y: Array) -> RandomDirection:
        self.classes_ = np.unique(y)
        self.direction_ = np.random.default_rng(self.seed).normal(size=X.shape[1])
        return self

    def decision_function(self, X: FloatArray) -> FloatArray:
        return np.asarray(X @ self.direction_)


@dataclass(frozen=True, eq=False)
class Population:
    """All rows there are, and what the legacy model says about them.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_columns)
    y, labels : ndarray of shape (n_rows,)
        True labels, legacy labels.
    groups : ndarray of int of shape (n_rows,)
        Of ROWS_A_GROUP rows each.
    model : classifier
        The legacy model, fitted on other rows.
    """

    X: FloatArray
    y: Array
    labels: Array
    groups: Array
    model: Any

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Right decisions of the legacy model."""
        return np.asarray(self.labels == self.y)

    def served_by(self, model: Any) -> Population:
        """The same rows with another legacy model."""
        return replace(self, labels=model.predict(self.X), model=model)

    def rows(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, Array]:
        """A sample of rows."""
        drawn = rng.integers(0, len(self.y), n)
        return self.X[drawn], self.y[drawn]

    def rows_of_groups(
        self, n: int, rng: np.random.Generator
    ) -> tuple[FloatArray, Array, Array]:
        """All rows of a sample of groups, with new names for the groups."""
        drawn = rng.integers(0, len(self.y) // ROWS_A_GROUP, n)
        rows = (drawn[:, None] * ROWS_A_GROUP + np.arange(ROWS_A_GROUP)).ravel()
        return self.X[rows], self.y[rows], np.repeat(np.arange(n), ROWS_A_GROUP)


def cases() -> Iterator[Case]:
    """All cases with a corrector."""
    table: list[tuple[str, Callable[..., Iterator[Trial]], int, float, int]] = [
        ("relabel", relabel, 150, 0.1, 300),
        ("relabel", relabel, 1000, 0.02, 0),
        ("per class", per_class, 500, 0.05, 0),
        ("flag", flag, 400, 0.05, 0),
        ("hidden errors", hidden_errors, 600, 0.05, 100),
        ("auto, 20 random candidates", random_candidates, 400, 0.05, 60),
        ("three errors more", errors_more, 600, 0.05, 100),
        ("legacy model fitted inside", fitted_inside, 600, 0.05, 0),
        ("fitted inside, rare labels", rare_labels, 600, 0.05, 0),
        ("legacy model's own rows", own_rows, 1000, 0.05, 60),
        ("alert rate", alert_rate, 600, 0.2, 0),
        ("alert rate, fitted inside", alert_rate_fitted_inside, 600, 0.2, 300),
        ("alert rate, groups alike", partial(alert_groups, "alike"), 300, 0.3, 0),
        ("alert rate, groups hit", partial(alert_groups, "some hit"), 300, 0.3, 300),
        ("alert rate, latest rows", alert_rate_of_late_errors, 1200, 0.2, 300),
        ("groups alike", partial(grouped, "alike"), 300, 0.05, 0),
        ("some groups hit", partial(grouped, "some hit"), 300, 0.05, 300),
    ]
    for setting, trial, n, eps, quick in table:
        once = partial(trial, n, eps)
        yield Case("ErrorCorrector", setting, n, eps, LEVEL, once, quick)


def relabel(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Fit, then certify the same rules on fresh rows."""
    population = two_classes()
    corrector = fitted(population, population.rows(n, rng), rng, max_damage=eps)
    yield _pooled("fit", population, corrector, eps)
    with _quiet():
        corrector.certify(*population.rows(n, rng))
    yield _pooled("certify on fresh rows", population, corrector, eps)


def per_class(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Broken if the damage within any legacy label is above the budget."""
    population = two_classes()
    rows = population.rows(n, rng)
    corrector = fitted(population, rows, rng, max_damage=eps, per="class")
    damages, brackets, k = [], [], 0
    for label in np.unique(population.labels):
        inside = population.right & (population.labels == label)
        damages.append(float(_changed(corrector, population.X[inside], label).mean()))
        found = _certificate(corrector, label)
        reach = _reach(corrector, population.X[inside])
        brackets.append(bracket(found, reach=reach))
        k += found.n_allowed
    worst = max(damages)
    yield Trial("fit", worst, worst > eps, jointly(brackets), k)


def flag(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Flagged right decisions are damage too; predict keeps the legacy answer."""
    population = two_classes()
    rows = population.rows(n, rng)
    corrector = fitted(population, rows, rng, max_damage=eps, action="flag")
    trace = corrector.trace(population.X[population.right])
    damage = float(trace["flagged"].mean())
    found = _certificate(corrector)
    allowed = bracket(found, reach=float(np.isfinite(trace["score"]).mean()))
    yield Trial("fit", damage, damage > eps, allowed, found.n_allowed)
    kept = bool((trace["after"] == trace["before"]).all())
    yield Trial("predict changes a label", 0.0, not kept, (0.0, 0.0), found.n_allowed)


def hidden_errors(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Half of the errors count as right; a bound of their share is given."""
    population = two_classes()
    wrong = ~population.right
    hidden = wrong & (np.arange(len(wrong)) % 2 == 0)
    known = replace(population, y=np.where(hidden, population.labels, population.y))
    share = 1.2 * hidden.sum() / known.right.sum()
    options: Options = {"max_damage": eps, "contamination": share, "confusions": [1]}
    corrector = fitted(known, known.rows(n, rng), rng, **options)
    mixed = _pooled("taken for right", known, corrector, eps + share)
    yield mixed
    damage, worst = _damage(population, corrector), (eps + share) / (1 - share)
    allowed = (0.0, mixed.allowed[1])
    yield Trial("right, worst case", damage, damage > worst, allowed, mixed.n_allowed)


def random_candidates(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """The best of twenty directions that mean nothing, chosen on fitting rows."""
    population = two_classes()
    candidates = [
        (f"{i}", RandomDirection(int(rng.integers(2**31)))) for i in range(20)
    ]
    detector = AutoDetector(max_damage=eps, candidates=candidates)
    rows = population.rows(n, rng)
    options: Options = {"max_damage": eps, "detector": detector, "confusions": [1]}
    yield _pooled("fit", population, fitted(population, rows, rng, **options), eps)


def errors_more(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """A rule from one error, three times; all rules are certified again on old rows."""
    population = two_classes()
    options: Options = {"max_damage": eps, "confusions": [0]}
    corrector = fitted(population, population.rows(n, rng), rng, **options)
    damages = [_damage(population, corrector)]
    for case in rng.choice(np.flatnonzero(population.y > population.labels), 3):
        with _quiet():
            corrector = corrector.add(population.X[[case]], population.y[[case]])
        damages.append(_damage(population, corrector))
    last, worst = _pooled("the last", population, corrector, eps), max(damages)
    yield last
    yield Trial("any of the four", worst, worst > eps, (0.0, DELTA), last.n_allowed)


def fitted_inside(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """An unfitted estimator is fitted on a part of the rows; the rest calibrate."""
    population = two_classes()
    unfitted = replace(population, model=LogisticRegression())
    corrector = fitted(unfitted, population.rows(n, rng), rng, max_damage=eps)
    own = population.served_by(corrector.estimator_)
    yield _pooled("fit", own, corrector, eps)


def rare_labels(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Most labels have a handful of rows; they must still be held out at their rate."""
    population = many_labels()
    options: Options = {"max_damage": eps, "features": "input", "confusions": [0]}
    corrector = fitted(population, population.rows(n, rng), rng, **options)
    own = population.served_by(corrector.estimator_)
    yield _pooled("fit", own, corrector, eps)


def own_rows(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """The rows that the legacy model was trained on, and rows that it never saw.

    A forest is sure of its own rows: on new ones its logits are far less extreme.
    """
    population = two_classes()
    seen, unseen = population.rows(n, rng), population.rows(n, rng)
    forest = RandomForestClassifier(8, random_state=int(rng.integers(2**31)))
    served = population.served_by(forest.fit(*seen))
    options: Options = {"max_damage": eps, "features": "logits", "confusions": [1]}
    corrector = fitted(served, seen, rng, **options)
    damage = _damage(served, corrector)
    k = _certificate(corrector).n_allowed
    yield Trial("own rows", damage, damage > eps, (0, DELTA), k, must_fail=True)
    corrector = fitted(served, unseen, rng, **options)
    # eight trees give few distinct logits: with ties only the upper end is exact
    new = _pooled("new rows", served, corrector, eps)
    yield replace(new, allowed=(0.0, new.allowed[1]))


def alert_rate(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """A budget for the share of all traffic that is changed, right or wrong."""
    population = two_classes()
    rows = population.rows(n, rng)
    options: Options = {"max_damage": None, "alert_budget": eps, "confusions": [1]}
    corrector = fitted(population, rows, rng, **options)
    yield _alerts("fit", population, corrector, eps)
    with _quiet():
        corrector.certify(population.rows(n, rng)[0])
    yield _alerts("certify on unlabelled rows", population, corrector, eps)


def alert_rate_fitted_inside(
    n: int, eps: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """The legacy model's own rows are a large background, and no traffic."""
    population = two_classes()
    options: Options = {"max_damage": None, "alert_budget": eps, "confusions": [1]}
    unfitted = replace(population, model=LogisticRegression())
    corrector = fitted(unfitted, population.rows(n, rng), rng, **options)
    own = population.served_by(corrector.estimator_)
    yield _alerts("fit", own, corrector, eps)


def alert_groups(
    kind: str, n: int, eps: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Alerts among random rows of random groups, some of which hold errors only."""
    population = customers(kind)
    X, y, groups = population.rows_of_groups(n, rng)
    options: Options = {"max_damage": None, "alert_budget": eps, "confusions": [1]}
    corrector = fitted(population, (X, y), rng, groups=groups, **options)
    yield _alerts("fit", population, corrector, eps, groups=population.groups)


def alert_rate_of_late_errors(
    n: int, eps: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Errors begin in the last half; the last half of the right rows calibrates."""
    population = two_classes()
    before = population.right
    X, y = population.rows(n, rng)
    early = population.X[before], population.y[before]
    drawn = rng.integers(0, before.sum(), n)
    rows = np.vstack([early[0][drawn], X]), np.concatenate([early[1][drawn], y])
    options: Options = {"max_damage": None, "alert_budget": eps, "confusions": [1]}
    options |= {"shuffle": False, "calibration_fraction": 0.4}
    corrector = fitted(population, rows, rng, **options)
    yield _alerts("fit", population, corrector, eps)


def grouped(kind: str, n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Damage of a random right row of a random group."""
    population = customers(kind)
    X, y, groups = population.rows_of_groups(n, rng)
    options: Options = {"max_damage": eps, "confusions": [1]}
    corrector = fitted(population, (X, y), rng, groups=groups, **options)
    yield _by_group("fit", population, corrector, eps)
    X, y, groups = population.rows_of_groups(n, rng)
    with _quiet():
        corrector.certify(X, y, groups=groups)
    yield _by_group("certify on fresh groups", population, corrector, eps)


def fitted(
    population: Population,
    rows: tuple[FloatArray, Array],
    rng: np.random.Generator,
    *,
    groups: Array | None = None,
    **options: Any,
) -> ErrorCorrector:
    """A corrector of the population's legacy model, fitted to `rows`."""
    seed = int(rng.integers(2**31))
    corrector = ErrorCorrector(population.model, random_state=seed, **options)
    with _quiet():
        return corrector.fit(*rows, groups=groups)


@cache
def two_classes() -> Population:
    """Two normal classes; a tenth of class 1 is new and lies among class 0."""
    rng = np.random.default_rng(20)
    y = rng.integers(0, 2, SIZE)
    X = rng.normal(size=(SIZE, 4))
    X[:, 0] += np.where(y == 1, CENTRE, -CENTRE)
    new = (y == 1) & (rng.random(SIZE) < 0.1)
    X[new] += NEW_TYPE
    return _population(X, y)


@cache
def many_labels() -> Population:
    """One label for 60 % of the rows, the rest on 200 more; errors look like these."""
    rng = np.random.default_rng(22)
    y = np.where(rng.random(SIZE) < 0.6, 0, rng.integers(1, 201, SIZE))
    new = (y == 0) & (rng.random(SIZE) < 0.2)
    looks_like = np.where(new, rng.integers(1, 201, SIZE), y)
    X = rng.normal(size=(SIZE, 3))
    X[:, 0] += 20.0 * looks_like
    X[:, 1] += 3.0 * (looks_like > 0)
    X[:, 2] += new
    model = KNeighborsClassifier(1)
    return Population(X, y, looks_like, np.arange(SIZE), model)


@cache
def customers(kind: str) -> Population:
    """Customers whose rows look alike.

    ``"alike"``: errors fall on all of them.  ``"some hit"``: a tenth of them has all of
    the new type, and their right rows look like it too.
    """
    rng = np.random.default_rng(21)
    groups = np.repeat(np.arange(SIZE // ROWS_A_GROUP), ROWS_A_GROUP)
    y = rng.integers(0, 2, SIZE)
    between = rng.normal(0, 0.8, size=(groups[-1] + 1, 4))
    between[:, 0] = 0
    X = between[groups] + rng.normal(0, 0.6, size=(SIZE, 4))
    X[:, 0] += np.where(y == 1, 2.0, -2.0)
    if kind == "alike":
        new = (y == 1) & (rng.random(SIZE) < 0.04)
        X[new] += (-4.0, 2.0, 2.0, 0.0)
    else:
        hit = (rng.random(groups[-1] + 1) < 0.1)[groups]
        X[hit] += (0.0, 2.0, 2.0, 0.0)
        new = hit & (y == 1) & (rng.random(SIZE) < 0.8)
        X[new, 0] -= 4.0
    return replace(_population(X, y), groups=groups)


def _population(X: FloatArray, y: Array) -> Population:
    """With a legacy model that knows the two classes and not the new type."""
    old = np.array([[-1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    model = LogisticRegression().fit(old, [0, 1])
    return Population(X, y, model.predict(X), np.arange(len(y)), model)


def _pooled(
    form: str, population: Population, corrector: ErrorCorrector, eps: float
) -> Trial:
    damage = _damage(population, corrector)
    found = _certificate(corrector)
    reach = _reach(corrector, population.X[population.right])
    return Trial(
        form, damage, damage > eps, bracket(found, reach=reach), found.n_allowed
    )


def _by_group(
    form: str, population: Population, corrector: ErrorCorrector, eps: float
) -> Trial:
    right = population.right
    X, groups = population.X[right], population.groups[right]
    damage = _of_groups(_changed(corrector, X, population.labels[right]), groups)
    reach = _of_groups(np.isfinite(corrector.trace(X)["score"]), groups)
    found = _certificate(corrector)
    allowed = bracket(found, reach=reach)
    return Trial(form, damage, damage > eps, allowed, found.n_allowed)


def _alerts(
    form: str,
    population: Population,
    corrector: ErrorCorrector,
    eps: float,
    groups: Array | None = None,
) -> Trial:
    changed = _changed(corrector, population.X, population.labels)
    rate = float(changed.mean()) if groups is None else _of_groups(changed, groups)
    entry = corrector.rules_.entry("alerts")
    assert entry is not None
    found = entry.certificates[None]
    # the errors that were learnt from count as alerts, so only the upper end is exact
    return Trial(form, rate, rate > eps, (0.0, bracket(found)[1]), found.n_allowed)


def _certificate(corrector: ErrorCorrector, stratum: Any = None) -> Certificate:
    found = corrector.rules_.certificate(stratum)
    assert found is not None  # rows were held out, also where they do not suffice
    return found


def _damage(population: Population, corrector: ErrorCorrector) -> float:
    right = population.right
    changed = _changed(corrector, population.X[right], population.labels[right])
    return float(changed.mean())


def _changed(
    corrector: ErrorCorrector, X: FloatArray, before: Any
) -> npt.NDArray[np.bool_]:
    return np.asarray(corrector.predict(X) != before)


def _reach(corrector: ErrorCorrector, X: FloatArray) -> float:
    """Share of rows that the rules would change if the threshold were low enough."""
    return float(np.isfinite(corrector.trace(X)["score"]).mean())


def _of_groups(values: Array, groups: Array) -> float:
    """Mean over the groups of the mean within each."""
    rows = np.bincount(groups)
    sums = np.bincount(groups, weights=np.asarray(values, dtype=float))
    return float((sums[rows > 0] / rows[rows > 0]).mean())


@contextmanager
def _quiet() -> Iterator[None]:
    """Too few rows for a certificate is one of the outcomes that are counted.

    Samples are drawn with replacement, so that two of them share rows of the table.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCertifiedWarning)
        warnings.simplefilter("ignore", RuleRefusedWarning)
        warnings.simplefilter("ignore", TrainingRowsWarning)
        yield
