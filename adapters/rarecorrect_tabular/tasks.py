"""Correction tasks from a transaction table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.features import FeatureExtractor
from rarecorrect_tabular.legacy import default_legacy, log_odds
from rarecorrect_tabular.loader import TransactionTable
from rarecorrect_tabular.task import CorrectionTask, Sizes, WholeDays
from rarecorrect_tabular.terminal_risk import LABEL_DELAY, RISK_WINDOWS, terminal_risk

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Windows:
    """Days ``[start, end)`` of training, correction and test.

    Attributes
    ----------
    train, correct, test : tuple of int
    step : int
        Length of the parts of the test window that damage is reported for.
    """

    train: tuple[int, int] = (30, 75)
    correct: tuple[int, int] = (75, 105)
    test: tuple[int, int] = (112, 140)
    step: int = 7


def task_names(table: TransactionTable) -> list[str]:
    """Kinds of errors that the table makes tasks of.

    Parameters
    ----------
    table : TransactionTable

    Returns
    -------
    list of str
        The fraud types, or ``["missed frauds"]`` where none are told apart.
    """
    if table.fraud_type is None:
        return ["missed frauds"]
    return sorted(set(table.fraud_type[table.label].tolist()))


def make_task(
    table: TransactionTable,
    name: str,
    *,
    windows: Windows | None = None,
    sizes: Sizes | None = None,
    seed: int = 0,
) -> CorrectionTask:
    """Train a legacy model and say what it gets wrong, where to learn and to test.

    With a time and fraud types: the new-fraud-type protocol.  The legacy model is
    trained before the type is known, its rows taken out; the correction window comes
    next, the test window after a gap in which labels arrive.  With types and a stored
    split: the type is left out of half of the training part and learnt from the other
    half.  Otherwise: the frauds that a model trained on a random third misses are
    learnt from the second third and tested on the last.

    Parameters
    ----------
    table : TransactionTable
    name : str
        One of :func:`task_names`.
    windows : Windows, optional
    sizes : Sizes, optional
    seed : int, default=0

    Returns
    -------
    CorrectionTask

    Raises
    ------
    ValueError
        For an unknown name, or windows without rows.
    """
    if name not in task_names(table):
        raise ValueError(f"no task {name!r}; there are {task_names(table)}")
    limits = Sizes() if sizes is None else sizes
    rng = np.random.default_rng([seed, 1_000_003])
    if table.fraud_type is None:
        return _missed_frauds(table, limits, rng, seed)
    if table.time is None:
        return _left_out_category(table, name, limits, rng, seed)
    return _new_fraud_type(table, name, windows or Windows(), limits, rng, seed)


def hidden_type_matrix(
    table: TransactionTable,
    name: str,
    train: Indices,
    *,
    confirmed: Mask | None = None,
    delay: float = LABEL_DELAY,
) -> tuple[npt.NDArray[np.float32], list[str]]:
    """Features in which nothing knows of the type `name`.

    Parameters
    ----------
    table : TransactionTable
    name : str
        The unknown fraud type; its labels count as genuine in the terminals' risk,
        in every window, also once some cases are labelled: the simplest honest
        reading, since whoever maintains these columns learns of it last.
    train : ndarray of int
        Rows that encodings are learnt from.
    confirmed : ndarray of bool of shape (n_rows,), optional
        Frauds of the type that count in the terminals' risk all the same, once `delay`
        is over; None: none ever does.
    delay : float, default=7
        Days until a fraud counts in the terminals' risk.

    Returns
    -------
    X : ndarray of float32 of shape (n_rows, n_features)
    names : list of str
    """
    X, names = table.matrix(train)
    if table.terminal is None or table.time is None or table.fraud_type is None:
        return X, names
    known = table.label & (table.fraud_type != name)
    if confirmed is not None:
        known |= confirmed
    risk = terminal_risk(table.terminal, table.time, known, delay=delay)
    added = [f"terminal_risk_{days}d" for days in RISK_WINDOWS]
    return np.hstack([X, risk]), names + added


def _new_fraud_type(
    table: TransactionTable,
    name: str,
    windows: Windows,
    sizes: Sizes,
    rng: np.random.Generator,
    seed: int,
) -> CorrectionTask:
    assert table.time is not None and table.fraud_type is not None
    if windows.test[0] - windows.correct[1] < LABEL_DELAY:
        raise ValueError(
            f"test day {windows.test[0]} must lie {LABEL_DELAY} days after the "
            f"correction window, which ends before day {windows.correct[1]}"
        )
    of_type = table.fraud_type == name
    train_all = _between(table.time, windows.train)
    train = train_all[~of_type[train_all]]
    pool = _between(table.time, windows.correct)
    gap = _between(table.time, (windows.correct[1], windows.test[0]))
    later = _between(table.time, windows.test)
    _refuse_empty(train=train, correction=pool, test=later)
    _refuse_no_frauds(table, train)
    X, _ = hidden_type_matrix(table, name, train)
    rows = np.concatenate([train, pool, gap, later])
    before, correct, unlabelled, after = _sections(train, pool, gap, later)
    day = np.floor(table.time[rows]).astype(np.int64)
    starts = day[after] - (day[after] - windows.test[0]) % windows.step
    ends = np.minimum(starts + windows.step, windows.test[1]) - 1
    parts = np.array([f"days {a}-{b}" for a, b in zip(starts, ends, strict=True)])
    task = _binary_task(
        table,
        f"scenario {name}" if name.isdigit() else name,
        X[rows],
        table.label[rows],
        of_type[rows],
        [before, correct, after],
        parts,
        sizes,
        rng,
        seed,
        n_type_train=train_all.size - train.size,
    )
    traffic = np.concatenate([correct, unlabelled])
    return replace(task, days=WholeDays(before, traffic, after, day))


def _missed_frauds(
    table: TransactionTable, sizes: Sizes, rng: np.random.Generator, seed: int
) -> CorrectionTask:
    order = rng.permutation(len(table))
    parts = [np.sort(part) for part in np.array_split(order, 3)]
    X, _ = table.matrix(parts[0])
    rows = np.concatenate(parts)
    return _binary_task(
        table,
        "missed frauds",
        X[rows],
        table.label[rows],
        table.label[rows],
        _sections(*parts),
        np.full(parts[2].size, "random third"),
        sizes,
        rng,
        seed,
    )


def _binary_task(
    table: TransactionTable,
    name: str,
    X: npt.NDArray[np.float32],
    y: Mask,
    of_type: Mask,
    sections: Sequence[Indices],
    parts: Array,
    sizes: Sizes,
    rng: np.random.Generator,
    seed: int,
    n_type_train: int = 0,
) -> CorrectionTask:
    train, pool, later = sections
    weight = np.where(y, 1.0, table.schema.normal_weight)

    def fit(rows: Indices, labels: Mask, random_state: int) -> Any:
        return default_legacy(random_state).fit(
            X[rows], labels.astype(int), sample_weight=weight[rows]
        )

    legacy = fit(train, y[train], seed)
    reading = FeatureExtractor(legacy).fit(X[train]).read(X)
    flagged = reading.labels.astype(bool)
    case = of_type & ~flagged

    def retrain(
        cases: Indices, left_out: Indices, random_state: int
    ) -> Callable[[Indices], Array]:
        known = y & ~of_type
        known[train] = y[train]
        known[cases] = True
        # whoever raises an alert knows what it was
        known |= y & flagged
        rows = np.setdiff1d(np.concatenate([train, pool]), left_out)
        model = fit(rows, known[rows], random_state)
        return lambda wanted: log_odds(model.predict_proba(X[wanted])[:, 1])

    test, kept = _test_rows(later, case, flagged == y, sizes, rng)
    return CorrectionTask(
        table.schema.name,
        name,
        np.asarray(reading.features, dtype=np.float32),
        log_odds(np.asarray(reading.scores)[:, 1]),
        ~flagged,
        flagged == y,
        case,
        pool,
        test,
        parts[kept],
        ("as seen", "clean"),
        retrain,
        train.size,
        n_type_train,
    )


def _left_out_category(
    table: TransactionTable,
    name: str,
    sizes: Sizes,
    rng: np.random.Generator,
    seed: int,
) -> CorrectionTask:
    """Legacy model of several classes; the left-out category is a class it lacks."""
    assert table.fraud_type is not None
    if table.split is None:
        raise ValueError(
            "fraud types without a time need a column 'split' with the value 'test'"
        )
    is_test = np.char.startswith(table.split.astype(str), "test")
    first, pool = (
        np.sort(half)
        for half in np.array_split(rng.permutation(np.flatnonzero(~is_test)), 2)
    )
    later = np.flatnonzero(is_test)
    y = table.fraud_type.astype(str)
    of_type = y == name
    train = first[~of_type[first]]
    X, _ = table.matrix(train)
    legacy = default_legacy(seed).fit(X[train], y[train])
    reading = FeatureExtractor(legacy).fit(X[train]).read(X)
    right = reading.labels == y

    def retrain(
        cases: Indices, left_out: Indices, random_state: int
    ) -> Callable[[Indices], Array]:
        unlabelled = np.setdiff1d(pool[of_type[pool]], cases)
        gone = np.concatenate([left_out, unlabelled])
        rows = np.setdiff1d(np.concatenate([train, pool]), gone)
        model = default_legacy(random_state).fit(X[rows], y[rows])
        column = int(np.flatnonzero(model.classes_ == name)[0])
        return lambda wanted: log_odds(model.predict_proba(X[wanted])[:, column])

    test, kept = _test_rows(later, of_type, right, sizes, rng)
    largest = np.asarray(reading.scores).max(axis=1)
    return CorrectionTask(
        table.schema.name,
        name,
        np.asarray(reading.features, dtype=np.float32),
        -log_odds(largest),
        np.ones(len(table), dtype=bool),
        right,
        of_type,
        pool,
        test,
        np.full(later.size, "test part")[kept],
        ("clean",),
        retrain,
        train.size,
        first.size - train.size,
    )


def _test_rows(
    later: Indices, case: Mask, right: Mask, sizes: Sizes, rng: np.random.Generator
) -> tuple[Indices, Indices]:
    """All cases and some right decisions, and their positions in `later`."""
    candidates = np.flatnonzero(right[later])
    if candidates.size > sizes.test_right:
        candidates = rng.choice(candidates, sizes.test_right, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(case[later]), candidates]))
    return later[kept], kept


def _between(time: Array, days: tuple[int, int]) -> Indices:
    return np.flatnonzero((time >= days[0]) & (time < days[1]))


def _sections(*parts: Indices) -> list[Indices]:
    """Positions of parts once their rows are joined."""
    ends = np.cumsum([part.size for part in parts])
    return np.split(np.arange(ends[-1]), ends[:-1])


def _refuse_empty(**parts: Indices) -> None:
    empty = [name for name, rows in parts.items() if rows.size == 0]
    if empty:
        raise ValueError(
            f"no rows in the {' and '.join(empty)} window; the protocol needs days "
            "30 to 139, counted from the first day of the table"
        )


def _refuse_no_frauds(table: TransactionTable, train: Indices) -> None:
    if not table.label[train].any():
        raise ValueError(
            "no fraud of another type in the training window: the legacy model would "
            "have nothing to learn"
        )
