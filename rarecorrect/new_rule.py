"""One rule more, in milliseconds: from errors and what a book keeps of the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import unique_labels

from rarecorrect import clock
from rarecorrect.background import Background
from rarecorrect.cross_fitting import folds, linear_form
from rarecorrect.decisions import judged
from rarecorrect.detectors import CascadeDetector, FisherDetector
from rarecorrect.ledger import fingerprint
from rarecorrect.metrics import as_labels
from rarecorrect.moments import Moments
from rarecorrect.rule import KeptErrors, Rule, worth
from rarecorrect.tail_scale import TailScale
from rarecorrect.training_rows import row_keys

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]


def new_rule(
    background: Background,
    Z_errors: npt.ArrayLike,
    y_errors: npt.ArrayLike,
    legacy_labels: npt.ArrayLike,
    *,
    beside: Sequence[Rule] = (),
    name: str = "",
    note: str = "",
    author: str = "",
    state: str = "active",
    action: str = "relabel",
    case_ids: tuple[Any, ...] = (),
    keep_errors: bool = False,
) -> Rule:
    """Learn one rule from errors with one true label.

    Parameters
    ----------
    background : Background
    Z_errors : array-like of shape (n_errors, n_features)
        Features of the errors; one is enough.
    y_errors : array-like of shape (n_errors,)
        True labels, all the same.
    legacy_labels : array-like of shape (n_errors,)
        What the legacy model says, each of them wrong.
    beside : sequence of Rule, default=()
        Rules in service that it will compete with.
    name : str, default=""
        Empty: ``"to <label>"``.
    note, author : str, default=""
    state : {"draft", "shadow", "active", "retired"}, default="active"
    action : {"relabel", "flag"}, default="relabel"
    case_ids : tuple, default=()
        Ids of the errors.
    keep_errors : bool, default=False
        Whether the rule keeps the features of the errors.

    Returns
    -------
    Rule

    Raises
    ------
    ValueError
        For several true labels, decisions that are right, features that are not finite
        or of another number, or no right decisions to tell the errors from.

    Notes
    -----
    How many errors were reported says nothing of how many there are in service, so the
    rule counts as one of average frequency: its share of all errors is one over the
    number of rules.

    The rule is one Fisher discriminant, on the features or, where the background keeps
    them so, on robust columns.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> Z, labels = rng.normal(size=(1000, 3)), np.zeros(1000, dtype=int)
    >>> background = Background.from_rows(Z, labels, np.arange(1000))
    >>> rule = new_rule(background, [[5.0, 5.0, 5.0]], [1], [0])
    >>> rule.name, rule.n_errors, rule.n_background
    ('to 1', 1, 800)
    >>> bool(rule.scaled(rule.score(np.full((1, 3), 5.0)))[0] > 10)
    True
    """
    Z, to, labels = _checked(background, Z_errors, y_errors, legacy_labels)
    right, sample = background.but(to if action == "relabel" else None)
    if right.weight == 0 or len(sample) == 0:
        raise ValueError(
            f"the background has no right decisions with another label than {to!r}, so "
            "nothing says what right looks like there; fit on rows that have some"
        )
    detector = _detector(background, right, Z)
    coef, intercept = linear_form(detector, sample)
    scores = detector.decision_function(sample)
    scale = TailScale.from_scores(scores)
    share = 1 / (1 + len(beside))
    log_share = math.log(share * background.weight / right.weight)
    left_out = scale(_left_out(background, right, Z)) + log_share
    silent = worth(left_out, scale(scores) + log_share, log_share)
    errors = KeptErrors(Z, labels)
    rule = Rule(
        name=name or f"to {to}",
        to=to,
        detector=detector,
        scale=scale,
        action=action,
        state=state,
        log_share=log_share,
        n_errors=len(Z),
        n_background=round(right.weight),
        case_ids=case_ids,
        worth=silent,
        left_out=left_out,
        identity=fingerprint(np.array(["added", action]), Z, coef, scores)[:16],
        note=note,
        author=author,
        created=clock.now(),
        coef=coef,
        intercept=intercept,
        keys=row_keys(Z),
        errors=errors if keep_errors else None,
    )
    return judged(rule, beside, errors)


def _checked(
    background: Background, Z_errors: Any, y_errors: Any, legacy_labels: Any
) -> tuple[FloatArray, Any, Array]:
    """Features, the true label and the legacy labels of errors."""
    Z = np.asarray(Z_errors, dtype=float)
    y, labels = as_labels(y_errors, "y_errors"), as_labels(legacy_labels, "labels")
    if Z.ndim != 2 or Z.shape[1] != background.n_features or len(Z) == 0:
        raise ValueError(
            f"Z_errors must be of shape (n_errors, {background.n_features}), got "
            f"{Z.shape}; a single error is one row"
        )
    if not len(y) == len(labels) == len(Z):
        raise ValueError(
            f"{len(Z)} errors need as many true and legacy labels, got {len(y)} and "
            f"{len(labels)}"
        )
    if not np.isfinite(Z).all():
        bad = int(np.flatnonzero(~np.isfinite(Z).all(axis=1))[0])
        raise ValueError(
            f"the features of error {bad} are not finite; leave it out or impute them"
        )
    true = np.unique(y).tolist()
    if len(true) > 1:
        raise ValueError(
            f"one rule has one true label, got {true}; call add once per label"
        )
    unique_labels(background.sample_labels, labels, y)  # refuses a mix of kinds
    if (y == labels).any():
        right = int(np.flatnonzero(y == labels)[0])
        raise ValueError(
            f"the legacy model says {true[0]!r} on error {right} already: that is no "
            "error; leave it out"
        )
    return Z, true[0], labels


def _detector(
    background: Background, right: Moments, Z: FloatArray
) -> FisherDetector | CascadeDetector:
    columns = background.columns
    if columns is None:
        return FisherDetector.from_moments(right, Moments.from_rows(Z))
    errors = Moments.from_rows(columns(Z))
    return CascadeDetector.from_moments(columns, right, errors)


def _left_out(background: Background, right: Moments, Z: FloatArray) -> FloatArray:
    """Scores of errors by detectors fitted without them; NaN for a single one."""
    fold = folds(np.ones(len(Z), dtype=bool), None, np.random.default_rng(0))
    scores = np.full(len(Z), np.nan)
    for out in (fold == f for f in range(fold.max() + 1)):
        detector = _detector(background, right, Z[~out])
        scores[out] = detector.decision_function(Z[out])
    return scores
