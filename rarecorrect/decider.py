"""One case at a time: what a service asks, in microseconds."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.decisions import linear_forms, raw_limits
from rarecorrect.inputs import side_of, strata_of
from rarecorrect.off_switch import is_disabled
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook

FloatArray = npt.NDArray[np.float64]

_MOST_LIMITS = 10_000  # labels and segments kept: strangers cannot fill the memory


class Decider:
    """Correct one legacy label after the other, from features that are at hand.

    Nothing is checked: the features must be a float array in the order of the
    corrector's ``features_.names_``, the label one that the legacy model gave.  Most
    cases lie below every threshold, which one product of a small matrix tells; those
    that do not are decided by the book itself, so the answers are those of
    :meth:`~rarecorrect.ErrorCorrector.predict`.

    Make it with :meth:`~rarecorrect.ErrorCorrector.decider`.  It belongs to the version
    of the rule book that it was made of: make another one after an edit.  Rules that
    expire are off from the day after, and ``RARECORRECT_DISABLE=1`` switches all off,
    as everywhere.

    Parameters
    ----------
    book : RuleBook
    n_features : int
    per : {None, "class", "segment"}
        What thresholds differ by.

    Notes
    -----
    Rules that are not linear (trees, boxes, ``detector="auto"``) are asked on every
    case that they may change: they cost what their detector costs.  With a `value` at
    stake in every case, so are all rules.

    Examples
    --------
    >>> from rarecorrect import RuleBook
    >>> decide = Decider(RuleBook(), n_features=2, per=None)
    >>> decide(np.array([0.5, 2.0]), "genuine")
    'genuine'
    """

    __slots__ = ("_book", "_forms", "_limits", "_per", "_rules")

    def __init__(self, book: RuleBook, n_features: int, per: str | None) -> None:
        self._book = book
        self._per = per
        self._rules = book.active
        self._forms = np.ascontiguousarray(linear_forms(book.active, n_features).T)
        # by label and segment, as they come up: raw scores below which nothing fires
        self._limits: dict[tuple[Hashable, Hashable], FloatArray | None] = {}

    def __call__(
        self, z: npt.NDArray[Any], label: Any, segment: Hashable = None
    ) -> Any:
        """Corrected label of one case; a flag leaves the legacy label.

        Parameters
        ----------
        z : ndarray of shape (n_features,)
            Features, float; where one is not finite the legacy label is kept.
        label : label
            That the legacy model gave.
        segment : label, optional
            With ``per="segment"``; an unknown one keeps the legacy label.

        Returns
        -------
        label
        """
        try:
            limits = self._limits[label, segment]
        except KeyError:
            limits = self._limits_of(label, segment)
        if limits is None:
            return label
        with np.errstate(invalid="ignore"):  # infinite times zero exceeds nothing
            if not np.count_nonzero(self._forms.dot(z) > limits):
                return label
        rule = self.rule(z, label, segment)
        return label if rule is None or rule.action == "flag" else rule.to

    def rule(
        self, z: npt.NDArray[Any], label: Any, segment: Hashable = None
    ) -> Rule | None:
        """Rule that changes or flags one case.

        Parameters
        ----------
        z, label, segment
            As for the call.

        Returns
        -------
        Rule or None
            None: the legacy label stands.
        """
        labels = np.asarray([label])
        rows, winner = self._book.fires(z[None], labels, self._strata(labels, segment))
        return self._book.rules[winner[0]] if rows.size else None

    def _limits_of(self, label: Any, segment: Hashable) -> FloatArray | None:
        """Raw limits of all rules for such cases; None where no rule can fire."""
        labels = np.asarray([label])
        strata = self._strata(labels, segment)
        stratum = None if strata is None else strata.tolist()[0]
        threshold = self._book.threshold(stratum)
        if self._book.value is not None and threshold < np.inf:
            threshold = -np.inf  # an amount may lift any score
        found = raw_limits(self._rules, labels, threshold)
        limits = None if np.isposinf(found).all() else found
        # once a rule that nothing is certified of has expired, the others may fire
        passing = threshold == np.inf and any(rule.expires for rule in self._rules)
        if len(self._limits) < _MOST_LIMITS and not (passing or is_disabled()):
            self._limits[label, segment] = limits
        return limits

    def _strata(
        self, labels: npt.NDArray[Any], segment: Hashable
    ) -> npt.NDArray[Any] | None:
        asked = [segment] if self._per == "segment" else None
        return strata_of(labels, side_of(1, segment=asked).segment, self._per)
