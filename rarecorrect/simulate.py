"""Simulated card transactions with fraud types that start on a given day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["DEFAULT_FRAUD_TYPES", "FEATURES", "FraudType", "card_transactions"]

_KINDS = ("high_amount", "compromised_terminal", "stolen_card", "card_testing")

FEATURES: tuple[str, ...] = (
    "amount",
    "weekend",
    "night",
    "seconds_since_last",
    "amount_ratio",
    "customer_count_1d",
    "customer_mean_1d",
    "customer_count_7d",
    "customer_mean_7d",
    "customer_count_30d",
    "customer_mean_30d",
    "terminal_count_1d",
    "terminal_count_7d",
    "terminal_count_30d",
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FIRST_DAY = np.datetime64("2024-01-01", "ns")  # a Monday
_DAY = 86_400
_WINDOWS = (1, 7, 30)  # days
_NEARBY = 20  # terminals that a customer uses
_STOLEN_SHARE = 1 / 3  # of the card's transactions while it is stolen
_STOLEN_FACTOR = 4  # times the usual amount


def _check_integer(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}")


@dataclass(frozen=True)
class FraudType:
    """One kind of fraud and the day on which it starts.

    Parameters
    ----------
    name : str
        What the column ``fraud_type`` says; any text but ``"none"``.
    kind : str
        How the fraud works:

        - ``"high_amount"``: single transactions of 300 to 900, far above what
          customers usually spend;
        - ``"compromised_terminal"``: all transactions of a terminal for `duration`
          days; the transactions themselves look genuine;
        - ``"stolen_card"``: a third of a customer's transactions for `duration`
          days, with four times the amount;
        - ``"card_testing"``: a burst of 4 to 12 small amounts, about a minute apart,
          on one card at one terminal.
    start_day : int
        Day on which the fraud starts, counted from 0. There is none before.
    rate : float
        Share of the transactions from `start_day` on that are this fraud, in (0, 1).
        Frauds come in episodes, so the share is met only about.
    duration : float, default=14
        Days that an episode lasts. Used by ``"compromised_terminal"`` and
        ``"stolen_card"``.

    Raises
    ------
    ValueError
        If a value lies outside its range.

    Examples
    --------
    >>> from rarecorrect.simulate import FraudType
    >>> FraudType("outbreak", "card_testing", start_day=75, rate=0.002)
    FraudType(name='outbreak', kind='card_testing', start_day=75, rate=0.002, \
duration=14)
    """

    name: str
    kind: str
    start_day: int
    rate: float
    duration: float = 14

    def __post_init__(self) -> None:
        """Check every field."""
        if not isinstance(self.name, str) or self.name in ("", "none"):
            raise ValueError(
                f"name must be a text other than '' and 'none' (the name of genuine "
                f"transactions), got {self.name!r}"
            )
        if self.kind not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}, got {self.kind!r}")
        _check_integer("start_day", self.start_day, 0)
        if not isinstance(self.rate, Real) or not 0 < self.rate < 1:
            raise ValueError(f"rate must lie in (0, 1), got {self.rate!r}")
        if not isinstance(self.duration, Real) or not 0 < self.duration < np.inf:
            raise ValueError(
                f"duration must be a positive number of days, got {self.duration!r}"
            )


DEFAULT_FRAUD_TYPES: tuple[FraudType, ...] = (
    FraudType("high_amount", "high_amount", start_day=0, rate=0.002),
    FraudType("compromised_terminal", "compromised_terminal", start_day=0, rate=0.002),
    FraudType("stolen_card", "stolen_card", start_day=30, rate=0.004),
    FraudType("card_testing", "card_testing", start_day=75, rate=0.005),
)


class _Rows(NamedTuple):
    """Transactions before features; fraud is 0 (genuine) or 1 + the type's index."""

    customer: Ints
    terminal: Ints
    second: Ints
    cents: Ints
    fraud: Ints


