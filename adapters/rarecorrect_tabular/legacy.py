"""The model in service when the user brings none, and its scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

_SMALLEST_PROBABILITY = 1e-12


def default_legacy(random_state: int | None = None) -> HistGradientBoostingClassifier:
    """Unfitted gradient boosting that stays calm where one row in a thousand is fraud.

    At scikit-learn's defaults a few frauds in a small leaf have next to no curvature,
    steps explode and early stopping ends after some ten trees.  Small steps, larger
    leaves and a penalty prevent that.

    Parameters
    ----------
    random_state : int or None, default=None

    Returns
    -------
    HistGradientBoostingClassifier

    Examples
    --------
    >>> default_legacy(0).max_iter
    100
    """
    return HistGradientBoostingClassifier(
        learning_rate=0.05,
        min_samples_leaf=100,
        l2_regularization=10.0,
        early_stopping=False,
        random_state=random_state,
    )


def log_odds(probability: npt.ArrayLike) -> npt.NDArray[Any]:
    """Log-odds of probabilities, finite for 0 and 1.

    Parameters
    ----------
    probability : array-like of float

    Returns
    -------
    ndarray of float

    Examples
    --------
    >>> log_odds([0.5, 0.9]).round(2).tolist()
    [0.0, 2.2]
    """
    p = np.clip(probability, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    return np.asarray(np.log(p) - np.log1p(-p))
