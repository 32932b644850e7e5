"""Whether errors can be corrected at all, and what more labels would buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_array, check_random_state

from rarecorrect.certify import allowed_exceedances, check_share, rows_needed
from rarecorrect.cross_fitting import detector_score, fit_detector
from rarecorrect.detectors import FisherDetector
from rarecorrect.metrics import clopper_pearson
from rarecorrect.ranking import tail_ranks

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

_SHARES = (0.25, 0.5, 0.8)  # of the errors that teach; the others judge
_REPEATS = 10
_PERMUTATIONS, _REPEATS_BY_CHANCE = 20, 3
_MOST_ROWS = 40_000
_MULTIPLES = (1, 2, 5, 20)  # of the least number of calibration rows
_ENOUGH_TO_TELL = 20
_WORTH_HAVING = 0.02  # added to the gain by twice as many errors
_RANKS_A_BUDGET = 3  # in a half of the right decisions


@dataclass(frozen=True, slots=True)
class DataNeeded:
    """What could be gained, and what more errors or calibration rows would add.

    ``print`` it.

    Attributes
    ----------
    n_errors, n_right : int
        Passed.
    max_damage, confidence_level : float
    gain, low, high : float
        Share of errors, left out of the fit, that the budget catches, with its nominal
        95 % interval.
    chance : float
        97.5 % point of the same gain where right decisions are called errors at random.
    by_errors : tuple of (int, float)
        Errors that taught, and the gain on the others.
    per_doubling : float
        What twice as many errors add to the gain, by a line through `by_errors`; NaN
        for two errors, of which only one can teach.
    per_doubling_error : float
        Its standard error over random choices of the errors.
    rows_needed : int
        Calibration rows without which nothing is certified.
    by_rows : tuple of (int, float, float)
        Calibration rows, the share of the budget that they use on average, and the gain
        with that share.

    Examples
    --------
    Ten errors that no feature tells from right decisions:

    >>> rng = np.random.default_rng(0)
    >>> found = data_needed(rng.normal(size=(1000, 2)), rng.normal(size=(10, 2)))
    >>> found.verdict
    '10 errors cannot tell this gain from chance; label 20 or more'
    """

    n_errors: int
    n_right: int
    max_damage: float
    confidence_level: float
    gain: float
    low: float
    high: float
    chance: float
    by_errors: tuple[tuple[int, float], ...]
    per_doubling: float
    per_doubling_error: float
    rows_needed: int
    by_rows: tuple[tuple[int, float, float], ...]

    @property
    def verdict(self) -> str:
        """The next thing to do, in words."""
        if self.low <= self.chance and self.n_errors < _ENOUGH_TO_TELL:
            return (
                f"{self.n_errors} errors cannot tell this gain from chance; label "
                f"{_ENOUGH_TO_TELL} or more"
            )
        if self.low <= self.chance:
            return (
                "not told from chance: these features do not separate the errors from "
                "right decisions, and more labels of the same kind will not; look for "
                "other features"
            )
        if self.n_errors < _ENOUGH_TO_TELL:
            return "beyond chance; so few errors do not tell what more would add"
        if self.per_doubling > max(2 * self.per_doubling_error, _WORTH_HAVING):
            return "more errors help: label more of them"
        return "more errors would add little; more calibration rows may"

    def __str__(self) -> str:
        sizes = ", ".join(f"{n}: {100 * g:.0f} %" for n, g in self.by_errors)
        if len(self.by_errors) > 1:
            sizes += (
                f"; twice as many add {round(100 * self.per_doubling):+} points "
                f"(+- {100 * self.per_doubling_error:.0f})"
            )
        lines = [
            f"gain             {100 * self.gain:.0f} % of errors left out "
            f"({100 * self.low:.0f}-{100 * self.high:.0f} %, nominal) at a damage of "
            f"{100 * self.max_damage:g} %; chance reaches {100 * self.chance:.0f} %",
            f"by errors        {sizes}",
            f"to certify       {self.rows_needed:,} right calibration rows at least "
            f"({100 * self.confidence_level:g} %)",
        ]
        for n, used, gain in self.by_rows:
            lines.append(
                f"  {n:>9,} rows use {100 * used:.0f} % of the budget: gain "
                f"{100 * gain:.0f} %"
            )
        return "\n".join([*lines, f"verdict          {self.verdict}"])


def data_needed(
    Z_right: npt.ArrayLike,
    Z_errors: npt.ArrayLike,
    *,
    max_damage: float = 0.01,
    confidence_level: float = 0.95,
    detector: Any = None,
    random_state: Any = 0,
) -> DataNeeded:
    """Say what labelling more would buy, before it is done.

    Part of the errors teach a detector on one half of the right decisions; the others
    are ranked among the other half.  This is repeated with a quarter, a half and four
    fifths of the errors.

    Parameters
    ----------
    Z_right : array-like of shape (n_right, n_features)
        Features of right decisions: ``corrector.features_.read(X).features``, say.
    Z_errors : array-like of shape (n_errors, n_features)
        Features of errors of one kind.
    max_damage : float, default=0.01
        Budget, in (0, 1).
    confidence_level : float, default=0.95
        Of the certificate, in (0, 1).
    detector : classifier, default=None
        ``None``: :class:`~rarecorrect.FisherDetector`.
    random_state : int, RandomState or None, default=0

    Returns
    -------
    DataNeeded

    Raises
    ------
    ValueError
        For a single error, since none can be left out, or too few right decisions: one
        for each error, to stand in for it by chance, and enough besides that a half of
        them shows a third of the budget and what the fewest calibration rows use of it.

    Notes
    -----
    Nothing here certifies anything: the rows are used again and again.  The gain is
    that of this detector; another one may do better.  Errors that belong together, of
    one customer, say, both teach and judge, and the gain on new customers may be lower:
    pass one error of each.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z_errors = rng.normal(2, 1, size=(40, 4))
    >>> found = data_needed(rng.normal(size=(5000, 4)), Z_errors)
    >>> found.gain > 0.5 > found.chance, found.rows_needed
    (True, 299)
    """
    check_share(max_damage, "max_damage")
    check_share(confidence_level, "confidence_level")
    right, errors = check_array(Z_right), check_array(Z_errors)
    if right.shape[1] != errors.shape[1]:
        raise ValueError(
            f"Z_right has {right.shape[1]} columns and Z_errors {errors.shape[1]}; "
            "pass the same features of both"
        )
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    certifiable = rows_needed(max_damage, confidence_level)
    enough = _enough_right(len(right), len(errors), max_damage, certifiable)
    drawn = rng.permutation(len(right))[: max(_MOST_ROWS, enough)]
    prototype = FisherDetector() if detector is None else detector
    trial = _Trial(prototype, right[drawn], max_damage, rng)
    sizes = sorted({min(len(errors) - 1, _portion(len(errors), s)) for s in _SHARES})
    ranks = {n: trial.left_out_ranks(errors, n) for n in sizes}
    gains = {n: np.array([np.mean(r <= max_damage) for r in ranks[n]]) for n in sizes}
    gain = float(gains[sizes[-1]].mean())
    low, high = clopper_pearson(round(gain * len(errors)), len(errors))
    slope, error = _per_doubling(gains)
    return DataNeeded(
        n_errors=len(errors),
        n_right=len(right),
        max_damage=max_damage,
        confidence_level=confidence_level,
        gain=gain,
        low=low,
        high=high,
        chance=trial.chance(sizes[-1], len(errors)),
        by_errors=tuple((n, float(g.mean())) for n, g in gains.items()),
        per_doubling=slope,
        per_doubling_error=error,
        rows_needed=certifiable,
        by_rows=tuple(
            _with_rows(m * certifiable, ranks[sizes[-1]], max_damage, confidence_level)
            for m in _MULTIPLES
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A detector, right decisions to learn from and to rank among, and a budget."""

    detector: Any
    right: Array
    max_damage: float
    rng: np.random.Generator

    def left_out_ranks(
        self, errors: Array, n: int, repeats: int = _REPEATS
    ) -> list[FloatArray]:
        """Tail ranks of the errors that did not teach, `n` of them teaching."""
        half = len(self.right) // 2
        found = []
        for seed in range(repeats):
            order = self.rng.permutation(len(errors))
            background = self.rng.permutation(self.right)
            Z = np.concatenate([background[:half], errors[order[:n]]])
            is_error = np.arange(len(Z)) >= half
            fitted = fit_detector(self.detector, Z, is_error, random_state=seed)
            among = np.sort(detector_score(fitted, background[half:]))
            left = detector_score(fitted, errors[order[n:]])
            found.append(tail_ranks(left, among))
        return found

    def chance(self, n: int, n_errors: int) -> float:
        """97.5 % point of the gain where the errors are right decisions."""
        gains = []
        for _ in range(_PERMUTATIONS):
            order = self.rng.permutation(len(self.right))
            drawn, rest = order[:n_errors], order[n_errors:]
            null = _Trial(self.detector, self.right[rest], self.max_damage, self.rng)
            ranks = null.left_out_ranks(self.right[drawn], n, _REPEATS_BY_CHANCE)
            gains.append(np.mean(np.concatenate(ranks) <= self.max_damage))
        return float(np.quantile(gains, 0.975))


