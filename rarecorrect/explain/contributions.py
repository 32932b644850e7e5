"""Which features carried a score: exact contributions, or why there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect.cross_fitting import CrossFitted, detector_score, linear_form
from rarecorrect.detectors import (
    AutoDetector,
    BoostingDetector,
    CascadeDetector,
    CleanedDetector,
    TreesDetector,
)
from rarecorrect.explain.tree_values import (
    NotKnownError,
    values_by_shap,
    values_of_boosting,
)
from rarecorrect.rule import Rule

FloatArray = npt.NDArray[np.float64]

_ADDS_UP_TO = 1e-3  # of the terms; XGBoost adds in float32
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a rule's detector, or a member of it, says of one case.

    Attributes
    ----------
    member : str
        Its name in a mean of members; empty for a detector that decides alone.
    adds : float
        Its share of the sum over the members; alone: the raw score of the rule.
    score, base : float
        What the contributions explain: the detector's own score of the case, and of
        the usual right decision, see :func:`~rarecorrect.explain.explanations`.
    contributions : ndarray of shape (n_features,) or None
        They add up to ``score - base``.
    note : str
        Why there are none.
    where : str
        For a cascade: the stage that decides the case, which `score`, `base` and
        `contributions` are of.

    Examples
    --------
    >>> part = Part("", 3.0, 3.0, 1.0, np.array([2.5, -0.5]))
    >>> bool(part.base + part.contributions.sum() == part.score)
    True
    """

    member: str
    adds: float
    score: float
    base: float
    contributions: FloatArray | None
    note: str = ""
    where: str = ""


def parts_of(rule: Rule, rows: FloatArray, raw: FloatArray) -> list[tuple[Part, ...]]:
    """Members of a rule's detector, or the detector itself, on every case.

    Parameters
    ----------
    rule : Rule
    rows : ndarray of shape (1 + n_cases, n_features)
        The first is the usual right decision, from which the others are counted.
    raw : ndarray of shape (1 + n_cases,)
        Raw scores of these rows by the rule.

    Returns
    -------
    list of tuple of Part
        One tuple per case.

    Examples
    --------
    >>> from rarecorrect.detectors import FisherDetector
    >>> from rarecorrect.tail_scale import TailScale
    >>> coef, scale = np.array([2.0, 1.0]), TailScale.from_scores([0.0, 1.0])
    >>> rule = Rule("to 1", 1, FisherDetector(), scale, coef=coef, intercept=-5.0)
    >>> rows = np.array([[1.0, 1.0], [4.0, 0.0]])
    >>> [[part]] = parts_of(rule, rows, rule.score(rows))
    >>> part.base, part.contributions.tolist(), part.score
    (-2.0, [6.0, -1.0], 3.0)
    """
    if rule.coef is not None or not isinstance(rule.detector, AutoDetector):
        alone = _parts("", rule.detector, rows, raw, raw, rule.coef)
        return [(part,) for part in alone]
    members = rule.detector.members_
    found = []
    for name, member, scale, weight in members:
        score = member.score(rows)
        adds = score if len(members) == 1 else weight * scale(score)
        found.append(_parts(name, member, rows, score, adds))
    return list(zip(*found, strict=True))


def _parts(
    name: str,
    detector: Any,
    rows: FloatArray,
    score: FloatArray,
    adds: FloatArray,
    coef: FloatArray | None = None,
) -> list[Part]:
    """One part per case; without contributions if they are not known."""
    try:
        if coef is not None:
            return _Counted.up(score, rows * coef).parts(name, adds[1:])
        return _counted(detector, rows).parts(name, adds[1:])
    except NotKnownError as reason:
        note = f"no contributions for {name or 'this rule'}: {reason}"
        base = float(score[0])
        return [
            Part(name, a, s, base, None, note)
            for a, s in zip(adds[1:].tolist(), score[1:].tolist(), strict=True)
        ]


