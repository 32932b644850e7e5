"""Errors that stand apart alone, with and without lengths, beside the gain.

Rows come from the correction windows of the Handbook and of NSL-KDD, at most 1,000
errors of each kind.

    python tests/performance/separability_lengths.py --data FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from rarecorrect.separability import separability_report
from rarecorrect.separability.alone import separable_errors
from rarecorrect.separability.samples import Samples
from rarecorrect.separability.sphere import Sphere, products
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.tasks import make_task

FILES = {
    "fraud_handbook_transactions.parquet": ["1", "2", "3"],
    "nsl_kdd_train20_test.parquet": ["dos", "probe", "r2l"],
}
BUDGETS = (0.001, 0.01)
MOST_ERRORS = 1000


def on_the_sphere(right: Any, errors: Any, max_damage: float, alpha: float) -> float:
    """Share of errors that are separable by direction alone."""
    half = len(right) // 2
    sphere = Sphere.of(right[:half])
    held_out = sphere.points(right[half:])
    shares = [
        np.mean(cosines > alpha, axis=1)
        for _, cosines in products(sphere.points(errors), held_out)
    ]
    return float(np.mean(np.concatenate(shares) <= max_damage))


def row(right: Any, errors: Any, max_damage: float) -> dict[str, Any]:
    """Gain, dimension and shares of errors separable alone, at one budget."""
    found = separability_report(right, errors, max_damage=max_damage)
    assert found.needed is not None
    drawn = Samples.checked(right, errors, max_damage, 0.95, 0)
    sample, alpha = (drawn.right, drawn.errors, max_damage), found.right.alpha
    return {
        "damage": max_damage,
        "errors": len(errors),
        "gain": found.needed.gain,
        "verdict": found.verdict.partition(";")[0],
        "dimension": found.right.effective_dimension,
        "alpha": alpha,
        "sphere": on_the_sphere(*sample, alpha),
        "lengths": found.separable_errors,
        "at .60": separable_errors(*sample, 0.6),
        "at .80": separable_errors(*sample, 0.8),
        "at .98": separable_errors(*sample, 0.98),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    with threadpool_limits(1):
        for file, names in FILES.items():
            transactions = load_transactions(options.data / file)
            for name in names:
                task = make_task(transactions, name)
                pool = task.pool
                right = pool[task.right[pool] & task.changeable[pool]]
                errors = np.random.default_rng(0).permutation(task.pool_cases)
                for budget in BUDGETS:
                    rows.append(
                        {"task": task.name}
                        | row(task.Z[right], task.Z[errors[:MOST_ERRORS]], budget)
                    )
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
