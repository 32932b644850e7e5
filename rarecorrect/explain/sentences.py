"""What was found, in words: one sentence per case."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rarecorrect.detectors import AutoDetector, IntervalDetector
from rarecorrect.explain.contributions import Part, remarks
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Teller:
    """Puts what was found into words.

    Attributes
    ----------
    book : RuleBook
    said : list of str
        Names of the features as they stand in a sentence.
    top : int
        Features named, at most.

    Examples
    --------
    >>> Teller.of(RuleBook(), ("amount", "hour"), {"hour": "the time of day"}, 3).said
    ['amount', 'the time of day']
    """

    book: RuleBook
    said: list[str]
    top: int

    @classmethod
    def of(
        cls,
        book: RuleBook,
        names: tuple[str, ...],
        reasons: Mapping[Any, str] | None,
        top: int,
    ) -> Self:
        """With the reader's own words for some features.

        Parameters
        ----------
        book : RuleBook
        names : tuple of str of length n_features
        reasons : mapping from feature to str or None
        top : int

        Returns
        -------
        Teller

        Raises
        ------
        ValueError
            For reasons of unknown features, or a `top` that is not 1 or more.
        """
        if not isinstance(top, Integral) or top < 1:
            raise ValueError(f"top must be a whole number, 1 or more, got {top!r}")
        return cls(book, _said(names, reasons), int(top))

    def box(self, rule: Rule, x: FloatArray, stratum: Hashable) -> str:
        """Conditions of a rule that can be read, at the threshold in force.

        Parameters
        ----------
        rule : Rule
        x : ndarray of shape (n_features,)
            Features of the case: the amount at stake may move the threshold.
        stratum : label or None
            Class or segment of the case, where thresholds differ.

        Returns
        -------
        str
            Empty for any other rule.
        """
        if box_of(rule) is None:
            return ""
        limit = rule.raw_threshold(self._limit(rule, x, stratum))
        return str(rule.detector.describe(limit, self.said))

    def sentence(
        self,
        case: Any,
        x: FloatArray,
        usual: FloatArray,
        parts: tuple[Part, ...],
        stratum: Hashable,
    ) -> str:
        """What was done with a case, how rare it is, and why.

        Parameters
        ----------
        case : named tuple
            Its row of the trace.
        x, usual : ndarray of shape (n_features,)
            Its features, and those of the usual right decision.
        parts : tuple of Part
        stratum : label or None
            As in :meth:`box`.

        Returns
        -------
        str
        """
        done = "was changed to" if case.changed else "was flagged for review as"
        rule = self.book[case.rule]
        limit = self._limit(rule, x, stratum) + self._log_value(x)
        because = self._inside(rule, x, stratum) or self._raised(x, usual, parts)
        return (
            f"Case {case.Index}: {_quoted(case.before)} {done} "
            f"{_quoted(case.proposed)} by rule {_quoted(case.rule)} (score "
            f"{_number(case.score)}, threshold {_number(limit)}; "
            f"{self._rarity(case.score)}), {because}{_resembles(case.nearest_error)}"
        )

    def _rarity(self, score: float) -> str:
        scores = self.book.calibration_scores
        entry = self.book.entry(self.book.budgets[0])
        if entry is None or not scores.size:
            return "how rare that is was not recorded"
        n = int(np.sum(scores >= score))
        words = next(iter(entry.certificates.values())).population
        whose = words.partition(" (")[0].partition(" with ")[0]
        whose = "cases of traffic" if whose == "traffic" else whose
        count = f"{n:,}" if n else "none"
        return f"{count} of {scores.size:,} {whose} looked as wrong as this one"

    def _inside(self, rule: Rule, x: FloatArray, stratum: Hashable) -> str:
        """The box that a case is in; empty if the rule is none."""
        box = box_of(rule)
        if box is None:
            return ""
        bounds = box.conditions(rule.raw_threshold(self._limit(rule, x, stratum)))
        here = _listed([f"{x[bound.column]:.10g}" for bound in bounds])
        return f"because {self.box(rule, x, stratum)} (here {here or 'too'})"

    def _raised(self, x: FloatArray, usual: FloatArray, parts: tuple[Part, ...]) -> str:
        """Features that raise the score most; of several members, in the largest."""
        told = [part for part in parts if part.contributions is not None]
        if not told:
            return remarks(parts)
        part = max(told, key=lambda part: part.adds)
        where = [_share_of(part, parts), part.where, self._most(x, usual, part)]
        return (
            f"{', '.join(filter(None, where))}; all features together take "
            f"{_whose_score(part)} from {_number(part.base)}, that of the average "
            f"right decision, to {_number(part.score)}"
        )

    def _most(self, x: FloatArray, usual: FloatArray, part: Part) -> str:
        assert part.contributions is not None
        first = np.argsort(-part.contributions, kind="stable")[: self.top]
        found = [
            f"{self.said[j]} ({_number(x[j])}, on average {_number(usual[j])}: "
            f"+{_number(part.contributions[j])})"
            for j in first
            if part.contributions[j] > 0
        ]
        return f"above all by {_listed(found)}" if found else "by no feature alone"

    def _limit(self, rule: Rule, x: FloatArray, stratum: Hashable) -> float:
        """Own score above which a rule acts: its threshold, or where it is mute."""
        return max(self.book.threshold(stratum) - self._log_value(x), rule.worth)

    def _log_value(self, x: FloatArray) -> float:
        return float(self.book.log_value(x[None, :])[0])


def box_of(rule: Rule) -> IntervalDetector | None:
    """The box that a rule is, if it can be read.

    Parameters
    ----------
    rule : Rule

    Returns
    -------
    IntervalDetector or None

    Examples
    --------
    >>> from rarecorrect.tail_scale import TailScale
    >>> scale = TailScale.from_scores([0.0, 1.0])
    >>> box_of(Rule("to 1", 1, IntervalDetector(), scale))
    IntervalDetector()
    """
    detector = rule.detector
    if isinstance(detector, AutoDetector):
        detector = detector.box_
    return detector if isinstance(detector, IntervalDetector) else None


def _said(names: tuple[str, ...], reasons: Mapping[Any, str] | None) -> list[str]:
    """Names of the features as they stand in a sentence."""
    words = {str(feature): str(text) for feature, text in (reasons or {}).items()}
    unknown = [feature for feature in words if feature not in names]
    if unknown:
        raise ValueError(
            f"reasons were given for {unknown[:5]}, which no rule reads; features are "
            f"called {', '.join(map(repr, names[:10]))}{' ...' if names[10:] else ''}"
        )
    return [words.get(name, name) for name in names]


def _resembles(known: Any) -> str:
    return "" if known is None else f"; of the known errors most like {_quoted(known)}"


def _share_of(part: Part, parts: tuple[Part, ...]) -> str:
    """What a member adds to the mean; empty for a detector that decides alone."""
    if len(parts) == 1:
        return ""
    total = _number(sum(p.adds for p in parts))
    return (
        f"where of {len(parts)} members {part.member} adds {_number(part.adds)} of "
        f"{total}"
    )


def _whose_score(part: Part) -> str:
    if part.where:
        return "the score there"
    return f"the score of {part.member}" if part.member else "the raw score"


def _quoted(label: Any) -> str:
    return repr(label.item() if isinstance(label, np.generic) else label)


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
