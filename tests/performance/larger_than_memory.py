"""Time and memory of a fit with a certificate from a parquet file of any size.

The file is written once (blocks of normal features, a vendor's score, a rare kind of
case that the vendor misses) and deleted at the end.  Then, each in a process of its
own, in turns: reading it alone, block by block with the same reader; and reading,
fitting and certifying.

Usage: python tests/performance/larger_than_memory.py [--gigabytes 2] [--features 64]
           [--repeats 3] [--folder DIR] [--model vendor|logistic]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression

from rarecorrect import ColumnModel, ErrorCorrector
from rarecorrect.blocks import ParquetBlocks

ROWS = 131_072  # of a row group
ODD = 2e-4  # share of cases that the vendor misses


def rows(i: int, n_features: int) -> tuple[Any, Any]:
    """Row group `i`: features, the score among them, and labels."""
    rng = np.random.default_rng(i)
    X = rng.standard_normal((ROWS, n_features), dtype=np.float32)
    y = (X[:, 0] > 2.5).astype(np.int8)  # what the vendor knows
    odd = rng.random(ROWS) < ODD
    X[odd, 1:6] += 2.5
    y[odd] = 1
    return X, y


def write(path: Path, gigabytes: float, n_features: int) -> int:
    """Write the file in blocks; its number of rows."""
    names = [f"x{j}" for j in range(n_features)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("y", pa.int8())])
    n_groups = max(1, round(gigabytes * 1e9 / (ROWS * (4 * n_features + 1))))
    # measured floats are not repeated: a dictionary would only cost time
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for i in range(n_groups):
            X, y = rows(i, n_features)
            columns = [*(pa.array(X[:, j]) for j in range(n_features)), pa.array(y)]
            writer.write_table(pa.table(columns, schema=schema))
    return n_groups * ROWS


def model_of(kind: str, n_features: int) -> Any:
    """The legacy model: a vendor's score column, or one that computes."""
    if kind == "vendor":
        return ColumnModel(score=0, threshold=2.5)
    X, y = rows(2**31, n_features)
    known = X[:, 1:6].sum(axis=1) < 8
    return LogisticRegression(max_iter=200).fit(X[known], y[known])


def blocks_of(path: Path) -> ParquetBlocks:
    """The reader of both."""
    return ParquetBlocks(path, label="y", as_array=True)


def read(path: Path, kind: str) -> dict[str, Any]:
    """Read all blocks, and do nothing with them."""
    return {"rows": sum(len(block.y) for block in blocks_of(path))}


def fit(path: Path, kind: str) -> dict[str, Any]:
    """Fit and certify."""
    warnings.simplefilter("ignore")
    blocks = blocks_of(path)
    model = model_of(kind, len(blocks.features))
    features = "input" if kind == "vendor" else "auto"
    corrector = ErrorCorrector(model, features=features, max_damage=0.001)
    corrector.set_params(random_state=0).fit_blocks(blocks)
    report = corrector.report_
    return {
        "rows": report.n_rows,
        "errors": report.n_errors,
        "background": report.n_background,
        "certificate": str(corrector.rules_.certificate()),
    }


def in_a_process(task: str, path: Path, kind: str) -> dict[str, Any]:
    """Run one of the two in a fresh process."""
    command = [sys.executable, __file__, "--task", task, "--file", str(path)]
    out = subprocess.run(
        [*command, "--model", kind], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return found


def run_task(task: str, path: Path, kind: str) -> None:
    """What a fresh process does: the task, its time and its peak memory."""
    start, cpu = time.perf_counter(), time.process_time()
    found = {"read": read, "fit": fit}[task](path, kind)
    found["seconds"] = time.perf_counter() - start
    found["cpu"] = time.process_time() - cpu
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found["peak"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps(found))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--model", choices=("vendor", "logistic"), default="vendor")
    parser.add_argument("--task", choices=("read", "fit"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(options.task, options.file, options.model)
        return
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        path = folder / "rows.parquet"
        n = write(path, options.gigabytes, options.features)
        size = os.path.getsize(path) / 1e9
        print(f"{size:.2f} GB, {n:,} rows x {options.features} float32, one file")
        best: dict[str, dict[str, Any]] = {}
        for _ in range(options.repeats):
            for task in ("read", "fit"):
                found = in_a_process(task, path, options.model)
                print(
                    f"{task:<5}{found['seconds']:8.1f} s   cpu {found['cpu']:7.1f} s"
                    f"   peak {found['peak'] / 2**20:7.0f} MiB",
                    flush=True,
                )
                if task not in best or found["seconds"] < best[task]["seconds"]:
                    best[task] = found
        ratio = best["fit"]["seconds"] / best["read"]["seconds"]
        cpu = best["fit"]["cpu"] / best["read"]["cpu"]
        print(f"fit + certify / reading the file: {ratio:.2f} (cpu {cpu:.2f})")
        print(f"{best['fit']['errors']:,} errors, {best['fit']['background']:,} right")
        print(best["fit"]["certificate"])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
