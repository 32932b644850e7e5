"""The book of rules: immutable, versioned, with the ledger of its certificates.

Two thirds of the lines say what its verbs take, give and refuse.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy.typing as npt

from rarecorrect.background import Background
from rarecorrect.book_diff import BookDiff
from rarecorrect.history import Event
from rarecorrect.in_force import InForce
from rarecorrect.ledger import LedgerEntry
from rarecorrect.merging import (
    merged_current,
    merged_entries,
    merged_names,
    merged_rules,
)
from rarecorrect.new_rule import new_rule
from rarecorrect.rule import Rule


@dataclass(frozen=True, eq=False)
class RuleBook(InForce):
    """Rules, the thresholds certified for them, and the versions before.

    Every verb returns a new book that shares arrays with this one.  Removing a rule or
    taking it out of service keeps the certificate; putting a rule into service that
    the certificate did not cover, or that decides otherwise than it did then, turns
    the book off until it is certified again.  So does another origin.

    Attributes
    ----------
    rules, budgets, entries, current, origin, value
        As in :class:`~rarecorrect.in_force.InForce`.
    feature_names : tuple of str
        What the rules read; empty: unknown.
    background : Background or None
        What is kept of right decisions, so that :meth:`add` can learn from an error.
    earlier, later : tuple of RuleBook
        The versions before, first to last, and those undone, the next one last; each
        without its own and without entries.
    event : Event
        What made this version.
    past : tuple of Event
        What made the versions before the first that is kept, see :meth:`forgotten`.

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
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(700, 2)), [[6.0, 6.0]]])
    >>> labels = np.zeros(701, dtype=int)
    >>> detector = FisherDetector().fit(Z[500:], np.arange(201) == 200)
    >>> scale = TailScale.from_scores(detector.decision_function(Z[500:700]))
    >>> book = RuleBook().extend(Rule("to 1", 1, detector, scale))
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
    >>> off.certified, off.undo().certified, [event.what for event in off.history]
    (False, True, ['empty', 'add to 1', 'certify', 'disable all'])
    """

    feature_names: tuple[str, ...] = ()
    background: Background | None = field(default=None, repr=False)
    # flat, not a chain: thousands of versions must not exhaust the stack of pickle
    earlier: tuple[RuleBook, ...] = field(default=(), repr=False)
    later: tuple[RuleBook, ...] = field(default=(), repr=False)
    event: Event = field(default_factory=lambda: Event("empty"))
    past: tuple[Event, ...] = field(default=(), repr=False)

    def extend(self, *rules: Rule, author: str = "") -> RuleBook:
        """Return a book with `rules` at the end.

        Parameters
        ----------
        *rules : Rule
        author : str, default=""

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            If two rules share a name.
        """
        names = ", ".join(rule.name for rule in rules)
        return self._next(f"add {names}", author, rules=(*self.rules, *rules))

    def add(
        self,
        Z_errors: npt.ArrayLike,
        y_errors: npt.ArrayLike,
        *,
        legacy_labels: npt.ArrayLike,
        name: str = "",
        note: str = "",
        author: str = "",
        state: str = "active",
        action: str = "relabel",
        case_ids: tuple[Any, ...] = (),
        keep_errors: bool = False,
    ) -> RuleBook:
        """Return a book with one rule more, learnt in milliseconds from a few errors.

        Nothing else is touched.  An active rule turns the book off until it is
        certified again.

        Parameters
        ----------
        Z_errors : array-like of shape (n_errors, n_features)
            Features of the errors; one is enough.
        y_errors : array-like of shape (n_errors,)
            True labels, all the same.
        legacy_labels : array-like of shape (n_errors,)
            What the legacy model says, each of them wrong.
        name : str, default=""
            Empty: ``"to <label>"``, with a number where that is taken.
        note, author : str, default=""
        state : {"draft", "shadow", "active", "retired"}, default="active"
        action : {"relabel", "flag"}, default="relabel"
        case_ids : tuple, default=()
            Ids of the errors.
        keep_errors : bool, default=False
            Whether the rule keeps the features of the errors.

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            For a book without a background of its legacy model, and as in
            :func:`~rarecorrect.new_rule.new_rule`.
        """
        known = self.background
        if known is None or known.origin != self.origin:
            raise ValueError(
                "this book knows no right decisions of its legacy model to tell an "
                "error from; take rules_ of a fitted ErrorCorrector, or of a file that "
                "was saved with_background, or learn the rule elsewhere and use "
                "extend(rule)"
            )
        rule = new_rule(
            known,
            Z_errors,
            y_errors,
            legacy_labels,
            beside=self.active,
            name=name,
            note=note,
            author=author,
            state=state,
            action=action,
            case_ids=case_ids,
            keep_errors=keep_errors,
        )
        rule = rule if name else replace(rule, name=self._free_name(rule.name))
        return self._next(f"add {rule.name}", author, rules=(*self.rules, rule))

    def remove(self, name: str, *, author: str = "") -> RuleBook:
        """Return a book without a rule; its certificate stays valid.

        Parameters
        ----------
        name : str
        author : str, default=""

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
        return self._next(f"remove {name}", author, rules=left)

    def with_state(self, name: str, state: str, *, author: str = "") -> RuleBook:
        """Return a book with one rule in another state.

        Parameters
        ----------
        name : str
        state : {"draft", "shadow", "active", "retired"}
        author : str, default=""

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
        new = self[name].with_state(state)
        return self._with(name, f"{state} {name}", author, new)

    def approve(self, name: str, *, by: str) -> RuleBook:
        """Return a book with a draft or shadow rule in service: four eyes saw it.

        Parameters
        ----------
        name : str
        by : str
            Anyone but the author of the rule.

        Returns
        -------
        RuleBook

        Raises
        ------
        KeyError
            If there is no rule of that name.
        ValueError
            If `by` is nobody or the author, or the rule is neither a draft nor a
            shadow rule or has expired.
        """
        return self._with(name, f"approve {name}", by, self[name].approved(by))

    def with_expiry(
        self, name: str, date: str | dt.date, *, author: str = ""
    ) -> RuleBook:
        """Return a book in which a rule retires by itself; its certificate stays.

        Parameters
        ----------
        name : str
        date : str or date
            Last day (UTC) on which the rule acts, like ``"2026-03-31"``; empty: no end.
        author : str, default=""

        Returns
        -------
        RuleBook

        Raises
        ------
        KeyError
            If there is no rule of that name.
        ValueError
            If `date` is no day.
        """
        day = str(date)
        told = f"expire {name} after {day}" if day else f"keep {name} without end"
        return self._with(name, told, author, replace(self[name], expires=day))

    def disable_all(self, *, author: str = "") -> RuleBook:
        """Return a book in which every active rule is retired: the legacy model.

        Parameters
        ----------
        author : str, default=""

        Returns
        -------
        RuleBook
        """
        rules = tuple(
            r.with_state("retired") if r.state == "active" else r for r in self.rules
        )
        return self._next("disable all", author, rules=rules)

    def merge(self, other: RuleBook, *, author: str = "") -> RuleBook:
        """Return a book with the rules of both, under the terms of this one.

        Two books that were certified apart are not certified together: each rule has
        its own chance to change a right decision.  So a certificate stays only where it
        was made for all rules that are active now.

        Parameters
        ----------
        other : RuleBook
            Its ledger comes along: what either book has spent is spent.
        author : str, default=""

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            If the books read other features or weigh rows by other amounts, or rules
            that differ share a name.
        """
        if self.value != other.value:
            raise ValueError(
                f"the books weigh rows by other features, {self.value} here and "
                f"{other.value} there (None: by none): fit both with the same value"
            )
        rules = merged_rules(self, other)
        united = replace(self, rules=rules).identities
        return self._next(
            f"merge with a book of {len(other)} rules",
            author,
            rules=rules,
            entries=merged_entries(self, other),
            current=merged_current(self, other, united),
            feature_names=merged_names(self.feature_names, other.feature_names),
            background=self.background or other.background,
        )

    def undo(self) -> RuleBook:
        """Return the version before, with its thresholds; the ledger stays spent.

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            If this is the first version.
        """
        if not self.earlier:
            raise ValueError("this is the first version of the book: nothing to undo")
        *earlier, last = self.earlier
        later = (*self.later, self._alone())
        return replace(last, earlier=tuple(earlier), later=later, entries=self.entries)

    def redo(self) -> RuleBook:
        """Return the version that :meth:`undo` left; any edit in between forgets it.

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            If nothing was undone since the last edit.
        """
        if not self.later:
            raise ValueError("nothing was undone since the last edit: nothing to redo")
        *later, back = self.later
        earlier = (*self.earlier, self._alone())
        return replace(back, earlier=earlier, later=tuple(later), entries=self.entries)

    def diff(self, other: RuleBook) -> BookDiff:
        """What changes if another book takes the place of this one.

        Parameters
        ----------
        other : RuleBook

        Returns
        -------
        BookDiff
            To be printed, or as a dict.
        """
        return BookDiff.between(self, other)

    def as_first(self, what: str, *, author: str = "") -> RuleBook:
        """Return this version as the first of a book: there is nothing to undo.

        Parameters
        ----------
        what : str
            What made it.
        author : str, default=""

        Returns
        -------
        RuleBook
        """
        return replace(
            self, earlier=(), later=(), event=self._event_named(what, author)
        )

    def forgotten(self, what: str, *, author: str = "", **changes: Any) -> RuleBook:
        """Return a first version that keeps of those before only what made them.

        Parameters
        ----------
        what : str
            What made it.
        author : str, default=""
        **changes : object
            Other fields.

        Returns
        -------
        RuleBook
            Undo cannot cross it.
        """
        made = replace(self, past=tuple(self.history), **changes)
        return made.as_first(what, author=author)

    def under(
        self, budgets: tuple[str, ...], origin: str, value: int | None = None
    ) -> RuleBook:
        """Return this version under other budgets, or around another legacy model.

        No new version: terms are the corrector's, and no edit of the book.
        Certificates stay, but are in force only at the origin that they were made at.

        Parameters
        ----------
        budgets : tuple of str
            Out of ``"damage"`` and ``"alerts"``, at least one.
        origin : str
            Digest of what the rules read, see :func:`~rarecorrect.ledger.origin`.
        value : int, optional
            Place of the feature with the amount at stake.

        Returns
        -------
        RuleBook

        Raises
        ------
        ValueError
            For an unknown budget or none.
        """
        return replace(self, budgets=budgets, origin=origin, value=value)

    def certified_by(self, *found: LedgerEntry, author: str = "") -> RuleBook:
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
        author : str, default=""

        Returns
        -------
        RuleBook
        """
        return self._next(
            "certify",
            author,
            entries=(*self.entries, *found),
            current=self.current_with(*found),
        )

    @property
    def history(self) -> list[Event]:
        """Events from the first version to this one, also of those not kept."""
        return [*self.past, *(book.event for book in self.earlier), self.event]

    def _with(self, name: str, what: str, author: str, new: Rule) -> RuleBook:
        rules = tuple(new if rule.name == name else rule for rule in self.rules)
        return self._next(what, author, rules=rules)

    def _next(self, what: str, author: str, **changes: Any) -> RuleBook:
        earlier = (*self.earlier, self._alone())
        made = replace(self, earlier=earlier, later=(), **changes)
        return replace(made, event=made._event_named(what, author))

    def _alone(self) -> RuleBook:
        return replace(self, earlier=(), later=(), entries=())

    def _event_named(self, what: str, author: str) -> Event:
        n_rules, n_active = len(self), self.n_active
        return Event(what, author, n_rules, n_active, self.certificate_name)

    def _free_name(self, name: str) -> str:
        taken = {rule.name for rule in self.rules}
        others = (f"{name} ({i})" for i in count(2))
        return name if name not in taken else next(n for n in others if n not in taken)
