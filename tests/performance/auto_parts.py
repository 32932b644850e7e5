"""What each part of ``detector="auto"`` adds, on errors left out of the draw.

Rows come from the correction windows of NSL-KDD and the Handbook, none from a test
window: what is chosen here is judged elsewhere.  *same*: judged errors are of the kinds
that were learnt; *shifted* (NSL-KDD): of attacks that were not; *as seen* (Handbook):
errors that nobody labelled are among the right decisions.  Every candidate is
cross-fitted once a draw, and `auto` is put together from them as it is, and with one
part at a time switched off or replaced.

    python tests/performance/auto_parts.py --data FOLDER [--draws 3] [--out parts.csv]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from rarecorrect.cross_fitting import fit_detector
from rarecorrect.detectors import (
    AutoDetector,
    CascadeDetector,
    FisherDetector,
    LogisticDetector,
    TreesDetector,
)
from rarecorrect.detectors import auto as module
from rarecorrect.tail_scale import TailScale
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.tasks import make_task

FILES = {
    "nsl_kdd_train20_test.parquet": (["dos", "probe", "r2l"], ["same", "shifted"]),
    "fraud_handbook_transactions.parquet": (["1", "3"], ["same", "as seen"]),
}
BACKGROUNDS = (1000, 4000, 20_000)
CASES = (5, 20, 100)
BUDGETS = (0.001, 0.01)
CELL = ["task", "reading", "right", "k", "damage"]
JUDGED, JUDGED_ERRORS = 20_000, 1500
LEAST_JUDGED = 20
READABLE = module.readable
REPLACED = {
    "cascade of one stage": ("cascade", CascadeDetector(1, max_background=10_000)),
    "Fisher for the cascade": ("cascade", FisherDetector()),
    "no hard negatives": ("logistic", LogisticDetector(n_passes=0)),
}

Trials = dict[str, Any]
Draw = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


def alike(evidence: dict[str, Any], priors: dict[str, float]) -> dict[str, float]:
    """The same weight for every candidate."""
    return dict.fromkeys(evidence, 1 / len(evidence))


def only_the_best(
    evidence: dict[str, Any], priors: dict[str, float]
) -> dict[str, float]:
    """All weight on one candidate."""
    best = max(evidence, key=lambda name: float(evidence[name].mean()))
    return {name: float(name == best) for name in evidence}


def as_good_at_the_budget(trials: Any, ranks: Any, budget: float) -> str | None:
    """A box is alone whatever lies beyond the budget."""
    capped = {name: np.maximum(rank, budget) for name, rank in ranks.items()}
    found: str | None = READABLE(trials, capped, budget)
    return found


def trees_count(prior: float) -> Callable[[Any], dict[str, float]]:
    """What trees count before there is evidence, beside 1 for others."""
    return lambda trials: {
        t.name: prior if isinstance(t.prototype, TreesDetector) else 1.0 for t in trials
    }


RULES: dict[str, dict[str, Any]] = {
    "auto": {},
    "all members alike": {"weights_from": alike},
    "only the best member": {"weights_from": only_the_best},
    "box never alone": {"readable": lambda *_: None},
    "box alone if good at the budget": {"readable": as_good_at_the_budget},
    "no prior for trees": {"priors": trees_count(1.0)},
    "prior of 4 for trees": {"priors": trees_count(4.0)},
    "as before 0030": {
        "priors": trees_count(1.0),
        "readable": as_good_at_the_budget,
    },
}


def draw_rows(
    task: Any, attacks: npt.NDArray[Any], reading: str, n_right: int, k: int, draw: int
) -> Draw | None:
    """Right decisions and errors to learn from, and such to judge by; None: too few."""
    rng = np.random.default_rng([draw, n_right, k, 30])
    pool = task.pool
    right = rng.permutation(pool[task.right[pool] & task.changeable[pool]])
    errors = rng.permutation(task.pool_cases)
    fit, left_out = errors[:k], errors[k:]
    if reading == "shifted":
        kinds = rng.permutation(np.unique(attacks[errors]))
        known = np.isin(attacks[errors], kinds[: max(1, kinds.size // 2)])
        fit, left_out = errors[known][:k], errors[~known]
    if fit.size < k or left_out.size < LEAST_JUDGED or right.size < n_right + 2000:
        return None
    if reading == "as seen":
        right = rng.permutation(np.concatenate([right, left_out]))
        left_out = left_out[~np.isin(left_out, right[:n_right])]
    judged = right[n_right : n_right + JUDGED]
    return right[:n_right], fit, judged, left_out[:JUDGED_ERRORS]


class Known:
    """A member that was asked once, for all rows that there are."""

    def __init__(self, scores: npt.NDArray[Any]) -> None:
        self.scores = scores

    def score(self, Z: Any) -> npt.NDArray[Any]:
        """Scores of these rows."""
        return self.scores


class Bench:
    """One draw: candidates cross-fitted once, `auto` put together in many ways."""

    def __init__(self, task: Any, drawn: Draw, seed: int) -> None:
        background, fit, right, errors = drawn
        self.Z = task.Z[np.concatenate([background, fit])].astype(float)
        self.is_error = np.arange(len(self.Z)) >= background.size
        self.judged = task.Z[np.concatenate([right, errors])].astype(float)
        self.n_right, self.k = right.size, fit.size
        self.options = {"sample_weight": None, "groups": None, "random_state": seed}
        self.others = {name: self.tried(*form) for name, form in REPLACED.items()}
        self.trials: Trials = {}

    def tried(self, name: str, prototype: Any) -> Any:
        """Cross-fit a candidate, and score the judged rows."""
        trial = module._tried(name, prototype, self.Z, self.is_error, self.options)
        return replace(trial, fitted=Known(trial.fitted.score(self.judged)))

    def at(self, budget: float) -> Iterator[dict[str, Any]]:
        """Gain of every variant at equal damage."""
        every = AutoDetector(budget)._prototypes(self.k, self.Z.shape[1])
        for name, prototype in every:
            if name == "box" or name not in self.trials:  # only a box knows the budget
                self.trials[name] = self.tried(name, prototype)
        box = self.trials["box"].prototype
        box = fit_detector(box, self.Z, self.is_error, **self.options)
        for name, rules, trials in self.variants():
            detector = AutoDetector(budget)
            with patch.multiple(module, fit_detector=lambda *_, **__: box, **rules):
                chosen = detector._choose(list(trials.values()), self.is_error)
                detector._set_members(chosen, self.Z, self.is_error, self.options)
            detector._offset = 0.0
            right, errors = np.split(detector._score(self.judged), [self.n_right])
            cut = np.sort(right)[::-1][int(budget * right.size)]
            yield {
                "damage": budget,
                "variant": name,
                "gain": float(np.mean(errors > cut)),
                "evidence": max(c.evidence for c in detector.candidates_),
                "alone": detector.box_ is not None,
            }

    def variants(self) -> Iterator[tuple[str, dict[str, Any], Trials]]:
        """Name, rules and candidates."""
        trials = self.trials
        for name, rules in RULES.items():
            yield name, rules, trials
        for part in trials:
            yield f"without {part}", {}, {n: t for n, t in trials.items() if n != part}
            yield f"{part} alone", {}, {part: trials[part]}
        for name, (part, _) in REPLACED.items():
            yield name, {}, trials | {part: self.others[name]}
        loose = {
            n: replace(t, scale=TailScale.from_scores(t.scores[~self.is_error]))
            for n, t in trials.items()
        }
        yield "tails not held", {}, loose


def cells(folder: Path) -> Iterator[tuple[Any, npt.NDArray[Any], tuple[Any, ...]]]:
    """Task, attacks of all rows, and name, reading, right decisions and cases."""
    for file, (names, readings) in FILES.items():
        transactions = load_transactions(folder / file)
        raw = pd.read_parquet(folder / file)
        attacks = raw.get("label", pd.Series("", raw.index)).to_numpy().astype(str)
        for name in names:
            task = make_task(transactions, name)
            for cell in product(readings, BACKGROUNDS, CASES):
                yield task, attacks, (task.name, *cell)


def run(folder: Path, n_draws: int) -> pd.DataFrame:
    """One row per cell, draw, budget and variant."""
    rows = []
    for task, attacks, cell in cells(folder):
        _, reading, n_right, k = cell
        head = dict(zip(CELL, cell, strict=False))
        for draw in range(n_draws):
            drawn = draw_rows(task, attacks, reading, n_right, k, draw)
            if drawn is not None:
                bench = Bench(task, drawn, draw)
                found = [row for budget in BUDGETS for row in bench.at(budget)]
                rows += [head | {"draw": draw} | row for row in found]
    return pd.DataFrame(rows)


def main() -> None:
    """Run, print, write every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("auto_parts.csv"))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        found = run(options.data, options.draws)
    found.to_csv(options.out, index=False)
    print_tables(found)


def print_tables(found: pd.DataFrame) -> None:
    """Mean gain by reading and number of cases; `auto` less every variant."""
    kind = np.where(found["task"].str.startswith("scenario"), "Handbook", "NSL-KDD")
    found = found.assign(world=kind + ", " + found["reading"])
    order = found["variant"].drop_duplicates().tolist()
    shape = {"index": "variant", "columns": ["world", "k"], "values": "gain"}
    print(found.pivot_table(**shape).loc[order].round(3).to_string(), "\n")
    cells = [*CELL, "draw", "world"]
    wide = found.pivot_table(index=cells, columns="variant", values="gain")
    apart = (-wide.sub(wide["auto"], axis=0))[order[1:]]
    for world, part in apart.groupby(level="world"):
        n = part.notna().sum()
        error = part.std(ddof=1) / np.sqrt(n)
        said = pd.DataFrame({"auto minus it": part.mean(), "error": error, "runs": n})
        print(f"{world}\n{said.loc[order[1:]].round(4).to_string()}\n")


if __name__ == "__main__":
    main()
