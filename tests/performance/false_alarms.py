"""How many false alarms can be cleared without losing caught frauds.

Handbook: a model trained on 45 days, with all fraud types known, raises about 100
alerts a day.  A corrector learns its false alarms from the days after and clears what
looks like them; at most 1 % of the caught frauds may be lost, certified on the latest
30 days with labels.  Judged on the 14 days after a week in which labels arrive; with
every seed 14 days later, so that test days differ.  Beside it: a higher threshold on
the score itself, certified alike, and the null control, a corrector that reads a random
number.

NSL-KDD: one model for each kind of attack, trained on half of train20, corrected and
certified on the other half, judged on KDDTest+.

    python tests/performance/false_alarms.py --data FOLDER [--seeds 3]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from rarecorrect import ErrorCorrector, NotCertifiedWarning, RuleRefusedWarning
from rarecorrect.metrics import clopper_pearson
from rarecorrect_tabular.desk_backtest import Backtest, backtest_file
from rarecorrect_tabular.desk_model import DeskModel
from rarecorrect_tabular.desk_plan import DeskPlan
from rarecorrect_tabular.desk_survey import DeskColumns
from rarecorrect_tabular.legacy import default_legacy
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.markdown import table as markdown_table
from rarecorrect_tabular.schema import HANDBOOK
from rarecorrect_tabular.transactions import TransactionFile

DAY, LABEL, SCORE, CHANCE = "TX_TIME_DAYS", "TX_FRAUD", "score", "random number"
TRAIN, LAST, TEST = 45, 80, 14  # days: to train on, of the file, to judge on
ALERTS = 100  # a day, of the model in service
LOST = 0.01  # of caught frauds, at most
HEADER = [
    "seed", "what clears", "alerts", "of them false", "fewer alerts",
    "false alarms cleared", "caught frauds lost", "weeks over",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    rows: list[list[str]] = []
    for seed in range(given.seeds):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "cards.parquet"
            limit = write_file(given.data, seed, path)
            rows += [handbook_row(path, limit, seed, what) for what in WAYS]
        print(f"seed {seed} done", flush=True)
    print(f"\n### Handbook, about {ALERTS} alerts a day\n")
    print(markdown_table(HEADER, rows))
    nsl_kdd(given.data / "nsl_kdd_train20_test.parquet")


# from a name to the columns that a rule reads (none: all), and the margin for drift
WAYS: dict[str, tuple[tuple[str, ...], float]] = {
    "corrector": ((), 0.0),
    "corrector, time margin .5": ((), 0.5),
    "higher threshold": ((SCORE,), 0.0),
    "null: random number": ((CHANCE,), 0.0),
}


def write_file(data: Path, seed: int, path: Path) -> float:
    """Days after the training window with the model's score; its threshold."""
    start = 30 + 14 * seed
    days = [(DAY, ">=", start), (DAY, "<", start + TRAIN + LAST)]
    source = data / "fraud_handbook_transactions.parquet"
    # no type is hidden here, so the columns of risk, a week late, give nothing away
    left_out = {*HANDBOOK.declared} - {
        f"TERMINAL_ID_RISK_{n}DAY_WINDOW" for n in (1, 7, 30)
    }
    frame = pd.read_parquet(source, filters=days)
    features = [name for name in frame if name not in left_out]
    early = frame[DAY] < start + TRAIN
    model = default_legacy(seed).fit(
        frame.loc[early, features], frame.loc[early, LABEL]
    )
    later = frame.loc[~early, [*features, DAY, LABEL]].reset_index(drop=True)
    later[SCORE] = model.predict_proba(later[features])[:, 1]
    later[CHANCE] = np.random.default_rng(seed).random(len(later))
    later.to_parquet(path)
    first = later.loc[later[DAY] < start + TRAIN + 30, SCORE].to_numpy()
    return float(np.sort(first)[-30 * ALERTS])


