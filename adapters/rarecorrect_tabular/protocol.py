"""The protocol: every method on the same draws, at the same damage, on later rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect import Certificate, FisherDetector, certified_threshold
from rarecorrect.cross_fitting import cross_scores
from rarecorrect.metrics import (
    clopper_pearson,
    gain_at_retention,
    gain_retention_curve,
)
from rarecorrect_tabular.methods import BY_BUDGET, PRODUCT, Method
from rarecorrect_tabular.task import CorrectionTask, Draw, Sizes, make_draw

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

WHOLE = "all"
NULL = "Fisher, labels permuted"
CROSS_FITTED = "Fisher, cross-fitted"
CROSS_FITTED_NULL = "Fisher, cross-fitted, labels permuted"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run.

    Attributes
    ----------
    draws : dict
        From the number of labelled cases (None: all) to the number of draws.
    readings : tuple of str
    damages : tuple of float
        Budgets: largest share of right decisions changed.
    confidence_level : float
    permutations : int
        Of the error labels, in each cell.
    retraining_draws : int
        Draws in each cell of what takes long: refitting the legacy model, and a
        forest on all rows of whole days.
    tuning_cases : int
        Labelled cases that the peers are tuned on, once a task; 0: not tuned.
    alert_caps : tuple of int
        Alerts a day.
    alert_draws : int
        Draws for each number of labelled cases under these caps; 0: not run.
    seed : int
    sizes : Sizes
    """

    draws: dict[int | None, int] = field(
        default_factory=lambda: {5: 20, 20: 20, 100: 10, None: 5}
    )
    readings: tuple[str, ...] = ("as seen", "clean")
    damages: tuple[float, ...] = (0.001, 0.01)
    confidence_level: float = 0.95
    permutations: int = 20
    retraining_draws: int = 3
    tuning_cases: int = 100
    alert_caps: tuple[int, ...] = (5, 25, 100)
    alert_draws: int = 5
    seed: int = 0
    sizes: Sizes = field(default_factory=Sizes)

    @classmethod
    def quick(cls, seed: int = 0) -> Plan:
        """Few draws, two numbers of cases, one reading, small samples.

        Peers are not tuned, and alerts a day, which need all rows, are not counted.
        """
        return cls(
            draws={5: 3, 20: 3},
            readings=("as seen",),
            permutations=5,
            retraining_draws=1,
            tuning_cases=0,
            alert_draws=0,
            seed=seed,
            sizes=Sizes(20_000, 60_000, 50_000),
        )

    def with_draws(self, n: int) -> Plan:
        """Return the same plan with at most `n` draws in a cell."""
        return replace(
            self,
            draws={k: min(m, n) for k, m in self.draws.items()},
            alert_draws=min(self.alert_draws, n),
        )

    def cells(self, task: CorrectionTask) -> Iterator[tuple[str, int | None, int]]:
        """Reading, number of cases and number of draws of every cell of a task."""
        for reading in self.readings:
            # a task with one reading only is run once, in that one
            actual = reading if reading in task.readings else task.readings[0]
            if actual != reading and actual in self.readings:
                continue
            n_all = task.pool_cases.size
            for k, n in self.draws.items():
                same_as_all = k == n_all and None in self.draws
                if k is None or (k <= n_all and not same_as_all):
                    yield actual, k, n

    def alert_cells(self, task: CorrectionTask) -> Iterator[tuple[int, int]]:
        """Number of cases and number of the draw, of all draws under a daily cap."""
        for k in self.draws:
            if task.days is not None and k is not None and k <= task.pool_cases.size:
                yield from ((k, number) for number in range(self.alert_draws))

    def steps(self, task: CorrectionTask) -> int:
        """Number of draws of a task, for a progress bar."""
        n_alerts = sum(1 for _ in self.alert_cells(task))
        return n_alerts + sum(n for _, _, n in self.cells(task))


