"""Rules and the thresholds in force: what one version of a book decides."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect import clock
from rarecorrect.array_api import as_numpy, take
from rarecorrect.certify import Certificate
from rarecorrect.decisions import Decisions, above_raw_threshold
from rarecorrect.ledger import LedgerEntry
from rarecorrect.off_switch import is_disabled
from rarecorrect.rule import Rule

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

BUDGETS = ("damage", "alerts")


@dataclass(frozen=True, eq=False)
class InForce:
    """What a :class:`~rarecorrect.RuleBook` says now, without how it came about.

    Rules may expire while a book is asked, so nothing here counts rules by their place
    among the active ones: a winner is a place among :attr:`rules`.

    Attributes
    ----------
    rules : tuple of Rule
    budgets : tuple of str
        Budgets that must all be certified, out of ``"damage"`` and ``"alerts"``; at
        least one.
    entries : tuple of LedgerEntry
        All uses of calibration rows, of undone versions too: what is spent is spent.
    current : tuple of LedgerEntry
        The entry in force for each budget, among the ones that this version was given.
    origin : str
        What the rules read: digest of the legacy model, the features and the strata.
        Certificates hold there and nowhere else.  Empty for a book made by hand.
    value : int or None
        Place of the feature that holds what is at stake in a row, an amount of money
        say: its logarithm is added to every score, ``m'(x) = m(x) + log(v(x))``.
        A row whose amount is 0 or less is never changed.  Certificates cover it.

    Raises
    ------
    ValueError
        If two rules share a name, or for an unknown budget or none.

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> scale = TailScale.from_scores([0.0, 1.0])
    >>> past = Rule("to 1", 1, None, scale, expires="2026-03-31")
    >>> version = InForce((past, Rule("to 2", 2, None, scale)))
    >>> [rule.name for rule in version.active], version.certified, version.threshold()
    (['to 2'], False, inf)
    """

    rules: tuple[Rule, ...] = ()
    budgets: tuple[str, ...] = BUDGETS[:1]
    entries: tuple[LedgerEntry, ...] = ()
    current: tuple[LedgerEntry, ...] = ()
    origin: str = ""
    value: int | None = None

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rule names must be unique, got {twice} more than once")
        if not self.budgets or not set(self.budgets) <= set(BUDGETS):
            raise ValueError(
                f"budgets must hold one or both of {BUDGETS}, got {self.budgets!r}: "
                "without a budget nothing would bound what the rules change"
            )

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __getitem__(self, name: str) -> Rule:
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(f"no rule {name!r}; there are {[r.name for r in self.rules]}")

    @property
    def active(self) -> tuple[Rule, ...]:
        """Rules that change predictions: active, and not expired today."""
        return self._now("active")

    @property
    def n_active(self) -> int:
        """Number of rules that change predictions."""
        return len(self.active)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digest of what each rule decides, by its name."""
        return {rule.name: rule.digest for rule in self.rules}

    @property
    def identities(self) -> frozenset[str]:
        """What the active rules decide at this origin: what a certificate covers."""
        names = (rule.name for rule in self.active)
        weighed = "" if self.value is None else f"*{self.value}"
        place = f"{self.origin}{weighed}"
        return frozenset(f"{place}:{self.digests[name]}" for name in names)

    def entry(self, kind: str) -> LedgerEntry | None:
        """Return the entry in force for a budget, if it covers the active rules.

        Parameters
        ----------
        kind : {"damage", "alerts"}

        Returns
        -------
        LedgerEntry or None
        """
        found = (entry for entry in self.current if entry.kind == kind)
        return next((e for e in found if e.covers(self.identities)), None)

    @property
    def entries_in_force(self) -> tuple[LedgerEntry, ...]:
        """The entry in force for every budget that has one, in their order."""
        found = (self.entry(kind) for kind in self.budgets)
        return tuple(entry for entry in found if entry is not None)

    def current_with(self, *found: LedgerEntry) -> tuple[LedgerEntry, ...]:
        """Entries in force once new ones are there, see ``RuleBook.certified_by``.

        Parameters
        ----------
        *found : LedgerEntry

        Returns
        -------
        tuple of LedgerEntry
        """
        current = {entry.kind: entry for entry in self.current}
        for entry in found:
            old = self.entry(entry.kind)
            if old is None:
                current[entry.kind] = entry
            elif entry.certifies or not old.certifies:
                current[entry.kind] = _beside(entry, old)
        return tuple(current.values())

    @property
    def certified(self) -> bool:
        """Whether there is a rule in service with every budget certified somewhere."""
        found = self.entries_in_force
        whole = len(found) == len(self.budgets) and all(e.certifies for e in found)
        return whole and bool(self.active)

    def certificate(self, stratum: Hashable = None) -> Certificate | None:
        """Damage certificate in force.

        Parameters
        ----------
        stratum : label or None, default=None
            Class or segment; ``None``: of the whole, where there are no strata.

        Returns
        -------
        Certificate or None
            It may say that nothing is certified.
        """
        entry = self.entry("damage")
        return None if entry is None else entry.certificates.get(stratum)

    @property
    def certificate_name(self) -> str | None:
        """Name of the ledger entry of the first budget, if all are certified."""
        entry = self.entry(self.budgets[0])
        return entry.name if entry is not None and self.certified else None

    @property
    def strata(self) -> tuple[Hashable, ...]:
        """Classes or segments with certificates in force; None: the whole."""
        held = (s for entry in self.entries_in_force for s in entry.certificates)
        return tuple(dict.fromkeys(held)) or (None,)

    @property
    def calibration_scores(self) -> FloatArray:
        """Rising scores of the calibration decisions of the first budget in force."""
        return next((e.scores for e in self.entries_in_force), np.empty(0))

    def threshold(self, stratum: Hashable = None) -> float:
        """Threshold on the common scale: the largest over all budgets.

        Parameters
        ----------
        stratum : label or None, default=None
            Class or segment, where thresholds differ.

        Returns
        -------
        float
            ``inf`` where a budget is not certified for this stratum or these rules, and
            where the environment says ``RARECORRECT_DISABLE=1``: the legacy answer is
            kept.
        """
        return _threshold(self._deciding_entries(), stratum)

    def log_value(self, Z: Array) -> FloatArray:
        """What the amount at stake adds to the score of every row.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
            0 without a `value`, ``-inf`` where it is 0 or less.

        Examples
        --------
        >>> InForce(value=1).log_value(np.array([[7.0, 1.0], [7.0, 0.0]])).tolist()
        [0.0, -inf]
        """
        if self.value is None:
            return np.zeros(len(Z))
        value = np.asarray(Z[:, self.value], dtype=np.float64)
        found = np.full(len(Z), -np.inf)
        return np.log(value, out=found, where=value > 0)

    def decide(self, Z: Array, labels: Array, strata: Array | None = None) -> Decisions:
        """Scores of all rows and the rule that wins each.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            A row that is not finite never fires.
        labels : ndarray of shape (n_rows,)
            Legacy labels.
        strata : ndarray of shape (n_rows,), optional
            Class or segment of every row, where thresholds differ.

        Returns
        -------
        Decisions
            ``winner`` counts :attr:`rules`.
        """
        rules = self.active
        found = self._decide(rules, Z, labels, strata)
        return replace(found, winner=self._places(rules)[found.winner])

    def decide_in_shadow(
        self, Z: Array, labels: Array, strata: Array | None = None
    ) -> tuple[tuple[Rule, ...], Decisions]:
        """Shadow rules, and what they would do at the thresholds in force.

        Parameters
        ----------
        Z, labels, strata
            As in :meth:`decide`.

        Returns
        -------
        rules : tuple of Rule
        decisions : Decisions
            ``winner`` counts these shadow rules.
        """
        shadow = self._now("shadow")
        return shadow, self._decide(shadow, Z, labels, strata)

    def _decide(
        self, rules: tuple[Rule, ...], Z: Array, labels: Array, strata: Array | None
    ) -> Decisions:
        found = Decisions.of(rules, Z, labels, self._thresholds(len(labels), strata))
        if self.value is None:
            return found
        speaks, score = found.winner >= 0, found.score.copy()
        score[speaks] += self.log_value(Z)[speaks]  # elsewhere Z may not be finite
        return replace(found, score=score)

    def fires(
        self, Z: Array, labels: Array, strata: Array | None = None
    ) -> tuple[Indices, Indices]:
        """Rows that fire and the winning rule of each; raw thresholds come first.

        The same as :meth:`decide`, but the common scale is computed only for rows
        above a threshold, which are few.

        Parameters
        ----------
        Z, labels, strata
            As in :meth:`decide`; with ``array_api_dispatch``, `Z` may lie elsewhere,
            and of linear rules only the rows that may fire are fetched.

        Returns
        -------
        rows : ndarray of int of shape (n_firing,)
            Rising.
        winner : ndarray of int of shape (n_firing,)
            Position of the rule among :attr:`rules`.
        """
        if self.value is not None:  # amounts move the raw threshold from row to row
            every = self.decide(as_numpy(Z), labels, strata)
            rows = np.flatnonzero(every.fires)
            return rows, every.winner[rows]
        rules, thresholds = self.active, self._thresholds(len(labels), strata)
        rows = np.flatnonzero(above_raw_threshold(rules, Z, labels, thresholds))
        if rows.size == 0:
            return rows, rows
        few = as_numpy(take(Z, rows))
        found = Decisions.of(rules, few, labels[rows], thresholds[rows])
        return rows[found.fires], self._places(rules)[found.winner[found.fires]]

    def _now(self, state: str) -> tuple[Rule, ...]:
        day = clock.today()
        return tuple(rule for rule in self.rules if rule.state_on(day) == state)

    def _places(self, rules: Sequence[Rule]) -> Indices:
        """Place of each of these rules among all; at the end -1, for no rule at all."""
        place = {rule.name: i for i, rule in enumerate(self.rules)}
        return np.array([*(place[rule.name] for rule in rules), -1], dtype=np.intp)

    def _thresholds(self, n: int, strata: Array | None) -> FloatArray:
        entries = self._deciding_entries()
        if strata is None:
            return np.full(n, _threshold(entries, None))
        distinct, codes = np.unique(strata, return_inverse=True)
        found = np.array([_threshold(entries, s) for s in distinct.tolist()])
        return np.asarray(found[codes] if n else np.empty(0))

    def _deciding_entries(self) -> tuple[LedgerEntry, ...] | None:
        """An entry for each budget; None if one has none, or all is switched off."""
        found = self.entries_in_force
        return None if len(found) < len(self.budgets) or is_disabled() else found


def _threshold(entries: Sequence[LedgerEntry] | None, stratum: Hashable) -> float:
    """The largest threshold that the budgets give to a stratum."""
    if entries is None:
        return math.inf
    found = []
    for entry in entries:
        # budgets without strata hold for every row
        whole = entry.certificates.get(None)
        certificate = entry.certificates.get(stratum, whole)
        found.append(math.inf if certificate is None else certificate.threshold)
    return max(found)


def _beside(new: LedgerEntry, old: LedgerEntry) -> LedgerEntry:
    """A new entry, with an older one's certificates of strata that it lacks."""
    fresh = new.certificates
    if None in fresh or None in old.certificates:
        return new
    kept = {
        stratum: certificate
        for stratum, certificate in old.certificates.items()
        if stratum not in fresh
        or (certificate.certified and not fresh[stratum].certified)
    }
    merged = {**old.certificates, **fresh, **kept}
    return replace(new, certificates=merged, covered=new.covered & old.covered)
