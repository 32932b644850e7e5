"""Forget rows: what a corrector would hold if it had never seen them."""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.decisions import judged
from rarecorrect.explain import Usual
from rarecorrect.moments import Moments
from rarecorrect.relearning import RightDecisions, of_moments, relearnt
from rarecorrect.rule import Rule
from rarecorrect.rulebook import RuleBook
from rarecorrect.training_rows import places_of, row_keys

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Rows to forget, and what each of them was used for.

    Attributes
    ----------
    Z : ndarray of shape (n_rows, n_features)
    labels, y : ndarray of shape (n_rows,)
        Legacy labels, true labels.
    errors : ndarray of bool of shape (n_rows,)
        Errors that a rule was learnt from.
    taught, calibrated : ndarray of int of shape (n_rows,)
        Places among the right decisions that taught, and that calibrated, or -1.

    Examples
    --------
    >>> label, at = np.zeros(1), np.array([-1])
    >>> Found(np.eye(1), label, label, label > 0, at, at + 3).learnt_from.tolist()
    [False]
    """

    Z: Array
    labels: Array
    y: Array
    errors: Mask
    taught: Indices
    calibrated: Indices

    @property
    def right(self) -> Mask:
        """Right decisions that taught."""
        return np.asarray(self.taught >= 0)

    @property
    def learnt_from(self) -> Mask:
        """Rows that rules were learnt from."""
        return self.errors | self.right

    def among(self, rule: Rule) -> tuple[Indices, Indices]:
        """Which of these rows are errors of a rule.

        Parameters
        ----------
        rule : Rule

        Returns
        -------
        rows : ndarray of int of shape (n_found,)
            Positions of these rows.
        places : ndarray of int of shape (n_found,)
            Their places among the errors of the rule.
        """
        return _among(self.Z, self.errors & (self.y == rule.to), rule)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a corrector holds of rows, but for certificates.

    Attributes
    ----------
    book : RuleBook
    usual : Usual
    taught, calibrated : ndarray of shape (n_rows,)
        Keys of the right decisions that taught, and of those that calibrated; see
        :func:`~rarecorrect.training_rows.row_keys`.

    Examples
    --------
    >>> Z, labels = np.array([[1.0], [3.0], [8.0]]), np.array(["ok"] * 3)
    >>> usual = Usual.of(Z[:2], labels[:2])
    >>> held = Held(RuleBook(), usual, row_keys(Z[:2]), row_keys(Z[2:]))
    >>> left = held.without(held.find(Z[1:], labels[1:], labels[1:]))
    >>> left.usual.means.tolist(), left.taught.size, left.calibrated.size
    ([[1.0]], 1, 0)
    """

    book: RuleBook
    usual: Usual
    taught: FloatArray
    calibrated: FloatArray

    def kept(self, case_id: Sequence[Any]) -> tuple[Array, Array, Array]:
        """Errors that rules keep.

        Parameters
        ----------
        case_id : sequence
            Ids.

        Returns
        -------
        Z : ndarray of shape (n_rows, n_features)
        labels, y : ndarray of shape (n_rows,)
            Legacy labels, true labels.

        Raises
        ------
        ValueError
            For ids of errors that no rule keeps.
        """
        rows = {
            name: (rule.errors.Z[i], rule.errors.labels[i], rule.to)
            for rule in every_rule(self.book)
            if rule.errors is not None
            for i, name in enumerate(rule.case_ids)
        }
        unknown = [name for name in case_id if name not in rows]
        if unknown or not case_id:
            raise ValueError(
                f"no rule keeps an error with the case id {(unknown or [None])[0]!r}; "
                "rules keep errors only with keep_errors=True and case_id, and right "
                "decisions are never kept: pass the rows, forget(X, y)"
            )
        Z, labels, y = zip(*(rows[name] for name in case_id), strict=True)
        return np.array(Z), np.array(labels), np.array(y)

    def find(self, Z: Array, labels: Array, y: Array) -> Found:
        """Say what rows were used for, in any version of the book.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
        labels, y : ndarray of shape (n_rows,)
            Legacy labels, true labels.

        Returns
        -------
        Found

        Raises
        ------
        ValueError
            For rows that were used for nothing.
        """
        keys, right = row_keys(Z), np.asarray(labels == y)
        taught, calibrated = np.full((2, len(y)), -1, dtype=np.intp)
        errors = np.zeros(len(y), dtype=bool)
        for rule in every_rule(self.book):
            errors[_among(Z, ~right & (y == rule.to), rule)[0]] = True
        taught[right] = places_of(keys[right], self.taught, Z.dtype)
        rest = right & (taught < 0)
        calibrated[rest] = places_of(keys[rest], self.calibrated, Z.dtype)
        unknown = np.flatnonzero(~errors & (taught < 0) & (calibrated < 0))
        if unknown.size:
            listed = ", ".join(map(str, unknown[:5])) + ", ..." * (unknown.size > 5)
            n_taught = int(self.usual.counts.sum())
            if right[unknown].any() and self.taught.size < n_taught:
                raise ValueError(
                    f"rows {listed} of {len(y)} may have been learnt from: a corrector "
                    f"that was fitted from blocks knows only {self.taught.size:,} of "
                    f"the {n_taught:,} right decisions that it learnt from; fit again "
                    "without the rows"
                )
            raise ValueError(
                f"rows {listed} of {len(y)} taught no rule and calibrated nothing, or "
                "were forgotten before: nothing is held of them; leave them out, or "
                "pass them and their true labels as fit or add saw them"
            )
        return Found(Z, labels, y, errors, taught, calibrated)

    def without(self, found: Found) -> Held:
        """What would be held without some rows.

        Parameters
        ----------
        found : Found

        Returns
        -------
        Held
            The book still has the certificates and versions of this one.

        Raises
        ------
        ValueError
            For a rule that cannot forget them.
        """
        right, calibrated = found.right, found.calibrated >= 0
        Z, labels, background = found.Z, found.labels, self.book.background
        if background is not None:
            n_known = background.weight + len(background.sample)
            if right.any() and n_known != self.usual.counts.sum():
                raise ValueError(_foreign("the background of the book"))
            background = background.without(Z[right], labels[right])
            background = background.without_calibration(Z[calibrated])
        left = Held(
            replace(self.book, background=background),
            self.usual.without(Z[right], labels[right]),
            np.delete(self.taught, found.taught[right]),
            np.delete(self.calibrated, found.calibrated[calibrated]),
        )
        if not found.learnt_from.any():
            return left
        n_gone = _errors_of_fit(self, found)
        made = (_forgotten(rule, self, left, found, n_gone) for rule in self.book.rules)
        rules = [rule for rule in made if rule is not None]
        known = {id(rule) for rule in self.book.rules}
        again = (
            rule
            if rule.errors is None or id(rule) in known
            else judged(rule, rules, rule.errors)
            for rule in rules
        )
        return replace(left, book=replace(left.book, rules=tuple(again)))


