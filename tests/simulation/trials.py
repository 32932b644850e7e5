"""Repeat a calibration many times and test how often its promise is broken.

One *trial* is one calibration sample: was the population damage above the budget?  The
share of such trials must lie between two probabilities that are known exactly, or at
most below the second one; each side is a binomial test at 1e-4.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.integrate import quad
from scipy.stats import beta, binom, binomtest

from rarecorrect.certify import Certificate

SIGNIFICANCE = 1e-4
CHUNK = 250

Bracket = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """One calibration sample, its damage, and what exact theory allows.

    Attributes
    ----------
    form : str
        Which way of setting the threshold was tried.
    damage : float
        Share of the population that is changed.
    violated : bool
        Whether the promise was broken.
    allowed : pair of float
        Lowest and highest probability of `violated`, given n and k of this sample.
    n_allowed : int
        k of the exact rule.
    must_fail : bool
        A wrong way, kept to show that the test finds it.
    """

    form: str
    damage: float
    violated: bool
    allowed: Bracket
    n_allowed: int
    must_fail: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A population, a budget and a level, to be sampled again and again.

    Attributes
    ----------
    scenario, setting : str
    n : int
        Calibration units: rows, groups, days; with a corrector, rows passed to it.
    max_damage, confidence_level : float
    once : callable
        From a random generator to the trials of one calibration sample.
    quick : int
        Repetitions in the short form; 0: not part of it.
    """

    scenario: str
    setting: str
    n: int
    max_damage: float
    confidence_level: float
    once: Callable[[np.random.Generator], Iterable[Trial]]
    quick: int = 0

    @property
    def name(self) -> str:
        """What makes the case different from all others; seeds its random numbers."""
        level = f"n={self.n} eps={self.max_damage} level={self.confidence_level}"
        return f"{self.scenario}: {self.setting}, {level}"


