"""Rows with continuous scores, ties and discrete scores; the population is exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
from scipy.stats import cauchy, lognorm

from rarecorrect.certify import certified_threshold
from simulation.trials import Case, Trial, at_most, bracket, half_way

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
                quick = 400 * ((n, eps, level) in QUICK)
                yield Case("rows", "uniform scores", n, eps, level, once, quick)
    for name in HEAVY_TAILS:
        for n, eps in ((100, 0.05), (1000, 0.05), (5000, 0.01)):
            once = partial(heavy_tail, name, n, eps, LEVELS[0])
            yield Case("rows", name, n, eps, LEVELS[0], once, 400 * (n == 1000))
    for name, (_, budgets) in TIES.items():
        for n, eps in budgets:
            once = partial(discrete, name, n, eps, LEVELS[0])
            yield Case("ties", name, n, eps, LEVELS[0], once, 400 * (n == 1000))


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
    the threshold is below q; for ``t = s_(k+1)``: iff at most k scores are q or more.
    """
    law = tied(name)
    scores = law.sample(n, rng)
    found = certified_threshold(scores, eps, level)
    k, from_q = found.n_allowed, law.share_from(law.smallest_allowed(eps))
    low, high = at_most(n, from_q, k - 1), at_most(n, from_q, k)
    bare = np.sort(scores)[::-1][k] if k >= 0 else np.inf
    damage = law.share_above(bare)
    yield Trial("t = s_(k+1)", damage, damage > eps, (high, high), k)
    damage = law.share_above(found.threshold)
    yield Trial("half-way, bounds", damage, damage > eps, (low, high), k)


@dataclass(frozen=True, eq=False)
class Discrete:
    """A distribution on few values.

    Attributes
    ----------
    values, above : ndarray of shape (n_values,)
        Rising; the share of the population above each.
    """

    values: FloatArray
    above: FloatArray

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Scores of `n` rows."""
        drawn = np.searchsorted(-self.above, -rng.random(n))
        return self.values[drawn]

    def share_above(self, t: float) -> float:
        """Share of the population with a score above `t`."""
        below = int(np.searchsorted(self.values, t, side="right"))
        return float(self.above[below - 1]) if below else 1.0

    def share_from(self, value: float) -> float:
        """Share of the population with a score of `value` or more."""
        below = int(np.searchsorted(self.values, value, side="left"))
        return float(self.above[below - 1]) if below else 1.0

    def smallest_allowed(self, eps: float) -> float:
        """Smallest value above which lies at most a share `eps`."""
        return float(self.values[self.above <= eps][0])


@cache
def tied(name: str) -> Discrete:
    """The distribution of TIES with this name."""
    law, _ = TIES[name]
    shares = np.array(list(law.values()))
    # rounded, so that a tie that ends at the budget is not taken for one above it
    return Discrete(np.array(list(law)), (1 - np.cumsum(shares)).round(12))