def mark_of(salt: str, *, ids: Sequence[Any], Z: Array) -> str:
    """What the log keeps of rows that were forgotten: it says neither which nor whose.

    Parameters
    ----------
    salt : str
        Yours.  Without it nobody can try out ids or rows until one fits.  Empty: drawn
        and thrown away.
    ids : sequence
        Of the rows; empty: none.
    Z : ndarray of shape (n_rows, n_features)
        What is marked where there are no ids.

    Returns
    -------
    str
        16 hexadecimal digits, the same for the same salt and ids in any order.

    Examples
    --------
    >>> one = mark_of("a secret", ids=[2, 1], Z=np.eye(2))
    >>> one == mark_of("a secret", ids=[1, 2], Z=np.eye(2))
    True
    >>> one == mark_of("", ids=[2, 1], Z=np.eye(2))
    False
    """
    rows = list(ids) or row_keys(Z).tolist()
    key = salt.encode() or secrets.token_bytes(32)
    text = "\x1f".join(sorted(map(repr, rows)))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


def every_rule(book: RuleBook) -> list[Rule]:
    """Rules of all versions of a book, each once.

    Parameters
    ----------
    book : RuleBook

    Returns
    -------
    list of Rule

    Examples
    --------
    >>> every_rule(RuleBook())
    []
    """
    versions = (*book.earlier, book, *book.later)
    rules = {rule.identity: rule for version in versions for rule in version.rules}
    return list(rules.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Where right decisions of a rule come from: of how many, and their moments."""

    fitted: bool
    whole: float
    weight: float
    mean: FloatArray

    @classmethod
    def of_fit(cls, rule: Rule, held: Held) -> _Source:
        counts = held.usual.counts
        mine = rule.effective(held.usual.labels)
        mean = held.usual.of_rule(rule) if mine.any() else np.empty(0)
        return cls(True, float(counts.sum()), float(counts[mine].sum()), mean)

    @classmethod
    def of_background(cls, rule: Rule, held: Held) -> _Source:
        known = held.book.background
        if known is None:
            return cls(False, 0.0, 0.0, np.empty(0))
        right = known.but(_spared(rule))[0]
        return cls(False, known.weight, right.weight, right.mean)

    @classmethod
    def of(cls, rule: Rule, held: Held) -> _Source | None:
        """The one that the rule was learnt from; None: neither."""
        both = (make(rule, held) for make in (cls.of_fit, cls.of_background))
        return next((source for source in both if source._taught(rule)), None)

    def after(self, rule: Rule, left: Held) -> _Source:
        """What is left of it."""
        return (self.of_fit if self.fitted else self.of_background)(rule, left)

    def _taught(self, rule: Rule) -> bool:
        if not 0 < self.weight == rule.n_background:
            return False
        if not hasattr(rule.detector, "moments_"):
            return True
        right = rule.detector.moments_[0]
        near = 1e-12 + 1e-6 * (np.abs(right.mean) + np.sqrt(right.variance))
        if (self.weight, self.mean.size) != (right.weight, right.mean.size):
            return False
        return bool((np.abs(self.mean - right.mean) <= near).all())


def _forgotten(
    rule: Rule, held: Held, left: Held, found: Found, n_gone: int
) -> Rule | None:
    """A rule as if learnt without the rows; None if it has no error left."""
    rows, places = found.among(rule)
    if places.size and places.size == len(rule.keys):
        return None
    source = _Source.of(rule, held)
    if source is None:
        if places.size or found.right.any():
            raise ValueError(
                f"{_foreign(f'rule {rule.name!r}')}, or remove the rule first"
            )
        return rule
    rest = source.after(rule, left)
    n_left = rule.n_errors - places.size
    log_share = _log_share(rule, source, rest, n_left, n_gone)
    mine = found.right & rule.effective(found.labels)
    if not (places.size or mine.any() or rest.weight != source.weight):
        moved = log_share - rule.log_share
        if moved == 0:
            return rule
        return replace(
            rule,
            log_share=log_share,
            worth=rule.worth + moved,
            left_out=rule.left_out + moved,
        )
    gone = Moments.from_rows(found.Z[mine])
    right = _right_decisions(rule, source.fitted, gone, left)
    return relearnt(rule, right, log_share, places, found.Z[rows])


def _right_decisions(
    rule: Rule, fitted: bool, gone: Moments, left: Held
) -> RightDecisions:
    detector, background = of_moments(rule), left.book.background
    if background is None:
        raise ValueError(
            f"rule {rule.name!r} cannot be learnt again: this book has no sample of "
            "right decisions to compare scores on; load a file that was saved "
            "with_background=True, remove the rule, or fit again without the rows"
        )
    moments, sample = background.but(_spared(rule))
    if fitted:
        moments = detector.moments_[0].without(gone)
        sample = background.sample[rule.effective(background.sample_labels)]
    return RightDecisions(moments, sample, inside=fitted)


def _log_share(
    rule: Rule, source: _Source, rest: _Source, n_left: int, n_gone: int
) -> float:
    """Log of the share of errors over that of right decisions, counted again.

    The share of errors is one over a number of rules for a rule that was added; for
    others, the number of all errors of the fit follows from it.
    """
    share = math.exp(rule.log_share) * source.weight / source.whole
    if source.fitted:
        share = n_left / (round(rule.n_errors / share) - n_gone)
    else:
        share = 1 / round(1 / share)
    return math.log(share * rest.whole / rest.weight) if rest.weight else -math.inf


def _errors_of_fit(held: Held, found: Found) -> int:
    """How many of the rows are errors that the rules of the fit were learnt from."""
    gone: set[int] = set()
    for rule in every_rule(held.book):
        source = _Source.of(rule, held)
        if source is not None and source.fitted:
            gone.update(found.among(rule)[0].tolist())
    return len(gone)


def _among(Z: Array, wanted: Mask, rule: Rule) -> tuple[Indices, Indices]:
    rows = np.flatnonzero(wanted)
    places = places_of(row_keys(Z[rows]), rule.keys, Z.dtype)
    return rows[places >= 0], places[places >= 0]


def _spared(rule: Rule) -> Any:
    """Label of right decisions that the rule cannot change."""
    return rule.to if rule.action == "relabel" else None


def _foreign(what: str) -> str:
    return (
        f"{what} was learnt with weights, or from other right decisions than those "
        "that this corrector knows, so what it owes to these rows cannot be told; fit "
        "again without them"
    )
