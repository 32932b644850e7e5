"""The model in service when the user brings none."""

from __future__ import annotations

from sklearn.ensemble import HistGradientBoostingClassifier


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
