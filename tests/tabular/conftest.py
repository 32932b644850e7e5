"""A small table with the handbook's columns, and tasks made of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rarecorrect.simulate import FraudType, card_transactions
from rarecorrect_tabular.loader import TransactionTable, table_from_frame
from rarecorrect_tabular.schema import HANDBOOK
from rarecorrect_tabular.task import CorrectionTask, Sizes
from rarecorrect_tabular.tasks import make_task

TYPES = (
    FraudType("1", "high_amount", start_day=0, rate=0.006),
    FraudType("2", "compromised_terminal", start_day=0, rate=0.008),
    FraudType("3", "card_testing", start_day=30, rate=0.008),
)
SIZES = Sizes(2000, 4000, 4000)


def handbook_like(n: int = 24_000, seed: int = 0) -> pd.DataFrame:
    """Simulated transactions under the handbook's names."""
    frame = card_transactions(
        n, n_customers=200, n_terminals=150, fraud_types=TYPES, random_state=seed
    )
    kinds = frame["fraud_type"].replace("none", "0").astype(int)
    named = {
        "TRANSACTION_ID": frame["transaction_id"],
        "TX_DATETIME": frame["time"],
        "CUSTOMER_ID": frame["customer_id"],
        "TERMINAL_ID": frame["terminal_id"],
        "TX_AMOUNT": frame["amount"].astype(np.float32),
        "TX_TIME_SECONDS": np.arange(n),
        "TX_TIME_DAYS": frame["day"],
        "TX_FRAUD": frame["is_fraud"],
        "TX_FRAUD_SCENARIO": kinds,
        "TX_DURING_WEEKEND": frame["weekend"],
        "TX_DURING_NIGHT": frame["night"],
        "CUSTOMER_ID_NB_TX_1DAY_WINDOW": frame["customer_count_1d"],
        "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW": frame["customer_mean_7d"],
        "TERMINAL_ID_NB_TX_7DAY_WINDOW": frame["terminal_count_7d"],
        "SECONDS_SINCE_LAST": frame["seconds_since_last"],
    }
    table = pd.DataFrame(named)
    for days in (1, 7, 30):  # leaky on purpose: nothing may read them
        table[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = frame["is_fraud"] * 1.0
    return table


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return handbook_like()


@pytest.fixture(scope="session")
def table(frame: pd.DataFrame) -> TransactionTable:
    return table_from_frame(frame, HANDBOOK)


@pytest.fixture(scope="session")
def task(table: TransactionTable) -> CorrectionTask:
    return make_task(table, "3", sizes=SIZES)
