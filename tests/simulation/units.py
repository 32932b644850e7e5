"""Classes, days, groups and sampling weights; the population is exact."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from scipy.stats import nbinom, norm

from rarecorrect.certify import (
    alert_threshold,
    certified_threshold,
    daily_threshold,
    stratified_thresholds,
)
from simulation.trials import Case, Trial, bracket, jointly

LEVEL = 0.95

# class mixes: share, mean and sd of the normal score of every class
MIXES = {
    "3 classes": ((0.5, 0.0, 1.0), (0.3, 1.0, 1.0), (0.2, -1.0, 3.0)),
    "7 classes, one rare": tuple(
        (share, mean, 1.0 + 0.3 * abs(mean))
        for share, mean in zip(
            (0.3, 0.2, 0.2, 0.1, 0.1, 0.085, 0.015), range(-3, 4), strict=True
        )
    ),
}

ROWS_A_DAY = 100
DAY_SHAPE = 4.0  # volume of a day ~ Gamma with sd half its mean

GROUP_SHARE = 0.7  # share of the variance between groups
ROWS_A_GROUP = 10


def cases() -> Iterator[Case]:
    """All cases of classes, days, clustered rows, sampling weights."""
    for mix in MIXES:
        for n, eps, quick in ((300, 0.1, 0), (1000, 0.05, 300), (5000, 0.01, 0)):
            once = partial(classes, mix, n, eps)
            yield Case("classes", mix, n, eps, LEVEL, once, quick)
    for cap in (5, 25):
        for n, q in ((29, 0.1), (60, 0.1), (200, 0.1), (60, 0.2)):
            once = partial(days, cap, n, q)
            quick = 300 * ((cap, n, q) == (25, 60, 0.1))
            yield Case("days", f"cap {cap} a day", n, q, LEVEL, once, quick)
    for n, eps in ((100, 0.05), (300, 0.05), (1000, 0.02)):
        once = partial(clustered, n, eps)
        setting = f"groups of about {ROWS_A_GROUP}"
        yield Case("clustered rows", setting, n, eps, LEVEL, once, 300 * (n == 300))
    for n, eps in ((1000, 0.05), (5000, 0.02)):
        once = partial(two_rates, n, eps)
        setting = "a tenth of one segment"
        yield Case("sampling weights", setting, n, eps, LEVEL, once, 300 * (n == 1000))
        once = partial(falling_rate, n, eps)
        setting = "rate falls with the score"
        yield Case("sampling weights", setting, n, eps, LEVEL, once)
        once = partial(groups_at_two_rates, n, eps)
        setting = f"a tenth of some groups of about {ROWS_A_GROUP}"
        yield Case("sampling weights", setting, n, eps, LEVEL, once, 300 * (n == 1000))


def classes(mix: str, n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Broken if the damage of any class is above the budget."""
    shares, means, sds = np.array(MIXES[mix]).T
    labels = rng.choice(len(shares), n, p=shares)
    scores = rng.normal(means[labels], sds[labels])
    found = stratified_thresholds(scores, labels, eps, LEVEL)
    damages = [
        float(norm.sf(c.threshold, means[label], sds[label]))
        for label, c in found.items()
    ]
    allowed = jointly(bracket(c) for c in found.values())
    k = sum(c.n_allowed for c in found.values())
    worst = max(damages)
    yield Trial("a threshold each", worst, worst > eps, allowed, k)
    pooled = certified_threshold(scores, eps, LEVEL)
    worst = float(norm.sf(pooled.threshold, means, sds).max())
    yield Trial(
        "one for all", worst, worst > eps, (0, 1 - LEVEL), pooled.n_allowed, True
    )


