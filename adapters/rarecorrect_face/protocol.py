"""The protocol: every method on the same draws, at the same damage, on test faces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, f1_score

from rarecorrect import Certificate, FisherDetector, certified_threshold
from rarecorrect.metrics import (
    clopper_pearson,
    gain_at_retention,
    gain_retention_curve,
)
from rarecorrect_face.case import CorrectionCase, Draw, make_draw
from rarecorrect_face.methods import PRODUCT, Method, scores_of
from rarecorrect_face.plan import Plan, words
from rarecorrect_face.result import CaseResult

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

NULL = "Fisher, labels permuted"
RETRAINED = "retrained network's class score"
WITHOUT, WITH = "without", "with"
ALL = words(None)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of one method on the rows that calibrate and those that test."""

    method: str
    draw: int
    calibration: Array
    test: Array
    seconds: float


def run_case(
    case: CorrectionCase,
    plan: Plan,
    methods: Mapping[str, Method],
    *,
    on_draw: Callable[[str], None] = lambda text: None,
) -> CaseResult:
    """Run every method on every draw of a case, with the null control.

    Every method is fitted once a draw and told the smallest budget.  The score of the
    retrained network takes part like a method that learns nothing.

    Parameters
    ----------
    case : CorrectionCase
    plan : Plan
    methods : mapping of str to callable
    on_draw : callable
        Told after every fit, with a few words.

    Returns
    -------
    CaseResult
    """
    test = _Test(case)
    result = CaseResult(case.label, plan.seed, test.names, _facts(case, test))
    for k, n_draws in plan.cells(case.errors.size):
        draws = [
            make_draw(case, k, i, seed=plan.seed, background=plan.background)
            for i in range(n_draws)
        ]
        for name, method in methods.items():
            for draw in draws[: plan.draws_of(name, n_draws)]:
                scored = _fitted(case, draw, name, method(min(plan.damages), draw.seed))
                _measure(test, scored, words(k), draw, plan, result)
                on_draw(f"{case.label}, {words(k)} errors, {name}")
        if case.retrained is not None:
            scored = _score_all(case, RETRAINED, 0, case.retrained.score, 0.0)
            _measure(test, scored, words(k), draws[0], plan, result)
        _null_control(case, test, draws, words(k), plan, result)
    result.confusions["before"] = _confusion(test, test.before)
    if test.retrained is not None:
        result.confusions["retrained"] = _confusion(test, test.retrained)
    return result


def steps(case: CorrectionCase, plan: Plan, methods: Mapping[str, Method]) -> int:
    """Return the number of fits of a case, for a progress bar."""
    cells = list(plan.cells(case.errors.size))
    return sum(plan.draws_of(name, n) for name in methods for _, n in cells)


class _Test:
    """Test faces of a case: masks without and with copies, and classes as numbers."""

    def __init__(self, case: CorrectionCase) -> None:
        self.right, self.repairable = case.right, case.repairable
        self.faces = {WITHOUT: ~case.copy, WITH: np.ones(case.copy.size, bool)}
        labels, before = case.labels[case.test], case.before[case.test]
        texts = [labels, before, np.array([case.label])]
        if case.retrained is not None:
            texts.append(case.retrained.decisions[case.test])
        names = np.unique(np.concatenate(texts))
        self.names = tuple(names.tolist())
        self.true, self.before, target, *retrained = (
            np.searchsorted(names, text) for text in texts
        )
        self.target = int(target[0])
        self.retrained = retrained[0] if retrained else None

    def after(self, fired: Mask) -> Array:
        return np.where(fired, self.target, self.before)

    def macro_f1(self, decisions: Array | None, copies: str) -> float:
        """Mean over the classes that occur among the test faces."""
        if decisions is None:
            return float("nan")
        inside = self.faces[copies]
        true = self.true[inside]
        return float(
            f1_score(
                true,
                decisions[inside],
                labels=np.unique(true),
                average="macro",
                zero_division=0.0,
            )
        )


def _facts(case: CorrectionCase, test: _Test) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "errors": case.errors.size,
        "right_unseen": case.unseen_right.size,
        "right_seen": case.seen_right.size,
        "calibration": case.calibration.size,
    }
    for copies, inside in test.faces.items():
        facts |= {
            f"test_faces_{copies}": int(inside.sum()),
            f"test_errors_{copies}": int((test.repairable & inside).sum()),
            f"accuracy_{copies}": float(test.right[inside].mean()),
            f"macro_f1_before_{copies}": test.macro_f1(test.before, copies),
            f"macro_f1_retrained_{copies}": test.macro_f1(test.retrained, copies),
        }
    return facts


def _fitted(case: CorrectionCase, draw: Draw, name: str, model: Any) -> Scored:
    start = time.perf_counter()
    # numbers, not truth values: boosted trees take nothing else
    model.fit(case.Z[draw.fitting], draw.is_error.astype(int))
    seconds = time.perf_counter() - start
    scores = np.full(len(case.Z), np.nan)
    rows = np.concatenate([case.calibration, case.test])
    scores[rows] = scores_of(model, case.Z[rows])
    return _score_all(case, name, draw.number, scores, seconds)


def _score_all(
    case: CorrectionCase, name: str, draw: int, scores: Array, seconds: float
) -> Scored:
    calibration, test = (
        case.change_scores(scores[rows], rows) for rows in (case.calibration, case.test)
    )
    return Scored(name, draw, calibration, test, seconds)


