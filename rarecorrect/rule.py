"""One correction: a detector, the decisions it may change, and what it makes them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from rarecorrect import clock
from rarecorrect.cross_fitting import detector_score
from rarecorrect.ledger import fingerprint
from rarecorrect.moments import project
from rarecorrect.tail_scale import TailScale

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

STATES = ("draft", "shadow", "active", "retired")


@dataclass(frozen=True, slots=True, eq=False)
class KeptErrors:
    """Errors that a rule was learnt from, as they were: personal data, mostly.

    Attributes
    ----------
    Z : ndarray of shape (n_errors, n_features)
    labels : ndarray of shape (n_errors,)
        Legacy labels.
    strata : ndarray of shape (n_errors,) or None
        Class or segment of each, where thresholds differ.

    Examples
    --------
    >>> kept = KeptErrors(np.eye(2), np.array(["ok", "late"]))
    >>> kept.part(np.array([1])).labels.tolist()
    ['late']
    """

    Z: Array
    labels: Array
    strata: Array | None = None

    def part(self, chosen: npt.NDArray[np.intp]) -> KeptErrors:
        """Some of the errors.

        Parameters
        ----------
        chosen : ndarray of int
            Places.

        Returns
        -------
        KeptErrors
        """
        strata = None if self.strata is None else self.strata[chosen]
        return KeptErrors(self.Z[chosen], self.labels[chosen], strata)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A detector with ``from`` labels and a ``to`` label, and its evidence.

    A rule is *effective* on a row iff the legacy label is in `from_labels` and is not
    `to` already; a flagging rule is effective wherever the legacy label is in
    `from_labels`.  Rules that are not effective never fire, win or suppress another.

    Attributes
    ----------
    name : str
        Unique in its book.
    to : label
        True label of the errors it was learnt from.
    detector : classifier
        Fitted; its score is high where a decision looks wrong.
    scale : TailScale
        From the detector's score to the common scale of the book.
    from_labels : tuple of labels or None
        ``None``: every label.
    action : {"relabel", "flag"}
        ``"flag"`` keeps the legacy answer and marks the row for review.
    log_share : float
        Added to the scaled score: log of the share of errors over the share of right
        decisions that the rule speaks of.
    state : {"draft", "shadow", "active", "retired"}
        Only active rules change anything; shadow rules are evaluated and reported.
    n_errors, n_background : int
        Rows it was learnt from.
    case_ids : tuple
        Ids of these errors, if given.
    keys : ndarray of shape (n_errors,)
        One number for each of these errors, in the same order, by which it is found
        again; see :func:`~rarecorrect.training_rows.row_keys`.
    errors : KeptErrors or None
        Their features, in the same order, if they are kept.
    worth : float
        Scaled score under which the rule is mute: there it would change a larger share
        of right decisions than of errors, so a budget that reaches down to it buys
        nothing.  From fitting rows only.
    left_out : ndarray of shape (n_errors,)
        Scaled scores of the errors by detectors fitted without them, rising; ``-inf``
        where a rule with another label, learnt along with it, would win; NaN for a
        single error.
    left_out_strata : ndarray of shape (n_errors,) or None
        Class or segment of these errors, in the same order, where thresholds differ.
    identity : str
        Digest of what the rule was learnt from.  A rule made by hand gets one of its
        own: no certificate covers two rules.  It stands for a detector without a linear
        form, so give a rule with another such detector another identity.
    name, note, author, created : str
        For the audit trail.
    expires : str
        Last day (UTC) on which the rule acts, like ``"2026-03-31"``; empty: no end.
        From the next day on it is as good as retired, by itself.
    approver : str
        Who put it into service, see :meth:`RuleBook.approve`.
    coef, intercept : ndarray of shape (n_features,), float
        The folded linear form, or ``None`` and 0 for a detector that has none.

    Raises
    ------
    ValueError
        For a `name` that is no Unicode text, a `state` or an `action` that is none of
        these, or another `expires`.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(200, 2)), [[6.0, 6.0]]])
    >>> detector = FisherDetector().fit(Z, np.arange(201) == 200)
    >>> scale = TailScale.from_scores(detector.decision_function(Z[:200]))
    >>> rule = Rule("to fraud", "fraud", detector, scale, from_labels=("ok",))
    >>> rule.effective(np.array(["ok", "fraud"])).tolist()
    [True, False]
    >>> above_all = rule.scaled(rule.score(Z[200:])) > rule.scaled(rule.score(Z[:200]))
    >>> bool(above_all.all())
    True
    """

    name: str
    to: Any
    detector: Any
    scale: TailScale
    from_labels: tuple[Any, ...] | None = None
    action: str = "relabel"
    log_share: float = 0.0
    state: str = "active"
    n_errors: int = 0
    n_background: int = 0
    case_ids: tuple[Any, ...] = ()
    worth: float = -np.inf
    left_out: FloatArray = field(default_factory=lambda: np.empty(0), repr=False)
    left_out_strata: Array | None = field(default=None, repr=False)
    identity: str = field(default_factory=lambda: uuid4().hex[:16])
    note: str = ""
    author: str = ""
    created: str = ""
    expires: str = ""
    approver: str = ""
    coef: FloatArray | None = field(default=None, repr=False)
    intercept: float = 0.0
    keys: FloatArray = field(default_factory=lambda: np.empty(0), repr=False)
    errors: KeptErrors | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_text(self.name)
        if self.state not in STATES:
            raise ValueError(
                f"state must be one of {', '.join(STATES)}, got {self.state!r}"
            )
        if self.action not in ("relabel", "flag"):
            raise ValueError(f"action must be 'relabel' or 'flag', got {self.action!r}")
        if self.expires and not _is_day(self.expires):
            raise ValueError(
                "expires must be a day like '2026-03-31', or '' for no end, got "
                f"{self.expires!r}"
            )

    @property
    def digest(self) -> str:
        """Digest of all that decides, which is what a certificate covers.

        State, name, note, people and dates may change under a certificate, and so may
        the records of what the rule was learnt from.
        """
        scale, labels = self.scale, self.from_labels
        words = (
            self.identity,
            self.action,
            _plain(self.to),
            None if labels is None else [_plain(label) for label in labels],
        )
        numbers = (self.log_share, self.worth, self.intercept)
        return fingerprint(
            np.array([repr(word) for word in words]),
            np.array([*numbers, scale.slope_above, scale.slope_below], dtype=float),
            None if self.coef is None else np.asarray(self.coef, dtype=float),
            scale.knots,
            scale.values,
        )[:16]

    @property
    def n_features(self) -> int | None:
        """Number of features that the rule reads; None if its detector does not say."""
        if self.coef is not None:
            return int(self.coef.size)
        return getattr(self.detector, "n_features_in_", None)

    def with_state(self, state: str) -> Rule:
        """Return the same rule in another state.

        Parameters
        ----------
        state : {"draft", "shadow", "active", "retired"}

        Returns
        -------
        Rule
        """
        return replace(self, state=state)

    def state_on(self, day: str) -> str:
        """State on a day: a rule that expired before it is retired.

        Parameters
        ----------
        day : str
            In ISO form.

        Returns
        -------
        str
        """
        return "retired" if self.expires and self.expires < day else self.state

    def approved(self, by: str) -> Rule:
        """Return a draft or shadow rule in service, once somebody else has seen it.

        Parameters
        ----------
        by : str
            Anyone but its author.

        Returns
        -------
        Rule

        Raises
        ------
        ValueError
            If `by` is nobody or the author, or the rule is neither a draft nor a
            shadow rule or has expired.
        """
        state = self.state_on(clock.today())
        if state not in ("draft", "shadow"):
            raise ValueError(
                f"rule {self.name!r} is {state}, and only draft or shadow rules can be "
                "approved; see with_state and with_expiry"
            )
        if not by.strip():
            raise ValueError(f"by={by!r} is nobody: who approves rule {self.name!r}?")
        if by.strip().casefold() == self.author.strip().casefold():
            raise ValueError(
                f"{by!r} is the author of rule {self.name!r}: let somebody else "
                "approve it"
            )
        return replace(self, state="active", approver=by)

    def effective(self, labels: Array) -> npt.NDArray[np.bool_]:
        """Where the rule may act.

        Parameters
        ----------
        labels : ndarray of shape (n_rows,)
            Legacy labels.

        Returns
        -------
        ndarray of bool of shape (n_rows,)
        """
        return effective(labels, self.from_labels, self.to, self.action)

    def score(self, Z: Array) -> FloatArray:
        """Raw score of every row, by the linear form or else by the detector.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            Finite.

        Returns
        -------
        ndarray of shape (n_rows,)
            In the detector's units, high = error.
        """
        if self.coef is not None:
            return project(Z, self.coef) + self.intercept
        return detector_score(self.detector, Z)

    def upper_bound(self, Z: Array, least: float) -> FloatArray:
        """Upper bound of every raw score, no closer than it takes.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            Finite.
        least : float
            Only whether a score may exceed it is of interest.

        Returns
        -------
        ndarray of shape (n_rows,)
            The score itself, where the detector knows nothing cheaper.
        """
        if self.coef is None and hasattr(self.detector, "upper_bound"):
            return np.asarray(self.detector.upper_bound(Z, least))
        return self.score(Z)

    def scaled(self, raw: npt.ArrayLike) -> FloatArray:
        """Raw scores on the common scale of the book.

        Parameters
        ----------
        raw : array-like of shape (n_rows,)

        Returns
        -------
        ndarray of shape (n_rows,)
            Minus the log of the tail rank among right decisions, plus `log_share`.
        """
        return self.scale(raw) + self.log_share

    def raw_threshold(self, threshold: float) -> float:
        """Raw score that corresponds to a threshold on the common scale.

        Parameters
        ----------
        threshold : float
            Infinities stay infinite.

        Returns
        -------
        float
            In the detector's units: :meth:`scaled` of it is `threshold`.
        """
        return self.scale.inverse(threshold - self.log_share)


