"""How much of a new fraud type a hot-fix catches in its first days, on the Handbook.

A type is hidden from the model in service and starts on day 105; with the second seed
on day 112, with the third on day 119, so that cases and days differ.  From the 20th
confirmed case on, hot-fix and weekly retraining learn from the same 20 cases, under the
same cap of 100 alerts a day beyond those of the model in service.  Prints the share
caught in the first 14 days, in cases and in money; how many later days are above the
cap, with days as units and with a mean rate; and the realised damage of
every later week next to the promised one.

    python tests/performance/replay.py --data FOLDER [--seeds 3] [--scenarios 1 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from rarecorrect_tabular.loader import TransactionTable, load_transactions
from rarecorrect_tabular.markdown import table as markdown_table
from rarecorrect_tabular.replay import (
    AS_IT_IS,
    HOT_FIX,
    RETRAINED,
    Replay,
    ReplayPlan,
    replay,
)
from rarecorrect_tabular.replay_numbers import first_days, weekly

PLAN = ReplayPlan(cases=20, most_cases=20, cap=100, end=134)
WAYS = (AS_IT_IS, RETRAINED, HOT_FIX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scenarios", nargs="+", default=["1", "3"])
    given = parser.parse_args()
    table = load_transactions(given.data / "fraud_handbook_transactions.parquet")
    for name in given.scenarios:
        measure(table, name, given.seeds)


def measure(table: TransactionTable, name: str, seeds: int) -> None:
    plans = [shifted(seed) for seed in range(seeds)]
    found = [replay(table, name, plan) for plan in plans]
    print(f"\nScenario {name}, {seeds} seeds; in force from day", end=" ")
    print(", ".join(str(run.in_force) for run in found), "\n")
    rows = [
        [way, _shares(found, way, money=False), _shares(found, way, money=True)]
        for way in WAYS
    ]
    print(markdown_table(["first 14 days", "cases caught", "money caught"], rows))
    print("\nDays above the cap, days as units:", _above(found), flush=True)
    print("\n", markdown_table(["weeks", "damage, lowest to highest"], _weeks(found)))
    rates = [replay(table, name, replace(p, mean_rate=True)) for p in plans]
    print("\nDays above the cap, mean rate:", _above(rates), flush=True)


def shifted(seed: int) -> ReplayPlan:
    """Plan in which the type starts as many weeks later."""
    later = 7 * seed
    train = (PLAN.train[0] + later, PLAN.train[1] + later)
    return replace(
        PLAN, train=train, start=PLAN.start + later, end=PLAN.end + later, seed=seed
    )


def _shares(found: Sequence[Replay], way: str, *, money: bool) -> str:
    values = [first_days(run, money=money)[way] for run in found]
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _above(found: Sequence[Replay]) -> str:
    parts = []
    for way in (HOT_FIX, RETRAINED):
        days = sum(int(run.after().sum()) for run in found)
        above = sum(int(run.above(way).sum()) for run in found)
        most = max(int(run.curves[way].extra.max()) for run in found)
        mean = np.mean([run.curves[way].extra[run.after()].mean() for run in found])
        parts.append(f"{way} {above} of {days} (mean {mean:.1f}, most {most})")
    return "; ".join(parts)


def _weeks(found: Sequence[Replay]) -> list[list[str]]:
    damages = [w.damage for run in found for w in weekly(run) if w.in_force]
    over = sum(damage > PLAN.max_damage for damage in damages)
    text = (
        f"{100 * min(damages):.2f} % to {100 * max(damages):.2f} %; promised "
        f"{100 * PLAN.max_damage:g} %, over it in {over}"
    )
    return [[str(len(damages)), text]]


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
