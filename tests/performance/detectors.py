"""`detector="auto"` beside every detector that it could be, on small tables.

A class is left out of training and corrected from 5, 20 or all of its cases: digits (a
network of 64 hidden units), wine (logistic regression), breast cancer (a model that
knows one class only).  Prints, by table and number of cases, the mean gain of every
detector at equal damage, and by cell how far `auto` is behind the best of its peers.
With ``--ablation``: `auto` beside itself without each of its parts.

    python tests/performance/detectors.py --out results [--quick] [--ablation]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from imblearn.ensemble import BalancedRandomForestClassifier
from scipy.stats import t as student
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from rarecorrect.detectors import AutoDetector, FisherDetector, TreesDetector
from rarecorrect.protocol import few_shot_curve

BUDGETS = (0.01, 0.05)
CASES = (5, 20, "all")
CELL = ["table", "class", "k", "max_damage"]
PEERS = ["Fisher", "logistic", "ExtraTrees", "BalancedRandomForest", "XGBoost", "LDA"]
PARTS = ["cascade", "logistic", "trees", "box", "boosting"]
MARGIN = 0.03
CEILING = 0.90


def tables() -> dict[str, tuple[Any, Any, Any]]:
    """Legacy model, rows and labels of every table."""
    digits, labels = load_digits(return_X_y=True)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return {
        "digits": (MLPClassifier((64,), max_iter=400), digits / 16, labels),
        "wine": (linear, *load_wine(return_X_y=True)),
        "breast cancer": (
            DummyClassifier(strategy="most_frequent"),
            *load_breast_cancer(return_X_y=True),
        ),
    }


def detectors(budget: float) -> dict[str, Any]:
    """`auto` at a budget, and its peers at documented settings."""
    from xgboost import XGBClassifier

    scaled = StandardScaler()
    return {
        "auto": AutoDetector(max_damage=budget),
        "Fisher": FisherDetector(),
        "logistic": make_pipeline(
            scaled, LogisticRegression(class_weight="balanced", max_iter=1000)
        ),
        "ExtraTrees": TreesDetector(),
        "BalancedRandomForest": BalancedRandomForestClassifier(
            200, sampling_strategy="all", replacement=True, bootstrap=False
        ),
        "XGBoost": XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1),
        "LDA": make_pipeline(
            scaled, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        ),
    }


class Without(AutoDetector):
    """`auto` with one candidate less."""

    def __init__(
        self, max_damage: float = 0.01, part: str = "", random_state: Any = None
    ) -> None:
        super().__init__(max_damage, random_state=random_state)
        self.part = part

    def _prototypes(self, n_errors: int, n_features: int) -> list[tuple[str, Any]]:
        every = super()._prototypes(n_errors, n_features)
        return [p for p in every if p[0] != self.part]


def without_parts(budget: float) -> dict[str, Any]:
    """`auto` at a budget, whole and without each candidate."""
    parts = {f"without {part}": Without(budget, part, 0) for part in PARTS}
    return {"auto": AutoDetector(max_damage=budget, random_state=0)} | parts


def cases_of(y: Any) -> list[int | str]:
    """Numbers of cases that 40 % of the rarest class hold."""
    least = 0.4 * np.unique(y, return_counts=True)[1].min() - 1
    return [k for k in CASES if isinstance(k, str) or k <= least]


def run(
    seeds: list[int],
    n_draws: int,
    quick: bool,
    competitors: Callable[[float], dict[str, Any]],
) -> pd.DataFrame:
    """One row per table, seed, class, number of cases, draw, budget and detector."""
    frames = []
    for name, (model, X, y) in tables().items():
        for budget in BUDGETS:
            found = few_shot_curve(
                model,
                X,
                y,
                n_errors=cases_of(y),
                n_draws=n_draws,
                detectors=competitors(budget),
                classes=np.unique(y).tolist()[: 2 if quick else None],
                max_damage=[budget],
                seeds=seeds,
                n_permutations=0,
            )
            everything = found["n_errors"] > max(CASES[:-1])
            k = found["n_errors"].astype(str).mask(everything, "all")
            frames.append(found.assign(table=name, k=k))
    return pd.concat(frames, ignore_index=True)


def by_cell(found: pd.DataFrame) -> pd.DataFrame:
    """`auto` minus the best peer of each cell, paired over seeds and draws.

    The best peer is chosen on the very runs that it is judged on, which favours it.
    """
    rows = []
    for cell, part in found.groupby(CELL):
        wide = part.pivot_table(
            index=["seed", "draw"], columns="detector", values="curve_gain"
        )
        best = wide[PEERS].mean().idxmax()
        apart = wide["auto"] - wide[best]
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        rows.append(
            dict(zip(CELL, cell, strict=True))
            | {"best": best, "gain of the best": wide[best].mean()}
            | {"difference": apart.mean(), "error": error, "n": len(apart)}
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Run, print, write ``detectors.csv``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--quick", action="store_true", help="two classes, one seed")
    parser.add_argument("--ablation", action="store_true", help="parts of auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    seeds, n_draws = list(range(options.seeds)), options.draws
    if options.quick:
        seeds, n_draws = [0], 2
    competitors = without_parts if options.ablation else detectors
    with threadpool_limits(1):
        found = run(seeds, n_draws, options.quick, competitors)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "ablation.csv" if options.ablation else "detectors.csv"
    found.to_csv(options.out / name, index=False)
    shape = {"index": ["table", "k", "max_damage"], "columns": "detector"}
    means = found.pivot_table(**shape, values="curve_gain")
    print(means[list(competitors(BUDGETS[0]))].round(3).to_string(), "\n")
    if options.ablation:
        _say_what_parts_add(found)
        return
    print("retrained, own score")
    print(found.groupby(shape["index"])["retrained_gain"].mean().round(3).to_string())
    print("\nseconds to fit")
    print(found.groupby("detector")["seconds"].mean().round(2).to_string(), "\n")
    _say_how_far_behind(found)


def _say_what_parts_add(found: pd.DataFrame) -> None:
    """Gain of `auto` minus that without a part; standard error over cells."""
    wide = found.pivot_table(index=CELL, columns="detector", values="curve_gain")
    for part in wide.columns.drop("auto"):
        apart = wide["auto"] - wide[part]
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        print(
            f"auto minus auto {part}: {apart.mean():+.3f} +- {error:.3f}, "
            f"at least {apart.min():+.3f}, at most {apart.max():+.3f}, "
            f"{len(apart)} cells"
        )


def _say_how_far_behind(found: pd.DataFrame) -> None:
    cells = by_cell(found)
    room = cells[cells["gain of the best"] < CEILING]
    # significantly more than the margin behind: at .05 over all cells
    critical = student.ppf(1 - 0.05 / len(cells), cells["n"] - 1)
    worse = cells["difference"] + critical * cells["error"].fillna(0) < -MARGIN
    print(f"{len(cells)} cells, best peer below {CEILING:g} in {len(room)}")
    print(f"auto minus the best peer of each cell: {cells['difference'].mean():+.3f}")
    print(f"  where there is room: {room['difference'].mean():+.3f}")
    print(
        f"auto minus one peer over all cells, where there is room: {_one(found, room)}"
    )
    print(f"significantly more than {MARGIN:g} behind: {int(worse.sum())} cells")
    behind = cells[cells["difference"] < -MARGIN]
    print(f"more than {MARGIN:g} behind: {len(behind)} cells")
    print(behind.round(3).to_string(index=False))


def _one(found: pd.DataFrame, room: pd.DataFrame) -> str:
    wide = found.pivot_table(index=CELL, columns="detector", values="curve_gain")
    wide = wide.loc[pd.MultiIndex.from_frame(room[CELL])]
    best = wide[PEERS].mean().idxmax()
    apart = wide["auto"] - wide[best]
    error = apart.std(ddof=1) / np.sqrt(len(apart))
    return f"{apart.mean():+.3f} +- {error:.3f} ({best}, over {len(apart)} cells)"


if __name__ == "__main__":
    main()
