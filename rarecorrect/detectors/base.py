"""What all detectors share: two classes, of which the larger label marks errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from rarecorrect._compat import check_sample_weight

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class BinaryDetector(ClassifierMixin, BaseEstimator):
    """Base of detectors: a subclass fits, and scores checked rows in ``_score``.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    """

    def decision_function(self, X: npt.ArrayLike) -> FloatArray:
        """Score of every row, high = error.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self._score(rows)

    def predict(self, X: npt.ArrayLike) -> Array:
        """Label of every row: ``decision_function > 0`` marks errors.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        positive = self.decision_function(X) > 0
        return np.asarray(self.classes_[positive.astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _score(self, X: Array) -> FloatArray:
        raise NotImplementedError

    def _checked(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        reset: bool = True,
        classes: Any = None,
    ) -> tuple[Array, Mask, FloatArray | None]:
        """Rows, which of them are errors, and their weights if there are any."""
        rows, labels = validate_data(
            self, X, y, reset=reset, dtype=[np.float64, np.float32]
        )
        check_classification_targets(labels)
        if reset:
            self.classes_ = unique_labels(labels if classes is None else classes)
        if self.classes_.size != 2:
            raise ValueError(
                "Only binary classification is supported: a detector needs right "
                f"decisions and errors, two classes; got {self.classes_.size} class(es)"
            )
        unknown = set(np.unique(labels).tolist()) - set(self.classes_.tolist())
        if unknown:
            raise ValueError(f"labels {unknown} are not in classes {self.classes_}")
        w = None
        if sample_weight is not None:
            w = check_sample_weight(
                sample_weight, rows, dtype=np.float64, ensure_non_negative=True
            )
        return rows, labels == self.classes_[1], w

    def _present(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        max_background: int | None = None,
        rng: Any = None,
    ) -> tuple[Array, Mask, FloatArray]:
        """The same without rows of weight 0, and with a part of the right decisions."""
        rows, is_error, w = self._checked(X, y, sample_weight)
        weight = np.ones(len(rows)) if w is None else w
        right = np.flatnonzero(~is_error & (weight > 0))
        errors = np.flatnonzero(is_error & (weight > 0))
        if min(errors.size, right.size) == 0:
            raise ValueError(
                "a detector needs rows of two classes with positive weight; there are "
                f"{right.size} right decisions and {errors.size} errors"
            )
        if max_background is not None and right.size > max_background:
            right = np.sort(rng.choice(right, max_background, replace=False))
        used = np.concatenate([right, errors])
        return rows[used], is_error[used], weight[used]


def balanced(w: FloatArray, is_error: Mask) -> FloatArray:
    """Weights that give each class half of their sum."""
    shares = np.where(is_error, w / w[is_error].sum(), w / w[~is_error].sum())
    return np.asarray(shares * w.sum() / 2)
