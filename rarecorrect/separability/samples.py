"""Features of right decisions and of errors: what is taken, and how many of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_array, check_random_state

from rarecorrect.certify import check_share, rows_needed

Array = npt.NDArray[Any]

_MOST_ROWS = 40_000
_RANKS_A_BUDGET = 3  # in a half of the right decisions


class Samples(NamedTuple):
    """Right decisions, at most 40,000 of them drawn at random, and errors.

    Attributes
    ----------
    right : ndarray of shape (n_drawn, n_features)
        In random order; more than 40,000 where the budget asks for them.
    errors : ndarray of shape (n_errors, n_features)
    n_right : int
        Passed.
    rng : Generator
        For what else is drawn.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z_right, Z_errors = rng.normal(size=(50_000, 2)), rng.normal(size=(3, 2))
    >>> found = Samples.checked(Z_right, Z_errors, 0.01, 0.95, random_state=0)
    >>> found.right.shape, found.n_right
    ((40000, 2), 50000)
    """

    right: Array
    errors: Array
    n_right: int
    rng: np.random.Generator

    @classmethod
    def checked(
        cls,
        Z_right: npt.ArrayLike,
        Z_errors: npt.ArrayLike,
        max_damage: float,
        confidence_level: float,
        random_state: Any,
    ) -> Samples:
        """Check what was passed, and draw.

        Parameters
        ----------
        Z_right : array-like of shape (n_right, n_features)
        Z_errors : array-like of shape (n_errors, n_features)
        max_damage, confidence_level : float
            In (0, 1).
        random_state : int, RandomState or None

        Returns
        -------
        Samples

        Raises
        ------
        ValueError
            For different numbers of features or too few right decisions: one for each
            error, to stand in for it by chance, and enough besides that a half of them
            shows a third of the budget and what the fewest calibration rows use of it.
        """
        check_share(max_damage, "max_damage")
        check_share(confidence_level, "confidence_level")
        right, errors = check_array(Z_right), check_array(Z_errors)
        if right.shape[1] != errors.shape[1]:
            raise ValueError(
                f"Z_right has {right.shape[1]} columns and Z_errors {errors.shape[1]}; "
                "pass the same features of both"
            )
        # n calibration rows use 1 / (n + 1) at least: the finest rank of as many
        half = max(
            rows_needed(max_damage, confidence_level),
            int(np.ceil(_RANKS_A_BUDGET / max_damage)),
        )
        enough = 2 * half + len(errors)
        if len(right) < enough:
            raise ValueError(
                f"got {len(right):,} right decisions; it takes {enough:,}: "
                f"{2 * half:,} to see a damage of {100 * max_damage:g} % and its "
                f"certificate, and {len(errors):,} to stand in for the errors; pass "
                "more of them, fewer errors or a larger max_damage"
            )
        seed = check_random_state(random_state).randint(2**31 - 1)
        rng = np.random.default_rng(seed)
        drawn = rng.permutation(len(right))[: max(_MOST_ROWS, enough)]
        return cls(right[drawn], errors, len(right), rng)
