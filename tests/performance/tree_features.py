"""What a detector gains from the insides of boosted trees, on the Handbook.

An XGBoost model is trained before a fraud type is known; 20 of the frauds that it
misses are learnt from the next window.  Prints the share of later ones caught where
0.1 % of the right decisions of the test window change, mean over draws and its
standard error, by features and by detector.  Then what becomes of a threshold at 0.1 %
of right decisions of the window, where all 20 are of its last five days, with and
without the day as a column.

    python tests/performance/tree_features.py --data FOLDER [--draws 5]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from threadpoolctl import threadpool_limits

from rarecorrect_tabular import tasks
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.methods import auto, fisher
from rarecorrect_tabular.task import CorrectionTask, Sizes, make_draw
from rarecorrect_tabular.tree_model import TreeModel

DAMAGE = 0.001
SIZES = Sizes(background=10_000, calibration=10_000, test_right=40_000)
LARGE = Sizes(background=10_000, calibration=50_000, test_right=40_000)
METHODS = {"Fisher": fisher, "auto": partial(auto, damage=DAMAGE)}


def main() -> None:
    from xgboost import XGBClassifier  # the extra [boosting]

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    table = load_transactions(given.data / "fraud_handbook_transactions.parquet")
    for name in ("1", "3"):
        legacy = XGBClassifier(n_jobs=1, learning_rate=0.1, min_child_weight=5)
        # the task is what it is around any model: this one takes the default's place
        with patch.object(tasks, "default_legacy", partial(_same, legacy)):
            task = tasks.make_task(table, name, sizes=SIZES)
        measure(task, TreeModel(legacy), given.draws)
        drift(task, given.draws)


def _same(model: Any, seed: int) -> Any:
    return model


def measure(task: CorrectionTask, model: TreeModel, n_draws: int) -> None:
    draws = [
        make_draw(task, "as seen", 20, number, sizes=SIZES) for number in range(n_draws)
    ]
    used = np.unique(np.concatenate([task.test, *(draw.fitting for draw in draws)]))
    features = features_of(task, model, used)
    case = task.case[task.test]
    print(f"{task.name}: {case.sum()} errors, {(~case).sum()} right decisions to test")
    for words, Z in features.items():
        seen = replace(task, Z=Z)
        for method, fit in METHODS.items():
            start = time.process_time()
            shares = []
            for draw in draws:
                scores = fit(seen, draw)(task.test)
                scores = np.where(task.changeable[task.test], scores, -np.inf)
                shares.append(caught(scores[case], scores[~case]))
            error = np.std(shares, ddof=1) / np.sqrt(n_draws)
            seconds = (time.process_time() - start) / n_draws
            print(
                f"  {words:30} {Z.shape[1]:4} columns  {method:7}"
                f"{np.mean(shares):6.3f} +- {error:.3f}  {seconds:5.1f} s",
                flush=True,
            )


def drift(task: CorrectionTask, n_draws: int) -> None:
    assert task.days is not None
    day, raw, pool = task.days.day, task.Z[:, :-1], task.pool
    late = day > day[pool].max() - 5
    is_case = task.case & late  # of the pool, the earlier ones are nobody's
    recent = replace(task, pool=pool[is_case[pool] | task.right[pool]])
    tested = task.test[task.changeable[task.test]]
    case = task.case[tested]
    for words, Z in (("raw", raw), ("raw + day", np.column_stack([raw, day]))):
        found = []
        for number in range(n_draws):
            draw = make_draw(recent, "clean", 20, number, sizes=LARGE)
            score = fisher(replace(task, Z=Z.astype(np.float32)), draw)
            right = draw.calibration[task.changeable[draw.calibration]]
            limit = np.quantile(score(right), 1 - DAMAGE)
            fired = score(tested) > limit
            found.append((fired[~case].mean() / DAMAGE, fired[case].mean()))
        damage, gain = np.mean(found, axis=0)
        print(
            f"  last days, {words:9}: {damage:6.2f} times the damage, gain {gain:.3f}"
        )


def features_of(
    task: CorrectionTask, model: TreeModel, used: np.ndarray
) -> dict[str, np.ndarray]:
    """Tables of all rows, filled in where rows are used."""
    raw = task.Z[:, :-1]  # the last column are log-odds
    found = {"raw columns": raw}
    for layer in ("margin", "contributions", "leaves"):
        start = time.process_time()
        _, tables = model.read_layers(raw[used], [layer])
        seconds = (time.process_time() - start) / len(used)
        print(f"  {layer}: {1e6 * seconds:.0f} microseconds a row")
        inner = np.zeros((len(raw), tables[layer].shape[1]), dtype=np.float32)
        inner[used] = tables[layer]
        found[f"raw columns + {layer}"] = np.hstack([raw, inner])
    return found


def caught(errors: np.ndarray, right: np.ndarray) -> float:
    """Share of errors above the score that a share DAMAGE of right decisions reach."""
    allowed = int(DAMAGE * right.size)
    return float(np.mean(errors > np.sort(right)[right.size - allowed - 1]))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
