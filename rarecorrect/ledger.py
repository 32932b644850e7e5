"""The ledger: how much confidence a set of calibration rows has already paid for."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import Certificate

FIRST_SHARE = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class LedgerEntry:
    """One use of calibration rows: what it certified, for which rules, at what price.

    Attributes
    ----------
    kind : str
        The budget: ``"damage"`` or ``"alerts"``.
    certificates : mapping from stratum to Certificate
        One under the key ``None`` where there are no strata.
    covered : frozenset of str
        Identities of the rules that were active.
    fingerprint : str
        Digest of the calibration rows.
    delta : float
        Error probability spent.
    scores : ndarray
        Scores of the calibration decisions on the common scale, rising; they give
        tail ranks for the report.

    Examples
    --------
    >>> from rarecorrect.certify import certified_threshold
    >>> certificate = certified_threshold(np.arange(500.0), 0.01)
    >>> entry = LedgerEntry("damage", {None: certificate}, frozenset({"a"}), "f", 0.05)
    >>> entry.covers({"a"}), entry.covers({"a", "b"}), entry.covers(set())
    (True, False, True)
    """

    kind: str
    certificates: Mapping[Hashable, Certificate]
    covered: frozenset[str]
    fingerprint: str
    delta: float
    scores: npt.NDArray[np.float64] = field(
        default_factory=lambda: np.empty(0), repr=False
    )

    @property
    def certifies(self) -> bool:
        """Whether a threshold is certified for any stratum."""
        return any(c.certified for c in self.certificates.values())

    def covers(self, identities: set[str]) -> bool:
        """Whether the certificates hold for a book with these active rules.

        Fewer rules change fewer decisions, so leaving rules out keeps a certificate.
        """
        return identities <= self.covered


def level_to_spend(
    entries: tuple[LedgerEntry, ...],
    kind: str,
    fingerprint: str,
    confidence_level: float,
    *,
    ledger: bool,
) -> float:
    r"""Confidence level of the next certificate on these rows.

    The first takes :math:`.8 \delta`, the `q`-th :math:`.2 \delta / (q (q-1))`; all of
    them together spend at most :math:`\delta`.  Without a ledger the first takes
    :math:`\delta` whole and there is no second.

    Raises
    ------
    ValueError
        If ``ledger=False`` and these rows have been used already.

    Examples
    --------
    >>> round(level_to_spend((), "damage", "f", 0.95, ledger=True), 6)
    0.96
    """
    delta = 1.0 - confidence_level
    q = 1 + sum(e.kind == kind and e.fingerprint == fingerprint for e in entries)
    if not ledger:
        if q > 1:
            raise ValueError(
                "these calibration rows have been used already and ledger=False spent "
                "all their confidence on the first certificate; pass fresh rows, or "
                "fit with ledger=True"
            )
        return confidence_level
    spent = FIRST_SHARE if q == 1 else (1 - FIRST_SHARE) / (q * (q - 1))
    return 1.0 - spent * delta


def fingerprint(*arrays: npt.NDArray[Any] | None) -> str:
    """Digest of rows, the same for the same values in the same order.

    Examples
    --------
    >>> fingerprint(np.arange(3)) == fingerprint(np.arange(3))
    True
    """
    digest = hashlib.sha256()
    for array in arrays:
        if array is None:
            digest.update(b"none")
        elif array.dtype.kind in "OUS":
            digest.update("\x1f".join(map(repr, array.tolist())).encode())
        else:
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(b"\x1e")
    return digest.hexdigest()


def fingerprint_of_rows(rows: npt.NDArray[Any]) -> str:
    """Digest of rows, the same in every order: shuffled rows are no fresh rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)

    Returns
    -------
    str

    Examples
    --------
    >>> rows = np.arange(6.0).reshape(3, 2)
    >>> fingerprint_of_rows(rows) == fingerprint_of_rows(rows[::-1])
    True
    """
    whole = np.ascontiguousarray(rows)
    if not whole.size:
        return fingerprint(whole)
    as_bytes = whole.view(np.dtype((np.void, whole.itemsize * whole.shape[1])))
    return fingerprint(np.sort(as_bytes.ravel()))