def days(cap: int, n: int, q: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Broken if a further day exceeds its cap with probability above q."""
    volumes = rng.poisson(rng.gamma(DAY_SHAPE, ROWS_A_DAY / DAY_SHAPE, n))
    labels, scores = np.repeat(np.arange(n), volumes), rng.random(volumes.sum())
    found = daily_threshold(
        scores, labels, cap, exceed_probability=q, confidence_level=LEVEL
    )
    exceeded = _exceeds(found.threshold, cap)
    yield Trial(
        "days as units", exceeded, exceeded > q, bracket(found), found.n_allowed
    )
    rate = alert_threshold(scores, cap / ROWS_A_DAY, LEVEL)
    exceeded = _exceeds(rate.threshold, cap)
    yield Trial(
        "as a mean rate", exceeded, exceeded > q, (0, 1 - LEVEL), rate.n_allowed, True
    )


def clustered(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Groups of rows that look alike; damage of a random row of a random group."""
    sizes = rng.geometric(1 / ROWS_A_GROUP, n)
    groups = np.repeat(np.arange(n), sizes)
    between = rng.normal(0, np.sqrt(GROUP_SHARE), n)[groups]
    scores = between + rng.normal(0, np.sqrt(1 - GROUP_SHARE), groups.size)
    found = certified_threshold(scores, eps, LEVEL, groups=groups, random_state=rng)
    damage = float(norm.sf(found.threshold))
    yield Trial("group form", damage, damage > eps, bracket(found), found.n_allowed)
    rows = certified_threshold(scores, eps, LEVEL)
    damage = float(norm.sf(rows.threshold))
    yield Trial("row form", damage, damage > eps, (0, 1 - LEVEL), rows.n_allowed, True)


def two_rates(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """30 % of the population, with higher scores, sampled at a tenth of the rate."""
    share, rate, shift = 0.3, 0.1, 1.0
    rare = rng.random(n) < share * rate / (share * rate + 1 - share)
    scores = rng.normal(shift * rare)
    weights = np.where(rare, 1 / rate, 1.0)

    def damage(t: float) -> float:
        return float(share * norm.sf(t - shift) + (1 - share) * norm.sf(t))

    found = certified_threshold(
        scores, eps, LEVEL, sampling_weight=weights, random_state=rng
    )
    ignored = certified_threshold(scores, eps, LEVEL)
    d, wrong = damage(found.threshold), damage(ignored.threshold)
    yield Trial("thinned", d, d > eps, bracket(found), found.n_allowed)
    yield Trial("ignored", wrong, wrong > eps, (0, 1 - LEVEL), ignored.n_allowed, True)


def falling_rate(n: int, eps: float, rng: np.random.Generator) -> Iterator[Trial]:
    """Uniform scores, a row with score u sampled at the rate 1 - .9 u."""
    tried = rng.random(3 * n)
    scores = tried[rng.random(3 * n) < 1 - 0.9 * tried][:n]
    weights = 1 / (1 - 0.9 * scores)
    found = certified_threshold(
        scores, eps, LEVEL, sampling_weight=weights, random_state=rng
    )
    ignored = certified_threshold(scores, eps, LEVEL)
    d, wrong = (float(np.clip(1 - c.threshold, 0, 1)) for c in (found, ignored))
    yield Trial("thinned", d, d > eps, bracket(found), found.n_allowed)
    yield Trial("ignored", wrong, wrong > eps, (0, 1 - LEVEL), ignored.n_allowed, True)


def groups_at_two_rates(
    n: int, eps: float, rng: np.random.Generator
) -> Iterator[Trial]:
    """30 % of all groups, with higher scores, sampled at a tenth of the rate."""
    share, rate, shift = 0.3, 0.1, 1.0
    rare = rng.random(n) < share * rate / (share * rate + 1 - share)
    groups = np.repeat(np.arange(n), rng.geometric(1 / ROWS_A_GROUP, n))
    between = rng.normal(shift * rare, np.sqrt(GROUP_SHARE))
    scores = between[groups] + rng.normal(0, np.sqrt(1 - GROUP_SHARE), groups.size)
    weights = np.where(rare, 1 / rate, 1.0)[groups]

    def damage(t: float) -> float:
        return float(share * norm.sf(t - shift) + (1 - share) * norm.sf(t))

    options = {"groups": groups, "random_state": rng}
    found = certified_threshold(scores, eps, LEVEL, sampling_weight=weights, **options)
    ignored = certified_threshold(scores, eps, LEVEL, **options)
    d, wrong = damage(found.threshold), damage(ignored.threshold)
    yield Trial("thinned", d, d > eps, bracket(found), found.n_allowed)
    yield Trial("ignored", wrong, wrong > eps, (0, 1 - LEVEL), ignored.n_allowed, True)


def _exceeds(threshold: float, cap: int) -> float:
    """Probability that a day has more than `cap` uniform scores above `threshold`."""
    if threshold >= 1:
        return 0.0
    mean = ROWS_A_DAY * (1 - max(0.0, threshold))
    return float(nbinom.sf(cap, DAY_SHAPE, 1 / (1 + mean / DAY_SHAPE)))
