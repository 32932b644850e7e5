"""Gradient boosting on histograms, by XGBoost where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import check_random_state

from rarecorrect.detectors.base import (
    BinaryDetector,
    balanced,
    rows_that_teach,
    weights_of,
)

FloatArray = npt.NDArray[np.float64]

ENGINES = ("auto", "xgboost", "scikit-learn")


class BoostingDetector(BinaryDetector):
    """Shallow boosted trees, the two classes balanced, on a part of the background.

    Needs some fifty errors to be worth its time: each tree sees what the trees before
    it left over.

    Parameters
    ----------
    n_estimators : int, default=40
    learning_rate : float, default=0.2
    max_depth : int, default=4
    max_background : int, default=20_000
        Right decisions used, a random part where there are more.
    engine : {"auto", "xgboost", "scikit-learn"}, default="auto"
        ``"auto"``: XGBoost where it is installed (several times faster), else
        scikit-learn's histogram gradient boosting.  Their scores differ a little.
    random_state : int, RandomState or None, default=None
        For the part of the background, and for the engine.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        Label of right decisions, label of errors.
    booster_ : classifier
        Of XGBoost or scikit-learn.
    n_features_in_ : int

    References
    ----------
    T. Chen, C. Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016,
    doi:10.1145/2939672.2939785.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1100, 4)); X[1000:, :2] *= 5
    >>> detector = BoostingDetector(random_state=0).fit(X, np.arange(1100) >= 1000)
    >>> bool(np.median(detector.decision_function(X[1000:])) > 0)
    True
    """

    def __init__(
        self,
        n_estimators: int = 40,
        learning_rate: float = 0.2,
        max_depth: int = 4,
        max_background: int = 20_000,
        engine: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_background = max_background
        self.engine = engine
        self.random_state = random_state

    def _check_parameters(self) -> None:
        self._check_at_least_one("n_estimators", "max_depth", "max_background")
        if not self.learning_rate > 0:
            raise ValueError(
                f"learning_rate must be above 0, got {self.learning_rate!r}"
            )
        if self.engine not in ENGINES:
            raise ValueError(f"engine must be one of {ENGINES}, got {self.engine!r}")
        if self.engine == "xgboost" and not find_spec("xgboost"):
            raise ValueError(
                "engine='xgboost' needs XGBoost: pip install 'rarecorrect[boosting]', "
                "or engine='auto'"
            )

    def _fit(
        self, X: npt.NDArray[Any], is_error: npt.NDArray[np.bool_], w: Any
    ) -> None:
        rng = check_random_state(self.random_state)
        used = rows_that_teach(is_error, w, max_background=self.max_background, rng=rng)
        rows, is_error, w = X[used], is_error[used], weights_of(used, w)
        weight = balanced(w, is_error)
        # right decisions weigh 1 on average: what limits a leaf is their number
        weight *= np.count_nonzero(~is_error) / weight[~is_error].sum()
        seed = int(rng.randint(2**31 - 1))
        self.booster_ = self._engine(seed).fit(rows, is_error, sample_weight=weight)

    def _score(self, X: npt.NDArray[Any]) -> FloatArray:
        """Log-odds of the balanced problem."""
        if isinstance(self.booster_, HistGradientBoostingClassifier):
            return np.asarray(self.booster_.decision_function(X), dtype=np.float64)
        margin = self.booster_.predict(X, output_margin=True)
        return np.asarray(margin, dtype=np.float64)

    def _engine(self, seed: int) -> Any:
        if self.engine == "scikit-learn" or not find_spec("xgboost"):
            return HistGradientBoostingClassifier(
                max_iter=self.n_estimators,
                learning_rate=self.learning_rate,
                max_depth=self.max_depth,
                min_samples_leaf=5,
                l2_regularization=1.0,
                early_stopping=False,
                random_state=seed,
            )
        from xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            n_jobs=1,
            random_state=seed,
        )
