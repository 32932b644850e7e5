"""Looking before one decides: labels from the top, and bounds at all thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import Band, allowed_exceedances, from_top, plan
from simulation.trials import Case, Trial

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
ACCURACIES = (0.8, 0.98)
BUDGETS = ((5000, 0.01), (20_000, 0.002))
SIZES = (20, 300, 3000)


def cases() -> Iterator[Case]:
    """All cases."""
    for accuracy in ACCURACIES:
        for n, eps in BUDGETS:
            once = partial(labels, accuracy, n, eps)
            setting = f"right on {100 * accuracy:.0f} %"
            quick = 100 * (n == BUDGETS[0][0])
            yield Case("labelled from the top", setting, n, eps, LEVEL, once, quick)
    for n in SIZES:
        once = partial(all_thresholds, n)
        # the share of thresholds that are looked at stands where a budget would
        yield Case("band", "uniform scores", n, 0.2, LEVEL, once, 400 * (n < 3000))


def labels(
    accuracy: float, n: int, eps: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Right rows have uniform scores; wrong ones score higher."""
    truth = rng.random(n) < accuracy
    scores = np.where(truth, rng.random(n), rng.random(n) ** 0.2)
    right = np.full(n, np.nan)
    options = {"max_damage": eps, "random_state": int(rng.integers(2**31))}
    while (todo := plan(scores, right, **options)).rows.size:
        right[todo.rows] = truth[todo.rows]
    found = from_top(scores, right, **options)
    yield _trial("as planned", found.threshold, eps, found.n_allowed)
    # every other label is missing: who takes those rows for wrong goes too deep
    k = allowed_exceedances(int(truth.sum()), eps, LEVEL)
    seen = truth & (rng.random(n) < 0.5)
    bare = np.sort(scores[seen])[::-1][k]
    yield _trial("unlabelled taken for wrong", float(bare), eps, k, must_fail=True)


def all_thresholds(n: int, rng: np.random.Generator) -> Iterator[Trial]:
    """Uniform scores: the damage of a threshold t is 1 - t, at every threshold."""
    scores = rng.random(n)
    band = Band.of(scores, LEVEL)
    delta = 1 - LEVEL
    descending = np.sort(scores)[::-1]
    bare = 1 - descending[band.n_above]
    broken = bool((bare > band.at_most).any())
    # a grid of thresholds, and an exact sum: the promise is neither lax nor strict
    yield Trial("t = s_(k+1)", float(bare[-1]), broken, (delta, delta), -1)
    between = np.clip(1 - band.thresholds, 0, 1)
    broken = bool((between > band.at_most).any())
    yield Trial("half-way", float(between[-1]), broken, (0.0, delta), -1)
    if n > SIZES[0]:
        each = np.array([_bound_of_one(n, int(k)) for k in band.n_above])
        broken = bool((bare > each).any())
        form = "every bound at the level of one"
        yield Trial(form, float(bare[-1]), broken, (0.0, delta), -1, must_fail=True)


def _bound_of_one(n: int, k: int) -> float:
    from scipy.special import betaincinv

    return float(betaincinv(k + 1, n - k, LEVEL))


def _trial(
    form: str, threshold: float, eps: float, k: int, *, must_fail: bool = False
) -> Trial:
    damage = float(np.clip(1 - threshold, 0, 1))
    allowed = (0.0, 1 - LEVEL)
    return Trial(form, damage, damage > eps, allowed, k, must_fail=must_fail)