def effective(
    labels: Array, from_labels: tuple[Any, ...] | None, to: Any, action: str
) -> npt.NDArray[np.bool_]:
    """Where a rule with these labels may act.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,)
        Legacy labels.
    from_labels : tuple of labels or None
        ``None``: every label.
    to : label
    action : {"relabel", "flag"}
        A flag may also stand where the legacy label is `to` already.

    Returns
    -------
    ndarray of bool of shape (n_rows,)

    Examples
    --------
    >>> effective(np.array([0, 1, 2]), (0, 2), 2, "relabel").tolist()
    [True, False, False]
    """
    if from_labels is None:
        inside = np.ones(labels.shape, dtype=bool)
    else:
        inside = np.isin(labels, np.asarray(from_labels))
    if action == "relabel":
        inside &= np.asarray(labels != to)
    return np.asarray(inside)


def worth(left_out: FloatArray, right: FloatArray, log_share: float) -> float:
    """Score at which Youden's index of left-out rows ends: not worth firing below it.

    Below it a larger share of all right decisions than of all errors would be changed,
    so a budget that reaches further buys nothing.  It is the score of the right
    decision next below the error where the index is largest, since down to there
    nothing right is changed.

    Parameters
    ----------
    left_out, right : ndarray
        Scores of errors and of right decisions, by detectors that did not see them.
    log_share : float
        Log of the rule's share of all errors over its share of right decisions.

    Returns
    -------
    float
        ``-inf`` where no error was left out.

    Examples
    --------
    >>> worth(np.array([2.5, 9.0]), np.arange(10.0), log_share=0.0)
    8.0
    """
    if left_out.size == 0 or np.isnan(left_out).any():
        return -np.inf
    rising = np.sort(right)
    steps, caught = np.unique(left_out, return_counts=True)
    gain = np.cumsum(caught[::-1])[::-1] / left_out.size
    below = np.searchsorted(rising, steps, side="left")
    damage = (right.size - below) / right.size
    best = int(below[np.argmax(np.exp(log_share) * gain - damage)])
    return float(rising[best - 1]) if best else -np.inf


def _check_text(name: str) -> None:
    """Refuse half a character, as broken files have: no table or file can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the rule's name {name!r} is no text: {name[error.start]!r} is half a "
            "character; give it another name or, if a label gave it, read the labels "
            "again in the encoding of their file, such as "
            "pandas.read_csv(FILE, encoding='latin-1')"
        ) from error


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _plain(label: Any) -> Any:
    """A label as a Python value: the same text for 1 and ``np.int64(1)``."""
    return label.item() if isinstance(label, np.generic) else label
