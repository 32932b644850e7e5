"""Detectors and peers: what to do with a few labelled errors.

Every method gets the same task and the same draw and gives back a score of rows, high
where the legacy decision looks wrong in this way.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import FisherDetector
from rarecorrect.detectors import AutoDetector, CascadeDetector
from rarecorrect_tabular.task import CorrectionTask, Draw

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]
Scorer = Callable[[Indices], Array]
# a task and a draw, with or without settings of the learner -> a score of rows
Method = Callable[..., Scorer]

_TREE_BACKGROUND = 10_000
_TIE_BREAK = 1e-3
N_JOBS = 2  # threads of the forest; the boosted trees get one, see benchmark.py


def fisher(task: CorrectionTask, draw: Draw) -> Scorer:
    """One Fisher discriminant: the default detector of ``ErrorCorrector``.

    At the bare certified threshold, as all others; the corrector itself goes no lower
    than its fitting rows say is worth firing at.
    """
    detector = FisherDetector().fit(task.Z[draw.fitting], draw.is_error)
    return lambda rows: detector.decision_function(task.Z[rows])


def cascade(task: CorrectionTask, draw: Draw) -> Scorer:
    """Fisher discriminants one behind the other, on robustly scaled columns."""
    detector = CascadeDetector(random_state=draw.seed)
    detector.fit(task.Z[draw.fitting], draw.is_error)
    return lambda rows: detector.decision_function(task.Z[rows])


def extra_trees(task: CorrectionTask, draw: Draw, **settings: Any) -> Scorer:
    """200 randomised trees on a small background; a linear score breaks their ties."""
    chosen = {"n_estimators": 200, "class_weight": "balanced"} | settings
    few = np.concatenate([draw.background[:_TREE_BACKGROUND], draw.cases])
    is_error = np.arange(few.size) >= few.size - draw.cases.size
    trees = ExtraTreesClassifier(**chosen, n_jobs=N_JOBS, random_state=draw.seed)
    trees.fit(task.Z[few], is_error)
    linear = FisherDetector().fit(task.Z[few], is_error)
    scale = float(np.std(linear.decision_function(task.Z[few]))) or 1.0

    def score(rows: Indices) -> Array:
        Z = task.Z[rows]
        share = trees.predict_proba(Z)[:, 1]
        return np.asarray(share + _TIE_BREAK * linear.decision_function(Z) / scale)

    return score


def logistic(task: CorrectionTask, draw: Draw, **settings: Any) -> Scorer:
    """Logistic regression with balanced classes on standardised features."""
    chosen = {"class_weight": "balanced", "max_iter": 1000} | settings
    model = make_pipeline(StandardScaler(), LogisticRegression(**chosen))
    model.fit(task.Z[draw.fitting].astype(float), draw.is_error)
    return lambda rows: model.decision_function(task.Z[rows].astype(float))


def xgboost(task: CorrectionTask, draw: Draw, **settings: Any) -> Scorer:
    """100 boosted trees of depth 4."""
    from xgboost import XGBClassifier

    chosen = {"n_estimators": 100, "max_depth": 4} | settings
    model = XGBClassifier(**chosen, n_jobs=1, random_state=draw.seed)
    model.fit(task.Z[draw.fitting], draw.is_error.astype(int))
    return lambda rows: model.predict(task.Z[rows], output_margin=True)


def balanced_forest(task: CorrectionTask, draw: Draw) -> Scorer:
    """200 random trees, each on as many right decisions as there are errors."""
    from imblearn.ensemble import BalancedRandomForestClassifier

    forest = BalancedRandomForestClassifier(
        200,
        sampling_strategy="all",
        replacement=True,
        bootstrap=False,
        n_jobs=N_JOBS,
        random_state=draw.seed,
    )
    forest.fit(task.Z[draw.fitting], draw.is_error)
    return lambda rows: forest.predict_proba(task.Z[rows])[:, 1]


def auto(task: CorrectionTask, draw: Draw, damage: float) -> Scorer:
    """Several detectors, weighed by errors left out, at the budget asked for."""
    detector = AutoDetector(max_damage=damage, random_state=draw.seed)
    detector.fit(task.Z[draw.fitting], draw.is_error)
    return lambda rows: detector.decision_function(task.Z[rows])


def shrunken_lda(task: CorrectionTask, draw: Draw) -> Scorer:
    """Linear discriminant analysis with Ledoit-Wolf shrinkage."""
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    model = make_pipeline(StandardScaler(), lda).fit(
        task.Z[draw.fitting].astype(float), draw.is_error
    )
    return lambda rows: model.decision_function(task.Z[rows].astype(float))


def retraining(task: CorrectionTask, draw: Draw) -> Scorer:
    """The legacy model, fitted anew with the labelled cases among its rows.

    Calibration rows are left out, or its certificate would be void.
    """
    left_out = np.concatenate([draw.calibration, draw.removed])
    return task.retrain(draw.cases, left_out, draw.seed)


def threshold_tuning(task: CorrectionTask, draw: Draw) -> Scorer:
    """The legacy score itself, with another threshold; learns nothing."""
    return lambda rows: task.legacy_score[rows]


METHODS: dict[str, Method] = {
    "auto": auto,
    "Fisher": fisher,
    "cascade": cascade,
    "ExtraTrees": extra_trees,
    "balanced forest": balanced_forest,
    "logistic": logistic,
    "XGBoost": xgboost,
    "shrunken LDA": shrunken_lda,
    "retraining": retraining,
    "threshold tuning": threshold_tuning,
}
PRODUCT = "Fisher"  # the detector that a corrector has by default
PRODUCTS = ("auto", PRODUCT)  # what is compared with all others
BY_BUDGET = ("auto",)  # methods that are told the budget, and learn anew for each


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
    (True, 10)
    """
    missing = [] if find_spec("xgboost") else ["XGBoost"]
    return {n: m for n, m in METHODS.items() if n not in missing}, missing
