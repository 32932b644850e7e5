"""Scorers of corrections for grid search and cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest

from rarecorrect.metrics.checks import as_labels, check_retention
from rarecorrect.metrics.curve import gain_at_retention
from rarecorrect.metrics.report import correction_report

_ALIASES = {"accuracy": "accuracy_after", "macro_f1": "macro_f1_after"}


def correction_scorer(name: str, retention: float = 0.99) -> Callable[..., float]:
    """Return a scorer of corrections for grid search and cross-validation.

    The scorer takes ``(corrector, X, y)``, where the corrector is a fitted
    ErrorCorrector, a Pipeline that ends in one, or a search over one. It compares
    the corrected decisions with those of the legacy model inside; both, and the
    flagged rows, are read from one ``corrector.trace(X)``. A corrector with
    ``per="segment"`` needs ``segment=`` as well: with metadata routing the scorer
    requests it, so ``cross_validate(..., params={"segment": segment})`` passes it on.

    Parameters
    ----------
    name : str
        Any key of ``CorrectionReport.overall``, such as "gain", "retention" or
        "net"; "accuracy" and "macro_f1" for their values after the correction; or
        "gain_at_retention", which sets thresholds aside and reads the curve of the
        scores m(x). ``neg_`` in front changes the sign: search for the least damage
        with "neg_damage", since a search takes the largest value.
    retention : float, default=0.99
        Retention at which "gain_at_retention" is read; in [0, 1].

    Returns
    -------
    callable
        ``scorer(corrector, X, y, *, segment=None) -> float``. NaN where the quantity
        is undefined, as is the gain on a fold without errors: stratify by right and
        wrong decisions.

    Raises
    ------
    ValueError
        Unknown name, or ``retention`` out of range.

    Notes
    -----
    The gain of "gain_at_retention" is a share of ALL errors, as in the report. An
    error for which no rule proposes the true label counts as never repaired;
    otherwise a candidate that proposes little would be judged on little.

    Examples
    --------
    >>> scoring = {name: correction_scorer(name) for name in ("gain", "neg_damage")}
    >>> scoring["gain"]
    _CorrectionScorer(name='gain', retention=0.99)
    """
    valid = _scorer_names()
    if name.removeprefix("neg_") not in valid:
        raise ValueError(
            f"name must be one of {sorted(valid)}, or one of these with neg_ in "
            f"front, got {name!r}"
        )
    check_retention(retention)
    return _CorrectionScorer(name, retention)


@dataclass(frozen=True)
class _CorrectionScorer:
    """A scorer that survives pickling to a worker; see correction_scorer."""

    name: str
    retention: float

    def __call__(
        self, estimator: Any, X: Any, y: ArrayLike, *, segment: ArrayLike | None = None
    ) -> float:
        trace = _trace(estimator, X, segment)
        name = self.name.removeprefix("neg_")
        if name == "gain_at_retention":
            value = _gain_of_trace(trace, y, self.retention)
        else:
            report = correction_report(
                y, trace["before"], trace["after"], flagged=trace["flagged"]
            )
            value = float(report.overall[_ALIASES.get(name, name)])
        return value if name == self.name else -value

    def get_metadata_routing(self) -> MetadataRequest:
        """Request segments, where there are any."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="segment", alias=True)
        return request


def _scorer_names() -> set[str]:
    overall = correction_report([0], [0], [0]).overall
    return {*overall, *_ALIASES, "gain_at_retention"}


def _trace(estimator: Any, X: Any, segment: ArrayLike | None) -> Any:
    """Return the trace of the corrector inside searches and pipelines."""
    while not hasattr(estimator, "trace"):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            X = estimator[:-1].transform(X) if len(estimator) > 1 else X
            estimator = estimator[-1]
        else:
            raise TypeError(
                "a correction scorer needs a fitted ErrorCorrector, alone or as the "
                f"last step of a Pipeline, got {type(estimator).__name__}"
            )
    return estimator.trace(X, **({} if segment is None else {"segment": segment}))


def _gain_of_trace(trace: Any, y: ArrayLike, retention: float) -> float:
    true = as_labels(y, "y")
    right = np.asarray(trace["before"]) == true
    proposes_truth = np.asarray(trace["proposed"]) == true
    score = np.asarray(trace["score"], dtype=np.float64)
    score = np.where(right | proposes_truth, score, -np.inf)
    return gain_at_retention(score, right, ~right, retention)