def card_transactions(
    n_transactions: int = 100_000,
    *,
    n_days: int = 140,
    n_customers: int | None = None,
    n_terminals: int | None = None,
    fraud_types: Sequence[FraudType] = DEFAULT_FRAUD_TYPES,
    label_delay: int = 7,
    random_state: int | np.random.Generator | None = None,
) -> pd.DataFrame:
    """Simulate card transactions with fraud types that start on a given day.

    Customers have a home, a mean amount and an activity, and pay mostly at terminals
    near their home, mostly by day and more often on Fridays and Saturdays. Fraud is
    added on top. The design follows the simulator of the Fraud Detection Handbook
    [1]_; kinds of fraud, features and figures are our own.

    Parameters
    ----------
    n_transactions : int, default=100_000
        Number of rows, frauds included.
    n_days : int, default=140
        Number of days.
    n_customers : int, default=None
        Number of customers. None: so many that each has about 1.5 transactions a day.
    n_terminals : int, default=None
        Number of terminals. None: twice the number of customers.
    fraud_types : sequence of FraudType, default=DEFAULT_FRAUD_TYPES
        The fraud types. An empty sequence gives genuine transactions only.
    label_delay : int, default=7
        Days until it is known whether a transaction was a fraud.
    random_state : int, numpy.random.Generator or None, default=None
        Seed. The same int gives the same frame.

    Returns
    -------
    pandas.DataFrame of shape (n_transactions, 22)
        In order of time. ``transaction_id``, ``time`` (datetime64[ns]), ``day``
        (0 to ``n_days - 1``), ``customer_id``, ``terminal_id``, the model's features
        (the names in ``FEATURES``, see Notes), ``is_fraud`` (0 or 1), ``fraud_type``
        (the type's name or ``"none"``) and ``label_day``, the day on which the label
        becomes known.

    Raises
    ------
    ValueError
        If a number is out of range, two fraud types share a name, or a fraud type
        starts after the last day.
    TypeError
        If `fraud_types` holds something else than FraudType.

    Notes
    -----
    Features look back only, and none uses a label: nothing can leak from a fraud type
    that is not yet known. Amounts are in currency units. ``night`` is 0 to 6 o'clock.
    ``customer_count_7d`` and ``customer_mean_7d`` are the number and the mean amount
    of the customer's transactions in the last 7 days, up to and including this one.
    ``terminal_count_7d`` is the same for the terminal. ``seconds_since_last`` is
    counted from the customer's previous transaction, at most 30 days.
    ``amount_ratio`` is the amount over the mean amount of the customer's earlier
    transactions of the last 30 days, 1 where there are none.

    ``"card_testing"`` and ``"high_amount"`` are easy to tell from these features,
    ``"stolen_card"`` is harder, ``"compromised_terminal"`` cannot be told.

    References
    ----------
    .. [1] Le Borgne, Siblini, Lebichot, Bontempi, "Reproducible Machine Learning for
       Credit Card Fraud Detection - Practical Handbook", Universite Libre de
       Bruxelles, 2022.

    Examples
    --------
    >>> from rarecorrect.simulate import FEATURES, card_transactions
    >>> frame = card_transactions(20_000, random_state=0)
    >>> X, y = frame[list(FEATURES)], frame["is_fraud"]
    >>> X.shape
    (20000, 14)
    >>> int(frame.loc[frame["fraud_type"] == "card_testing", "day"].min()) >= 75
    True
    """
    _check_integer("n_transactions", n_transactions, 1)
    _check_integer("n_days", n_days, 1)
    _check_integer("label_delay", label_delay, 0)
    if n_customers is None:
        n_customers = max(1, round(n_transactions / (1.5 * n_days)))
    if n_terminals is None:
        n_terminals = 2 * n_customers
    _check_integer("n_customers", n_customers, 1)
    _check_integer("n_terminals", n_terminals, 1)
    _check_fraud_types(fraud_types, n_days)
    rng = np.random.default_rng(random_state)

    frauds = list(enumerate(fraud_types, start=1))
    n_added = {code: _n_added(fraud, n_transactions, n_days) for code, fraud in frauds}
    n_genuine = n_transactions - sum(n_added.values())
    rows = _genuine(n_genuine, n_days, n_customers, n_terminals, rng)
    added = []
    for code, fraud_type in frauds:
        if fraud_type.kind == "card_testing":
            starts = rng.integers(
                fraud_type.start_day * _DAY, n_days * _DAY, size=n_added[code]
            )
            added.append(_card_testing(rows, code, starts, n_days * _DAY, rng))
        else:
            _turn_into_fraud(rows, code, fraud_type, rng)
    rows = _in_order_of_time([rows, *added])
    names = np.array(["none", *(fraud.name for fraud in fraud_types)], dtype=object)
    return _frame(rows, names, label_delay)


