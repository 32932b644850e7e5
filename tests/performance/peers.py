"""What other packages make of a model that misses a new kind of case.

The model tells digits 8 from all others (the positive class), as a model tells frauds.
A second kind of positives shows up, another digit, of which the model has seen none; it
calls them negative.  Everybody gets the model, the rows that trained it, and the same
fresh labelled rows; everybody is judged on the same rows that nobody has seen.

    pip install mapie==1.6.0 cleanlab==2.9.0
    python tests/performance/peers.py --seeds 20

The peers are no dependency of the project.  One that is not installed is left out, and
said to be.  DESlib 0.3.7 is not here: it calls a method that scikit-learn has removed.
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from imblearn.ensemble import BalancedRandomForestClassifier
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, make_scorer
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rarecorrect import ErrorCorrector

KNOWN, NEW = 8, (0, 1, 2, 3, 4, 5, 6, 7, 9)
DAMAGE = 0.02


@dataclass(frozen=True)
class Case:
    """A model, and the rows that everybody gets."""

    model: Any
    trained: tuple[Any, Any]
    fresh: tuple[Any, Any]
    seed: int


def fresh_model() -> Any:
    """The legacy model, unfitted."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def together(case: Case) -> tuple[Any, Any]:
    """All rows that anybody has labels of."""
    X, y = zip(case.trained, case.fresh, strict=True)
    return np.concatenate(X), np.concatenate(y)


def as_it_is(case: Case) -> Any:
    return case.model


def corrector(case: Case) -> Any:
    return ErrorCorrector(
        case.model, confusions=[(0, 1)], max_damage=DAMAGE, random_state=case.seed
    ).fit(*case.fresh)


def corrector_auto(case: Case) -> Any:
    return ErrorCorrector(
        case.model,
        detector="auto",
        confusions=[(0, 1)],
        max_damage=DAMAGE,
        random_state=case.seed,
    ).fit(*case.fresh)


def tuned_threshold(case: Case) -> Any:
    """The threshold with the best balanced accuracy, the default."""
    return TunedThresholdClassifierCV(
        FrozenEstimator(case.model), cv="prefit", refit=False
    ).fit(*case.fresh)


def tuned_to_the_budget(case: Case) -> Any:
    """The threshold that catches most at a false positive rate within the budget."""

    def recall(y: Any, predicted: Any) -> float:
        (tn, fp), (fn, tp) = confusion_matrix(y, predicted, labels=[0, 1])
        return float(tp / (tp + fn)) if fp <= DAMAGE * (fp + tn) else 0.0

    return TunedThresholdClassifierCV(
        FrozenEstimator(case.model),
        scoring=make_scorer(recall),
        cv="prefit",
        refit=False,
        thresholds=1000,
    ).fit(*case.fresh)


def controlled_by_mapie(case: Case) -> Any:
    """The threshold that controls the false positive rate; the model if none does."""
    control = importlib.import_module("mapie.risk_control")
    found = control.BinaryClassificationController(
        predict_function=case.model.predict_proba,
        risk="fpr",
        target_level=DAMAGE,
        confidence_level=0.95,
        best_predict_param_choice="recall",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no threshold is controlled
        found.calibrate(*case.fresh)
    return found if len(found.valid_predict_params) else case.model


def retrained(case: Case) -> Any:
    return fresh_model().fit(*together(case))


def balanced_forest(case: Case) -> Any:
    """imbalanced-learn, retrained on everything."""
    return BalancedRandomForestClassifier(random_state=case.seed).fit(*together(case))


def retrained_by_cleanlab(case: Case) -> Any:
    """Without the rows whose labels look wrong."""
    classification = importlib.import_module("cleanlab.classification")
    return classification.CleanLearning(
        fresh_model(), seed=case.seed, find_label_issues_kwargs={"n_jobs": 1}
    ).fit(*together(case))


PEERS: dict[str, Callable[[Case], Any]] = {
    "model as it is": as_it_is,
    "ErrorCorrector": corrector,
    'ErrorCorrector, detector="auto"': corrector_auto,
    "TunedThresholdClassifierCV, balanced accuracy": tuned_threshold,
    "TunedThresholdClassifierCV, FPR within 2 %": tuned_to_the_budget,
    "MAPIE BinaryClassificationController, FPR 2 %": controlled_by_mapie,
    "retrained": retrained,
    "imbalanced-learn BalancedRandomForest, retrained": balanced_forest,
    "cleanlab CleanLearning, retrained": retrained_by_cleanlab,
}


def judged(seed: int, new: int, n_cases: int) -> list[dict[str, Any]]:
    """One seed, one new digit: what each peer repairs and breaks."""
    rng = np.random.default_rng([seed, new])
    X, digit = load_digits(return_X_y=True)
    y = np.isin(digit, (KNOWN, new)).astype(int)
    rows = rng.permutation(len(y))
    trained, fresh, test = rows[:600], rows[600:1200], rows[1200:]
    trained = trained[digit[trained] != new]
    cases = fresh[digit[fresh] == new]
    fresh = np.concatenate([fresh[digit[fresh] != new], cases[:n_cases]])
    model = fresh_model().fit(X[trained], y[trained])
    case = Case(model, (X[trained], y[trained]), (X[fresh], y[fresh]), seed)
    before = model.predict(X[test])
    right, missed = before == y[test], (before != y[test]) & (digit[test] == new)
    found = []
    for name, peer in PEERS.items():
        try:
            after = np.asarray(peer(case).predict(X[test])).astype(int)
        except ModuleNotFoundError as missing:
            print(f"{name}: left out, {missing}")
            continue
        changed = after != before
        found.append(
            {
                "peer": name,
                "gain": changed[missed].mean(),
                "damage": changed[right].mean(),
                "accuracy": (after == y[test]).mean(),
            }
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cases", type=int, default=20, help="of the new kind")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    runs = [
        row
        for seed in range(asked.seeds)
        for new in NEW
        for row in judged(seed, new, asked.cases)
    ]
    table = pd.DataFrame(runs).groupby("peer", sort=False)
    shown = table[["gain", "damage", "accuracy"]].mean()
    shown["gain, s.e."] = table["gain"].sem()
    shown["damage, s.e."] = table["damage"].sem()
    shown["runs over 2 %"] = table["damage"].agg(lambda d: (d > DAMAGE).mean())
    print(shown.round(3).to_string())
    print(f"{asked.seeds * len(NEW)} runs, {asked.cases} cases of the new kind each")


if __name__ == "__main__":
    main()
