"""Detectors of this package: their parameters, and what they learnt."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rarecorrect._files import trees
from rarecorrect._files.checks import (
    check_array,
    check_names,
    check_types,
    is_a,
    require,
)
from rarecorrect._files.reading import Reader
from rarecorrect._files.records import can_score
from rarecorrect._files.values import Form
from rarecorrect.cross_fitting import CrossFitted
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
    CascadeDetector,
    CleanedDetector,
    FisherDetector,
    IntervalDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect.detectors.auto import Candidate
from rarecorrect.detectors.interval import _Side
from rarecorrect.moments import Moments
from rarecorrect.robust import RobustColumns
from rarecorrect.tail_scale import TailScale
from rarecorrect.whitening import Whitening

Parts = dict[str, Any]

_DETECTOR = {"classes_": np.ndarray, "n_features_in_": int}
_FISHER = {
    "moments_": list,
    "whitening_": Whitening,
    "coef_": np.ndarray,
    "intercept_": np.ndarray,
    "cluster_weights_": np.ndarray,
    "_directions": np.ndarray,
    "_centroids": np.ndarray,
    "_offset": float,
}


def _estimator(
    cls: Any,
    learnt: dict[str, Any],
    check: Callable[[Any, Reader], None] = lambda made, reader: None,
    maybe: dict[str, Any] | None = None,
) -> Form:
    """A detector: its parameters, and what it has learnt if it is fitted."""
    hints = {**learnt, **(maybe or {})}
    parameters = set(cls._get_param_names())

    def take(made: Any) -> Parts:
        unknown = set(vars(made)) - parameters - set(hints) - {"feature_names_in_"}
        if unknown:
            raise ValueError(
                f"{cls.__name__} has attributes {sorted(unknown)}, which files do not "
                "hold; delete them"
            )
        return dict(vars(made))

    def make(parts: Parts, reader: Reader) -> Any:
        fitted = set(parts) - parameters
        needed = parameters | (set(learnt) if fitted else set())
        check_names(parts, needed, {*hints, "feature_names_in_"})
        check_types({n: v for n, v in parts.items() if n in hints}, hints)
        made = cls.__new__(cls)
        vars(made).update(parts)
        made._check_parameters()
        if fitted:
            _check_fitted(made, reader)
            check(made, reader)
        return made

    return Form(cls, take, make)


def _check_fitted(made: Any, reader: Reader) -> None:
    require(made.classes_.shape == (2,), "classes_ are not two")
    if isinstance(made, FisherDetector):
        return  # a stage of a cascade reads other columns; who holds it checks it
    require(
        reader.n_features in (None, made.n_features_in_),
        f"it reads {made.n_features_in_} features of {reader.n_features}",
    )


def _check_fisher(made: FisherDetector, reader: Reader) -> None:
    p, k = made.n_features_in_, made.coef_.shape[0]
    c = made.whitening_.matrix.shape[1]
    require(k > 0, "it has no direction")
    check_array(made.coef_, (k, p), "coef_")
    require(made.whitening_.mean.size == p, "whitening_ is of other features")
    check_array(made._directions, (c, k), "_directions")
    check_array(made._centroids, (k, c), "_centroids")
    for name in ("intercept_", "cluster_weights_"):
        check_array(getattr(made, name), (k,), name)
    require(is_a(made.moments_, list), "moments_ is no list")
    require(
        len(made.moments_) == 2
        and all(type(m) is Moments and m.mean.size == p for m in made.moments_),
        "moments_ are not those of right decisions and of errors",
    )
    require(math.isfinite(made._offset), "_offset is not finite")
    if k > 1:
        check_array(made._log_share, (k,), "_log_share")
        scales = made._scales
        require(
            len(scales) == k and all(type(s) is TailScale for s in scales),
            f"there is not a scale for each of {k} clusters",
        )

    if hasattr(made, "clusters_"):
        require(
            len(made.clusters_) == k
            and all(type(m) is Moments for m in made.clusters_),
            f"there are not moments of each of {k} clusters",
        )
        labels = made.cluster_labels_
        require(
            labels.ndim == 1
            and labels.dtype.kind == "i"
            and ((labels >= 0) & (labels < k)).all(),
            "cluster_labels_ are no clusters",
        )


def _check_logistic(made: LogisticDetector, reader: Reader) -> None:
    check_array(made.coef_, (1, made.n_features_in_), "coef_")
    check_array(made.intercept_, (1,), "intercept_")


def _check_box(made: IntervalDetector, reader: Reader) -> None:
    sides = made._sides
    require(
        len(sides) > 0
        and all(type(s) is _Side and s.column < made.n_features_in_ for s in sides),
        "its sides are not those of its columns",
    )


def _check_trees(made: TreesDetector, reader: Reader) -> None:
    for part in (made.trees_, made.linear_):
        require(part.n_features_in_ == made.n_features_in_, "its parts do not fit")
    require(0 < made._unit < math.inf, f"its unit is {made._unit}")


def _check_boosting(made: BoostingDetector, reader: Reader) -> None:
    n_features = trees.n_features_of(made.booster_)
    require(n_features == made.n_features_in_, "its trees read other features")


def _check_cascade(made: CascadeDetector, reader: Reader) -> None:
    p, stages = made.n_features_in_, made.stages_
    require(made.scale_.centre.size == p, "its scale is of other columns")
    require(
        len(stages) > 0
        and all(
            type(s) is FisherDetector and s.n_features_in_ == 2 * p for s in stages
        ),
        "its stages are none",
    )
    check_array(made.cuts_, (len(stages) - 1,), "cuts_")


def _check_cleaned(made: CleanedDetector, reader: Reader) -> None:
    require(can_score(made.detector_), "its detector has no scores")


def _check_auto(made: AutoDetector, reader: Reader) -> None:
    whole = [(str, CrossFitted, TailScale, float)] * len(made.members_)
    require(made.members_, "it has no members")
    for member, kinds in zip(made.members_, whole, strict=True):
        require(
            type(member) is tuple
            and len(member) == 4
            and all(isinstance(m, k) for m, k in zip(member, kinds, strict=True)),
            "a member is no (name, detector, scale, weight)",
        )
        require(math.isfinite(member[3]), "a weight is not finite")
    require(all(type(c) is Candidate for c in made.candidates_), "candidates_ are none")
    require(math.isfinite(made._offset), "_offset is not finite")


def _cross_fitted() -> Form:
    def make(parts: Parts, reader: Reader) -> CrossFitted:
        check_names(parts, {"models"}, {"coef_", "intercept_"})
        made = CrossFitted.__new__(CrossFitted)
        vars(made).update(parts)
        require(type(made.models) is list and made.models, "it has no models")
        require(all(map(can_score, made.models)), "a model has no scores")
        if len(parts) > 1:
            check_array(made.coef_, (1, reader.n_features), "coef_")
            check_array(made.intercept_, (1,), "intercept_")
        return made

    return Form(CrossFitted, lambda made: vars(made), make)


DETECTORS = [
    _estimator(
        FisherDetector,
        {**_DETECTOR, **_FISHER},
        _check_fisher,
        maybe={
            "_scales": list,
            "_log_share": np.ndarray,
            "clusters_": list,
            "cluster_labels_": np.ndarray,
        },
    ),
    _estimator(
        LogisticDetector,
        {**_DETECTOR, "coef_": np.ndarray, "intercept_": np.ndarray, "n_iter_": int},
        _check_logistic,
    ),
    _estimator(IntervalDetector, {**_DETECTOR, "_sides": list}, _check_box),
    _estimator(
        TreesDetector,
        {
            **_DETECTOR,
            "trees_": trees.FOREST,
            "linear_": FisherDetector,
            "_unit": float,
        },
        _check_trees,
    ),
    _estimator(BoostingDetector, {**_DETECTOR, "booster_": Any}, _check_boosting),
    _estimator(
        CleanedDetector,
        {**_DETECTOR, "detector_": Any, "n_left_out_": int},
        _check_cleaned,
    ),
    _estimator(
        CascadeDetector,
        {
            **_DETECTOR,
            "scale_": RobustColumns,
            "stages_": list,
            "cuts_": np.ndarray,
            "_offset": float,
        },
        _check_cascade,
    ),
    _estimator(
        AutoDetector,
        {
            **_DETECTOR,
            "members_": list,
            "candidates_": list,
            "box_": IntervalDetector | None,
            "cross_scores_": np.ndarray,
            "_offset": float,
        },
        _check_auto,
        maybe={"coef_": np.ndarray, "intercept_": np.ndarray},
    ),
    _cross_fitted(),
    *trees.FORMS,
]