def _check_fraud_types(fraud_types: Sequence[FraudType], n_days: int) -> None:
    for fraud_type in fraud_types:
        if not isinstance(fraud_type, FraudType):
            raise TypeError(
                f"fraud_types must hold FraudType objects, got {fraud_type!r}"
            )
        if fraud_type.start_day >= n_days:
            raise ValueError(
                f"fraud type {fraud_type.name!r} starts on day {fraud_type.start_day}, "
                f"after the last day, {n_days - 1}; pass "
                f"n_days={fraud_type.start_day + 1} or more, or fraud_types= with "
                f"earlier start days"
            )
    names = [fraud_type.name for fraud_type in fraud_types]
    if len(set(names)) < len(names):
        raise ValueError(f"fraud_types must have distinct names, got {names!r}")
    if sum(fraud_type.rate for fraud_type in fraud_types) > 0.5:
        rates = [fraud_type.rate for fraud_type in fraud_types]
        raise ValueError(
            f"the rates of fraud_types must add up to 0.5 or less, got {rates!r}"
        )


def _n_added(fraud_type: FraudType, n_transactions: int, n_days: int) -> int:
    """Count the rows that the fraud adds; the other kinds change existing rows."""
    if fraud_type.kind != "card_testing":
        return 0
    return round(fraud_type.rate * n_transactions * (1 - fraud_type.start_day / n_days))


def _genuine(
    n: int, n_days: int, n_customers: int, n_terminals: int, rng: np.random.Generator
) -> _Rows:
    activity = rng.gamma(2.0, size=n_customers)
    mean_amount = rng.uniform(5, 100, size=n_customers)
    customer = rng.choice(n_customers, size=n, p=activity / activity.sum())
    # Monday to Sunday; a customer's day has its peak after lunch, few pay at night.
    weight = np.resize([1.0, 1.0, 1.0, 1.05, 1.25, 1.35, 0.9], n_days)
    day = rng.choice(n_days, size=n, p=weight / weight.sum())
    time_of_day = rng.normal(14 * 3600, 4.5 * 3600, size=n).astype(np.int64) % _DAY
    cents = 100 * mean_amount[customer] * rng.gamma(4.0, 1 / 4, size=n)
    rows = _Rows(
        customer=customer,
        terminal=_visited_terminals(customer, n_customers, n_terminals, rng),
        second=day * _DAY + time_of_day,
        cents=np.maximum(cents.astype(np.int64), 1),
        fraud=np.zeros(n, dtype=np.int64),
    )
    return _in_order_of_time([rows])


def _visited_terminals(
    customer: Ints, n_customers: int, n_terminals: int, rng: np.random.Generator
) -> Ints:
    """Choose a terminal near the customer's home, the nearest most often."""
    homes = rng.uniform(size=(n_customers, 2))
    places = rng.uniform(size=(n_terminals, 2))
    n_nearby = min(_NEARBY, n_terminals)
    nearby = KDTree(places).query(homes, k=range(1, n_nearby + 1))[1]
    n = len(customer)
    rank = (n_nearby * rng.uniform(size=n) ** 2).astype(np.int64)
    travels = rng.uniform(size=n) < 0.05
    return np.where(travels, rng.integers(n_terminals, size=n), nearby[customer, rank])


def _card_testing(
    rows: _Rows, code: int, starts: Ints, end: int, rng: np.random.Generator
) -> _Rows:
    """Make bursts of small amounts, each on one card at one terminal.

    As many rows as `starts`: more bursts than needed are drawn, and cut after the
    last row.
    """
    n = len(starts)
    burst = np.repeat(np.arange(n), rng.integers(4, 13, size=n))[:n]
    elapsed = np.cumsum(rng.exponential(60, size=n).astype(np.int64))
    elapsed -= elapsed[np.searchsorted(burst, burst)]
    return _Rows(
        customer=_draw(rows.customer, n, rng)[burst],
        terminal=_draw(rows.terminal, n, rng)[burst],
        second=np.minimum(starts[burst] + elapsed, end - 1),
        cents=rng.integers(50, 500, size=n),
        fraud=np.full(n, code),
    )


def _draw(values: Ints, n: int, rng: np.random.Generator) -> Ints:
    return values[rng.integers(len(values), size=n)]


def _turn_into_fraud(
    rows: _Rows, code: int, fraud_type: FraudType, rng: np.random.Generator
) -> None:
    """Mark existing rows as frauds of this type, in place, and change amounts."""
    late = np.flatnonzero(rows.second >= fraud_type.start_day * _DAY)
    n = round(fraud_type.rate * len(late))
    if fraud_type.kind == "high_amount":
        chosen = rng.choice(late, size=n, replace=False)
    elif fraud_type.kind == "compromised_terminal":
        chosen = _in_episodes(rows.terminal, rows.second, late, fraud_type, n, rng)
    else:
        n_touched = round(n / _STOLEN_SHARE)
        touched = _in_episodes(
            rows.customer, rows.second, late, fraud_type, n_touched, rng
        )
        chosen = touched[rng.uniform(size=len(touched)) < _STOLEN_SHARE]
    chosen = chosen[rows.fraud[chosen] == 0]
    rows.fraud[chosen] = code
    if fraud_type.kind == "high_amount":
        rows.cents[chosen] = rng.integers(30_000, 90_001, size=len(chosen))
    elif fraud_type.kind == "stolen_card":
        rows.cents[chosen] *= _STOLEN_FACTOR


