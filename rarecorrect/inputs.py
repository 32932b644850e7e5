"""What may be passed to a corrector: columns beside the rows, labels, models."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import (
    assert_all_finite,
    check_consistent_length,
    column_or_1d,
    get_tags,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from rarecorrect.metrics import as_labels
from rarecorrect.roles import Side

Array = npt.NDArray[Any]


def side_of(n: int, **columns: Any) -> Side:
    """Columns beside `n` rows, as arrays.

    Raises
    ------
    ValueError
        For a column that has not one entry per row.

    Examples
    --------
    >>> side_of(2, groups=["a", None]).groups.tolist()
    ['a', 'None']
    """
    return Side(**{name: _as_column(v, n, name) for name, v in columns.items()})


def check_labels(X: Any, y: Any) -> Array:
    """True labels of the rows of `X`, as an array.

    Raises
    ------
    ValueError
        For no labels, infinite or missing ones, continuous ones, or a wrong length.

    Examples
    --------
    >>> check_labels([[0.0], [1.0]], ["ok", "fraud"]).tolist()
    ['ok', 'fraud']
    """
    if y is None:
        raise ValueError(
            "requires y to be passed, but the target y is None: errors are known by "
            "their true labels"
        )
    # a list goes through object: numpy would turn [1, "a"] into ["1", "a"]
    kind = None if hasattr(y, "dtype") else object
    labels = as_labels(column_or_1d(np.asarray(y, dtype=kind), warn=True), "y")
    assert_all_finite(labels)
    check_consistent_length(X, labels)
    check_classification_targets(labels)
    return np.asarray(labels)


def check_legacy_model(estimator: Any) -> None:
    """Refuse what cannot be a legacy model.

    Raises
    ------
    ValueError
        For a regressor, or an object that does not predict.
    """
    regressor = (
        has_tags(estimator) and get_tags(estimator).estimator_type == "regressor"
    )
    if regressor or not hasattr(estimator, "predict"):
        raise ValueError(
            f"estimator must be a classifier, fitted or not, got {estimator!r}; for a "
            "vendor's score use ColumnModel"
        )


def refuse_one_dimension(X: Any) -> None:
    """Refuse a flat array of numbers.

    Raises
    ------
    ValueError
        With the way to reshape it.
    """
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "biuf":
        raise ValueError(
            f"Expected 2D array, got 1D array of {X.size} numbers instead. Reshape "
            "your data: X.reshape(-1, 1) for one column, X.reshape(1, -1) for one row"
        )


def cloned_parameter(name: str, value: Any) -> Any:
    """Clone of a parameter; fitted models and fitted transformers stay as they are.

    ``clone`` would unfit a model in service, and the next fit would silently refit it.
    """
    if name == "features" and isinstance(value, list | tuple):
        return type(value)(cloned_parameter(name, item) for item in value)
    if name in ("estimator", "features") and hasattr(value, "fit"):
        return value if is_fitted(value) else clone(value)
    return clone(value, safe=False)


def has_tags(estimator: Any) -> bool:
    """Whether an object has scikit-learn's tags."""
    return hasattr(estimator, "__sklearn_tags__")


def is_fitted(estimator: Any) -> bool:
    """Whether a model is fitted; one that cannot be fitted is, if it predicts.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> is_fitted(LogisticRegression())
    False
    """
    if not hasattr(estimator, "fit"):
        return hasattr(estimator, "predict")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def _as_column(values: Any, n: int, name: str) -> Array | None:
    if values is None:
        return None
    column = np.asarray(values)
    if column.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {column.shape}")
    if name in ("groups", "segment") and column.dtype == object:
        column = column.astype(str)  # None and NaN have no order
    return column.astype(bool) if name == "calibration_mask" else column
