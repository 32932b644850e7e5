"""Rows with continuous scores, ties and discrete scores; the population is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.stats import cauchy, lognorm
from simulation.trials import Case, Trial, at_most, bracket, half_way

from rarecorrect.certify import certified_threshold

FloatArray = npt.NDArray[np.float64]

SIZES = (50, 100, 300, 1000, 5000)
BUDGETS = (0.1, 0.05, 0.02, 0.01)
LEVELS = (0.95, 0.8)
# not certifiable, and cells in which few repetitions tell right from wrong
QUICK = {
    (50, 0.05, 0.95),
    (50, 0.1, 0.8),
    (300, 0.02, 0.8),
    (1000, 0.05, 0.95),
    (5000, 0.01, 0.95),
}

HEAVY_TAILS = {"Cauchy": cauchy(), "lognormal, sd 3": lognorm(3.0)}

# value -> probability, and the (n, eps) to try: mostly budgets that end inside a tie
NONE = -np.inf  # no rule can change these rows
TIES: dict[str, tuple[dict[float, float], tuple[tuple[int, float], ...]]] = {
    "rounded to 10 values": (
        {float(v): 0.1 for v in range(10)},
        ((50, 0.19), (300, 0.19), (1000, 0.1)),
    ),
    "rounded to 1000 values": (
        {float(v): 0.001 for v in range(1000)},
        ((100, 0.05), (1000, 0.02), (5000, 0.01)),
    ),
    "90 % at one value": (
        {0.0: 0.0375, 1.0: 0.91, 2.0: 0.0325, 3.0: 0.02},
        ((50, 0.1), (100, 0.05), (1000, 0.05), (5000, 0.05)),
    ),
    "all equal": ({1.0: 1.0}, ((100, 0.05), (5000, 0.01))),
    "60 % that no rule can change": (
        {NONE: 0.6, 0.0: 0.295, 1.0: 0.0725, 2.0: 0.0325},
        ((100, 0.1), (1000, 0.1), (5000, 0.1)),
    ),
    "94.75 % that no rule can change": (
        {NONE: 0.9475, 0.0: 0.0325, 1.0: 0.02},
        ((100, 0.05), (1000, 0.05), (5000, 0.05)),
    ),
    "97 % that no rule can change": (
        {NONE: 0.97, 0.0: 0.02, 1.0: 0.01},
        ((100, 0.05), (1000, 0.05)),
    ),
}


def cases() -> Iterator[Case]:
    """All cases of rows, heavy tails, ties."""
    for level in LEVELS:
        for eps in BUDGETS:
            for n in SIZES:
                once = partial(uniform, n, eps, level)
                quick = (n, eps, level) in QUICK
                yield Case("rows", "uniform scores", n, eps, level, once, quick)
    for name in HEAVY_TAILS:
        for n, eps in ((100, 0.05), (1000, 0.05), (5000, 0.01)):
            once = partial(heavy_tail, name, n, eps, LEVELS[0])
            yield Case("rows", name, n, eps, LEVELS[0], once, quick=n == 1000)
    for name, (_, budgets) in TIES.items():
        for n, eps in budgets:
            once = partial(discrete, name, n, eps, LEVELS[0])
            yield Case("ties", name, n, eps, LEVELS[0], once, quick=n == 1000)


def uniform(
    n: int, eps: float, level: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Uniform scores: the damage of a threshold t is 1 - t."""
    scores = rng.random(n)
    found = certified_threshold(scores, eps, level)
    k = found.n_allowed
    bare = np.sort(scores)[::-1][k] if k >= 0 else np.inf
    damage = float(np.clip(1 - bare, 0, 1))
    exact = at_most(n, eps, k)
    yield Trial("t = s_(k+1)", damage, damage > eps, (exact, exact), k)
    damage = float(np.clip(1 - found.threshold, 0, 1))
    violated = damage > eps
    yield Trial("half-way, bounds", damage, violated, bracket(found), k)
    exact = half_way(n, k, eps)
    yield Trial("half-way, exact", damage, violated, (exact, exact), k)
    if k >= 1:
        yield Trial("never fires", 0.0, False, (exact, exact), k, must_fail=True)


def heavy_tail(
    name: str, n: int, eps: float, level: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Heavy tails: the gap around the threshold may be wide."""
    law = HEAVY_TAILS[name]
    found = certified_threshold(law.rvs(n, random_state=rng), eps, level)
    damage = float(law.sf(found.threshold))
    yield Trial(
        "half-way, bounds", damage, damage > eps, bracket(found), found.n_allowed
    )


def discrete(
    name: str, n: int, eps: float, level: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """Few distinct scores: the probability of a violation is known exactly.

    With q the smallest value above which lies at most eps, the promise is broken iff
    the (k+1)-th largest score is below q: at most k of n scores are q or more.
    """
    law, _ = TIES[name]
    values, shares = np.array(list(law)), np.array(list(law.values()))
    found = certified_threshold(rng.choice(values, n, p=shares), eps, level)
    above = _above(values, shares)
    damage = above(found.threshold)
    q = min(v for v in values if above(v) <= eps)
    from_q = above(q) + float(shares[values == q].sum())
    exact = at_most(n, min(1.0, from_q), found.n_allowed)
    yield Trial("half-way, exact", damage, damage > eps, (exact, exact), found.n_allowed)


def _above(values: FloatArray, shares: FloatArray) -> Callable[[float], float]:
    # sums in one order, so that equal budgets compare equal; .02 + .01 is not .03
    return lambda t: round(float(shares[values > t].sum()), 12)
