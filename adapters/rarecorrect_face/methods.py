"""Detectors and peers that learn which decisions of a network are wrong."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import FisherDetector
from rarecorrect.detectors import AutoDetector, CascadeDetector, TreesDetector

# smallest budget and seed -> an unfitted binary classifier
Method = Callable[[float, int], Any]

N_JOBS = 2  # threads of the forest


def auto(damage: float, seed: int) -> AutoDetector:
    """Several detectors, weighed by errors left out, at the budget asked for."""
    return AutoDetector(max_damage=damage, random_state=seed)


def fisher(damage: float, seed: int) -> FisherDetector:
    """One Fisher discriminant: the default of ``ErrorCorrector``."""
    return FisherDetector()


def cascade(damage: float, seed: int) -> CascadeDetector:
    """Fisher discriminants one behind the other, on robustly scaled columns."""
    return CascadeDetector(random_state=seed)


def extra_trees(damage: float, seed: int) -> TreesDetector:
    """200 randomised trees; a linear score breaks their ties."""
    return TreesDetector(n_jobs=N_JOBS, random_state=seed)


def logistic(damage: float, seed: int) -> Any:
    """Logistic regression with balanced classes on standardised features."""
    regression = LogisticRegression(class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), regression)


def xgboost(damage: float, seed: int) -> Any:
    """100 boosted trees of depth 4."""
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1, random_state=seed)


METHODS: dict[str, Method] = {
    "auto": auto,
    "Fisher": fisher,
    "cascade": cascade,
    "ExtraTrees": extra_trees,
    "logistic": logistic,
    "XGBoost": xgboost,
}
PRODUCT = "auto"  # what is compared with all others
PEER = "XGBoost"  # what the journal version of the seed paper corrects with
SLOW = ("auto", "cascade")  # these fit in minutes, and get fewer draws


def available_methods() -> tuple[dict[str, Method], list[str]]:
    """Return the methods that this installation can run, and names of the others.

    Returns
    -------
    methods : dict of str to callable
    missing : list of str

    Examples
    --------
    >>> methods, missing = available_methods()
    >>> "Fisher" in methods, len(methods) + len(missing)
    (True, 6)
    """
    missing = [] if find_spec("xgboost") else ["XGBoost"]
    return {n: m for n, m in METHODS.items() if n not in missing}, missing


def scores_of(model: Any, Z: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Score of every row, high where the decision looks wrong.

    Parameters
    ----------
    model : classifier
        Fitted by one of the methods.
    Z : ndarray of shape (n_rows, n_columns)

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(Z), dtype=float)
    # boosted trees: probabilities would round to 1 and tie
    return np.asarray(model.predict(Z, output_margin=True), dtype=float)
