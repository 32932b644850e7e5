"""What was learnt, certified, refused and why, in words and numbers.

One class; more than a quarter of the lines says what its fields and verbs mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.calibration import Terms
from rarecorrect.certify import (
    Certificate,
    budget_of,
    rows_needed,
    smallest_budget,
    smallest_damage,
)
from rarecorrect.features import FeatureExtractor
from rarecorrect.learning import Refusal
from rarecorrect.ledger import FIRST_SHARE, LedgerEntry
from rarecorrect.off_switch import SWITCHED_OFF, is_disabled
from rarecorrect.readable import sentences
from rarecorrect.roles import Roles
from rarecorrect.rule import Rule
from rarecorrect.rule_evidence import rule_line, separability_verdict
from rarecorrect.rulebook import RuleBook

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

# Standard errors by which the number of rows to pass lies on the safe side.
_SAFE = 2.0
_MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class FitReport:
    """Record of a fit; ``print`` it.

    Attributes
    ----------
    legacy : str
        How the legacy model was obtained.
    n_rows, n_unseen : int
        Rows passed to `fit`; those that the legacy model was not fitted on.
    legacy_accuracy : float
        On the unseen rows.
    n_errors, n_background, n_calibration : int
        Errors learnt from, right decisions learnt from, right decisions that calibrate.
    n_apart : int
        Errors that were not learnt from: those in groups that calibrate, and in a fit
        from blocks those beyond the most that are kept.
    features : tuple of str
    feature_names : tuple of str
    one_pass : bool
        Whether labels are read off the legacy scores; if not, it is called twice.
    refused : tuple of Refusal
    terms : Terms
        What was to be certified when the report was written.
    possible : Certificate
        What the rows could have certified at the most, in their largest stratum.
    book : RuleBook
    per : {None, "class", "segment"}
    strata : tuple
        Classes or segments among the rows passed to `fit`.
    n_passed : int
        Rows passed when something was last certified, in `fit` or `certify`.

    Examples
    --------
    A model that always says no, and 20 rows where it is wrong:

    >>> from sklearn.dummy import DummyClassifier
    >>> from rarecorrect import ErrorCorrector
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(1000, 2)), np.repeat(["yes", "no"], [20, 980])
    >>> X[:20] += 5
    >>> model = DummyClassifier().fit([[0.0, 0.0]], ["no"])
    >>> report = ErrorCorrector(model, random_state=0).fit(X, y).report_
    >>> report.n_errors, report.n_background, report.n_calibration
    (20, 490, 490)
    >>> print(report.certificates[0])
    changes at most 1 % of right decisions (96 % confidence, 490 rows, 0 above)
    """

    legacy: str
    n_rows: int
    n_unseen: int
    legacy_accuracy: float
    n_errors: int
    n_background: int
    n_calibration: int
    n_apart: int
    features: tuple[str, ...]
    feature_names: tuple[str, ...]
    one_pass: bool
    refused: tuple[Refusal, ...]
    terms: Terms
    possible: Certificate
    book: RuleBook
    per: str | None
    strata: tuple[Hashable, ...]
    n_passed: int

    @classmethod
    def of_fit(
        cls,
        book: RuleBook,
        right: npt.NDArray[np.bool_],
        unseen: npt.NDArray[np.bool_],
        roles: Roles,
        refused: Sequence[Refusal],
        features: FeatureExtractor,
        terms: Terms,
        *,
        calibration_fraction: float | str,
        grouped: bool,
        per: str | None,
        strata: Array | None,
    ) -> FitReport:
        """Write the report of a fit.

        Parameters
        ----------
        book : RuleBook
        right, unseen : ndarray of bool of shape (n_rows,)
            Whether the legacy model is right on a row, and was not fitted on it.
        roles : Roles
        refused : list of Refusal
        features : FeatureExtractor
        terms : Terms
        calibration_fraction : float or "auto"
        grouped : bool
            Whether groups, not rows, calibrated.
        per : {None, "class", "segment"}
        strata : ndarray of shape (n_rows,) or None

        Returns
        -------
        FitReport
        """
        possible = terms.hoped_for(roles, grouped=grouped)
        if calibration_fraction != "auto":  # no more than that ever calibrates
            possible = replace(possible, n_calibration=roles.calibration.size)
        n_seen = int(np.sum(~unseen))
        return cls(
            legacy=f"fitted on {n_seen:,} of the rows"
            if n_seen
            else "used as it was found, never refitted",
            n_rows=right.size,
            n_unseen=int(unseen.sum()),
            legacy_accuracy=float(right[unseen].mean()) if unseen.any() else np.nan,
            n_errors=roles.errors.size,
            n_background=roles.background.size,
            n_calibration=roles.calibration.size,
            n_apart=roles.apart.size,
            features=tuple(map(_named, features.sources_)),
            feature_names=tuple(map(str, features.names_)),
            one_pass=features.labels_from_scores_,
            refused=tuple(refused),
            terms=terms,
            possible=possible,
            book=book,
            per=per,
            strata=() if strata is None else tuple(np.unique(strata).tolist()),
            n_passed=right.size,
        )

    @classmethod
    def of_blocks(
        cls,
        book: RuleBook,
        refused: Sequence[Refusal],
        features: FeatureExtractor,
        terms: Terms,
        roles: Roles,
        *,
        n_rows: int,
        n_right: int,
        n_errors: int,
        n_background: int,
        per: str | None,
        strata: tuple[Hashable, ...],
    ) -> FitReport:
        """Write the report of a fit from blocks.

        Parameters
        ----------
        book : RuleBook
        refused : list of Refusal
        features : FeatureExtractor
        terms : Terms
        roles : Roles
            Of rows that calibrated; no others are known one by one.
        n_rows, n_right : int
            Rows that came, and right decisions among them.
        n_errors, n_background : int
            Errors and right decisions that were learnt from.
        per : {None, "class", "segment"}
        strata : tuple
            Classes or segments among the rows.

        Returns
        -------
        FitReport
        """
        return cls(
            legacy="used as it was found, never refitted",
            n_rows=n_rows,
            n_unseen=n_rows,
            legacy_accuracy=n_right / n_rows,
            n_errors=n_errors,
            n_background=n_background,
            n_calibration=roles.calibration.size,
            n_apart=n_rows - n_right - n_errors,
            features=tuple(map(_named, features.sources_)),
            feature_names=tuple(map(str, features.names_)),
            one_pass=features.labels_from_scores_,
            refused=tuple(refused),
            terms=terms,
            possible=terms.hoped_for(roles, grouped=False),
            book=book,
            per=per,
            strata=strata,
            n_passed=n_rows,
        )

    def under(self, book: RuleBook, terms: Terms, per: str | None) -> FitReport:
        """Return the same record about another book, under other terms.

        Parameters
        ----------
        book : RuleBook
        terms : Terms
        per : {None, "class", "segment"}

        Returns
        -------
        FitReport
        """
        entry, possible = book.entry("damage"), self.possible
        if terms.max_damage is not None and (
            (budget := smallest_budget(terms.mixed_damage)) != possible.max_damage
        ):  # the fit held out rows for another budget: none for this one
            possible = replace(possible, max_damage=budget, n_calibration=0)
        return replace(
            self,
            book=book,
            terms=terms,
            possible=possible,
            per=per,
            strata=self.strata if per == self.per else (),
            n_calibration=self.n_calibration if entry is None else entry.scores.size,
        )

    def without(self, *, n_errors: int, n_background: int) -> FitReport:
        """Return the same record with fewer rows that were learnt from.

        Parameters
        ----------
        n_errors, n_background : int
            Those that were forgotten.

        Returns
        -------
        FitReport
        """
        return replace(
            self,
            n_errors=self.n_errors - n_errors,
            n_background=self.n_background - n_background,
        )

    @property
    def certificates(self) -> list[Certificate]:
        """Certificates in force, over budgets and strata."""
        return [c for e in self.book.entries_in_force for c in e.certificates.values()]

    def shortcoming(self) -> str:
        """Why the legacy answer is kept, everywhere or in some strata; empty if not.

        With the way out.
        """
        if self.book.certified:
            return self._strata_off()
        if self.n_errors == 0 and self.n_apart:
            return (
                f"all {self.n_apart} errors lie in groups that calibrate, and are not "
                "learnt from; choose the groups that calibrate with calibration_mask"
            )
        if self.n_errors == 0:
            return (
                "no errors to learn from: the legacy model is right on all "
                f"{self.n_rows:,} rows; pass rows that it gets wrong (and that it was "
                "not trained on)"
            )
        if not self.book.rules:
            reasons = "; ".join(f"{r.name}: {r.reason}" for r in self.refused)
            return f"no rule could be learnt ({reasons})"
        if not self.book.active:
            return "no rule is active"
        parts = [self._missing(kind) for kind in self.book.budgets]
        return "; ".join(part for part in parts if part)

    def _missing(self, kind: str) -> str:
        entry = self.book.entry(kind)
        if entry is not None and any(c.certified for c in entry.certificates.values()):
            return ""
        if kind == "alerts":
            return (
                "the alert budget is not certified; call certify(X) on recent traffic "
                "(whole days and time= for a daily budget)"
                + ("" if entry is None else f": {_first(entry.certificates)}")
            )
        if entry is None and self.book.past and not self.book.current:
            return (
                "certificates went with rows that were forgotten; certify the rules on "
                "labelled rows: certify(X, y)"
            )
        if entry is None and self.book.current:
            return "the rules changed; certify them on labelled rows: certify(X, y)"
        return self._too_few(entry.certificates if entry is not None else {})

    def _strata_off(self) -> str:
        """Strata that keep the legacy answer though others are certified."""
        entry = self.book.entry("damage")
        if entry is None or None in entry.certificates:
            return ""
        found, one = entry.certificates, _first(entry.certificates)
        strata = dict.fromkeys((*found, *self.strata))
        level = one.confidence_level ** (len(found) / len(strata))
        lacking = replace(one, certified=False, n_calibration=0, confidence_level=level)
        budgets = {s: budget_of(self.terms.mixed_damage, s) for s in strata}
        off = {s: found.get(s, replace(lacking, max_damage=budgets[s])) for s in strata}
        off = {s: c for s, c in off.items() if not c.certified and self._has_rule(s)}
        if not off:
            return ""
        listed = [
            f"{self.per} {s!r} ({c.n_calibration:,} right calibration {c.unit}, "
            f"{_needed(c):,} needed)"
            for s, c in off.items()
        ]
        way = "pass rows of these alone to certify(X, y), the others stay certified"
        if self.book.event.what == "fit" and all(c.n_calibration for c in off.values()):
            most = max(map(self._rows_to_pass, off.values()))
            way += f", or about {most:,} more rows of all kinds to fit"
        return f"{_enumerated(listed)}; {way}"

    def _has_rule(self, stratum: Hashable) -> bool:
        """Whether an active rule could change anything there, certified or not."""
        if self.per != "class":
            return True
        label = np.array([stratum])
        return any(rule.effective(label).any() for rule in self.book.active)

    def _rows_to_pass(self, found: Certificate) -> int:
        """About how many more rows of the same kind hold the units that are missing.

        As many of them calibrate as of the rows that were passed.  That share is
        estimated, and further rows scatter around it, so some are added.
        """
        missing, n = _needed(found) - found.n_calibration, found.n_calibration
        share = n / self.n_passed
        if share >= 1:
            return missing
        scatter = np.sqrt((1 - share) * (1 / missing + 1 / n))
        return int(_rounded_up(missing / share * (1 + _SAFE * scatter)))

    def _too_few(self, found: Mapping[Hashable, Certificate]) -> str:
        assert self.terms.max_damage is not None
        best = max(found.values(), key=lambda c: c.n_calibration, default=self.possible)
        n, level, budget = best.n_calibration, best.confidence_level, best.max_damage
        wanted = self.terms.confidence_level
        missing = _needed(best) - n
        if missing <= 0:  # enough rows, but too many are above every threshold
            return str(best)
        kept = " (edits kept possible)" if self.terms.ledger else ""
        fresh = " in new groups" if best.unit == "groups" else ""
        ways = [
            f"pass about {self._rows_to_pass(best):,} more rows{fresh}"
            if n
            else f"pass {missing:,} more"
        ]
        traffic = best.population.startswith("traffic")
        enough = self.terms.budget_for(best.smallest_damage, traffic=traffic)
        if enough < 1:
            ways.append(f"set max_damage={_rounded_up(enough):g}")
        first = 1 - FIRST_SHARE * (1 - wanted)
        if self.terms.ledger and n and np.isclose(level, first):
            whole = smallest_damage(n, wanted)
            ways.append(f"ledger=False ({100 * whole:.3g} %)")
        mixed = self.terms.contamination > 0 and not traffic
        of = " of decisions taken for right" if mixed else ""
        what = best.unit if traffic else f"right calibration {best.unit}"
        return (
            f"{n:,} {what} certify at best a damage of "
            f"{100 * best.smallest_damage:.3g} %{of} at {100 * wanted:g} %"
            f"{kept}, not {100 * budget:g} %: {missing:,} more are missing; "
            f"{', or '.join(ways)}"
        )

    def unused(self, entries: Sequence[LedgerEntry]) -> str:
        """New certificates that did not take the place of those in force.

        Parameters
        ----------
        entries : list of LedgerEntry
            Just made.

        Returns
        -------
        str
            Empty if all of them are in force.
        """
        found = []
        for entry in entries:
            in_force = self.book.entry(entry.kind)
            kept = {} if in_force is None else in_force.certificates
            found += [
                str(c) for s, c in entry.certificates.items() if kept.get(s) is not c
            ]
        return f"{_enumerated(found)}; the certificate in force stays" if found else ""

    def _sentences(self, rule: Rule) -> list[str]:
        return sentences(rule, self.book, self.feature_names, per=self.per)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON."""
        record = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in ("book", "possible", "refused", "strata", "terms")
        }
        for name in ("max_damage", "contamination", "confidence_level", "ledger"):
            record[name] = getattr(self.terms, name)
        record["refused"] = [asdict(r) for r in self.refused]
        record["strata"] = [str(stratum) for stratum in self.strata]
        record["rules"] = [
            {
                **_rule_record(r),
                "text": self._sentences(r),
                "separability": separability_verdict(r, self.book),
            }
            for r in self.book
        ]
        record["certificates"] = [
            {**_certificate_record(c), "text": str(c), "average_damage": c.comparison}
            for c in self.certificates
        ]
        record["history"] = [asdict(event) for event in self.book.history]
        record["shortcoming"] = self.shortcoming()
        return record

    def __str__(self) -> str:
        features = f"{len(self.feature_names)} features ({', '.join(self.features)})"
        lines = [f"SWITCHED OFF     {SWITCHED_OFF}"] if is_disabled() else []
        lines += [
            f"legacy model     {self.legacy}; right on "
            f"{100 * self.legacy_accuracy:.2f} % of {self.n_unseen:,} rows",
            f"learnt from      {self.n_errors:,} errors, {self.n_background:,} right "
            f"decisions, {features}",
            f"calibrated on    {self.n_calibration:,} right decisions",
        ]
        if self.n_apart:
            lines.append(f"not learnt from  {self.n_apart:,} errors")
        if self.book.value is not None:
            name = self.feature_names[self.book.value]
            lines.append(f"at stake         log({name}) is part of every score")
        if not self.one_pass:
            lines.append("speed            the legacy model is called twice a row")
        for rule in self.book:
            lines.append(f"rule             {rule_line(rule, self.book)}")
            for sentence in self._sentences(rule):
                lines.append(f"                 {sentence}")
            if verdict := separability_verdict(rule, self.book):
                lines.append(f"                 {verdict}")
        for refusal in self.refused:
            lines.append(f"refused          {refusal.name}: {refusal.reason}")
        for certificate in self.certificates:
            lines.append(f"certificate      {certificate}")
            if certificate.certified:
                lines.append(f"                 {_small_print(certificate)}")
        if self.shortcoming():
            lines.append(f"NOT CERTIFIED    {self.shortcoming()}")
        if self.book.certified:
            lines.append("it speaks        for cases like the calibration rows")
        return "\n".join(lines)


