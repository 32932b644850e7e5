"""The whole benchmark on one table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from rarecorrect.progress import Progress
from rarecorrect_tabular.alerts import run_alerts
from rarecorrect_tabular.loader import TransactionTable
from rarecorrect_tabular.methods import Method, available_methods
from rarecorrect_tabular.protocol import Outcome, Plan, run_task, shortcoming
from rarecorrect_tabular.task import CorrectionTask
from rarecorrect_tabular.tasks import make_task, task_names
from rarecorrect_tabular.tuning import TunedPeer, tune_peers, tuned_methods


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a reader must know of a task to judge its figures.

    Attributes
    ----------
    name : str
    n_legacy_rows, n_pool_rows, n_pool_cases : int
        Rows the legacy model was trained on; rows and errors to learn from.
    n_test_rows, n_test_cases : int
    accuracy : float
        Of the legacy model on the correction window.
    """

    name: str
    n_legacy_rows: int
    n_pool_rows: int
    n_pool_cases: int
    n_test_rows: int
    n_test_cases: int
    accuracy: float

    @classmethod
    def of(cls, task: CorrectionTask) -> TaskFacts:
        """Facts of a task."""
        return cls(
            task.name,
            task.n_legacy_rows,
            task.pool.size,
            task.pool_cases.size,
            task.test.size,
            task.n_test_cases,
            float(task.right[task.pool].mean()),
        )


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkResult:
    """Rows, hits and circumstances of a run.

    Attributes
    ----------
    frame : DataFrame
        One row per task, reading, number of cases, draw, method, budget and window.
    outcome : Outcome
    alerts : list of dict
        One row per task, number of cases, draw, method and daily cap.
    tasks : list of TaskFacts
    tuned : list of TunedPeer
    plan : Plan
    data_set : str
    n_rows : int
    seconds : float
    """

    frame: pd.DataFrame
    outcome: Outcome
    alerts: list[dict[str, Any]]
    tasks: list[TaskFacts]
    tuned: list[TunedPeer]
    plan: Plan
    data_set: str
    n_rows: int
    seconds: float


def run_benchmark(
    table: TransactionTable,
    plan: Plan,
    *,
    scenarios: Sequence[str] = (),
    progress: Progress | None = None,
    methods: dict[str, Method] | None = None,
    n_jobs: int = 1,
) -> BenchmarkResult:
    """Run the protocol on every kind of error of a table.

    Parameters
    ----------
    table : TransactionTable
    plan : Plan
    scenarios : sequence of str, default=()
        Fraud types to leave out in turn; empty: all.
    progress : Progress, optional
    methods : dict of str to callable, optional
        None: all that this installation can run.
    n_jobs : int, default=1
        Tasks at once, each in a process of its own; more than one show progress by
        whole tasks.

    Returns
    -------
    BenchmarkResult

    Raises
    ------
    ValueError
        For an unknown scenario, or if no task has anything to learn and to test.
    """
    show = Progress() if progress is None else progress
    begin = time.perf_counter()
    known = task_names(table)
    unknown = sorted(set(scenarios) - set(known))
    if unknown:
        raise ValueError(f"no scenario {unknown[0]!r} in this table; it has {known}")
    outcome = Outcome()
    if methods is None:
        methods, missing = available_methods()
        outcome.notes += [
            f"{name}: skipped, not installed (pip install 'rarecorrect[boosting]')"
            for name in missing
        ]
    names = list(scenarios or known)
    if n_jobs == 1:
        runs = [_run(table, name, plan, methods, show) for name in names]
    else:
        show.task(f"{len(names)} tasks, {n_jobs} at once", len(names))
        several = Parallel(n_jobs, return_as="generator")
        runs = []
        for run in several(
            delayed(_run)(table, name, plan, methods, Progress()) for name in names
        ):
            runs.append(run)
            show.step(run.facts.name)
    for run in runs:
        outcome.add(run.outcome)
    if not outcome.rows:
        raise ValueError("; ".join(outcome.notes))
    return BenchmarkResult(
        pd.DataFrame(outcome.rows),
        outcome,
        [row for run in runs for row in run.alerts],
        [run.facts for run in runs],
        [peer for run in runs for peer in run.tuned],
        plan,
        table.schema.name,
        len(table),
        time.perf_counter() - begin,
    )


class _Run(NamedTuple):
    """What one task came to."""

    facts: TaskFacts
    tuned: list[TunedPeer]
    outcome: Outcome
    alerts: list[dict[str, Any]]


def _run(
    table: TransactionTable,
    name: str,
    plan: Plan,
    methods: dict[str, Method],
    show: Progress,
) -> _Run:
    # One thread inside a fit: on a shared machine two of them wait for each other, and
    # gradient boosting takes four times as long with two as with one.
    with threadpool_limits(1):
        show.start(f"legacy model without {name}")
        task = make_task(table, name, sizes=plan.sizes, seed=plan.seed)
        peers = _tuned(task, plan, methods, show)
        show.task(task.name, plan.steps(task))
        everyone = methods | tuned_methods(peers, methods)
        return _Run(
            TaskFacts.of(task),
            peers,
            run_task(task, plan, everyone, on_draw=show.step),
            run_alerts(task, plan, on_draw=show.step),
        )


def _tuned(
    task: CorrectionTask, plan: Plan, methods: dict[str, Method], show: Progress
) -> list[TunedPeer]:
    if not plan.tuning_cases or shortcoming(task):
        return []
    show.start(f"tuning the peers for {task.name}")
    return tune_peers(
        task,
        methods,
        plan.tuning_cases,
        damages=plan.damages,
        seed=plan.seed,
        sizes=plan.sizes,
    )