def handbook_row(path: Path, limit: float, seed: int, what: str) -> list[str]:
    features, margin = WAYS[what]
    drop = () if CHANCE in features else (CHANCE,)
    found = backtest_file(
        TransactionFile.open(path),
        DeskColumns(LABEL, DAY, features=features, drop=drop),
        DeskModel.of_score(SCORE, limit),
        DeskPlan("clear", clear_damage=LOST, time_margin=margin, seed=seed),
        test_days=TEST,
    )
    if what == "corrector":
        print(found.fit, *found.lines(), sep="\n")
    return [str(seed), what, *_cells(found)]


def _cells(found: Backtest) -> list[str]:
    counts = found.days["false alarms"].sum()
    caught, false = int(counts["right"]), int(counts["errors"])
    lost, cleared = int(counts["damaged"]), int(counts["repaired"])
    over = found.table()["over"]
    return [
        f"{caught + false:,}",
        f"{100 * false / (caught + false):.0f} %",
        f"{100 * (lost + cleared) / (caught + false):.1f} %",
        f"{cleared} of {false}",
        _share(lost, caught),
        f"{over.sum()} of {len(over)}",
    ]


def nsl_kdd(path: Path) -> None:
    table = load_transactions(path)
    assert table.fraud_type is not None and table.split is not None
    is_test = np.char.startswith(table.split.astype(str), "test")
    order = np.random.default_rng(0).permutation(np.flatnonzero(~is_test))
    parts = [*np.array_split(order, 2), np.flatnonzero(is_test)]
    kinds = ["any attack", "dos", "probe", "r2l"]  # of u2r it never speaks
    rows, told = [], []
    for kind in kinds:
        wanted = table.label if kind == "any attack" else table.fraud_type == kind
        X, _ = table.matrix(parts[0])
        cells, text = nsl_kdd_row(X, wanted.astype(int), parts)
        rows.append([kind, *cells])
        told.append(f"- {kind}: {text}")
    print("\n### NSL-KDD: alarms of one kind each\n")
    header = ["kind", "alerts to learn from", "of them false", "alerts, KDDTest+"]
    header += ["of them false", "fewer alerts", "caught attacks lost"]
    print(markdown_table(header, rows), "\n", *told, sep="\n", flush=True)


def nsl_kdd_row(
    X: np.ndarray, y: np.ndarray, parts: Sequence[np.ndarray]
) -> tuple[list[str], str]:
    train, now, later = parts
    model = default_legacy(0).fit(X[train], y[train])
    corrector = ErrorCorrector(
        model,
        features="input",
        detector="auto",
        confusions=[(1, 0)],
        max_damage={0: 0.001, 1: LOST},
        per="class",
        random_state=0,
    )
    with warnings.catch_warnings():
        # the report says so
        warnings.simplefilter("ignore", NotCertifiedWarning)
        warnings.simplefilter("ignore", RuleRefusedWarning)
        corrector.fit(X[now], y[now])
    alarm = model.predict(X[later]) == 1
    cleared = alarm & (corrector.predict(X[later]) == 0)
    lost, caught = int((cleared & (y[later] == 1)).sum()), int((alarm & y[later]).sum())
    seen = model.predict(X[now]) == 1
    cells = [
        f"{seen.sum():,}",
        f"{100 * (y[now][seen] == 0).mean():.1f} %",
        f"{alarm.sum():,}",
        f"{100 * (y[later][alarm] == 0).mean():.1f} %",
        f"{100 * cleared.sum() / alarm.sum():.1f} %",
        _share(lost, caught),
    ]
    report = str(corrector.report_).splitlines()
    told = [
        line for line in report if line.startswith(("certificate", "rule", "refused"))
    ]
    return cells, "; ".join(" ".join(line.split()) for line in told)


def _share(k: int, n: int) -> str:
    low, high = clopper_pearson(k, n)
    return f"{k} of {n:,}: {100 * k / n:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
