"""How often a later day exceeds a cap on alerts, on the Handbook.

Fisher correctors learn 20 labelled cases of a type that the model in service never saw,
as seen.  Their thresholds come from the 37 whole days before the test window: with
days as units, and, for comparison, with the cap as a mean share of traffic.  Beside
them the model's own score under the same caps, and the null control.

    python tests/performance/alert_caps.py --data FOLDER [--draws 3]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from rarecorrect_tabular.alert_report import alert_means
from rarecorrect_tabular.alerts import run_alerts
from rarecorrect_tabular.loader import load_transactions
from rarecorrect_tabular.markdown import table as markdown_table
from rarecorrect_tabular.protocol import Plan
from rarecorrect_tabular.tasks import make_task

EXCEED = 0.10  # of further days above the cap, at most: what is certified


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=3)
    given = parser.parse_args()
    table = load_transactions(given.data / "fraud_handbook_transactions.parquet")
    # no draw is a forest's: its scores of whole days would take most of the time
    plan = replace(
        Plan(), draws={20: given.draws}, alert_draws=given.draws, retraining_draws=0
    )
    found = []
    for name in ("1", "3"):
        found += run_alerts(make_task(table, name, sizes=plan.sizes), plan)
    rows = []
    for record in alert_means(found).itertuples():
        n, cap = int(record.days), record.cap
        limit = EXCEED + 2 * np.sqrt(EXCEED * (1 - EXCEED) / n) if n else np.nan
        cells = [_share(k, n) for k in (record.above, record.by_rate)]
        mean = f"{record.mean:.3f}"
        head = [record.task, record.method, str(cap), mean, f"{record.alerts:.1f}"]
        rows.append([*head, str(n), cells[0], f"{100 * limit:.0f} %", cells[1]])
    header = ["task", "method", "cap", "caught", "alerts a day", "days", "above"]
    header += [f"allowed, {EXCEED:g} + 2 standard errors", "above, as a mean rate"]
    print(markdown_table(header, rows))


def _share(k: int, n: int) -> str:
    return f"{k} ({100 * k / n:.0f} %)" if n else "-"


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
