"""What errors gain when others teach, and what more labels would buy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import allowed_exceedances, rows_needed
from rarecorrect.detectors import FisherDetector
from rarecorrect.metrics import clopper_pearson
from rarecorrect.separability.samples import Samples
from rarecorrect.separability.trial import Trial

FloatArray = npt.NDArray[np.float64]

_SHARES = (0.25, 0.5, 0.8)  # of the errors that teach; the others judge
_MULTIPLES = (1, 2, 5, 20)  # of the least number of calibration rows
ENOUGH_TO_TELL = 20  # errors
_WORTH_HAVING = 0.02  # added to the gain by twice as many errors, or by more rows
_LEAST_GAIN = 0.1


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
    '10 errors cannot tell this gain from chance; label 10 more at least'
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

    @classmethod
    def measured(
        cls,
        samples: Samples,
        max_damage: float,
        confidence_level: float,
        detector: Any = None,
    ) -> DataNeeded:
        """Let some errors teach, and see how many of the others are caught.

        Parameters
        ----------
        samples : Samples
        max_damage, confidence_level : float
            In (0, 1).
        detector : classifier, default=None
            ``None``: :class:`~rarecorrect.FisherDetector`.

        Returns
        -------
        DataNeeded

        Raises
        ------
        ValueError
            For a single error.
        """
        right, errors, n_right, rng = samples
        if len(errors) < 2:
            raise ValueError(
                "got 1 error; it takes 2 to leave one out: label another one"
            )
        trial = Trial(
            FisherDetector() if detector is None else detector, right, max_damage, rng
        )
        n = len(errors)
        wanted = {min(n - 1, max(1, round(share * n))) for share in _SHARES}
        ranks = {n: trial.left_out_ranks(errors, n) for n in sorted(wanted)}
        gains = {
            n: np.array([np.mean(r <= max_damage) for r in found])
            for n, found in ranks.items()
        }
        most = max(wanted)
        gain = float(gains[most].mean())
        low, high = clopper_pearson(round(gain * len(errors)), len(errors))
        slope, error = _per_doubling(gains)
        certifiable = rows_needed(max_damage, confidence_level)
        return cls(
            n_errors=len(errors),
            n_right=n_right,
            max_damage=max_damage,
            confidence_level=confidence_level,
            gain=gain,
            low=low,
            high=high,
            chance=trial.chance(most, len(errors)),
            by_errors=tuple((n, float(g.mean())) for n, g in gains.items()),
            per_doubling=slope,
            per_doubling_error=error,
            rows_needed=certifiable,
            by_rows=tuple(
                _with_rows(m * certifiable, ranks[most], max_damage, confidence_level)
                for m in _MULTIPLES
            ),
        )

    @property
    def beyond_chance(self) -> bool:
        """Whether the gain is told from chance: its lower end lies above it."""
        return self.low > self.chance

    @property
    def separable(self) -> bool | None:
        """Whether a tenth of the errors and more than chance are caught.

        None: so few errors do not tell.
        """
        return is_separable(self.gain, self.low, self.chance, self.n_errors)

    @property
    def verdict(self) -> str:
        """Whether the errors can be corrected, and the next thing to do, in words."""
        if self.separable is None:
            return (
                f"{self.n_errors} errors cannot tell this gain from chance; "
                f"label {ENOUGH_TO_TELL - self.n_errors} more at least"
            )
        if self.separable:
            return f"separable from these features; {self._what_more_would_add()}"
        why = (
            f"the budget catches fewer than {100 * _LEAST_GAIN:.0f} % of the errors"
            if self.beyond_chance
            else "the gain is not told from chance"
        )
        if self._errors_help():
            way = f"but {self._what_more_would_add()}"
        else:
            way = (
                "nothing says that more labels of the same kind would help; look for "
                "other features"
            )
        return f"not separable from these features: {why}; {way}"

    def _errors_help(self) -> bool:
        return self.per_doubling > max(2 * self.per_doubling_error, _WORTH_HAVING)

    def _what_more_would_add(self) -> str:
        """What about as many errors again, and more calibration rows, would add."""
        if self.n_errors < ENOUGH_TO_TELL:
            missing = ENOUGH_TO_TELL - self.n_errors
            return f"label {missing} more errors to see what still more would add"
        if self._errors_help():
            points = round(100 * min(self.per_doubling, 1 - self.gain))
            return (
                f"{self.n_errors:,} more errors would add about {points} points: label "
                "more of them"
            )
        best = self.by_rows[-1][2]
        enough = next(n for n, _, g in self.by_rows if g >= best - _WORTH_HAVING)
        return (
            "more errors would add little, and so would more than "
            f"{enough:,} calibration rows"
        )

    def figures(self) -> list[str]:
        """Lines of the printed form, but for the verdict."""
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
        return lines

    def __str__(self) -> str:
        return "\n".join([*self.figures(), f"verdict          {self.verdict}"])


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
    samples = Samples.checked(
        Z_right, Z_errors, max_damage, confidence_level, random_state
    )
    return DataNeeded.measured(samples, max_damage, confidence_level, detector)


def is_separable(gain: float, low: float, chance: float, n_errors: int) -> bool | None:
    """Whether a tenth of the errors and more than chance are caught.

    Parameters
    ----------
    gain, low : float
        Share of left-out errors caught, and the lower end of its interval.
    chance : float
        Share of right decisions caught along with them.
    n_errors : int

    Returns
    -------
    bool or None
        None: so few errors do not tell.

    Examples
    --------
    >>> is_separable(0.8, 0.6, 0.01, 30), is_separable(0.2, 0.005, 0.01, 5)
    (True, None)
    """
    if low <= chance and n_errors < ENOUGH_TO_TELL:
        return None
    return low > chance and gain >= _LEAST_GAIN


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