@dataclass(slots=True)
class Outcome:
    """Rows of the result table, and which test cases each method repaired.

    Attributes
    ----------
    rows : list of dict
    hits : dict
        From (data set, task, reading, k, damage, method, "curve" or "certified") to
        one mask of test cases for each draw.
    notes : list of str
        What was skipped, and why.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    hits: dict[tuple[Any, ...], list[Mask]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take in another outcome."""
        self.rows += other.rows
        self.hits.update(other.hits)
        self.notes += [note for note in other.notes if note not in self.notes]


def run_task(
    task: CorrectionTask,
    plan: Plan,
    methods: dict[str, Method],
    *,
    on_draw: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Run every method on every draw of a task, with the null controls.

    Parameters
    ----------
    task : CorrectionTask
    plan : Plan
    methods : dict of str to callable
    on_draw : callable
        Told after every draw, with a few words.

    Returns
    -------
    Outcome
        Without rows, and with a note, where there is nothing to learn or to test.
    """
    outcome = Outcome()
    if lacking := shortcoming(task):
        outcome.notes.append(f"{task.data_set}, {task.name}: {lacking}")
        return outcome
    for reading, k, n_draws in plan.cells(task):
        draws = []
        for number in range(n_draws):
            draw = make_draw(task, reading, k, number, seed=plan.seed, sizes=plan.sizes)
            draws.append(draw)
            for name, method in methods.items():
                if name != "retraining" or number < plan.retraining_draws:
                    _evaluate(task, draw, k, name, method, plan, outcome)
            on_draw(f"{task.name}, {reading}, {_cases(k)}")
        _null_control(task, draws, k, plan, outcome)
        _cross_fitted(task, draws, k, plan, outcome)
    return outcome


def change_scores(
    task: CorrectionTask, scores: npt.ArrayLike, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Scores of rows, ``-inf`` where the change would change nothing."""
    values = np.asarray(scores, dtype=float)
    return np.where(task.changeable[rows], values, -np.inf)


def row_head(
    task: CorrectionTask, draw: Draw, k: int | None, name: str
) -> dict[str, Any]:
    """First columns of a row of the result table: what was run on what."""
    data_set, label, reading, cases = _cell(task, draw, k)
    return {
        "data_set": data_set,
        "task": label,
        "reading": reading,
        "k": cases,
        "n_cases": draw.cases.size,
        "draw": draw.number,
        "seed": draw.seed,
        "method": name,
    }


def shortcoming(task: CorrectionTask) -> str:
    """Why there is nothing to learn or to test, or an empty string."""
    if task.pool_cases.size < 2:
        return f"{task.pool_cases.size} errors in the correction window, 2 are needed"
    if task.n_test_cases == 0:
        return "no errors in the test window"
    return ""


def _cases(k: int | None) -> str:
    return "all cases" if k is None else f"{k} cases"


def _evaluate(
    task: CorrectionTask,
    draw: Draw,
    k: int | None,
    name: str,
    method: Method,
    plan: Plan,
    outcome: Outcome,
) -> None:
    """Fit a method once, or once for each budget if it wants to know it."""
    fits: list[tuple[Method, tuple[float, ...]]] = [(method, plan.damages)]
    if name in BY_BUDGET:
        fits = [(partial(method, damage=d), (d,)) for d in plan.damages]
    for fit, damages in fits:
        start = time.perf_counter()
        scorer = fit(task, draw)
        fitted = time.perf_counter()
        rows = np.concatenate([draw.calibration, task.test])
        scores = change_scores(task, scorer(rows), rows)
        scored = time.perf_counter()
        calibration, test = np.split(scores, [draw.calibration.size])
        case, right = task.case[task.test], task.right[task.test]
        for damage in damages:
            certificate = certified_threshold(
                calibration, damage, plan.confidence_level
            )
            at = {
                "curve": _curve_threshold(test, right, case, 1 - damage),
                "certified": certificate.threshold,
            }
            for reading, threshold in at.items():
                key = (*_cell(task, draw, k), damage, name, reading)
                outcome.hits.setdefault(key, []).append(test[case] > threshold)
            common = {
                **row_head(task, draw, k, name),
                "damage": damage,
                "seconds_fit": fitted - start,
                "seconds_score": scored - fitted,
            }
            outcome.rows += _window_rows(task, test, certificate, at["curve"], common)


def _curve_threshold(test: Array, right: Mask, case: Mask, retention: float) -> float:
    kept, gain, thresholds = gain_retention_curve(test, right, case)
    allowed = np.flatnonzero(kept >= retention)
    # the highest threshold among the best ones: no budget that buys nothing
    return float(thresholds[allowed[np.argmax(gain[allowed])]])


def _window_rows(
    task: CorrectionTask,
    test: Array,
    certificate: Certificate,
    curve: float,
    common: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    case, right = task.case[task.test], task.right[task.test]
    for window in [WHOLE, *dict.fromkeys(task.window.tolist())]:
        inside = np.ones(case.size, bool) if window == WHOLE else task.window == window
        fired = test > certificate.threshold
        n_right = int((right & inside).sum())
        broken = int((fired & right & inside).sum())
        low, high = clopper_pearson(broken, n_right)
        here = case & inside
        yield {
            **common,
            "window": window,
            "curve_gain": _share(test[here] > curve),
            "certified_gain": _share(fired[here]),
            "certified": certificate.certified,
            "realised_damage": broken / n_right if n_right else np.nan,
            "realised_damage_low": low,
            "realised_damage_high": high,
            "n_calibration": certificate.n_calibration,
            "n_test_right": n_right,
            "n_test_positives": int(here.sum()),
        }


def _null_control(
    task: CorrectionTask,
    draws: Sequence[Draw],
    k: int | None,
    plan: Plan,
    outcome: Outcome,
) -> None:
    """Gain on test of a detector that learnt from permuted error labels."""
    case, right = task.case[task.test], task.right[task.test]
    for number, draw, is_error in _permuted(draws, plan):
        detector = FisherDetector().fit(task.Z[draw.fitting], is_error)
        test = detector.decision_function(task.Z[task.test])
        test = change_scores(task, test, task.test)
        for damage in plan.damages:
            gain = gain_at_retention(test, right, case, 1 - damage)
            head = row_head(task, draw, k, NULL) | {"draw": number, "damage": damage}
            counted = {"curve_gain": gain, "n_test_positives": int(case.sum())}
            outcome.rows.append({**head, "window": WHOLE, **counted})


def _cross_fitted(
    task: CorrectionTask,
    draws: Sequence[Draw],
    k: int | None,
    plan: Plan,
    outcome: Outcome,
) -> None:
    """Gain on left-out fitting rows, with true and with permuted labels."""
    real = [(i, draw, draw.is_error) for i, draw in enumerate(draws[:5])]
    for name, trials in ((CROSS_FITTED, real), (CROSS_FITTED_NULL, None)):
        for number, draw, is_error in trials or _permuted(draws, plan):
            Z = task.Z[draw.fitting]
            scores = cross_scores(FisherDetector(), Z, is_error, random_state=draw.seed)
            for damage in plan.damages:
                gain = gain_at_retention(scores, ~is_error, is_error, 1 - damage)
                head = row_head(task, draw, k, name) | {"draw": number}
                head |= {"damage": damage, "window": "fitting rows"}
                counted = {"curve_gain": gain, "n_test_positives": int(is_error.sum())}
                outcome.rows.append({**head, **counted})


def _permuted(draws: Sequence[Draw], plan: Plan) -> Iterator[tuple[int, Draw, Mask]]:
    for number in range(plan.permutations):
        draw = draws[number % len(draws)]
        rng = np.random.default_rng([plan.seed, number, 7])
        yield number, draw, rng.permutation(draw.is_error)


def _cell(task: CorrectionTask, draw: Draw, k: int | None) -> tuple[Any, ...]:
    return task.data_set, task.name, draw.reading, "all" if k is None else str(k)


def _share(mask: Mask) -> float:
    return float(mask.mean()) if mask.size else float("nan")


__all__ = [
    "CROSS_FITTED",
    "CROSS_FITTED_NULL",
    "NULL",
    "PRODUCT",
    "WHOLE",
    "Outcome",
    "Plan",
    "change_scores",
    "row_head",
    "run_task",
    "shortcoming",
]
