"""What the columns of a transaction table mean, and the tables known by sight."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Schema:
    """Role of every column that is not a plain feature.

    Attributes
    ----------
    name : str
        Of the data set, for tables and messages.
    label : str
        Column that says fraud (1, True) or not (0, False); with `genuine`, any column.
    time : str or None
        Numbers (in days, or `seconds`) or dates.
    fraud_type : str or None
        Which kind of fraud; never a feature.
    id, customer, terminal : str or None
        Identifiers; never features.  With `terminal` and `time`, the shares of known
        frauds at the terminal become features.
    drop : tuple of str
        Columns that are no features: identifiers, leaks, notes.
    genuine : Any
        Value of `label` that means "no fraud"; None: labels are 0 and 1.
    seconds : bool
        Whether a `time` of numbers counts seconds, not days.
    normal_weight : float
        How many genuine rows of the population each genuine row stands for.
    """

    name: str
    label: str
    time: str | None = None
    fraud_type: str | None = None
    id: str | None = None
    customer: str | None = None
    terminal: str | None = None
    drop: tuple[str, ...] = ()
    genuine: Any = None
    seconds: bool = False
    normal_weight: float = 1.0

    @property
    def declared(self) -> tuple[str, ...]:
        """Columns with a role, none of them a feature."""
        roles = (
            self.label,
            self.time,
            self.fraud_type,
            self.id,
            self.customer,
            self.terminal,
            *self.drop,
        )
        return tuple(dict.fromkeys(name for name in roles if name is not None))


_WINDOWS = (1, 7, 30)

HANDBOOK = Schema(
    "handbook",
    label="TX_FRAUD",
    time="TX_DATETIME",
    fraud_type="TX_FRAUD_SCENARIO",
    id="TRANSACTION_ID",
    customer="CUSTOMER_ID",
    terminal="TERMINAL_ID",
    # the risk columns are shares of all frauds, those of an unknown type included
    drop=(
        "TX_TIME_SECONDS",
        "TX_TIME_DAYS",
        *(f"TERMINAL_ID_RISK_{days}DAY_WINDOW" for days in _WINDOWS),
    ),
)
SIMULATED = Schema(
    "simulated",
    label="is_fraud",
    time="time",
    fraud_type="fraud_type",
    id="transaction_id",
    customer="customer_id",
    terminal="terminal_id",
    drop=("day", "label_day"),
)
ULB = Schema(
    "ulb",
    label="Class",
    time="Time",
    drop=("orig_row", "source"),
    seconds=True,
    normal_weight=284_315 / 13_832,
)
NSL_KDD = Schema(
    "nsl-kdd",
    label="category",
    fraud_type="category",
    drop=("label", "difficulty", "split"),
    genuine="normal",
)
KNOWN = (HANDBOOK, SIMULATED, ULB, NSL_KDD)


def detect_schema(columns: Iterable[str]) -> Schema:
    """Schema of the known data set that has these columns.

    Parameters
    ----------
    columns : iterable of str

    Returns
    -------
    Schema

    Raises
    ------
    ValueError
        If no known data set fits.

    Examples
    --------
    >>> detect_schema(["Time", "V1", "Amount", "Class", "orig_row", "source"]).name
    'ulb'
    """
    found = set(columns)
    for schema in KNOWN:
        # any one of them (a leaky column, a note) may have been left out of a copy
        if found.issuperset(set(schema.declared) - set(schema.drop)):
            return schema
    raise ValueError(
        f"the columns {sorted(found)[:8]} belong to no known data set "
        f"({', '.join(schema.name for schema in KNOWN)}); declare at least the label "
        "and the time"
    )


def check_columns(declared: Iterable[str], columns: Iterable[str]) -> None:
    """Refuse a declared column that is not there, naming close matches.

    Raises
    ------
    ValueError
        For the first missing column.

    Examples
    --------
    >>> check_columns(["is_frod"], ["time", "is_fraud"])
    Traceback (most recent call last):
    ValueError: no column 'is_frod'; did you mean 'is_fraud'?
    >>> check_columns(["AMOUNT"], ["amount", "AMOUNT_30D"])
    Traceback (most recent call last):
    ValueError: no column 'AMOUNT'; did you mean 'amount'?
    """
    known = [str(name) for name in columns]
    for name in declared:
        if name not in known:
            close = [other for other in known if other.lower() == name.lower()]
            close = close or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(map(repr, close))}?"
                if close
                else f"the table has {known[:10]}"
            )
            raise ValueError(f"no column {name!r}; {hint}")
