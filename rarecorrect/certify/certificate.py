"""Certificate: a threshold and what was certified about it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.stats import betabinom

from rarecorrect.certify.bounds import psi, rho
from rarecorrect.certify.exact_rule import (
    allowed_exceedances,
    check_share,
    rows_needed,
    smallest_damage,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A threshold and what was certified about it.

    A decision is changed iff its score is strictly above `threshold`.

    Attributes
    ----------
    threshold : float
        ``inf`` where nothing can be certified: the rule stays off.
    certified : bool
        Whether the bound holds at `confidence_level`.
    n_calibration : int
        Number of calibration units (rows, groups or days) that stand behind it.
    n_exceeding : int
        Calibration units really above the threshold.
    n_allowed : int
        Units that the exact rule would have allowed above it; -1: none, not
        certifiable.
    max_damage : float
        The budget: largest share of the population that may be changed (for days: the
        largest probability that a further day exceeds its cap).
    confidence_level : float
        Share of calibration samples for which the bound holds, at the least.
    unit : str
        What is counted: ``"rows"``, ``"groups"`` or ``"days"``.
    population : str
        What the calibration units are a sample of, in words.
    n_confidence : float
        Confidence that there are so many units, where their number is a lower bound
        from a sample; the two error probabilities add up.
    units : ndarray of shape (n_calibration,)
        Score of every unit that was counted, rising: of a row, of the row drawn from a
        group, or of the alert that would be one too many on a day.  The certificate can
        be recomputed from them.

    Examples
    --------
    >>> import numpy as np
    >>> from rarecorrect.certify import certified_threshold
    >>> c = certified_threshold(np.arange(1000.0), max_damage=0.01)
    >>> c.certified, c.n_allowed, c.threshold
    (True, 4, 995.5)
    >>> print(c)
    changes at most 1 % of right decisions (95 % confidence, 1,000 rows, 4 above)
    """

    threshold: float
    certified: bool
    n_calibration: int
    n_exceeding: int
    n_allowed: int
    max_damage: float
    confidence_level: float
    unit: str = "rows"
    population: str = "right decisions"
    n_confidence: float = 1.0
    units: npt.NDArray[np.float64] = field(
        default_factory=lambda: np.empty(0), repr=False, compare=False
    )

    @property
    def budget_used(self) -> float:
        """Mean share of the budget that the exact rule uses with so many units."""
        if not self.certified:
            return 0.0
        return (self.n_allowed + 1) / ((self.n_calibration + 1) * self.max_damage)

    def budget_used_with(self, n: int) -> float:
        """Mean share of the budget that would be used with `n` units.

        Parameters
        ----------
        n : int
            Number of calibration units, 0 or more.

        Returns
        -------
        float
            In [0, 1).

        Examples
        --------
        >>> import numpy as np
        >>> from rarecorrect.certify import certified_threshold
        >>> c = certified_threshold(np.arange(1000.0), max_damage=0.01)
        >>> round(c.budget_used, 2), round(c.budget_used_with(20_000), 2)
        (0.5, 0.88)
        """
        k = allowed_exceedances(n, self.max_damage, self.confidence_level)
        return (k + 1) / ((n + 1) * self.max_damage)

    def most_in_window(self, window: int, confidence_level: float = 0.95) -> int:
        """Most units of a further window that lie above the threshold.

        A prediction, not a bound of the damage: by the beta-binomial distribution of
        what a window of the same kind will show, over calibration samples and windows
        together.  A later window with more than that was another kind of window.

        Parameters
        ----------
        window : int
            Number of units in it: right decisions, groups or days.
        confidence_level : float, default=0.95
            In (0, 1).

        Returns
        -------
        int

        Raises
        ------
        ValueError
            For a level outside (0, 1), or a window of less than 0 units.

        References
        ----------
        S. S. Wilks, "Statistical prediction with special reference to the problem of
        tolerance limits", Annals of Mathematical Statistics 13 (1942).

        Examples
        --------
        >>> import numpy as np
        >>> from rarecorrect.certify import certified_threshold
        >>> c = certified_threshold(np.arange(1000.0), max_damage=0.01)
        >>> c.most_in_window(1000), c.most_in_window(100)
        (11, 2)
        """
        check_share(confidence_level, "confidence_level")
        if window < 0:
            raise ValueError(f"window must be 0 units or more, got {window}")
        if not self.certified:
            return 0  # nothing fires
        a, b = self.n_allowed + 1, self.n_calibration - self.n_allowed
        return int(betabinom.ppf(confidence_level, window, a, b))

    @property
    def comparison(self) -> dict[str, float]:
        """The damage averaged over calibration samples, and bounds on that average.

        ``exact`` is ``(k + 1) / (n + 1)``; ``at_least`` and ``at_most`` are the bounds
        of Tyukin et al. (:func:`rho`, :func:`psi`), which hold for any score as well
        but only on average.  The certificate itself bounds the damage in all but a
        share of calibration samples.
        """
        n, share = self.n_calibration, self.n_exceeding / max(1, self.n_calibration)
        return {
            "exact": self.budget_used * self.max_damage,
            "at_least": rho(share, n),
            "at_most": psi(share, n),
        }

    @property
    def smallest_damage(self) -> float:
        """Smallest budget that so many units could certify at this level."""
        return smallest_damage(self.n_calibration, self.confidence_level)

    def __str__(self) -> str:
        level = f"{100 * self.confidence_level:.4g} %"
        share = f"{100 * self.max_damage:.4g} %"
        wanted = f"{share} of {self.population}"
        certified = f"changes at most {wanted}"
        if self.unit == "days":
            wanted = f"{share} of further days with {self.population}"
            certified = f"at most {wanted}"
        if not self.certified and self.n_allowed >= 0:
            return (
                f"not certifiable: {wanted} at {level} confidence allows "
                f"{self.n_allowed:,} of {self.n_calibration:,} {self.unit} above the "
                f"threshold, but more than {self.n_allowed:,} count as alerts whatever "
                "their score"
            )
        if not self.certified:
            return (
                f"not certifiable: {wanted} at {level} confidence needs "
                f"{rows_needed(self.max_damage, self.confidence_level):,} "
                f"{self.unit}, got {self.n_calibration:,}"
            )
        return (
            f"{certified} ({level} confidence, {self.n_calibration:,} {self.unit}, "
            f"{self.n_exceeding:,} above)"
        )
