"""From errors to rules: which confusions, which background, how good on errors unseen.

Only fitting rows come in here; thresholds are set elsewhere, on rows never seen here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from rarecorrect import clock
from rarecorrect.cross_fitting import cross_scores, fit_detector, linear_form
from rarecorrect.decisions import judged
from rarecorrect.detectors import FisherDetector
from rarecorrect.ledger import fingerprint
from rarecorrect.moments import Moments
from rarecorrect.rule import KeptErrors, Rule, effective, worth
from rarecorrect.tail_scale import TailScale
from rarecorrect.training_rows import row_keys

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


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
    strata : ndarray of shape (n_rows,) or None
        Class or segment of every row, where thresholds differ.
    keep_errors : bool
        Whether rules keep the features of their errors.
    whole : mapping from label to Moments, or None
        Moments of all right decisions by legacy label, where `right` is a sample of
        them: a linear rule is learnt from these, its scores are compared on the sample.

    Examples
    --------
    The legacy model says 0 on five rows, and is wrong on the last two:

    >>> Z, y, labels = np.eye(5), np.array([0, 0, 0, 1, 1]), np.zeros(5, dtype=int)
    >>> right, errors = np.flatnonzero(y == labels), np.flatnonzero(y != labels)
    >>> rows = FittingRows(Z, y, labels, right, errors)
    >>> rows.right.tolist(), rows.errors.tolist()
    ([0, 1, 2], [3, 4])
    """

    Z: Array
    y: Array
    labels: Array
    right: Indices
    errors: Indices
    sample_weight: Array | None = None
    groups: Array | None = None
    case_id: Array | None = None
    strata: Array | None = None
    keep_errors: bool = False
    whole: Mapping[Hashable, Moments] | None = None

    @property
    def n_right(self) -> int:
        """Number of right decisions, those known by their moments only too."""
        if self.whole is None:
            return len(self.right)
        return round(sum(moments.weight for moments in self.whole.values()))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that was not learnt, and why.

    Attributes
    ----------
    name : str
        Name that the rule would have had.
    reason : str

    Examples
    --------
    >>> print(Refusal("to fraud", "no error of this kind").reason)
    no error of this kind
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Confusion:
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
        Unfitted prototype; cloned.  With ``rows.whole`` one that is learnt from
        moments, see :func:`learns_from_moments`.
    confusions : "all", list of labels or list of (legacy label, true label), \
