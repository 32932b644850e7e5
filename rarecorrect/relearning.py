"""A rule without some of its rows: moments taken back, what they give built anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.cross_fitting import folds
from rarecorrect.detectors import FisherDetector
from rarecorrect.ledger import fingerprint
from rarecorrect.moments import Moments
from rarecorrect.rule import KeptErrors, Rule, worth
from rarecorrect.tail_scale import TailScale

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class RightDecisions:
    """Right decisions that a rule is learnt from.

    Attributes
    ----------
    moments : Moments
        Of all of them.
    sample : ndarray of shape (n_sample, n_features)
        Some that the rule may act on, for its scale.
    inside : bool
        Whether the sample is among the moments.  Its scores then come from detectors
        that are fitted without a fifth of it each.

    Examples
    --------
    >>> rows = np.arange(8.0)[:, None]
    >>> RightDecisions(Moments.from_rows(rows), rows[:3], True).moments.weight
    8.0
    """

    moments: Moments
    sample: Array
    inside: bool


def relearnt(
    rule: Rule, right: RightDecisions, log_share: float, places: Indices, Z: Array
) -> Rule:
    """Learn a rule from what is left of its rows.

    Its coefficients are those of a fit to these rows with the clusters and the number
    of components that the rule has; its scale is that of the sample.

    Parameters
    ----------
    rule : Rule
        Of a :class:`~rarecorrect.detectors.FisherDetector`.
    right : RightDecisions
        Those that are left.
    log_share : float
        As in :class:`~rarecorrect.rule.Rule`.
    places : ndarray of int of shape (n_gone,)
        Places of the errors to forget among those of the rule; not of all.
    Z : ndarray of shape (n_gone, n_features)
        Features of these errors.

    Returns
    -------
    Rule
        Errors that are not kept cannot be scored: then `left_out` is NaN, and the rule
        is nowhere mute.

    Raises
    ------
    ValueError
        For another detector, or fewer than two right decisions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(200, 2)), [[6.0, 6.0], [5.0, 7.0]]])
    >>> detector = FisherDetector().fit(Z, np.arange(202) >= 200)
    >>> scale = TailScale.from_scores(detector.decision_function(Z[:200]))
    >>> rule = Rule("to 1", 1, detector, scale, n_errors=2, keys=np.array([1.0, 2.0]))
    >>> right = RightDecisions(detector.moments_[0], Z[:50], inside=True)
    >>> again = relearnt(rule, right, 0.0, np.array([1]), Z[201:])
    >>> other = FisherDetector().fit(Z[:201], np.arange(201) >= 200)
    >>> again.n_errors, bool(np.allclose(again.coef, other.coef_[0]))
    (1, True)
    """
    detector = of_moments(rule)
    if right.moments.weight < 2 or len(right.sample) < 2:
        raise ValueError(
            f"rule {rule.name!r} would have {right.moments.weight:g} right decisions, "
            f"{len(right.sample)} of them to compare scores on, and needs 2 of each; "
            "remove the rule first"
        )
    errors = _Errors.of(rule).without(places, Z)
    gone = {*places.tolist()}
    made = detector.rebuilt(right.moments, errors.clusters, right.sample)
    if made.n_clusters > 1:
        made.cluster_labels_ = errors.codes
    scores, left_out = errors.cross_scores(made, right)
    scale = TailScale.from_scores(scores)
    left_out = scale(left_out) + log_share
    coef = made.coef_[0] if len(made.coef_) == 1 else None
    parts = np.array([rule.action, repr(detector)])
    return replace(
        rule,
        detector=made,
        scale=scale,
        log_share=log_share,
        n_errors=errors.codes.size,
        n_background=round(right.moments.weight),
        case_ids=tuple(v for i, v in enumerate(rule.case_ids) if i not in gone),
        worth=worth(left_out, scale(scores) + log_share, log_share),
        left_out=left_out,
        left_out_strata=None if errors.kept is None else errors.kept.strata,
        identity=fingerprint(parts, made.coef_, made.intercept_, scores)[:16],
        coef=coef,
        intercept=0.0 if coef is None else float(made.intercept_[0]),
        keys=np.delete(rule.keys, places),
        errors=errors.kept,
    )


def of_moments(rule: Rule) -> FisherDetector:
    """Return the detector of a rule, if all that it is follows from moments.

    Parameters
    ----------
    rule : Rule

    Returns
    -------
    FisherDetector

    Raises
    ------
    ValueError
        For another detector.

    Examples
    --------
    >>> scale = TailScale.from_scores([0.0, 1.0])
    >>> of_moments(Rule("to 1", 1, FisherDetector(n_clusters=2), scale))
    FisherDetector(n_clusters=2)
    """
    detector = rule.detector
    if type(detector) is FisherDetector and not detector.sphere:
        return detector
    kind = type(detector).__name__
    kind += "(sphere=True)" * isinstance(detector, FisherDetector)
    raise ValueError(
        f"rule {rule.name!r} was learnt by {kind}, which cannot forget rows: only what "
        "FisherDetector learns follows from sums that rows can be taken out of; remove "
        "the rule first, or fit again without the rows"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Errors:
    """Errors of a rule: moments of their clusters, the cluster of each, their rows."""

    clusters: list[Moments]
    codes: Indices
    kept: KeptErrors | None

    @classmethod
    def of(cls, rule: Rule) -> _Errors:
        one = rule.detector.n_clusters == 1
        if one:
            codes = np.zeros(len(rule.keys), dtype=np.intp)
            return cls(rule.detector.moments_[1:], codes, rule.errors)
        fitted = rule.detector
        return cls(fitted.clusters_, fitted.cluster_labels_, rule.errors)

    @classmethod
    def from_rows(cls, kept: KeptErrors, codes: Indices) -> _Errors:
        there, codes = np.unique(codes, return_inverse=True)
        return cls(Moments.by_code(kept.Z, codes, there.size), codes, kept)

    def without(self, places: Indices, Z: Array) -> _Errors:
        """The other errors, in the same clusters."""
        left = np.delete(np.arange(self.codes.size), places)
        if self.kept is not None:
            return self.from_rows(self.kept.part(left), self.codes[left])
        gone = Moments.by_code(Z, self.codes[places], len(self.clusters))
        clusters = [a.without(b) for a, b in zip(self.clusters, gone, strict=True)]
        there, codes = np.unique(self.codes[left], return_inverse=True)
        return _Errors([clusters[c] for c in there], codes, None)

    def cross_scores(
        self, detector: FisherDetector, right: RightDecisions
    ) -> tuple[FloatArray, FloatArray]:
        """Scores of the sample and of errors, by detectors that did not see them.

        NaN for errors that are not kept, and for a single one.
        """
        inside = right.sample[: len(right.sample) if right.inside else 0]
        errors = inside[:0] if self.kept is None else self.kept.Z
        rows = np.vstack([inside, errors])
        is_error = np.arange(len(rows)) >= len(inside)
        scores, fold = np.full(len(rows), np.nan), np.empty(0, dtype=np.intp)
        if len(rows):
            fold = folds(is_error, None, np.random.default_rng(0))
        for out in (fold == f for f in np.unique(fold[fold >= 0])):
            fitted = detector.rebuilt(
                right.moments.without(Moments.from_rows(rows[out & ~is_error])),
                self._but(np.flatnonzero(out[is_error])),
                inside[~out[~is_error]] if right.inside else right.sample,
            )
            scores[out] = fitted.decision_function(rows[out])
        left_out = np.full(self.codes.size, np.nan)
        left_out[: len(errors)] = scores[is_error]
        if right.inside:
            return scores[~is_error], left_out
        return detector.decision_function(right.sample), left_out

    def _but(self, places: Indices) -> list[Moments]:
        """Moments of the clusters without some errors that are kept."""
        if not places.size:
            return self.clusters
        return self.without(places, np.empty((0, 0))).clusters
