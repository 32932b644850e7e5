"""A detector for a background in which some errors are hidden."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from rarecorrect.certify import check_share
from rarecorrect.cross_fitting import cross_scores, detector_score, fit_detector
from rarecorrect.detectors.base import BinaryDetector, rows_that_teach
from rarecorrect.detectors.fisher import FisherDetector

FloatArray = npt.NDArray[np.float64]


class CleanedDetector(BinaryDetector):
    """A detector that is fitted again without the right decisions most like errors.

    Errors that nobody knows of yet lie among the right decisions and teach the wrong
    thing.  They look like the known ones: every right decision is scored by a detector
    fitted without it, and those with the highest scores are left out of the last fit.

    Parameters
    ----------
    detector : classifier, default=None
        Unfitted binary classifier.  ``None``: :class:`FisherDetector`.
    share : float, default=0.01
        Of the right decisions, in (0, 1), that are left out: about as many as may be
        hidden errors.
    random_state : int, RandomState or None, default=None
        For the folds, and for detectors that take one and have none.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    detector_ : classifier
        Fitted to the background that is left.
    n_left_out_ : int
    n_features_in_ : int

    References
    ----------
    B. Liu et al., "Partially supervised classification of text documents", ICML 2002:
    the two-step form of learning from positive and unlabelled rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1020, 4)); X[1000:] += 4
    >>> hidden = np.concatenate([X, rng.normal(4, 1, size=(10, 4))])
    >>> is_error = (np.arange(1030) >= 1000) & (np.arange(1030) < 1020)
    >>> detector = CleanedDetector(share=0.01, random_state=0).fit(hidden, is_error)
    >>> detector.n_left_out_
    10
    """

    def __init__(
        self, detector: Any = None, share: float = 0.01, random_state: Any = None
    ) -> None:
        self.detector = detector
        self.share = share
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_share(self.share, "share")

    def _fit(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: Any
    ) -> None:
        used = rows_that_teach(is_error, w)
        rows, is_error = X[used], is_error[used]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        prototype = FisherDetector() if self.detector is None else self.detector
        options: dict[str, Any] = {
            "sample_weight": None if w is None else w[used],
            "random_state": seed,
        }
        scores = np.where(
            is_error, -np.inf, cross_scores(prototype, rows, is_error, **options)
        )
        n_right = int(np.sum(~is_error))
        self.n_left_out_ = min(round(self.share * n_right), n_right - 1)
        kept = np.ones(len(rows), dtype=bool)
        kept[np.argsort(-scores, kind="stable")[: self.n_left_out_]] = False
        self.detector_ = fit_detector(prototype, rows, is_error, kept, **options)

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        return detector_score(self.detector_, X)