def remarks(parts: Sequence[Part]) -> str:
    """What the reader of the numbers has to know; mostly nothing.

    Parameters
    ----------
    parts : sequence of Part
        Of one case.

    Returns
    -------
    str

    Examples
    --------
    >>> trees = Part("trees", 0.5, 3.0, 1.0, None, note="no contributions for trees")
    >>> cascade = Part("cascade", 0.5, 2.0, 1.0, np.ones(1), where="at its only stage")
    >>> remarks([trees, cascade])
    'no contributions for trees; cascade at its only stage'
    """
    places = (f"{part.member} {part.where}" if part.where else "" for part in parts)
    found = (part.note or place for part, place in zip(parts, places, strict=True))
    return "; ".join(text.strip() for text in found if text)


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Scores of cases, counted up from the base by what every feature adds.

    Raises
    ------
    NotKnownError
        If that does not add up: then it explains something else.
    """

    score: FloatArray
    base: FloatArray
    own: FloatArray
    where: Sequence[str] = ()

    @classmethod
    def up(cls, score: FloatArray, terms: FloatArray) -> _Counted:
        """From the first row."""
        base = np.full(len(score) - 1, score[0])
        return cls(score[1:], base, terms[1:] - terms[0])

    def __post_init__(self) -> None:
        differences = self.score - self.base
        size = np.abs(self.own).sum(axis=1) + np.abs(differences)
        off = np.abs(self.own.sum(axis=1) - differences)
        if (off > _ADDS_UP_TO * size + _NOTHING).any():
            raise NotKnownError("they do not add up to its score")

    def parts(self, name: str, adds: FloatArray) -> list[Part]:
        where = self.where or [""] * len(adds)
        numbers = (column.tolist() for column in (adds, self.score, self.base))
        return [
            Part(name, a, score, base, own, where=place)
            for a, score, base, own, place in zip(
                *numbers, self.own, where, strict=True
            )
        ]


def _counted(detector: Any, rows: FloatArray) -> _Counted:
    """Of all rows but the first, from which they are counted."""
    if isinstance(detector, CrossFitted):
        return _mean([_counted(model, rows) for model in detector.models])
    if isinstance(detector, CleanedDetector):
        return _counted(detector.detector_, rows)
    if isinstance(detector, CascadeDetector):
        return _of_cascade(detector, rows)
    return _Counted.up(detector_score(detector, rows), _terms(detector, rows))


def _terms(detector: Any, rows: FloatArray) -> FloatArray:
    """What features add to the score, but for a constant: (n_rows, n_features)."""
    if isinstance(detector, BoostingDetector):
        return values_of_boosting(detector.booster_, rows)
    if isinstance(detector, TreesDetector):
        trees, weights = detector.parts()
        return values_by_shap(trees, rows) + rows * weights
    coef = linear_form(detector, rows)[0]
    return values_of_boosting(detector, rows) if coef is None else rows * coef


def _of_cascade(cascade: CascadeDetector, rows: FloatArray) -> _Counted:
    """By the stage that decides a case: its score is linear in what the stages read.

    The score of the whole is not, and its order is that of this one among the cases
    that the same stage decides.
    """
    Z = cascade.scale_(rows)
    stage = _stages_passed(cascade, Z)[1:]
    score, base, own = np.empty(stage.size), np.empty(stage.size), np.empty_like(Z[1:])
    for k in np.unique(stage):
        mine = np.flatnonzero(stage == k)
        found = _counted(cascade.stages_[k], Z[np.append(0, mine + 1)])
        score[mine], base[mine], own[mine] = found.score, found.base, found.own
    # the stages read every feature in several forms, all features in each
    of_features = own.reshape(stage.size, -1, rows.shape[1]).sum(axis=1)
    n_stages = len(cascade.stages_)
    return _Counted(
        score, base, of_features, [_place(k, n_stages) for k in stage.tolist()]
    )


def _stages_passed(cascade: CascadeDetector, Z: FloatArray) -> npt.NDArray[np.intp]:
    on, passed = np.ones(len(Z), dtype=bool), np.zeros(len(Z), dtype=np.intp)
    for stage, cut in zip(cascade.stages_[:-1], cascade.cuts_, strict=True):
        on &= stage.decision_function(Z) >= cut
        passed += on
    return passed


def _place(passed: int, n_stages: int) -> str:
    if n_stages == 1:
        return "at its only stage"
    first = "stage 1" if passed == 1 else f"the first {passed}"
    after = f", after passing {first}" if passed else ""
    return f"at stage {passed + 1} of {n_stages}{after}"


def _mean(fits: list[_Counted]) -> _Counted:
    """A mean over folds; in units of stages where these are cascades."""
    score, base, own = (
        np.mean([getattr(fit, name) for fit in fits], axis=0)
        for name in ("score", "base", "own")
    )
    places = zip(*(fit.where for fit in fits), strict=True)
    return _Counted(score, base, own, [_places(of_case) for of_case in places])


def _places(places: tuple[str, ...]) -> str:
    """Where the fits of a mean decide a case; they may differ."""
    counts = Counter(places).most_common()
    if len(counts) == 1:
        return places[0]
    found = [f"in {n} of {len(places)} fits {place}" for place, n in counts]
    return ", and ".join(found)
