"""What a benchmark runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rarecorrect_face.methods import SLOW

LEAVE_ONE_OUT = "leave-one-out"
RARE = "rare"
PROTOCOLS = (LEAVE_ONE_OUT, RARE)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run on every class.

    Attributes
    ----------
    protocol : {"leave-one-out", "rare"}
        The network never saw the class, or only a few faces of it.
    draws : dict
        From the number of labelled errors (None: all) to the number of draws.
    slow_draws : int
        At most so many draws of each number for methods that fit in minutes.
    damages : tuple of float
        Budgets: largest share of right decisions changed.
    gains : tuple of float
        Gains at which the retention is read.
    confidence_level : float
        Of the certificates.
    permutations : int
        Of the error labels, for each number of errors.
    background : int
        Right decisions on training rows of the network, added at most to those on
        rows that it has not seen.
    layers : tuple of str or None
        Layers whose features are read; None: all, and the logits.
    seed : int
    """

    protocol: str = LEAVE_ONE_OUT
    draws: dict[int | None, int] = field(
        default_factory=lambda: {20: 10, 100: 5, None: 3}
    )
    slow_draws: int = 1
    damages: tuple[float, ...] = (0.01, 0.05)
    gains: tuple[float, ...] = (0.5, 0.8)
    confidence_level: float = 0.95
    permutations: int = 20
    background: int = 12_000
    layers: tuple[str, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(
                f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.protocol!r}"
            )

    @classmethod
    def quick(cls, **choices: Any) -> Self:
        """All errors in one draw, a small background, few permutations."""
        few: dict[str, Any] = {
            "draws": {None: 1},
            "permutations": 5,
            "background": 2000,
        }
        return cls(**(few | choices))

    def cells(self, n_errors: int) -> Iterator[tuple[int | None, int]]:
        """Number of labelled errors, and of draws, where there are so many errors."""
        for k, n in self.draws.items():
            same_as_all = k == n_errors and None in self.draws
            if k is None or (k <= n_errors and not same_as_all):
                yield k, n

    def draws_of(self, method: str, n: int) -> int:
        """Number of draws of a method, where the others have `n`."""
        return min(n, self.slow_draws) if method in SLOW else n

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python types, ready for JSON."""
        return asdict(self) | {"draws": {words(k): n for k, n in self.draws.items()}}


def words(k: int | None) -> str:
    """Return a number of labelled errors as tables show it.

    Examples
    --------
    >>> words(20), words(None)
    ('20', 'all')
    """
    return "all" if k is None else str(k)