def _in_episodes(
    entity: Ints,
    second: Ints,
    late: Ints,
    fraud_type: FraudType,
    n: int,
    rng: np.random.Generator,
) -> Ints:
    """Find about n rows in episodes, each of one entity from one of the rows `late`.

    Every episode holds its first row, so n candidates are always enough.
    """
    order, key, horizon = _by_entity(entity, second)
    length = min(round(fraud_type.duration * _DAY), horizon)
    first = np.argsort(order)[rng.permutation(late)[:n]]
    count = np.searchsorted(key, key[first] + length) - first
    wanted = np.cumsum(count) <= n
    wanted[:1] = True
    first, count = first[wanted], count[wanted]
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.unique(order[np.repeat(first, count) + offset])


def _by_entity(entity: Ints, second: Ints) -> tuple[Ints, Ints, int]:
    """Sort time-ordered rows by entity; return the order, a key and a horizon.

    The key increases with entity, then time. A search for a time up to one horizon
    earlier or later never runs into another entity.
    """
    order = np.argsort(entity, kind="stable")
    horizon = int(second.max(initial=0)) + (max(_WINDOWS) + 1) * _DAY
    return order, 2 * horizon * entity[order] + second[order], horizon


def _in_order_of_time(parts: list[_Rows]) -> _Rows:
    rows = _Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(rows.second, kind="stable")
    return _Rows(*(column[order] for column in rows))


def _frame(rows: _Rows, names: NDArray[Any], label_delay: int) -> pd.DataFrame:
    day = rows.second // _DAY
    amount = rows.cents / 100
    columns: dict[str, NDArray[Any]] = {
        "transaction_id": np.arange(len(day)),
        "time": _FIRST_DAY + rows.second.astype("timedelta64[s]"),
        "day": day,
        "customer_id": rows.customer,
        "terminal_id": rows.terminal,
        "amount": amount,
        "weekend": (day % 7 >= 5).astype(np.int64),
        "night": (rows.second % _DAY < 6 * 3600).astype(np.int64),
        **_customer_features(rows),
        **_terminal_features(rows),
        "is_fraud": (rows.fraud > 0).astype(np.int64),
        "fraud_type": names[rows.fraud],
        "label_day": day + label_delay,
    }
    return pd.DataFrame(columns)


def _customer_features(rows: _Rows) -> dict[str, NDArray[Any]]:
    order, key, _ = _by_entity(rows.customer, rows.second)
    cents = rows.cents[order]
    total = np.concatenate([[0], np.cumsum(cents)])  # whole cents: sums are exact
    row = np.arange(len(key))
    features: dict[str, NDArray[Any]] = {}
    for days in _WINDOWS:
        first = np.searchsorted(key, key - days * _DAY, side="right")
        count = row + 1 - first
        features[f"customer_count_{days}d"] = count
        spent = total[row + 1] - total[first]
        features[f"customer_mean_{days}d"] = spent / (100 * count)
    # `count` and `spent` are now those of the longest window.
    earlier_mean = (spent - cents) / np.maximum(count - 1, 1)
    ratio = np.divide(cents, earlier_mean, out=np.ones(len(key)), where=count > 1)
    pause = np.minimum(np.diff(key, prepend=-np.inf), max(_WINDOWS) * _DAY)
    features = {"seconds_since_last": pause, "amount_ratio": ratio, **features}
    return {name: _in_rows(order, values) for name, values in features.items()}


def _terminal_features(rows: _Rows) -> dict[str, NDArray[Any]]:
    order, key, _ = _by_entity(rows.terminal, rows.second)
    return {
        f"terminal_count_{days}d": _in_rows(
            order,
            np.arange(1, len(key) + 1)
            - np.searchsorted(key, key - days * _DAY, side="right"),
        )
        for days in _WINDOWS
    }


def _in_rows(order: Ints, values: NDArray[Any]) -> NDArray[Any]:
    """Put values that were computed in sorted order back in the order of rows."""
    result = np.empty_like(values)
    result[order] = values
    return result
