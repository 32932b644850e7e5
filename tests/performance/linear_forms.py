"""Forms of the linear corrector beside each other, on errors left out of the draw.

Rows come from the correction windows of the Handbook (scenarios 1 and 3) and of
NSL-KDD, none from a test window: what is chosen here is judged elsewhere.  Prints the
mean gain at equal damage by task and by number of right decisions, and each form minus
plain Fisher with its standard error over the cells.

    python tests/performance/linear_forms.py --data FOLDER [--draws 5]
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from rarecorrect.detectors import CascadeDetector, FisherDetector, LogisticDetector
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.tasks import make_task

FILES = {
    "fraud_handbook_transactions.parquet": ["1", "3"],
    "nsl_kdd_train20_test.parquet": ["dos", "probe", "r2l"],
}
BACKGROUNDS = (300, 1000, 8000)
CASES = (5, 20, 60)
BUDGETS = (0.001, 0.01)
CELL = ["task", "right", "k", "damage"]
JUDGED = 20_000  # right decisions, and at most 2,000 errors


def forms() -> dict[str, Any]:
    """Linear correctors and what may stand before them."""
    scaled = StandardScaler()
    ranks = QuantileTransformer(output_distribution="normal", n_quantiles=200)
    return {
        "Fisher": FisherDetector(),
        "Fisher, unshrunk": FisherDetector(shrinkage=0.0),
        "Fisher, shrunk .1": FisherDetector(shrinkage=0.1),
        "Fisher, 4 clusters": FisherDetector(n_clusters=4, random_state=0),
        "Fisher on ranks": make_pipeline(ranks, FisherDetector()),
        "Fisher on 200 Nystroem features": make_pipeline(
            scaled, Nystroem(n_components=200, random_state=0), FisherDetector()
        ),
        "Fisher on robust columns": CascadeDetector(1),
        "cascade of 2": CascadeDetector(2, random_state=0),
        "cascade of 3": CascadeDetector(random_state=0),
        "cascade of 5, half passes": CascadeDetector(5, 0.5, random_state=0),
        "LDA, Ledoit-Wolf": make_pipeline(
            scaled, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        ),
        "logistic": make_pipeline(
            scaled, LogisticRegression(class_weight="balanced", max_iter=1000)
        ),
        "logistic, hard negatives": LogisticDetector(),
    }


def gains(
    detector: Any, right: npt.NDArray[Any], errors: npt.NDArray[Any]
) -> list[float]:
    """Share of errors above the cut that changes a share of right decisions."""
    falling = np.sort(detector.decision_function(right))[::-1]
    scores = detector.decision_function(errors)
    return [
        float(np.mean(scores > falling[int(share * falling.size)])) for share in BUDGETS
    ]


def draws_of(task: Any, name: str, n_draws: int) -> list[dict[str, Any]]:
    """Every form on every draw from the correction window of one task."""
    rows = []
    pool = task.pool
    right = pool[task.right[pool] & task.changeable[pool]]
    for n_right in BACKGROUNDS:
        for k in CASES:
            if task.pool_cases.size < k + 20 or right.size < n_right + 2000:
                continue
            for draw in range(n_draws):
                rng = np.random.default_rng([draw, n_right, k])
                background, judged = np.split(rng.permutation(right), [n_right])
                fit, left_out = np.split(rng.permutation(task.pool_cases), [k])
                Z = task.Z[np.concatenate([background, fit])].astype(float)
                is_error = np.arange(len(Z)) >= n_right
                for form, detector in forms().items():
                    start = time.perf_counter()
                    detector.fit(Z, is_error)
                    seconds = time.perf_counter() - start
                    found = gains(
                        detector,
                        task.Z[judged[:JUDGED]].astype(float),
                        task.Z[left_out[:2000]].astype(float),
                    )
                    rows += [
                        {"task": name, "right": n_right, "k": k, "draw": draw}
                        | {"form": form, "damage": damage, "gain": gain}
                        | {"seconds": seconds}
                        for damage, gain in zip(BUDGETS, found, strict=True)
                    ]
    return rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    with threadpool_limits(1):
        for file, names in FILES.items():
            transactions = load_transactions(options.data / file)
            for name in names:
                task = make_task(transactions, name)
                rows += draws_of(task, task.name, options.draws)
    found = pd.DataFrame(rows)
    for column in ("task", "right", "k", "damage"):
        table = found.pivot_table(index="form", columns=column, values="gain")
        print(table.loc[list(forms())].round(3).to_string(), "\n")
    cells = found.pivot_table(index=CELL, columns="form", values="gain")
    apart = cells.sub(cells["Fisher"], axis=0)
    said = pd.DataFrame(
        {
            "gain": cells.mean(),
            "minus Fisher": apart.mean(),
            "standard error": apart.std(ddof=1) / np.sqrt(len(apart)),
            "worst cell": apart.min(),
            "best cell": apart.max(),
            "seconds to fit": found.groupby("form")["seconds"].mean(),
        }
    )
    print(said.loc[list(forms())].round(3).to_string())


if __name__ == "__main__":
    main()
