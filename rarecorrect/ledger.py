"""The ledger: how much confidence a set of calibration rows has already paid for."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Hashable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import Certificate

FIRST_SHARE = 0.8

_names: dict[int, tuple[weakref.ref[Any], str]] = {}


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
        What the active rules decided, and where: see ``RuleBook.identities``.
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

    @property
    def name(self) -> str:
        """Digest of what was certified, for which rules and on which rows."""
        found = {repr(s): c.threshold for s, c in self.certificates.items()}
        words = [self.kind, self.fingerprint, *sorted(self.covered), *sorted(found)]
        thresholds = np.array([found[stratum] for stratum in sorted(found)])
        return fingerprint(np.array(words), thresholds)[:12]

    def spent(self, fingerprint: str) -> LedgerEntry:
        """Return the price alone, without what was certified on which scores.

        Parameters
        ----------
        fingerprint : str
            What the ledger knows the rows by.

        Returns
        -------
        LedgerEntry
        """
        return LedgerEntry(self.kind, {}, frozenset(), fingerprint, self.delta)

    def covers(self, identities: Set[str]) -> bool:
        """Whether the certificates hold for a book whose active rules decide this.

        Fewer rules change fewer decisions, so leaving rules out keeps a certificate.

        Parameters
        ----------
        identities : set of str
            See ``RuleBook.identities``.

        Returns
        -------
        bool
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

    Parameters
    ----------
    entries : tuple of LedgerEntry
        All uses of calibration rows so far.
    kind : {"damage", "alerts"}
        Only entries of the same kind on the same rows count.
    fingerprint : str
        Digest of the calibration rows.
    confidence_level : float
        :math:`1 - \delta`, in (0, 1).
    ledger : bool

    Returns
    -------
    float
        In [`confidence_level`, 1).

    Raises
    ------
    ValueError
        If ``ledger=False`` and these rows have been used already, or if they have spent
        all of a smaller :math:`\delta` than they were first used under.

    Examples
    --------
    >>> round(level_to_spend((), "damage", "f", 0.95, ledger=True), 6)
    0.96
    >>> used = LedgerEntry("damage", {}, frozenset(), "f", 0.04)
    >>> round(level_to_spend((used,), "damage", "f", 0.95, ledger=True), 6)
    0.995
    """
    delta = 1.0 - confidence_level
    used = [e.delta for e in entries if (e.kind, e.fingerprint) == (kind, fingerprint)]
    if not used:
        return 1.0 - FIRST_SHARE * delta if ledger else confidence_level
    if not ledger:
        raise ValueError(
            "these calibration rows have been used already and ledger=False spent "
            "all their confidence on the first certificate; pass fresh rows, or "
            "fit with ledger=True"
        )
    q, left = len(used) + 1, delta - sum(used)
    if left <= 1e-9 * delta:  # the terms have changed since
        raise ValueError(
            f"these calibration rows have spent {sum(used):.3g} of error probability "
            f"already, and confidence_level={confidence_level:g} with ledger=True "
            f"allows {delta:.3g} in all; pass fresh rows"
        )
    return 1.0 - min((1 - FIRST_SHARE) / (q * (q - 1)) * delta, left)


def fingerprint(*arrays: npt.NDArray[Any] | None) -> str:
    """Digest of rows, the same for the same values in the same order.

    Parameters
    ----------
    *arrays : ndarray or None
        Columns of any length.

    Returns
    -------
    str
        64 hexadecimal digits.

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


def origin(*parts: Any) -> str:
    """Digest of the objects that decisions come from: same objects, same digest.

    An object is known by itself and not by what it holds: fitted models cannot be
    compared, and two that look the same need not decide the same.  It is another one
    after pickling, so keep the digest with whatever is pickled along with the object.

    Parameters
    ----------
    *parts : str, None or any object
        A model, a transformer, a callable; text and ``None`` stand for themselves.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> model, its_twin = LogisticRegression(), LogisticRegression()
    >>> origin(model, "input") == origin(model, "input")
    True
    >>> origin(model, "input") == origin(its_twin, "input")
    False
    """
    return fingerprint(np.array([_name(part) for part in parts]))[:16]


def _name(part: Any) -> str:
    """Name of an object, never given to another; the id alone may be given again."""
    if part is None or isinstance(part, str):
        return repr(part)
    name, key = uuid4().hex, id(part)
    try:
        known = weakref.ref(part, lambda _: _names.pop(key, None))
    except TypeError:  # not to be found again: no certificate can be carried over
        return name
    return _names.setdefault(key, (known, name))[1]
