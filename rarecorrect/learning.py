"""From errors to rules: which confusions, which background, how good on errors unseen.

Only fitting rows come in here; thresholds are set elsewhere, on rows never seen here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from rarecorrect.ledger import fingerprint
from rarecorrect.rule import Rule, detector_score, effective, linear_form
from rarecorrect.tail_scale import TailScale

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

N_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class FittingRows:
    """What a rule may be learnt from.

    Attributes
    ----------
    Z : ndarray of shape (n_rows, n_features)
        Features of all rows.
    y, labels : ndarray of shape (n_rows,)
        True labels, legacy labels.
    right : ndarray of int
        Positions of right decisions that do not calibrate: the background.
    errors : ndarray of int
        Positions of errors.
    sample_weight, groups, case_id : ndarray of shape (n_rows,) or None
    """

    Z: Array
    y: Array
    labels: Array
    right: Indices
    errors: Indices
    sample_weight: Array | None = None
    groups: Array | None = None
    case_id: Array | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that was not learnt, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Confusion:
    """Errors with one true label, made from some legacy labels."""

    to: Any
    from_labels: tuple[Any, ...] | None

    @property
    def name(self) -> str:
        """Name of the rule that corrects it."""
        if self.from_labels is None:
            return f"to {self.to}"
        return f"{', '.join(map(str, self.from_labels))} to {self.to}"


def learn_rules(
    rows: FittingRows,
    detector: Any,
    *,
    confusions: Any = "all",
    action: str = "relabel",
    random_state: int = 0,
    n_jobs: int | None = None,
) -> tuple[list[Rule], list[Refusal]]:
    """One rule for each confusion that has errors and a background.

    Parameters
    ----------
    rows : FittingRows
    detector : classifier
        Unfitted prototype; cloned.
    confusions : "all", list of labels, or list of (legacy label, true label)
    action : {"relabel", "flag"}
    random_state : int
        Seed of the folds, and of detectors that take one and have none.
    n_jobs : int or None
        Rules learnt at once.

    Returns
    -------
    rules : list of Rule
    refused : list of Refusal
    """
    wanted = list(_confusions(rows, confusions))
    made = Parallel(n_jobs=n_jobs)(
        delayed(_learn_rule)(rows, c, detector, action, random_state) for c in wanted
    )
    rules = [r for r in made if isinstance(r, Rule)]
    refused = [r for r in made if isinstance(r, Refusal)]
    return rules, refused


def cross_scores(
    detector: Any,
    Z: Array,
    is_error: npt.NDArray[np.bool_],
    *,
    sample_weight: Array | None = None,
    groups: Array | None = None,
    random_state: int = 0,
) -> FloatArray:
    """Score of every row by a detector that was fitted without it.

    Parameters
    ----------
    detector : classifier
        Unfitted prototype.
    Z : ndarray of shape (n_rows, n_features)
    is_error : ndarray of bool of shape (n_rows,)
    sample_weight, groups : ndarray of shape (n_rows,), optional
        Rows of one group are left out together.
    random_state : int
        Seed of the folds.

    Returns
    -------
    ndarray of shape (n_rows,)
        NaN for errors if there is only one (group) of them: without it there is
        nothing to learn from.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> rng = np.random.default_rng(0)
    >>> Z = rng.normal(size=(110, 3)); Z[100:] += 3
    >>> is_error = np.arange(110) >= 100
    >>> scores = cross_scores(FisherDetector(), Z, is_error)
    >>> bool(np.median(scores[is_error]) > np.quantile(scores[~is_error], 0.95))
    True
    """
    fold = _folds(is_error, groups, np.random.default_rng(random_state))
    scores = np.full(len(Z), np.nan)
    for f in range(fold.max() + 1):
        out = fold == f
        fitted = fit_detector(detector, Z, is_error, ~out, sample_weight, random_state)
        scores[out] = detector_score(fitted, Z[out])
    return scores


def fit_detector(
    detector: Any,
    Z: Array,
    is_error: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.bool_] | slice = slice(None),
    sample_weight: Array | None = None,
    random_state: int = 0,
) -> Any:
    """Clone of a detector, fitted on some rows; seeded wherever it has no seed."""
    fitted = clone(detector)
    free = [
        name
        for name, value in fitted.get_params().items()
        if value is None and name.rpartition("__")[2] == "random_state"
    ]
    fitted.set_params(**dict.fromkeys(free, random_state))
    target = is_error[rows].astype(int)
    if sample_weight is None:
        return fitted.fit(Z[rows], target)
    return fitted.fit(Z[rows], target, sample_weight=sample_weight[rows])


def takes_sample_weight(detector: Any) -> bool:
    """Whether ``fit`` of a detector knows sample weights."""
    return bool(has_fit_parameter(detector, "sample_weight"))


def _learn_rule(
    rows: FittingRows,
    confusion: Confusion,
    detector: Any,
    action: str,
    random_state: int,
) -> Rule | Refusal:
    errors = rows.errors[_belongs(rows, confusion, rows.errors)]
    inside = effective(
        rows.labels[rows.right], confusion.from_labels, confusion.to, action
    )
    right = rows.right[inside]
    if rows.sample_weight is not None:  # a row of weight 0 is not there, in no fold
        errors = errors[rows.sample_weight[errors] > 0]
        right = right[rows.sample_weight[right] > 0]
    lacking = _lacking(rows, errors, right)
    if lacking:
        return Refusal(confusion.name, lacking)
    chosen = np.concatenate([right, errors])
    is_error = np.arange(chosen.size) >= right.size
    Z = rows.Z[chosen]
    weight = None if rows.sample_weight is None else rows.sample_weight[chosen]
    groups = None if rows.groups is None else rows.groups[chosen]
    try:
        fitted = fit_detector(
            detector, Z, is_error, sample_weight=weight, random_state=random_state
        )
        scores = cross_scores(
            detector,
            Z,
            is_error,
            sample_weight=weight,
            groups=groups,
            random_state=random_state,
        )
        scale = TailScale.from_scores(scores[~is_error])
        coef, intercept = linear_form(fitted, Z)
    except Exception as error:
        # any detector may be passed: whatever it raises, the legacy answer stays
        return Refusal(
            confusion.name,
            f"the detector {type(detector).__name__} failed: "
            f"{type(error).__name__}: {error}",
        )
    log_share = float(
        np.log(len(errors) / len(rows.errors) * len(rows.right) / len(right))
    )
    scaled = scale(scores) + log_share
    left_out = np.sort(scaled[is_error])
    ids = () if rows.case_id is None else tuple(rows.case_id[errors].tolist())
    parts = (confusion.name, action, repr(detector))
    return Rule(
        name=confusion.name,
        to=confusion.to,
        detector=fitted,
        scale=scale,
        from_labels=confusion.from_labels,
        action=action,
        log_share=log_share,
        n_errors=int(errors.size),
        n_background=int(right.size),
        case_ids=ids,
        worth=_worth(left_out, scaled[~is_error], log_share),
        left_out=left_out,
        identity=fingerprint(np.array(parts), rows.Z[errors], coef, scores)[:16],
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        coef=coef,
        intercept=intercept,
    )


def _lacking(rows: FittingRows, errors: Indices, right: Indices) -> str:
    """Why a rule cannot be learnt, or an empty string."""
    weighted = "" if rows.sample_weight is None else " with positive sample_weight"
    if errors.size == 0:
        return f"no error of this kind{weighted}"
    if right.size < 2:
        return (
            f"{right.size} right decisions{weighted} among the rows it could change, 2 "
            "or more are needed to know what right looks like"
        )
    used = np.concatenate([errors, right])
    if not np.isfinite(rows.Z[used]).all():
        bad = int((~np.isfinite(rows.Z[used])).any(axis=1).sum())
        return f"{bad} fitting rows have features that are not finite"
    return ""


def _confusions(rows: FittingRows, wanted: Any) -> Iterator[Confusion]:
    if isinstance(wanted, str):
        for label in np.unique(rows.y[rows.errors]).tolist():
            yield Confusion(label, None)
        return
    for item in wanted:
        single = isinstance(item, str) or not np.iterable(item)
        labels = [
            v.item() if isinstance(v, np.generic) else v
            for v in ([item] if single else item)
        ]
        if single:
            yield Confusion(labels[0], None)
        elif len(labels) == 2:
            yield Confusion(labels[1], (labels[0],))
        else:
            raise ValueError(
                f"confusions must hold true labels or (legacy label, true label), got "
                f"{item!r}"
            )


def _belongs(
    rows: FittingRows, confusion: Confusion, where: Indices
) -> npt.NDArray[np.bool_]:
    inside = rows.y[where] == confusion.to
    if confusion.from_labels is not None:
        inside &= np.isin(rows.labels[where], np.asarray(confusion.from_labels))
    return np.asarray(inside)


def _folds(
    is_error: npt.NDArray[np.bool_], groups: Array | None, rng: np.random.Generator
) -> Indices:
    """Fold of every row; errors and right decisions are spread evenly.

    A single error (or group of errors) is in fold -1: in every training part.
    """
    units = np.arange(is_error.size) if groups is None else _codes(groups)
    error_units = np.unique(units[is_error])
    plain_units = np.setdiff1d(units, error_units)
    if plain_units.size < 2:  # one group holds all right decisions: leave rows out
        return _folds(is_error, None, rng)
    of_unit = np.empty(units.max() + 1, dtype=np.intp)
    of_unit[plain_units] = rng.permutation(plain_units.size) % N_FOLDS
    of_unit[error_units] = rng.permutation(error_units.size) % N_FOLDS
    fold = of_unit[units]
    if error_units.size == 1:
        fold[is_error] = -1
    return np.asarray(fold)


def _codes(groups: Array) -> Indices:
    return np.asarray(np.unique(groups, return_inverse=True)[1])


def _worth(left_out: FloatArray, right: FloatArray, log_share: float) -> float:
    """Score at which Youden's index of left-out rows ends: not worth firing below it.

    Below it a larger share of all right decisions than of all errors would be changed,
    so a budget that reaches further buys nothing.  It is the score of the right
    decision next below the error where the index is largest, since down to there
    nothing right is changed.  ``-inf`` where no error was left out.

    Parameters
    ----------
    left_out, right : ndarray
        Scores of errors and of right decisions, by detectors that did not see them.
    log_share : float
        Log of the rule's share of all errors over its share of right decisions.
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
