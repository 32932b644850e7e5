"""What features add to the score of trees: SHAP values, by who knows them exactly."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

FloatArray = npt.NDArray[np.float64]


class NotKnownError(Exception):
    """Why a detector has no contributions.

    Examples
    --------
    >>> str(NotKnownError("none are exact for SVC"))
    'none are exact for SVC'
    """


def values_of_boosting(model: Any, rows: FloatArray) -> FloatArray:
    """SHAP values of gradient boosting, whose score is the sum of its trees.

    Parameters
    ----------
    model : classifier
        Fitted.
    rows : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows, n_features)

    Raises
    ------
    NotKnownError
        For any other model, or without the package that knows.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> try:
    ...     values_of_boosting(GaussianNB(), np.zeros((1, 2)))
    ... except NotKnownError as reason:
    ...     print(reason)
    none are exact for GaussianNB
    """
    engine = type(model).__module__.partition(".")[0]
    if engine == "xgboost":
        from xgboost import DMatrix

        found = model.get_booster().predict(DMatrix(rows), pred_contribs=True)
    elif engine == "lightgbm":
        found = model.predict(rows, pred_contrib=True)
    elif isinstance(model, GradientBoostingClassifier | HistGradientBoostingClassifier):
        return values_by_shap(model, rows)
    else:
        raise NotKnownError(f"none are exact for {type(model).__name__}")
    return np.asarray(found[:, :-1], dtype=float)  # the last column is the constant


def values_by_shap(model: Any, rows: FloatArray) -> FloatArray:
    """SHAP values of trees of scikit-learn, by the package ``shap``.

    Parameters
    ----------
    model : classifier
        Fitted.
    rows : ndarray of shape (n_rows, n_features)

    Returns
    -------
    ndarray of shape (n_rows, n_features)

    Raises
    ------
    NotKnownError
        Where the package is not installed.

    Examples
    --------
    >>> try:
    ...     found = values_by_shap(
    ...         GradientBoostingClassifier().fit([[0.0], [1.0]], [0, 1]),
    ...         np.array([[1.0]]),
    ...     )
    ...     assert found[0, 0] > 0
    ... except NotKnownError as reason:
    ...     assert "rarecorrect[report]" in str(reason)
    """
    if not find_spec("shap"):
        raise NotKnownError(
            "those of trees need the package shap: pip install 'rarecorrect[report]'"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports
        from shap import TreeExplainer

    # whether they add up is checked for all detectors alike
    found = TreeExplainer(model).shap_values(rows, check_additivity=False)
    return np.asarray(found if found.ndim == 2 else found[:, :, 1], dtype=float)