@dataclass(slots=True)
class Tally:
    """Sums over the trials of one form."""

    form: str
    must_fail: bool
    repetitions: int = 0
    violations: int = 0
    damage: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0
    n_allowed: float = 0.0

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        self.repetitions += 1
        self.violations += bool(trial.violated)
        self.damage += trial.damage
        self.lowest += trial.allowed[0]
        self.highest += trial.allowed[1]
        self.n_allowed += trial.n_allowed

    def merge(self, other: Tally) -> None:
        """Add the sums of another part of the same trials."""
        self.repetitions += other.repetitions
        self.violations += other.violations
        self.damage += other.damage
        self.lowest += other.lowest
        self.highest += other.highest
        self.n_allowed += other.n_allowed


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table: how often the promise was broken, and the verdict."""

    scenario: str
    setting: str
    form: str
    n: int
    max_damage: float
    delta: float
    mean_n_allowed: float
    repetitions: int
    violations: int
    lowest: float
    highest: float
    mean_damage: float
    p_value: float
    must_fail: bool

    @property
    def share(self) -> float:
        """Share of calibration samples with a broken promise."""
        return self.violations / self.repetitions

    @property
    def rejected(self) -> bool:
        """Whether the share is not what exact theory allows."""
        return self.p_value < SIGNIFICANCE

    @property
    def as_expected(self) -> bool:
        """Whether a right way held, or a wrong way was found out."""
        return self.rejected == self.must_fail

    @property
    def verdict(self) -> str:
        """The outcome in words; capitals where it is not the expected one."""
        if self.must_fail:
            return "fails, as it must" if self.rejected else "NOT FOUND OUT"
        return "BROKEN" if self.rejected else "holds"

    def __str__(self) -> str:
        return (
            f"{self.scenario}: {self.setting}, {self.form}, n={self.n}, "
            f"eps={self.max_damage:g}, delta={self.delta:g}: {self.violations} of "
            f"{self.repetitions} above the budget, allowed {self.lowest:.4f} to "
            f"{self.highest:.4f}, p={self.p_value:.1e}: {self.verdict}"
        )


def run_chunk(case: Case, seed: int, chunk: int, repetitions: int) -> list[Tally]:
    """Trials of one part of a case; its random numbers depend on nothing else."""
    mark = zlib.crc32(case.name.encode())
    rng = np.random.default_rng([seed, mark, chunk])
    tallies: dict[str, Tally] = {}
    for _ in range(repetitions):
        for trial in case.once(rng):
            tally = tallies.setdefault(trial.form, Tally(trial.form, trial.must_fail))
            tally.add(trial)
    return list(tallies.values())


def chunks(repetitions: int) -> Iterator[tuple[int, int]]:
    """Number and length of the parts that `repetitions` are cut into."""
    for chunk, start in enumerate(range(0, repetitions, CHUNK)):
        yield chunk, min(CHUNK, repetitions - start)


def findings(case: Case, parts: Iterable[list[Tally]]) -> list[Finding]:
    """One finding for each form of a case, from all of its parts."""
    whole: dict[str, Tally] = {}
    for part in parts:
        for tally in part:
            if tally.form in whole:
                whole[tally.form].merge(tally)
            else:
                whole[tally.form] = tally
    return [_finding(case, tally) for tally in whole.values()]


def examine(case: Case, repetitions: int, seed: int = 0) -> list[Finding]:
    """Run a case here and now."""
    parts = (run_chunk(case, seed, c, size) for c, size in chunks(repetitions))
    return findings(case, parts)


def bracket(certificate: Certificate, *, reach: float = 1.0) -> Bracket:
    """Exact bounds on the probability that a certified threshold breaks its promise.

    For a continuous score the damage at the (k+1)-th largest calibration score is
    above eps with probability ``P(Bin(n, eps) <= k)``, at the k-th largest one with
    ``P(Bin(n, eps) <= k - 1)``, and the threshold lies between them.

    Parameters
    ----------
    certificate : Certificate
    reach : float
        Share of the population that any threshold could change; where the budget
        covers it the promise cannot be broken.
    """
    n, k, eps = (
        certificate.n_calibration,
        certificate.n_allowed,
        certificate.max_damage,
    )
    if k < 0:
        return 0.0, 0.0
    low, high = at_most(n, eps, k - 1), at_most(n, eps, k)
    return (low if reach > eps else 0.0), high


@cache
def at_most(n: int, p: float, k: int) -> float:
    """``P(Bin(n, p) <= k)``."""
    return float(binom.cdf(k, n, p)) if k >= 0 else 0.0


@cache
def half_way(n: int, k: int, eps: float) -> float:
    """Exact probability of damage above `eps` half-way between two uniform scores.

    The damage at the (k+1)-th and k-th largest of n uniform scores is ``U`` and ``U V``
    with independent ``U ~ Beta(k+1, n-k)`` and ``V ~ Beta(k, 1)``; half-way it is
    ``U (1 + V) / 2``.
    """
    if k <= 0:
        return at_most(n, eps, k)
    law = beta(k + 1, n - k)

    def density(u: float) -> float:
        return float(law.pdf(u) * (1 - (2 * eps / u - 1) ** k))

    top = min(2 * eps, 1.0)
    middle = min(float(law.ppf(1 - 1e-12)), top)
    between = sum(
        quad(density, a, b)[0] for a, b in ((eps, middle), (middle, top)) if a < b
    )
    return float(between + law.sf(top))


def jointly(brackets: Iterable[Bracket]) -> Bracket:
    """Bounds on "at least one is broken" for independent promises."""
    kept = [(1 - low, 1 - high) for low, high in brackets]
    return 1 - math.prod(k[0] for k in kept), 1 - math.prod(k[1] for k in kept)


def _finding(case: Case, tally: Tally) -> Finding:
    n = tally.repetitions
    # sums of many probabilities end a few last bits above 1
    low, high = min(1.0, tally.lowest / n), min(1.0, tally.highest / n)
    too_few = binomtest(tally.violations, n, low, alternative="less").pvalue
    too_many = binomtest(tally.violations, n, high, alternative="greater").pvalue
    return Finding(
        scenario=case.scenario,
        setting=case.setting,
        form=tally.form,
        n=case.n,
        max_damage=case.max_damage,
        delta=round(1 - case.confidence_level, 12),
        mean_n_allowed=tally.n_allowed / n,
        repetitions=n,
        violations=tally.violations,
        lowest=low,
        highest=high,
        mean_damage=tally.damage / n,
        p_value=float(min(too_few, too_many)),
        must_fail=tally.must_fail,
    )
