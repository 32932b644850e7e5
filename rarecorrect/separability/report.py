"""Can these errors be corrected at all? The verdict, and what explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from rarecorrect.separability.alone import separable_errors
from rarecorrect.separability.data_needed import ENOUGH_TO_TELL, DataNeeded
from rarecorrect.separability.fisher_separability import (
    FisherSeparability,
    fisher_separability,
)
from rarecorrect.separability.samples import Samples


@dataclass(frozen=True, slots=True)
class SeparabilityReport:
    """Whether errors can be told from right decisions, and why; ``print`` it.

    Attributes
    ----------
    n_errors, n_right : int
        Passed.
    max_damage : float
    needed : DataNeeded or None
        The gain on errors left out, on which the verdict rests; None for a single
        error, which cannot be left out.
    right : FisherSeparability
        Of right decisions from each other.
    separable_errors : float
        Share of errors that are separable, each alone, from all but a share of
        `max_damage` of right decisions held out, at ``right.alpha``, with lengths.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> Z_right, Z_errors = rng.normal(size=(2000, 6)), rng.normal(size=(40, 6))
    >>> found = separability_report(Z_right, Z_errors)
    >>> found.verdict[:33], found.needed.separable
    ('not separable from these features', False)
    """

    n_errors: int
    n_right: int
    max_damage: float
    needed: DataNeeded | None
    right: FisherSeparability
    separable_errors: float

    @property
    def verdict(self) -> str:
        """Whether the errors can be corrected, and the next thing to do, in words."""
        if self.needed is None:
            return (
                "one error cannot tell: there is none to leave out; label "
                f"{ENOUGH_TO_TELL - 1} more"
            )
        return self.needed.verdict

    @property
    def explanation(self) -> str:
        """What the figures say about the verdict."""
        each = self.separable_errors >= 0.5
        if self.needed is None or self.needed.separable is None:
            return (
                "most errors stand apart from right decisions; whether in a common "
                "direction, so few do not tell"
                if each
                else "most errors lie among right decisions"
            )
        if self.needed.separable:
            return (
                "the errors have something in common, and most of them alone stand "
                "apart from right decisions"
                if each
                else "the errors have something in common, though most of them alone "
                "lie among right decisions"
            )
        return (
            "most errors alone stand apart from right decisions, but not in a common "
            "direction: what corrects one does not correct the next"
            if each
            else "the errors lie among right decisions, alone and together"
        )

    def __str__(self) -> str:
        lines = [
            f"verdict          {self.verdict}",
            f"because          {self.explanation}",
            *([] if self.needed is None else self.needed.figures()),
            f"alone            {self._alone()} from "
            f"{100 * (1 - self.max_damage):g} % of right decisions",
            f"right decisions  fill {self.right}",
        ]
        if (together := self.right.separable_together) > 1:
            lines.append(
                f"                 {together:,} drawn at random are all separable from "
                f"each other ({100 * self.right.confidence_level:g} %, union bound)"
            )
        return "\n".join(lines)

    def _alone(self) -> str:
        if self.n_errors == 1:
            return f"the error is {'' if self.separable_errors else 'not '}separable"
        share = f"{100 * self.separable_errors:.0f} %"
        return f"{share} of {self.n_errors:,} errors are separable"


def separability_report(
    Z_right: npt.ArrayLike,
    Z_errors: npt.ArrayLike,
    *,
    max_damage: float = 0.01,
    confidence_level: float = 0.95,
    random_state: Any = 0,
    detector: Any = None,
) -> SeparabilityReport:
    """Say whether errors can be corrected at all, and why.

    The verdict rests on the gain on errors left out of the fit (:func:`data_needed`).
    The geometry of the features explains it: how many dimensions right decisions fill,
    and whether errors stand apart from them one by one.

    Parameters
    ----------
    Z_right : array-like of shape (n_right, n_features)
        Features of right decisions: ``corrector.features_.read(X).features``, say.
    Z_errors : array-like of shape (n_errors, n_features)
        Features of errors of one kind; a single one gets no verdict.
    max_damage : float, default=0.01
        Budget, in (0, 1).
    confidence_level : float, default=0.95
        Of the certificate and of the union bound, in (0, 1).
    random_state : int, RandomState or None, default=0
    detector : classifier, default=None
        ``None``: :class:`~rarecorrect.FisherDetector`.

    Returns
    -------
    SeparabilityReport

    Notes
    -----
    The dimension is that of directions.  Whether an error stands apart is asked with
    its length too, at the `alpha` at which the dimension is read.  Both leave out the
    directions in which right decisions hardly vary; a detector uses these too, and what
    errors have in common, so that they may be separable although none is so alone.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> Z_errors = rng.normal(1, 1, size=(30, 20))
    >>> found = separability_report(rng.normal(size=(2000, 20)), Z_errors)
    >>> found.verdict.partition(";")[0], found.separable_errors
    ('separable from these features', 1.0)
    >>> print(found.right)
    about 20.6 dimensions (alpha 0.80: 20 of 3,998,000 pairs are not separable)
    """
    samples = Samples.checked(
        Z_right, Z_errors, max_damage, confidence_level, random_state
    )
    right = fisher_separability(
        samples.right, confidence_level=confidence_level, random_state=random_state
    )
    needed = None
    if len(samples.errors) > 1:
        needed = DataNeeded.measured(samples, max_damage, confidence_level, detector)
    return SeparabilityReport(
        n_errors=len(samples.errors),
        n_right=samples.n_right,
        max_damage=max_damage,
        needed=needed,
        right=right,
        separable_errors=separable_errors(
            samples.right, samples.errors, max_damage, right.alpha
        ),
    )