def _rule_record(rule: Rule) -> dict[str, Any]:
    wanted = (
        *("name", "to", "from_labels", "action", "state", "n_errors"),
        *("n_background", "created", "expires", "author", "approver", "note"),
    )
    return {name: getattr(rule, name) for name in wanted}


def _certificate_record(found: Certificate) -> dict[str, Any]:
    # the scores that were counted are as many as calibration rows: a file holds them
    return {n: getattr(found, n) for n in found.__slots__ if n != "units"}


def _enumerated(texts: Sequence[str]) -> str:
    """List texts; of many the first ones, and how many there are besides.

    Examples
    --------
    >>> _enumerated(["a", "b"]), _enumerated(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = len(texts) - _MOST_LISTED
    shown = ", ".join(texts[:_MOST_LISTED])
    return f"{shown} and {more:,} more" if more > 0 else shown


def _small_print(found: Certificate) -> str:
    """Share of the budget used, what more would buy, what is taken for granted."""
    more = 4 * found.n_calibration
    used, then = found.budget_used, found.budget_used_with(more)
    return (
        f"uses {100 * used:.0f} % of the budget on average, {100 * then:.0f} % with "
        f"{more:,} {found.unit}; {found.unit} treated as independent"
    )


def _first(certificates: Mapping[Hashable, Certificate]) -> Certificate:
    return next(iter(certificates.values()))


def _needed(found: Certificate) -> int:
    return rows_needed(found.max_damage, found.confidence_level)


def _named(source: Any) -> str:
    """What features come from, in a word: a transformer lists all its columns."""
    if isinstance(source, str):
        return source
    return str(getattr(source, "__name__", type(source).__name__))


def _rounded_up(share: float) -> float:
    """Two significant digits, never less than the share itself."""
    step = 10.0 ** (np.floor(np.log10(share)) - 1)
    return float(np.ceil(share / step - 1e-9) * step)