def _measure(
    test: _Test, scored: Scored, k: str, draw: Draw, plan: Plan, result: CaseResult
) -> None:
    for copies, inside in test.faces.items():
        right, repairable = test.right[inside], test.repairable[inside]
        curve = gain_retention_curve(scored.test[inside], right, repairable)
        if copies == WITHOUT and k == ALL and scored.draw == 0:
            result.curves[scored.method] = np.stack(curve[:2])
        for damage in plan.damages:
            certificate = certified_threshold(
                scored.calibration, damage, plan.confidence_level
            )
            if copies == WITHOUT:
                at = {
                    "curve": _curve_threshold(curve, 1 - damage),
                    "certified": certificate.threshold,
                }
                for reading, threshold in at.items():
                    fired = scored.test[inside][repairable] > threshold
                    _add_hits(result, (k, damage, scored.method, reading), fired)
            if copies == WITHOUT and k == ALL and damage == max(plan.damages):
                _keep_decisions(test, scored, certificate, result)
            result.rows.append(
                {
                    "protocol": plan.protocol,
                    "seed": plan.seed,
                    "class": result.label,
                    "k": k,
                    "n_errors": int(draw.is_error.sum()),
                    "draw": scored.draw,
                    "method": scored.method,
                    "damage": damage,
                    "copies": copies,
                    **_gains(curve, damage, plan.gains),
                    **_certified(test, scored, certificate, copies),
                    "seconds_fit": scored.seconds,
                }
            )


def _gains(
    curve: tuple[Array, ...], damage: float, gains: tuple[float, ...]
) -> dict[str, float]:
    """Gain at one retention, and the retention at some gains, on one exact curve."""
    kept, gain, _ = curve
    found = {"curve_gain": float(gain[kept >= 1 - damage].max())}
    for least in gains:
        reached = kept[gain >= least]
        found[retention_column(least)] = float(reached.max()) if reached.size else 0.0
    return found


def retention_column(gain: float) -> str:
    """Name of the column with the retention at a gain.

    Examples
    --------
    >>> retention_column(0.5)
    'retention_at_gain_50'
    """
    return f"retention_at_gain_{round(100 * gain)}"


def _certified(
    test: _Test, scored: Scored, certificate: Certificate, copies: str
) -> dict[str, Any]:
    inside = test.faces[copies]
    fired = scored.test > certificate.threshold
    right, repairable = test.right & inside, test.repairable & inside
    broken, n_right = int((fired & right).sum()), int(right.sum())
    low, high = clopper_pearson(broken, n_right)
    return {
        "certified": certificate.certified,
        "certified_gain": float(fired[repairable].mean()),
        "realised_damage": broken / n_right,
        "realised_damage_low": low,
        "realised_damage_high": high,
        "macro_f1_after": test.macro_f1(test.after(fired), copies),
        "n_calibration": certificate.n_calibration,
        "n_test_right": n_right,
        "n_test_errors": int(repairable.sum()),
    }


def _curve_threshold(curve: tuple[Array, ...], retention: float) -> float:
    kept, gain, thresholds = curve
    allowed = np.flatnonzero(kept >= retention)
    # the highest threshold among the best ones: no budget that buys nothing
    return float(thresholds[allowed[np.argmax(gain[allowed])]])


def _add_hits(
    result: CaseResult, key: tuple[str, float, str, str], fired: Mask
) -> None:
    before = result.hits.get(key, np.empty((0, fired.size), dtype=bool))
    result.hits[key] = np.vstack([before, fired])


def _null_control(
    case: CorrectionCase,
    test: _Test,
    draws: list[Draw],
    k: str,
    plan: Plan,
    result: CaseResult,
) -> None:
    """Gain on test of a detector that learnt from permuted error labels."""
    inside = test.faces[WITHOUT]
    right, repairable = test.right[inside], test.repairable[inside]
    for number, draw, is_error in _permuted(draws, plan):
        detector = FisherDetector().fit(case.Z[draw.fitting], is_error)
        rows = case.test[inside]
        scores = case.change_scores(detector.decision_function(case.Z[rows]), rows)
        for damage in plan.damages:
            result.rows.append(
                {
                    "protocol": plan.protocol,
                    "seed": plan.seed,
                    "class": result.label,
                    "k": k,
                    "n_errors": int(is_error.sum()),
                    "draw": number,
                    "method": NULL,
                    "damage": damage,
                    "copies": WITHOUT,
                    "curve_gain": gain_at_retention(
                        scores, right, repairable, 1 - damage
                    ),
                    "n_test_errors": int(repairable.sum()),
                }
            )


def _permuted(draws: list[Draw], plan: Plan) -> Iterator[tuple[int, Draw, Mask]]:
    for number in range(plan.permutations):
        draw = draws[number % len(draws)]
        rng = np.random.default_rng([plan.seed, number, 7])
        yield number, draw, rng.permutation(draw.is_error)


def _keep_decisions(
    test: _Test, scored: Scored, certificate: Certificate, result: CaseResult
) -> None:
    """What the method that is compared changes, and the confusion matrix after it."""
    known = "after" in result.confusions
    if scored.draw == 0 and (scored.method == PRODUCT or not known):
        fired = scored.test > certificate.threshold
        after = test.after(fired)
        result.confusions["after"] = _confusion(test, after)
        result.facts["after"] = f"{scored.method}, damage {certificate.max_damage:g}"
        result.changed = fired
        inside = fired & test.faces[WITHOUT]
        result.facts["repaired_after"] = int((inside & test.repairable).sum())
        result.facts["damaged_after"] = int((inside & test.right).sum())


def _confusion(test: _Test, decisions: Array) -> Array:
    inside = test.faces[WITHOUT]
    codes = np.arange(len(test.names))
    return np.asarray(
        confusion_matrix(test.true[inside], decisions[inside], labels=codes)
    )
