"""What calibration rows certify: the damage, the alerts.

One class: whoever certifies, in memory, from blocks, from the top or again, asks for
entries of the ledger here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.alert_budget import AlertBudget, whole_days
from rarecorrect.background import Reservoir
from rarecorrect.certify import (
    Budget,
    Certificate,
    LabelingPlan,
    alert_threshold,
    certified_threshold,
    check_budget,
    check_share,
    each_share,
    from_top,
    largest_budget,
    plan,
    smallest_budget,
    stratified_thresholds,
)
from rarecorrect.features import Reading
from rarecorrect.ledger import LedgerEntry, level_to_spend
from rarecorrect.roles import Roles, Side
from rarecorrect.row_mark import fingerprint_of_rows
from rarecorrect.rulebook import RuleBook

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be certified, and how sure one wants to be.

    Attributes
    ----------
    max_damage : float, mapping from label to float or None
        Largest share of right decisions changed, before the time margin; in all, or in
        each class or segment.
    alert_budget : AlertBudget or None
    confidence_level : float
    time_margin : float
        ``max_damage / (1 + time_margin)`` is certified.
    contamination : float
        Assumed upper bound of the share of hidden errors among decisions taken for
        right; 0: none are hidden.
    ledger : bool
        Keep confidence for later certificates on the same rows.
    legacy_accuracy : float or None
        Lower bound; turns unlabelled traffic into a damage certificate.
    seed : int
        Of the choice of rows within groups and of thinning.

    Examples
    --------
    >>> Terms.checked(max_damage=0.01, alert_budget="25/day").budgets
    ('damage', 'alerts')
    """

    max_damage: Budget | None
    alert_budget: AlertBudget | None
    confidence_level: float
    time_margin: float
    contamination: float
    ledger: bool
    legacy_accuracy: float | None
    seed: int

    @classmethod
    def checked(
        cls,
        *,
        max_damage: Budget | None,
        alert_budget: Any = None,
        confidence_level: float = 0.95,
        time_margin: float = 0.0,
        contamination: float = 0.0,
        ledger: bool = True,
        legacy_accuracy: float | None = None,
        seed: int = 0,
    ) -> Terms:
        """Terms from parameters of a corrector.

        Parameters
        ----------
        max_damage : float, mapping from label to float or None
            In (0, 1).
        alert_budget : float, str or None, default=None
            A share of traffic in (0, 1), or a text like ``"25/day"``.
        confidence_level : float, default=0.95
            In (0, 1).
        time_margin : float, default=0.0
            0 or more.
        contamination : float, default=0.0
            In [0, 1), and twice of it plus the budget below 1.
        ledger : bool, default=True
        legacy_accuracy : float or None, default=None
            In (0, 1).
        seed : int, default=0

        Returns
        -------
        Terms

        Raises
        ------
        ValueError
            For values out of range, or no budget at all.
        """
        check_share(confidence_level, "confidence_level")
        if max_damage is not None:
            max_damage = check_budget(max_damage, "max_damage")
        if legacy_accuracy is not None:
            check_share(legacy_accuracy, "legacy_accuracy")
        if not isinstance(time_margin, Real) or not 0 <= time_margin < math.inf:
            raise ValueError(f"time_margin must be 0 or more, got {time_margin!r}")
        if not isinstance(contamination, Real) or not 0 <= contamination < 1:
            raise ValueError(f"contamination must lie in [0, 1), got {contamination!r}")
        largest = 0.0 if max_damage is None else largest_budget(max_damage)
        if largest + 2 * contamination >= 1:
            raise ValueError(
                f"with max_damage={largest:g} and contamination={contamination:g} "
                "all right decisions might change in the worst case; lower one of them"
            )
        alerts = AlertBudget.parse(alert_budget)
        if max_damage is None and alerts is None:
            raise ValueError(
                "max_damage and alert_budget are both None; set one of them"
            )
        return cls(
            max_damage,
            alerts,
            confidence_level,
            time_margin,
            contamination,
            ledger,
            legacy_accuracy,
            seed,
        )

    @property
    def budgets(self) -> tuple[str, ...]:
        """Names of the budgets that must be certified."""
        pairs = (("damage", self.max_damage), ("alerts", self.alert_budget))
        return tuple(name for name, value in pairs if value is not None)

    @property
    def certified_damage(self) -> Budget:
        """The damage that is certified: the budget less the time margin.

        Raises
        ------
        ValueError
            If `max_damage` is None.
        """
        self.check_rows(labelled=True)
        assert self.max_damage is not None  # checked
        return each_share(self.max_damage, lambda share: share / (1 + self.time_margin))

    def check_rows(self, *, labelled: bool) -> None:
        """Refuse rows that can certify nothing, before they are read.

        Parameters
        ----------
        labelled : bool

        Raises
        ------
        ValueError
            For labelled rows if `max_damage` is None; for others without an alert
            budget, unless `legacy_accuracy` makes them certify the damage.
        """
        if labelled and self.max_damage is None:
            raise ValueError(
                "max_damage is None: labelled rows certify nothing; pass rows without "
                "labels for the alert budget, or set max_damage"
            )
        by_accuracy = self.max_damage is not None and self.legacy_accuracy is not None
        if not labelled and self.alert_budget is None and not by_accuracy:
            raise ValueError(
                "rows without labels certify an alert budget, or the damage if "
                "legacy_accuracy is set; pass y, or set one of them"
            )

    @property
    def mixed_damage(self) -> Budget:
        """Share of the decisions taken for right that may be changed.

        That of right ones, and the hidden errors among them, which should be changed.
        """
        return each_share(
            self.certified_damage, lambda share: share + self.contamination
        )

    def budget_for(self, share: float, *, traffic: bool = False) -> float:
        """The `max_damage` with which a share is certified: all that was done undone.

        Parameters
        ----------
        share : float
            Of the decisions taken for right, or of traffic.
        traffic : bool, default=False

        Returns
        -------
        float
        """
        if traffic and self.legacy_accuracy is not None:
            share = share / self.legacy_accuracy
        else:
            share = share - self.contamination
        return share * (1 + self.time_margin)

    @property
    def likely_damage(self) -> float:
        """Share of right decisions that the rules will be allowed to change, about."""
        if self.max_damage is not None:
            return smallest_budget(self.mixed_damage)
        rate = None if self.alert_budget is None else self.alert_budget.rate
        return 0.01 if rate is None else rate

    @property
    def first_level(self) -> float:
        """Confidence level that the first certificate on fresh rows spends."""
        return level_to_spend(
            (), "damage", "", self.confidence_level, ledger=self.ledger
        )

    def hoped_for(self, roles: Roles, *, grouped: bool) -> Certificate:
        """The damage certificate that no rule in a fit could have bettered.

        Parameters
        ----------
        roles : Roles
            What the rows of the fit were for.
        grouped : bool
            Whether groups, not rows, calibrate.

        Returns
        -------
        Certificate
            Without a threshold; its `n_calibration` counts the units that could have
            calibrated the largest stratum.
        """
        return Certificate(
            threshold=math.inf,
            certified=False,
            n_calibration=roles.n_possible,
            n_exceeding=0,
            n_allowed=-1,
            max_damage=(
                math.nan
                if self.max_damage is None
                else smallest_budget(self.mixed_damage)
            ),
            confidence_level=roles.level,
            unit="groups" if grouped else "rows",
        )

    def damage_entry(
        self,
        book: RuleBook,
        reading: Reading,
        scores: FloatArray,
        rows: Indices,
        *,
        strata: Array | None,
        side: Side,
        mark: str = "",
        delta: float | None = None,
    ) -> LedgerEntry:
        """Damage certificate from right decisions.

        Parameters
        ----------
        book : RuleBook
            The rules to certify, and what has been spent.
        reading : Reading
        scores : ndarray of shape (n_rows,)
            Of all rows, on the common scale of the book.
        rows : ndarray of int
            Right decisions that took no part in anything before.
        strata : ndarray of shape (n_rows,) or None
        side : Side
        mark : str, default=""
            Fingerprint of the rows that these were drawn from; empty: of these.
        delta : float, optional
            Error probability that was paid already; by default, the ledger says.

        Returns
        -------
        LedgerEntry

        Raises
        ------
        ValueError
            If `max_damage` is None, or the ledger has nothing left for these rows.
        """
        options: dict[str, Any] = {
            "groups": _at(side.groups, rows),
            "sampling_weight": _at(side.calibration_weight, rows),
            "random_state": self.seed,
            "population": self._population(),
        }
        if delta is None:
            mark, level = self._spend(book, "damage", reading, rows, mark)
        else:
            level = 1 - delta
        found: Mapping[Hashable, Certificate]
        budget, values = self.mixed_damage, scores[rows]
        if strata is None:
            one = smallest_budget(budget)
            found = {None: certified_threshold(values, one, level, **options)}
        else:
            found = stratified_thresholds(
                values, strata[rows], budget, level, **options
            )
        return _entry("damage", found, book, mark, level, values)

    def plan(
        self, book: RuleBook, mark: str, scores: FloatArray, right: FloatArray
    ) -> LabelingPlan:
        """Rows to label next, for a damage certificate from the top.

        Parameters
        ----------
        book : RuleBook
            The rules to certify, and what has been spent.
        mark : str
            Fingerprint of rows that took no part in anything before.
        scores : ndarray of shape (n_rows,)
            Of the book.
        right : ndarray of shape (n_rows,)
            1: the legacy decision is right, 0: it is wrong, NaN: nobody knows yet.

        Returns
        -------
        LabelingPlan

        Raises
        ------
        ValueError
            As in :meth:`damage_entry`.
        """
        level = level_to_spend(
            book.entries, "damage", mark, self.confidence_level, ledger=self.ledger
        )
        return plan(scores, right, **self._from_top(level))

    def entry_from_top(
        self, book: RuleBook, reading: Reading, scores: FloatArray, right: FloatArray
    ) -> LedgerEntry:
        """Damage certificate from rows that were labelled from the top.

        Parameters
        ----------
        book, reading, scores
            As in :meth:`damage_entry`.
        right : ndarray of shape (n_rows,)
            As in :meth:`plan`.

        Returns
        -------
        LedgerEntry

        Raises
        ------
        ValueError
            As in :meth:`damage_entry`, or if rows are missing that :meth:`plan` names.
        """
        mark, level = self._spend(book, "damage", reading, np.arange(scores.size))
        options = self._from_top(level)
        found = from_top(scores, right, population=self._population(), **options)
        return _entry("damage", {None: found}, book, mark, level, found.units)

    def _from_top(self, level: float) -> dict[str, Any]:
        return {
            "max_damage": smallest_budget(self.mixed_damage),
            "confidence_level": level,
            "random_state": self.seed,
        }

    def entry_again(
        self, book: RuleBook, reservoir: Reservoir, delta: float | None = None
    ) -> LedgerEntry:
        """Damage certificate of an edited book from rows that calibrated before.

        Parameters
        ----------
        book : RuleBook
            The rules to certify, and what has been spent.
        reservoir : Reservoir
        delta : float, optional
            As in :meth:`damage_entry`.

        Returns
        -------
        LedgerEntry

        Raises
        ------
        ValueError
            As in :meth:`damage_entry`.
        """
        reading = Reading(reservoir.labels, None, reservoir.Z)
        return self.damage_entry(
            book,
            reading,
            book.decide(reservoir.Z, reservoir.labels).score,
            np.arange(len(reservoir.labels)),
            strata=reservoir.strata,
            side=Side(groups=reservoir.groups, calibration_weight=reservoir.weight),
            mark=reservoir.mark,
            delta=delta,
        )

    def without_rows(
        self, before: RuleBook, after: RuleBook
    ) -> tuple[tuple[LedgerEntry, ...], tuple[LedgerEntry, ...]]:
        r"""Ledger of a book that has forgotten rows, and what is in force of it.

        Every entry keeps its price and loses its scores.  The one in force, or the last
        one that covered the rules, is made again from the rows that are left, at the
        :math:`\delta` that was paid for it; it must be one on the rows that the book
        keeps.  That buys nothing twice: rows, rules and level are those that there
        would be if the forgotten rows had never come, the certificate is valid there,
        and the old one is withdrawn.  All it takes is that rows are not forgotten
        because of their scores.

        Parameters
        ----------
        before, after : RuleBook
            `after` has the rules and the background without the rows.

        Returns
        -------
        entries, current : tuple of LedgerEntry
        """
        kept = None if after.background is None else after.background.reservoir
        old = None if before.background is None else before.background.reservoir
        mark = "" if old is None else old.mark
        entries = [
            e.spent(kept.mark if kept and e.fingerprint == mark else e.fingerprint)
            for e in before.entries
        ]
        found = [
            (e is before.entry("damage"), i)  # the one in force, or else the last
            for i, e in enumerate(before.entries)
            if (e.kind, e.fingerprint) == ("damage", mark)
            and e.covers(before.identities)
        ]
        if kept is None or self.max_damage is None or not found or not after.active:
            return tuple(entries), ()
        place = max(found)[1]
        entry = self.entry_again(after, kept, before.entries[place].delta)
        entries[place] = entry
        return tuple(entries), (entry,)

    def traffic_entries(
        self,
        book: RuleBook,
        reading: Reading,
        scores: FloatArray,
        *,
        side: Side,
        mark: str = "",
    ) -> list[LedgerEntry]:
        """Certificates from unlabelled traffic: alerts, and damage by accuracy.

        Parameters
        ----------
        book : RuleBook
            The rules to certify, and what has been spent.
        reading : Reading
            Of recent traffic.
        scores : ndarray of shape (n_rows,)
            Of all rows, on the common scale of the book.
        side : Side
        mark : str, default=""
            As in :meth:`damage_entry`.

        Returns
        -------
        list of LedgerEntry
            One or two.

        Raises
        ------
        ValueError
            If neither an alert budget nor a legacy accuracy was given, a budget per day
            lacks `time`, or the ledger has nothing left for these rows.
        """
        self.check_rows(labelled=False)
        rows = np.arange(scores.size)
        entries = []
        if self.alert_budget is not None:
            entries.append(
                self._alert_entry(book, reading, scores, rows, side=side, mark=mark)
            )
        if self.max_damage is not None and self.legacy_accuracy is not None:
            mark, level = self._spend(book, "damage", reading, rows, mark)
            certificate = alert_threshold(
                scores,
                smallest_budget(self.certified_damage),
                level,
                groups=side.groups,
                sampling_weight=side.calibration_weight,
                random_state=self.seed,
                legacy_accuracy=self.legacy_accuracy,
            )
            found: dict[Hashable, Certificate] = {None: certificate}
            entries.append(_entry("damage", found, book, mark, level, scores))
        return entries

    def first_entries(
        self,
        book: RuleBook,
        reading: Reading,
        roles: Roles,
        *,
        strata: Array | None,
        side: Side,
    ) -> list[LedgerEntry]:
        """Certificates from the rows held out in a fit, as far as they reach.

        Parameters
        ----------
        book : RuleBook
            The rules just learnt.
        reading : Reading
        roles : Roles
            What the rows are for.
        strata : ndarray of shape (n_rows,) or None
        side : Side

        Returns
        -------
        list of LedgerEntry
            None for a budget that no row was held out for.

        Raises
        ------
        ValueError
            If a budget per day lacks `time`, or is given parts of days.
        """
        rows = roles.calibration
        fresh = np.concatenate([rows, roles.apart])
        # a row that was learnt from: its score says nothing, so it is an alert
        scores = np.full(len(reading.labels), np.inf)
        if fresh.size:
            Z, labels = reading.features[fresh], reading.labels[fresh]
            scores[fresh] = book.decide(Z, labels, _at(strata, fresh)).score
        entries = []
        if self.max_damage is not None and rows.size:
            entries.append(
                self.damage_entry(book, reading, scores, rows, strata=strata, side=side)
            )
        if self.alert_budget is not None:
            traffic = self._held_out_traffic(roles, side)
            if traffic.size:
                entries.append(
                    self._alert_entry(book, reading, scores, traffic, side=side)
                )
        return entries

    def _alert_entry(
        self,
        book: RuleBook,
        reading: Reading,
        scores: FloatArray,
        rows: Indices,
        *,
        side: Side,
        mark: str = "",
    ) -> LedgerEntry:
        """Certificate of the alert budget from rows that stand for traffic."""
        assert self.alert_budget is not None
        mark, level = self._spend(book, "alerts", reading, rows, mark)
        certificate = self.alert_budget.certificate(
            scores[rows],
            level,
            time=_at(side.time, rows),
            groups=_at(side.groups, rows),
            sampling_weight=_at(side.calibration_weight, rows),
            random_state=self.seed,
        )
        return _entry("alerts", {None: certificate}, book, mark, level, scores[rows])

    def _held_out_traffic(self, roles: Roles, side: Side) -> Indices:
        """Rows that stand for traffic in a fit.

        A budget per day needs whole days, which only a `calibration_mask` holds out.
        """
        assert self.alert_budget is not None
        if self.alert_budget.per_day is None:
            return roles.traffic
        mask = side.calibration_mask
        if mask is None:
            return np.empty(0, dtype=np.intp)
        if side.time is not None:
            days = whole_days(side.time)
            cut = np.intersect1d(days[mask], days[~mask])
            if cut.size:
                raise ValueError(
                    f"calibration_mask cuts {cut.size} days in two, day {cut[0]} is "
                    f"the first: '{self.alert_budget.per_day}/day' counts the rows of "
                    "whole days; mask whole days, or pass them to certify(X, time=...)"
                )
        return roles.traffic

    def _population(self) -> str:
        """What calibration rows are a sample of, with what is taken for granted."""
        if not self.contamination:
            return "right decisions"
        largest = largest_budget(self.mixed_damage)
        worst = largest / (1 - self.contamination)
        return (
            "decisions taken for right (assumed, not certified: if at most "
            f"{100 * self.contamination:.4g} % of these are hidden errors, at most "
            f"{100 * worst:.4g} % of right ones)"
        )

    def _spend(
        self, book: RuleBook, kind: str, reading: Reading, rows: Indices, mark: str = ""
    ) -> tuple[str, float]:
        mark = mark or fingerprint_of_rows(reading.features[rows])
        level = level_to_spend(
            book.entries, kind, mark, self.confidence_level, ledger=self.ledger
        )
        return mark, level


def _entry(
    kind: str,
    certificates: Mapping[Hashable, Certificate],
    book: RuleBook,
    mark: str,
    level: float,
    scores: FloatArray,
) -> LedgerEntry:
    covered, rising = frozenset(book.identities), np.sort(scores)
    # one array where all rows were counted, so that a file holds it once
    same = (c.units for c in certificates.values() if np.array_equal(c.units, rising))
    return LedgerEntry(kind, certificates, covered, mark, 1 - level, next(same, rising))


def _at(values: Array | None, rows: Indices) -> Array | None:
    return None if values is None else values[rows]