default="all"
    action : {"relabel", "flag"}, default="relabel"
    random_state : int, default=0
        Seed of the folds, and of detectors that take one and have none.
    n_jobs : int or None, default=None
        Rules learnt at once.

    Returns
    -------
    rules : list of Rule
    refused : list of Refusal

    Raises
    ------
    ValueError
        For a confusion that is neither a label nor a pair of labels.

    Examples
    --------
    The legacy model says 0 everywhere, and is wrong on the last 10 rows:

    >>> from rarecorrect.detectors import FisherDetector
    >>> rng = np.random.default_rng(0)
    >>> Z = np.vstack([rng.normal(size=(200, 2)), rng.normal(6, 1, size=(10, 2))])
    >>> y, labels = np.repeat([0, 1], [200, 10]), np.zeros(210, dtype=int)
    >>> rows = FittingRows(Z, y, labels, np.arange(200), np.arange(200, 210))
    >>> rules, refused = learn_rules(rows, FisherDetector(), confusions=[1, 2])
    >>> [(rule.name, rule.n_errors) for rule in rules]
    [('to 1', 10)]
    >>> refused
    [Refusal(name='to 2', reason='no error of this kind')]
    """
    wanted = list(_confusions(rows, confusions))
    made = Parallel(n_jobs=n_jobs)(
        delayed(_learn_rule)(rows, c, detector, action, random_state) for c in wanted
    )
    rules = [r for r in made if isinstance(r, Rule)]
    refused = [r for r in made if isinstance(r, Refusal)]
    learnt = [
        judged(rule, rules, _kept(rows, _errors_of(rows, confusion)))
        for rule, confusion in zip(made, wanted, strict=True)
        if isinstance(rule, Rule)
    ]
    return learnt, refused


def takes_sample_weight(detector: Any) -> bool:
    """Whether ``fit`` of a detector knows sample weights.

    Parameters
    ----------
    detector : classifier

    Returns
    -------
    bool

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> takes_sample_weight(LogisticRegression())
    True
    >>> takes_sample_weight(KNeighborsClassifier())
    False
    """
    return bool(has_fit_parameter(detector, "sample_weight"))


def learns_from_moments(detector: Any) -> bool:
    """Whether a detector needs no more of right decisions than their moments.

    Parameters
    ----------
    detector : classifier

    Returns
    -------
    bool

    Examples
    --------
    >>> learns_from_moments(FisherDetector())
    True
    >>> learns_from_moments(FisherDetector(n_clusters=2))
    False
    """
    return isinstance(detector, FisherDetector) and hasattr(detector, "fit_left_out")


def _learn_rule(
    rows: FittingRows,
    confusion: _Confusion,
    detector: Any,
    action: str,
    random_state: int,
) -> Rule | Refusal:
    errors = _errors_of(rows, confusion)
    inside = effective(
        rows.labels[rows.right], confusion.from_labels, confusion.to, action
    )
    right = _present(rows, rows.right[inside])
    lacking = _lacking(rows, errors, right)
    if lacking:
        return Refusal(confusion.name, lacking)
    whole = _whole(rows, confusion, action)
    try:
        learnt = _learnt(rows, right, errors, whole, detector, random_state)
    except Exception as error:
        # any detector may be passed: whatever it raises, the legacy answer stays
        return Refusal(
            confusion.name,
            f"the detector {type(detector).__name__} failed: "
            f"{type(error).__name__}: {error}",
        )
    n_right = len(right) if whole is None else round(whole.weight)
    share = len(errors) / len(rows.errors) * rows.n_right / n_right
    log_share = float(np.log(share))
    left_out = learnt.scale(learnt.of_errors) + log_share
    of_right = learnt.scale(learnt.of_right) + log_share
    ids = () if rows.case_id is None else tuple(rows.case_id[errors].tolist())
    parts = np.array((confusion.name, action, repr(detector)))
    content = parts, rows.Z[errors], learnt.coef, learnt.scores
    return Rule(
        name=confusion.name,
        to=confusion.to,
        detector=learnt.detector,
        scale=learnt.scale,
        from_labels=confusion.from_labels,
        action=action,
        log_share=log_share,
        n_errors=int(errors.size),
        n_background=n_right,
        case_ids=ids,
        worth=worth(left_out, of_right, log_share),
        left_out=left_out,
        identity=fingerprint(*content)[:16],
        created=clock.now(),
        coef=learnt.coef,
        intercept=learnt.intercept,
        keys=row_keys(rows.Z[errors]),
        errors=_kept(rows, errors) if rows.keep_errors else None,
    )


class _Learnt(NamedTuple):
    """A fitted detector, and scores of rows that it did not see."""

    detector: Any
    scale: TailScale
    scores: FloatArray
    of_right: FloatArray
    of_errors: FloatArray
    coef: FloatArray | None
    intercept: float


def _learnt(
    rows: FittingRows,
    right: Indices,
    errors: Indices,
    whole: Moments | None,
    detector: Any,
    random_state: int,
) -> _Learnt:
    """Fit a detector to tell errors from right decisions; score rows left out."""
    chosen = np.concatenate([right, errors])
    is_error = np.arange(chosen.size) >= right.size
    Z = rows.Z[chosen]
    weight = None if rows.sample_weight is None else rows.sample_weight[chosen]
    groups = None if rows.groups is None else rows.groups[chosen]
    options: dict[str, Any] = {"sample_weight": weight, "groups": groups}
    options["random_state"] = random_state
    fitted = _fitted(detector, Z, is_error, whole, options)
    # a detector that left rows out to choose among others need not do it again
    scores = getattr(fitted, "cross_scores_", None)
    if scores is None:
        scores = cross_scores(detector, Z, is_error, **options)
    of_right = scores[~is_error & ~np.isnan(scores)]
    scale = TailScale.from_scores(of_right)
    return _Learnt(
        fitted, scale, scores, of_right, scores[is_error], *linear_form(fitted, Z)
    )


def _whole(rows: FittingRows, confusion: _Confusion, action: str) -> Moments | None:
    """Moments of all right decisions that a rule could change, where they are known."""
    if rows.whole is None:
        return None
    labels = np.array(list(rows.whole))
    inside = effective(labels, confusion.from_labels, confusion.to, action)
    found = [m for m, is_in in zip(rows.whole.values(), inside, strict=True) if is_in]
    return reduce(Moments.merge, found)


def _fitted(
    detector: Any,
    Z: Array,
    is_error: npt.NDArray[np.bool_],
    whole: Moments | None,
    options: dict[str, Any],
) -> Any:
    """Fitted to rows, or to more right decisions that are known by their moments."""
    if whole is None:
        return fit_detector(detector, Z, is_error, **options)
    parameters = detector.get_params()
    if parameters["random_state"] is None:
        parameters["random_state"] = options["random_state"]
    errors = Moments.from_rows(Z[is_error])
    return type(detector).from_moments(whole, errors, **parameters)


def _kept(rows: FittingRows, errors: Indices) -> KeptErrors:
    strata = None if rows.strata is None else rows.strata[errors]
    return KeptErrors(rows.Z[errors], rows.labels[errors], strata)


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


def _confusions(rows: FittingRows, wanted: Any) -> Iterator[_Confusion]:
    if isinstance(wanted, str):
        for label in np.unique(rows.y[rows.errors]).tolist():
            yield _Confusion(label, None)
        return
    for item in wanted:
        single = isinstance(item, str) or not np.iterable(item)
        labels = [
            v.item() if isinstance(v, np.generic) else v
            for v in ([item] if single else item)
        ]
        if single:
            yield _Confusion(labels[0], None)
        elif len(labels) == 2:
            yield _Confusion(labels[1], (labels[0],))
        else:
            raise ValueError(
                f"confusions must hold true labels or (legacy label, true label), got "
                f"{item!r}"
            )


def _errors_of(rows: FittingRows, confusion: _Confusion) -> Indices:
    inside = rows.y[rows.errors] == confusion.to
    if confusion.from_labels is not None:
        labels = rows.labels[rows.errors]
        inside &= np.isin(labels, np.asarray(confusion.from_labels))
    return _present(rows, rows.errors[inside])


def _present(rows: FittingRows, where: Indices) -> Indices:
    """Leave out rows of weight 0: they are not there, in no fold."""
    if rows.sample_weight is None:
        return where
    return where[rows.sample_weight[where] > 0]