def _enough_right(
    n_right: int, n_errors: int, max_damage: float, certifiable: int
) -> int:
    """Right decisions that suffice, half of them for ranks; too few are refused."""
    if n_errors < 2:
        raise ValueError(
            f"got {n_errors} error; it takes 2 to leave one out: label another one"
        )
    # n calibration rows use 1 / (n + 1) at least: the finest rank of as many
    half = max(certifiable, int(np.ceil(_RANKS_A_BUDGET / max_damage)))
    enough = 2 * half + n_errors
    if n_right < enough:
        raise ValueError(
            f"got {n_right:,} right decisions; it takes {enough:,}: {2 * half:,} to "
            f"see a damage of {100 * max_damage:g} % and its certificate, and "
            f"{n_errors:,} to stand in for the errors; pass more of them, fewer "
            "errors or a larger max_damage"
        )
    return enough


def _portion(n: int, share: float) -> int:
    return max(1, round(share * n))


def _per_doubling(gains: dict[int, FloatArray]) -> tuple[float, float]:
    """Slope of the gain over the doublings of the errors, and its standard error."""
    if len(gains) < 2:
        return np.nan, np.nan
    doublings = np.log2(list(gains))
    centred = doublings - doublings.mean()
    each = np.array(list(gains.values()))  # sizes x repeats
    weight = centred / np.sum(centred**2)
    variance = each.var(axis=1, ddof=1) / each.shape[1]
    slope = float(weight @ each.mean(axis=1))
    return slope, float(np.sqrt(weight**2 @ variance))


def _with_rows(
    n: int, ranks: list[FloatArray], max_damage: float, confidence_level: float
) -> tuple[int, float, float]:
    used = (allowed_exceedances(n, max_damage, confidence_level) + 1) / (n + 1)
    gain = float(np.mean([np.mean(r <= used) for r in ranks]))
    return n, used / max_damage, gain
