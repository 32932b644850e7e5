"""What candidates of an ensemble showed, and the weights that it gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.cross_fitting import CrossFitted
from rarecorrect.detectors.interval import IntervalDetector
from rarecorrect.detectors.trees import TreesDetector
from rarecorrect.ranking import tail_ranks
from rarecorrect.tail_scale import TailScale

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEAST_WEIGHT = 0.02  # a member of less is left out
_PRIOR_VARIANCE = 0.25  # of one error's evidence, the largest it can be
_PRIOR_FOR_TREES = 2.0  # their weight beside that of others with the same evidence
_FARTHEST = 3.0  # common scores beyond so many logs of the rows hardly count
_BEYOND = 0.02  # of a common score, what lies farther


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A candidate that works, and its scores of rows that it was not fitted on."""

    name: str
    prototype: Any
    fitted: CrossFitted
    scores: FloatArray
    scale: TailScale
    seconds: float


def held(scale: TailScale, is_error: Mask) -> TailScale:
    """A scale on which one member cannot outvote the others from its tail alone."""
    farthest = _FARTHEST * np.log1p(np.count_nonzero(~is_error))
    at = scale.inverse(farthest)
    if not at > scale.knots[-1]:
        return scale
    return TailScale(
        np.append(scale.knots, at),
        np.append(scale.values, farthest),
        _BEYOND * scale.slope_above,
        scale.slope_below,
    )


def error_ranks(trial: Trial, is_error: Mask) -> FloatArray:
    """Tail rank of every error among the right decisions."""
    return tail_ranks(trial.scores[is_error], np.sort(trial.scores[~is_error]))


def readable(
    trials: list[Trial], ranks: dict[str, FloatArray], budget: float
) -> str | None:
    """A candidate that can be read and is as good as the best, if there is one.

    By the mean log tail rank, capped at the budget: it tells near misses from far ones.
    And not capped, within a standard error: all of a few errors may lie just within the
    budget for the box, and far within it for others, which catch more new errors.
    """
    depth = {name: -np.log(rank) for name, rank in ranks.items()}
    worth = {n: np.mean(np.minimum(d, -np.log(budget))) for n, d in depth.items()}
    deepest = max(depth, key=lambda name: float(depth[name].mean()))
    for trial in trials:
        box, name = isinstance(trial.prototype, IntervalDetector), trial.name
        if box and worth[name] >= max(worth.values()):
            behind = depth[deepest] - depth[name]
            if behind.mean() <= _standard_error(behind):
                return name
    return None


def _standard_error(differences: FloatArray) -> float:
    """Of the mean of a few paired differences, which may be alike by chance."""
    n = differences.size
    return float(np.sqrt((n * differences.var() + _PRIOR_VARIANCE) / (n + 1) / n))


def priors(trials: list[Trial]) -> dict[str, float]:
    """What a candidate counts before there is evidence."""
    forest = {t.name: isinstance(t.prototype, TreesDetector) for t in trials}
    return {name: _PRIOR_FOR_TREES if is_it else 1.0 for name, is_it in forest.items()}


def weights_from(
    evidence: dict[str, FloatArray], priors: dict[str, float]
) -> dict[str, float]:
    """Weights from paired differences to the best, adding up to 1."""
    best = max(evidence, key=lambda name: float(evidence[name].mean()))
    raw = {}
    for name, values in evidence.items():
        behind = evidence[best] - values
        off = behind.mean() / _standard_error(behind)
        raw[name] = priors[name] * float(np.exp(-(off**2) / 4))
    total = sum(raw.values())
    kept = {name: v for name, v in raw.items() if v >= _LEAST_WEIGHT * total}
    return {name: kept.get(name, 0.0) / sum(kept.values()) for name in raw}


def mean_score(chosen: list[tuple[Trial, float]]) -> FloatArray:
    """Scores of rows left out, on the common scale."""
    total = np.zeros(chosen[0][0].scores.size)
    for trial, weight in chosen:
        total += weight * trial.scale(trial.scores)
    return total
