"""The model in service: whether it is fitted, and what it says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from rarecorrect._compat import safe_indexing


def check_legacy_model(estimator: Any) -> None:
    """Refuse what cannot be a legacy model.

    Parameters
    ----------
    estimator : object

    Raises
    ------
    ValueError
        For a regressor, or an object that does not predict.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> check_legacy_model(LogisticRegression())
    >>> check_legacy_model(LinearRegression())
    Traceback (most recent call last):
        ...
    ValueError: estimator must be a classifier, fitted or not, got LinearRegression...
    """
    tags = tags_of(estimator)
    kind = None if tags is None else tags.estimator_type
    # some classifiers get ``predict`` when they are fitted
    if kind == "regressor" or not (
        kind == "classifier" or hasattr(estimator, "predict")
    ):
        raise ValueError(
            f"estimator must be a classifier, fitted or not, got {estimator!r}; for a "
            "vendor's score use ColumnModel"
        )


def tags_of(estimator: Any) -> Tags | None:
    """Tags of an object, or None if it has none, alone or in a ``FrozenEstimator``.

    Parameters
    ----------
    estimator : object

    Returns
    -------
    Tags or None

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> tags_of(FrozenEstimator(LogisticRegression())).estimator_type
    'classifier'
    >>> tags_of(FrozenEstimator("a model of another library")) is None
    True
    """
    if not hasattr(estimator, "__sklearn_tags__"):
        return None
    try:
        return get_tags(estimator)
    except AttributeError:
        return None


def keeps_fitted_state(estimator: Any) -> bool:
    """Whether an object that has ``fit`` says that it is fitted.

    It says so by its own ``__sklearn_is_fitted__`` or an attribute such as ``coef_``.

    Parameters
    ----------
    estimator : object

    Returns
    -------
    bool

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> keeps_fitted_state(StandardScaler())
    False
    >>> keeps_fitted_state(StandardScaler().fit([[0.0], [1.0]]))
    True
    """
    if tags_of(estimator) is None:
        return bool(getattr(estimator, "__sklearn_is_fitted__", lambda: False)())
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def is_fitted(model: Any, X: Any = None) -> bool:
    """Whether a model is in service: only one that is proven unfitted is not.

    A model may hide its fitted state.  So one that does not say that it is fitted is
    asked to predict one row.  It is unfitted if it raises ``NotFittedError``, misses
    an attribute of its own such as ``coef_``, or says so itself and fails.

    Parameters
    ----------
    model : object
    X : array-like, frame or sparse matrix of shape (n_rows, n_columns), optional
        Rows that it takes.  Without, it is asked about a row of one zero, and fitted
        if that proves nothing: it must not be cloned.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If it fails on a row of `X` for another reason: it cannot be told.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> is_fitted(LogisticRegression())
    False
    """
    if isinstance(model, FrozenEstimator) or not hasattr(model, "fit"):
        return hasattr(model, "predict")
    if keeps_fitted_state(model):
        return True
    if not hasattr(model, "predict"):  # some get it when they are fitted
        return False
    try:
        model.predict(np.zeros((1, 1)) if X is None else safe_indexing(X, [0]))
    except Exception as error:
        if _misses_fitted_state(error, model):
            return False
        if X is None:
            return True
        raise ValueError(
            f"it cannot be told whether {type(model).__name__} is fitted: it does not "
            f"say so, and on a row of X predict raised {error!r}; if it is fitted, "
            "wrap it in FrozenEstimator, if not, fit it first or give it "
            "__sklearn_is_fitted__"
        ) from error
    return True


def _misses_fitted_state(error: Exception, model: Any) -> bool:
    if isinstance(error, NotFittedError) or hasattr(model, "__sklearn_is_fitted__"):
        return True
    if isinstance(error, AttributeError) and error.obj is model:
        return str(error.name).endswith("_")
    return False
