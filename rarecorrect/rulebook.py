"""The book of rules: immutable, versioned, with the ledger of its certificates."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.certify import Certificate
from rarecorrect.decisions import Decisions, above_raw_threshold
from rarecorrect.ledger import LedgerEntry
from rarecorrect.rule import Rule

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

_BUDGETS = ("damage", "alerts")


@dataclass(frozen=True, eq=False)
class RuleBook:
    """Rules, the thresholds certified for them, and the versions before.

    Every verb returns a new book that shares arrays with this one.  Removing a rule or
    taking it out of service keeps the certificate; putting a rule into service that
    the certificate did not cover, or that decides otherwise than it did then, turns
    the book off until it is certified again.  So does another origin.

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
    earlier : tuple of RuleBook
        The versions before, first to last, each without its own and without entries.
    event : str
        What made this version.

    Raises
    ------
    ValueError
        If two rules share a name, or for an unknown budget or none.

    Examples
    --------
    The legacy model says 0 everywhere, and is wrong on the last row:

    >>> from rarecorrect.certify import certified_threshold
    >>> from rarecorrect.detectors import FisherDetector
    >>> from rarecorrect.tail_scale import TailScale
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(700, 2)), [[6.0, 6.0]]])
    >>> labels = np.zeros(701, dtype=int)
    >>> detector = FisherDetector().fit(Z[500:], np.arange(201) == 200)
    >>> scale = TailScale.from_scores(detector.decision_function(Z[500:700]))
    >>> book = RuleBook().add(Rule("to 1", 1, detector, scale))
    >>> book.certified, book.threshold()
    (False, inf)

    It is off until its scores of right decisions certify a threshold:

    >>> scores = book.decide(Z[:500], labels[:500]).score
    >>> found = certified_threshold(scores, max_damage=0.01)
    >>> entry = LedgerEntry("damage", {None: found}, book.identities, "rows", 0.05)
    >>> book = book.certified_by(entry)
    >>> print(book.certificate())
    changes at most 1 % of right decisions (95 % confidence, 500 rows, 1 above)
    >>> book.fires(Z[600:], labels[600:])
    (array([100]), array([0]))

    Every verb gives another book, and can be undone:

    >>> off = book.disable_all()
    >>> off.certified, off.undo().certified, off.history[1:]
    (False, True, ['add to 1', 'certify', 'disable all'])
    """

    rules: tuple[Rule, ...] = ()
    budgets: tuple[str, ...] = _BUDGETS[:1]
    entries: tuple[LedgerEntry, ...] = ()
    current: tuple[LedgerEntry, ...] = ()
    origin: str = ""
    # flat, not a chain: thousands of versions must not exhaust the stack of pickle
    earlier: tuple[RuleBook, ...] = field(default=(), repr=False)
    event: str = "empty"

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rule names must be unique, got {twice} more than once")
        if not self.budgets or not set(self.budgets) <= set(_BUDGETS):
            raise ValueError(
                f"budgets must hold one or both of {_BUDGETS}, got {self.budgets!r}: "
                "without a budget nothing would bound what the rules change"
            )

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Any:
        return iter(self.rules)

    def __getitem__(self, name: str) -> Rule:
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(f"no rule {name!r}; there are {[r.name for r in self.rules]}")

    def add(self, *rules: Rule) -> RuleBook:
        """Return a book with `rules` at the end.

        Parameters
        ----------
        *rules : Rule

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            If two rules share a name.
        """
        names = ", ".join(rule.name for rule in rules)
        return self._next(f"add {names}", rules=(*self.rules, *rules))

    def remove(self, name: str) -> RuleBook:
        """Return a book without a rule; its certificate stays valid.

        Parameters
        ----------
        name : str

        Returns
        -------
        RuleBook

        Raises
        ------
        KeyError
            If there is no rule of that name.
        """
        gone = self[name]
        left = tuple(rule for rule in self.rules if rule is not gone)
        return self._next(f"remove {name}", rules=left)

    def with_state(self, name: str, state: str) -> RuleBook:
        """Return a book with one rule in another state.

        Parameters
        ----------
        name : str
        state : {"draft", "shadow", "active", "retired"}

        Returns
        -------
        RuleBook

        Raises
        ------
        KeyError
            If there is no rule of that name.
        ValueError
            For any other state.
        """
        old = self[name]
        rules = tuple(r.with_state(state) if r is old else r for r in self.rules)
        return self._next(f"{state} {name}", rules=rules)

    def disable_all(self) -> RuleBook:
        """Return a book in which every active rule is retired: the legacy model."""
        rules = tuple(
            r.with_state("retired") if r.state == "active" else r for r in self.rules
        )
        return self._next("disable all", rules=rules)

    def undo(self) -> RuleBook:
        """Return the version before, with its thresholds; the ledger stays spent.

        Raises
        ------
        ValueError
            If this is the first version.
        """
        if not self.earlier:
            raise ValueError("this is the first version of the book: nothing to undo")
        *earlier, last = self.earlier
        return replace(last, earlier=tuple(earlier), entries=self.entries)

    def under(self, budgets: tuple[str, ...], origin: str) -> RuleBook:
        """Return this version under other budgets, or around another legacy model.

        No new version: terms are the corrector's, and no edit of the book.
        Certificates stay, but are in force only at the origin that they were made at.

        Parameters
        ----------
        budgets : tuple of str
            Out of ``"damage"`` and ``"alerts"``, at least one.
        origin : str
            Digest of what the rules read, see :func:`~rarecorrect.ledger.origin`.

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            For an unknown budget or none.
        """
        return replace(self, budgets=budgets, origin=origin)

    def certified_by(self, *found: LedgerEntry) -> RuleBook:
        """Return a book whose thresholds are those of new ledger entries.

        An entry that certifies nothing (too few rows) is recorded, but does not take
        the place of one that does and covers the active rules.  Nor does it within a
        stratum: where it lacks rows, the certificate in force stays.

        That is valid because the certificate of a stratum is a statement of its own, on
        its own rows, at its own level.  All that are in force hold at once with a
        confidence of one less the sum of what the entries that they come from spent.

        Parameters
        ----------
        *found : LedgerEntry
            They are recorded, whatever they certify.

        Returns
        -------
        RuleBook
        """
        current = {entry.kind: entry for entry in self.current}
        for entry in found:
            old = self.entry(entry.kind)
            if old is None:
                current[entry.kind] = entry
            elif entry.certifies or not old.certifies:
                current[entry.kind] = _beside(entry, old)
        return self._next(
            "certify",
            entries=(*self.entries, *found),
            current=tuple(current.values()),
        )

    @property
    def history(self) -> list[str]:
        """Events from the first version to this one."""
        return [*(book.event for book in self.earlier), self.event]

    @cached_property
    def active(self) -> tuple[Rule, ...]:
        """Rules that change predictions."""
        return tuple(rule for rule in self.rules if rule.state == "active")

    @property
    def n_active(self) -> int:
        """Number of rules that change predictions."""
        return len(self.active)

    @cached_property
    def identities(self) -> frozenset[str]:
        """What the active rules decide at this origin: what a certificate covers."""
        return frozenset(f"{self.origin}:{rule.digest}" for rule in self.active)

    def entry(self, kind: str) -> LedgerEntry | None:
        """Return the entry in force for a budget, if it covers the active rules.

        Parameters
        ----------
        kind : {"damage", "alerts"}

        Returns
        -------
        LedgerEntry or None
        """
        for entry in self.current:
            if entry.kind == kind and entry.covers(self.identities):
                return entry
        return None

    @property
    def certified(self) -> bool:
        """Whether there is a rule in service with every budget certified somewhere."""
        found = [self.entry(kind) for kind in self.budgets]
        return bool(self.active) and all(e is not None and e.certifies for e in found)

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
    def calibration_scores(self) -> FloatArray:
        """Rising scores of the calibration decisions of the first budget in force."""
        found = (self.entry(kind) for kind in self.budgets)
        return next((e.scores for e in found if e is not None), np.empty(0))

    def threshold(self, stratum: Hashable = None) -> float:
        """Threshold on the common scale: the largest over all budgets.

        Parameters
        ----------
        stratum : label or None, default=None
            Class or segment, where thresholds differ.

        Returns
        -------
        float
            ``inf`` where a budget is not certified for this stratum or these rules: the
            legacy answer is kept.
        """
        found = [-math.inf]
        for kind in self.budgets:
            entry = self.entry(kind)
            if entry is None:
                return math.inf
            # budgets without strata hold for every row
            whole = entry.certificates.get(None)
            certificate = entry.certificates.get(stratum, whole)
            found.append(math.inf if certificate is None else certificate.threshold)
        return max(found)

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
        """
        return self._decide(self.active, Z, labels, strata)

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
            ``winner`` counts these rules.
        """
        shadow = tuple(rule for rule in self.rules if rule.state == "shadow")
        return shadow, self._decide(shadow, Z, labels, strata)

    def _decide(
        self, rules: tuple[Rule, ...], Z: Array, labels: Array, strata: Array | None
    ) -> Decisions:
        return Decisions.of(rules, Z, labels, self._thresholds(len(labels), strata))

    def fires(
        self, Z: Array, labels: Array, strata: Array | None = None
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows that fire and the winning rule of each; raw thresholds come first.

        The same as :meth:`decide`, but the common scale is computed only for rows
        above a threshold, which are few.

        Parameters
        ----------
        Z, labels, strata
            As in :meth:`decide`.

        Returns
        -------
        rows : ndarray of int of shape (n_firing,)
            Rising.
        winner : ndarray of int of shape (n_firing,)
            Position of the rule among :attr:`active`.
        """
        thresholds = self._thresholds(len(labels), strata)
        rows = np.flatnonzero(above_raw_threshold(self.active, Z, thresholds))
        if rows.size == 0:
            return rows, rows
        found = Decisions.of(self.active, Z[rows], labels[rows], thresholds[rows])
        return rows[found.fires], found.winner[found.fires]

    def _thresholds(self, n: int, strata: Array | None) -> FloatArray:
        if strata is None:
            return np.full(n, self.threshold())
        distinct, codes = np.unique(strata, return_inverse=True)
        found = np.array([self.threshold(s) for s in distinct.tolist()])
        return np.asarray(found[codes] if n else np.empty(0))

    def _next(self, event: str, **changes: Any) -> RuleBook:
        before = replace(self, earlier=(), entries=())
        return replace(self, earlier=(*self.earlier, before), event=event, **changes)


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
