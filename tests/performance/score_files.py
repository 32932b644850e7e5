"""From file to file: what `rarecorrect tabular fit` and `score` take.

The Handbook's transactions with the score of a model that has never seen scenario 3
(days 30 to 74), as a vendor would deliver them.  First the command fits on all
1,754,155 rows, once: seconds, and the peak of its memory.  Correctors are then fitted
on days 75 to 134: one Fisher rule, `auto` from 20 errors, `auto` from all.  Each
scores all rows, on one core and on two, in turn with reading the file and writing it
again; the least of the repeats is printed, in seconds and beside that.

    python tests/performance/score_files.py --data $RARECORRECT_DATA [--rows N]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from rarecorrect import load
from rarecorrect_tabular.desk_model import Desk
from rarecorrect_tabular.desk_score import ScorePlan, score_file
from rarecorrect_tabular.legacy import default_legacy
from rarecorrect_tabular.schema import HANDBOOK
from rarecorrect_tabular.transactions import TransactionFile

ID, LABEL, DAY, TYPE = (
    "TRANSACTION_ID", "TX_FRAUD", "TX_TIME_DAYS", "TX_FRAUD_SCENARIO",
)  # fmt: skip
HIDDEN, N_CASES = 3, 20
ALONE = "read and write alone"
CORRECTORS = {
    "Fisher": ("fisher", None),
    f"auto, {N_CASES} errors": ("auto", N_CASES),
    "auto, all errors": ("auto", None),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, help="score only the last of them")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_rows = write(args.data, folder, args.rows)
        for detector in ("fisher", "auto"):
            fit_whole(folder, detector)
        ways: dict[str, Callable[[], object]] = {ALONE: partial(copy, folder)}
        for label, (detector, n_cases) in CORRECTORS.items():
            path = folder / f"{label}.rarecorrect"
            fit(folder, path, detector, n_cases)
            for jobs in (1, 2):
                ways[f"{label}, --jobs {jobs}"] = partial(score, folder, path, jobs)
        print(f"{n_rows:,} rows, {os.cpu_count()} cores; least of {args.repeats}")
        show(ways, n_rows, args.repeats)


def write(data: Path, folder: Path, n_rows: int | None) -> int:
    """Files to fit on and to score; rows of the latter."""
    frame = pd.read_parquet(data / "fraud_handbook_transactions.parquet")
    features = [c for c in frame if c not in set(HANDBOOK.declared)]
    known = frame[DAY].between(30, 74) & (frame[TYPE] != HIDDEN)
    model = default_legacy(0).fit(frame.loc[known, features], frame.loc[known, LABEL])
    frame["score"] = model.predict_proba(frame[features])[:, 1]
    past = frame[frame[DAY].between(75, 134)].drop(columns=[TYPE, DAY])
    past.to_parquet(folder / "past.parquet", index=False)
    missed = past[(past[LABEL] == 1) & (past["score"] < 0.5)]
    missed.sample(N_CASES, random_state=0).to_parquet(folder / "cases.parquet")
    frame = frame.drop(columns=[TYPE, DAY]).iloc[-(n_rows or len(frame)) :]
    frame.to_parquet(folder / "all.parquet", index=False)
    return len(frame)


def command(data: Path, out: Path, detector: str, *more: object) -> list[str]:
    """Of a fit."""
    parts = [
        *(sys.executable, "-c", "from rarecorrect.cli import main; main()"),
        *("tabular", "fit", "--data", data, "--out", out),
        *("--label", LABEL, "--time", "TX_DATETIME", "--id", ID),
        *("--score-column", "score", "--detector", detector),
        *("--drop", "TX_TIME_SECONDS", *more),
    ]
    return [str(part) for part in parts]


def fit(folder: Path, out: Path, detector: str, n_cases: int | None) -> None:
    cases = [] if n_cases is None else ["--errors", folder / "cases.parquet"]
    called = command(folder / "past.parquet", out, detector, *cases)
    subprocess.run(called, check=True, capture_output=True)


def fit_whole(folder: Path, detector: str) -> None:
    """Fit on all rows in a process of its own; print what it took."""
    called = command(folder / "all.parquet", folder / "whole.rarecorrect", detector)
    start = time.perf_counter()
    child = subprocess.Popen(called, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the fit ended with exit code {child.returncode}")
    cpu = used.ru_utime + used.ru_stime
    print(
        f"fit, {detector:6s} {seconds:6.1f} s ({cpu:.1f} s of CPU), at most "
        f"{used.ru_maxrss / 2**20:.2f} GiB",
        flush=True,
    )


def score(folder: Path, corrector: Path, jobs: int) -> None:
    plan = ScorePlan(id=ID, jobs=jobs)
    file = TransactionFile.open(folder / "all.parquet")
    score_file(Desk(load(corrector)), file, folder / "alerts.parquet", plan)


def copy(folder: Path) -> None:
    """Read block by block, and write."""
    file = pq.ParquetFile(folder / "all.parquet")
    with pq.ParquetWriter(
        folder / "copy.parquet", pq.read_schema(folder / "all.parquet")
    ) as writer:
        for block in file.iter_batches():
            writer.write_batch(block)


def show(ways: dict[str, Callable[[], object]], n_rows: int, repeats: int) -> None:
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            least[name] = min(least[name], time.perf_counter() - start)
    alone = least[ALONE]
    for name, seconds in least.items():
        rate = f"{n_rows / seconds:12,.0f} rows/s"
        print(f"{name:28s} {seconds:7.2f} s {rate} {seconds / alone:6.1f}")


if __name__ == "__main__":
    main()
