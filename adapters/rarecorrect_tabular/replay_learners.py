"""The two ways to learn a new fraud type: a hot-fix, and retraining."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rarecorrect import ColumnModel, ErrorCorrector, NotCertifiedWarning
from rarecorrect.alert_budget import AlertBudget
from rarecorrect.readable import sentences
from rarecorrect_tabular.legacy import log_odds
from rarecorrect_tabular.replay_traffic import (
    LEGACY_SCORE,
    Traffic,
    at,
    fitted,
)

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt on one morning, from which rows, under which budget.

    Attributes
    ----------
    traffic : Traffic
    morning : int
        Day of which nothing is known yet.
    first : int
        Learn from no earlier day.
    certify_days : int
        Latest whole days, which set the threshold and do nothing else.
    budget : AlertBudget
        Of alerts beyond those of the model in service.
    confidence_level : float
        Of what is certified, in (0, 1).
    seed : int
    """

    traffic: Traffic
    morning: int
    first: int
    certify_days: int
    budget: AlertBudget
    confidence_level: float
    seed: int

    @property
    def recent(self) -> Indices:
        """Rows of the days that set the threshold; most have no label yet."""
        return self.traffic.between(self.morning - self.certify_days, self.morning)

    @property
    def labelled(self) -> tuple[Indices, Mask]:
        """Rows to learn from, and their labels: earlier days, and confirmed cases."""
        rows, label = self.traffic.labels(self.morning)
        day = self.traffic.day[rows]
        kept = (day >= self.first) & (day < self.morning - self.certify_days)
        kept |= np.isin(rows, self.cases)
        return rows[kept], label[kept]

    @property
    def cases(self) -> Indices:
        """Confirmed frauds of the new type that the model in service missed."""
        return self.traffic.cases(self.morning)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A decision rule, and what is said of it.

    Attributes
    ----------
    alerts : callable
        From rows to whether they become alerts beside those of the model in service.
    certificate : str
        What is promised.
    sentence : callable
        Says what the rule looks for; asked of one lesson, since it takes seconds.
    verdict : str
        Whether the errors can be told from right decisions.
    """

    alerts: Callable[[Indices], Mask]
    certificate: str = ""
    sentence: Callable[[], str] = str
    verdict: str = ""


def hot_fix(
    lesson: Lesson,
    *,
    max_damage: float,
    detector: Any = "auto",
    n_background: int = 20_000,
) -> Learnt:
    """Correct the model in service; nothing of it is touched.

    Parameters
    ----------
    lesson : Lesson
    max_damage : float
        Largest share of right decisions changed, certified beside the alerts.
    detector : classifier or "auto", default="auto"
        Of the corrector.
    n_background : int, default=20_000
        Right decisions that the detector is fitted on, at most.

    Returns
    -------
    Learnt
    """
    traffic = lesson.traffic
    background = _background(lesson, n_background)
    rows = np.unique(np.concatenate([background, lesson.cases, lesson.recent]))
    # whatever nobody has confirmed passes for what the model in service says
    y = traffic.flagged[rows] | np.isin(rows, lesson.cases)
    budget = lesson.budget
    corrector = ErrorCorrector(
        ColumnModel(LEGACY_SCORE, threshold=0.0),
        features="input",
        detector=detector,
        max_damage=max_damage,
        alert_budget=f"{budget.per_day}/day" if budget.per_day else budget.rate,
        confidence_level=lesson.confidence_level,
        # every lesson is certified once, on days of its own
        ledger=False,
        random_state=lesson.seed,
    )
    with warnings.catch_warnings():
        # then the rule stays off, and its certificate says why
        warnings.simplefilter("ignore", NotCertifiedWarning)
        corrector.fit(
            traffic.X.iloc[rows],
            y.astype(int),
            calibration_mask=np.isin(rows, lesson.recent),
            time=traffic.day[rows],
        )

    def alerts(wanted: Indices) -> Mask:
        after = corrector.predict(traffic.X.iloc[wanted]) == 1
        return np.asarray(after & ~traffic.flagged[wanted])

    return Learnt(
        alerts,
        "; ".join(map(str, corrector.report_.certificates)),
        lambda: _sentence(corrector, lesson),
        _verdict(corrector),
    )


def retraining(lesson: Lesson) -> Learnt:
    """Fit the model in service anew, with all labels that are known.

    The alerts of the model in service stay.  The new model's highest scores are added,
    under the same budget, certified on the same days.

    Parameters
    ----------
    lesson : Lesson

    Returns
    -------
    Learnt
    """
    traffic = lesson.traffic
    X = traffic.X.drop(columns=LEGACY_SCORE).to_numpy()
    rows, label = lesson.labelled
    model = fitted(X[rows], label, at(traffic.weight, rows), lesson.seed)

    def scores(wanted: Indices) -> npt.NDArray[np.float64]:
        found = log_odds(model.predict_proba(X[wanted])[:, 1])
        found[traffic.flagged[wanted]] = -np.inf
        return found

    recent = lesson.recent
    seen = scores(recent)
    # as in a corrector: a row that was learnt from is an alert whatever its score
    seen[np.isin(recent, lesson.cases)] = np.inf
    certificate = lesson.budget.certificate(
        seen,
        lesson.confidence_level,
        time=traffic.day[recent],
        random_state=lesson.seed,
    )
    return Learnt(
        lambda wanted: scores(wanted) > certificate.threshold,
        certificate=str(certificate),
    )


def _background(lesson: Lesson, most: int) -> Indices:
    """Rows that the model in service rightly let pass, as far as anybody knows."""
    rows, label = lesson.labelled
    rows = rows[~label & ~lesson.traffic.flagged[rows]]
    rng = np.random.default_rng([lesson.seed, lesson.morning])
    return rng.permutation(rows)[:most]


def _sentence(corrector: ErrorCorrector, lesson: Lesson) -> str:
    """The rule itself where it can be read, else why it fires on its typical case."""
    book = corrector.rules_
    names = corrector.features_.names_
    for rule in book:
        for told in sentences(rule, book, names):
            return told
    why = corrector.explain(lesson.traffic.X.iloc[lesson.cases]).frame
    if why.empty:
        return ""
    order = np.argsort(why["score"].to_numpy(), kind="stable")
    return str(why["sentence"].iloc[order[order.size // 2]])


def _verdict(corrector: ErrorCorrector) -> str:
    told = corrector.report_.to_dict()
    reasons = [str(refusal["reason"]) for refusal in told["refused"]]
    return "; ".join([*(rule["separability"] for rule in told["rules"]), *reasons])
