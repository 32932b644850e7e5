"""How much of a new fraud type a hot-fix catches in its first days, on the Handbook.

A type is hidden from the model in service and starts on day 105; with the second seed
on day 112, with the third on day 119, so that cases and days differ.  From the 20th
confirmed case on, hot-fix and weekly retraining learn from the same 20 cases, under the
same cap of 100 alerts a day beyond those of the model in service.  Null control: both
are taught as many genuine transactions of the same days in the place of the cases.

Prints the share caught in the first 14 days, in cases and in money; the days above the
cap; and the realised damage of every later week next to the promised one.  With
``--mean-rate``: all once more with the cap as a mean rate.  With ``--risk-learns``:
every missed fraud is confirmed in the end, and what changes once these count in the
risk of their terminals.

    python tests/performance/replay.py --data FOLDER [--seeds 3] [--scenarios 1 3]
    python tests/performance/replay.py --data FOLDER --scenarios 3 --mean-rate
    python tests/performance/replay.py --data FOLDER --scenarios 2 --risk-learns
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from rarecorrect.metrics import clopper_pearson
from rarecorrect_tabular.loader import TransactionTable, load_transactions
from rarecorrect_tabular.markdown import table as markdown_table
from rarecorrect_tabular.replay import (
    AS_IT_IS,
    HOT_FIX,
    RETRAINED,
    Replay,
    ReplayPlan,
    replay,
    replay_traffic,
)
from rarecorrect_tabular.replay_numbers import first_days, share, weekly
from rarecorrect_tabular.replay_traffic import Indices, Traffic, make_traffic

PLAN = ReplayPlan(cases=20, most_cases=20, cap=100, end=134)
LEARNING = replace(PLAN, most_cases=None, end=141)
WAYS = (AS_IT_IS, RETRAINED, HOT_FIX)
EXCEED = 0.10  # of further days above the cap, at most: what is certified


class Unrelated(Traffic):
    """The next genuine transaction that passes, in the place of every case."""

    def cases(self, morning: int) -> Indices:
        flagged = self.flagged
        taught: list[int] = []
        for case in Traffic.cases(self, morning):
            row = max(case, taught[-1] if taught else case) + 1
            while self.fraud[row] or flagged[row]:
                row += 1
            taught.append(row)
        return np.array(taught, dtype=np.intp)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scenarios", nargs="+", default=["1", "3"])
    parser.add_argument("--mean-rate", action="store_true")
    parser.add_argument("--risk-learns", action="store_true")
    given = parser.parse_args()
    table = load_transactions(given.data / "fraud_handbook_transactions.parquet")
    for name in given.scenarios:
        if given.risk_learns:
            for seed in range(given.seeds):
                compare_risk(table, name, seed)
        else:
            measure(table, name, given.seeds, given.mean_rate)


def measure(table: TransactionTable, name: str, seeds: int, mean_rate: bool) -> None:
    found: dict[str, list[Replay]] = {"days": [], "mean rate": [], "null": []}
    for seed in range(seeds):
        plan = shifted(PLAN, seed)
        traffic = traffic_of(table, name, plan)
        found["days"].append(replay_traffic(traffic, name, plan))
        if mean_rate:
            by_rate = replace(plan, mean_rate=True)
            found["mean rate"].append(replay_traffic(traffic, name, by_rate))
        found["null"].append(replay_traffic(unrelated(traffic), name, plan))
    runs, null = found["days"], found["null"]
    print(f"\n### Scenario {name}\n\nIn force from day", end=" ")
    print(", ".join(f"{r.in_force} (type starts on {r.plan.start})" for r in runs))
    verdicts = dict.fromkeys(v for run in runs for v in run.verdicts if v)
    print(f"\nThe report: {'; '.join(verdicts) or 'nothing'}\n")
    rows = [_shares(way, way, runs) for way in WAYS]
    rows += [_shares(f"{way}, null", way, null) for way in (RETRAINED, HOT_FIX)]
    print(markdown_table(["first 14 days", "cases caught", "money caught"], rows))
    days = [
        _above(form, way, found[form])
        for form in ("days", "mean rate")
        for way in (HOT_FIX, RETRAINED)
        if found[form]
    ]
    header = ["cap of 100 a day", "system", "later days", "above the cap"]
    header += [f"allowed, {EXCEED:g} + 2 standard errors", "mean", "most"]
    print("\n" + markdown_table(header, days))
    windows = list(_windows(runs))
    header = ["type starts", "days", "right", "changed", "promised", "realised", "over"]
    print("\n" + markdown_table(header, windows))
    over = sum(row[-1] == "yes" for row in windows)
    print(f"\nOver the promise in {over} of {len(windows)} weeks.", flush=True)


def compare_risk(table: TransactionTable, name: str, seed: int) -> None:
    plan = shifted(LEARNING, seed)
    runs = {
        "never count it": replay(table, name, plan),
        "learn": replay(table, name, replace(plan, risk_learns=True)),
    }
    print(f"\n### Scenario {name}, risk of terminals, seed {seed}\n")
    for words, run in runs.items():
        for number, verdict in enumerate(run.verdicts):
            day = (run.in_force or 0) + number * plan.every
            print(f"- columns of risk {words}, day {day}: {verdict}")
    rows = []
    for hidden, learnt in zip(*map(weekly, runs.values()), strict=True):
        cells = [share(week.recall[w]) for week in (hidden, learnt) for w in WAYS]
        damages = [f"{100 * week.damage:.2f} %" for week in (hidden, learnt)]
        above = [str(week.above) for week in (hidden, learnt)]
        span = f"{hidden.first}-{hidden.last}"
        rows.append([span, str(hidden.cases), *cells, *damages, *above])
    header = ["days", "cases"]
    header += [f"{way}, risk {words}" for words in ("hidden", "learns") for way in WAYS]
    header += ["damage, hidden", "damage, learns", "above, hidden", "above, learns"]
    print("\n" + markdown_table(header, rows), flush=True)


def shifted(plan: ReplayPlan, seed: int) -> ReplayPlan:
    """Plan in which the type starts as many weeks later."""
    later = 7 * seed
    train = (plan.train[0] + later, plan.train[1] + later)
    return replace(
        plan, train=train, start=plan.start + later, end=plan.end + later, seed=seed
    )


def traffic_of(table: TransactionTable, name: str, plan: ReplayPlan) -> Traffic:
    return make_traffic(
        table,
        name,
        train=plan.train,
        start=plan.start,
        end=plan.end,
        delay=plan.delay,
        most_cases=plan.most_cases,
        seed=plan.seed,
    )


def unrelated(traffic: Traffic) -> Unrelated:
    return Unrelated(*(getattr(traffic, field.name) for field in fields(traffic)))


def _shares(words: str, way: str, found: Sequence[Replay]) -> list[str]:
    cells = [words]
    for money in (False, True):
        values = [first_days(run, money=money)[way] for run in found]
        each = ", ".join(f"{value:.3f}" for value in values)
        cells.append(f"{np.mean(values):.3f} ({each})")
    return cells


def _above(form: str, way: str, found: Sequence[Replay]) -> list[str]:
    alerts = np.concatenate([run.curves[way].extra[run.after()] for run in found])
    n, above = alerts.size, int((alerts > PLAN.cap).sum())
    limit = EXCEED + 2 * np.sqrt(EXCEED * (1 - EXCEED) / n)
    return [
        "days as units" if form == "days" else form,
        way,
        str(n),
        f"{above} ({100 * above / n:.0f} %)",
        f"{100 * limit:.0f} %",
        f"{alerts.mean():.1f}",
        str(alerts.max()),
    ]


def _windows(found: Sequence[Replay]) -> Iterator[list[str]]:
    """Every week of every run: right decisions, those changed, and the promise."""
    for run in found:
        curve = run.curves[HOT_FIX]
        for week in weekly(run):
            if not week.in_force:
                continue
            days = (run.days >= week.first) & (run.days <= week.last)
            right, broken = int(curve.right[days].sum()), int(curve.broken[days].sum())
            low, high = clopper_pearson(broken, right)
            yield [
                str(run.plan.start),
                f"{week.first}-{week.last}",
                f"{right:,}",
                str(broken),
                f"{100 * run.plan.max_damage:g} %",
                f"{100 * week.damage:.2f} % ({100 * low:.2f} to {100 * high:.2f} %)",
                "yes" if low > run.plan.max_damage else "no",
            ]


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
