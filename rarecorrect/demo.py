"""The demonstration: two tables on data that need no download."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from rarecorrect.corrector import ErrorCorrector
from rarecorrect.detectors import FisherDetector
from rarecorrect.metrics import correction_report
from rarecorrect.protocol import leave_one_class_out
from rarecorrect.simulate import FEATURES, card_transactions

DIGITS_DAMAGE = 0.02
OUTBREAK_DAMAGE = 0.001
_NEW_TYPE, _FIRST_DAY = "card_testing", 75


def digits_table(seed: int = 0) -> pd.DataFrame:
    """Each digit left out of a neural network's training, then corrected.

    Parameters
    ----------
    seed : int, default=0
        Of the split and of the networks.

    Returns
    -------
    DataFrame of shape (11, 7)
        One row per digit and a mean: cases missed, share repaired with the certified
        threshold, the same for permuted labels (the null control), share of right
        decisions changed, macro-F1 before and after.

    Examples
    --------
    >>> mean = digits_table().iloc[-1]
    >>> bool(mean["repaired"] > 0.7 and mean["by chance"] < 0.2)
    True
    """
    X, y = load_digits(return_X_y=True)
    network = MLPClassifier((64,), max_iter=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = leave_one_class_out(
            network, X / 16, y, max_damage=[DIGITS_DAMAGE], seeds=[seed]
        )
    table = pd.DataFrame(
        {
            "digit left out": found["class"].astype(str),
            "missed": found["n_test_errors"],
            "repaired": found["certified_gain"],
            "by chance": found["null_gain"],
            "right changed": found["realised_damage"],
            "F1 before": found["macro_f1_before"],
            "F1 after": found["macro_f1_after"],
        }
    )
    mean = table.drop(columns="digit left out").mean()
    total = pd.DataFrame([{"digit left out": "mean", **mean}])
    total["missed"] = table["missed"].sum()
    return pd.concat([table, total], ignore_index=True)


def outbreak_table(
    n_confirmed: tuple[int, ...] = (1, 5, 20), seed: int = 0
) -> tuple[pd.DataFrame, ErrorCorrector]:
    """A new fraud type starts; the model in service is corrected, or retrained.

    The model is trained on days 20-49.  Card testing starts on day 75.  Labels need a
    week, so on day 97 the desk knows what happened up to day 90: it shows a few of the
    cases, and calibrates on days 50-74, before they began.  The test is what happens
    next, from day 98 on.  The detector is Fisher's discriminant on ranks, because
    amounts and counts have heavy tails.

    Parameters
    ----------
    n_confirmed : tuple of int, default=(1, 5, 20)
        Confirmed cases of the new type, one corrector for each number.
    seed : int, default=0
        Of the data and of the models.

    Returns
    -------
    table : DataFrame of shape (n_correctors + 2, 4)
        One row per system: share of the new type caught, share of right decisions
        changed, changes a day.
    corrector : ErrorCorrector
        The last one.

    Examples
    --------
    >>> table, corrector = outbreak_table(n_confirmed=(5,))
    >>> caught = table.set_index("system")["new type caught"]
    >>> bool(caught["hot-fix from 5 cases"] > caught["model in service"] + 0.5)
    True
    """
    data = card_transactions(200_000, random_state=seed)
    old, window, test = (_days(data, *span) for span in ((20, 49), (50, 90), (98, 139)))
    model = HistGradientBoostingClassifier(random_state=seed)
    model.fit(old[list(FEATURES)], old["is_fraud"])
    rows = [_measure("model in service", model.predict, model, test)]
    ranks = QuantileTransformer(output_distribution="normal", random_state=seed)
    detector = make_pipeline(ranks, FisherDetector())
    for k in n_confirmed:
        shown = _shown(window, k, model, seed)
        corrector = ErrorCorrector(
            model, detector=detector, max_damage=OUTBREAK_DAMAGE, random_state=seed
        ).fit(shown[list(FEATURES)], shown["is_fraud"])
        text = f"hot-fix from {k} case{'s' if k > 1 else ''}"
        rows.append(_measure(text, corrector.predict, model, test))
    both = pd.concat([old, shown])
    retrained = HistGradientBoostingClassifier(random_state=seed)
    retrained.fit(both[list(FEATURES)], both["is_fraud"])
    rows.append(
        _measure(
            f"retrained with the same {n_confirmed[-1]}", retrained.predict, model, test
        )
    )
    return pd.DataFrame(rows), corrector


def _days(data: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    found: pd.DataFrame = data[data["day"].between(first, last)]
    return found


def _shown(window: pd.DataFrame, k: int, model: Any, seed: int) -> pd.DataFrame:
    """What the desk shows: `k` cases, and what was right before they began."""
    new = window[window["fraud_type"] == _NEW_TYPE].sample(k, random_state=seed)
    before = window[window["day"] < _FIRST_DAY]
    right = model.predict(before[list(FEATURES)]) == before["is_fraud"]
    shown: pd.DataFrame = pd.concat([before[right], new])
    return shown


def _measure(name: str, predict: Any, model: Any, test: pd.DataFrame) -> dict[str, Any]:
    X, y = test[list(FEATURES)], test["is_fraud"].to_numpy()
    before, after = model.predict(X), predict(X)
    new = (test["fraud_type"] == _NEW_TYPE).to_numpy()
    overall = correction_report(y, before, after).overall
    return {
        "system": name,
        "new type caught": float(np.mean(after[new] == 1)),
        "right changed": float(overall["damage"]),
        "changes a day": float(np.sum(before != after)) / test["day"].nunique(),
    }
