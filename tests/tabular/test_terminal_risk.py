"""Terminal risk: a plain loop, and the original columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from rarecorrect_tabular.terminal_risk import RISK_WINDOWS, terminal_risk


def loop(terminal: np.ndarray, time: np.ndarray, fraud: np.ndarray) -> np.ndarray:
    found = np.zeros((time.size, len(RISK_WINDOWS)))
    for i, now in enumerate(time):
        for j, window in enumerate(RISK_WINDOWS):
            seen = [
                fraud[m]
                for m in range(time.size)
                if terminal[m] == terminal[i] and now - 7 - window < time[m] <= now - 7
            ]
            found[i, j] = np.mean(seen) if seen else 0.0
    return found


@settings(max_examples=40)
@given(st.integers(0, 2**31 - 1), st.integers(1, 60))
def test_equals_a_plain_loop(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    terminal = rng.integers(0, 4, n)
    # eighths of a day: exact in binary, so many rows lie on the edge of a window
    time = rng.integers(0, 60 * 8, n) / 8
    fraud = rng.random(n) < 0.4
    found = terminal_risk(terminal, time, fraud)
    np.testing.assert_allclose(found, loop(terminal, time, fraud), atol=1e-6)


def test_a_fraud_that_nobody_knows_leaves_no_trace() -> None:
    time = np.arange(0, 40, 0.5)
    terminal = np.zeros(time.size)
    assert not terminal_risk(terminal, time, np.zeros(time.size, bool)).any()


def test_the_original_columns_come_back_when_all_frauds_are_known(
    data_home: Path,
) -> None:
    original = [f"TERMINAL_ID_RISK_{w}DAY_WINDOW" for w in RISK_WINDOWS]
    frame = pd.read_parquet(
        data_home / "fraud_handbook_transactions.parquet",
        columns=["TERMINAL_ID", "TX_TIME_SECONDS", "TX_FRAUD", *original],
    )
    risk = terminal_risk(
        frame["TERMINAL_ID"], frame["TX_TIME_SECONDS"] / 86_400, frame["TX_FRAUD"] == 1
    )
    same = np.isclose(risk, frame[original].to_numpy(), atol=1e-5)
    assert same.mean() > 0.9999
