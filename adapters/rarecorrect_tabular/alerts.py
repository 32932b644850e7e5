"""Alerts a day: correctors under a daily cap, certified and judged on whole days."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect import (
    ColumnModel,
    ErrorCorrector,
    FisherDetector,
    NotCertifiedWarning,
)
from rarecorrect.certify import alert_threshold, daily_threshold
from rarecorrect.detectors import TreesDetector
from rarecorrect_tabular.methods import N_JOBS, PRODUCT
from rarecorrect_tabular.protocol import (
    WHOLE,
    Plan,
    change_scores,
    row_head,
    shortcoming,
)
from rarecorrect_tabular.task import CorrectionTask, Draw, WholeDays, whole_day_draw

FloatArray = npt.NDArray[np.float64]

FORESTS = "ExtraTrees"
TUNING = "threshold tuning"
NULL = f"{PRODUCT}, null"
DETECTORS: dict[str, Any] = {
    PRODUCT: FisherDetector(),
    FORESTS: TreesDetector(n_jobs=N_JOBS),
}
ALERT_METHODS = (*DETECTORS, TUNING, NULL)


def run_alerts(
    task: CorrectionTask,
    plan: Plan,
    *,
    on_draw: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Rows of the result table: what is caught under a daily cap, and if it holds.

    Parameters
    ----------
    task : CorrectionTask
    plan : Plan
    on_draw : callable
        Told after every draw, with a few words.

    Returns
    -------
    list of dict
        One row per number of cases, draw, method and cap; empty for a task without
        whole days, or without errors.
    """
    rows: list[dict[str, Any]] = []
    days, level = task.days, plan.confidence_level
    if days is None or shortcoming(task):
        return rows
    for k, number in plan.alert_cells(task):
        draw = whole_day_draw(task, k, number, seed=plan.seed, sizes=plan.sizes)
        for name, scores in _all_scores(task, days, draw, plan):
            head = row_head(task, draw, k, name)
            for cap in plan.alert_caps:
                rows.append(head | _outcome(task, days, scores, cap, level))
        on_draw(f"{task.name}, alerts a day, {k} cases")
    return rows


def fit_under_cap(
    task: CorrectionTask, draw: Draw, detector: Any, cap: int, level: float = 0.95
) -> ErrorCorrector:
    """Corrector that learns the cases of a draw and calibrates on all of its traffic.

    Parameters
    ----------
    task : CorrectionTask
        With whole days.
    draw : Draw
        From :func:`~rarecorrect_tabular.task.whole_day_draw`.
    detector : classifier
    cap : int
        Alerts a day.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    ErrorCorrector
        Of the rows of ``task.Z``.
    """
    assert task.days is not None
    rows = np.union1d(draw.fitting, draw.calibration)
    # whatever nobody has labelled passes for what the legacy model says
    y = ~task.changeable[rows] | np.isin(rows, draw.cases)
    # its log-odds stand in the last column: no need to ask it again for every draw
    legacy = ColumnModel(task.Z.shape[1] - 1, threshold=0.0)
    corrector = ErrorCorrector(
        legacy,
        features="input",
        detector=detector,
        max_damage=None,
        alert_budget=f"{cap}/day",
        confidence_level=level,
        ledger=False,
        random_state=draw.seed,
    )
    return corrector.fit(
        task.Z[rows],
        y.astype(int),
        calibration_mask=np.isin(rows, draw.calibration),
        time=task.days.day[rows],
    )


def _all_scores(
    task: CorrectionTask, days: WholeDays, draw: Draw, plan: Plan
) -> Iterator[tuple[str, FloatArray]]:
    """Scores of traffic and later rows by every method."""
    for name, detector in DETECTORS.items():
        if name != FORESTS or draw.number < plan.retraining_draws:
            yield name, _scores(task, days, draw, detector, plan)
    yield NULL, _scores(task, days, _unrelated(draw), DETECTORS[PRODUCT], plan)
    if draw.number == 0:  # it learns nothing, so draws do not differ
        own = task.legacy_score[days.scored]
        yield TUNING, change_scores(task, own, days.scored)


def _scores(
    task: CorrectionTask, days: WholeDays, draw: Draw, detector: Any, plan: Plan
) -> FloatArray:
    """Scores by one corrector, whose rules and scores are the same under every cap."""
    cap, level = max(plan.alert_caps), plan.confidence_level
    with warnings.catch_warnings():
        # the tables say so, cap by cap
        warnings.simplefilter("ignore", NotCertifiedWarning)
        corrector = fit_under_cap(task, draw, detector, cap, level)
    answers = (~task.changeable[days.scored]).astype(int)
    scores = corrector.rules_.decide(task.Z[days.scored], answers).score
    # as in the fit: a row that was learnt from is an alert whatever its score
    scores[np.isin(days.scored, draw.cases)] = np.inf
    return scores


def _unrelated(draw: Draw) -> Draw:
    """Right decisions in the place of the cases, as many."""
    order = np.random.default_rng([draw.seed, 7]).permutation(draw.background)
    k = draw.cases.size
    return replace(draw, cases=order[:k], background=order[k:])


def _outcome(
    task: CorrectionTask, days: WholeDays, scores: FloatArray, cap: int, level: float
) -> dict[str, Any]:
    traffic, later = np.split(scores, [days.traffic.size])
    certificate = daily_threshold(
        traffic, days.day[days.traffic], cap, confidence_level=level
    )
    fired, case = later > certificate.threshold, task.case[days.later]
    _, day = np.unique(days.day[days.later], return_inverse=True)
    alerts = np.bincount(day, fired)
    # for comparison: the same number as a mean share of traffic
    rate = cap * np.unique(days.day[days.traffic]).size / traffic.size
    by_rate = alert_threshold(traffic, rate, level)
    alerts_by_rate = np.bincount(day, later > by_rate.threshold)
    return {
        "cap": cap,
        "window": WHOLE,
        "certified_gain": float(fired[case].mean()),
        "certified": certificate.certified,
        "confidence_level": level,
        "n_calibration": certificate.n_calibration,
        "n_test_positives": int(case.sum()),
        "alerts_mean": float(alerts.mean()),
        "alerts_max": int(alerts.max()),
        "rows_a_day": later.size / alerts.size,
        "n_days": alerts.size,
        "n_days_above": int((alerts > cap).sum()),
        "n_days_above_by_rate": int((alerts_by_rate > cap).sum()),
    }
